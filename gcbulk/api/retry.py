"""How long to wait before trying again what was certainly not taken: the one rule, for the client and for a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

import tenacity

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from gcbulk.api.outcomes import CallResult

FIRST_WAIT: Final = 0.5
MOST_WAIT: Final = 30.0
T = TypeVar("T")


def backoff(attempt: int, *, retry_after: float | None, rng: random.Random) -> float:
    """Seconds to wait after the `attempt`-th try (1, 2, ...): exponential with jitter, never less than Retry-After.

    The wait doubles from half a second to half a minute; each is between a half and the whole of that.
    """
    longest = min(MOST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 16))
    return max(rng.uniform(longest / 2, longest), retry_after or 0.0)


def call_until_taken(
    attempt: Callable[[], CallResult],
    *,
    again: Callable[[CallResult], bool],
    max_attempts: int,
    rng: random.Random,
    sleep: Callable[[float], None] = time.sleep,
) -> CallResult:
    """Call `attempt` until `again` is content with its result, at most `max_attempts` times; the last result."""

    def wait(state: tenacity.RetryCallState) -> float:
        result: CallResult = state.outcome.result()  # type: ignore[union-attr]  # set before a wait is asked for
        return backoff(state.attempt_number, retry_after=result.retry_after, rng=rng)

    def last(state: tenacity.RetryCallState) -> CallResult:
        return state.outcome.result()  # type: ignore[union-attr,no-any-return]

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(again),
        stop=tenacity.stop_after_attempt(max_attempts),
        wait=wait,
        retry_error_callback=last,
        sleep=sleep,
    )
    return retrying(attempt)
