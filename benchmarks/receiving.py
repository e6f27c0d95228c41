"""500 callbacks a second for a minute beside a running send: is one lost, is one refused, is the send slower?

    python -m benchmarks.receiving [--per-second 500] [--seconds 60] [--latency-ms 50] [--rounds 1]

Sandbox, receiver and the source of the callbacks are processes of their own, beside the send, on one machine. The
contestants, by turns: the send alone, the send with the same callbacks going to a server that answers them and throws
them away, and the send with them going to `gcbulk callbacks` on the journal that it writes to itself.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.planned import planned
from benchmarks.sending import TEXT, recipients, server
from gcbulk.api.client import CommunicationsClient
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.calling import Manner
from gcbulk.campaign.journal import Journal, callback_token, news_of
from gcbulk.campaign.plan import make_plan
from gcbulk.campaign.sending import Sender
from gcbulk.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.campaign.journal import Run

CONNECTIONS = 32
DISCARD = """
import waitress
def app(environ, start_response):
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
server = waitress.create_server(app, host="127.0.0.1", port=0, threads=32)
print("port", server.effective_port, flush=True)
server.run()
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of the callbacks: how many were made, how many had which answer, and how long answers took."""

    made: int
    answers: dict[int, int]
    seconds: float
    median: float
    slowest_percent: float


@contextmanager
def listening(command: list[str]) -> Iterator[int]:
    """A server in a process of its own: its port, by the first line that names one."""
    with subprocess.Popen(
        [sys.executable, "-u", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        found = re.search(r"port (\d+)", process.stdout.readline())
        assert found
        try:
            yield int(found[1])
        finally:
            process.terminate()


def sent(run: Run, client: CommunicationsClient, callback_url: str | None = None) -> float:
    """Seconds that the sending phase takes."""
    with run.alive(), Progress(1, "Texts", enabled=False) as bar:
        began = time.perf_counter()
        Sender(run, client, Manner(callback_url=callback_url), bar).send()
        return time.perf_counter() - began


def report(port: int, path: str, refs: list[str], per_second: float, seconds: float, told: Any) -> None:
    """Make callbacks at a steady rate, in a process of its own; tells the Load."""
    answers: dict[int, int] = {}
    times: list[float] = []
    lock = threading.Lock()
    total = int(per_second * seconds)
    numbers = iter(range(total))
    began = time.perf_counter()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            time.sleep(max(0.0, began + number / per_second - time.perf_counter()))
            news = {"ClientRef": refs[number % len(refs)], "Status": "Delivered", "Units": 1, "CustomerId": "1469"}
            asked = time.perf_counter()
            connection.request("POST", path, json.dumps(news), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            with lock:
                times.append(time.perf_counter() - asked)
                answers[answer.status] = answers.get(answer.status, 0) + 1

    threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    seconds = time.perf_counter() - began
    told.put(Load(total, answers, seconds, statistics.median(times), times[int(len(times) * 0.99)]))


def beside(port: int, path: str, refs: list[str], given: argparse.Namespace, work: Any) -> tuple[float, Load]:
    """Do the work with the callbacks beside it; its own seconds, and what came of them."""
    context = multiprocessing.get_context("spawn")
    told: Any = context.Queue()
    process = context.Process(target=report, args=(port, path, refs, given.per_second, given.seconds, told))
    process.start()
    seconds = work()
    load: Load = told.get()
    process.join()
    return seconds, load


def main() -> None:
    """Run the contestants by turns, check that nothing was lost, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-second", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    rows = int(given.seconds * 20 * 4 / (given.latency_ms / 1000) * 0.85)  # so that the send lasts as long
    plan = make_plan(recipients(rows), TEXT)
    few = make_plan(recipients(5_000), TEXT + " (earlier)")
    rates: dict[str, list[float]] = {"alone": [], "callbacks thrown away": [], "callbacks received": []}
    with (
        server(given.latency_ms) as (url, customer_id, key),
        CommunicationsClient(customer_id, key, base_url=url) as client,
        tempfile.TemporaryDirectory() as folder,
    ):
        for number in range(given.rounds):
            for name, seconds in rates.items():
                file = Path(folder) / f"{number} {name}.sqlite3"
                with Journal(file) as journal:
                    earlier = planned(journal, few, "earlier", base_url=url, customer_id=customer_id)
                    sent(earlier, client)
                    refs = [str(record.client_ref) for record in journal.records(earlier.campaign)]
                    token = callback_token(journal, earlier.campaign, "http://127.0.0.1:9")
                    path = urlsplit(campaign_url("http://127.0.0.1:9/news", token)).path
                    run = planned(journal, plan, "now", base_url=url, customer_id=customer_id)
                    command = {
                        "callbacks thrown away": ["-c", DISCARD],
                        "callbacks received": [
                            *["-m", "gcbulk", "callbacks", "--port", "0", "--journal", str(file)],
                            *["--public-url", "http://127.0.0.1:9/news"],
                        ],
                    }.get(name)
                    if command is None:
                        seconds.append(rows / sent(run, client))
                        continue
                    with listening(command) as port:
                        took, load = beside(port, path, refs, given, lambda run=run: sent(run, client))
                    seconds.append(rows / took)
                    written = sum(1 for _ in news_of(journal, earlier.campaign))
                    print(f"{name}: send {took:.1f} s; {load.made} callbacks in {load.seconds:.1f} s, ", end="")
                    print(f"answers {load.answers}, {written} in the journal, ", end="")
                    print(f"median {load.median * 1000:.1f} ms, 99 % {load.slowest_percent * 1000:.0f} ms", flush=True)
                    if name == "callbacks received":
                        assert load.answers == {200: load.made}, load.answers
                        assert written == load.made, written
    print(f"{rows} recipients, chunk 20, 4 calls at once, latency {given.latency_ms:g} ms, ", end="")
    print(f"{given.per_second:g} callbacks a second for {given.seconds:g} s, median of {given.rounds} rounds")
    alone = statistics.median(rates["alone"])
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:28}{rate:>10.0f} recipients/s{rate / alone:>8.2f} of alone")


if __name__ == "__main__":
    main()
