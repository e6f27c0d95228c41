"""The journal itself: one transaction at a time, campaigns found or begun, rows written and read."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from gcbulk.api.partner import PARTNER_ID
from gcbulk.campaign.journal.addresses import journal_url, masked, without_password
from gcbulk.campaign.journal.days import london_date, told
from gcbulk.campaign.journal.liveness import bury_dead_runs
from gcbulk.campaign.journal.opening import DATABASE_ERRORS, open_engine, plain_reason
from gcbulk.campaign.journal.tables import A_DRAFT, IN_FLIGHT, batches, campaigns, recipients, runs
from gcbulk.campaign.journal.transactions import (
    BEGUN_AT,
    ServerLostError,
    outlasting,
    transaction,
    transaction_in_file,
)
from gcbulk.codes import ErrorCode, Status
from gcbulk.errors import CampaignError, JournalError, OptionError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

    _Statement = (
        sa.Insert | sa.Update | sa.Delete | sa.Select[Any] | sa.TextClause | ReturningUpdate[Any] | ReturningInsert[Any]
    )
    Work = tuple[_Statement, Mapping[str, Any]]
    """A statement, and the values that it is run with."""

UNFINISHED_DAYS: Final = 7
"""For how many days an unnamed campaign that was not finished is still the same campaign."""
CLOCK_TOLERANCE: Final = 300.0
"""Seconds by which this machine's clock may be behind the journal's newest entry."""
WRITE_ROWS: Final = 20_000
"""Rows written in one transaction, so that a large plan does not hold up a run beside it."""
READ_ROWS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What makes two campaigns the same: the content, the customer, the channel, the options, the address."""

    base_url: str
    customer_id: str
    channel: str
    options: Mapping[str, Any]
    recipients_hash: str
    texts_hash: str
    row_count: int
    contents: Sequence[str | None] = field(default=(), repr=False, compare=False)  # of each row, where they are at hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign as the journal knows it; times in seconds since 1970 UTC."""

    id: int
    name: str
    created_at: float
    base_url: str
    customer_id: str
    channel: str
    options: Mapping[str, Any] = field(default_factory=dict)
    send_at: float | None
    recipients_hash: str | None
    texts_hash: str | None
    row_count: int
    repeat: bool
    planned: bool
    planner: int | None
    stop_code: str | None
    stop_detail: str | None
    purged_at: float | None
    counts: Mapping[str, int] | None
    callback_url: str | None = None
    callback_token: str | None = field(default=None, repr=False)

    @property
    def of_a_partner(self) -> bool:
        """Whether a partner sends it, each row on behalf of a customer of its own."""
        return self.customer_id.startswith(PARTNER_ID)


class Planned(NamedTuple):
    """A planned call: its number, the positions of those of its rows that may go (None: all), and whose it is.

    `put_off`: only rows are left of it that the platform put off.
    """

    number: int
    positions: tuple[int, ...] | None
    customer_id: str | None
    put_off: bool = False


class Record(NamedTuple):
    """One input row as the journal knows it; `state` is a Status value, `ready` or `in_flight`."""

    position: int
    address: str | None
    repair: str | None
    state: str
    message_id: str | None
    error_code: str | None
    error_detail: str | None
    parts: int | None
    client_ref: str | None
    accepted_at: float | None
    customer_id: str | None  # under whom a partner sends this row


class PlannedRow(NamedTuple):
    """One input row as it is planned, under the names of the table's columns."""

    position: int
    batch_number: int | None = None  # none where the row is not to be sent; so are its message's
    address: str | None = None
    repair: str | None = None
    text: str | None = None
    parts: int | None = None
    client_ref: str | None = None
    content_key: bytes | None = None
    state: str = Status.READY
    error_code: str | None = None
    error_detail: str | None = None
    customer_id: str | None = None  # under whom a partner sends it; none where the campaign's own holds
    content: str | None = None


_WRITTEN: Final = ("campaign_id", *PlannedRow._fields)
_INSERT: Final = recipients.insert().values({name: sa.bindparam(name) for name in _WRITTEN})
_COPY: Final = f"COPY {recipients.name} ({', '.join(_WRITTEN)}) FROM STDIN"
_WRITE_ANEW: Final = recipients.delete().where(recipients.c.campaign_id == sa.bindparam("the_campaign"))
_ALL_WRITTEN: Final = campaigns.update().where(campaigns.c.id == sa.bindparam("the_campaign")).values(planned=sa.true())
_SOME_RECORDS: Final = (
    sa.select(*(recipients.c[name] for name in Record._fields))
    .where(recipients.c.campaign_id == sa.bindparam("the_campaign"), recipients.c.position > sa.bindparam("after"))
    .order_by(recipients.c.position)
    .limit(READ_ROWS)
)


class Journal:
    """Durable memory of every campaign: what was planned, what left, what came of it.

    `journal` is a path, a database URL, or None for GCBULK_JOURNAL or the default place. `clock` gives
    seconds since 1970 UTC; without one, it is this machine's for SQLite, the server's for PostgreSQL. Safe to share
    between threads. Raises JournalError, with a sentence, where the database refuses.
    """

    def __init__(
        self, journal: str | os.PathLike[str] | None = None, *, clock: Callable[[], float] | None = None
    ) -> None:
        url = journal_url(journal)
        self.shown = masked(url)
        self.address = without_password(url)
        self._engine = open_engine(url)
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._clock = clock or (time.time if self._is_sqlite else None)
        self._lock = threading.RLock()  # SQLite's one connection serves one thread at a time
        self._kept: Connection | None = None  # that one, once it is used
        self._statements: dict[_Statement, tuple[str, Callable[[Mapping[str, Any]], Any]]] = {}

    @property
    def url(self) -> sa.URL:
        """Where it is; a password in it is never shown."""
        return self._engine.url

    def __repr__(self) -> str:
        return f"Journal({self.shown!r})"

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
            self._engine.dispose()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One write transaction, alone among all processes on this journal, committed to disk at its end."""
        with self._translated(), self._transaction(reading=False) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One read-only transaction, which never waits for a writer in another process."""
        with self._translated(), self._transaction(reading=True) as connection:
            yield connection

    @contextmanager
    def _transaction(self, *, reading: bool) -> Iterator[Connection]:
        if self._is_sqlite:
            with self._lock, transaction_in_file(self._the_one(), reading=reading) as connection:
                yield connection
        else:
            with transaction(self._engine, reading=reading) as connection:
                yield connection

    def _the_one(self) -> Connection:
        """SQLite's connection, for whoever has the lock."""
        if self._kept is None:
            self._kept = self._engine.connect()
        return self._kept

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except ServerLostError as error:
            raise ServerLostError(f"The journal {self.shown} cannot be used: {error}.") from None
        except (*DATABASE_ERRORS, self._driver_error) as error:
            raise JournalError(f"The journal {self.shown} cannot be used: {plain_reason(error)}.") from None

    def run(self, connection: Connection, statement: _Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one of the few statements of every call, straight on the driver; the rows that it returns, if any.

        SQLAlchemy's own work for each would cost more than the database's.
        """
        text, in_order = self._statements.get(statement) or self._prepared(statement)
        driver: Any = connection.connection.driver_connection
        cursor = driver.execute(text, in_order(values))
        return cursor.fetchall() if cursor.description else []

    def together(self, connection: Connection, work: Sequence[Work]) -> list[list[tuple[Any, ...]]]:
        """Run such statements one after the other, none of which needs another's rows; the rows of each.

        A server gets them all at once: to wait for the answer to each costs more than what it does.
        """
        if self._is_sqlite:
            return [self.run(connection, statement, values) for statement, values in work]
        driver: Any = connection.connection.driver_connection
        cursors = []
        with driver.pipeline():
            for statement, values in work:
                text, in_order = self._prepared(statement)
                cursors.append(driver.execute(text, in_order(values)))
        return [list(cursor.fetchall()) if cursor.description else [] for cursor in cursors]

    def many(self, connection: Connection, statement: _Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run such a statement for many rows."""
        text, in_order = self._prepared(statement)
        with closing(connection.connection.cursor()) as cursor:
            cursor.executemany(text, [in_order(row) for row in rows])

    def _insert(self, connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write new rows, each in the order of `_WRITTEN`."""
        cursor: Any
        with closing(connection.connection.cursor()) as cursor:
            if self._is_sqlite:
                cursor.executemany(self._prepared(_INSERT)[0], rows)
                return
            with cursor.copy(_COPY) as written:
                for row in rows:
                    written.write_row(row)

    def _prepared(self, statement: _Statement) -> tuple[str, Callable[[Mapping[str, Any]], Any]]:
        """A statement in the driver's words, and what makes its parameters of named values."""
        if statement not in self._statements:
            compiled = statement.compile(dialect=self._engine.dialect)
            literals = {name: value for name, value in compiled.params.items() if value is not None}
            order = compiled.positiontup
            pick: Callable[[Mapping[str, Any]], Any] = dict if order is None else _picker(order)
            self._statements[statement] = (
                str(compiled),
                (lambda values: pick({**literals, **values})) if literals else pick,
            )
        return self._statements[statement]

    def overwrite_deleted(self, connection: Connection) -> None:
        """From now on overwrite what is deleted, before `vacuum` gives its place back."""
        if self._is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")

    def vacuum(self) -> None:
        """Leave nothing of deleted rows in free pages or the write-ahead log."""
        with self._translated():
            if self._is_sqlite:
                with self._lock, closing(self._the_one().connection.cursor()) as cursor:
                    cursor.execute("VACUUM")
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return
            with self._engine.connect() as bare:
                bare.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(f"VACUUM {recipients.name}")

    def now(self, connection: Connection) -> float:
        """The time by the clock that all runs on this journal share, in seconds since 1970 UTC."""
        if self._clock is not None:
            return self._clock()
        if (begun_at := connection.info.get(BEGUN_AT)) is not None:
            return float(begun_at)
        return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())

    def check_clock(self, connection: Connection) -> float:
        """The time now; JournalError where this machine's clock is far behind what the journal has seen."""
        now = self.now(connection)
        newest = connection.execute(
            sa.select(
                sa.select(sa.func.max(campaigns.c.created_at)).scalar_subquery(),
                sa.select(sa.func.max(runs.c.heartbeat_at)).scalar_subquery(),
                sa.select(batches.c.claimed_at).order_by(batches.c.id.desc()).limit(1).scalar_subquery(),
            )
        ).one()
        latest = max((moment for moment in newest if moment is not None), default=now)
        if latest - now > CLOCK_TOLERANCE:
            raise JournalError(
                f"This machine's clock says {told(now)}, but the journal's newest entry is from {told(latest)}. "
                "Set the clock right: which texts went today cannot be told without it."
            )
        return now

    @outlasting
    def campaign(self, name: str) -> Campaign:
        """The campaign of this name, as it is now; CampaignError, with the nearest names, where there is none.

        `{date}` in the name is today's.
        """
        if not isinstance(name, str):
            raise OptionError(f"campaign must be the name of a campaign, not {name!r}.")
        with self.reading() as connection:
            name = name.replace("{date}", london_date(self.now(connection)).isoformat())
            found = connection.execute(sa.select(campaigns).where(campaigns.c.name == name, ~A_DRAFT)).one_or_none()
            if found is None:
                asked = sa.select(campaigns.c.name).where(~A_DRAFT).order_by(campaigns.c.id.desc())
                names = connection.execute(asked).scalars().all()
                raise CampaignError(_no_such_campaign(name, names))
        return Campaign(**found._mapping)

    @outlasting
    def bury_dead(self) -> None:
        """End the runs that are alive no longer: what they had in flight is unknown, and shown as such."""
        with self.writing() as connection:
            bury_dead_runs(connection, self.now(connection))

    @outlasting
    def campaigns(self) -> list[Campaign]:
        """Every campaign, the newest first."""
        with self.reading() as connection:
            found = connection.execute(sa.select(campaigns).where(~A_DRAFT).order_by(campaigns.c.id.desc())).all()
        return [Campaign(**row._mapping) for row in found]

    def begun_by(self) -> dict[int, str]:
        """For each campaign, by id, who began it on which machine: "anna on office-pc"."""
        with self.reading() as connection:
            found = connection.execute(
                sa.select(runs.c.campaign_id, runs.c.user, runs.c.host).order_by(runs.c.id.desc())
            ).all()
        return {run.campaign_id: f"{run.user} on {run.host.partition(' ')[0]}" for run in found}

    def named(self, connection: Connection, name: str) -> Campaign | None:
        """The campaign of this name, inside a transaction."""
        found = connection.execute(sa.select(campaigns).where(campaigns.c.name == name)).one_or_none()
        return None if found is None else Campaign(**found._mapping)

    def same_campaign(self, connection: Connection, identity: Identity, *, now: float, repeat: bool) -> Campaign | None:
        """The unnamed run's own campaign: identical, and of today or unfinished; with `repeat`, unfinished only."""
        found = connection.execute(
            sa.select(campaigns)
            .where(
                campaigns.c.texts_hash == identity.texts_hash,
                campaigns.c.recipients_hash == identity.recipients_hash,
                campaigns.c.base_url == identity.base_url,
                campaigns.c.customer_id == identity.customer_id,
                campaigns.c.channel == identity.channel,
                campaigns.c.created_at > now - UNFINISHED_DAYS * 86_400,
            )
            .order_by(campaigns.c.id.desc())
        ).all()
        for row in found:
            campaign = Campaign(**row._mapping)
            if campaign.options != identity.options:
                continue
            today = london_date(campaign.created_at) == london_date(now) and not repeat
            if today or not campaign.planned or self.left_to_send(connection, campaign.id):
                return campaign
        return None

    def create(
        self,
        connection: Connection,
        identity: Identity,
        *,
        name: str,
        now: float,
        send_at: float | None,
        repeat: bool,
    ) -> Campaign:
        """Begin a campaign, its rows still to be written."""
        values = {
            "name": name,
            "created_at": now,
            "base_url": identity.base_url,
            "customer_id": identity.customer_id,
            "channel": identity.channel,
            "options": dict(identity.options),
            "send_at": send_at,
            "recipients_hash": identity.recipients_hash,
            "texts_hash": identity.texts_hash,
            "row_count": identity.row_count,
            "repeat": repeat,
            "planned": False,
        }
        connection.execute(campaigns.insert().values(values))
        found = connection.execute(sa.select(campaigns).where(campaigns.c.name == name)).one()
        return Campaign(**found._mapping)

    def write_rows(self, campaign: Campaign, rows: Iterable[PlannedRow]) -> None:
        """Write every row of a new campaign, and mark it planned; what a dead run left half-written goes first.

        Raises CampaignError where another run took this one for dead meanwhile, and writes (or sends) the rows itself.
        """
        of_it = {"the_campaign": campaign.id}
        self.plan(campaign, _WRITE_ANEW, [of_it])
        self.add_rows(campaign, rows)
        self.plan(campaign, _ALL_WRITTEN, [of_it])

    def add_rows(self, campaign: Campaign, rows: Iterable[PlannedRow]) -> None:
        """Write rows of a campaign that is not planned yet, and leave it so. Raises as `write_rows` does."""
        each = iter(rows)
        while some := [(campaign.id, *row) for row in islice(each, WRITE_ROWS)]:
            self._as_planner(campaign, partial(self._insert, rows=some))

    def plan(self, campaign: Campaign, statement: _Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement for some rows in one transaction of the one run that may write the campaign's.

        Raises CampaignError where that is another run by now, JournalError where the database refuses.
        """
        self._as_planner(campaign, lambda connection: self.many(connection, statement, rows))

    def _as_planner(self, campaign: Campaign, write: Callable[[Connection], None]) -> None:
        try:
            self._plan(campaign, write)
        except CampaignError:
            raise
        except JournalError as error:
            raise JournalError(f"{error} Nothing was sent; the same command can be given again.") from None

    @outlasting
    def _plan(self, campaign: Campaign, write: Callable[[Connection], None]) -> None:
        with self.writing() as connection:
            asked = sa.select(campaigns.c.planner, campaigns.c.planned).where(campaigns.c.id == campaign.id)
            if connection.execute(asked).one_or_none() != (campaign.planner, False):
                whose = "this list" if campaign.texts_hash is None else f"campaign {campaign.name!r}"
                raise CampaignError(
                    f"Another run has taken over {whose} while this one stood still. "
                    "Give the same command again: it sends only what is left."
                )
            write(connection)

    @outlasting
    def is_planned(self, campaign: Campaign) -> bool:
        """Whether every row of the campaign is written."""
        with self.reading() as connection:
            return bool(
                connection.execute(sa.select(campaigns.c.planned).where(campaigns.c.id == campaign.id)).scalar_one()
            )

    def left_to_send(self, connection: Connection, campaign_id: int, *, again: bool = False) -> bool:
        """Whether any row of the campaign is still to be sent, or in flight; with `again`, or unknown."""
        left = [Status.READY, IN_FLIGHT, *([Status.UNKNOWN] if again else [])]
        return (
            connection.execute(
                sa.select(sa.literal(1))
                .where(recipients.c.campaign_id == campaign_id, recipients.c.state.in_(left))
                .limit(1)
            ).first()
            is not None
        )

    @outlasting
    def count_states(self, campaign: Campaign, *, up_to: int | None = None) -> dict[str, int]:
        """How many rows of the campaign are in each state; `up_to` is the last position that counts."""
        if campaign.counts is not None:
            return dict(campaign.counts)
        with self.reading() as connection:
            found = connection.execute(
                sa.select(recipients.c.state, sa.func.count())
                .where(recipients.c.campaign_id == campaign.id, *_within(up_to))
                .group_by(recipients.c.state)
            ).all()
        return {str(state): int(n) for state, n in found}

    @outlasting
    def last_of_the_first(self, campaign: Campaign, limit: int) -> int:
        """The position of the last row within the first `limit` that are to go, or went, in this campaign.

        Rows that another campaign sent, or whose number has opted out, do not count; those that were tried do, so
        that the same limit means the same rows whenever it is asked for.
        """
        with self.reading() as connection:
            found = connection.execute(
                sa.select(recipients.c.position)
                .where(
                    recipients.c.campaign_id == campaign.id,
                    recipients.c.batch_number.is_not(None),
                    recipients.c.state.not_in([Status.DUPLICATE, Status.OPTED_OUT]),
                )
                .order_by(recipients.c.position)
                .offset(limit - 1)
                .limit(1)
            ).scalar_one_or_none()
        return campaign.row_count if found is None else int(found)

    @outlasting
    def customers_with(self, campaign: Campaign, state: str) -> list[str]:
        """The ids of the customers of a partner's campaign who have a row in this state."""
        where = (recipients.c.campaign_id == campaign.id, recipients.c.state == state)
        with self.reading() as connection:
            found = connection.execute(sa.select(recipients.c.customer_id).where(*where).distinct()).scalars().all()
        return sorted(filter(None, found))

    @outlasting
    def batches_with(self, campaign: Campaign, states: Sequence[str], *, up_to: int | None = None) -> list[Planned]:
        """The planned calls that have a row in one of these states.

        With `up_to`, the last position that may go, each call has the positions of its rows that may. Calls of which
        only rows are left that the platform put off before come last: they must not hold up the others.
        """
        where = (recipients.c.campaign_id == campaign.id, recipients.c.state.in_(states), *_within(up_to))
        with self.reading() as connection:
            if up_to is None:
                whose = sa.func.min(recipients.c.customer_id) if campaign.of_a_partner else sa.null()
                put_off = sa.func.min(sa.case((recipients.c.error_code == ErrorCode.RATE_LIMITED, 1), else_=0))
                numbers = sa.select(recipients.c.batch_number, whose, put_off).where(*where)
                in_order = numbers.group_by(recipients.c.batch_number).order_by(put_off, recipients.c.batch_number)
                return [Planned(number, None, one, bool(last)) for number, one, last in connection.execute(in_order)]
            columns = (recipients.c.batch_number, recipients.c.customer_id, recipients.c.position)
            rows = sa.select(*columns).where(*where)
            found = connection.execute(rows.order_by(recipients.c.batch_number, recipients.c.position)).all()
        return [
            Planned(number, tuple(row.position for row in group), one)
            for (number, one), group in groupby(found, key=itemgetter(0, 1))
        ]

    def records(self, campaign: Campaign) -> Iterator[Record]:
        """Every row of the campaign in the order of the input, read in pieces."""
        after = -1
        while rows := self._some_records(campaign, after):
            yield from map(Record._make, rows)
            after = rows[-1][0]

    @outlasting
    def _some_records(self, campaign: Campaign, after: int) -> list[tuple[Any, ...]]:
        with self.reading() as connection:
            return self.run(connection, _SOME_RECORDS, {"the_campaign": campaign.id, "after": after})


def _within(up_to: int | None) -> list[sa.ColumnElement[bool]]:
    return [] if up_to is None else [recipients.c.position <= up_to]


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:  # of one name itemgetter makes no tuple
        return lambda values: (values[names[0]],)
    return itemgetter(*names)


def _no_such_campaign(name: str, names: Iterable[str]) -> str:
    import difflib

    known = list(names)
    if not known:
        return f"There is no campaign named {name!r}: this journal holds none yet."
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:3]
    return f"There is no campaign named {name!r}. The nearest are: {', '.join(map(repr, near))}. See: gcbulk campaigns"
