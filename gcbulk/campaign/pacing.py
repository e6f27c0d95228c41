"""When the next call may start, and when a run must stop. Arithmetic only: no clock, no sleep, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

UNKNOWN_CALLS_STOP: Final = 3
"""Calls in a row without a usable answer after which nothing fresh is sent: a fault must not eat the list."""


@dataclass(slots=True)
class Pacing:
    """The pace of one run. All times are seconds on one monotonic clock, given by the caller.

    >>> pacing = Pacing(concurrency=4, calls_per_second=2)
    >>> pacing.started(10.0)
    >>> pacing.wait(10.1, in_flight=0)
    0.4
    >>> pacing.width  # the first call goes alone until it is answered
    1
    """

    concurrency: int
    calls_per_second: float | None = None
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
        return max(0.0, round(max(self._next_start, self._paused_until) - now, 6))

    def started(self, now: float) -> None:
        """A call starts now."""
        if self.calls_per_second:
            self._next_start = max(now, self._next_start) + 1 / self.calls_per_second

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
