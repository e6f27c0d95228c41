"""How long to wait, and how often to try, where nothing was taken."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.api.outcomes import Answer, CallResult
from gcbulk.api.retry import FIRST_WAIT, MOST_WAIT, backoff, call_until_taken

if TYPE_CHECKING:
    from collections.abc import Callable

steady = settings(deadline=None, derandomize=True, max_examples=300)


class Chosen(random.Random):
    """Always the same place between the shortest and the longest."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = place

    def random(self) -> float:
        return self.place


SHORTEST, LONGEST = Chosen(0.0), Chosen(1.0)


# -- backoff


@pytest.mark.parametrize(
    ("attempt", "longest"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 30.0), (8, 30.0), (99, 30.0)],
)
def test_the_wait_doubles_from_half_a_second_to_half_a_minute(attempt: int, longest: float) -> None:
    assert backoff(attempt, retry_after=None, rng=LONGEST) == longest
    assert backoff(attempt, retry_after=None, rng=SHORTEST) == longest / 2


@steady
@given(st.integers(1, 10**9), st.randoms(use_true_random=False))
def test_every_wait_is_within_its_bounds(attempt: int, rng: random.Random) -> None:
    wait = backoff(attempt, retry_after=None, rng=rng)
    longest = min(MOST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 64))
    assert longest / 2 <= wait <= longest


@steady
@given(st.integers(1, 40), st.floats(0, 120), st.randoms(use_true_random=False))
def test_never_less_than_retry_after(attempt: int, retry_after: float, rng: random.Random) -> None:
    wait = backoff(attempt, retry_after=retry_after, rng=rng)
    assert wait >= retry_after
    assert wait == retry_after or wait <= MOST_WAIT


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.1])
def test_a_shorter_retry_after_changes_nothing(retry_after: float | None) -> None:
    assert backoff(3, retry_after=retry_after, rng=random.Random(7)) == backoff(
        3, retry_after=None, rng=random.Random(7)
    )


def test_two_runs_do_not_wait_in_step() -> None:
    rng = random.Random(7)
    assert len({backoff(4, retry_after=None, rng=rng) for _ in range(20)}) == 20


# -- call_until_taken


class Calls:
    """A call that gives these results one after the other, and the waits between."""

    def __init__(self, *retry_afters: float | None) -> None:
        self.results = [CallResult((), Answer(began=False), seconds) for seconds in retry_afters]
        self.made = 0
        self.events: list[object] = []

    @property
    def waits(self) -> list[float]:
        return [event for event in self.events if isinstance(event, float)]

    def attempt(self) -> CallResult:
        self.made += 1
        self.events.append("call")
        return self.results[self.made - 1]

    def until(
        self, again: Callable[[CallResult], bool], *, max_attempts: int, rng: random.Random = LONGEST
    ) -> CallResult:
        return call_until_taken(self.attempt, again=again, max_attempts=max_attempts, rng=rng, sleep=self.events.append)


def always(_result: CallResult) -> bool:
    return True


def never(_result: CallResult) -> bool:
    return False


def test_content_with_the_first_result_there_is_no_wait() -> None:
    calls = Calls(5.0, None)
    assert calls.until(never, max_attempts=6) is calls.results[0]
    assert calls.events == ["call"]


@pytest.mark.parametrize("n", range(1, 6))
def test_it_stops_as_soon_as_it_is_content(n: int) -> None:
    calls = Calls(*[None] * 6)
    good = calls.results[n - 1]
    assert calls.until(lambda result: result is not good, max_attempts=6) is good
    assert calls.made == n
    assert calls.waits == [0.5, 1.0, 2.0, 4.0][: n - 1]
    assert calls.events[-1] == "call"


@pytest.mark.parametrize("most", [1, 2, 3, 6])
def test_at_most_so_many_attempts_and_then_the_last_result(most: int) -> None:
    calls = Calls(*[None] * 10)
    assert calls.until(always, max_attempts=most) is calls.results[most - 1]
    assert calls.made == most
    assert calls.waits == [0.5, 1.0, 2.0, 4.0, 8.0][: most - 1]
    assert calls.events[-1] == "call"


def test_content_with_the_last_attempt_of_all() -> None:
    calls = Calls(None, None, None)
    good = calls.results[2]
    assert calls.until(lambda result: result is not good, max_attempts=3) is good


def test_each_wait_heeds_the_answer_before_it() -> None:
    calls = Calls(7.0, None, 0.1, 120.0, None)
    calls.until(always, max_attempts=5)
    assert calls.waits == [7.0, 1.0, 2.0, 120.0]


def test_each_result_is_judged_once() -> None:
    calls, judged = Calls(None, None, None), []

    def again(result: CallResult) -> bool:
        judged.append(result)
        return True

    calls.until(again, max_attempts=3)
    assert [id(result) for result in judged] == [id(result) for result in calls.results]


class Broken(BaseException):
    """Anything that is no result: a fault of ours, Ctrl-C."""


@pytest.mark.parametrize("error", [ValueError("x"), OSError("x"), KeyboardInterrupt(), Broken()], ids=repr)
def test_what_is_raised_is_not_tried_again(error: BaseException) -> None:
    made: list[float] = []

    def attempt() -> CallResult:
        made.append(0.0)
        raise error

    with pytest.raises(type(error)) as caught:
        call_until_taken(attempt, again=always, max_attempts=6, rng=LONGEST, sleep=made.append)
    assert caught.value is error
    assert made == [0.0]


def test_a_wait_can_be_broken_off() -> None:
    calls = Calls(None, None)

    def sleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_until_taken(calls.attempt, again=always, max_attempts=6, rng=LONGEST, sleep=sleep)
    assert calls.made == 1


@steady
@given(
    st.lists(st.none() | st.floats(0, 120), min_size=1, max_size=12),
    st.integers(1, 12),
    st.integers(1, 20),
    st.randoms(use_true_random=False),
)
def test_however_it_goes_the_waits_lie_between_the_calls(
    retry_afters: list[float | None], most: int, content_at: int, rng: random.Random
) -> None:
    most = min(most, len(retry_afters))
    calls = Calls(*retry_afters)
    result = calls.until(lambda _result: calls.made < content_at, max_attempts=most, rng=rng)
    assert calls.made == min(most, content_at)
    assert result is calls.results[calls.made - 1]
    assert len(calls.waits) == calls.made - 1
    assert calls.events[::2] == ["call"] * calls.made
    assert all(
        wait >= (asked or 0.0) and math.isfinite(wait) for wait, asked in zip(calls.waits, retry_afters, strict=False)
    )
