"""The pace of a run: arithmetic on a clock that the test holds."""

from __future__ import annotations

import pytest

from gcbulk.campaign.pacing import Pacing


def test_first_call_goes_alone_until_answered() -> None:
    pacing = Pacing(concurrency=4)
    assert pacing.wait(0.0, in_flight=0) == 0.0
    assert pacing.wait(0.0, in_flight=1) is None
    pacing.answered()
    assert pacing.wait(0.0, in_flight=3) == 0.0
    assert pacing.wait(0.0, in_flight=4) is None


def test_calls_per_second_spaces_the_starts() -> None:
    pacing = Pacing(concurrency=1, calls_per_second=4)
    starts, now = [], 0.0
    for _ in range(5):
        wait = pacing.wait(now, in_flight=0)
        assert wait is not None
        now += wait
        pacing.started(now)
        starts.append(now)
    assert starts == [0.0, 0.25, 0.5, 0.75, 1.0]


def test_an_idle_spell_earns_no_burst() -> None:
    pacing = Pacing(concurrency=1, calls_per_second=2)
    pacing.started(0.0)
    pacing.started(10.0)
    assert pacing.wait(10.0, in_flight=0) == 0.5


def test_a_pause_holds_every_call_and_the_longest_wins() -> None:
    pacing = Pacing(concurrency=2)
    pacing.pause(5.0)
    pacing.pause(3.0)
    assert pacing.wait(1.0, in_flight=0) == 4.0
    assert pacing.wait(5.0, in_flight=0) == 0.0


def test_three_unanswered_calls_in_a_row_are_too_many() -> None:
    pacing = Pacing(concurrency=2)
    seen = []
    for answered in (False, False, True, False, False, False, True):
        pacing.answered() if answered else pacing.unanswered()
        seen.append(pacing.in_doubt)
    assert seen == [False, False, False, False, False, True, False]


def test_the_moment_of_a_call_that_was_not_made_is_for_the_next() -> None:
    pacing = Pacing(concurrency=1, calls_per_second=2)
    pacing.started(10.0)
    pacing.not_made()
    assert pacing.wait(10.05, in_flight=0) == 0.0
    pacing.started(10.05)
    assert pacing.wait(10.05, in_flight=0) == pytest.approx(0.45)


def test_moments_are_taken_a_few_at_a_time_and_those_not_used_are_lost() -> None:
    asked = []

    def take(apart: float, count: int) -> float:
        asked.append((apart, count))
        return 1.0

    pacing = Pacing(concurrency=9, calls_per_second=40, take=take)
    pacing.answered()
    waits = []
    for now in (0.0, 1.0, 1.0, 1.03, 1.12, 5.0):
        waits.append(pacing.wait(now, in_flight=0))
        pacing.started(now)
    assert waits == pytest.approx([1.0, 0.025, 0.05, 0.045, 1.0, 1.0])
    assert asked == [(0.025, 4)] * 3
