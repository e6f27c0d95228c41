"""The pace of a run: arithmetic on a clock that the test holds."""

from __future__ import annotations

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
