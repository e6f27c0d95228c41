"""Sending a planned campaign: claim, call, settle, and what each answer means for the rest of the run."""

from __future__ import annotations

import heapq
import logging
import queue
import random
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final, Protocol

from gcbulk.api.outcomes import CONSEQUENCES, CallResult, Consequence, Outcome, with_working_key
from gcbulk.api.payloads import Message
from gcbulk.api.retry import backoff
from gcbulk.campaign.attachments import FileChangedError
from gcbulk.campaign.enclosing import email_of, why_held
from gcbulk.campaign.journal import Settlement
from gcbulk.campaign.pacing import Pacing
from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gcbulk.api.client import CredentialCheck
    from gcbulk.api.payloads import Email
    from gcbulk.campaign.enclosing import Envelope
    from gcbulk.campaign.journal import ClaimedRow, Run
    from gcbulk.progress import Progress

    _Groups = Sequence[Sequence[ClaimedRow]]
    _Pairs = Sequence[tuple[Sequence[ClaimedRow], Outcome]]

logger = logging.getLogger("gcbulk")

ELSEWHERE_POLL: Final = 1.0
"""Seconds between looks at rows that another campaign has in flight."""
_PROVES_THE_KEY: Final = frozenset({ErrorCode.INVALID_RECIPIENTS})
_NEEDS_NO_RETRY: Final = (Status.READY,)
_MAY_BE_SENT_AGAIN: Final = (Status.READY, Status.UNKNOWN)


class Client(Protocol):
    """What a run needs of the API client."""

    def post(self, messages: Sequence[Message | Email], *, key_works: bool = False) -> CallResult:
        """One attempt at one call."""
        ...

    def check_credentials(self) -> CredentialCheck:
        """The vendor's test call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a run sends: its pace, its persistence, and what every message carries."""

    concurrency: int = 4
    calls_per_second: float | None = None
    max_attempts: int = 6
    at_least_once: bool = False
    sender: str | None = None
    send_at: str | None = None
    callback_url: str | None = None
    envelope: Envelope | None = None  # of emails; none where texts are sent
    up_to: int | None = None  # the last position that may go, where the rest is held back


@dataclass(slots=True)
class RunReport:
    """How a run ended: `stop_code` is set where it ended before everything was tried."""

    stop_code: ErrorCode | None = None
    stop_detail: str = ""
    interrupted: bool = False
    calls: int = 0


@dataclass(frozen=True, slots=True, order=True)
class _Work:
    """A planned call to make, or `positions` of one to make again, not before a moment (monotonic seconds)."""

    not_before: float
    order: int
    number: int = field(compare=False)
    positions: tuple[int, ...] | None = field(default=None, compare=False)
    attempt: int = field(default=1, compare=False)
    apart: bool = field(default=False, compare=False)  # put off beside others that were not: it is no sign for them
    states: tuple[str, ...] = field(default=_NEEDS_NO_RETRY, compare=False)


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
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.report = RunReport()
        self._run = run
        self._client = client
        self._manner = manner
        self._progress = progress
        self._clock = clock
        self._wall = wall
        self._rng = rng or random.SystemRandom()
        self._pacing = Pacing(manner.concurrency, manner.calls_per_second)
        # A worker holds it but for the time that its call is in the air. So everything here is changed by one at a
        # time, and calls leave one by one: workers that woke together would all be held up by each other again.
        self._turn = threading.Condition()
        self._order = count()
        self._fresh: deque[_Work] = deque()
        self._repeated: list[_Work] = []  # a heap; goes before what is fresh
        self._in_flight = 0
        self._working = 0
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._key_works = False
        self._given_up = 0  # calls in a row that were put off to the last attempt
        self._elsewhere_until: float | None = None
        self._failure: BaseException | None = None

    def send(self) -> RunReport:
        """Send everything; returns when every call has returned. Ctrl-C stops it, a second one without waiting.

        Raises JournalError where the journal could not be written: nothing more was sent then.
        """
        states = _MAY_BE_SENT_AGAIN if self._manner.at_least_once else _NEEDS_NO_RETRY
        batches = self._run.journal.batches_with(self._run.campaign, states, up_to=self._manner.up_to)
        for number, positions in batches:
            self._fresh.append(_Work(float("-inf"), next(self._order), number, positions, states=states))
        self._progress.on_stop(lambda: self.stop(ErrorCode.STOPPED, "The run was stopped on request."))
        try:
            self._start_workers()
            self._wait_for_workers()
        except KeyboardInterrupt:
            self._interrupted()
        if self._failure is not None:
            raise self._failure
        return self.report

    def stop(self, code: ErrorCode, detail: str) -> None:
        """Let no further call start. The first reason given is the one that is reported."""
        with self._turn:
            if self.report.stop_code is None:
                self.report.stop_code, self.report.stop_detail = code, detail
            self._stopped = True
            self._turn.notify_all()

    def _start_workers(self) -> None:
        """Start every worker, counted, before one of them may make a call: none is at work that is not waited for."""
        with self._turn:
            try:
                for number in range(min(self._manner.concurrency, len(self._fresh))):
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
                while (work := self._next_work()) is not None:
                    try:
                        self._deliver(work)
                    finally:
                        self._in_flight -= 1
                        self._turn.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised again by send(), in the thread that asked
            self._fail(error)
        finally:
            self._ended.put(None)

    def _fail(self, error: BaseException) -> None:
        with self._turn:
            self._failure = self._failure or error
        self.stop(ErrorCode.STOPPED, "The run failed.")

    def _next_work(self) -> _Work | None:
        """The next call that may start, waiting for its time; None when there is nothing more to do."""
        while not self._stopped and (self._fresh or self._repeated or self._in_flight):
            now = self._clock()
            pause = self._pacing.wait(now, in_flight=self._in_flight)
            if pause is not None and pause <= 0:
                if (work := self._due(now)) is not None:
                    self._in_flight += 1
                    self._pacing.started(now)
                    return work
                pause = self._repeated[0].not_before - now if self._repeated else None
            self._turn.wait(pause)
        return None

    def _due(self, now: float) -> _Work | None:
        """What is to be tried again, if its time has come; else what is fresh, unless too much is in doubt."""
        if self._repeated and self._repeated[0].not_before <= now:
            return heapq.heappop(self._repeated)
        held = self._pacing.in_doubt and (self._repeated or self._in_flight)
        return self._fresh.popleft() if self._fresh and not held else None

    def _again(
        self,
        work: _Work,
        positions: Sequence[int],
        *,
        attempt: int,
        delay: float = 0.0,
        apart: bool = False,
        states: tuple[str, ...] = _NEEDS_NO_RETRY,
    ) -> None:
        again = _Work(self._clock() + delay, next(self._order), work.number, tuple(positions), attempt, apart, states)
        heapq.heappush(self._repeated, again)
        self._turn.notify_all()

    def _deliver(self, work: _Work) -> None:
        """Claim, call, settle: the one place where a message leaves."""
        asked_at = self._wall()
        claim = self._run.claim(work.number, work.positions, states=work.states)
        if claim is None:
            return
        if claim.elsewhere:
            self._look_again_later(work)
        if not claim.rows:
            return
        if abs(self._wall() - asked_at) >= self._run.lease:  # the machine slept: another run may have taken over
            self._run.settle(claim, [_given_back(row.position) for row in claim.rows], http_status=None)
            self._again(work, [row.position for row in claim.rows], attempt=work.attempt)
            return
        groups: dict[str, list[ClaimedRow]] = {}
        for row in claim.rows:
            groups.setdefault(row.client_ref, []).append(row)
        held: Sequence[Settlement] = ()
        if self._manner.envelope is None:
            whole: _Groups = list(groups.values())
            messages: Sequence[Message | Email] = [self._message(group) for group in whole]
        else:
            whole, messages, held = self._emails(groups.values(), self._manner.envelope)
            if not messages:
                self._run.settle(claim, held, http_status=None)
                return
        result = self._call(messages)
        pairs = list(zip(whole, result.outcomes, strict=True))
        settlements = [_settlement(row, outcome) for group, outcome in pairs for row in group]
        self._run.settle(claim, [*settlements, *held] if held else settlements, http_status=result.answer.status)
        self._judge(work, pairs, result)

    def _message(self, group: Sequence[ClaimedRow]) -> Message:
        first, manner = group[0], self._manner
        recipients = tuple([row.address for row in group])
        return Message(recipients, first.text, first.client_ref, manner.sender, manner.send_at, manner.callback_url)

    def _emails(
        self, groups: Iterable[Sequence[ClaimedRow]], envelope: Envelope
    ) -> tuple[_Groups, Sequence[Email], Sequence[Settlement]]:
        """The emails that can go, of which rows each is, and what holds back the others: a file that is not as planned.

        Files are read outside the turn: while one call's are, others may leave.
        """
        whole, emails, held = [], [], []
        with self._others_turn():
            for group in groups:
                try:
                    emails.append(email_of(group, self._manner, envelope))
                    whole.append(group)
                except FileChangedError as error:
                    code, detail = why_held(error)
                    held += [Settlement(row.position, Status.READY, None, None, code, detail) for row in group]
        return whole, emails, held

    def _call(self, messages: Sequence[Message | Email]) -> CallResult:
        with self._others_turn():
            result = self._client.post(messages, key_works=self._key_works)
        self.report.calls += 1
        if not self._key_works and any(outcome.code is ErrorCode.AUTH_INVALID for outcome in result.outcomes):
            with self._others_turn():
                check = self._client.check_credentials()
            if check.result == "valid":  # so the data was at fault, not the key
                self._key_works = True
                return with_working_key(result, messages)
        if not self._key_works:
            self._key_works = any(map(_proves_the_key, result.outcomes))
        return result

    @contextmanager
    def _others_turn(self) -> Iterator[None]:
        """While one's call is in the air, the others may work."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def _look_again_later(self, work: _Work) -> None:
        """Another campaign has some of these texts in flight: look again until its lease must have run out."""
        self._progress.say("waiting for another run that is sending the same texts")
        now = self._clock()
        self._elsewhere_until = self._elsewhere_until or now + self._run.lease
        if now < self._elsewhere_until and not self._stopped:
            self._run.others_in_flight()  # which buries the dead
            heapq.heappush(self._repeated, _Work(now + ELSEWHERE_POLL, next(self._order), work.number, work.positions))
            self._turn.notify_all()

    def _judge(self, work: _Work, pairs: _Pairs, result: CallResult) -> None:
        """What the answer means for these rows and for the run: go on, wait, halve, or stop."""
        statuses = {outcome.status for _, outcome in pairs}
        if Status.NOT_SENT in statuses:
            for consequence in (Consequence.STOP, Consequence.HALVE, Consequence.RETRY):
                concerned = {
                    row.position: outcome
                    for group, outcome in pairs
                    for row in group
                    if outcome.status is Status.NOT_SENT and outcome.code and CONSEQUENCES[outcome.code] is consequence
                }
                if concerned:
                    whole = len(concerned) == sum(len(group) for group, _ in pairs)
                    self._consequences()[consequence](work, concerned, result, whole)
        self._count(pairs, work)
        if statuses - {Status.NOT_SENT, Status.UNKNOWN}:
            self._pacing.answered()
            self._given_up = 0
            self._turn.notify_all()
        if Status.UNKNOWN in statuses:
            unknown = [row.position for group, outcome in pairs for row in group if outcome.status is Status.UNKNOWN]
            self._unanswered(work, unknown, result, whole=statuses == {Status.UNKNOWN})

    def _consequences(
        self,
    ) -> Mapping[Consequence, Callable[[_Work, Mapping[int, Outcome], CallResult, bool], None]]:
        return {
            Consequence.STOP: self._refused,
            Consequence.HALVE: self._halve,
            Consequence.RETRY: self._retry,
        }

    def _refused(self, _work: _Work, rows: Mapping[int, Outcome], _result: CallResult, _whole: bool) -> None:
        outcome = next(iter(rows.values()))
        self.stop(outcome.code or ErrorCode.STOPPED, outcome.detail)

    def _halve(self, work: _Work, rows: Mapping[int, Outcome], _result: CallResult, _whole: bool) -> None:
        positions = list(rows)
        middle = (len(positions) + 1) // 2
        for half in (positions[:middle], positions[middle:]):
            if half:
                self._again(work, half, attempt=work.attempt)

    def _retry(self, work: _Work, rows: Mapping[int, Outcome], result: CallResult, whole: bool) -> None:
        outcome = next(iter(rows.values()))
        delay = backoff(work.attempt, retry_after=result.retry_after, rng=self._rng)
        apart = work.apart or not whole
        if work.attempt < self._manner.max_attempts:
            self._again(work, list(rows), attempt=work.attempt + 1, delay=delay, apart=apart)
            if not apart:
                self._pause(delay, outcome)
            return
        # one message alone may be put off for what is in it: only with the next call it is a sign for all
        self._given_up += 1
        if not apart and (len(rows) > 1 or self._given_up > 1):
            self.stop(outcome.code or ErrorCode.STOPPED, outcome.detail)

    def _unanswered(self, work: _Work, positions: Sequence[int], result: CallResult, *, whole: bool) -> None:
        if whole:
            self._pacing.unanswered()
        if self._manner.at_least_once and work.attempt < self._manner.max_attempts:
            delay = backoff(work.attempt, retry_after=result.retry_after, rng=self._rng)
            self._again(work, positions, attempt=work.attempt + 1, delay=delay, states=_MAY_BE_SENT_AGAIN)
        elif self._pacing.in_doubt:
            self.stop(ErrorCode.STOPPED, "Three calls in a row got no usable answer, so the run was stopped.")

    def _pause(self, delay: float, outcome: Outcome) -> None:
        self._pacing.pause(self._clock() + delay)
        if delay >= 1:
            self._progress.say(f"{outcome.code}: waiting {delay:.0f} s")

    def _count(self, pairs: _Pairs, work: _Work) -> None:
        by_status = Counter[Status]()
        for group, outcome in pairs:
            by_status[outcome.status] += len(group)
        counts = Counter[str]()
        for status, name in _COUNTED_AS.items():
            counts[name] += by_status[status]
        if self._manner.at_least_once and work.attempt < self._manner.max_attempts:
            del counts["unknown"]  # it will be tried again
        self._progress.add(counts.total(), **counts)


_COUNTED_AS: Final = {
    Status.ACCEPTED: "accepted",
    Status.PARTLY_ACCEPTED: "accepted",
    Status.REJECTED: "failed",
    Status.UNKNOWN: "unknown",
}


def _proves_the_key(outcome: Outcome) -> bool:
    return outcome.status in (Status.ACCEPTED, Status.PARTLY_ACCEPTED) or outcome.code in _PROVES_THE_KEY


def _given_back(position: int) -> Settlement:
    return Settlement(
        position=position,
        state=Status.READY,
        error_code=ErrorCode.STOPPED,
        error_detail=SENTENCES[ErrorCode.STOPPED],
    )


def _settlement(row: ClaimedRow, outcome: Outcome) -> Settlement:
    taken = outcome.status in (Status.ACCEPTED, Status.PARTLY_ACCEPTED)
    return Settlement(
        row.position,
        Status.READY if outcome.status is Status.NOT_SENT else outcome.status,
        outcome.message_id if taken else None,
        outcome.accepted_at.timestamp() if outcome.accepted_at else None,
        outcome.code,
        outcome.detail or None,
    )
