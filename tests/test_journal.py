"""The journal: who may send a row, what is remembered, and what survives."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import sys
import threading
from dataclasses import replace
from inspect import signature
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import sqlalchemy as sa

from gcbulk.campaign.journal import (
    Ending,
    Identity,
    Journal,
    PlannedRow,
    Run,
    Settlement,
    Wanted,
    begin,
    claims,
    go_on,
    in_the_air,
    memory,
    purge,
    settle,
    told,
)
from gcbulk.campaign.journal import runs as journal_runs
from gcbulk.campaign.journal.addresses import journal_url, masked
from gcbulk.campaign.journal.days import same_day_window
from gcbulk.campaign.journal.liveness import process_is_gone
from gcbulk.campaign.journal.memory import look_elsewhere
from gcbulk.campaign.journal.tables import recipients, runs
from gcbulk.codes import Status
from gcbulk.errors import CampaignError, JournalError, LateError, OptionError
from tests.databases import BOTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from gcbulk.campaign.journal import Claim


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs on both databases, but for those that ask for a folder and look at the file in it."""
    if "journal_address" in metafunc.fixturenames and "tmp_path" not in signature(metafunc.function).parameters:
        metafunc.parametrize("journal_address", BOTH, indirect=True)


NOON = 1_795_435_200.0  # 2026-11-23 12:00 in London
DAY = 86_400.0


class Clock:
    """Seconds since 1970 that a test sets."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def journal(journal_address: str, clock: Clock) -> Iterator[Journal]:
    with Journal(journal_address, clock=clock) as opened:
        yield opened


def identity(texts: Sequence[str], **changes: Any) -> Identity:
    plain = Identity(
        base_url="http://127.0.0.1:1",
        customer_id="1469",
        channel="sms",
        options={},
        recipients_hash=str(len(texts)),
        texts_hash=hashlib.sha256("".join(texts).encode()).hexdigest(),
        row_count=len(texts),
    )
    return replace(plain, **changes)


def rows(texts: Sequence[str], *, chunk: int = 2) -> Iterator[PlannedRow]:
    for position, text in enumerate(texts):
        yield PlannedRow(
            position,
            position // chunk,
            address=f"+4477009001{position:02}",
            text=text,
            parts=1,
            client_ref=f"ref-{position}-{text}",
            content_key=hashlib.sha256(f"{position} {text}".encode()).digest()[:16],
        )


def start(journal: Journal, texts: Sequence[str], *, name: str | None = None, repeat: bool = False, **more: Any) -> Run:
    begun = begin(journal, identity(texts), name=name, send_at=None, repeat=repeat, lease=90.0, **more)
    if begun.fresh:
        journal.write_rows(begun.run.campaign, rows(texts))
    return begun.run


def take(run: Run, number: int = 0) -> Claim:
    claim = run.claim(number, None, states=(Status.READY,))
    assert claim is not None
    return claim


def accept(run: Run, claim: Claim) -> None:
    run.settle(
        claim,
        [Settlement([(r.position, f"m{r.position}") for r in claim.rows], "accepted")],
        http_status=200,
    )


def states(journal: Journal, run: Run) -> list[str]:
    return [record.state for record in journal.records(run.campaign)]


def test_a_claim_takes_each_row_once(journal: Journal) -> None:
    run = start(journal, ["a", "b", "c"])
    assert [row.text for row in take(run).rows] == ["a", "b"]
    assert run.claim(0, None, states=(Status.READY,)) is None
    assert [row.text for row in take(run, 1).rows] == ["c"]


def test_claims_are_on_disk_before_the_call(journal: Journal, journal_address: str) -> None:
    claim = take(start(journal, ["a"]))
    with Journal(journal_address) as other, other.reading() as connection:
        found = connection.exec_driver_sql("select state, batch_id from recipients").all()
    assert found == [("in_flight", claim.id)]


ACCEPTED = [
    Settlement([(0, "m0")], Status.ACCEPTED),
    Settlement([(1, None)], Status.REJECTED, None, "UNKNOWN_ERROR", "No."),
]


def settle_and_take(run: Run, claim: Claim, number: int) -> Claim | None:
    wanted = Wanted(number, None, (Status.READY,))
    following = run.settle_and_claim([Ending(claim, ACCEPTED, 200, wanted)])
    return run.claim(*wanted) if following is None else following[0]


def test_a_call_is_settled_and_the_next_one_claimed_in_one_transaction(journal: Journal, journal_address: str) -> None:
    run = start(journal, ["a", "b", "c"])
    following = settle_and_take(run, take(run), 1)
    assert following is not None
    assert [row.text for row in following.rows] == ["c"]
    with Journal(journal_address) as other, other.reading() as connection:
        found = connection.exec_driver_sql(
            "select state, message_id, error_detail from recipients order by position"
        ).all()
        opened = connection.exec_driver_sql("select settled_at from batches order by id").scalars().all()
    assert found == [("accepted", "m0", None), ("rejected", None, "No."), ("in_flight", None, None)]
    assert [moment is None for moment in opened] == [False, True]
    assert settle_and_take(run, following, 1) is None  # nothing left to take


@pytest.mark.parametrize("times", [1, 3])
def test_what_came_of_a_call_is_written_though_the_next_cannot_be_claimed(
    journal: Journal, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(journal, ["a", "b", "c"])
    claim = take(run)
    broken = iter([True] * times + [False] * 9)
    look = claims.look_elsewhere

    def look_elsewhere(*given: Any, **bounds: int) -> Any:
        if next(broken):
            raise JournalError("The journal cannot be used.")
        return look(*given, **bounds)

    monkeypatch.setattr(claims, "look_elsewhere", look_elsewhere)
    if times == 1:
        following = settle_and_take(run, claim, 1)
        assert following is not None
        assert [row.text for row in following.rows] == ["c"]
    else:
        with pytest.raises(JournalError):
            settle_and_take(run, claim, 1)
    assert states(journal, run) == ["accepted", "rejected", "in_flight" if times == 1 else "ready"]


def test_many_threads_and_two_journals_never_share_a_row(journal: Journal, journal_address: str, clock: Clock) -> None:
    texts = [f"text {n}" for n in range(200)]
    run = start(journal, texts)
    with Journal(journal_address, clock=clock) as second:
        other = begin(second, identity(texts), name=None, send_at=None, repeat=False, lease=90.0).run
        taken: list[int] = []

        def work(runner: Run) -> None:
            for number in range(100):
                claim = runner.claim(number, None, states=(Status.READY,))
                if claim is not None:
                    taken.extend(row.position for row in claim.rows)

        threads = [threading.Thread(target=work, args=(r,)) for r in (run, other, run, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(taken) == list(range(200))


def test_settling_gives_back_what_was_not_sent(journal: Journal) -> None:
    run = start(journal, ["a", "b"])
    claim = take(run)
    run.settle(
        claim,
        [
            Settlement([(0, "m0")], "accepted"),
            Settlement([(1, None)], "ready", error_code="RATE_LIMITED", error_detail="slow down"),
        ],
        http_status=200,
    )
    assert [row.position for row in take(run).rows] == [1]


def test_the_same_text_goes_once_a_day_whatever_the_campaign(journal: Journal, clock: Clock) -> None:
    first = start(journal, ["a", "b"], name="one")
    accept(first, take(first))
    first.end()
    clock.now += 5 * 3600
    second = start(journal, ["a", "b", "new"], name="two")
    second.recall()
    records = list(journal.records(second.campaign))
    assert [r.state for r in records] == ["duplicate", "duplicate", "ready"]
    assert records[0].error_code == "ALREADY_SENT"
    assert "23 November 2026 at 12:00 in campaign 'one' (MessageId m0)" in (records[0].error_detail or "")
    clock.now = NOON + DAY
    third = start(journal, ["a", "b", "c", "d"], name="three")
    third.recall()
    assert states(journal, third) == ["ready"] * 4


def test_never_within_four_hours_even_across_midnight(journal: Journal, clock: Clock) -> None:
    clock.now = NOON + 11 * 3600  # 23:00
    first = start(journal, ["a"], name="late")
    accept(first, take(first))
    first.end()
    clock.now += 2 * 3600
    second = start(journal, ["a"], name="early")
    second.recall()
    assert states(journal, second) == ["duplicate"]
    clock.now += 2 * 3600 + 1
    third = start(journal, ["a"], name="morning")
    third.recall()
    assert states(journal, third) == ["ready"]


def test_same_day_window_on_the_days_the_clocks_change() -> None:
    for noon, hours in ((1_774_782_000.0, 23), (1_792_929_600.0, 25)):  # 29 March and 25 October 2026
        lower, upper = same_day_window(noon)
        assert (upper - lower) / 3600 == hours


@pytest.mark.parametrize("days", [6, 8])
def test_rows_are_looked_up_only_where_another_campaign_sent_in_the_days_that_count(
    days: int, journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start(journal, ["a"], name="one")
    take(first)
    first.end()
    start(journal, ["b"], name="never sent").end()
    looked: list[str] = []
    monkeypatch.setattr(journal_runs, "look_elsewhere", lambda *a, **k: looked.append("") or look_elsewhere(*a, **k))
    clock.now += days * DAY
    second = start(journal, ["a"], name="two")
    assert [doubt.campaign for doubt in second.recall().values()] == (["one"] if days == 6 else [])
    assert len(looked) == (1 if days == 6 else 0)
    accept(second, take(second))
    second.recall()  # its own claims are no reason to look
    assert len(looked) == (2 if days == 6 else 0)


def test_what_was_claimed_long_ago_for_today_is_found(journal: Journal, clock: Clock) -> None:
    send_at = NOON + 10 * DAY
    first = begin(journal, identity(["a"]), name="one", send_at=send_at, repeat=False, lease=90.0).run
    journal.write_rows(first.campaign, rows(["a"]))
    accept(first, take(first))
    first.end()
    clock.now = send_at + 3600
    second = start(journal, ["a"], name="two")
    second.recall()
    assert states(journal, second) == ["duplicate"]


def test_what_was_settled_as_sent_without_a_claim_is_found_by_the_claim(journal: Journal, clock: Clock) -> None:
    first, second = start(journal, ["a"], name="one"), start(journal, ["a"], name="two")
    take(first)
    first.end()
    second.recall()  # unknown, as the first is
    second.end()
    clock.now += 8 * DAY
    assert settle(journal, second.campaign, sent=True) == 1
    third = start(journal, ["a"], name="three")
    third.recall()
    assert third.claim(0, None, states=(Status.READY,)) is None
    assert states(journal, third) == ["duplicate"]


def test_the_claim_itself_looks_again(journal: Journal) -> None:
    first, second = start(journal, ["a"], name="one"), start(journal, ["a"], name="two")
    second.recall()  # nothing was sent yet
    accept(first, take(first))
    assert second.claim(0, None, states=(Status.READY,)) is None
    assert states(journal, second) == ["duplicate"]


def test_a_row_in_flight_elsewhere_waits_and_is_not_lost(journal: Journal) -> None:
    first, second = start(journal, ["a"], name="one"), start(journal, ["a"], name="two")
    claim = take(first)
    waiting = take(second)
    assert (waiting.rows, waiting.elsewhere) == ((), (0,))
    record = next(journal.records(second.campaign))
    assert (record.state, record.error_code) == ("ready", "IN_FLIGHT_ELSEWHERE")
    first.settle(claim, [Settlement([(0, None)], "ready", error_code="NETWORK_ERROR")], http_status=None)
    assert len(take(second).rows) == 1


def test_an_unknown_outcome_keeps_the_same_text_unknown(journal: Journal) -> None:
    first, second = start(journal, ["a"], name="one"), start(journal, ["a"], name="two")
    take(first)
    first.end()
    second.recall()
    assert states(journal, first) == ["unknown"]
    assert states(journal, second) == ["unknown"]
    assert settle(journal, first.campaign, sent=False) == 1
    second.recall()
    assert states(journal, second) == ["ready"]


def test_repeat_sends_again_but_not_within_ten_minutes(journal: Journal, clock: Clock) -> None:
    first = start(journal, ["a"], name="one")
    accept(first, take(first))
    first.end()
    clock.now += 599
    soon = start(journal, ["a"], name="two", repeat=True)
    soon.recall()
    assert states(journal, soon) == ["duplicate"]
    clock.now += 2
    later = start(journal, ["a"], name="three", repeat=True)
    later.recall()
    assert states(journal, later) == ["ready"]


def test_an_identical_campaign_of_the_day_is_the_same_campaign(journal: Journal, clock: Clock) -> None:
    first = start(journal, ["a"])
    accept(first, take(first))
    first.end()
    assert start(journal, ["a"]).campaign.id == first.campaign.id
    clock.now += 3600
    second = start(journal, ["a"], repeat=True)
    assert second.campaign.id != first.campaign.id
    accept(second, take(second))
    clock.now += DAY
    assert start(journal, ["a"]).campaign.id != first.campaign.id


def test_an_unfinished_campaign_is_the_same_for_seven_days(journal: Journal, clock: Clock) -> None:
    first = start(journal, ["a"])
    first.end()
    clock.now += 6 * DAY
    with pytest.raises(LateError, match="still true"):
        start(journal, ["a"])
    assert start(journal, ["a"], repeat=True, late=True).campaign.id == first.campaign.id
    clock.now += 2 * DAY
    assert start(journal, ["a"]).campaign.id != first.campaign.id


def test_a_campaign_of_an_earlier_day_of_which_nothing_is_left_asks_nothing(journal: Journal, clock: Clock) -> None:
    first = start(journal, ["a"], name="trip")
    claim = take(first)
    first.settle(claim, [Settlement([(0, None)], Status.UNKNOWN)], http_status=500)
    first.end()
    clock.now += DAY
    start(journal, ["a"], name="trip").end()
    with pytest.raises(LateError):
        start(journal, ["a"], name="trip", again=True)


def test_a_run_that_was_taken_for_dead_does_not_plan_over_another_s_head(journal: Journal, clock: Clock) -> None:
    slow = begin(journal, identity(["a"]), name="trip", send_at=None, repeat=False, lease=90.0)
    clock.now += 100
    other = start(journal, ["a"], name="trip")
    assert other.id != slow.run.id
    accept(other, take(other))
    slow.run.heartbeat()
    with pytest.raises(CampaignError, match="taken over"):
        journal.write_rows(slow.run.campaign, rows(["a"]))
    assert journal.count_states(other.campaign) == {"accepted": 1}


def test_what_had_gone_already_is_looked_at_afresh_on_the_same_day(journal: Journal, clock: Clock) -> None:
    accept(first := start(journal, ["a"]), take(first))
    again = start(journal, ["a"], name="again", repeat=True)
    again.recall()
    assert journal.count_states(again.campaign) == {"duplicate": 1}
    clock.now += 700
    again.recall()
    assert journal.count_states(again.campaign) == {"ready": 1}


def test_repeat_does_not_send_beside_an_unfinished_identical_campaign(journal: Journal) -> None:
    first = start(journal, ["a"], name="one")
    first.end()
    with pytest.raises(CampaignError, match=r"'one'.* is not finished"):
        start(journal, ["a"], name="two", repeat=True)


def test_other_options_are_another_campaign(journal: Journal) -> None:
    plain = start(journal, ["a"])
    named = begin(
        journal, identity(["a"], options={"sender": "School"}), name=None, send_at=None, repeat=False, lease=90.0
    )
    assert named.run.campaign.id != plain.campaign.id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"texts_hash": "x"}, "the text differs"),
        ({"recipients_hash": "x"}, "the recipients differ"),
        ({"customer_id": "2"}, "the customer differs"),
        ({"texts_hash": "x", "recipients_hash": "x"}, "the recipients and the text differ"),
    ],
)
def test_the_same_name_with_other_content_says_what_differs(
    journal: Journal, change: dict[str, Any], words: str
) -> None:
    start(journal, ["a"], name="trip")
    with pytest.raises(CampaignError, match=words):
        begin(journal, identity(["a"], **change), name="trip", send_at=None, repeat=False, lease=90.0)


def test_date_in_a_name_is_the_london_date(journal: Journal, clock: Clock) -> None:
    clock.now = 1_782_860_400.0  # 2026-06-30 23:00 UTC is the first of July in London
    assert start(journal, ["a"], name="absence {date}").campaign.name == "absence 2026-07-01"


def test_a_process_that_is_gone_leaves_unknown_rows(journal: Journal) -> None:
    run = start(journal, ["a", "b", "c"])
    take(run)
    with journal.writing() as connection:
        connection.execute(sa.update(runs).values(pid=2**22 + 1))  # no such process
    go_on(journal, journal.campaign(run.campaign.name), lease=90.0, late=False)
    assert states(journal, run) == ["unknown", "unknown", "ready"]


def test_a_lease_that_ran_out_leaves_unknown_rows_and_a_late_answer_is_still_heard(
    journal: Journal, clock: Clock
) -> None:
    run = start(journal, ["a"])
    claim = take(run)
    clock.now += 89
    go_on(journal, journal.campaign(run.campaign.name), lease=90.0, late=False).end()
    assert states(journal, run) == ["in_flight"]
    clock.now += 2
    go_on(journal, journal.campaign(run.campaign.name), lease=90.0, late=False)
    assert states(journal, run) == ["unknown"]
    accept(run, claim)
    assert states(journal, run) == ["accepted"]


def test_only_this_very_process_counts_as_alive() -> None:
    me = psutil.Process()
    assert not process_is_gone(me.pid, me.create_time())
    parent = psutil.Process(os.getppid())
    assert not process_is_gone(parent.pid, parent.create_time())
    assert process_is_gone(parent.pid, parent.create_time() - 100)  # the number was given to another process


def test_resuming_an_earlier_day_asks(journal: Journal, clock: Clock) -> None:
    run = start(journal, ["a"], name="trip")
    clock.now += DAY
    with pytest.raises(CampaignError, match="begun on 23 November 2026 at 12:00"):
        go_on(journal, journal.campaign(run.campaign.name), lease=90.0, late=False)
    go_on(journal, journal.campaign(run.campaign.name), lease=90.0, late=True)


@pytest.mark.parametrize("days", [1, 9])
@pytest.mark.parametrize("before", [True, False])
def test_what_went_since_in_a_list_of_its_own_does_not_go_again_with_the_rest(
    journal: Journal, clock: Clock, before: bool, days: int
) -> None:
    def alone() -> None:
        run = start(journal, ["a"], name="alone")
        claim = take(run)
        run.settle(claim, [Settlement([(0, "m0")], Status.ACCEPTED)], http_status=200)
        run.end()

    if before:  # another day's message of the same words
        alone()
        clock.now += DAY
    first = start(journal, ["a", "b"], name="trip")
    first.end()
    clock.now += DAY
    if not before:
        alone()
    clock.now += days * DAY
    later = go_on(journal, journal.campaign("trip"), lease=90.0, late=True)
    later.recall()
    assert states(journal, later) == ["ready" if before else "duplicate", "ready"]
    assert [row.text for row in take(later).rows] == (["a", "b"] if before else ["b"])


def test_opt_outs_are_applied_to_what_is_left(journal: Journal) -> None:
    run = start(journal, ["a", "b"])
    run.opt_out({"+447700900100", "+447700900999"})
    assert states(journal, run) == ["opted_out", "ready"]


def test_settle_by_hand(journal: Journal) -> None:
    run = start(journal, ["a", "b", "c", "d"])
    take(run), take(run, 1)
    run.end()
    assert settle(journal, run.campaign, sent=True, positions=[1, 3]) == 2
    assert settle(journal, run.campaign, sent=False) == 2
    records = list(journal.records(run.campaign))
    assert [r.state for r in records] == ["ready", "accepted", "ready", "accepted"]
    assert records[1].message_id == "settled:ref-1-b"
    assert all((r.message_id is None) == (r.state == "ready") for r in records)


def test_settle_waits_for_a_run_that_lives(journal: Journal) -> None:
    run = start(journal, ["a"], name="trip")
    take(run)
    with pytest.raises(CampaignError, match="being sent at this moment"):
        settle(journal, run.campaign, sent=False)


def test_purge_leaves_counts_and_nothing_else(journal: Journal, tmp_path: Path, clock: Clock) -> None:
    secret = "Zoltan was absent"
    run = start(journal, [secret, "b", "c"], name="old")
    accept(run, take(run))
    run.end()
    clock.now += 91 * DAY
    assert purge(journal) == ["old"]
    assert journal.count_states(journal.campaign("old")) == {"accepted": 2, "ready": 1}
    journal.close()
    everything = b"".join(file.read_bytes() for file in tmp_path.glob("journal.sqlite3*"))
    assert secret.encode() not in everything
    assert b"+44770090" not in everything


def test_purge_spares_the_young_and_the_living(journal: Journal, clock: Clock) -> None:
    start(journal, ["a"], name="young").end()
    clock.now += 89 * DAY
    assert purge(journal) == []
    run = start(journal, ["b"], name="living")
    take(run)
    assert purge(journal, older_than_days=0, campaign="living") == []


def test_a_clock_far_behind_the_journal_stops(journal: Journal, clock: Clock) -> None:
    run = start(journal, ["a"])
    take(run)
    clock.now -= 299
    start(journal, ["b"])
    clock.now -= 2
    with pytest.raises(JournalError, match="clock right"):
        start(journal, ["c"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps the state folder private by its own means")
def test_only_its_owner_can_read_it(journal: Journal, tmp_path: Path) -> None:
    start(journal, ["a"])
    for file in tmp_path.glob("journal.sqlite3*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_keeps_its_promises_to_the_disk(journal: Journal, tmp_path: Path) -> None:
    with journal.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


def test_bad_journals_get_a_sentence(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as the header of one " * 20, encoding="utf-8")
    with pytest.raises(JournalError, match="not a database"):
        Journal(text)
    with pytest.raises(JournalError, match="is a folder"):
        Journal(tmp_path)
    with pytest.raises(OptionError, match="SQLite or PostgreSQL, not in mysql"):
        Journal("mysql://somebody:secret@127.0.0.1/x")
    with pytest.raises(OptionError, match="not a int"):
        Journal(5)  # type: ignore[arg-type]


def test_another_program_s_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pupils.db"
    with contextlib.closing(sqlite3.connect(path)) as theirs, theirs:
        theirs.execute("create table recipients (name)")
    path.chmod(0o644)
    before = path.read_bytes(), path.stat().st_mode
    with pytest.raises(JournalError, match="not one of gcbulk's"):
        Journal(path)
    assert (path.read_bytes(), path.stat().st_mode) == before


def test_a_locked_journal_is_told_before_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.sqlite3"
    Journal(path).close()
    monkeypatch.setattr("gcbulk.campaign.journal.opening.OPENING_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(JournalError, match="another program has held it for too long"):
            Journal(path)
    with Journal(path) as book, book.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 60_000


@pytest.mark.parametrize(("kind", "options"), [("nfs4", "rw"), ("CIFS", "rw"), ("NTFS", "rw,remote")])
def test_a_network_drive_is_refused(kind: str, options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = SimpleNamespace(mountpoint=str(tmp_path), fstype=kind, opts=options)
    root = SimpleNamespace(mountpoint=tmp_path.anchor, fstype="ext4", opts="rw")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_all: [root, share])
    with pytest.raises(JournalError, match="on a network drive"):
        Journal(tmp_path / "journal.sqlite3")
    assert not (tmp_path / "journal.sqlite3").exists()


def test_a_newer_schema_is_refused(journal: Journal, journal_address: str) -> None:
    with journal.writing() as connection:
        connection.exec_driver_sql("update meta set value = '99'")
    with pytest.raises(JournalError, match="newer gcbulk"):
        Journal(journal_address)


def test_a_password_is_masked() -> None:
    assert "secret" not in masked(journal_url("postgresql://me:secret@127.0.0.1/x"))


def test_the_settings_say_where(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert journal_url().database == str(home / "journal.sqlite3")
    monkeypatch.setenv("GCBULK_JOURNAL", str(tmp_path / "else.sqlite3"))
    assert journal_url().database == str(tmp_path / "else.sqlite3")


def test_an_unknown_campaign_names_the_nearest(journal: Journal) -> None:
    start(journal, ["a"], name="absence 2026-11-23")
    with pytest.raises(CampaignError, match="nearest are: 'absence 2026-11-23'"):
        journal.campaign("absense 2026-11-23")


def test_told_is_london_time() -> None:
    assert told(NOON) == "23 November 2026 at 12:00"
    assert told(1_782_860_400.0) == "1 July 2026 at 00:00"


def test_a_run_whose_end_could_not_be_written_is_over_all_the_same(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(journal, ["a", "b"])

    def refuse(**_why: object) -> None:
        raise JournalError("the disk is full")

    monkeypatch.setattr(run, "end", refuse)
    with run.alive():
        take(run)
    assert states(journal, run) == ["in_flight", "in_flight"]
    journal.bury_dead()
    assert states(journal, run) == ["unknown", "unknown"]


def test_a_run_taken_for_dead_is_alive_again_with_its_next_claim(journal: Journal, clock: Clock) -> None:
    slow = start(journal, ["a", "b"])
    clock.now += 3_600
    other = start(journal, ["a", "b"])  # which buries the slow one
    with journal.reading() as connection:
        assert connection.execute(sa.select(runs.c.ended_at).where(runs.c.id == slow.id)).scalar_one() is not None
    take(slow)
    with journal.reading() as connection:
        assert connection.execute(sa.select(runs.c.ended_at).where(runs.c.id == slow.id)).scalar_one() is None
    assert other.others_in_flight()
    clock.now += 3_600
    assert not other.others_in_flight()
    assert journal.count_states(slow.campaign)[Status.UNKNOWN] > 0


def test_no_heartbeat_revives_a_run_that_has_ended(journal: Journal) -> None:
    run = start(journal, ["a"])
    run.end()
    run.heartbeat()
    with journal.reading() as connection:
        assert connection.execute(sa.select(runs.c.ended_at).where(runs.c.id == run.id)).scalar_one() is not None


def test_a_journal_of_an_older_gcbulk_is_brought_up_to_date(journal: Journal, journal_address: str) -> None:
    run = start(journal, ["a", "b"])
    accept(run, take(run))
    with journal.writing() as older:
        for column in ("customer_id", "content"):
            older.exec_driver_sql(f"ALTER TABLE recipients DROP COLUMN {column}")
        older.exec_driver_sql("DROP TABLE paces")
        older.exec_driver_sql("DROP INDEX batches_in_the_air")
        older.exec_driver_sql("UPDATE meta SET value = '1' WHERE key = 'schema_version'")
    journal.close()
    for _ in range(2):  # once it is brought up to date, the next time it is as it should be
        with Journal(journal_address) as newer:
            assert states(newer, run) == ["accepted", "accepted"]
            with newer.reading() as connection:
                found = sa.inspect(connection)
                columns = {column["name"] for column in found.get_columns("recipients")}
                assert found.has_table("paces")
                assert "batches_in_the_air" in {index["name"] for index in found.get_indexes("batches")}
                version = connection.execute(
                    sa.text("SELECT value FROM meta WHERE key = 'schema_version'")
                ).scalar_one()
    assert {"customer_id", "content"} <= columns
    assert version == "3"


def test_any_number_of_rows_is_settled_by_hand(journal: Journal) -> None:
    count = 40_000  # more than SQLite takes parameters
    run = start(journal, [str(n) for n in range(count)], name="many")
    with journal.writing() as connection:
        connection.execute(sa.update(recipients).values(state=Status.UNKNOWN))
    run.end()
    assert settle(journal, run.campaign, sent=True, positions=list(range(count))) == count


@pytest.mark.parametrize(
    "address",
    [
        "host=127.0.0.1 password=secret dbname=x",
        "postgresql:/gcbulk:secret@db/gcbulk",
        "dbname=gcbulk",
        "postgres:gcbulk:secret@db/gcbulk",
        "Postgresql//gcbulk:secret@db/gcbulk",
        "gcbulk:secret@db.example:5432/gcbulk",
    ],
)
def test_what_is_nearly_the_address_of_a_database_is_no_file_of_that_name(address: str) -> None:
    with pytest.raises(OptionError, match="Write postgresql://") as caught:
        Journal(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://u:PA#SS@secret@127.0.0.1:1/db",
        "postgresql://u:p@secret/secret@127.0.0.1/db",
        "postgresql://u/x:secret@127.0.0.1/db",
        "postgres://u:p@127.0.0.1/db?password=x@secret",
        "postgresql://u:secret/db",  # taken for a port
    ],
)
def test_nothing_of_what_may_be_a_password_is_shown(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OptionError, match=r"percent-encoded|not a path or a database URL") as caught:
        Journal(address)
    assert "secret" not in f"{caught.value}{caplog.text}"
    assert "127.0.0.1" not in str(caught.value)


def test_a_large_call_is_settled_in_several_statements(
    journal: Journal, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "_MOST_AT_ONCE", 1)
    run = start(journal, ["a", "b"])
    accept(run, take(run))
    assert states(journal, run) == ["accepted", "accepted"]
    assert len({record.message_id for record in journal.records(run.campaign)}) == 2


def break_off_in_the_middle(transaction: Callable[[], AbstractContextManager[Connection]]) -> None:
    with transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE half_done (x)")
        raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["reading", "writing"])
def test_what_fails_in_a_transaction_leaves_nothing_behind(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal(path) as journal, Journal(path) as beside:
        with pytest.raises(JournalError), getattr(journal, kind)() as connection:
            connection.exec_driver_sql("SELECT no_such_thing")
        with pytest.raises(KeyboardInterrupt):
            break_off_in_the_middle(getattr(journal, kind))
        for one in (beside, journal):  # neither waits for the other
            with one.writing() as connection:
                assert not sa.inspect(connection).has_table("half_done")
        journal.close()
        with journal.writing() as connection:  # opened again
            assert not sa.inspect(connection).has_table("half_done")


def test_every_statement_of_a_call_finds_its_rows_by_an_index(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite3") as journal, journal.reading() as connection:
        for statement, index in (
            (claims._SELECT, "recipients_batch (campaign_id=? AND batch_number=?)"),
            (claims._TAKE, "recipients_batch (campaign_id=? AND batch_number=?)"),
            (claims._settle_in_file(20)[1], "sqlite_autoindex_recipients_1 (campaign_id=? AND position=?)"),
            (memory.OF_A_CALL, "recipients_content (content_key=?)"),
            (memory._MARK, "sqlite_autoindex_recipients_1 (campaign_id=? AND position=?)"),
            (in_the_air._IN_THE_AIR_OF_A_FILE, "batches_in_the_air (campaign_id=?)"),
            (in_the_air._OF_A_WORKER, "recipients_batch (campaign_id=? AND batch_number=?)"),
            (memory._IN_REACH, "ix_batches_campaign_id (campaign_id=?)"),
        ):
            text, _ = journal._prepared(statement)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (1,) * text.count("?")).all()
            assert [step for step in plan if step[3].endswith(f"USING INDEX {index}")], (text, plan)
            assert not [step for step in plan if step[3].startswith(("SCAN recipients", "SCAN batches"))], (text, plan)


@pytest.mark.parametrize("given", ["postgres", "POSTGRESQL", " postgresql", "postgresql+psycopg"])
def test_a_server_s_address_is_taken_however_its_scheme_is_written(given: str) -> None:
    address = "://anna:p%40ss/w#rd@db.example:5433/gcbulk"
    assert journal_url(f"{given}{address} ") == journal_url(f"postgresql{address}")
    assert journal_url(f"{given}{address}").password == "p@ss/w#rd"


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql+psycopg2://u:secret@h/db", "Write postgresql://"),
        ("postgresql+asyncpg://u:secret@h/db", "Write postgresql://"),
        ("'postgresql://u:secret@h/db'", "quotation marks"),
        ('"secret.sqlite3"', "quotation marks"),
        ("mysql://u:secret@h/db", "SQLite or PostgreSQL, not in mysql"),
    ],
)
def test_an_address_of_another_kind_gets_a_sentence(address: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_JOURNAL", address)
    with pytest.raises(OptionError, match=says) as caught:
        Journal()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "path", ["C:/Users/a@b/x.sqlite3", "sqlite:///a@b/c@d.sqlite3", "postgres/x.sqlite3", "/a:b@c/x"]
)
def test_signs_of_an_address_are_signs_like_others_in_a_path(path: str) -> None:
    assert journal_url(path).get_backend_name() == "sqlite"


def test_rows_are_written_as_they_are(journal: Journal) -> None:
    odd = ["\\N", "a\tb\\t", "line\nline\r\n", "\\.", "'\"", "", "null", "{1,2}", "Zo\u00eb \U0001f44d \u2028"]
    run = start(journal, odd)
    claims = [take(run, number) for number in range((len(odd) + 1) // 2)]
    assert [row.text for claim in claims for row in claim.rows] == odd
    assert {row.content for claim in claims for row in claim.rows} == {None}


def test_one_answer_that_cannot_be_written_costs_no_other_its_own(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(journal, ["a", "b", "c", "d"])
    first, second = take(run, 0), take(run, 1)
    settle = Run.settle

    def refuses(one: Run, claim: Claim, *given: Any, **more: Any) -> None:
        if claim is first:
            raise JournalError("The journal cannot hold this.")
        settle(one, claim, *given, **more)

    def fails(*_given: Any) -> None:
        raise JournalError("The journal cannot hold one of them.")

    monkeypatch.setattr(Run, "settle", refuses)
    monkeypatch.setattr(Run, "_settle_and_claim", fails)
    endings = [
        Ending(one, [Settlement([(r.position, "m") for r in one.rows], "accepted")], 200) for one in (first, second)
    ]
    with pytest.raises(JournalError, match="cannot hold this"):
        run.settle_and_claim(endings)
    assert states(journal, run) == ["in_flight", "in_flight", "accepted", "accepted"]
