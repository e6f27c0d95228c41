"""When the next call may start, and when a run must stop. Arithmetic only: no clock, no sleep, no I/O of its own."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

UNKNOWN_CALLS_STOP: Final = 3
"""Calls in a row without a usable answer after which nothing fresh is sent: a fault must not eat the list."""
MOMENTS_AHEAD: Final = 0.1
"""Seconds of moments that are taken at once."""
MOMENT_KEEPS: Final = 0.25
"""Seconds for which a moment is good: what is not used in time is lost, so that nobody saves up."""


@dataclass(slots=True)
class Pacing:
    """The pace of one run. All times are seconds on one monotonic clock, given by the caller.

    A call starts at a moment of its own. Where a pace is shared with other runs, `take` reserves the next moments for
    this one: given how far apart and how many, it says in how many seconds the first of them is.

    >>> pacing = Pacing(concurrency=4, calls_per_second=2)
    >>> pacing.started(10.0)
    >>> pacing.wait(10.1, in_flight=0)
    0.4
    >>> pacing.width  # the first call goes alone until it is answered
    1
    """

    concurrency: int
    calls_per_second: float | None = None
    take: Callable[[float, int], float] | None = None
    _moments: deque[float] = field(default_factory=deque, init=False)
    _last_moment: float = field(default=float("-inf"), init=False)
    _next_start: float = field(default=float("-inf"), init=False)
    _paused_until: float = field(default=float("-inf"), init=False)
    _answered: bool = field(default=False, init=False)
    _unknown_in_a_row: int = field(default=0, init=False)

    @property
    def width(self) -> int:
        """How many calls may be under way at once."""
        return self.concurrency if self._answered else 1

    def wait(self, now: float, *, in_flight: int) -> float | None:
        """Seconds until another call may start; None until one of those in flight returns."""
        if in_flight >= self.width:
            return None
        return max(0.0, round(max(self._moment(now), self._paused_until) - now, 6))

    def started(self, now: float) -> None:
        """A call starts now."""
        self._moment(now)
        if self._moments:
            self._last_moment = self._moments.popleft()

    def not_made(self) -> None:
        """A call that was to start was not made, another run had its rows: its moment is for another call."""
        if self.calls_per_second:
            self._moments.appendleft(self._last_moment)

    def _moment(self, now: float) -> float:
        """The first of the moments that this run has for its calls."""
        if not self.calls_per_second:
            return float("-inf")
        apart = 1 / self.calls_per_second
        while self._moments and self._moments[0] < now - max(apart, MOMENT_KEEPS):
            self._moments.popleft()
        if not self._moments:
            some = max(1, int(MOMENTS_AHEAD * self.calls_per_second))
            first = max(now, self._next_start) if self.take is None else now + self.take(apart, some)
            self._moments.extend(first + number * apart for number in range(some))
            self._next_start = first + some * apart
        return self._moments[0]

    def pause(self, until: float) -> None:
        """No call starts before `until`: the platform asked everybody to wait."""
        self._paused_until = max(self._paused_until, until)

    def answered(self) -> None:
        """A call got a usable answer."""
        self._answered = True
        self._unknown_in_a_row = 0

    def unanswered(self) -> None:
        """A call got none."""
        self._unknown_in_a_row += 1

    @property
    def in_doubt(self) -> bool:
        """Whether too many calls in a row got no usable answer."""
        return self._unknown_in_a_row >= UNKNOWN_CALLS_STOP
