"""The processor time of a whole run, from the file to the results, against that of a bare loop that posts its bodies.

    python -m benchmarks.processor [--recipients 100000] [--chunk 20] [--concurrency 4] [--rounds 3] [--profile]

Ours: read a CSV, check numbers, render texts, plan, write the journal, send, make the results. The bare loop: the same
message objects, ready made, into JSON and through one `requests` pool, the answers thrown away. The server answers at
once, in a process of its own, which does not count. Processor seconds of all threads; by turns, in one run.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

import gcbulk
from benchmarks import sending
from gcbulk.campaign.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROMISE = 2.5


def whole_run(file: Path, journal: Path, client: gcbulk.CommunicationsClient, chunk: int, concurrency: int) -> None:
    """Everything that a user's three lines do."""
    parents = gcbulk.read_recipients(file)
    results = gcbulk.send_sms(
        parents,
        sending.TEXT,
        client=client,
        journal=journal,
        chunk_size=chunk,
        concurrency=concurrency,
        progress=False,
    )
    assert results["MessageId"].notna().all()


def encoded_and_posted(url: str, calls: Sequence[Any], concurrency: int) -> None:
    """The message objects of each call into JSON, and posted."""
    sending.bare_loop(url, [json.dumps(call).encode() for call in calls], concurrency)


def processor_seconds(work: Callable[[], object]) -> float:
    """Seconds that all threads of this process spent at work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    """Run both by turns and print their processor time and its ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--concurrency", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true", help="Show where our time goes, the workers' not included.")
    given = parser.parse_args()
    people = sending.recipients(given.recipients)
    ours: list[float] = []
    theirs: list[float] = []
    with (
        sending.server(0) as (url, customer_id, key),
        gcbulk.CommunicationsClient(customer_id, key, base_url=url) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        file = Path(folder) / "parents.csv"
        people.to_csv(file, index=False)
        bodies = sending.bodies_of(make_plan(people, sending.TEXT), given.chunk, customer_id, key)
        calls = [json.loads(body) for body in bodies]
        profile = cProfile.Profile()
        for number in range(given.rounds):

            def run(journal: Path = Path(folder) / f"{number}.sqlite3") -> None:
                whole_run(file, journal, client, given.chunk, given.concurrency)

            theirs.append(processor_seconds(lambda: encoded_and_posted(url, calls, given.concurrency)))
            requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
            ours.append(processor_seconds(lambda: profile.runcall(run) if given.profile else run()))
            requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(15)
    one, other = statistics.median(ours), statistics.median(theirs)
    print(f"{given.recipients} recipients, {given.chunk} in a call, median of {given.rounds} rounds; processor seconds")
    print(f"{'encoded and posted':28}{other:>8.2f}")
    print(f"{'gcbulk, file to results':28}{one:>8.2f}")
    print(f"{'ratio':28}{one / other:>8.2f}   (the promise: {PROMISE})")


if __name__ == "__main__":
    main()
