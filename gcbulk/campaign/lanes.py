"""Which call may start next: one lane for each customer, so that who must wait, or is refused, holds up nobody else.

Of a campaign that has one customer there is one lane. Arithmetic only: no clock, no sleep, no I/O.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from gcbulk.campaign.pacing import Pacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gcbulk.api.credentials import Secret
    from gcbulk.codes import ErrorCode

_ALWAYS = float("-inf")


@dataclass(frozen=True, slots=True, order=True)
class Work:
    """A planned call to make, or `positions` of one to make again, not before a moment (monotonic seconds)."""

    not_before: float
    order: int
    number: int = field(compare=False)
    lane: Lane = field(compare=False)
    positions: tuple[int, ...] | None = field(default=None, compare=False)
    attempt: int = field(default=1, compare=False)
    apart: bool = field(default=False, compare=False)  # put off beside others that were not: it is no sign for them


@dataclass(slots=True, eq=False)
class Scope:
    """Those whom an answer may concern: all, or one customer. `given_up` counts calls in a row put off to the last."""

    pacing: Pacing
    given_up: int = 0


@dataclass(slots=True, eq=False)
class Lane(Scope):
    """One customer's calls; `held` says why none of them starts, `refused_key` which key of its was refused."""

    customer_id: str | None = None
    fresh: deque[Work] = field(default_factory=deque)
    repeated: list[Work] = field(default_factory=list)  # a heap; goes before what is fresh
    in_flight: int = 0
    key_works: bool = False
    held: tuple[ErrorCode, str] | None = None
    refused_key: Secret | None = None
    _listed: bool = False  # among those that are looked at
    _wakes: float | None = None

    @property
    def waiting(self) -> int:
        """How many calls of it are still to be made."""
        return len(self.fresh) + len(self.repeated)

    def due(self, now: float, *, in_doubt: bool) -> tuple[Work | None, float | None]:
        """What may start now; else how long that takes, None until one of its calls returns."""
        pause = self.pacing.wait(now, in_flight=self.in_flight)
        if pause is None or pause > 0:
            return None, pause
        if self.repeated and self.repeated[0].not_before <= now:
            return heapq.heappop(self.repeated), None
        doubted = in_doubt or (self.pacing.in_doubt and (self.repeated or self.in_flight))
        if self.fresh and not doubted:
            return self.fresh.popleft(), None
        return None, self.repeated[0].not_before - now if self.repeated else None


class Lanes:
    """Every customer's lane, and how many calls are in the air over all of them. Lanes take turns.

    `take` reserves moments of a customer's for calls to start at (`Pacing`), where other runs share its pace.

    >>> lanes = Lanes(concurrency=2)
    >>> for number, customer in enumerate(("oak", "oak", "elm")):
    ...     lanes.add(customer, number, None)
    >>> first, _ = lanes.next(0.0)
    >>> first.number, lanes.next(0.0)  # the first call of all goes alone
    (0, (None, None))
    >>> lanes.answered(first.lane)
    >>> lanes.ended(first)
    >>> [lanes.next(0.0)[0].number for _ in range(2)]
    [2, 1]
    """

    def __init__(
        self,
        concurrency: int,
        calls_per_second: float | None = None,
        *,
        take: Callable[[str | None, float, int], float] | None = None,
    ) -> None:
        self._concurrency, self._calls_per_second, self._take = concurrency, calls_per_second, take
        self.all = Scope(Pacing(concurrency))
        self.in_flight = 0
        self._lanes: dict[str | None, Lane] = {}
        self._looked_at: deque[Lane] = deque()
        self._asleep: list[tuple[float, int, Lane]] = []  # a heap, by when they wake
        self._doubted: list[Lane] = []  # lanes that start nothing fresh while too much is in doubt
        self._order = count()
        self._waiting = self._repeated = 0

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes.values())

    def __len__(self) -> int:
        """How many calls are to be made, or are in the air, of customers who are not held."""
        return self._waiting + self.in_flight

    def lane(self, customer_id: str | None) -> Lane:
        """A customer's lane."""
        if customer_id not in self._lanes:
            take = None if self._take is None else partial(self._take, customer_id)
            pacing = Pacing(self._concurrency, self._calls_per_second, take)
            self._lanes[customer_id] = Lane(pacing, customer_id=customer_id)
        return self._lanes[customer_id]

    def add(self, customer_id: str | None, number: int, positions: Sequence[int] | None) -> None:
        """Put a planned call at the end of its customer's lane."""
        lane = self.lane(customer_id)
        some = None if positions is None else tuple(positions)
        lane.fresh.append(Work(_ALWAYS, next(self._order), number, lane, some))
        self._waiting += 1
        self._look_at(lane)

    def again(
        self,
        work: Work,
        positions: Sequence[int] | None,
        *,
        not_before: float,
        attempt: int = 1,
        apart: bool = False,
    ) -> None:
        """Have some rows of a call tried again; they go before what is fresh."""
        some = None if positions is None else tuple(positions)
        again = Work(not_before, next(self._order), work.number, work.lane, some, attempt, apart)
        heapq.heappush(work.lane.repeated, again)
        if work.lane.held is None:
            self._waiting += 1
            self._repeated += 1
        self._look_at(work.lane)

    def next(self, now: float) -> tuple[Work | None, float | None]:
        """A call that may start now, which counts as started; else how long that takes, None until one returns."""
        pause = self.all.pacing.wait(now, in_flight=self.in_flight)
        if pause is None or pause > 0:
            return None, pause
        while self._asleep and self._asleep[0][0] <= now:
            wakes, _, lane = heapq.heappop(self._asleep)
            if lane._wakes == wakes:
                self._look_at(lane)
        in_doubt = self.all.pacing.in_doubt and bool(self._repeated or self.in_flight)
        while self._looked_at:
            lane = self._looked_at.popleft()
            lane._listed = False
            if lane.held is not None or not lane.waiting:
                continue
            repeated = len(lane.repeated)
            work, pause = lane.due(now, in_doubt=in_doubt)
            if work is not None:
                self._repeated -= repeated - len(lane.repeated)
                self._start(work, now)
                return work, None
            if pause is not None:
                lane._wakes = now + pause
                heapq.heappush(self._asleep, (lane._wakes, next(self._order), lane))
            if in_doubt and lane.fresh:
                self._doubted.append(lane)
        return None, self._asleep[0][0] - now if self._asleep else None

    def _start(self, work: Work, now: float) -> None:
        lane = work.lane
        self._waiting -= 1
        self.in_flight += 1
        lane.in_flight += 1
        lane.pacing.started(now)
        self._look_at(lane)

    def ended(self, work: Work) -> None:
        """A call has returned, and what it means has been seen to."""
        self.in_flight -= 1
        work.lane.in_flight -= 1
        self._look_at(work.lane)
        for lane in self._doubted:
            self._look_at(lane)
        self._doubted.clear()

    def answered(self, lane: Lane) -> None:
        """A call got a usable answer."""
        for scope in (lane, self.all):
            scope.pacing.answered()
            scope.given_up = 0
        self._look_at(lane)

    def unanswered(self, lane: Lane) -> None:
        """A call got none."""
        lane.pacing.unanswered()
        self.all.pacing.unanswered()

    def hold(self, lane: Lane, why: tuple[ErrorCode, str]) -> list[Work]:
        """Start no further call of a customer; returns the calls that were never tried."""
        if lane.held is None:
            lane.held = why
            self._waiting -= lane.waiting
            self._repeated -= len(lane.repeated)
        return list(lane.fresh)

    def keep(self, left: Mapping[int, bool], *, start: float) -> None:
        """Forget the fresh calls that are not `left`, and begin at another place: at this share (0 to 1) of the others.

        `left` says of each call by its number whether it was put off: those still come last.

        >>> lanes = Lanes(concurrency=2)
        >>> for number in range(6):
        ...     lanes.add(None, number, None)
        >>> lanes.keep({1: False, 2: False, 4: False, 5: True}, start=0.4)
        >>> [work.number for work in lanes.lane(None).fresh], len(lanes)
        ([2, 4, 1, 5], 4)
        """
        for lane in self:
            kept = [work for work in lane.fresh if work.number in left]
            if lane.held is None:
                self._waiting -= len(lane.fresh) - len(kept)
            ahead = [work for work in kept if not left[work.number]]
            first = int(start * len(ahead))
            last = (work for work in kept if left[work.number])
            lane.fresh = deque([*ahead[first:], *ahead[:first], *last])

    def release(self, lane: Lane) -> None:
        """Go on with a customer that was held."""
        lane.held = lane.refused_key = None
        self._waiting += lane.waiting
        self._repeated += len(lane.repeated)
        self._look_at(lane)

    def _look_at(self, lane: Lane) -> None:
        lane._wakes = None
        if not lane._listed and lane.held is None:
            lane._listed = True
            self._looked_at.append(lane)
