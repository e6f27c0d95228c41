"""One transaction, and what becomes of it where a database server goes away: wait, find out, begin again.

A file on this machine never goes away: what is said of servers here concerns PostgreSQL alone. Its one connection is
kept, and SQLAlchemy's part in each transaction with it: that would cost as much as the statements do.
"""

from __future__ import annotations

import functools
import logging
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import sqlalchemy as sa

from gcbulk.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

logger = logging.getLogger("gcbulk")

AWAY_SECONDS: Final = 120.0
"""How long a run waits for a database server that went away."""
AWAY_POLL: Final = 0.5
"""Seconds between looks whether it is back."""

STILL_SECONDS: Final = 60.0
"""How long one may stand still in the middle of a transaction before those who wait for it go on without."""
TURN_SECONDS: Final = 5.0
"""Seconds after which one who waits for a turn looks whether anybody at work is ahead."""

_GONE: Final = ("08", "57P", "25P03")
"""How the SQLSTATE begins where a server ended a connection or takes none: cut, shut down, starting, idle too long.
Source: https://www.postgresql.org/docs/current/errcodes-appendix.html."""
_NUMBER: Final = "gcbulk_transaction"
BEGUN_AT: Final = "gcbulk_begun_at"
"""What a connection knows of its write transaction: the server's time, in seconds, when its turn came."""
_NO_TURN_YET: Final = "55P03"
_OUR_TURN: Final = """
    SELECT CAST(pg_current_xact_id() AS text), CAST(extract(epoch FROM clock_timestamp()) AS float8)
    FROM (SELECT pg_advisory_xact_lock(1735549557) OFFSET 0) AS turn
"""
_PAST_WHO_STANDS_STILL: Final = sa.text("""
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objid = 1735549557 AND granted AND datname = current_database()
    AND database = datid AND wait_event = 'ClientRead'
    AND greatest(state_change, query_start) < clock_timestamp() - make_interval(secs => :seconds)
""")
_FATE: Final = sa.text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")

_P = ParamSpec("_P")
_T = TypeVar("_T")


class ServerLostError(JournalError):
    """Raised where the server went away, or another program's lock, within a transaction: nothing of it was written."""


def take_turns(engine: Engine) -> None:
    """Have every write transaction on a server wait for its turn among all machines, and learn its own number."""

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {round(TURN_SECONDS * 1000)}")
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        known = connection.info
        if connection.get_execution_options().get("gcbulk_reading", False):
            known.pop(BEGUN_AT, None)
        else:
            driver: Any = (
                connection.connection.driver_connection
            )  # SQLAlchemy's part would take as long as the server's
            known[_NUMBER], known[BEGUN_AT] = driver.execute(_OUR_TURN).fetchone()


@contextmanager
def transaction(engine: Engine, *, reading: bool, patience: float | None = None) -> Iterator[Connection]:
    """One transaction on a server, committed at its end.

    Where it is away at its beginning, it is waited for, `patience` seconds at the most (None: AWAY_SECONDS).
    Where it goes away in the middle, ServerLostError is raised; where that happens at the very end, the server is
    asked, once it is back, what became of it.
    """
    connection = _begin(engine, reading=reading, patience=AWAY_SECONDS if patience is None else patience)
    try:
        yield connection
    except BaseException as error:
        lost = _is_lost(connection)
        _leave(connection, lost=lost)
        if isinstance(error, (sa.exc.SQLAlchemyError, engine.dialect.loaded_dbapi.Error)):
            if lost:
                raise ServerLostError("its server went away") from None
            if _sqlstate(error) == _NO_TURN_YET:
                raise ServerLostError("another program has held its tables locked for too long") from None
        raise
    number = "" if reading else str(connection.info.get(_NUMBER))
    try:
        if (begun := connection.get_transaction()) is not None:
            begun.commit()
    except sa.exc.SQLAlchemyError:
        lost = _is_lost(connection)
        _leave(connection, lost=lost)
        if not lost:
            raise
        if not reading and not _was_committed(engine, number):
            raise ServerLostError("its server went away") from None
    else:
        connection.close()


@contextmanager
def transaction_in_file(connection: Connection, *, reading: bool) -> Iterator[Connection]:
    """One transaction on SQLite's connection, committed at its end; who writes waits for others at its beginning.

    For SQLAlchemy the connection is in one transaction from its first statement to its end, which SQLite never sees.
    """
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN" if reading else "BEGIN IMMEDIATE")
        yield connection
        driver.commit()
    except BaseException:
        driver.rollback()
        raise


def outlasting(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """Do something again from its beginning where the server failed it in the middle: nothing of it was written."""

    @functools.wraps(work)
    def outlasts(*arguments: _P.args, **options: _P.kwargs) -> _T:
        ends = time.monotonic() + AWAY_SECONDS
        while True:
            try:
                return work(*arguments, **options)
            except ServerLostError:
                if time.monotonic() > ends:
                    raise

    return outlasts


def _begin(engine: Engine, *, reading: bool, patience: float) -> Connection:
    """A connection with its transaction begun, once the server takes it."""
    ends = None
    while True:
        connection = None
        try:
            connection = engine.connect().execution_options(gcbulk_reading=reading)
            connection.begin()
        except (sa.exc.DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
            lost = connection is not None and _is_lost(connection)
            if connection is not None:
                _leave(connection, lost=lost)
            if _sqlstate(error) == _NO_TURN_YET:
                _go_past_who_stands_still(engine)
                continue
            if not patience or not (lost or _says_away(error, engine.dialect.loaded_dbapi)):
                raise
            if ends is None:
                logger.warning("The journal's server is away. Waiting up to %d s for it", patience)
                ends = time.monotonic() + patience
            if time.monotonic() > ends:
                raise
            time.sleep(AWAY_POLL)
        else:
            return connection


def _go_past_who_stands_still(engine: Engine) -> None:
    """End the connection of a process that has the turn and says nothing: it was stopped, or is out of reach."""
    with transaction(engine, reading=True) as connection:
        ended = connection.execute(_PAST_WHO_STANDS_STILL, {"seconds": STILL_SECONDS}).all()
    if ended:
        logger.warning("A process stood still with the journal's turn for %d s. The others go on", STILL_SECONDS)


def _was_committed(engine: Engine, number: str) -> bool:
    """Whether the transaction of this number was committed, asked of the server when it has made up its mind."""
    while True:
        with transaction(engine, reading=True) as connection:
            fate = connection.execute(_FATE, {"number": number}).scalar_one()
        if fate != "in progress":
            return bool(fate == "committed")
        time.sleep(AWAY_POLL)


def _is_lost(connection: Connection) -> bool:
    return connection.invalidated or bool(connection.connection.dbapi_connection.closed)  # type: ignore[union-attr]


def _leave(connection: Connection, *, lost: bool) -> None:
    """Roll back and give the connection back; one that is lost is thrown away."""
    if lost:
        with suppress(sa.exc.SQLAlchemyError):
            connection.invalidate()
    connection.close()


def _says_away(error: Exception, driver: Any) -> bool:
    kinds = (sa.exc.OperationalError, sa.exc.InterfaceError, driver.OperationalError, driver.InterfaceError)
    state = _sqlstate(error)
    return isinstance(error, kinds) and (state is None or state.startswith(_GONE))


def _sqlstate(error: Exception) -> str | None:
    state: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state
