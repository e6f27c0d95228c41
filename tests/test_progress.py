"""Looking on at a long job from another thread, and asking it to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from gcbulk.campaign.delivering import resume_campaign, send_plan
from gcbulk.campaign.history import ask_to_stop, whereabouts
from gcbulk.campaign.journal import runs
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import make_plan
from gcbulk.codes import ErrorCode
from gcbulk.progress import Progress, Watch
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.sandbox import Call, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """Seconds that pass when told."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_watch_sees_counts_words_and_time() -> None:
    clock = Clock()
    watch = Watch(clock=clock)
    assert (watch.now().total, watch.now().done, watch.now().seconds_left) == (0, 0, None)
    with Progress(100, "Texts", enabled=False, watch=watch) as bar:
        bar.add(20, accepted=19, failed=1)
        clock.now += 10
        bar.say("waiting")
        seen = watch.now()
        bar.add(20, accepted=20)
    assert (seen.total, seen.done, seen.counts, seen.words) == (100, 20, {"accepted": 19, "failed": 1}, "waiting")
    assert (seen.seconds, seen.seconds_left) == (10.0, 40.0)
    assert watch.now().counts == {"accepted": 39, "failed": 1}
    assert watch.now().words == ""


def test_what_was_done_before_says_nothing_of_the_pace() -> None:
    clock = Clock()
    watch = Watch(clock=clock)
    with Progress(100, "Texts", enabled=False, watch=watch, before=60) as bar:
        bar.add(0, accepted=60)
        assert (watch.now().done, watch.now().seconds_left) == (60, None)
        clock.now += 10
        bar.add(20, accepted=20)
    assert (watch.now().done, watch.now().counts) == (80, {"accepted": 80})
    assert watch.now().seconds_left == 10.0


def test_a_stop_reaches_a_job_that_runs_and_one_that_begins_later() -> None:
    for early in (True, False):
        watch, asked = Watch(), []
        bar = Progress(1, "Texts", enabled=False, watch=watch)
        if early:
            watch.stop()
        bar.on_stop(lambda asked=asked: asked.append(True))
        if not early:
            watch.stop()
        assert asked == [True]
        assert bar.stop_asked


@pytest.fixture
def stopping() -> Iterator[tuple[Sandbox, Watch]]:
    """A sandbox whose third call has somebody ask for a stop."""
    watch = Watch()

    def on_call(call: Call) -> str | None:
        if call.number == 3:
            watch.stop()
        return None

    with Sandbox(on_call=on_call) as server:
        yield server, watch


def test_a_watched_run_stops_cleanly_and_can_be_gone_on_with(
    stopping: tuple[Sandbox, Watch], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, watch = stopping
    monkeypatch.setenv("GCBULK_BASE_URL", server.url)
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", server.customer_id)
    monkeypatch.setenv("GCBULK_API_KEY", server.api_key)
    people = pd.DataFrame({"mobile": [f"07700 900{n:03}" for n in range(100, 200)]})
    options = SendOptions(chunk_size=10, concurrency=1, progress=False)
    sent = send_plan(make_plan(people, "School is closed."), people, options, campaign="snow", watch=watch)
    assert sent.report.stop_code is ErrorCode.STOPPED
    assert sent.summary.statuses == {"accepted": 30, "not_sent": 70}
    assert watch.now().done == 30

    again = Watch()
    rest = resume_campaign("snow", options, intake=IntakeOptions(), watch=again)
    assert rest.summary.statuses == {"accepted": 100}
    assert (again.now().total, again.now().done) == (70, 70)
    assert len({queued.recipient for queued in server.queued}) == len(server.queued) == 100


def test_another_process_s_stop_reaches_a_run_through_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_call(call: Call) -> str | None:
        if call.number == 3:
            (at_work,) = whereabouts("snow {date}")
            assert at_work.at_work
            assert at_work.to_send == 80
            ask_to_stop(at_work.campaign)
        return None

    with Sandbox(on_call=on_call, latency=0.1) as server:
        monkeypatch.setenv("GCBULK_BASE_URL", server.url)
        monkeypatch.setenv("GCBULK_CUSTOMER_ID", server.customer_id)
        monkeypatch.setenv("GCBULK_API_KEY", server.api_key)
        monkeypatch.setattr(runs, "STOP_POLL", 0.01)
        people = pd.DataFrame({"mobile": [f"07700 900{n:03}" for n in range(100, 200)]})
        options = SendOptions(chunk_size=10, concurrency=1, progress=False)
        sent = send_plan(make_plan(people, "School is closed."), people, options, campaign="snow {date}")
        assert sent.report.stop_code is ErrorCode.STOPPED
        assert 0 < sent.summary.statuses["not_sent"] <= 70
        (stopped,) = whereabouts(sent.campaign)
        assert not stopped.at_work
        assert resume_campaign(sent.campaign, options, intake=IntakeOptions()).summary.statuses == {"accepted": 100}
    assert whereabouts("rain") == []
