"""Runs on one campaign share its pace and its calls at once, whatever machine each of them is on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from gcbulk.campaign.journal import Journal, Settlement, put_off, take_moments
from gcbulk.campaign.journal.paces import CATCH_UP
from gcbulk.codes import Status
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.databases import BOTH, POSTGRESQL, on_postgresql
from tests.test_journal import Clock, accept, start, states, take
from tests.test_processes import ended, send_here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gcbulk.campaign.journal import Claim, Run
    from gcbulk.sandbox import Call

both = pytest.mark.parametrize("journal_address", BOTH, indirect=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(journal_address: str, clock: Clock) -> Iterator[Journal]:
    with Journal(journal_address, clock=clock) as opened:
        yield opened


def claim(run: Run, number: int, at_once: int) -> Claim:
    found = run.claim(number, None, states=(Status.READY,), at_once=at_once)
    assert found is not None
    return found


@both
def test_each_moment_is_given_to_one_run(journal: Journal, clock: Clock) -> None:
    campaign = start(journal, ["a"]).campaign
    taken = [take_moments(journal, campaign, None, apart=0.25, count=count) for count in (1, 2, 1)]
    assert taken == pytest.approx([0.0, 0.25, 0.75])
    assert take_moments(journal, campaign, "2101", apart=0.25, count=1) == 0.0  # a customer's pace is its own
    clock.now += 60  # nobody saves up
    assert take_moments(journal, campaign, None, apart=0.25, count=1) == pytest.approx(-CATCH_UP)
    assert take_moments(journal, campaign, None, apart=0.25, count=1) == pytest.approx(0.25 - CATCH_UP)
    put_off(journal, campaign, None, seconds=5.0)
    put_off(journal, campaign, None, seconds=2.0)
    assert take_moments(journal, campaign, None, apart=0.25, count=1) == pytest.approx(5.0)


@both
def test_no_more_calls_are_in_the_air_than_there_may_be(journal: Journal, clock: Clock) -> None:
    texts = [str(n) for n in range(8)]
    one, two = start(journal, texts), start(journal, texts)
    first, second = claim(one, 0, 2), claim(two, 1, 2)
    waiting = claim(two, 2, 2)
    assert (waiting.rows, waiting.room_in) == ((), pytest.approx(0.05))
    assert states(journal, one)[4:6] == ["ready", "ready"]
    assert one.claim(0, None, states=(Status.READY,), at_once=2) is None  # nothing to send needs no room
    accept(one, first)
    third = claim(two, 2, 2)
    assert len(third.rows) == 2
    assert claim(one, 3, 2).room_in
    two.end()  # it had both, which are unknown now
    assert len(claim(one, 3, 2).rows) == 2
    two.settle(second, [Settlement([(2, "m2"), (3, "m3")], "accepted")], http_status=200)
    assert states(journal, one) == ["accepted"] * 4 + ["unknown"] * 2 + ["in_flight"] * 2


@both
def test_calls_of_a_run_that_died_take_up_no_room(journal: Journal, clock: Clock) -> None:
    texts = ["a", "b", "c", "d"]
    one, two = start(journal, texts), start(journal, texts)
    take(one)
    assert claim(two, 1, 1).room_in
    clock.now += one.lease + 1
    assert len(claim(two, 1, 1).rows) == 2


class Platform:
    """Takes its time over a call, and sees how many it is at, and when each came."""

    def __init__(self, latency: float) -> None:
        self.came: list[float] = []
        self.at_once = self.most = 0
        self._latency, self._lock = latency, threading.Lock()

    def __call__(self, _call: Call) -> None:
        with self._lock:
            self.came.append(time.monotonic())
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(self._latency)
        with self._lock:
            self.at_once -= 1

    def rate(self, *, after: int = 0) -> float:
        """Calls a second, from so many on."""
        came = self.came[after:]
        return (len(came) - 1) / (came[-1] - came[0])


@on_postgresql
@pytest.mark.parametrize("journal_address", [POSTGRESQL], indirect=True)
def test_two_processes_keep_the_pace_of_one(journal_address: str) -> None:
    for _chance in range(3):  # a machine that stalls is slower: that is none of theirs. Never may they be quicker
        platform = Platform(latency=0.1)
        options = {"chunk_size": 5, "calls_per_second": 20.0, "concurrency": 4}
        with Sandbox(on_call=platform) as sandbox:
            ended(*[jobs.started(sandbox, journal_address, 500, **options) for _ in range(2)])
        assert len(platform.came) == 100
        assert platform.rate() <= 20.0 * 1.05
        assert platform.most <= 4
        if platform.rate(after=20) >= 20.0 * 0.95:  # once both are under way
            return
    pytest.fail(f"three times too slow, {platform.rate(after=20):.1f} calls a second of 20")


@on_postgresql
@pytest.mark.parametrize("journal_address", [POSTGRESQL], indirect=True)
def test_three_processes_have_no_more_calls_in_the_air_than_one(journal_address: str) -> None:
    platform = Platform(latency=0.02)
    with Sandbox(on_call=platform) as sandbox:
        ended(*[jobs.started(sandbox, journal_address, 400, chunk_size=10, concurrency=3) for _ in range(3)])
    assert len(platform.came) == 40
    assert platform.most <= 3


def test_where_the_platform_asks_one_run_to_wait_all_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.campaign.sending.backoff", lambda *_given, **_options: 0.4)
    journal, asked = str(tmp_path / "journal.sqlite3"), []

    def put_off_once(call: Call) -> str | None:
        return "http-503-once" if call.number == 1 else None

    def moment_of_another(*given: object, **options: object) -> None:
        put_off(*given, **options)  # type: ignore[arg-type]
        with Journal(journal) as other:
            asked.append(take_moments(other, other.campaigns()[0], None, apart=0.001, count=1))

    monkeypatch.setattr("gcbulk.campaign.sending.put_off", moment_of_another)
    with Sandbox(on_call=put_off_once) as sandbox:
        results = send_here(sandbox, journal, 20, chunk_size=10, calls_per_second=50.0, max_attempts=9)
    assert set(results["Status"]) == {"accepted"}
    assert len(asked) == 1
    assert 0.1 < asked[0] <= 0.4
