"""What the journal costs for a large campaign: planned, written, half sent, resumed, and sent again by another name.

python -m benchmarks.journalling [--recipients 1000000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.planned import planned
from benchmarks.sending import TEXT, recipients
from gcbulk.campaign.journal import Journal, go_on
from gcbulk.campaign.journal.tables import batches
from gcbulk.campaign.journal.tables import recipients as recipients_table
from gcbulk.campaign.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.campaign.journal import Run


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long the block took, and the memory of the process at its end."""
    began = time.perf_counter()
    yield
    megabytes = psutil.Process().memory_info().rss / 1e6
    print(f"{what:52}{time.perf_counter() - began:>8.1f} s{megabytes:>9.0f} MB", flush=True)


def half_sent(journal: Journal, run: Run) -> None:
    """Mark the first half as a run would have left it."""
    half = recipients_table.c.position < run.campaign.row_count // 2
    with journal.writing() as connection:
        now = journal.now(connection)
        call = {"campaign_id": run.campaign.id, "run_id": run.id, "number": 0, "claimed_at": now, "settled_at": now}
        connection.execute(batches.insert().values(call))
        connection.execute(
            recipients_table.update()
            .where(recipients_table.c.campaign_id == run.campaign.id, half)
            .values(state="accepted", batch_id=1, claimed_at=now, counts_at=now, message_id="sent")
        )
    run.end()


def main() -> None:
    """Time each step of a large campaign's life in the journal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=1_000_000)
    count = parser.parse_args().recipients
    people = recipients(count)
    print(f"{count} personalised recipients, calls of 20")
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.sqlite3") as journal:
        with timed("plan and journal"):
            plan = make_plan(people, TEXT)
            run = planned(journal, plan, "first")
        half_sent(journal, run)
        with timed("resume with half of it sent, to the first call"):
            run = go_on(journal, journal.campaign("first"), lease=90.0, late=False)
            run.recall()
            journal.batches_with(run.campaign, ["ready"])
        run.end()
        other = planned(journal, plan, "second")
        with timed("look up what went already, half of it found"):
            other.recall()
        states = journal.count_states(other.campaign)
        assert states == {"duplicate": count // 2, "ready": count - count // 2}, states
        other.end()


if __name__ == "__main__":
    main()
