"""What every test shares: a home of its own, no key of the developer's, and a sandbox over real HTTP."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

from gcbulk.campaign import schedule
from gcbulk.sandbox import Sandbox
from tests.databases import POSTGRESQL, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xdist.remote import Producer


class OneBrowser(LoadScopeScheduling):
    """Any test goes to any worker, but those in a browser all to one: they share a browser and a server.

    (xdist's own groups have no effect with pytest 9.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return "browser" if nodeid.startswith("tests/test_form_") else nodeid


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: much of a test's time is spent waiting, for an answer or a browser."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneBrowser:
    """Called by xdist in the process that hands the tests out."""
    return OneBrowser(config, log)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder for this test alone, no settings from outside, and an ordinary day."""
    names = ("CUSTOMER_ID", "API_KEY", "BASE_URL", "JOURNAL", "KEEP_DAYS", "CALLBACK_URL")
    for name in (*names, "PARTNER_KEY", "STYLE_CLASS", "STORE_KEY"):
        monkeypatch.delenv(f"GCBULK_{name}", raising=False)
    monkeypatch.setattr(schedule, "bank_holiday", lambda _day: "")  # today may be one
    monkeypatch.setenv("GCBULK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return tmp_path / "home"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A stand-in for the API that stops with the test."""
    with Sandbox(hang_seconds=5.0) as server:
        yield server


@pytest.fixture
def platform(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox as the platform that the environment names."""
    monkeypatch.setenv("GCBULK_BASE_URL", sandbox.url)
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", sandbox.customer_id)
    monkeypatch.setenv("GCBULK_API_KEY", sandbox.api_key)
    return sandbox


@pytest.fixture(scope="session")
def server(testrun_uid: str) -> Server:
    """The PostgreSQL server that all tests of this run share."""
    return Server(testrun_uid)


@pytest.fixture
def journal_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a journal of the test's own is: a file, or with the parameter POSTGRESQL a database on the server."""
    if getattr(request, "param", None) != POSTGRESQL:
        yield str(tmp_path / "journal.sqlite3")
        return
    server: Server = request.getfixturevalue("server")
    address = server.new_database()
    yield address
    server.drop(address)
