"""Runs and their claims: who may send a row, and what became of it.

A claim is one transaction, committed before the first byte of the call leaves; it takes only rows that nobody
else holds. A settlement closes it, by the claim's own number. A run proves that it lives by its heartbeat; the
rows that a dead run had in flight become `unknown`, and are never sent again by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psutil
import sqlalchemy as sa

from gcbulk.campaign.journal.days import london_date
from gcbulk.campaign.journal.events import NOTES
from gcbulk.campaign.journal.in_the_air import lose, room_in
from gcbulk.campaign.journal.liveness import bury_dead_runs, end_run, give_up, this_machine
from gcbulk.campaign.journal.memory import OF_A_CALL, OF_A_STRETCH, find_held, mark_held
from gcbulk.campaign.journal.stopping import forget_stop, stop_is_asked
from gcbulk.campaign.journal.tables import IN_FLIGHT, batches, campaigns, recipients, runs
from gcbulk.campaign.journal.transactions import ServerLostError, outlasting
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal, Planned

logger = logging.getLogger("gcbulk")

HEARTBEATS_A_LEASE: Final = 6
STOP_POLL: Final = 1.0
"""Seconds between looks whether somebody, in any process, asked for a stop."""
_OUT_BY_NOW: Final = (
    "This recipient is on the opt-out list by now, so the text was not tried again. It may have been sent before."
)
_LOOK_UP_ROWS: Final = 50_000
_GIVEN_BACK: Final[dict[str, Any]] = {"batch_id": None, "claimed_at": None, "counts_at": None}


class ClaimedRow(NamedTuple):
    """A row that a claim took: what the call has to say."""

    position: int
    address: str
    text: str
    client_ref: str
    customer_id: str | None  # under whom a partner sends it
    content: str | None  # what an email holds beside its body


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
    """What became of one row: `state` is a Status value; `ready` gives the row back, to be sent later."""

    position: int
    state: str
    message_id: str | None = None
    accepted_at: float | None = None
    error_code: str | None = None
    error_detail: str | None = None


class RunOverError(JournalError):
    """Raised where a worker may claim no more: its run has ended, or was taken for dead."""


class Run:
    """One process at work on one campaign. Its methods are safe to call from many threads.

    A worker of the run, in whatever process, has one that does not lead it (`attach`): it cannot keep the run alive.
    """

    def __init__(
        self,
        journal: Journal,
        campaign: Campaign,
        run_id: int,
        *,
        lease: float,
        began: float,
        leads: bool = True,
    ) -> None:
        self.journal = journal
        self.campaign = campaign
        self.id = run_id
        self.lease = lease
        self._began = self._beaten_at = began
        self._leads = leads
        self._ended = False
        self._ending = threading.Lock()

    @contextmanager
    def alive(self, *, on_stop: Callable[[], None] | None = None) -> Iterator[None]:
        """Keep the run's heartbeat going for the length of the block, and end the run with it.

        `on_stop` is called, once, when another process asks for a stop.
        """
        stopped = threading.Event()
        pause = self.lease / HEARTBEATS_A_LEASE

        def beat() -> None:
            asked, last = on_stop is None, time.monotonic()
            while not stopped.wait(pause if asked else min(STOP_POLL, pause)):
                try:
                    if not asked and on_stop is not None and stop_is_asked(self.journal, self.campaign.id):
                        asked = True
                        on_stop()
                    if time.monotonic() - last >= pause or asked:
                        last = time.monotonic()
                        self.heartbeat()
                except JournalError as error:  # the next claim meets the same trouble, and stops the run
                    logger.warning("The run's heartbeat could not be written: %s", error)

        thread = threading.Thread(target=beat, name="gcbulk-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
            if not self._ended:
                self._end_if_possible()

    def _end_if_possible(self) -> None:
        """End a run that was broken off; where the journal refuses, whoever looks next in this process ends it."""
        try:
            self.end()
        except JournalError as error:
            give_up(self.journal.url, self.id, self._began)
            logger.warning("The run's end could not be written: %s", error)

    @outlasting
    def opt_out(self, addresses: Collection[str], *, again: bool = False) -> None:
        """Leave out rows to be sent whose address is on the opt-out list by now; with `again`, unknown ones too."""
        wanted = sorted(addresses)
        details = {Status.READY: SENTENCES[ErrorCode.OPTED_OUT]}
        if again:
            details[Status.UNKNOWN] = _OUT_BY_NOW
        with self.journal.writing() as connection:
            for start in range(0, len(wanted), 500):
                for state, detail in details.items():
                    connection.execute(
                        recipients.update()
                        .where(
                            recipients.c.campaign_id == self.campaign.id,
                            recipients.c.state == state,
                            recipients.c.address.in_(wanted[start : start + 500]),
                        )
                        .values(state=Status.OPTED_OUT, error_code=ErrorCode.OPTED_OUT, error_detail=detail)
                    )

    @outlasting
    def opted_out(self) -> set[int]:
        """The positions of the rows that are left out because their address was on the opt-out list."""
        with self.journal.reading() as connection:
            return set(
                connection.execute(
                    sa.select(recipients.c.position).where(
                        recipients.c.campaign_id == self.campaign.id, recipients.c.state == Status.OPTED_OUT
                    )
                ).scalars()
            )

    def take_in(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        chunk_size: int,
        sizes: Mapping[int, int] = MappingProxyType({}),
        most_bytes: int | None = None,
    ) -> None:
        """Make rows that were opted out ready to be sent, as they are planned by now, in calls of their own.

        `sizes`: by position the bytes of a row's files, of which a call may have `most_bytes`.
        """
        in_order = sorted(rows, key=lambda row: (row["customer_id"] or "", row["position"]))
        self._take_in(in_order, chunk_size=chunk_size, sizes=sizes, most_bytes=most_bytes)

    @outlasting
    def _take_in(
        self, rows: Sequence[Mapping[str, Any]], *, chunk_size: int, sizes: Mapping[int, int], most_bytes: int | None
    ) -> None:
        with self.journal.writing() as connection:
            last = connection.execute(
                sa.select(sa.func.max(recipients.c.batch_number)).where(recipients.c.campaign_id == self.campaign.id)
            ).scalar_one()
            number, free, room, whose = -1 if last is None else int(last), 0, 0, None
            for row in rows:
                size = sizes.get(row["position"], 0)
                if not free or size > room or row["customer_id"] != whose:  # a call is one customer's
                    number, free, room, whose = number + 1, chunk_size, most_bytes or 0, row["customer_id"]
                free, room = free - 1, room - size
                connection.execute(
                    recipients.update()
                    .where(
                        recipients.c.campaign_id == self.campaign.id,
                        recipients.c.position == row["position"],
                        recipients.c.state == Status.OPTED_OUT,
                    )
                    .values({**row, "batch_number": number})
                )

    @outlasting
    def hold(self, calls: Sequence[Planned], code: str, detail: str) -> None:
        """Write down why the rows of these planned calls that were never tried are not sent in this run."""
        with self.journal.writing() as connection:
            for number, positions, *_ in calls:
                chosen = {"the_campaign": self.campaign.id, "the_number": number, "code": code, "detail": detail}
                self._on_rows(connection, _HOLD, {**chosen, "the_state": Status.READY}, positions)

    @outlasting
    def heartbeat(self) -> None:
        """Say that this run is alive."""
        with self._ending:
            if not self._ended:
                with self.journal.writing() as connection:
                    self._beat(connection, self.journal.now(connection))

    def _beat(self, connection: Connection, now: float) -> None:
        """Alive again, even where another run took this one for dead: what it had in flight then stays `unknown`."""
        connection.execute(runs.update().where(runs.c.id == self.id).values(heartbeat_at=now, ended_at=None))
        self._beaten_at = now

    @outlasting
    def end(self, *, stop_code: str | None = None, stop_detail: str | None = None) -> None:
        """End the run; a row that it still had in flight is `unknown`. `stop_code` says why it ended early."""
        with self._ending:
            with self.journal.writing() as connection:
                connection.execute(
                    campaigns.update()
                    .where(campaigns.c.id == self.campaign.id)
                    .values(stop_code=stop_code, stop_detail=stop_detail)
                )
                end_run(connection, self.id, self.campaign.id, self.journal.now(connection))
            self._ended = True

    @outlasting
    def claim(
        self,
        number: int,
        positions: Sequence[int] | None,
        *,
        states: Sequence[str],
        at_once: int | None = None,
    ) -> Claim | None:
        """Take the rows of planned call `number` (or only `positions` of it) that are in one of `states`.

        None where nothing is left to take. `at_once` is how many calls may be in the air, over all runs on the
        campaign. Committed to disk on return. Raises RunOverError for a worker whose run is over.
        """
        with self.journal.writing() as connection:
            return self._claim(connection, Wanted(number, positions, states, at_once), self.journal.now(connection))

    def _claim(self, connection: Connection, wanted: Wanted, now: float) -> Claim | None:
        number, positions, states, at_once = wanted
        lost: tuple[int, ...] = ()
        if not self._leads:
            self._check_not_over(connection, now)
            lost = lose(self.journal, connection, self, number, positions)
        elif now - self._beaten_at > self.lease:
            self._beat(connection, now)
        chosen = {
            "the_campaign": self.campaign.id,
            "the_number": number,
            "one_state": states[0],
            "other_state": states[-1],
        }
        found = sorted(map(ClaimedRow._make, self._on_rows(connection, _SELECT, chosen, positions)))
        if not found:
            return Claim(0, now, (), (), lost) if lost else None
        if at_once is not None and (pause := room_in(self.journal, connection, self.campaign.id, at_once, now)):
            return Claim(0, now, (), (), lost, room_in=pause)
        held = find_held(self.journal, connection, self.campaign, OF_A_CALL, now, the_number=number)
        mark_held(self.journal, connection, self.campaign, held)
        rows = tuple(row for row in found if row.position not in held) if held else tuple(found)
        waiting = {position for position, one in held.items() if one.in_flight}
        elsewhere = tuple([row.position for row in found if row.position in waiting]) if waiting else ()
        if not rows:
            return Claim(0, now, (), elsewhere, lost) if elsewhere or lost else None
        opened = {"campaign_id": self.campaign.id, "run_id": self.id, "number": number, "claimed_at": now}
        ((claim_id,),) = self.journal.run(connection, _OPEN, opened)
        counts_at = max(self.campaign.send_at or now, now)  # a campaign that is past its time goes now
        taken = {**chosen, **_TAKEN, "by_batch": claim_id, "now": now, "counts_at": counts_at}
        all_of_it = positions is None and len(rows) == len(found)
        self._on_rows(connection, _TAKE, taken, None if all_of_it else [row.position for row in rows])
        return Claim(int(claim_id), now, rows, elsewhere, lost)

    def _check_not_over(self, connection: Connection, now: float) -> None:
        ((ended_at, heartbeat_at),) = self.journal.run(connection, _STANDING, {"the_run": self.id})
        if ended_at is not None or now - heartbeat_at > self.lease:
            raise RunOverError("The run that this call belongs to is over.")

    def _on_rows(
        self, connection: Connection, statement: Any, values: Mapping[str, Any], positions: Sequence[int] | None
    ) -> Sequence[Any]:
        """Run a statement on the rows of a call, or on some of them only; the rows that it returns, if any."""
        if positions is None:
            return self.journal.run(connection, statement, values)
        result = connection.execute(statement.where(recipients.c.position.in_(positions)), values)
        return result.all() if result.returns_rows else []

    @outlasting
    def settle(self, claim: Claim, settlements: Sequence[Settlement], *, http_status: int | None) -> None:
        """Write down what became of each row of a claim. Committed to disk on return."""
        with self.journal.writing() as connection:
            proven = self._settle(connection, claim, settlements, http_status, self.journal.now(connection))
        self._tell_of(proven)

    def settle_and_claim(
        self, claim: Claim, settlements: Sequence[Settlement], *, http_status: int | None, wanted: Wanted
    ) -> Claim | None:
        """Settle a call and claim the next one as `settle` and `claim` do, both in one transaction.

        Where that fails, what came of the call is written by itself before the claim is tried again: it is known, and
        nothing but the next call depends on the claim.
        """
        try:
            return self._settle_and_claim(claim, settlements, http_status, wanted)
        except ServerLostError:
            raise
        except JournalError:
            self.settle(claim, settlements, http_status=http_status)
            number, positions, states, at_once = wanted
            return self.claim(number, positions, states=states, at_once=at_once)

    @outlasting
    def _settle_and_claim(
        self, claim: Claim, settlements: Sequence[Settlement], http_status: int | None, wanted: Wanted
    ) -> Claim | None:
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            proven = self._settle(connection, claim, settlements, http_status, now)
            following = self._claim(connection, wanted, now)
        self._tell_of(proven)
        return following

    def _settle(
        self,
        connection: Connection,
        claim: Claim,
        settlements: Sequence[Settlement],
        http_status: int | None,
        now: float,
    ) -> Mapping[int, Status]:
        """Write it down; by position what was said of refused rows that a callback had proven sent."""
        self.journal.run(connection, _CLOSE, {"by_batch": claim.id, "now": now, "http": http_status})
        settled = {"the_campaign": self.campaign.id, "by_batch": claim.id, "accepted": Status.ACCEPTED}
        for alike, rows in _alike(settlements, now):
            values = {**settled, **alike}
            if connection.dialect.name == "sqlite":
                each = ({**values, "the_position": position, "new_id": message_id} for position, message_id in rows)
                self.journal.many(connection, _SETTLE, each)
            else:
                positions, ids = map(list, zip(*rows, strict=True))
                self.journal.run(connection, _SETTLE_ALL, {**values, "the_positions": positions, "new_ids": ids})
        refused = {s.position: Status(s.state) for s in settlements if s.state in (Status.READY, Status.REJECTED)}
        if not refused:
            return refused
        proven = self._note_proven(connection, claim, refused)
        connection.execute(
            recipients.update()
            .where(
                recipients.c.campaign_id == self.campaign.id,
                recipients.c.position.in_(list(refused)),
                recipients.c.batch_id == claim.id,
                recipients.c.proven_at.is_(None),
            )
            .values(_GIVEN_BACK)
        )
        return {position: refused[position] for position in proven}

    def _tell_of(self, proven: Mapping[int, Status]) -> None:
        for position, state in proven.items():
            logger.warning(
                "Campaign %r, row %d: the answer says %s, but the platform had reported on it: it was sent. It counts "
                "as accepted, and resume will not send it",
                self.campaign.name,
                position + 1,
                "not_sent" if state is Status.READY else state.value,
            )

    def _note_proven(self, connection: Connection, claim: Claim, refused: Mapping[int, Status]) -> list[int]:
        """The positions of refused rows that a callback had proven sent; their ErrorDetail says so from here on."""
        proven = (
            connection.execute(
                sa.select(recipients.c.position)
                .where(
                    recipients.c.campaign_id == self.campaign.id,
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
                .where(recipients.c.campaign_id == self.campaign.id, recipients.c.position == position)
                .values(error_detail=NOTES[refused[position]])
            )
        return list(proven)

    @outlasting
    def detail_of(self, position: int) -> str | None:
        """The sentence that is written down beside a row's error code, if any."""
        with self.journal.reading() as connection:
            return connection.execute(
                sa.select(recipients.c.error_detail).where(
                    recipients.c.campaign_id == self.campaign.id, recipients.c.position == position
                )
            ).scalar_one_or_none()

    @outlasting
    def others_in_flight(self) -> bool:
        """Whether another live run has rows of this campaign in flight; the dead ones' are unknown from now on."""
        with self.journal.writing() as connection:
            bury_dead_runs(connection, self.journal.now(connection))
            return bool(
                connection.execute(
                    sa.select(recipients.c.position)
                    .where(recipients.c.campaign_id == self.campaign.id, recipients.c.state == IN_FLIGHT)
                    .limit(1)
                ).first()
            )

    @outlasting
    def recall(self) -> None:
        """Mark every row that another campaign sent already, or may have sent, before the first call of a run.

        The claim looks again; this pass over all rows at once is what makes a list that went already end quickly.
        A row that was `unknown` only because another campaign's was, is looked at afresh; so is, on the day of the
        campaign, one that was left out because its text had gone already: that may be long enough ago by now.
        """
        campaign_id = self.campaign.id
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            afresh = [recipients.c.state == Status.UNKNOWN]
            if london_date(self.campaign.created_at) == london_date(now):
                afresh.append(recipients.c.error_code == ErrorCode.ALREADY_SENT)
            connection.execute(
                recipients.update()
                .where(
                    recipients.c.campaign_id == campaign_id,
                    recipients.c.batch_id.is_(None),
                    sa.or_(*afresh),
                )
                .values(state=Status.READY, error_code=None, error_detail=None)
            )
            if connection.dialect.name == "postgresql":
                connection.execute(_COUNT_AGAIN)
        for first in range(0, self.campaign.row_count, _LOOK_UP_ROWS):
            last = first + _LOOK_UP_ROWS - 1
            with self.journal.reading() as connection:
                held = find_held(self.journal, connection, self.campaign, OF_A_STRETCH, now, first=first, last=last)
            if held:
                with self.journal.writing() as connection:
                    mark_held(self.journal, connection, self.campaign, held)


# A server whose statistics do not know the campaign yet takes its rows for few, and reads all of them for each call.
# Source: https://www.postgresql.org/docs/current/populate.html#POPULATE-ANALYZE.
_COUNT_AGAIN: Final = sa.text("ANALYZE (SKIP_LOCKED) recipients")

# Built once: making a statement costs SQLAlchemy more than running it costs the database.
_OF_THE_CALL: Final = (
    recipients.c.campaign_id == sa.bindparam("the_campaign"),
    recipients.c.batch_number == sa.bindparam("the_number"),
    sa.or_(recipients.c.state == sa.bindparam("one_state"), recipients.c.state == sa.bindparam("other_state")),
)
_SELECT: Final = sa.select(*(recipients.c[name] for name in ClaimedRow._fields)).where(*_OF_THE_CALL)
_TAKE: Final = (
    recipients.update()
    .where(*_OF_THE_CALL)
    .values(
        state=sa.bindparam("in_flight"),
        batch_id=sa.bindparam("by_batch"),
        claimed_at=sa.bindparam("now"),
        counts_at=sa.bindparam("counts_at"),
        error_code=sa.bindparam("no_code"),
        error_detail=sa.bindparam("no_detail"),
    )
)
_TAKEN: Final = {"in_flight": IN_FLIGHT, "no_code": None, "no_detail": None}
_HOLD: Final = (
    recipients.update()
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        recipients.c.batch_number == sa.bindparam("the_number"),
        recipients.c.state == sa.bindparam("the_state"),
        recipients.c.error_code.is_(None),
    )
    .values(error_code=sa.bindparam("code"), error_detail=sa.bindparam("detail"))
)
_STANDING: Final = sa.select(runs.c.ended_at, runs.c.heartbeat_at).where(runs.c.id == sa.bindparam("the_run"))
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
_FARED: Final = ("new_state", "new_time", "new_code", "new_detail")


def _settling(position: sa.ColumnElement[int], message_id: sa.ColumnElement[str]) -> sa.Update:
    return (
        recipients.update()
        .where(
            recipients.c.campaign_id == sa.bindparam("the_campaign"),
            recipients.c.position == position,
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


_SETTLE: Final = _settling(sa.bindparam("the_position"), sa.bindparam("new_id"))
_told: Final = (
    sa.func.unnest(
        sa.bindparam("the_positions", type_=sa.ARRAY(sa.Integer)), sa.bindparam("new_ids", type_=sa.ARRAY(sa.String))
    )
    .table_valued(sa.column("position", sa.Integer), sa.column("message_id", sa.String), name="told")
    .render_derived()
)
_SETTLE_ALL: Final = _settling(_told.c.position, _told.c.message_id).where(
    # by which an index finds them, whatever the server thinks of the campaign
    recipients.c.batch_number
    == sa.select(batches.c.number).where(batches.c.id == sa.bindparam("by_batch")).scalar_subquery()
)
"""The same for many rows that fared alike, in a single statement: each costs a server more than its row does."""


def _alike(
    settlements: Iterable[Settlement], now: float
) -> list[tuple[Mapping[str, Any], list[tuple[int, str | None]]]]:
    """What rows have in common that fared alike, and of each of these rows the position and the MessageId."""
    alike: dict[tuple[Any, ...], list[tuple[int, str | None]]] = {}
    for position, state, message_id, accepted_at, code, detail in settlements:
        fared = state, (accepted_at or now) if message_id else None, code, detail
        alike.setdefault(fared, []).append((position, message_id))
    return [(dict(zip(_FARED, fared, strict=True)), rows) for fared, rows in alike.items()]


def attach(journal: Journal, run_id: int) -> Run:
    """A run as its workers have it. Raises RunOverError where the journal knows no such run."""
    with journal.reading() as connection:
        found = connection.execute(
            sa.select(campaigns.c.name, runs.c.lease, runs.c.heartbeat_at)
            .join_from(runs, campaigns, runs.c.campaign_id == campaigns.c.id)
            .where(runs.c.id == run_id)
        ).one_or_none()
    if found is None:
        raise RunOverError("The journal knows no such run.")
    campaign = journal.campaign(found.name)
    return Run(journal, campaign, run_id, lease=found.lease, began=found.heartbeat_at, leads=False)


def begin_run(journal: Journal, connection: Connection, campaign: Campaign, *, lease: float, now: float) -> Run:
    """Register this process as a run on the campaign, inside the caller's transaction."""
    process = psutil.Process()
    forget_stop(connection, campaign.id)
    inserted = connection.execute(
        runs.insert().values(
            campaign_id=campaign.id,
            host=this_machine(),
            user=process.username(),
            pid=process.pid,
            process_started=process.create_time(),
            started_at=now,
            heartbeat_at=now,
            lease=lease,
        )
    )
    (run_id,) = inserted.inserted_primary_key or (0,)
    if not campaign.planned:
        campaign = replace(campaign, planner=int(run_id))
        connection.execute(campaigns.update().where(campaigns.c.id == campaign.id).values(planner=campaign.planner))
    return Run(journal, campaign, int(run_id), lease=lease, began=now)
