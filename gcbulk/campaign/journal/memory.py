"""What went already: rows of other campaigns that hold the same text for the same recipient."""

from __future__ import annotations

import math
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.contents import changed_files, same_files
from gcbulk.campaign.journal.days import same_day_window, told
from gcbulk.campaign.journal.store import UNFINISHED_DAYS
from gcbulk.campaign.journal.tables import HELD, IN_FLIGHT, batches, campaigns, recipients
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal

DOUBT_SECONDS: Final = UNFINISHED_DAYS * 86_400.0
"""For how long an unknown outcome of an earlier day is asked about."""
REPEAT_SECONDS: Final = 600.0
"""Even `repeat` does not send what went less than this many seconds ago."""
TOO_SOON: Final = "Even repeat=True (--repeat) does not send what went less than ten minutes ago. Wait, then try again."
NO_OTHER_EMAIL: Final = ", which makes it no other email."
"""Behind the names of files that are no longer what they were when the email went."""
_KEYS_AT_ONCE: Final = 10_000
_FILES_NAMED: Final = 3
_PERHAPS: Final = (Status.UNKNOWN, Status.OPTED_OUT)
_FIRMNESS: Final = {IN_FLIGHT: 0, Status.UNKNOWN: 1, Status.OPTED_OUT: 1}

_twin: Final = recipients.alias("twin")
_SAYS: Final = (
    _twin.c.counts_at,
    _twin.c.state,
    _twin.c.claimed_at,
    _twin.c.message_id,
    campaigns.c.name,
    _twin.c.content,
)
_WENT: Final = (_twin.c.batch_id.is_not(None), sa.or_(*(_twin.c.state == state for state in HELD)))
_HOLDS: Final = (
    _twin.c.counts_at.between(sa.bindparam("day_begins"), sa.bindparam("day_ends")),
    _twin.c.claimed_at > sa.bindparam("lately"),
    _twin.c.state == IN_FLIGHT,
)
_IN_DOUBT: Final = sa.and_(_twin.c.state == Status.UNKNOWN, _twin.c.claimed_at > sa.bindparam("doubts_from"))
_ELSEWHERE: Final = (
    sa.select(recipients.c.position, *_SAYS, recipients.c.content)
    .join(_twin, _twin.c.content_key == recipients.c.content_key)
    .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        _twin.c.campaign_id != sa.bindparam("the_campaign"),
        *_WENT,
    )
)
_BY_KEY: Final = (
    sa.select(_twin.c.content_key, *_SAYS)
    .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
    .where(_twin.c.content_key.in_(sa.bindparam("keys", expanding=True)), *_WENT, sa.or_(*_HOLDS, _IN_DOUBT))
)
OF_A_CALL: Final = _ELSEWHERE.where(recipients.c.batch_number == sa.bindparam("the_number"), sa.or_(*_HOLDS))
OF_A_STRETCH: Final = _ELSEWHERE.where(
    recipients.c.position.between(sa.bindparam("first"), sa.bindparam("last")),
    recipients.c.state == Status.READY,
    sa.or_(*_HOLDS, _IN_DOUBT),
)
_ITS_CLAIM_SINCE: Final = (
    sa.select(batches.c.id)
    .where(batches.c.campaign_id == campaigns.c.id, batches.c.claimed_at >= sa.bindparam("since"))
    .limit(1)  # without which a server would rather read the claims of all campaigns
    .scalar_subquery()
)
_IN_REACH: Final = (
    sa.select(campaigns.c.id)
    .where(
        campaigns.c.id != sa.bindparam("the_campaign"),
        sa.or_(campaigns.c.send_at >= sa.bindparam("day_begins"), _ITS_CLAIM_SINCE.is_not(None)),
    )
    .limit(1)
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


class Doubt(NamedTuple):
    """Where the same message was tried for the same recipient on an earlier day, and is unknown to this day."""

    campaign: str
    tried_at: float


class Known(NamedTuple):
    """What other campaigns know of some rows: which of them they hold, and which may have gone on an earlier day."""

    held: dict[Any, Held]
    doubts: dict[Any, Doubt]


class Look(NamedTuple):
    """A look at what other campaigns know: what the journal is to run, and how to read what it finds."""

    statement: sa.Select[Any]
    values: Mapping[str, Any]
    repeat: bool

    def known(self, found: Iterable[Any]) -> Known:
        """By position, what other campaigns know of the rows."""
        return _sorted_out(found, self.values, repeat=self.repeat)


def any_in_reach(journal: Journal, connection: Connection, campaign: Campaign, now: float) -> bool:
    """Whether a look at a stretch of rows can find anything: another campaign with claims in the time that counts.

    What was claimed before counts by the time that it is scheduled for. What somebody settled as sent though its
    campaign never claimed it, is left to the look that each claim takes.
    """
    asked = _asked(campaign, now)
    since = min(asked["day_begins"], asked["lately"], asked["doubts_from"])
    return bool(journal.run(connection, _IN_REACH, {**asked, "since": since}))


def look_elsewhere(campaign: Campaign, which: sa.Select[Any], now: float, **bounds: int) -> Look:
    """A look at rows of a campaign.

    `which` is OF_A_CALL (with `the_number`), which asks for no doubts, or OF_A_STRETCH (with `first` and `last`).
    """
    return Look(which, {**_asked(campaign, now), **bounds}, campaign.repeat)


def _asked(campaign: Campaign, now: float) -> dict[str, float]:
    """Of which campaign, and in which times, a look is taken."""
    window = _window(now, send_at=campaign.send_at, repeat=campaign.repeat)
    if not campaign.repeat and (campaign.send_at or now) <= now:
        # what went since, of an earlier day's campaign too: its rows may have gone in a list of their own
        window["day_begins"] = min(window["day_begins"], campaign.created_at)
    return {"the_campaign": campaign.id, "doubts_from": now - DOUBT_SECONDS, **window}


def look_up(
    journal: Journal,
    keys: Sequence[bytes],
    *,
    contents: Mapping[bytes, str] = MappingProxyType({}),
    send_at: float | None = None,
    repeat: bool = False,
) -> Known:
    """By content key, what any campaign knows: for a look before a campaign exists.

    `contents` are what emails hold beside their bodies.
    """
    known = Known({}, {})
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        with journal.reading() as connection:
            now = journal.now(connection)
            window = _window(now, send_at=send_at, repeat=repeat)
            some = list(keys[start : start + _KEYS_AT_ONCE])
            found = connection.execute(_BY_KEY, {"keys": some, "doubts_from": now - DOUBT_SECONDS, **window}).all()
            of_these = _sorted_out(((*row, contents.get(row.content_key)) for row in found), window, repeat=repeat)
            known.held.update(of_these.held)
            known.doubts.update(of_these.doubts)
    return known


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


def _sorted_out(found: Iterable[Any], window: Mapping[str, float], *, repeat: bool) -> Known:
    """What holds a row, apart from what only puts it in doubt: unknown, and not of the time that counts."""
    holding: list[Any] = []
    doubtful: list[Any] = []
    for key, counts_at, *rest in found:
        state, claimed_at = rest[:2]
        counts = (
            state != Status.UNKNOWN
            or window["day_begins"] <= counts_at <= window["day_ends"]
            or claimed_at > window["lately"]
        )
        (holding if counts else doubtful).append((key, *rest))
    held = _firmest(holding, repeat=repeat)
    doubts = {
        key: Doubt(name, tried_at)
        for key, _, tried_at, _, name, before, content in sorted(doubtful, key=lambda row: row[2])
        if key not in held and same_files(before, content)
    }
    return Known(held, doubts)


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
    elif state in _PERHAPS:
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
