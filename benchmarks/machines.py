"""Whether the model holds: real processes on one journal, a machine's worth each.

    python -m benchmarks.machines [--machines 1 2 4] [--rates 5 50 500] [--seconds 15] [--concurrency 8] [--chunk 20]
        [--latency-ms 50] [--postgresql URL]

Each process is `gcbulk resume` of one campaign, as on a machine of its own; the calls are counted at
the sandbox as they arrive. The model is that of `benchmarks.scaling`, its `turn` measured on the same journal.
PostgreSQL is the server of the `dev` extra's wheel unless the URL of an empty database is given; all of it shares one
machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import uuid
from bisect import bisect_left
from datetime import datetime
from typing import TYPE_CHECKING, Final

import requests

from benchmarks.planned import planned
from benchmarks.scaling import Cluster, measured_turn
from benchmarks.sending import TEXT, postgresql, recipients, server
from gcbulk.campaign.journal import Journal
from gcbulk.campaign.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTING: Final = 4.0
"""Seconds from the first call after which every process is at work."""
ENDING: Final = 1.0


def write_campaign(journal_url: str, base_url: str, customer_id: str, *, calls: int, chunk: int) -> str:
    """A campaign of so many calls, planned and not begun; its name."""
    name = f"machines {uuid.uuid4().hex}"
    plan = make_plan(recipients(calls * chunk), f"{TEXT} {name}")
    with Journal(journal_url) as journal:
        run = planned(journal, plan, name, base_url=base_url, customer_id=customer_id, chunk=chunk)
        run.end()
    return name


def run_machines(machines: int, name: str, options: Sequence[str], environment: dict[str, str]) -> None:
    """Have so many processes go on with a campaign until each of them finds nothing left."""
    command = [sys.executable, "-m", "gcbulk", "resume", name, "--json", *options]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(machines)
    ]
    for process in running:
        _, said = process.communicate()
        if process.returncode not in (0, 5):
            raise SystemExit(f"gcbulk resume ended with {process.returncode}: {said.decode(errors='replace')[-500:]}")


def pace(arrivals: Sequence[float]) -> tuple[float, int]:
    """Calls a second while every process was at work, and the most that came within any one second."""
    counted = [at for at in arrivals if arrivals[0] + STARTING <= at <= arrivals[-1] - ENDING]
    most = max(bisect_left(counted, at + 1) - place for place, at in enumerate(counted))
    return (len(counted) - 1) / (counted[-1] - counted[0]), most


def main() -> None:
    """Run every size at every rate, and print what was counted beside what the model says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 50, 500])
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--concurrency", type=int, default=8, help="calls at once for each machine")
    parser.add_argument("--chunk", type=int, default=20)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--postgresql", metavar="URL")
    given = parser.parse_args()
    with postgresql(given.postgresql) as journal_url, server(given.latency_ms) as (base_url, customer_id, key):
        if journal_url is None:
            raise SystemExit("There is no wheel of a PostgreSQL server here: give --postgresql URL.")
        turn = measured_turn(journal_url, given.chunk)
        print(f"a claim and a settlement of {given.chunk} recipients: {turn * 1000:.2f} ms")
        print(
            f"{'machines':>8}{'API calls/s':>13}{'model':>9}  {'limited by':18}{'counted':>9}{'of the model':>14}",
            end="",
        )
        print(f"{'most in 1 s':>13}")
        environment = os.environ | {
            "GCBULK_BASE_URL": base_url,
            "GCBULK_CUSTOMER_ID": customer_id,
            "GCBULK_API_KEY": key,
            "GCBULK_JOURNAL": journal_url,
        }
        for rate in given.rates:
            for machines in given.machines:
                cluster = Cluster(
                    machines=machines,
                    concurrency=given.concurrency,
                    latency=given.latency_ms / 1000,
                    turn=turn,
                    calls_per_second=rate,
                )
                model, name = cluster.limit()
                calls = int(model * (given.seconds + STARTING + ENDING))
                campaign = write_campaign(journal_url, base_url, customer_id, calls=calls, chunk=given.chunk)
                requests.post(f"{base_url}/sandbox/reset", timeout=60)
                options = ["--concurrency", str(machines * given.concurrency), "--calls-per-second", str(rate)]
                run_machines(machines, campaign, options, environment)
                arrived = requests.get(f"{base_url}/sandbox/calls", timeout=60).json()
                counted, most = pace(sorted(datetime.fromisoformat(call["at"]).timestamp() for call in arrived))
                print(
                    f"{machines:>8}{rate:>13g}{model:>9.1f}  {name:18}{counted:>9.1f}{counted / model:>14.2f}{most:>13}"
                )


if __name__ == "__main__":
    main()
