"""Which runs are alive: by heartbeat and lease, and on this machine by process id and start time."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy as sa

from gcbulk.campaign.journal.tables import IN_FLIGHT, batches, recipients, runs
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import URL, Connection


_given_up: set[tuple[URL, int, float]] = set()
"""The runs of this process, by journal, id and start, that are over though the journal could not be told so."""


def give_up(journal: URL, run_id: int, began: float) -> None:
    """Note that a run of this process is over, where its end cannot be written: the next look buries it."""
    _given_up.add((journal, run_id, began))


def this_machine() -> str:
    """A name for the machine whose process ids this process can see: containers share host names, not namespaces."""
    namespace = Path("/proc/self/ns/pid")
    seen = namespace.readlink().name if namespace.is_symlink() else ""
    return f"{socket.gethostname()} {uuid.getnode():x} {seen}".strip()


def bury_dead_runs(connection: Connection, now: float, *, gone: Callable[[int, float], bool] | None = None) -> None:
    """End every run that is no longer alive: it or its process is provably gone, or its lease has run out."""
    gone = gone or process_is_gone
    host = this_machine()
    for run in connection.execute(sa.select(runs).where(runs.c.ended_at.is_(None))).all():
        expired = now - run.heartbeat_at > run.lease
        over = (connection.engine.url, run.id, run.started_at) in _given_up
        if expired or over or (run.host == host and gone(run.pid, run.process_started)):
            end_run(connection, run.id, run.campaign_id, now)


def live_runs(connection: Connection, campaign_id: int, *, besides: int | None = None) -> list[tuple[str, int]]:
    """Host and process id of the runs at work on a campaign, once the dead ones are buried."""
    found = connection.execute(
        sa.select(runs.c.id, runs.c.host, runs.c.pid).where(
            runs.c.campaign_id == campaign_id, runs.c.ended_at.is_(None)
        )
    ).all()
    return [(run.host, run.pid) for run in found if run.id != besides]


def campaigns_at_work(connection: Connection, now: float) -> set[int]:
    """The ids of the campaigns that a live run is at work on, once the dead ones are buried."""
    bury_dead_runs(connection, now)
    return set(connection.execute(sa.select(runs.c.campaign_id).where(runs.c.ended_at.is_(None))).scalars())


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


def end_run(connection: Connection, run_id: int, campaign_id: int, now: float) -> None:
    """End a run; the rows that it still had in flight are `unknown`."""
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
