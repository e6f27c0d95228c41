"""Receiving delivery news: who may report, how much, what was said; nobody is told "yes" before it is on disk.

Callbacks come from the open internet. A stranger learns nothing here, writes nothing, and is counted, not quoted.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from gcbulk.campaign import journal as journals
from gcbulk.campaign.journal import Event, Fate, Journal, Taken
from gcbulk.campaign.news import Malformed, read_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

logger = logging.getLogger("gcbulk")

MOST_BYTES: Final = 16_384
"""The longest body that is read: genuine news has a few hundred bytes."""
STRANGERS_PER_SECOND: Final = 200.0
"""Requests without a campaign's token, together; more are answered without a word. They cost no campaign its news."""
NEWS_PER_SECOND: Final = 5_000.0
"""Pieces of news, together."""
GATHER: Final = 0.005
"""Seconds for which news waits for more to be written with it: a send beside it waits for each transaction."""
MOST_TOKENS: Final = 1_000
"""Tokens that are remembered as good."""
WARN_EVERY: Final = 60.0
"""Seconds between two lines of the log about requests that were refused."""


class Answer(Enum):
    """What a request is told: an HTTP status, and a sentence that repeats nothing of what was said."""

    WRITTEN = (200, "Written down.")
    MALFORMED = (400, "This is no delivery news: a Status, and a MessageId or ClientRef, are needed.")
    NO_AUTHORISATION = (400, "This is no authorisation by a customer.")
    NOBODYS = (404, "No campaign is reported on at this address.")
    PURGED = (410, "This campaign was purged: nothing more is written about it.")
    TOO_LARGE = (413, "This is too long for delivery news.")
    TOO_FAST = (429, "Too many requests. Try again in a moment.")
    NOT_NOW = (503, "The journal cannot be written at this moment. Try again later.")
    NOT_KEPT = (503, "This cannot be kept at this moment. Try again later.")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.value[0]

    @property
    def words(self) -> str:
        """The sentence."""
        return self.value[1]


@dataclass(slots=True)
class Cap:
    """So many a second, and no more than that at once. Times are seconds on one monotonic clock.

    >>> cap = Cap(2.0)
    >>> [cap.lets(now) for now in (0.0, 0.0, 0.0, 0.5)]
    [True, True, False, True]
    """

    per_second: float
    _left: float | None = None
    _at: float = 0.0

    def lets(self, now: float) -> bool:
        """Whether one more may pass now; it is counted if so."""
        since = 0.0 if self._left is None else max(0.0, now - self._at)
        left = self.per_second if self._left is None else min(self.per_second, self._left + since * self.per_second)
        self._at, self._left = now, left - 1 if left >= 1 else left
        return left >= 1


class Receiver:
    """Takes delivery news for every campaign of one journal; safe to share between threads.

    News that comes within a moment is written in one transaction. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        strangers_per_second: float = STRANGERS_PER_SECOND,
        news_per_second: float = NEWS_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._journal = journal
        self._strangers, self._news = Cap(strangers_per_second), Cap(news_per_second)
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, int] = {}
        self._together = _Together(lambda events: journals.take(journal, events), sleep)
        self._full: set[int] = set()  # campaigns that are known to keep as much unmatched news as they may
        self._refused = 0
        self._warned_at = -WARN_EVERY

    def admits(self, token: str) -> int | Answer:
        """The id of the campaign that may be reported on with this token, or why it may not: before a body is read.

        Raises JournalError where the journal cannot be read.
        """
        now = self._clock()
        found = self._campaign_of(token)
        with self._lock:
            if not (self._strangers if found is None else self._news).lets(now):
                return Answer.TOO_FAST
        if found is None:
            self._refuse(now)
            return Answer.NOBODYS
        return found

    def _campaign_of(self, token: str) -> int | None:
        """Whose token this is; looked up before anything is counted, so that no flood holds up a new campaign."""
        with self._lock:
            known = self._tokens.get(token)
        if known is not None:
            return known
        found = journals.campaign_of(self._journal, token)
        if found is not None:
            with self._lock:
                if len(self._tokens) >= MOST_TOKENS:
                    self._tokens.clear()
                self._tokens[token] = found
        return found

    def take(self, campaign_id: int, body: bytes, parameters: Mapping[str, str]) -> Answer:
        """Write down what a callback says, on disk on return. Raises JournalError where that cannot be."""
        try:
            event = read_event(campaign_id, body, parameters)
        except Malformed:
            return Answer.MALFORMED
        taken = self._together.put(event)
        _tell(taken)
        if taken.fate is Fate.TOO_MANY:
            self._tell_full(campaign_id, taken.campaign)
        return _ANSWERS[taken.fate]

    def _tell_full(self, campaign_id: int, name: str) -> None:
        """Say once for each campaign that news of it is refused."""
        with self._lock:
            told = campaign_id in self._full
            self._full.add(campaign_id)
        if not told:
            logger.warning(
                "Campaign %r keeps as much news that fits no one row as it may: more of that is refused. News that "
                "fits a row is written as before",
                name,
            )

    def _refuse(self, now: float) -> None:
        """Say now and then, without a word of theirs, that strangers were turned away, and the likely mistake."""
        with self._lock:
            self._refused += 1
            if now - self._warned_at < WARN_EVERY:
                return
            refused, self._refused, self._warned_at = self._refused, 0, now
        logger.warning(
            "Requests refused: %d. Their address belongs to no campaign in the journal %s. If they came from the "
            "platform, this receiver is on another journal than the send: start it with the same --journal.",
            refused,
            self._journal.shown,
        )


_ANSWERS: Final = {
    Fate.MATCHED: Answer.WRITTEN,
    Fate.KEPT: Answer.WRITTEN,
    Fate.PURGED: Answer.PURGED,
    Fate.TOO_MANY: Answer.TOO_FAST,
}


def _tell(taken: Taken) -> None:
    """Loudly, where somebody was sent a text who was believed not to have been; names no number."""
    if taken.fate is Fate.PURGED:
        logger.warning("News of campaign %r was refused: the campaign was purged", taken.campaign)
    elif taken.was in journals.LOUD and taken.position is not None:
        logger.warning(
            "Campaign %r, row %d was %s, but the platform reported on it: it was sent. It counts as accepted now, and "
            "resume will not send it",
            taken.campaign,
            taken.position + 1,
            "not_sent" if taken.was == "ready" else taken.was,
        )


class _Together:
    """Writes what several threads bring at one moment in one transaction, and lets each go when it is on disk."""

    def __init__(self, write: Callable[[Sequence[Event]], list[Taken]], sleep: Callable[[float], None]) -> None:
        self._write, self._sleep = write, sleep
        self._waiting: list[_Ticket] = []
        self._adding, self._writing = threading.Lock(), threading.Lock()

    def put(self, event: Event) -> Taken:
        """Write an event, together with those that wait beside it."""
        ticket = _Ticket(event)
        with self._adding:
            self._waiting.append(ticket)
        with self._writing:
            if not ticket.over:  # whoever held the lock before may have written this one too
                self._sleep(GATHER)
                self._write_all()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.taken is not None
        return ticket.taken

    def _write_all(self) -> None:
        with self._adding:
            tickets, self._waiting = self._waiting, []
        try:
            for ticket, taken in zip(tickets, self._write([ticket.event for ticket in tickets]), strict=True):
                ticket.taken = taken
        except Exception as error:  # noqa: BLE001 - each of them is told
            for ticket in tickets:
                ticket.error = error
        for ticket in tickets:
            ticket.over = True


@dataclass(slots=True)
class _Ticket:
    event: Event
    taken: Taken | None = None
    error: Exception | None = None
    over: bool = False
