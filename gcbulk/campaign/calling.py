"""One call: claim its rows, make its messages, post them, settle. The one place where a message leaves."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gcbulk.api.outcomes import CallResult, Outcome, with_working_key
from gcbulk.api.payloads import Message
from gcbulk.campaign.attachments import FileChangedError
from gcbulk.campaign.enclosing import email_of, envelope_of, why_held
from gcbulk.campaign.journal import Ending, Settlement, Wanted
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gcbulk.api.client import CredentialCheck
    from gcbulk.api.credentials import Secret
    from gcbulk.api.payloads import Email
    from gcbulk.campaign.enclosing import Envelope
    from gcbulk.campaign.journal import Campaign, Claim, ClaimedRow, Run

    _Group = Sequence[ClaimedRow]
    _Turn = AbstractContextManager[object]
    _Alike = dict[tuple[Status, ErrorCode | None, str, datetime | None], list[tuple[int, str | None]]]

_TAKEN: Final = (Status.ACCEPTED, Status.PARTLY_ACCEPTED)
_FINAL: Final = frozenset({*_TAKEN, Status.REJECTED})
_PROVES_THE_KEY: Final = frozenset({ErrorCode.INVALID_RECIPIENTS})
_OF_THIS_TRY: Final = frozenset({ErrorCode.UNKNOWN_ERROR})
"""Rejections that say nothing of an earlier try. The others find fault with the message, the same each time."""
_STILL_IN_DOUBT: Final = (
    f"The last try was certainly not sent, but an earlier one may have been. {SENTENCES[ErrorCode.OUTCOME_UNKNOWN]}"
)


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

    def key_of(self, customer_id: str | None) -> Secret | None:
        """The key of one of a partner's customers."""
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


def manner_of_messages(campaign: Campaign, *, send_at: str | None, callback_url: str | None) -> Manner:
    """What every message of a campaign carries, in whatever process it is made."""
    shape = campaign.options
    return Manner(
        sender=shape.get("sender"),
        envelope=envelope_of(campaign.channel, shape),
        send_at=send_at,
        callback_url=callback_url,
        senders=shape.get("senders", {}),
    )


class Order(NamedTuple):
    """A call to make: the rows of planned call `number`, or only `positions` of it, that are in one of `states`.

    `customer_id` says whose they are; `key_works`, that its key is known to be good.
    """

    number: int
    positions: tuple[int, ...] | None
    states: tuple[str, ...]
    customer_id: str | None = None
    key_works: bool = False


class Tally(NamedTuple):
    """The rows of a call that fared alike, by their positions. What the platform said of each is in the journal."""

    status: Status
    code: ErrorCode | None
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """What came of an order, without a word of anybody's: nothing where there was nothing left to send."""

    made: bool = False  # whether a call left
    tallies: tuple[Tally, ...] = ()
    given_back: tuple[int, ...] = ()  # rows that were claimed and not sent: the run was stopped, or the machine slept
    elsewhere: tuple[int, ...] = ()  # rows left out because another campaign has their text in flight
    room_in: float | None = None  # seconds until another look; set where too many calls are in the air
    retry_after: float | None = None  # seconds, where the answer named them
    key_works: bool = False  # shown by this call
    key: Secret | None = None  # that it was made with, where it is one of a partner's customers'

    @property
    def found_nothing(self) -> bool:
        """Whether nothing was left of the call: another run has its rows, or had them."""
        return self.room_in is None and not (self.made or self.tallies or self.given_back or self.elsewhere)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but final answers came of it: the run goes on as it did."""
        return not self.elsewhere and all(tally.status in _FINAL for tally in self.tallies)


class _Ready(NamedTuple):
    """The messages of a call, the positions of the rows that each is for, and what holds back rows that have none."""

    messages: Sequence[Message | Email]
    positions: Sequence[Sequence[int]]
    doubtful: frozenset[int]  # positions of rows that may have been sent before
    held: Sequence[Settlement] = ()

    def given_back(self, code: ErrorCode | None) -> list[Settlement]:
        """That none of these messages left. Without a code the campaign says why."""
        rows = _of_none(chain.from_iterable(self.positions))
        back = Settlement(rows, Status.READY, None, code, SENTENCES[code] if code else None)
        return [*_but_for(self.doubtful, back), *self.held]


def _nothing_follows(_called: Called) -> None:
    """Where nobody is to choose."""


@dataclass(slots=True, kw_only=True)
class _Answered:
    """A call that was made, and its answer, on the way into the journal."""

    claim: Claim
    called: Called
    settlements: Sequence[Settlement]
    http_status: int | None
    following: Callable[[Called], Order | None]
    then: Order | None = None
    written: bool = False
    failure: BaseException | None = None

    def decide(self) -> None:
        """Ask which call will be made next; what goes wrong there is for the one who made the call to tell."""
        try:
            self.then = self.following(self.called)
        except BaseException as error:  # noqa: BLE001 - raised by `call`, when the answer is written down
            self.failure = error

    def ending(self, at_once: int) -> Ending:
        """What the journal is to be told, and asked for."""
        wanted = None if self.then is None else Wanted(*self.then[:3], at_once)
        return Ending(self.claim, self.settlements, self.http_status, wanted)


class Caller:
    """Makes the calls of a run; `calls` counts those that were made.

    `meanwhile` is entered while a call is in the air, a file is read or the journal written: others may work then. It
    gives what is to be entered for a word with them. `wall` gives seconds since 1970. Claimed rows are given back where
    the run is `stopped` by then. Safe to share between threads.
    """

    def __init__(
        self,
        run: Run,
        client: Client,
        manner: Manner,
        *,
        wall: Callable[[], float] = time.time,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.calls = 0
        self.meanwhile: Callable[[], AbstractContextManager[_Turn]] = lambda: nullcontext(nullcontext())
        self._run = run
        self._client = client
        self._manner = manner
        self._wall = wall
        self._stopped = stopped
        self._begun: dict[tuple[object, ...], tuple[Claim | None, float]] = {}  # claimed with another's settlement
        self._answered: deque[_Answered] = deque()
        self._journal_is_free = threading.Condition()
        self._writing = False

    def close(self) -> None:
        """Nothing is left to be taken back: every call was made, or never begun."""

    def call(self, order: Order, following: Callable[[Called], Order | None] = _nothing_follows) -> Called:
        """Claim, call, settle.

        `following` is asked, as soon as there is an answer, which call will be made next, at once and by the same
        thread: that one is claimed in the transaction of the settlement. It may be asked by another thread, which
        settles its own call along with this one.
        """
        begun = order[:3]
        claim, asked_at = self._begun.pop(begun) if begun in self._begun else self._claimed(order)
        if claim is None:
            return Called()
        lost = (Tally(Status.UNKNOWN, ErrorCode.OUTCOME_UNKNOWN, claim.lost),) if claim.lost else ()
        called = Called(tallies=lost, elsewhere=claim.elsewhere, room_in=claim.room_in)
        if not claim.rows:
            return called
        ready = self._ready(claim, order)
        claim = replace(claim, rows=())  # not held while the call is in the air: the collector would go over them
        if not ready.messages:
            self._run.settle(claim, ready.held, http_status=None)
            return called
        # Last of all, for files were read and turns waited for: did somebody stop the run meanwhile, or did the machine
        # sleep? Another run may have taken over.
        stopped = self._stopped()
        if stopped or abs(self._wall() - asked_at) >= self._run.lease:
            self._run.settle(claim, ready.given_back(None if stopped else ErrorCode.STOPPED), http_status=None)
            return replace(called, given_back=tuple(chain.from_iterable(ready.positions)))
        with self.meanwhile() as turn:
            answered = self._posted(order, claim, ready, called, following)
            self._see_written(answered, turn)
        if answered.failure is not None:
            raise answered.failure
        return answered.called

    def _claimed(self, order: Order) -> tuple[Claim | None, float]:
        """A claim, and when it was asked for."""
        asked_at = self._wall()
        number, positions, states, *_ = order
        return self._run.claim(number, positions, states=states, at_once=self._manner.concurrency), asked_at

    def _see_written(self, answered: _Answered, turn: _Turn) -> None:
        """Wait until an answer is in the journal; write it, and all others that wait, where nobody is at that."""
        with self._journal_is_free:
            while self._writing and not answered.written:
                self._journal_is_free.wait()
            if answered.written:
                return
            self._writing = True
        try:
            self._write_down(turn)
        finally:
            with self._journal_is_free:
                self._writing = False
                self._journal_is_free.notify_all()

    def _write_down(self, turn: _Turn) -> None:
        """Settle every call that is answered by now, and claim those that follow, all in one transaction.

        Whoever comes first does it for all: the others would each wait for a disk, or a server, of their own.
        """
        some = [self._answered.popleft() for _ in range(len(self._answered))]
        self.calls += len(some)
        with turn:
            for one in sorted(some, key=lambda one: one.called.is_plain):  # first what may keep the others back
                one.decide()
        asked_at = self._wall()
        try:
            claims = self._run.settle_and_claim([one.ending(self._manner.concurrency) for one in some])
        except BaseException as error:  # noqa: BLE001 - each of those who made the calls raises it
            for one in some:
                one.failure = one.failure or error
        else:
            claimed = [] if claims is None else zip(some, claims, strict=True)
            self._begun |= {one.then[:3]: (claim, asked_at) for one, claim in claimed if one.then is not None}
        for one in some:
            one.written = True

    def _ready(self, claim: Claim, order: Order) -> _Ready:
        """What a claim has to say. Rows of one reference are one message's."""
        groups: dict[str, list[ClaimedRow]] = {}
        for row in claim.rows:
            if row.customer_id != order.customer_id:  # whatever went wrong: never under another's name
                raise JournalError(f"Row {row.position + 1} stands in another customer's call. Nothing more is sent.")
            groups.setdefault(row.client_ref, []).append(row)
        if self._manner.envelope is not None:
            return self._emails(groups.values(), self._manner.envelope)
        return self._texts(groups.values(), order.customer_id)

    def _texts(self, groups: Collection[_Group], customer_id: str | None) -> _Ready:
        manner = self._manner
        carried = manner.senders.get(customer_id, manner.sender), manner.send_at, manner.callback_url
        messages = [
            Message(tuple([row.address for row in group]), group[0].text, group[0].client_ref, *carried)
            for group in groups
        ]
        return _Ready(messages, [_positions(group) for group in groups], _doubtful(groups))

    def _emails(self, groups: Collection[_Group], envelope: Envelope) -> _Ready:
        """The emails that can go, and what holds back the others: a file that is not as planned.

        Files are read outside the turn: while one call's are, others may leave.
        """
        positions, emails, doubtful = [], [], _doubtful(groups)
        held: list[Settlement] = []
        with self.meanwhile():
            for group in groups:
                try:
                    emails.append(email_of(group, self._manner, envelope))
                    positions.append(_positions(group))
                except FileChangedError as error:
                    why = Settlement(_of_none(_positions(group)), Status.READY, None, *why_held(error))
                    held += _but_for(doubtful, why)
        return _Ready(emails, positions, doubtful, held)

    def _posted(
        self,
        order: Order,
        claim: Claim,
        ready: _Ready,
        called: Called,
        following: Callable[[Called], Order | None],
    ) -> _Answered:
        """Post the messages; what came of it stands ready to be written down, by whoever is at the journal next."""
        result, key_works = self._post(order, ready.messages)
        alike = _alike(ready.positions, result.outcomes)
        called = replace(
            called,
            made=True,
            tallies=(*called.tallies, *_tallies(alike)),
            retry_after=result.retry_after,
            key_works=key_works,
            key=result.key,
        )
        answered = _Answered(
            claim=claim,
            called=called,
            settlements=[*_settlements(alike, ready.doubtful), *ready.held],
            http_status=result.answer.status,
            following=following,
        )
        self._answered.append(answered)
        return answered

    def _post(self, order: Order, messages: Sequence[Message | Email]) -> tuple[CallResult, bool]:
        """What came of the call, and whether it showed that the key works."""
        customer = order.customer_id
        result = self._client.post(messages, key_works=order.key_works, customer_id=customer)
        if order.key_works:
            return result, True
        if any(outcome.code is ErrorCode.AUTH_INVALID for outcome in result.outcomes):
            check = self._client.check_credentials(customer)
            if check.result == "valid" and not self._client.newer_key(customer, result.key):
                return with_working_key(result, messages), customer is None  # the data was at fault, not the key
        # a partner's customer may change its key at any moment
        return result, customer is None and any(map(_proves_the_key, result.outcomes))


def _proves_the_key(outcome: Outcome) -> bool:
    return outcome.status in _TAKEN or outcome.code in _PROVES_THE_KEY


def _of_none(positions: Iterable[int]) -> list[tuple[int, str | None]]:
    """Rows without a MessageId."""
    return [(position, None) for position in positions]


def _but_for(doubtful: frozenset[int], one: Settlement) -> Iterator[Settlement]:
    """A settlement of rows that did not leave this time; those that may have been sent before are still in doubt."""
    before = [row for row in one.rows if row[0] in doubtful]
    if len(before) < len(one.rows):
        yield one._replace(rows=[row for row in one.rows if row[0] not in doubtful]) if before else one
    if before:
        yield Settlement(before, Status.UNKNOWN, None, ErrorCode.OUTCOME_UNKNOWN, _STILL_IN_DOUBT)


def _doubtful(groups: Iterable[_Group]) -> frozenset[int]:
    return frozenset([row.position for group in groups for row in group if row.state == Status.UNKNOWN])


def _positions(group: _Group) -> tuple[int, ...]:
    return tuple([row.position for row in group])


def _alike(groups: Sequence[Sequence[int]], outcomes: Sequence[Outcome]) -> _Alike:
    """The rows that fared alike, of each the position and the MessageId, by what became of them."""
    alike: _Alike = {}
    latest, rows = None, []  # most fared as the one before
    for group, (status, code, detail, message_id, _, _, accepted_at, _, _) in zip(groups, outcomes, strict=True):
        told_id = message_id if status in _TAKEN else None
        if (fared := (status, code, detail, accepted_at)) != latest:
            latest, rows = fared, alike.setdefault(fared, [])
        for position in group:
            rows.append((position, told_id))
    return alike


def _tallies(alike: _Alike) -> list[Tally]:
    return [
        Tally(status, code, tuple([position for position, _ in rows])) for (status, code, *_), rows in alike.items()
    ]


def _settlements(alike: _Alike, doubtful: frozenset[int]) -> Iterator[Settlement]:
    for (status, code, detail, accepted_at), rows in alike.items():
        state = Status.READY if status is Status.NOT_SENT else status
        one = Settlement(rows, state, accepted_at.timestamp() if accepted_at else None, code, detail or None)
        if state is Status.READY or code in _OF_THIS_TRY:
            yield from _but_for(doubtful, one)
        else:
            yield one
