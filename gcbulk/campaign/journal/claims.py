"""Runs and their claims: who may send a row, and what became of it.

A claim is one transaction, committed before the first byte of the call leaves; it takes only rows that nobody
else holds. A settlement closes it, by the claim's own number. A run proves that it lives by its heartbeat; the
rows that a dead run had in flight become `unknown`, and are never sent again by themselves.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psutil
import sqlalchemy as sa

from gcbulk.campaign.journal.days import same_day_window, told
from gcbulk.campaign.journal.tables import HELD, IN_FLIGHT, batches, campaigns, recipients, runs
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal

logger = logging.getLogger("gcbulk")

HEARTBEATS_A_LEASE: Final = 6
REPEAT_SECONDS: Final = 600.0
"""Even `repeat` does not send what went less than this many seconds ago."""
_LOOK_UP_ROWS: Final = 10_000
_FIRMNESS: Final = {IN_FLIGHT: 0, Status.UNKNOWN: 1}
_GIVEN_BACK: Final[dict[str, Any]] = {"batch_id": None, "claimed_at": None, "counts_at": None}


_twin: Final = recipients.alias("twin")
_Condition = sa.ColumnElement[bool]


class ClaimedRow(NamedTuple):
    """A row that a claim took: what the call has to say."""

    position: int
    address: str
    text: str
    client_ref: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to make one call. `claimed_at` is the journal's time; `rows` may be fewer than were asked for."""

    id: int
    claimed_at: float
    rows: tuple[ClaimedRow, ...]
    elsewhere: int  # rows left out because another campaign has their text in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of one row: `state` is a Status value; `ready` gives the row back, to be sent later."""

    position: int
    state: str
    message_id: str | None = None
    accepted_at: float | None = None
    error_code: str | None = None
    error_detail: str | None = None


class _Twin(NamedTuple):
    """Another campaign's row with the same text for the same recipient; `position` is our own row's."""

    position: int
    state: str
    claimed_at: float
    message_id: str | None
    name: str


class Run:
    """One process at work on one campaign. Its methods are safe to call from many threads."""

    def __init__(self, journal: Journal, campaign: Campaign, run_id: int, *, lease: float) -> None:
        self.journal = journal
        self.campaign = campaign
        self.id = run_id
        self.lease = lease
        self._ended = False

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Keep the run's heartbeat going for the length of the block, and end the run with it."""
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(self.lease / HEARTBEATS_A_LEASE):
                try:
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
                self.end()

    def opt_out(self, addresses: Collection[str]) -> None:
        """Leave out rows still to be sent whose address is on the opt-out list by now."""
        wanted = sorted(addresses)
        with self.journal.writing() as connection:
            for start in range(0, len(wanted), 500):
                connection.execute(
                    recipients.update()
                    .where(
                        recipients.c.campaign_id == self.campaign.id,
                        recipients.c.state == Status.READY,
                        recipients.c.address.in_(wanted[start : start + 500]),
                    )
                    .values(
                        state=Status.OPTED_OUT,
                        error_code=ErrorCode.OPTED_OUT,
                        error_detail=SENTENCES[ErrorCode.OPTED_OUT],
                    )
                )

    def heartbeat(self) -> None:
        """Say that this run is alive."""
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            connection.execute(runs.update().where(runs.c.id == self.id).values(heartbeat_at=now))

    def end(self, *, stop_code: str | None = None, stop_detail: str | None = None) -> None:
        """End the run; a row that it still had in flight is `unknown`. `stop_code` says why it ended early."""
        with self.journal.writing() as connection:
            connection.execute(
                campaigns.update()
                .where(campaigns.c.id == self.campaign.id)
                .values(stop_code=stop_code, stop_detail=stop_detail)
            )
            _end_run(connection, self.id, self.campaign.id, self.journal.now(connection))
        self._ended = True

    def claim(self, number: int, positions: Sequence[int] | None, *, states: Sequence[str]) -> Claim | None:
        """Take the rows of planned call `number` (or only `positions` of it) that are in one of `states`.

        None where nothing is left to take. Committed to disk on return.
        """
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            wanted = [
                recipients.c.campaign_id == self.campaign.id,
                recipients.c.batch_number == number,
                recipients.c.state.in_(states),
            ]
            if positions is not None:
                wanted.append(recipients.c.position.in_(positions))
            found = connection.execute(sa.select(*_CLAIMED).where(*wanted)).all()
            twins = self._twins(connection, wanted, now) if found else {}
            self._mark_held(connection, twins)
            rows = tuple(ClaimedRow._make(row) for row in sorted(found) if row.position not in twins)
            elsewhere = sum(twin.state == IN_FLIGHT for twin in twins.values())
            if not rows:
                return Claim(0, now, (), elsewhere) if elsewhere else None
            if twins:
                wanted.append(recipients.c.position.in_([row.position for row in rows]))
            return Claim(self._take(connection, number, wanted, now), now, rows, elsewhere)

    def _take(self, connection: Connection, number: int, wanted: Sequence[_Condition], now: float) -> int:
        inserted = connection.execute(
            batches.insert().values(
                token=secrets.token_hex(16),
                campaign_id=self.campaign.id,
                run_id=self.id,
                number=number,
                claimed_at=now,
            )
        )
        (batch_id,) = inserted.inserted_primary_key or (0,)
        connection.execute(
            recipients.update()
            .where(*wanted)
            .values(
                state=IN_FLIGHT,
                batch_id=batch_id,
                claimed_at=now,
                counts_at=self.campaign.send_at or now,
                error_code=None,
                error_detail=None,
            )
        )
        return int(batch_id)

    def settle(self, claim: Claim, settlements: Sequence[Settlement], *, http_status: int | None) -> None:
        """Write down what became of each row of a claim. Committed to disk on return."""
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            connection.execute(
                batches.update().where(batches.c.id == claim.id).values(settled_at=now, http_status=http_status)
            )
            connection.execute(
                _SETTLE,
                [
                    {
                        "at_campaign": self.campaign.id,
                        "at_position": s.position,
                        "by_batch": claim.id,
                        "state": s.state,
                        "message_id": s.message_id,
                        "accepted_at": (s.accepted_at or now) if s.message_id else None,
                        "error_code": s.error_code,
                        "error_detail": s.error_detail,
                    }
                    for s in settlements
                ],
            )
            given_back = [s.position for s in settlements if s.state in (Status.READY, Status.REJECTED)]
            if given_back:
                connection.execute(
                    recipients.update()
                    .where(
                        recipients.c.campaign_id == self.campaign.id,
                        recipients.c.position.in_(given_back),
                        recipients.c.batch_id == claim.id,
                    )
                    .values(_GIVEN_BACK)
                )

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

    def recall(self) -> None:
        """Mark every row that another campaign sent already, or may have sent, before the first call of a run.

        The claim looks again; this pass over all rows at once is what makes a list that went already end quickly.
        A row that was `unknown` only because another campaign's was, is looked at afresh.
        """
        campaign_id = self.campaign.id
        with self.journal.writing() as connection:
            now = self.journal.now(connection)
            connection.execute(
                recipients.update()
                .where(
                    recipients.c.campaign_id == campaign_id,
                    recipients.c.state == Status.UNKNOWN,
                    recipients.c.batch_id.is_(None),
                )
                .values(state=Status.READY, error_code=None, error_detail=None)
            )
        for first in range(0, self.campaign.row_count, _LOOK_UP_ROWS):
            window = [
                recipients.c.campaign_id == campaign_id,
                recipients.c.position.between(first, first + _LOOK_UP_ROWS - 1),
                recipients.c.state == Status.READY,
            ]
            with self.journal.reading() as connection:
                twins = self._twins(connection, window, now)
            if twins:
                with self.journal.writing() as connection:
                    self._mark_held(connection, twins)

    def _twins(self, connection: Connection, mine: Sequence[_Condition], now: float) -> dict[int, _Twin]:
        """By position, for each of `mine` that another campaign holds: its twin there, of the firmest knowledge."""
        if self.campaign.repeat:
            recent = _twin.c.claimed_at > now - REPEAT_SECONDS
        else:
            lower, upper = same_day_window(self.campaign.send_at or now)
            recent = _twin.c.counts_at.between(lower, upper)
        found = connection.execute(
            sa.select(recipients.c.position, _twin.c.state, _twin.c.claimed_at, _twin.c.message_id, campaigns.c.name)
            .join(_twin, _twin.c.content_key == recipients.c.content_key)
            .join(campaigns, campaigns.c.id == _twin.c.campaign_id)
            .where(
                *mine,
                _twin.c.campaign_id != self.campaign.id,
                _twin.c.batch_id.is_not(None),
                _twin.c.state.in_(HELD),
                sa.or_(recent, _twin.c.state == IN_FLIGHT),
            )
        ).all()
        by_firmness = sorted((_Twin._make(row) for row in found), key=lambda twin: _FIRMNESS.get(twin.state, 2))
        return {twin.position: twin for twin in by_firmness}

    def _mark_held(self, connection: Connection, twins: Mapping[int, _Twin]) -> None:
        if twins:
            connection.execute(
                _MARK,
                [
                    {"at_campaign": self.campaign.id, "at_position": position, **_held_values(twin)}
                    for position, twin in twins.items()
                ],
            )


_CLAIMED: Final = [recipients.c[name] for name in ClaimedRow._fields]
_AT_ROW: Final = (
    recipients.c.campaign_id == sa.bindparam("at_campaign"),
    recipients.c.position == sa.bindparam("at_position"),
)
_SETTLE: Final = (
    recipients.update()
    .where(*_AT_ROW, recipients.c.batch_id == sa.bindparam("by_batch"))
    .values({name: sa.bindparam(name) for name in ("state", "message_id", "accepted_at", "error_code", "error_detail")})
)
_MARK: Final = (
    recipients.update()
    .where(*_AT_ROW, recipients.c.state == Status.READY)
    .values({name: sa.bindparam(name) for name in ("state", "error_code", "error_detail")})
)


def _held_values(twin: _Twin) -> dict[str, str]:
    """What a row becomes when another campaign's row holds its text."""
    when = f"on {told(twin.claimed_at)} in campaign {twin.name!r}"
    if twin.state == IN_FLIGHT:
        code, state, first = ErrorCode.IN_FLIGHT_ELSEWHERE, Status.READY, f"Being sent {when}."
    elif twin.state == Status.UNKNOWN:
        code, state, first = ErrorCode.OUTCOME_UNKNOWN, Status.UNKNOWN, f"The same text was tried {when}."
    else:
        code, state = ErrorCode.ALREADY_SENT, Status.DUPLICATE
        first = f"Sent {when} (MessageId {twin.message_id or 'not known'})."
    return {"state": state, "error_code": code, "error_detail": f"{first} {SENTENCES[code]}"}


def this_machine() -> str:
    """A name for the machine whose process ids this process can see: containers share host names, not namespaces."""
    namespace = Path("/proc/self/ns/pid")
    seen = namespace.readlink().name if namespace.is_symlink() else ""
    return f"{socket.gethostname()} {uuid.getnode():x} {seen}".strip()


def begin_run(journal: Journal, connection: Connection, campaign: Campaign, *, lease: float, now: float) -> Run:
    """Register this process as a run on the campaign, inside the caller's transaction."""
    process = psutil.Process()
    inserted = connection.execute(
        runs.insert().values(
            campaign_id=campaign.id,
            host=this_machine(),
            pid=process.pid,
            process_started=process.create_time(),
            started_at=now,
            heartbeat_at=now,
            lease=lease,
        )
    )
    (run_id,) = inserted.inserted_primary_key or (0,)
    return Run(journal, campaign, int(run_id), lease=lease)


def bury_dead_runs(connection: Connection, now: float, *, gone: Callable[[int, float], bool] | None = None) -> None:
    """End every run that is no longer alive: its process is provably gone, or its lease has run out."""
    gone = gone or process_is_gone
    host = this_machine()
    for run in connection.execute(sa.select(runs).where(runs.c.ended_at.is_(None))).all():
        expired = now - run.heartbeat_at > run.lease
        if expired or (run.host == host and gone(run.pid, run.process_started)):
            _end_run(connection, run.id, run.campaign_id, now)


def live_runs(connection: Connection, campaign_id: int, *, besides: int | None = None) -> list[tuple[str, int]]:
    """Host and process id of the runs at work on a campaign, once the dead ones are buried."""
    found = connection.execute(
        sa.select(runs.c.id, runs.c.host, runs.c.pid).where(
            runs.c.campaign_id == campaign_id, runs.c.ended_at.is_(None)
        )
    ).all()
    return [(run.host, run.pid) for run in found if run.id != besides]


def process_is_gone(pid: int, started: float) -> bool:
    """Whether the process of this id and start time (seconds since 1970) certainly runs no more on this machine."""
    if pid == os.getpid():
        return False
    try:
        return abs(psutil.Process(pid).create_time() - started) > 2.0
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def _end_run(connection: Connection, run_id: int, campaign_id: int, now: float) -> None:
    open_calls = connection.execute(
        sa.select(batches.c.id, batches.c.number).where(batches.c.run_id == run_id, batches.c.settled_at.is_(None))
    ).all()
    if open_calls:
        connection.execute(
            recipients.update()
            .where(
                recipients.c.campaign_id == campaign_id,
                recipients.c.batch_number.in_([call.number for call in open_calls]),
                recipients.c.batch_id.in_([call.id for call in open_calls]),
                recipients.c.state == IN_FLIGHT,
            )
            .values(
                state=Status.UNKNOWN,
                error_code=ErrorCode.OUTCOME_UNKNOWN,
                error_detail=f"The run ended while this was being sent. {SENTENCES[ErrorCode.OUTCOME_UNKNOWN]}",
            )
        )
    connection.execute(runs.update().where(runs.c.id == run_id, runs.c.ended_at.is_(None)).values(ended_at=now))
