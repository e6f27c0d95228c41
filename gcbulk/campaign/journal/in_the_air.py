"""Calls that are in the air: how many there are over all runs on a campaign, and those that came to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import IN_FLIGHT, IN_THE_AIR, batches, recipients, runs
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.runs import Run
    from gcbulk.campaign.journal.store import Journal

ROOM_POLL: Final = 0.025
"""Seconds between looks whether there is room for another call, for each run that may look."""
MOST_ROOM_POLL: Final = 1.0
LOST: Final = 0
"""What stands in the place of an HTTP status where the worker of a call was lost. The call may be in the air still."""

_LIVE: Final = (
    runs.c.campaign_id == sa.bindparam("the_campaign"),
    runs.c.ended_at.is_(None),
    runs.c.heartbeat_at + runs.c.lease >= sa.bindparam("now"),
)
# A call that is open for longer than a lease is none any more: its worker died, and nobody has found out yet.
_IN_THE_AIR: Final = (
    sa.select(sa.func.count())
    .select_from(batches)
    .join(runs, batches.c.run_id == runs.c.id)
    .where(
        batches.c.campaign_id == sa.bindparam("the_campaign"),
        batches.c.settled_at.is_(None),
        batches.c.http_status.is_(None),
        batches.c.claimed_at + runs.c.lease >= sa.bindparam("now"),
        *_LIVE,
    )
)
# SQLite by itself would take the index of all calls of the campaign, and read every one of them for each of them.
_IN_THE_AIR_OF_A_FILE: Final = sa.text(f"""
    SELECT count(*) FROM batches INDEXED BY {IN_THE_AIR.name} JOIN runs ON batches.run_id = runs.id
    WHERE batches.campaign_id = :the_campaign AND batches.settled_at IS NULL AND batches.http_status IS NULL
    AND batches.claimed_at + runs.lease >= :now
    AND runs.campaign_id = :the_campaign AND runs.ended_at IS NULL AND runs.heartbeat_at + runs.lease >= :now
""")  # noqa: S608 - a name of ours
_RUNS: Final = sa.select(sa.func.count()).select_from(runs).where(*_LIVE)
_OF_A_WORKER: Final = (
    sa.select(recipients.c.position, recipients.c.batch_id)
    .join(batches, recipients.c.batch_id == batches.c.id)
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        recipients.c.batch_number == sa.bindparam("the_number"),
        recipients.c.state == sa.bindparam("in_flight"),
        batches.c.run_id == sa.bindparam("the_run"),
    )
)


def calls_in_the_air(
    connection: Connection, campaign_id: int, now: float
) -> tuple[sa.TextClause | sa.Select[Any], dict[str, float]]:
    """What counts the calls that are in the air, for the journal to run."""
    in_a_file = connection.dialect.name == "sqlite"
    return _IN_THE_AIR_OF_A_FILE if in_a_file else _IN_THE_AIR, {"the_campaign": campaign_id, "now": now}


def another_look_in(journal: Journal, connection: Connection, campaign_id: int, now: float) -> float:
    """How long to wait before looking again, where too many calls are in the air already."""
    ((live,),) = journal.run(connection, _RUNS, {"the_campaign": campaign_id, "now": now})
    return min(ROOM_POLL * max(int(live), 1), MOST_ROOM_POLL)


def lose(
    journal: Journal, connection: Connection, run: Run, number: int, positions: Sequence[int] | None
) -> tuple[int, ...]:
    """Give up the rows of a call that is asked for a second time while its first worker has them: they are unknown.

    An engine does that whose worker died, or cannot be reached. Should that worker settle them after all, what it
    says of them holds: they are still its claim's.
    """
    asked = {"the_campaign": run.campaign.id, "the_number": number, "in_flight": IN_FLIGHT, "the_run": run.id}
    found = [
        (position, claim_id)
        for position, claim_id in journal.run(connection, _OF_A_WORKER, asked)
        if positions is None or position in positions
    ]
    if not found:
        return ()
    lost = tuple([position for position, _ in found])
    connection.execute(
        recipients.update()
        .where(recipients.c.campaign_id == run.campaign.id, recipients.c.position.in_(lost))
        .values(
            state=Status.UNKNOWN,
            error_code=ErrorCode.OUTCOME_UNKNOWN,
            error_detail=f"The worker that was sending this was lost. {SENTENCES[ErrorCode.OUTCOME_UNKNOWN]}",
        )
    )
    connection.execute(
        batches.update().where(batches.c.id.in_({claim_id for _, claim_id in found})).values(http_status=LOST)
    )
    return lost
