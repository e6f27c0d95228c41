"""Claims and settlements: who may send a row, and what became of it, each in the caller's transaction.

A claim is committed before the first byte of the call leaves; it takes only rows that nobody else holds. A settlement
closes it, by the claim's own number.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles

from gcbulk.campaign.journal.events import NOTES
from gcbulk.campaign.journal.in_the_air import another_look_in, calls_in_the_air
from gcbulk.campaign.journal.memory import OF_A_CALL, look_elsewhere, mark_held
from gcbulk.campaign.journal.tables import IN_FLIGHT, batches, recipients
from gcbulk.codes import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.memory import Held
    from gcbulk.campaign.journal.store import Campaign, Journal, Work

_GIVEN_BACK: Final[dict[str, Any]] = {"batch_id": None, "claimed_at": None, "counts_at": None}


class ClaimedRow(NamedTuple):
    """A row that a claim took: what the call has to say."""

    position: int
    address: str
    text: str
    client_ref: str
    customer_id: str | None  # under whom a partner sends it
    content: str | None  # what an email holds beside its body
    state: str  # before it was taken


class Wanted(NamedTuple):
    """What a claim asks for: the rows of planned call `number`, or only `positions` of it, in one of `states`.

    `at_once` is how many calls may be in the air, over all runs on the campaign.
    """

    number: int
    positions: Sequence[int] | None
    states: Sequence[str]
    at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one call. `claimed_at` is the journal's time; `rows` may be fewer than were asked for."""

    id: int
    claimed_at: float
    rows: tuple[ClaimedRow, ...]
    elsewhere: tuple[int, ...]  # rows left out because another campaign has their text in flight
    lost: tuple[int, ...] = ()  # rows that a worker of this run had claimed for the same call: it came to nothing
    room_in: float | None = field(default=None, kw_only=True)  # seconds; set where too many calls are in the air


class Settlement(NamedTuple):
    """What became of rows that fared alike: of each the position and the MessageId, which all of them have, or none.

    `state` is a Status value; `ready` gives the rows back, to be sent later.
    """

    rows: Sequence[tuple[int, str | None]]
    state: str
    accepted_at: float | None = None
    error_code: str | None = None
    error_detail: str | None = None


class Ending(NamedTuple):
    """A call that was made: what became of its rows, and which call is wanted next, if any."""

    claim: Claim
    settlements: Sequence[Settlement]
    http_status: int | None
    wanted: Wanted | None = None


class Seen(NamedTuple):
    """What there was to be seen of a call that is wanted, before its rows are taken."""

    rows: Sequence[Any]
    calls: int  # in the air, over all runs on the campaign
    held: Mapping[int, Held]  # rows that went in another campaign, or are going


def look_at(
    journal: Journal,
    connection: Connection,
    campaign: Campaign,
    wanted: Sequence[Wanted],
    now: float,
    *,
    after: Sequence[Work] = (),
) -> list[Seen]:
    """What is to be seen of some calls, once `after` is done: the journal is asked for all of it together."""
    if not wanted:
        journal.together(connection, after)
        return []
    looks = [look_elsewhere(campaign, OF_A_CALL, now, the_number=one.number) for one in wanted]
    work = [*after, calls_in_the_air(connection, campaign.id, now)]
    for one, look in zip(wanted, looks, strict=True):
        work += [(_SELECT, _chosen(campaign, one)), (look.statement, look.values)]
    ((calls,),), *found = journal.together(connection, work)[len(after) :]
    return [
        Seen(rows, calls, look.known(twins).held)
        for look, rows, twins in zip(looks, found[::2], found[1::2], strict=True)
    ]


def _chosen(campaign: Campaign, wanted: Wanted) -> dict[str, Any]:
    one, *_, other = *wanted.states, wanted.states[-1]
    return {"the_campaign": campaign.id, "the_number": wanted.number, "one_state": one, "other_state": other}


def take_rows(
    journal: Journal, connection: Connection, campaign: Campaign, run_id: int, wanted: Wanted, now: float, seen: Seen
) -> Claim | None:
    """Claim what is wanted for a run, in the caller's transaction; None where nothing is left to take."""
    number, positions, _, at_once = wanted
    found = sorted(map(ClaimedRow._make, seen.rows))
    if positions is not None:
        found = [row for row in found if row.position in positions]
    if not found:
        return None
    if at_once is not None and seen.calls >= at_once:
        return Claim(0, now, (), (), room_in=another_look_in(journal, connection, campaign.id, now))
    held = seen.held
    mark_held(journal, connection, campaign, held)
    rows = tuple(row for row in found if row.position not in held) if held else tuple(found)
    waiting = {position for position, one in held.items() if one.in_flight}
    elsewhere = tuple([row.position for row in found if row.position in waiting]) if waiting else ()
    if not rows:
        return Claim(0, now, (), elsewhere) if elsewhere else None
    opened = {"campaign_id": campaign.id, "run_id": run_id, "number": number, "claimed_at": now}
    counts_at = max(campaign.send_at or now, now)  # a campaign that is past its time goes now
    taken = {**_chosen(campaign, wanted), **_TAKEN, "now": now, "counts_at": counts_at}
    if positions is None and len(rows) == len(found):
        ((claim_id,),), _ = journal.together(connection, [(_OPEN, opened), (_TAKE, taken)])
    else:
        ((claim_id,),) = journal.run(connection, _OPEN, opened)
        on_rows(journal, connection, _TAKE, taken, [row.position for row in rows])
    return Claim(int(claim_id), now, rows, elsewhere)


def to_settle(connection: Connection, campaign: Campaign, ending: Ending, now: float) -> list[Work]:
    """What writes down what became of a claim, for the journal to run."""
    claim, settlements, http_status, _ = ending
    work: list[Work] = [(_CLOSE, {"by_batch": claim.id, "now": now, "http": http_status})]
    settled = {"the_campaign": campaign.id, "by_batch": claim.id, "accepted": Status.ACCEPTED}
    for rows, *alike in settlements:
        values = {**settled, **dict(zip(_FARED, alike, strict=True))}
        if rows[0][1] is not None:
            values["new_time"] = values["new_time"] or now
        if connection.dialect.name == "sqlite":
            for start in range(0, len(rows), _MOST_AT_ONCE):
                some = rows[start : start + _MOST_AT_ONCE]
                names, statement = _settle_in_file(len(some))
                work.append((statement, {**values, **dict(zip(names, chain(*some), strict=True))}))
        else:
            work.append((_SETTLE_ALL, {**values, "told": json.dumps(dict(rows))}))
    return work


def give_back(connection: Connection, campaign: Campaign, ending: Ending) -> Mapping[int, Status]:
    """Forget the claim of rows that were refused; by position what was said of those that a callback proved sent."""
    claim, settlements, *_ = ending
    refused = {
        position: Status(one.state)
        for one in settlements
        if one.state in (Status.READY, Status.REJECTED)
        for position, _ in one.rows
    }
    if not refused:
        return refused
    proven = _note_proven(connection, campaign, claim, refused)
    connection.execute(
        recipients.update()
        .where(
            recipients.c.campaign_id == campaign.id,
            recipients.c.position.in_(list(refused)),
            recipients.c.batch_id == claim.id,
            recipients.c.proven_at.is_(None),
        )
        .values(_GIVEN_BACK)
    )
    return {position: refused[position] for position in proven}


def _note_proven(connection: Connection, campaign: Campaign, claim: Claim, refused: Mapping[int, Status]) -> list[int]:
    """The positions of refused rows that a callback had proven sent; their ErrorDetail says so from here on."""
    proven = (
        connection.execute(
            sa.select(recipients.c.position)
            .where(
                recipients.c.campaign_id == campaign.id,
                recipients.c.position.in_(list(refused)),
                recipients.c.batch_id == claim.id,
                recipients.c.proven_at.is_not(None),
            )
            .order_by(recipients.c.position)
        )
        .scalars()
        .all()
    )
    for position in proven:
        connection.execute(
            recipients.update()
            .where(recipients.c.campaign_id == campaign.id, recipients.c.position == position)
            .values(error_detail=NOTES[refused[position]])
        )
    return list(proven)


def on_rows(
    journal: Journal, connection: Connection, statement: Any, values: Mapping[str, Any], positions: Sequence[int] | None
) -> Sequence[Any]:
    """Run a statement on the rows of a call, or on some of them only; the rows that it returns, if any."""
    if positions is None:
        return journal.run(connection, statement, values)
    result = connection.execute(statement.where(recipients.c.position.in_(positions)), values)
    return result.all() if result.returns_rows else []


# Built once: making a statement costs SQLAlchemy more than running it costs the database.
_OF_THE_CALL: Final = (
    recipients.c.campaign_id == sa.bindparam("the_campaign"),
    recipients.c.batch_number == sa.bindparam("the_number"),
    sa.or_(recipients.c.state == sa.bindparam("one_state"), recipients.c.state == sa.bindparam("other_state")),
)


class _just_opened(sa.sql.functions.FunctionElement[int]):  # noqa: N801 - as SQL functions are written
    """The number of the claim that this transaction opened last."""

    type = sa.Integer()
    inherit_cache = True


@compiles(_just_opened, "sqlite")
def _of_sqlite(*_given: object, **_options: object) -> str:
    return "last_insert_rowid()"


@compiles(_just_opened, "postgresql")
def _of_postgresql(*_given: object, **_options: object) -> str:
    return "lastval()"


_SELECT: Final = sa.select(*(recipients.c[name] for name in ClaimedRow._fields)).where(*_OF_THE_CALL)
_TAKE: Final = (
    recipients.update()
    .where(*_OF_THE_CALL)
    .values(
        state=sa.bindparam("in_flight"),
        batch_id=_just_opened(),
        claimed_at=sa.bindparam("now"),
        counts_at=sa.bindparam("counts_at"),
        error_code=sa.bindparam("no_code"),
        error_detail=sa.bindparam("no_detail"),
    )
)
_TAKEN: Final = {"in_flight": IN_FLIGHT, "no_code": None, "no_detail": None}
_OPEN: Final = (
    batches.insert()
    .values({name: sa.bindparam(name) for name in ("campaign_id", "run_id", "number", "claimed_at")})
    .returning(batches.c.id)
)
_CLOSE: Final = (
    batches.update()
    .where(batches.c.id == sa.bindparam("by_batch"))
    .values(settled_at=sa.bindparam("now"), http_status=sa.bindparam("http"))
)
_MOST_AT_ONCE: Final = 500
"""Rows in one statement: SQLite takes no more than some number of values."""
_FARED: Final = ("new_state", "new_time", "new_code", "new_detail")  # as a Settlement has it


def _settling(row: sa.ColumnElement[bool], message_id: sa.ColumnElement[str]) -> sa.Update:
    return (
        recipients.update()
        .where(
            recipients.c.campaign_id == sa.bindparam("the_campaign"),
            row,
            recipients.c.batch_id == sa.bindparam("by_batch"),
            # what a callback proved is not undone by its own call's answer, which may only tell more of it
            sa.or_(recipients.c.proven_at.is_(None), sa.bindparam("new_state") == sa.bindparam("accepted")),
        )
        .values(
            state=sa.bindparam("new_state"),
            message_id=message_id,
            accepted_at=sa.bindparam("new_time"),
            error_code=sa.bindparam("new_code"),
            error_detail=sa.bindparam("new_detail"),
        )
    )


# Two subqueries, each of which a server runs once: a table of the rows would be gone through for each of them, and a
# parameter by itself read anew.
_told: Final = sa.select(sa.cast(sa.bindparam("told", type_=sa.String), JSONB)).scalar_subquery()
_the_row: Final = sa.cast(recipients.c.position, sa.String)
_SETTLE_ALL: Final = _settling(_told.bool_op("?")(_the_row), _told.op("->>", return_type=sa.String())(_the_row)).where(
    # by which an index finds them, whatever the server thinks of the campaign
    recipients.c.batch_number
    == sa.select(batches.c.number).where(batches.c.id == sa.bindparam("by_batch")).scalar_subquery()
)
"""For rows that fared alike, in a single statement: each costs a server more than its row does."""


@lru_cache(maxsize=_MOST_AT_ONCE)
def _settle_in_file(count: int) -> tuple[Sequence[str], sa.Update]:
    """The same for SQLite, which knows no arrays, and what it calls each row's position and MessageId."""
    names = [name for n in range(count) for name in (f"position_{n}", f"id_{n}")]
    pairs = ", ".join(f"(:{position}, :{told_id})" for position, told_id in zip(names[::2], names[1::2], strict=True))
    told = sa.text(f"VALUES {pairs}").columns(column1=sa.Integer, column2=sa.String).subquery("told")
    return names, _settling(recipients.c.position == told.c.column1, told.c.column2)
