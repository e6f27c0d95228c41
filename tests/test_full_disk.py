"""A disk that is full: SQLite itself says so, at a moment of the test's choice. Nothing goes twice, nothing is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign.journal import Journal
from gcbulk.errors import JournalError, JournalLostError
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.test_processes import send_here, sends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = 200
PAGES = 300  # that the database may have; what the triggers write needs more
MOMENTS = {
    "claim": "BEFORE INSERT ON batches WHEN NEW.number >= 6",
    "settle": "BEFORE UPDATE OF settled_at ON batches WHEN NEW.number >= 6",
    "plan": "BEFORE INSERT ON recipients WHEN NEW.position >= 150",
    "end": "BEFORE UPDATE OF ended_at ON runs",  # from the moment on nothing can be written: neither can the end
}


@pytest.fixture(autouse=True)
def _small_disk() -> Iterator[None]:
    def limit(connection: Any, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute(f"PRAGMA max_page_count={PAGES}")

    sa.event.listen(sa.pool.Pool, "connect", limit)
    yield
    sa.event.remove(sa.pool.Pool, "connect", limit)


def fill(journal: Path, *moments: str) -> None:
    Journal(journal).close()
    with closing(sqlite3.connect(journal)) as beside:
        beside.execute("CREATE TABLE ballast (weight BLOB)")
        for moment in moments:
            weight = "INSERT INTO ballast VALUES (zeroblob(2000000))"
            beside.execute(f"CREATE TRIGGER full_{moment} {MOMENTS[moment]} BEGIN {weight}; END")


def make_room(journal: Path, *moments: str) -> None:
    with closing(sqlite3.connect(journal)) as beside:
        for moment in moments:
            beside.execute(f"DROP TRIGGER full_{moment}")


@pytest.mark.parametrize("moment", ["claim", "settle"])
def test_a_disk_that_is_full_in_mid_run_stops_it(moment: str, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite3"
    fill(journal, moment, "end")
    with Sandbox() as sandbox:
        with pytest.raises(JournalLostError, match=r"the disk is full; free some space.*resume it") as caught:
            send_here(sandbox, str(journal), ROWS, chunk_size=10)
        assert len(sandbox.calls) <= 6 + 4
        make_room(journal, moment, "end")
        name = str(caught.value).split("'")[1]
        with gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
            results = gcbulk.resume(name, client=client, journal=journal, progress=False)
    assert set(results["Status"]) == ({"accepted"} if moment == "claim" else {"accepted", "unknown"})
    went = sends(sandbox.queued)
    told = set(results.loc[results["Status"] == "accepted", "SentTo"])
    assert set(went.values()) == {1}
    # what is unknown went and its answer could not be written, or was claimed and could not be given back
    assert told <= {to for to, _ in went} <= set(jobs.expected_texts(ROWS))


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_disk_that_is_full_while_planning_sends_nothing(in_pieces: bool, tmp_path: Path) -> None:
    journal = tmp_path / "journal.sqlite3"
    fill(journal, "plan", "end")
    people: Any = jobs.people(ROWS)
    if in_pieces:
        people = [people.iloc[:120], people.iloc[120:]]
    with (
        Sandbox() as sandbox,
        gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client,
    ):
        for _ in range(2):
            with pytest.raises(JournalError, match="the disk is full; free some space"):
                gcbulk.send_sms(people, jobs.MESSAGE, client=client, journal=journal, progress=False)
        assert not sandbox.calls
        make_room(journal, "plan", "end")
        results = gcbulk.send_sms(people, jobs.MESSAGE, client=client, journal=journal, progress=False)
    frames = [results] if isinstance(results, pd.DataFrame) else list(results)
    assert set(pd.concat(frames)["Status"]) == {"accepted"}
    assert len(sends(sandbox.queued)) == len(sandbox.queued) == ROWS
    assert len(gcbulk.campaigns(journal=journal)) == 1
