"""Runs: a process at work on a campaign, that proves by its heartbeat that it lives.

The rows that a dead run had in flight become `unknown`, and are never sent again by themselves.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import psutil
import sqlalchemy as sa

from gcbulk.campaign.journal.claims import Claim, Ending, Wanted, give_back, look_at, on_rows, take_rows, to_settle
from gcbulk.campaign.journal.days import london_date
from gcbulk.campaign.journal.in_the_air import lose
from gcbulk.campaign.journal.liveness import bury_dead_runs, end_run, give_up, this_machine
from gcbulk.campaign.journal.memory import OF_A_STRETCH, Doubt, any_in_reach, look_elsewhere, mark_held
from gcbulk.campaign.journal.stopping import forget_stop, stop_is_asked
from gcbulk.campaign.journal.tables import IN_FLIGHT, campaigns, recipients, runs
from gcbulk.campaign.journal.transactions import ServerLostError, outlasting
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.claims import Settlement
    from gcbulk.campaign.journal.store import Campaign, Journal, Planned, PlannedRow, Work

logger = logging.getLogger("gcbulk")

HEARTBEATS_A_LEASE: Final = 6
STOP_POLL: Final = 1.0
"""Seconds between looks whether somebody, in any process, asked for a stop."""
_OUT_BY_NOW: Final = (
    "This recipient is on the opt-out list by now, so the text was not tried again. It may have been sent before."
)
_LOOK_UP_ROWS: Final = 50_000


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
        rows: Iterable[PlannedRow],
        *,
        chunk_size: int,
        sizes: Mapping[int, int] = MappingProxyType({}),
        most_bytes: int | None = None,
    ) -> None:
        """Make rows that were opted out ready to be sent, as they are planned by now, in calls of their own.

        What may have been sent before its recipient opted out is unknown again.
        `sizes`: by position the bytes of a row's email, of which a call may have `most_bytes`.
        """
        in_order = sorted(rows, key=lambda row: (row.customer_id or "", row.position))
        self._take_in(in_order, chunk_size=chunk_size, sizes=sizes, most_bytes=most_bytes)

    @outlasting
    def _take_in(
        self, rows: Sequence[PlannedRow], *, chunk_size: int, sizes: Mapping[int, int], most_bytes: int | None
    ) -> None:
        out = (recipients.c.campaign_id == self.campaign.id, recipients.c.state == Status.OPTED_OUT)
        unknown = ErrorCode.OUTCOME_UNKNOWN
        with self.journal.writing() as connection:
            for start in range(0, len(rows), 500):
                positions = [row.position for row in rows[start : start + 500]]
                connection.execute(
                    recipients.update()
                    .where(*out, recipients.c.position.in_(positions), recipients.c.batch_id.is_not(None))
                    .values(state=Status.UNKNOWN, error_code=unknown, error_detail=SENTENCES[unknown])
                )
            last = connection.execute(
                sa.select(sa.func.max(recipients.c.batch_number)).where(recipients.c.campaign_id == self.campaign.id)
            ).scalar_one()
            number, free, room, whose = -1 if last is None else int(last), 0, 0, None
            for row in rows:
                size = sizes.get(row.position, 0)
                if not free or size > room or row.customer_id != whose:  # a call is one customer's
                    number, free, room, whose = number + 1, chunk_size, most_bytes or 0, row.customer_id
                free, room = free - 1, room - size
                connection.execute(
                    recipients.update()
                    .where(*out, recipients.c.position == row.position)
                    .values({**row._asdict(), "batch_number": number})
                )

    @outlasting
    def hold(self, calls: Sequence[Planned], code: str, detail: str) -> None:
        """Write down why the rows of these planned calls that were never tried are not sent in this run."""
        with self.journal.writing() as connection:
            for number, positions, *_ in calls:
                chosen = {"the_campaign": self.campaign.id, "the_number": number, "code": code, "detail": detail}
                on_rows(self.journal, connection, _HOLD, {**chosen, "the_state": Status.READY}, positions)

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
        states: Sequence[str],
        at_once: int | None = None,
    ) -> Claim | None:
        """Take the rows of planned call `number` (or only `positions` of it) that are in one of `states`.

        None where nothing is left to take. `at_once` is how many calls may be in the air, over all runs on the
        campaign. Committed to disk on return. Raises RunOverError for a worker whose run is over.
        """
        wanted = Wanted(number, positions, states, at_once)
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            self._check_alive(connection, now)
            lost = () if self._leads else lose(self.journal, connection, self, number, positions)
            (claim,) = self._claims(connection, [wanted], now)
        if not lost:
            return claim
        return Claim(0, now, (), (), lost) if claim is None else replace(claim, lost=lost)

    def _claims(
        self, connection: Connection, wanted: Sequence[Wanted], now: float, *, after: Sequence[Work] = ()
    ) -> list[Claim | None]:
        """What is left of calls that are wanted, once `after` is done."""
        claims: list[Claim | None] = []
        opened = 0
        for one, seen in zip(
            wanted, look_at(self.journal, connection, self.campaign, wanted, now, after=after), strict=True
        ):
            known = seen._replace(calls=seen.calls + opened)
            claims.append(take_rows(self.journal, connection, self.campaign, self.id, one, now, known))
            opened += bool(claims[-1] and claims[-1].rows)
        return claims

    def _check_alive(self, connection: Connection, now: float) -> None:
        """A run that leads and stood still is alive again; to its workers it is over then."""
        if self._leads:
            if now - self._beaten_at > self.lease:
                self._beat(connection, now)
            return
        ((ended_at, heartbeat_at),) = self.journal.run(connection, _STANDING, {"the_run": self.id})
        if ended_at is not None or now - heartbeat_at > self.lease:
            raise RunOverError("The run that this call belongs to is over.")

    @outlasting
    def settle(self, claim: Claim, settlements: Sequence[Settlement], *, http_status: int | None) -> None:
        """Write down what became of each row of a claim. Committed to disk on return."""
        ending = Ending(claim, settlements, http_status)
        with self.journal.writing() as connection:
            work = to_settle(connection, self.campaign, ending, self.journal.now(connection))
            self.journal.together(connection, work)
            proven = give_back(connection, self.campaign, ending)
        self._tell_of(proven)

    def settle_and_claim(self, endings: Sequence[Ending]) -> list[Claim | None] | None:
        """Settle calls and claim those that follow, as `settle` and `claim` do, all in one transaction.

        For each ending the claim that it wants; None where it wants none, or nothing is left. Where that fails, what
        came of each call is written by itself: it is known, and nothing but the next calls depends on the claims.
        None for all of it then: nothing is claimed, and each is to be asked for by itself.
        """
        try:
            return self._settle_and_claim(endings)
        except ServerLostError:
            raise
        except JournalError:
            failure = None
            for one in endings:
                try:
                    self.settle(one.claim, one.settlements, http_status=one.http_status)
                except JournalError as error:
                    failure = failure or error
            if failure is not None:
                raise failure from None
            return None

    @outlasting
    def _settle_and_claim(self, endings: Sequence[Ending]) -> list[Claim | None]:
        proven: dict[int, Status] = {}
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            work = [one for ending in endings for one in to_settle(connection, self.campaign, ending, now)]
            wanted = [one.wanted for one in endings if one.wanted is not None]
            if wanted:
                self._check_alive(connection, now)
            claims = iter(self._claims(connection, wanted, now, after=work))
            for ending in endings:
                proven |= give_back(connection, self.campaign, ending)
        self._tell_of(proven)
        return [None if one.wanted is None else next(claims) for one in endings]

    def _tell_of(self, proven: Mapping[int, Status]) -> None:
        for position, state in proven.items():
            logger.warning(
                "Campaign %r, row %d: the answer says %s, but the platform had reported on it: it was sent. It counts "
                "as accepted, and resume will not send it",
                self.campaign.name,
                position + 1,
                "not_sent" if state is Status.READY else state.value,
            )

    @outlasting
    def detail_of(self, position: int, code: str) -> str | None:
        """The sentence that is written down beside a row's error code, if that is this one."""
        with self.journal.reading() as connection:
            return connection.execute(
                sa.select(recipients.c.error_detail).where(
                    recipients.c.campaign_id == self.campaign.id,
                    recipients.c.position == position,
                    recipients.c.error_code == code,
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
    def recall(self) -> dict[int, Doubt]:
        """Mark every row that another campaign sent already, or may have sent, before the first call of a run.

        The claim looks again; this pass over all rows at once is what makes a list that went already end quickly.
        A row that was `unknown` only because another campaign's was, is looked at afresh; so is, on the day of the
        campaign, one that was left out because its text had gone already: that may be long enough ago by now.
        Returns, by position, those that may have gone on an earlier day: nothing holds them.
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
            if not any_in_reach(self.journal, connection, self.campaign, now):
                return {}
        doubts: dict[int, Doubt] = {}
        for first in range(0, self.campaign.row_count, _LOOK_UP_ROWS):
            last = first + _LOOK_UP_ROWS - 1
            with self.journal.reading() as connection:
                look = look_elsewhere(self.campaign, OF_A_STRETCH, now, first=first, last=last)
                known = look.known(self.journal.run(connection, look.statement, look.values))
            if known.held:
                with self.journal.writing() as connection:
                    mark_held(self.journal, connection, self.campaign, known.held)
            doubts |= known.doubts
        return doubts


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
# A server whose statistics do not know the campaign yet takes its rows for few, and reads all of them for each call.
# Source: https://www.postgresql.org/docs/current/populate.html#POPULATE-ANALYZE.
_COUNT_AGAIN: Final = sa.text("ANALYZE (SKIP_LOCKED) recipients")


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
