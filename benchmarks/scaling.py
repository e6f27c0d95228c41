"""From measured costs: what one to a hundred machines send at an API of so many calls a second, and what limits them.

    python -m benchmarks.scaling [--latency-ms 50] [--concurrency 8] [--chunk 100] [--journal URL] [--turn-ms MS]

A claim and a settlement of a call are measured on the journal given (default: an SQLite file), or told with --turn-ms.
The model says what the cluster can do at most; a small simulation of the pacing, by our own arithmetic, what it does.
"""

from __future__ import annotations

import argparse
import heapq
import random
import tempfile
import time
import uuid
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.planned import planned
from benchmarks.sending import TEXT, recipients
from gcbulk.campaign.journal import Ending, Journal, Settlement, Wanted
from gcbulk.campaign.pacing import Pacing
from gcbulk.campaign.plan import make_plan
from gcbulk.codes import Status

MACHINES: Final = (1, 2, 5, 10, 100)
CALLS_PER_SECOND: Final = (5.0, 50.0, 500.0)
MEASURED_CALLS: Final = 200
SECONDS: Final = 60.0
WARM: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Machines that send one campaign; times in seconds. `turn` is what a claim and a settlement cost together, alone
    among all machines; `jitter` the share by which an answer comes sooner or later."""

    machines: int
    concurrency: int
    latency: float
    turn: float
    calls_per_second: float
    jitter: float = 0.2

    def limits(self) -> dict[str, float]:
        """Calls a second at most, by what limits them."""
        return {
            "the API": self.calls_per_second,
            "the journal": 1 / self.turn,
            "calls in flight": self.machines * self.concurrency / (self.latency + self.turn),
        }

    def limit(self) -> tuple[float, str]:
        """The least of them, and its name."""
        return min((rate, name) for name, rate in self.limits().items())


@dataclass(frozen=True, slots=True)
class Pace:
    """What a simulation saw: calls a second, and the most that began within any one second."""

    rate: float
    most_in_a_second: int


def simulate(cluster: Cluster, *, seconds: float = SECONDS, seed: int = 2026) -> Pace:
    """Let the cluster send for so long, with one pace for all of it, taken by each claim in its turn."""
    draw = random.Random(seed)
    pacing = Pacing(cluster.machines * cluster.concurrency, cluster.calls_per_second)
    pacing.answered()
    events = [(draw.random() * cluster.latency, worker, False) for worker in range(pacing.concurrency)]
    heapq.heapify(events)
    free_at, starts = 0.0, list[float]()
    while events[0][0] < WARM + seconds:
        now, worker, is_answer = heapq.heappop(events)
        free_at = max(now, free_at) + cluster.turn / 2  # a claim or a settlement: half of the turn each
        if is_answer:
            heapq.heappush(events, (free_at, worker, False))
            continue
        start = free_at + (pacing.wait(free_at, in_flight=0) or 0.0)
        pacing.started(free_at)
        starts.append(start)
        answer = start + cluster.latency * (1 + cluster.jitter * (2 * draw.random() - 1))
        heapq.heappush(events, (answer, worker, True))
    counted = sorted(start for start in starts if WARM <= start < WARM + seconds)
    most = max((bisect_left(counted, start + 1) - place for place, start in enumerate(counted)), default=0)
    return Pace(len(counted) / seconds, most)


def measured_turn(journal_url: str, chunk: int) -> float:
    """Seconds that a claim and a settlement of one call take on this journal, by one process, with nobody beside it."""
    plan = make_plan(recipients(MEASURED_CALLS * chunk), TEXT)
    customer_id = uuid.uuid4().hex  # nobody to whom any of it went before
    with Journal(journal_url) as journal:
        run = planned(journal, plan, customer_id, customer_id=customer_id, chunk=chunk)
        began = time.perf_counter()
        claim = run.claim(0, None, states=(Status.READY,))
        for number in range(1, MEASURED_CALLS + 1):
            assert claim is not None
            rows = [Settlement([(row.position, f"m{row.position}") for row in claim.rows], Status.ACCEPTED)]
            following = Wanted(number, None, (Status.READY,))
            claims = run.settle_and_claim([Ending(claim, rows, 200, following)])
            claim = None if claims is None else claims[0]
        seconds = time.perf_counter() - began
        run.end()
    return seconds / MEASURED_CALLS


def main() -> None:
    """Measure, and print what the model and the simulation say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--journal", metavar="URL")
    parser.add_argument("--turn-ms", type=float)
    given = parser.parse_args()
    if given.turn_ms is not None:
        turn = given.turn_ms / 1000
    elif given.journal:
        turn = measured_turn(given.journal, given.chunk)
    else:
        with tempfile.TemporaryDirectory() as folder:
            turn = measured_turn(str(Path(folder) / "journal.sqlite3"), given.chunk)
    print(f"a claim and a settlement of {given.chunk} recipients: {turn * 1000:.2f} ms")
    print(
        f"{'machines':>8}{'API calls/s':>13}{'model':>9}  {'limited by':18}{'simulated':>10}{'most in 1 s':>13}", end=""
    )
    print(f"{'recipients/s':>14}{'hours a million':>17}")
    for calls_per_second in CALLS_PER_SECOND:
        for machines in MACHINES:
            cluster = Cluster(
                machines=machines,
                concurrency=given.concurrency,
                latency=given.latency_ms / 1000,
                turn=turn,
                calls_per_second=calls_per_second,
            )
            rate, name = cluster.limit()
            pace = simulate(cluster)
            told = pace.rate * given.chunk
            print(f"{machines:>8}{calls_per_second:>13g}{rate:>9.1f}  {name:18}{pace.rate:>10.1f}", end="")
            print(f"{pace.most_in_a_second:>13}{told:>14,.0f}{1e6 / told / 3600:>17.2f}")


if __name__ == "__main__":
    main()
