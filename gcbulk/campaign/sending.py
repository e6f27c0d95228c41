"""Sending a planned campaign: which call next, and what each answer means for the rest of the run."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from gcbulk.api.outcomes import CONSEQUENCES, Consequence
from gcbulk.api.retry import backoff
from gcbulk.campaign.calling import Caller, Order
from gcbulk.campaign.dispatching import WorkersError
from gcbulk.campaign.journal import Planned, put_off, take_moments
from gcbulk.campaign.lanes import Lanes
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gcbulk.campaign.calling import Called, Client, Manner, Tally
    from gcbulk.campaign.dispatching import Dispatcher
    from gcbulk.campaign.journal import Run
    from gcbulk.campaign.lanes import Lane, Scope, Work
    from gcbulk.progress import Progress

logger = logging.getLogger("gcbulk")

ELSEWHERE_POLL: Final = 1.0
"""Seconds between looks at rows that another campaign has in flight."""
KEY_POLL: Final = 0.5
"""Seconds between looks whether a customer whose key was refused has a newer one."""
OTHERS_POLL: Final = 1.0
"""Seconds, at the least, between looks at which calls the other runs on the campaign have left."""
_NEEDS_NO_RETRY: Final = (Status.READY,)
_MAY_BE_SENT_AGAIN: Final = (Status.READY, Status.UNKNOWN)
_OF_EVERYBODY: Final = frozenset({ErrorCode.NETWORK_ERROR, ErrorCode.HTTP_REFUSED})
"""What concerns every customer alike: the platform cannot be reached, or its address refuses calls."""
_OF_THE_KEY: Final = frozenset({ErrorCode.AUTH_INVALID, ErrorCode.PARTNER_NOT_AUTHORISED})
"""What a newer key of the customer's may put right."""


@dataclass(slots=True)
class RunReport:
    """How a run ended: `stop_code` is set where it ended before everything was tried.

    `held` are the customers for whom a partner's run ended so, and why.
    """

    stop_code: ErrorCode | None = None
    stop_detail: str = ""
    interrupted: bool = False
    calls: int = 0
    held: dict[str, tuple[ErrorCode, str]] = field(default_factory=dict)


class Sender:
    """Sends what a run's campaign has left, with a few threads, until done or stopped.

    `clock` gives monotonic seconds, `wall` seconds since 1970, `rng` the jitter of the waits.
    """

    def __init__(
        self,
        run: Run,
        client: Client,
        manner: Manner,
        progress: Progress,
        *,
        caller: Dispatcher | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.report = RunReport()
        self._run = run
        self._client = client
        self._manner = manner
        self._states = _MAY_BE_SENT_AGAIN if manner.at_least_once else _NEEDS_NO_RETRY
        self._progress = progress
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._caller: Caller | Dispatcher = caller or Caller(
            run, client, manner, wall=wall, stopped=lambda: self._stopped
        )
        self._caller.meanwhile = self._others_turn
        self._lanes = Lanes(manner.concurrency, manner.calls_per_second, take=self._take_moments)
        # A worker holds it but for the time that its call is in the air. So everything here is changed by one at a
        # time, and calls leave one by one: workers that woke together would all be held up by each other again.
        self._turn = threading.Condition()
        self._working = 0
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._stopping = threading.Lock()
        self._without_key: list[Lane] = []  # customers whose key was refused
        self._keys_looked_at = float("-inf")
        self._elsewhere_until: float | None = None
        self._others_looked_at = float("-inf")  # in the future, where a look takes long
        self._unseen = 0  # answers that may stop the run, not seen to yet: until they are, no call starts
        self._failure: BaseException | None = None

    def send(self) -> RunReport:
        """Send everything; returns when every call has returned. Ctrl-C stops it, a second one without waiting.

        Raises JournalError where the journal could not be written: nothing more was sent then.
        """
        for number, positions, customer_id, _ in self._left():
            self._lanes.add(customer_id, number, positions)
        for lane in self._lanes:
            if (why := self._manner.held.get(lane.customer_id or "")) is not None:
                self._hold(lane, *why)
        self._progress.on_stop(lambda: self.stop(ErrorCode.STOPPED, "The run was stopped on request."))
        try:
            self._start_workers()
            self._wait_for_workers()
        except KeyboardInterrupt:
            self._interrupted()
        finally:
            self._caller.close()
        if self._failure is not None:
            raise self._failure
        return self.report

    def _left(self) -> list[Planned]:
        return self._run.journal.batches_with(self._run.campaign, self._states, up_to=self._manner.up_to)

    def stop(self, code: ErrorCode, detail: str) -> None:
        """Let no further call start. The first reason given is the one that is reported."""
        with self._stopping:  # before the turn comes: who has it may be waiting for the journal
            if self.report.stop_code is None:
                self.report.stop_code, self.report.stop_detail = code, detail
            self._stopped = True
        with self._turn:
            self._turn.notify_all()

    def _take_moments(self, customer_id: str | None, apart: float, count: int) -> float:
        """In how many seconds the first of the moments is that the journal keeps for this run."""
        asked_at = self._clock()
        first_in = take_moments(self._run.journal, self._run.campaign, customer_id, apart=apart, count=count)
        return first_in + self._clock() - asked_at

    def _start_workers(self) -> None:
        """Start every worker, counted, before one of them may make a call: none is at work that is not waited for."""
        with self._turn:
            try:
                for number in range(min(self._manner.concurrency, len(self._lanes))):
                    threading.Thread(target=self._work, name=f"gcbulk-{number}", daemon=True).start()
                    self._working += 1
            except BaseException:
                self._stopped = True
                raise

    def _wait_for_workers(self) -> None:
        """Wait until every worker has ended. Not Thread.join: interrupted, it takes a live thread for ended."""
        while self._working:
            with suppress(queue.Empty):
                self._ended.get(timeout=0.2)  # in slices, so that Windows can interrupt it
                self._working -= 1

    def _interrupted(self) -> None:
        self.report.interrupted = True
        try:
            self.stop(ErrorCode.STOPPED, "The run was interrupted.")
            self._wait_for_workers()
        except KeyboardInterrupt:
            logger.warning("Interrupted twice: calls in flight were not waited for; their rows are unknown")

    def _work(self) -> None:
        try:
            with self._turn:
                work = self._next_work()
                while work is not None:
                    work = self._deliver(work) or self._next_work()
        except BaseException as error:  # noqa: BLE001 - raised again by send(), in the thread that asked
            self._fail(error)
        finally:
            self._ended.put(None)

    def _fail(self, error: BaseException) -> None:
        with self._turn:
            self._failure = self._failure or error
        self.stop(ErrorCode.STOPPED, "The run failed.")

    def _next_work(self) -> Work | None:
        """The next call that may start, waiting for its time; None when there is nothing more to do."""
        while not self._stopped:
            now = self._clock()
            if self._without_key and (not self._lanes or now >= self._keys_looked_at + KEY_POLL):
                self._look_for_keys(now)
            if not self._lanes:
                return None
            if self._unseen:
                self._turn.wait()
                continue
            work, pause = self._lanes.next(now)
            if work is not None:
                return work
            self._turn.wait(min(KEY_POLL if pause is None else pause, KEY_POLL) if self._without_key else pause)
        return None

    def _look_for_keys(self, now: float) -> None:
        """Go on with customers whose key was refused and who have a newer one."""
        self._keys_looked_at = now
        for lane in list(self._without_key):
            if self._client.newer_key(lane.customer_id, lane.refused_key):
                self._without_key.remove(lane)
                self.report.held.pop(str(lane.customer_id), None)
                self._lanes.release(lane)
                self._turn.notify_all()
                logger.info("Customer %s has a new key: its texts are sent after all", lane.customer_id)

    def _again(
        self,
        work: Work,
        positions: Sequence[int],
        *,
        attempt: int,
        delay: float = 0.0,
        apart: bool = False,
    ) -> None:
        self._lanes.again(work, positions, not_before=self._clock() + delay, attempt=attempt, apart=apart)
        self._turn.notify_all()

    def _next_at_once(self) -> Work | None:
        """The next call, where it may start this very moment and nothing is to be seen to before."""
        if self._stopped or self._unseen or self._without_key or self._manner.calls_per_second or not self._lanes:
            return None
        return self._lanes.next(self._clock())[0]

    def _deliver(self, work: Work) -> Work | None:
        """Have a call made, and see to what came of it; returns the next one where that was claimed along with it."""
        ended, troubled, begun = False, False, None

        def following(called: Called) -> Order | None:
            nonlocal ended, troubled, begun
            if not called.is_plain:  # seen to when it is written down
                troubled = True
                self._unseen += 1
                return None
            self._see_to(work, called)
            self._end(work)
            ended = True
            begun = self._next_at_once()
            return None if begun is None else self._order(begun)

        try:
            called = self._caller.call(self._order(work), following)
            if not ended:
                self._see_to(work, called)
        except WorkersError as error:
            self.stop(ErrorCode.STOPPED, str(error))
        finally:
            self._unseen -= troubled
            self.report.calls = self._caller.calls
            if not ended:
                self._end(work)
        return begun

    def _order(self, work: Work) -> Order:
        return Order(work.number, work.positions, self._states, work.lane.customer_id, work.lane.key_works)

    def _end(self, work: Work) -> None:
        self._lanes.ended(work)
        self._turn.notify_all()

    def _see_to(self, work: Work, called: Called) -> None:
        """What came of a call, for its rows and for the run."""
        work.lane.key_works = work.lane.key_works or called.key_works
        if not called.made:
            work.lane.pacing.not_made()
        if called.given_back:
            self._again(work, called.given_back, attempt=work.attempt)
        if called.room_in is not None:
            self._wait_for_room(work, called.room_in)
        if called.found_nothing:
            self._leave_to_others()
        if called.elsewhere:
            self._look_again_later(work, called.elsewhere)
        if called.tallies:
            self._judge(work, called)

    @contextmanager
    def _others_turn(self) -> Iterator[threading.Condition]:
        """While one's call is in the air, or its outcome is written, the others may work; gives the turn itself."""
        self._turn.release()
        try:
            yield self._turn
        finally:
            self._turn.acquire()

    def _leave_to_others(self) -> None:
        """Another run has the rows of a call: forget all that others have, and go on where they do not.

        Runs that try the same calls one after the other spend their turns at the journal on what is gone.
        """
        began = self._clock()
        if began < self._others_looked_at + OTHERS_POLL:
            return
        self._others_looked_at = float("inf")  # nobody else looks meanwhile
        with self._others_turn():
            left = {one.number: one.put_off for one in self._left()}
        now = self._clock()
        self._others_looked_at = now + 9 * (now - began)  # of a large campaign it takes a while
        self._lanes.keep(left, start=self._rng.random())
        self._turn.notify_all()

    def _wait_for_room(self, work: Work, seconds: float) -> None:
        """Other runs on the campaign have as many calls in the air as there may be: have nobody ask for a while."""
        pause = seconds * self._rng.uniform(0.5, 1.5)
        self._lanes.all.pacing.pause(self._clock() + pause)
        self._lanes.again(
            work,
            work.positions,
            not_before=self._clock() + pause,
            attempt=work.attempt,
            apart=work.apart,
        )
        self._turn.notify_all()

    def _look_again_later(self, work: Work, positions: Sequence[int]) -> None:
        """Another campaign has some of these texts in flight: look again until its lease must have run out."""
        self._progress.say("waiting for another run that is sending the same messages")
        now = self._clock()
        self._elsewhere_until = self._elsewhere_until or now + self._run.lease
        if now < self._elsewhere_until and not self._stopped:
            self._run.others_in_flight()  # which buries the dead
            later = now + ELSEWHERE_POLL
            self._lanes.again(work, positions, not_before=later)
            self._turn.notify_all()

    def _judge(self, work: Work, called: Called) -> None:
        """What the answer means for these rows and for the run: go on, wait, halve, or stop."""
        statuses = {tally.status for tally in called.tallies}
        if Status.NOT_SENT in statuses:
            for consequence in (Consequence.STOP, Consequence.HALVE, Consequence.RETRY):
                concerned = [
                    tally
                    for tally in called.tallies
                    if tally.status is Status.NOT_SENT and tally.code and CONSEQUENCES[tally.code] is consequence
                ]
                if concerned:
                    self._consequences()[consequence](work, concerned, called)
        self._count(called.tallies, work)
        if statuses - {Status.NOT_SENT, Status.UNKNOWN}:
            self._lanes.answered(work.lane)
            self._turn.notify_all()
        if Status.UNKNOWN in statuses:
            unknown = _positions(tally for tally in called.tallies if tally.status is Status.UNKNOWN)
            self._unanswered(work, unknown, called, whole=statuses == {Status.UNKNOWN})

    def _consequences(self) -> Mapping[Consequence, Callable[[Work, Sequence[Tally], Called], None]]:
        return {
            Consequence.STOP: self._refused,
            Consequence.HALVE: self._halve,
            Consequence.RETRY: self._retry,
        }

    def _refused(self, work: Work, concerned: Sequence[Tally], called: Called) -> None:
        first = concerned[0]
        newer = first.code in _OF_THE_KEY and self._client.newer_key(work.lane.customer_id, called.key)
        if work.lane.customer_id is not None:  # tried again with a newer key, whenever that comes
            self._again(work, _positions(concerned), attempt=work.attempt)
        if not newer:
            work.lane.refused_key = called.key
            self._give_up(work.lane, first)

    def _give_up(self, lane: Lane, refusal: Tally) -> None:
        """No further call of a customer's, or where everybody is concerned, of anybody's."""
        code = refusal.code or ErrorCode.STOPPED
        detail = self._run.detail_of(refusal.positions[0], code) or SENTENCES[code]
        if lane.customer_id is None or code in _OF_EVERYBODY:
            self.stop(code, detail)
        else:
            self._hold(lane, code, detail)

    def _hold(self, lane: Lane, code: ErrorCode, detail: str) -> None:
        """Stop a customer's texts and nobody else's; each row says why."""
        if lane.held is not None:
            return
        untried = self._lanes.hold(lane, (code, detail))
        self.report.held[str(lane.customer_id)] = (code, detail)
        if code in _OF_THE_KEY:
            self._without_key.append(lane)
        self._run.hold([Planned(one.number, one.positions, lane.customer_id) for one in untried], code, detail)
        logger.warning("Customer %s: no further text is sent. %s", lane.customer_id, detail)

    def _halve(self, work: Work, concerned: Sequence[Tally], _called: Called) -> None:
        positions = _positions(concerned)
        middle = (len(positions) + 1) // 2
        for half in (positions[:middle], positions[middle:]):
            if half:
                self._again(work, half, attempt=work.attempt)

    def _retry(self, work: Work, concerned: Sequence[Tally], called: Called) -> None:
        first, positions = concerned[0], _positions(concerned)
        delay = backoff(work.attempt, retry_after=called.retry_after, rng=self._rng)
        apart = work.apart or len(concerned) < len(called.tallies)
        scope: Scope = self._lanes.all if first.code in _OF_EVERYBODY else work.lane
        if work.attempt < self._manner.max_attempts:
            self._again(work, positions, attempt=work.attempt + 1, delay=delay, apart=apart)
            if not apart:
                self._pause(scope, delay, first)
                if scope is work.lane and self._manner.calls_per_second:
                    put_off(self._run.journal, self._run.campaign, work.lane.customer_id, seconds=delay)
            return
        # one message alone may be put off for what is in it: only with the next call it is a sign for all
        scope.given_up += 1
        if not apart and (len(positions) > 1 or scope.given_up > 1):
            self._give_up(work.lane, first)

    def _unanswered(self, work: Work, positions: Sequence[int], called: Called, *, whole: bool) -> None:
        if whole:
            self._lanes.unanswered(work.lane)
        if self._manner.at_least_once and work.attempt < self._manner.max_attempts:
            delay = backoff(work.attempt, retry_after=called.retry_after, rng=self._rng)
            self._again(work, positions, attempt=work.attempt + 1, delay=delay)
        elif self._lanes.all.pacing.in_doubt:
            self.stop(ErrorCode.STOPPED, "Three calls in a row got no usable answer, so the run was stopped.")
        elif work.lane.pacing.in_doubt:
            self._hold(work.lane, ErrorCode.STOPPED, "Three calls in a row for this customer got no usable answer.")

    def _pause(self, scope: Scope, delay: float, put_off: Tally) -> None:
        scope.pacing.pause(self._clock() + delay)
        if delay >= 1:
            self._progress.say(f"{put_off.code}: waiting {delay:.0f} s")

    def _count(self, tallies: Iterable[Tally], work: Work) -> None:
        counts = Counter[str]()
        for tally in tallies:
            if (name := _COUNTED_AS.get(tally.status)) is not None:
                counts[name] += len(tally.positions)
        if self._manner.at_least_once and work.attempt < self._manner.max_attempts:
            del counts["unknown"]  # it will be tried again
        self._progress.add(counts.total(), **counts)


_COUNTED_AS: Final = {
    Status.ACCEPTED: "accepted",
    Status.PARTLY_ACCEPTED: "accepted",
    Status.REJECTED: "failed",
    Status.UNKNOWN: "unknown",
}


def _positions(tallies: Iterable[Tally]) -> list[int]:
    return [position for tally in tallies for position in tally.positions]
