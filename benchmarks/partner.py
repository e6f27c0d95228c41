"""Many customers of a partner against one customer with as many rows: planned and sent, on the same server.

    python -m benchmarks.partner [--customers 2000] [--rows 50] [--chunk 20] [--concurrency 8] [--rounds 3]

The server is the sandbox in a process of its own. All figures come from one run, the contestants by turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

import gcbulk
from benchmarks.sending import recipients
from gcbulk.api.customers import Customer, FixedCustomers
from gcbulk.api.partner import Partner

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

TEXT = "Dear {{ name }}, school is closed today because of snow. We will text again at 4 pm. {{ school }}"
STYLE = "OakTrust"
SERVER = """
from gcbulk.sandbox import Sandbox
from gcbulk.sandbox.customers import SandboxCustomer
known = [SandboxCustomer(str(n), f"School {n}", api_key=f"k{n}", authorised=True) for n in range(10_000, 10_000 + %d)]
with Sandbox(customers=known, partner_key="p", style_class="OakTrust", latency=%f) as server:
    print(server.url, flush=True)
    server.serve_forever()
"""


@contextmanager
def server(customers: int, latency_ms: float) -> Iterator[str]:
    """The sandbox with so many customers, in a process of its own: its address."""
    script = SERVER % (customers, latency_ms / 1000)
    command = [sys.executable, "-u", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def seconds_to_send(
    people: pd.DataFrame, url: str, journal: Path, customers: int, chunk: int, concurrency: int
) -> float:
    """Seconds to plan and send a list for the customers that its rows name."""
    known = [(Customer(id=str(n), name=f"School {n}"), f"k{n}") for n in range(10_000, 10_000 + customers)]
    partner = Partner("p", STYLE)
    with gcbulk.CommunicationsClient(base_url=url, partner=partner, customers=FixedCustomers(known)) as client:
        began = time.perf_counter()
        results = gcbulk.send_sms(
            people,
            TEXT,
            client=client,
            customer_column="school",
            journal=journal,
            chunk_size=chunk,
            concurrency=concurrency,
            progress=False,
        )
        seconds = time.perf_counter() - began
    assert (results["Status"] == "accepted").all()
    return seconds


def main() -> None:
    """Run the contestants by turns and print their times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    total = given.customers * given.rows
    people = recipients(total)
    lists = {
        "one customer": people.assign(school="School 10000"),
        "many customers": people.assign(school=[f"School {10_000 + n % given.customers}" for n in range(total)]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in lists}
    with server(given.customers, given.latency_ms) as url, tempfile.TemporaryDirectory() as folder:
        for number in range(given.rounds):
            for name, listed in lists.items():
                journal = Path(folder) / f"{name} {number}.sqlite3"
                seconds[name].append(
                    seconds_to_send(listed, url, journal, given.customers, given.chunk, given.concurrency)
                )
                requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
    one, many = (statistics.median(seconds[name]) for name in lists)
    print(
        f"{total} rows, chunk {given.chunk}, concurrency {given.concurrency}, latency {given.latency_ms:g} ms, ", end=""
    )
    print(f"median of {given.rounds} rounds")
    print(f"one customer: {one:.1f} s; {given.customers} customers: {many:.1f} s, {many / one:.2f} times as long")


if __name__ == "__main__":
    main()
