"""Kill tests: a run that dies at any moment sends nothing twice and loses nobody."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import gcbulk
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.databases import POSTGRESQL, SQLITE, on_postgresql

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from gcbulk.sandbox import Call

ROWS, CHUNK, CONCURRENCY = 2_000, 20, 8
KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


class Killer:
    """Kills the sending process when the server gets its k-th call, before or after that call is queued."""

    def __init__(self) -> None:
        self.process: BaseProcess | None = None
        self.at_call: int | None = None
        self.seen = 0

    def __call__(self, _call: Call) -> str | None:
        self.seen += 1
        if self.seen == self.at_call and self.process is not None and self.process.pid is not None:
            os.kill(self.process.pid, KILL)
        return None


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("journal_address", "channel", "seed"),
    [
        *((SQLITE, "sms", seed) for seed in range(42)),
        *((SQLITE, "email", seed) for seed in range(42, 50)),
        *(pytest.param(POSTGRESQL, "sms", seed, marks=on_postgresql) for seed in range(50, 57)),
        *(pytest.param(POSTGRESQL, "email", seed, marks=on_postgresql) for seed in range(57, 60)),
    ],
    indirect=["journal_address"],
)
def test_killed_at_any_call_and_resumed(channel: str, seed: int, journal_address: str) -> None:
    rng = random.Random(seed)
    killer = Killer()
    journal = journal_address
    kills = rng.choice([1, 1, 2])
    how = {"chunk_size": CHUNK, "concurrency": CONCURRENCY, "channel": channel}
    with Sandbox(on_call=killer) as sandbox:
        for _ in range(kills):
            killer.at_call = killer.seen + rng.randint(1, ROWS // CHUNK // kills - CONCURRENCY)
            killer.process = jobs.started(sandbox, journal, ROWS, **how)
            killer.process.join(120)
            assert killer.process.exitcode == -KILL
        last = jobs.started(sandbox, journal, ROWS, **how)
        last.join(120)
        assert last.exitcode == 0
        queued = [(entry.recipient, entry.text) for entry in sandbox.queued]
        refs = {entry.client_ref for entry in sandbox.queued}
    (name,) = gcbulk.campaigns(journal=journal)["Campaign"]
    results = gcbulk.campaign_results(name, journal=journal)
    assert max(Counter(queued).values()) == 1
    assert set(queued) <= set(jobs.expected_texts(ROWS, channel=channel).items())
    assert set(results["Status"]) <= {"accepted", "unknown"}
    accepted = set(results.loc[results["Status"] == "accepted", "ClientRef"])
    assert accepted <= refs <= set(results["ClientRef"])
    assert (results["Status"] == "unknown").sum() <= kills * CONCURRENCY * CHUNK
    assert len(accepted) >= ROWS - kills * CONCURRENCY * CHUNK
