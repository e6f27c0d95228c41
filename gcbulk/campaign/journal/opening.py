"""Opening a journal: who may read it, and whether it can be trusted with a promise."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from gcbulk.campaign.journal.addresses import masked
from gcbulk.campaign.journal.migrations import migrate
from gcbulk.campaign.journal.tables import SCHEMA_VERSION, meta, metadata
from gcbulk.campaign.journal.transactions import take_turns, transaction, transaction_in_file
from gcbulk.errors import JournalError, OptionError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Connection, Engine

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what ends badly is told by an exception

DATABASE_ERRORS: Final = (sa.exc.SQLAlchemyError, sqlite3.Error)
"""What a database may raise; sqlite3's own come bare from the set-up of a connection."""

BUSY_SECONDS: Final = 60
"""How long a write waits for another process to finish its own."""

OPENING_SECONDS: Final = 15
"""How long that is while a journal is opened: nothing has been sent, and somebody looks at a still screen."""

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "afpfs",
        "webdav",
        "davfs",
        "fuse.sshfs",
        "fuse.davfs",
        "9p",
    }
)
"""Where file locks cannot be relied on, so that two machines could both claim a row."""


def open_engine(url: URL) -> Engine:
    """An engine on a journal of this schema version, its tables made where there are none.

    Raises JournalError where it cannot be opened, is no database, or was written by a newer gcbulk.
    """
    in_file = url.get_backend_name() == "sqlite"
    engine = _sqlite_engine(url) if in_file else _server_engine(url)
    try:
        if in_file:
            with engine.connect() as kept, transaction_in_file(kept, reading=False) as connection:
                _make_or_check_schema(connection, masked(url))
                connection.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")
        else:
            with transaction(engine, reading=False, patience=0) as connection:
                _make_or_check_schema(connection, masked(url))
    except DATABASE_ERRORS as error:
        engine.dispose()
        raise JournalError(f"The journal {masked(url)} cannot be used: {plain_reason(error)}.") from None
    except JournalError:
        engine.dispose()
        raise
    return engine


def plain_reason(error: Exception) -> str:
    """The database's own words, without the statement and its parameters: those hold numbers and texts."""
    original = getattr(error, "orig", None) if isinstance(error, sa.exc.SQLAlchemyError) else error
    state = getattr(original, "sqlstate", None)
    if state in _PLAIN_STATES:
        return _PLAIN_STATES[state]
    words = str(original if original is not None else type(error).__name__).strip().rstrip(".")
    first_line = words.splitlines()[0] if words else "no reason was given"
    return _PLAIN_REASONS.get(first_line, first_line)


_PLAIN_REASONS: Final[dict[str, str]] = {
    "file is not a database": "the file is not a database; choose another path with journal= or GCBULK_JOURNAL",
    "database disk image is malformed": "the file is damaged; restore it from a backup before you send again",
    "database is locked": "another program has held it for too long; close that program and try again",
    "attempt to write a readonly database": "it is read-only; make it writable for your user",
    "database or disk is full": "the disk is full; free some space, then give the same command again",
    "disk I/O error": "the disk cannot be written; check it, then give the same command again",
    "unable to open database file": "the file cannot be opened; check that its folder exists and is yours",
}

_PLAIN_STATES: Final[dict[str, str]] = {
    "53100": "the disk of the database server is full; free some space, then give the same command again",
    "53200": "the database server is out of memory; wait a while, then give the same command again",
    "25006": "the database can only be read; is it a standby?",
    "42501": "your database user may not do that; grant it the right to create and change tables",
}
"""By PostgreSQL's SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def _sqlite_engine(url: URL) -> Engine:
    in_memory = url.database in (None, "", ":memory:")
    if not in_memory:
        _prepare_file(Path(str(url.database)))
    engine = sa.create_engine(
        url,
        poolclass=StaticPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": OPENING_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are ours to begin
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
        connection.execute("PRAGMA checkpoint_fullfsync=ON")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute("PRAGMA wal_autocheckpoint=10000")

    return engine


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log; SQLite does not itself wait for another process that is at it too."""
    ends = time.monotonic() + OPENING_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return


def _server_engine(url: URL) -> Engine:
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            isolation_level="READ COMMITTED",
            pool_use_lifo=True,  # the connection that has its statements prepared, and its caches warm
            connect_args=dict(_NOTICES_A_CUT),
        )
    except ImportError:
        raise OptionError(
            "A journal in PostgreSQL needs the package psycopg. "
            "Install it with: python -m pip install 'gcbulk[postgres]'"
        ) from None

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_KEEPS_THE_PROMISE)
            cursor.execute(_BY_INDEX)
        connection.commit()

    take_turns(engine)
    return engine


_NOTICES_A_CUT: Final = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Seconds (the last: milliseconds) until it is noticed that a server is out of reach; by themselves they are hours."""

_KEEPS_THE_PROMISE: Final = (
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
)
"""A claim is on disk before its call leaves."""

_BY_INDEX: Final = "SET enable_seqscan = off"
"""Tables are small when a run's statements are first planned, and grow: nothing is read whole that has an index."""


def _prepare_file(path: Path) -> None:
    """Make the file readable by its owner alone before SQLite puts anything into it, once in a process.

    Not again: on POSIX, whoever closes a file takes away every lock that the process has on it, those of the
    connections that another thread is sending through too (https://www.sqlite.org/howtocorrupt.html, 2.2). Another
    process would take that journal for abandoned and remove its write-ahead log, and with it claims that count.
    """
    if path.is_dir():
        raise JournalError(f"The journal {path} is a folder. Give the path of a file.")
    _refuse_network_drive(path)
    with _PREPARING:
        known = _inode(path) in _PREPARED
        if not known and path.is_file() and not _may_be_sqlite(path):
            raise JournalError(f"The journal {path} cannot be used: {_PLAIN_REASONS['file is not a database']}.")
        _refuse_strangers(path)
        if known:
            return
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            if sys.platform != "win32":
                path.chmod(0o600)
        except OSError as error:
            raise JournalError(
                f"The journal {path} cannot be written: {error.strerror}. "
                "Choose another place with journal= or GCBULK_JOURNAL."
            ) from None
        _PREPARED.add(_inode(path))


_PREPARING: Final = threading.Lock()
_PREPARED: Final[set[tuple[int, int] | None]] = set()  # device and inode of the files that this process prepared


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _may_be_sqlite(path: Path) -> bool:
    """Whether a file is empty or begins as SQLite's do: nobody's list is to be taken for a journal, and locked up."""
    try:
        with path.open("rb") as file:
            return file.read(16) in (b"", b"SQLite format 3\0")
    except OSError:
        return True  # which the database will put into words


def _refuse_strangers(path: Path) -> None:
    """Leave another program's database as it is. What cannot be looked into is put into words when it is opened."""
    if not path.is_file():
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as looked:
            tables = {name for (name,) in looked.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return
    if tables and meta.name not in tables:
        raise JournalError(_not_ours(str(path)))


def _not_ours(shown: str) -> str:
    return f"The journal {shown} is not one of gcbulk's. Choose another with journal= or GCBULK_JOURNAL."


def _refuse_network_drive(path: Path) -> None:
    mounts = [m for m in psutil.disk_partitions(all=True) if path.is_relative_to(m.mountpoint)]
    mount = max(mounts, key=lambda m: len(m.mountpoint), default=None)
    remote = path.drive.startswith("\\\\") or (
        mount is not None and (mount.fstype.lower() in NETWORK_FILE_SYSTEMS or "remote" in mount.opts.split(","))
    )
    if remote:
        raise JournalError(
            f"The journal {path} is on a network drive, where two machines could both claim a row. "
            "Put it on a local disk, or use a PostgreSQL journal."
        )


def _make_or_check_schema(connection: Connection, shown: str) -> None:
    if not sa.inspect(connection).has_table(meta.name):
        metadata.create_all(connection)
        connection.execute(meta.insert().values(key="schema_version", value=str(SCHEMA_VERSION)))
        return
    found = connection.execute(sa.select(meta.c.value).where(meta.c.key == "schema_version")).scalar_one_or_none()
    if found is None or not found.isdigit():
        raise JournalError(_not_ours(shown))
    if int(found) > SCHEMA_VERSION:
        raise JournalError(
            f"The journal {shown} was written by a newer gcbulk (schema {found}; this one knows {SCHEMA_VERSION}). "
            "Upgrade gcbulk on this machine."
        )
    if int(found) < SCHEMA_VERSION:
        migrate(connection, found=int(found))
        connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(SCHEMA_VERSION)))
