"""Sending a planned campaign: claim, call, settle, and what each answer means for the rest of the run."""

from __future__ import annotations

import logging
import queue
import random
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from gcbulk.api.outcomes import CONSEQUENCES, CallResult, Consequence, Outcome, with_working_key
from gcbulk.api.payloads import Message
from gcbulk.api.retry import backoff
from gcbulk.campaign.attachments import FileChangedError
from gcbulk.campaign.enclosing import email_of, why_held
from gcbulk.campaign.journal import Planned, Settlement
from gcbulk.campaign.lanes import Lanes
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gcbulk.api.client import CredentialCheck
    from gcbulk.api.credentials import Secret
    from gcbulk.api.payloads import Email
    from gcbulk.campaign.enclosing import Envelope
    from gcbulk.campaign.journal import ClaimedRow, Run
    from gcbulk.campaign.lanes import Lane, Scope, Work
    from gcbulk.progress import Progress

    _Groups = Sequence[Sequence[ClaimedRow]]
    _Pairs = Sequence[tuple[Sequence[ClaimedRow], Outcome]]

logger = logging.getLogger("gcbulk")

ELSEWHERE_POLL: Final = 1.0
"""Seconds between looks at rows that another campaign has in flight."""
KEY_POLL: Final = 0.5
"""Seconds between looks whether a customer whose key was refused has a newer one."""
_PROVES_THE_KEY: Final = frozenset({ErrorCode.INVALID_RECIPIENTS})
_NEEDS_NO_RETRY: Final = (Status.READY,)
_MAY_BE_SENT_AGAIN: Final = (Status.READY, Status.UNKNOWN)
_OF_EVERYBODY: Final = frozenset({ErrorCode.NETWORK_ERROR, ErrorCode.HTTP_REFUSED})
"""What concerns every customer alike: the platform cannot be reached, or its address refuses calls."""
_OF_THE_KEY: Final = frozenset({ErrorCode.AUTH_INVALID, ErrorCode.PARTNER_NOT_AUTHORISED})
"""What a newer key of the customer's may put right."""


class Client(Protocol):
    """What a run needs of the API client."""

    def post(
        self, messages: Sequence[Message | Email], *, key_works: bool = False, customer_id: str | None = None
    ) -> CallResult:
        """One attempt at one call."""
        ...

    def check_credentials(self, customer_id: str | None = None) -> CredentialCheck:
        """The vendor's test call."""
        ...

    def newer_key(self, customer_id: str | None, than: Secret | None) -> bool:
        """Whether a customer has a newer key than this one."""
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
    senders: Mapping[str | None, str] = field(default_factory=dict)  # of customers that have one of their own
    held: Mapping[str, tuple[ErrorCode, str]] = field(default_factory=dict)  # for whom nothing goes, and why


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
        self._lanes = Lanes(manner.concurrency, manner.calls_per_second)
        # A worker holds it but for the time that its call is in the air. So everything here is changed by one at a
        # time, and calls leave one by one: workers that woke together would all be held up by each other again.
        self._turn = threading.Condition()
        self._working = 0
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stopped = False
        self._without_key: list[Lane] = []  # customers whose key was refused
        self._keys_looked_at = float("-inf")
        self._elsewhere_until: float | None = None
        self._failure: BaseException | None = None

    def send(self) -> RunReport:
        """Send everything; returns when every call has returned. Ctrl-C stops it, a second one without waiting.

        Raises JournalError where the journal could not be written: nothing more was sent then.
        """
        states = _MAY_BE_SENT_AGAIN if self._manner.at_least_once else _NEEDS_NO_RETRY
        batches = self._run.journal.batches_with(self._run.campaign, states, up_to=self._manner.up_to)
        for number, positions, customer_id in batches:
            self._lanes.add(customer_id, number, positions, states)
        for lane in self._lanes:
            if (why := self._manner.held.get(lane.customer_id or "")) is not None:
                self._hold(lane, *why)
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
                while (work := self._next_work()) is not None:
                    try:
                        self._deliver(work)
                    finally:
                        self._lanes.ended(work)
                        self._turn.notify_all()
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
        states: tuple[str, ...] = _NEEDS_NO_RETRY,
    ) -> None:
        moment = self._clock() + delay
        self._lanes.again(work, positions, not_before=moment, states=states, attempt=attempt, apart=apart)
        self._turn.notify_all()

    def _deliver(self, work: Work) -> None:
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
            if row.customer_id != work.lane.customer_id:  # whatever went wrong: never under another's name
                raise JournalError(f"Row {row.position + 1} stands in another customer's call. Nothing more is sent.")
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
        result = self._call(work.lane, messages)
        pairs = list(zip(whole, result.outcomes, strict=True))
        settlements = [_settlement(row, outcome) for group, outcome in pairs for row in group]
        self._run.settle(claim, [*settlements, *held] if held else settlements, http_status=result.answer.status)
        self._judge(work, pairs, result)

    def _message(self, group: Sequence[ClaimedRow]) -> Message:
        first, manner = group[0], self._manner
        recipients = tuple([row.address for row in group])
        sender = manner.senders.get(first.customer_id, manner.sender)
        return Message(recipients, first.text, first.client_ref, sender, manner.send_at, manner.callback_url)

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

    def _call(self, lane: Lane, messages: Sequence[Message | Email]) -> CallResult:
        customer = lane.customer_id
        with self._others_turn():
            result = self._client.post(messages, key_works=lane.key_works, customer_id=customer)
        self.report.calls += 1
        if not lane.key_works and any(outcome.code is ErrorCode.AUTH_INVALID for outcome in result.outcomes):
            with self._others_turn():
                check = self._client.check_credentials(customer)
            if check.result == "valid" and not self._client.newer_key(customer, result.key):
                lane.key_works = customer is None
                return with_working_key(result, messages)  # so the data was at fault, not the key
        if not lane.key_works and customer is None:  # a partner's customer may change its key at any moment
            lane.key_works = any(map(_proves_the_key, result.outcomes))
        return result

    @contextmanager
    def _others_turn(self) -> Iterator[None]:
        """While one's call is in the air, the others may work."""
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()

    def _look_again_later(self, work: Work) -> None:
        """Another campaign has some of these texts in flight: look again until its lease must have run out."""
        self._progress.say("waiting for another run that is sending the same messages")
        now = self._clock()
        self._elsewhere_until = self._elsewhere_until or now + self._run.lease
        if now < self._elsewhere_until and not self._stopped:
            self._run.others_in_flight()  # which buries the dead
            later = now + ELSEWHERE_POLL
            self._lanes.again(work, work.positions, not_before=later, states=_NEEDS_NO_RETRY)
            self._turn.notify_all()

    def _judge(self, work: Work, pairs: _Pairs, result: CallResult) -> None:
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
            self._lanes.answered(work.lane)
            self._turn.notify_all()
        if Status.UNKNOWN in statuses:
            unknown = [row.position for group, outcome in pairs for row in group if outcome.status is Status.UNKNOWN]
            self._unanswered(work, unknown, result, whole=statuses == {Status.UNKNOWN})

    def _consequences(
        self,
    ) -> Mapping[Consequence, Callable[[Work, Mapping[int, Outcome], CallResult, bool], None]]:
        return {
            Consequence.STOP: self._refused,
            Consequence.HALVE: self._halve,
            Consequence.RETRY: self._retry,
        }

    def _refused(self, work: Work, rows: Mapping[int, Outcome], result: CallResult, _whole: bool) -> None:
        outcome = next(iter(rows.values()))
        newer = outcome.code in _OF_THE_KEY and self._client.newer_key(work.lane.customer_id, result.key)
        if work.lane.customer_id is not None:  # tried again with a newer key, whenever that comes
            self._again(work, list(rows), attempt=work.attempt)
        if not newer:
            work.lane.refused_key = result.key
            self._give_up(work.lane, outcome)

    def _give_up(self, lane: Lane, outcome: Outcome) -> None:
        """No further call of a customer's, or where everybody is concerned, of anybody's."""
        code = outcome.code or ErrorCode.STOPPED
        if lane.customer_id is None or code in _OF_EVERYBODY:
            self.stop(code, outcome.detail)
        else:
            self._hold(lane, code, outcome.detail)

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

    def _halve(self, work: Work, rows: Mapping[int, Outcome], _result: CallResult, _whole: bool) -> None:
        positions = list(rows)
        middle = (len(positions) + 1) // 2
        for half in (positions[:middle], positions[middle:]):
            if half:
                self._again(work, half, attempt=work.attempt)

    def _retry(self, work: Work, rows: Mapping[int, Outcome], result: CallResult, whole: bool) -> None:
        outcome = next(iter(rows.values()))
        delay = backoff(work.attempt, retry_after=result.retry_after, rng=self._rng)
        apart = work.apart or not whole
        scope = self._lanes.all if outcome.code in _OF_EVERYBODY else work.lane
        if work.attempt < self._manner.max_attempts:
            self._again(work, list(rows), attempt=work.attempt + 1, delay=delay, apart=apart)
            if not apart:
                self._pause(scope, delay, outcome)
            return
        # one message alone may be put off for what is in it: only with the next call it is a sign for all
        scope.given_up += 1
        if not apart and (len(rows) > 1 or scope.given_up > 1):
            self._give_up(work.lane, outcome)

    def _unanswered(self, work: Work, positions: Sequence[int], result: CallResult, *, whole: bool) -> None:
        if whole:
            self._lanes.unanswered(work.lane)
        if self._manner.at_least_once and work.attempt < self._manner.max_attempts:
            delay = backoff(work.attempt, retry_after=result.retry_after, rng=self._rng)
            self._again(work, positions, attempt=work.attempt + 1, delay=delay, states=_MAY_BE_SENT_AGAIN)
        elif self._lanes.all.pacing.in_doubt:
            self.stop(ErrorCode.STOPPED, "Three calls in a row got no usable answer, so the run was stopped.")
        elif work.lane.pacing.in_doubt:
            self._hold(work.lane, ErrorCode.STOPPED, "Three calls in a row for this customer got no usable answer.")

    def _pause(self, scope: Scope, delay: float, outcome: Outcome) -> None:
        scope.pacing.pause(self._clock() + delay)
        if delay >= 1:
            self._progress.say(f"{outcome.code}: waiting {delay:.0f} s")

    def _count(self, pairs: _Pairs, work: Work) -> None:
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
