"""Dask's own cluster of processes, and PostgreSQL: workers and the scheduler are killed, and nothing goes twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil
import pytest
from distributed import Client

import gcbulk
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.databases import POSTGRESQL, on_postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcbulk.sandbox import Call

pytestmark = [
    on_postgresql,
    pytest.mark.parametrize("journal_address", [POSTGRESQL], indirect=True),
]
CHUNK = 20


class Cluster:
    """A scheduler and workers, each a process of its own, that can be killed; Dask starts a worker anew."""

    def __init__(self, folder: Path, workers: int) -> None:
        self._file = folder / "scheduler.json"
        self._processes = [self._start("scheduler", "--port", "0", "--no-dashboard", "--no-show")]
        self._processes.append(
            self._start(
                "worker", "--nworkers", str(workers), "--nthreads", "1", "--no-dashboard", "--death-timeout", "60"
            )
        )
        self.client = Client(scheduler_file=str(self._file), timeout=60)
        self.client.wait_for_workers(workers, timeout=60)

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + what, "--scheduler-file", str(self._file), *options]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_a_worker(self, chance: random.Random) -> None:
        """SIGKILL for one of those that are at work."""
        nannies = psutil.Process(self._processes[1].pid)
        alive = [one for one in nannies.children(recursive=True) if "spawn_main" in " ".join(one.cmdline())]
        chance.choice(sorted(alive, key=lambda one: one.pid)).kill()

    def kill_the_scheduler(self) -> None:
        self._processes[0].kill()

    def close(self) -> None:
        with suppress(Exception):  # the scheduler may be gone
            self.client.close(timeout=2)
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                for one in psutil.Process(process.pid).children(recursive=True):
                    one.kill()
            process.kill()
            process.wait(20)


@contextmanager
def cluster_of(folder: Path, workers: int) -> Iterator[Cluster]:
    cluster = Cluster(folder, workers)
    try:
        yield cluster
    finally:
        cluster.close()


class Killer:
    """Kills a worker at some calls, and at a last one the scheduler, before or while the call is answered."""

    def __init__(self, at: list[int], chance: random.Random) -> None:
        self.at, self.chance, self.seen = at, chance, 0
        self.cluster: Cluster | None = None
        self._lock = threading.Lock()

    def __call__(self, _call: Call) -> None:
        with self._lock:
            self.seen += 1
            if self.cluster is not None and self.seen in self.at:
                if self.seen == self.at[-1]:
                    self.cluster.kill_the_scheduler()
                else:
                    self.cluster.kill_a_worker(self.chance)
        time.sleep(0.01)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings(
    "ignore::gcbulk.errors.GcbulkWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"
)
@pytest.mark.parametrize(
    ("rows", "workers", "kills"),
    [(1_000, 2, 1), pytest.param(20_000, 4, 10, marks=pytest.mark.soak)],
    ids=["small", "whole"],
)
def test_workers_and_the_scheduler_are_killed(
    rows: int, workers: int, kills: int, journal_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(rows)
    calls = rows // CHUNK
    at = [*sorted(chance.sample(range(calls // 20, calls * 3 // 4), kills)), calls * 4 // 5]
    killer = Killer(at, chance)
    with Sandbox(on_call=killer) as sandbox:
        for name, value in {"BASE_URL": sandbox.url, "CUSTOMER_ID": "1469", "API_KEY": sandbox.api_key}.items():
            monkeypatch.setenv(f"GCBULK_{name}", value)
        with cluster_of(tmp_path, workers) as cluster:
            killer.cluster = cluster
            results = gcbulk.send_sms(
                jobs.people(rows), jobs.MESSAGE, executor=cluster.client.get_executor(), journal=journal_address,
                chunk_size=CHUNK, concurrency=workers, progress=False,
            )  # fmt: skip
        broken = results.loc[results["Status"] == "not_sent", "ErrorDetail"]
        assert len(broken)
        assert broken.str.contains("executor").all(), set(broken)
        name = results.attrs["campaign"]
        results = gcbulk.resume(name, journal=journal_address, progress=False)
    sent = Counter((entry.recipient, entry.text) for entry in sandbox.queued)
    assert max(sent.values()) == 1
    assert sent.keys() <= set(jobs.expected_texts(rows).items())
    assert set(results["Status"]) <= {"accepted", "unknown"}
    assert set(results.loc[results["Status"] == "accepted", "SentTo"]) <= {number for number, _ in sent}
    assert (results["Status"] == "unknown").sum() <= (kills + workers) * CHUNK
    assert killer.seen >= at[-1]
