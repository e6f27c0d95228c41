"""Delivery news: which row a callback speaks of, what it proves, and every piece of it kept.

A callback proves that its own row was taken by the platform, whatever the call that carried it seemed to say; it
proves nothing about the others of that call. What cannot be told apart settles nothing, and is kept all the same.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.campaign.journal.tables import IN_FLIGHT, campaigns, events, recipients
from gcbulk.campaign.journal.transactions import outlasting
from gcbulk.codes import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal.store import Campaign, Journal

CLOCKS_APART: Final = 300.0
"""Seconds by which the platform's clock may differ from ours: a later time, or one before the send, is none."""
UNMATCHED_A_ROW: Final = 10
"""Pieces of news that match no row which a campaign keeps for each row that it has: genuine news of merged messages
may be such, several for each recipient."""
MOST_UNMATCHED: Final = 10_000
"""How many more it keeps than that."""
_READ_EVENTS: Final = 20_000


class Event(NamedTuple):
    """One piece of delivery news, read and cleaned; times in seconds since 1970 UTC.

    `address` is the recipient in the form that the journal keeps, None where none was told.
    """

    campaign_id: int
    status: str
    delivery: str
    happened_at: float | None = None
    error: str | None = None
    units: int | None = None
    message_id: str | None = None
    client_ref: str | None = None
    address: str | None = None


class Fate(StrEnum):
    """What was done with a piece of news."""

    MATCHED = "matched"  # it speaks of one row
    KEPT = "kept"  # written down, though no row or more than one fits
    PURGED = "purged"  # the campaign's rows are gone; nothing is written
    TOO_MANY = "too many"  # more that fits no row than can be genuine; nothing is written


class Taken(NamedTuple):
    """What became of a piece of news; `was` is the state of a row that it settled, where that was not accepted."""

    fate: Fate
    campaign: str
    position: int | None = None
    was: str | None = None


class News(NamedTuple):
    """A piece of news about a row, as it is read back."""

    position: int
    happened_at: float
    status: str
    delivery: str
    error: str | None
    units: int | None


class _Row(NamedTuple):
    position: int
    state: str
    message_id: str | None
    client_ref: str | None


_BETTER_BY_CALLBACK: Final = ("settled:", "callback:")  # MessageIds that are ours, for want of the platform's
_MAY_HAVE_GONE_TWICE: Final = "If it was sent again since, it went twice."
NOTES: Final = {
    Status.READY: f"It was marked as not sent, but the platform reported on it: it was. {_MAY_HAVE_GONE_TWICE}",
    Status.NOT_SENT: f"It was marked as not sent, but the platform reported on it: it was. {_MAY_HAVE_GONE_TWICE}",
    Status.REJECTED: "The platform refused it at first, but then reported on it: it was sent.",
    Status.DUPLICATE: "It was left out as gone already, but the platform reported on it too: it may have gone twice.",
    Status.OPTED_OUT: "It was to be left out, but the platform reported on it: it had been sent before.",
}
"""By the state that a row was in, or was to be in, what is said of it once a callback proved it sent."""
LOUD: Final = frozenset(NOTES)
"""States of rows that nobody expects to hear of: the person was not to be told, or believed not to have been."""

_ROW: Final = tuple(recipients.c[name] for name in _Row._fields)
_FITS: Final = (
    recipients.c.campaign_id == sa.bindparam("the_campaign"),
    sa.or_(sa.bindparam("the_address", type_=sa.String).is_(None), recipients.c.address == sa.bindparam("the_address")),
)
_BY_REF: Final = sa.select(*_ROW).where(*_FITS, recipients.c.client_ref == sa.bindparam("the_ref")).limit(2)
_BY_ID: Final = (
    sa.select(*_ROW)
    .where(
        *_FITS,
        recipients.c.message_id.in_(
            [sa.bindparam("the_id", type_=sa.String), sa.bindparam("the_stem", type_=sa.String)]
        ),
    )
    .limit(2)
)
_BY_STEM: Final = (
    sa.select(*_ROW)
    .where(*_FITS, recipients.c.message_id.between(sa.bindparam("tails_begin"), sa.bindparam("tails_end")))
    .limit(2)
)
_KEEP: Final = events.insert().values(
    {name: sa.bindparam(name) for name in (*Event._fields, "position", "received_at")}
)
_PROVE: Final = (
    recipients.update()
    .where(
        recipients.c.campaign_id == sa.bindparam("the_campaign"),
        recipients.c.position == sa.bindparam("the_position"),
    )
    .values(
        state=sa.bindparam("accepted"),
        proven_at=sa.func.coalesce(recipients.c.proven_at, sa.bindparam("now")),
        message_id=sa.bindparam("new_id"),
        accepted_at=sa.func.coalesce(recipients.c.accepted_at, recipients.c.claimed_at, sa.bindparam("gone_at")),
        # from here on the row is the memory that its text went
        claimed_at=sa.func.coalesce(recipients.c.claimed_at, sa.bindparam("gone_at")),
        counts_at=sa.func.coalesce(recipients.c.counts_at, sa.bindparam("counts_at")),
        batch_id=sa.func.coalesce(recipients.c.batch_id, sa.bindparam("no_batch")),
        error_code=sa.bindparam("no_code"),
        error_detail=sa.bindparam("note"),
    )
)


@outlasting
def take(journal: Journal, news: Sequence[Event]) -> list[Taken]:
    """Write down pieces of news and what they prove, in one transaction: committed to disk on return."""
    with journal.writing() as connection:
        return _Reading(journal, connection).take(news)


@outlasting
def match_again(journal: Journal, campaign: Campaign) -> list[Taken]:
    """Match the news that fitted no row when it came: since then an answer may have told its MessageId.

    Most still fits none, so nobody who writes is held up by the look. References are written before a call leaves:
    what has no MessageId and fitted no row never will.
    """
    waiting = (
        sa.select(events)
        .where(events.c.campaign_id == campaign.id, events.c.position.is_(None), events.c.message_id.is_not(None))
        .order_by(events.c.id)
    )
    with journal.reading() as connection:
        reading = _Reading(journal, connection)
        fits: dict[tuple[Any, ...], bool] = {}  # by what tells a row: much of it is alike
        found = []
        for event in connection.execute(waiting).all():
            tells = (event.client_ref, event.message_id, event.address)
            if tells not in fits:
                fits[tells] = reading.row_of(event) is not None
            if fits[tells]:
                found.append(event)
    if not found:
        return []
    with journal.writing() as connection:
        reading = _Reading(journal, connection)
        return [taken for event in found if (taken := reading.match_kept(event)) is not None]


def news_of(
    journal: Journal, campaign: Campaign, *, first: int | None = None, last: int | None = None
) -> Iterator[News]:
    """All news that speaks of a row of the campaign, in the order in which it came, read in pieces.

    `first` and `last` are positions, where only the news of the rows between them is wanted.
    """
    between = [] if first is None or last is None else [events.c.position.between(first, last)]
    after = 0
    while True:
        with journal.reading() as connection:
            found = connection.execute(
                sa.select(events.c.id, *(events.c[name] for name in News._fields))
                .where(
                    events.c.campaign_id == campaign.id, events.c.id > after, events.c.position.is_not(None), *between
                )
                .order_by(events.c.id)
                .limit(_READ_EVENTS)
            ).all()
        if not found:
            return
        yield from (News._make(row[1:]) for row in found)
        after = found[-1].id


@outlasting
def count_unmatched(journal: Journal, campaign: Campaign) -> int:
    """How much of a campaign's news fits no row, or more than one."""
    with journal.reading() as connection:
        return _unmatched(connection, campaign.id)


class _Reading:
    """News as it is matched and written in one transaction."""

    def __init__(self, journal: Journal, connection: Connection) -> None:
        self._journal = journal
        self._connection = connection
        self._now = journal.now(connection)
        self._campaigns: dict[int, Any] = {}
        self._unmatched = Counter[int]()

    def take(self, news: Sequence[Event]) -> list[Taken]:
        return [self._take(event) for event in news]

    def _take(self, event: Event) -> Taken:
        campaign = self._campaign(event.campaign_id)
        if campaign.purged_at is not None:
            return Taken(Fate.PURGED, campaign.name)
        row = self.row_of(event)
        if row is None and self._has_too_many(event.campaign_id, campaign.row_count):
            return Taken(Fate.TOO_MANY, campaign.name)
        moment = self._moment(event, campaign)
        kept = event._replace(happened_at=moment)._asdict()
        kept |= {"position": row.position if row else None, "received_at": self._now}
        self._journal.run(self._connection, _KEEP, kept)
        if row is None:
            return Taken(Fate.KEPT, campaign.name)
        return self._prove(row, event, campaign, moment)

    def match_kept(self, event: Any) -> Taken | None:
        """Match a piece of news that is written down already; None where it still fits no one row."""
        row = self.row_of(event)
        if row is None:
            return None
        self._connection.execute(events.update().where(events.c.id == event.id).values(position=row.position))
        return self._prove(row, event, self._campaign(event.campaign_id), event.happened_at)

    def _campaign(self, campaign_id: int) -> Any:
        if campaign_id not in self._campaigns:
            self._campaigns[campaign_id] = self._connection.execute(
                sa.select(campaigns).where(campaigns.c.id == campaign_id)
            ).one()
        return self._campaigns[campaign_id]

    def _has_too_many(self, campaign_id: int, row_count: int) -> bool:
        """Whether a campaign keeps as much news that fits no row as it may; this piece is counted in."""
        if campaign_id not in self._unmatched:
            self._unmatched[campaign_id] = _unmatched(self._connection, campaign_id)
        self._unmatched[campaign_id] += 1
        return self._unmatched[campaign_id] > UNMATCHED_A_ROW * row_count + MOST_UNMATCHED

    def row_of(self, event: Any) -> _Row | None:
        """The one row that a piece of news speaks of: by our reference and recipient, or else by MessageId.

        A reference that is nobody's in the campaign is as good as none; one of several rows needs the MessageId of
        one of them. One whose row has another recipient contradicts itself.
        """
        fits: dict[str, Any] = {"the_campaign": event.campaign_id, "the_address": event.address}
        ref = event.client_ref and {**fits, "the_ref": event.client_ref}
        of_ref = self._journal.run(self._connection, _BY_REF, ref) if ref else []
        if len(of_ref) == 1:
            return _Row._make(of_ref[0])
        if not event.message_id:
            return None
        if ref and not of_ref and self._journal.run(self._connection, _BY_REF, {**ref, "the_address": None}):
            return None
        found = self._of_id(event.message_id, fits)
        row = _Row._make(found[0]) if len(found) == 1 else None
        return None if row and of_ref and row.client_ref != event.client_ref else row

    def _of_id(self, message_id: str, fits: dict[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a MessageId, at most a few of them: told with its tail or without, known with it or without."""
        stem, tail, _ = message_id.partition("-")
        found = self._journal.run(self._connection, _BY_ID, {**fits, "the_id": message_id, "the_stem": stem})
        if not tail:  # it may be any that begins so; "." is the sign after "-"
            tails = {"tails_begin": f"{stem}-", "tails_end": f"{stem}."}
            found += self._journal.run(self._connection, _BY_STEM, {**fits, **tails})
        return found

    def _moment(self, event: Event, campaign: Any) -> float:
        """When it happened: as the news says where that can be, else now."""
        earliest, latest = campaign.created_at - CLOCKS_APART, self._now + CLOCKS_APART
        told = event.happened_at
        return told if told is not None and earliest <= told <= latest else self._now

    def _prove(self, row: _Row, event: Event, campaign: Any, moment: float) -> Taken:
        """Mark a row as taken; one that is known to be, and whose MessageId is known, is left as it is."""
        known = row.state == Status.ACCEPTED
        message_id = _best_id(row, event)
        if not known or message_id != row.message_id:
            gone_at = max(min(moment, self._now), campaign.created_at)
            values = {
                "the_campaign": event.campaign_id,
                "the_position": row.position,
                "accepted": Status.ACCEPTED,
                "now": self._now,
                "new_id": message_id,
                "gone_at": gone_at,
                "counts_at": campaign.send_at or gone_at,
                "no_batch": 0,
                "no_code": None,
                "note": None if known else NOTES.get(Status(row.state)) if row.state != IN_FLIGHT else None,
            }
            self._journal.run(self._connection, _PROVE, values)
        return Taken(Fate.MATCHED, campaign.name, row.position, None if known else row.state)


def _best_id(row: _Row, event: Event) -> str:
    """The platform's MessageId for a row: the one with its tail, where one of the two has it."""
    known, told = row.message_id, event.message_id
    if known is None or known.startswith(_BETTER_BY_CALLBACK):
        return told or known or f"callback:{row.client_ref}"
    return told if told and told.startswith(f"{known}-") else known


def _unmatched(connection: Connection, campaign_id: int) -> int:
    return int(
        connection.execute(
            sa.select(sa.func.count())
            .select_from(events)
            .where(events.c.campaign_id == campaign_id, events.c.position.is_(None))
        ).scalar_one()
    )
