"""What went already: rows of other campaigns that hold the same text for the same recipient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.days import same_day_window, told
from gcbulk.campaign.journal.tables import HELD, IN_FLIGHT, campaigns, recipients
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal

REPEAT_SECONDS: Final = 600.0
"""Even `repeat` does not send what went less than this many seconds ago."""
_FIRMNESS: Final = {IN_FLIGHT: 0, Status.UNKNOWN: 1}

_twin: Final = recipients.alias("twin")
_HELD_ELSEWHERE: Final = (
    sa.select(recipients.c.position, _twin.c.state, _twin.c.claimed_at, _twin.c.message_id, campaigns.c.name)
    .join(_twin, _twin.c.content_key == recipients.c.content_key)
    .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        _twin.c.campaign_id != sa.bindparam("the_campaign"),
        _twin.c.batch_id.is_not(None),
        sa.or_(*(_twin.c.state == state for state in HELD)),
        sa.or_(
            _twin.c.counts_at.between(sa.bindparam("day_begins"), sa.bindparam("day_ends")),
            _twin.c.claimed_at > sa.bindparam("lately"),
            _twin.c.state == IN_FLIGHT,
        ),
    )
)
OF_A_CALL: Final = _HELD_ELSEWHERE.where(recipients.c.batch_number == sa.bindparam("the_number"))
OF_A_STRETCH: Final = _HELD_ELSEWHERE.where(
    recipients.c.position.between(sa.bindparam("first"), sa.bindparam("last")), recipients.c.state == Status.READY
)
_MARK: Final = (
    recipients.update()
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        recipients.c.position == sa.bindparam("the_position"),
        recipients.c.state == sa.bindparam("ready"),
    )
    .values(
        state=sa.bindparam("new_state"), error_code=sa.bindparam("new_code"), error_detail=sa.bindparam("new_detail")
    )
)


class Twin(NamedTuple):
    """Another campaign's row with the same text for the same recipient; `position` is our own row's."""

    position: int
    state: str
    claimed_at: float
    message_id: str | None
    name: str


def find_twins(
    connection: Connection, campaign: Campaign, which: sa.Select[Any], now: float, **bounds: int
) -> dict[int, Twin]:
    """By position, for each row that another campaign holds: its twin there, of the firmest knowledge.

    `which` is OF_A_CALL (with `the_number`) or OF_A_STRETCH (with `first` and `last`).
    """
    if campaign.repeat:
        window = {"day_begins": math.inf, "day_ends": -math.inf, "lately": now - REPEAT_SECONDS}
    else:
        day_begins, day_ends = same_day_window(campaign.send_at or now)
        window = {"day_begins": day_begins, "day_ends": day_ends, "lately": math.inf}
    found = connection.execute(which, {"the_campaign": campaign.id, **window, **bounds}).all()
    by_firmness = sorted(map(Twin._make, found), key=lambda twin: _FIRMNESS.get(twin.state, 2))
    return {twin.position: twin for twin in by_firmness}


def mark_held(journal: Journal, connection: Connection, campaign: Campaign, twins: Mapping[int, Twin]) -> None:
    """Write down for each of these rows why it is not sent now."""
    if twins:
        journal.many(
            connection,
            _MARK,
            [
                {"the_campaign": campaign.id, "the_position": position, "ready": Status.READY, **_held_values(twin)}
                for position, twin in twins.items()
            ],
        )


def _held_values(twin: Twin) -> dict[str, str]:
    """What a row becomes when another campaign's row holds its text."""
    when = f"on {told(twin.claimed_at)} in campaign {twin.name!r}"
    if twin.state == IN_FLIGHT:
        code, state, first = ErrorCode.IN_FLIGHT_ELSEWHERE, Status.READY, f"Being sent {when}."
    elif twin.state == Status.UNKNOWN:
        code, state, first = ErrorCode.OUTCOME_UNKNOWN, Status.UNKNOWN, f"The same text was tried {when}."
    else:
        code, state = ErrorCode.ALREADY_SENT, Status.DUPLICATE
        first = f"Sent {when} (MessageId {twin.message_id or 'not known'})."
    return {"new_state": state, "new_code": code, "new_detail": f"{first} {SENTENCES[code]}"}
