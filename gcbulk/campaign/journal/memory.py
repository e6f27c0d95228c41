"""What went already: rows of other campaigns that hold the same text for the same recipient."""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.contents import changed_files, same_files
from gcbulk.campaign.journal.days import same_day_window, told
from gcbulk.campaign.journal.tables import HELD, IN_FLIGHT, campaigns, recipients
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal

REPEAT_SECONDS: Final = 600.0
"""Even `repeat` does not send what went less than this many seconds ago."""
TOO_SOON: Final = "Even repeat=True (--repeat) does not send what went less than ten minutes ago. Wait, then try again."
NO_OTHER_EMAIL: Final = ", which makes it no other email."
"""Behind the names of files that are no longer what they were when the email went."""
_KEYS_AT_ONCE: Final = 10_000
_FILES_NAMED: Final = 3
_FIRMNESS: Final = {IN_FLIGHT: 0, Status.UNKNOWN: 1}

_twin: Final = recipients.alias("twin")
_SAYS: Final = (_twin.c.state, _twin.c.claimed_at, _twin.c.message_id, campaigns.c.name, _twin.c.content)
_HOLDS: Final = (
    _twin.c.batch_id.is_not(None),
    sa.or_(*(_twin.c.state == state for state in HELD)),
    sa.or_(
        _twin.c.counts_at.between(sa.bindparam("day_begins"), sa.bindparam("day_ends")),
        _twin.c.claimed_at > sa.bindparam("lately"),
        _twin.c.state == IN_FLIGHT,
    ),
)
_HELD_ELSEWHERE: Final = (
    sa.select(recipients.c.position, *_SAYS, recipients.c.content)
    .join(_twin, _twin.c.content_key == recipients.c.content_key)
    .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        _twin.c.campaign_id != sa.bindparam("the_campaign"),
        *_HOLDS,
    )
)
_HELD_BY_KEY: Final = (
    sa.select(_twin.c.content_key, *_SAYS)
    .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
    .where(_twin.c.content_key.in_(sa.bindparam("keys", expanding=True)), *_HOLDS)
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


class Held(NamedTuple):
    """Why a row is not sent now: another row has the same text for the same recipient."""

    state: str
    code: ErrorCode
    detail: str

    @property
    def in_flight(self) -> bool:
        """Whether the other row is being sent at this moment, so that this one must be looked at again."""
        return self.code is ErrorCode.IN_FLIGHT_ELSEWHERE


def held_elsewhere(
    campaign: Campaign, which: sa.Select[Any], now: float, **bounds: int
) -> tuple[sa.Select[Any], dict[str, Any]]:
    """What finds the rows of a campaign that another campaign holds, for the journal to run: `by_position` reads it.

    `which` is OF_A_CALL (with `the_number`) or OF_A_STRETCH (with `first` and `last`).
    """
    window = _window(now, send_at=campaign.send_at, repeat=campaign.repeat)
    return which, {"the_campaign": campaign.id, **window, **bounds}


def by_position(campaign: Campaign, found: Iterable[Any]) -> dict[int, Held]:
    """By position, why rows of a campaign are not sent now."""
    return _firmest(found, repeat=campaign.repeat)


def look_up(
    journal: Journal,
    keys: Sequence[bytes],
    *,
    contents: Mapping[bytes, str] = MappingProxyType({}),
    send_at: float | None = None,
    repeat: bool = False,
) -> dict[bytes, Held]:
    """By content key, what any campaign holds: for a look before a campaign exists.

    `contents` are what emails hold beside their bodies.
    """
    held: dict[bytes, Held] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        with journal.reading() as connection:
            window = _window(journal.now(connection), send_at=send_at, repeat=repeat)
            some = list(keys[start : start + _KEYS_AT_ONCE])
            found = connection.execute(_HELD_BY_KEY, {"keys": some, **window}).all()
            held |= _firmest(((*row, contents.get(row.content_key)) for row in found), repeat=repeat)
    return held


def mark_held(journal: Journal, connection: Connection, campaign: Campaign, held: Mapping[int, Held]) -> None:
    """Write down for each of these rows why it is not sent now."""
    if held:
        ready = {"the_campaign": campaign.id, "ready": Status.READY}
        journal.many(
            connection,
            _MARK,
            (
                {**ready, "the_position": position, "new_state": state, "new_code": code, "new_detail": detail}
                for position, (state, code, detail) in held.items()
            ),
        )


def _window(now: float, *, send_at: float | None, repeat: bool) -> dict[str, float]:
    if repeat:
        return {"day_begins": math.inf, "day_ends": -math.inf, "lately": now - REPEAT_SECONDS}
    day_begins, day_ends = same_day_window(max(send_at or now, now))  # past its time, it goes now
    return {"day_begins": day_begins, "day_ends": day_ends, "lately": math.inf}


def _firmest(found: Iterable[Any], *, repeat: bool) -> dict[Any, Held]:
    """For each key the firmest of what is known: that it was sent, over that it may have been, over in flight.

    An email of the same words and names with other files is another email, and holds nothing.
    """
    rows = sorted(found, key=lambda row: _FIRMNESS.get(row[1], 2))
    return {
        key: _why(state, _when(moment, name), told_id, before, content, repeat=repeat)
        for key, state, moment, told_id, name, before, content in rows
        if same_files(before, content)
    }


def _why(
    state: str, when: str, message_id: str | None, before: str | None, content: str | None, *, repeat: bool
) -> Held:
    if state == IN_FLIGHT:
        code, becomes, first = ErrorCode.IN_FLIGHT_ELSEWHERE, Status.READY, f"Being sent {when}."
    elif state == Status.UNKNOWN:
        code, becomes, first = ErrorCode.OUTCOME_UNKNOWN, Status.UNKNOWN, f"The same message was tried {when}."
    else:
        code, becomes = ErrorCode.ALREADY_SENT, Status.DUPLICATE
        first = f"Sent {when} (MessageId {message_id or 'not known'})."
        if changed := changed_files(before, content):
            first += f" Since then {', '.join(changed[:_FILES_NAMED])} has changed{NO_OTHER_EMAIL}"
    then = TOO_SOON if repeat and code is ErrorCode.ALREADY_SENT else SENTENCES[code]
    return Held(becomes, code, f"{first} {then}")


@lru_cache(maxsize=4096)  # rows of one call share them
def _when(claimed_at: float, name: str) -> str:
    return f"on {told(claimed_at)} in campaign {name!r}"
