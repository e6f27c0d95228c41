"""Several processes, threads and clocks on one journal: a row is sent by one of them, and nobody is lost."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import psutil
import pytest

import gcbulk
from gcbulk.campaign.journal import Identity, Journal, begin, transactions
from gcbulk.sandbox import Sandbox
from tests import jobs
from tests.databases import BOTH, POSTGRESQL, SQLITE, on_postgresql

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess

    from gcbulk.sandbox import Call, Queued

ROUNDS = 20
pytestmark = pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")  # that nothing was left to send
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


@pytest.fixture
def journal(journal_address: str) -> str:
    return journal_address


def on_both(rounds: int) -> pytest.MarkDecorator:
    """So many rounds on SQLite, and a quarter as many others on PostgreSQL."""
    return pytest.mark.parametrize(
        ("journal_address", "seed"),
        [(SQLITE, seed) for seed in range(rounds)]
        + [pytest.param(POSTGRESQL, seed, marks=on_postgresql) for seed in range(rounds, rounds + rounds // 4)],
        indirect=["journal_address"],
    )


def ended(*processes: BaseProcess, code: int = 0) -> None:
    for process in processes:
        process.join(100)
        assert process.exitcode == code


def sends(queued: list[Queued]) -> Counter[tuple[str, str]]:
    return Counter((entry.recipient, entry.text) for entry in queued)


def send_here(sandbox: Sandbox, journal: str, rows: int, **options: Any) -> pd.DataFrame:
    with gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
        return gcbulk.send_sms(
            jobs.people(rows), jobs.MESSAGE, client=client, journal=journal, progress=False, **options
        )


def all_results(journal: str) -> pd.DataFrame:
    names = gcbulk.campaigns(journal=journal)["Campaign"]
    return pd.concat([gcbulk.campaign_results(name, journal=journal) for name in names])


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)


def test_the_claim_is_on_disk_before_the_bytes_arrive(journal: str) -> None:
    found: list[set[str]] = []

    def look(call: Call) -> str | None:
        refs = [message["ClientRef"] for message in call.messages]
        with contextlib.closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as database:
            marks = ",".join("?" * len(refs))
            asked = f"SELECT state FROM recipients WHERE client_ref IN ({marks}) AND batch_id IS NOT NULL"
            found.append({f"{len(refs)} {state}" for (state,) in database.execute(asked, refs)})
            assert len(list(database.execute(asked, refs))) == len(refs)
        return None

    with Sandbox(on_call=look) as sandbox:
        ended(jobs.started(sandbox, journal, 400, concurrency=4))
    assert found == [{"20 in_flight"}] * 20


@on_both(ROUNDS)
def test_two_processes_on_the_same_campaign(seed: int, journal: str) -> None:
    refuse = random.Random(seed)
    lock = threading.Lock()

    def now_and_then(_call: Call) -> str | None:
        with lock:
            return refuse.choices([None, "http-503-once", "rate-limited"], [8, 1, 1])[0]

    with Sandbox(on_call=now_and_then) as sandbox:
        pair = [jobs.started(sandbox, journal, 300, max_attempts=30, chunk_size=10) for _ in range(2)]
        ended(*pair)
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(300).items())
    results = all_results(journal)
    assert len(results) == 300
    assert set(results["Status"]) == {"accepted"}


@on_both(ROUNDS)
def test_two_campaigns_with_the_same_rows(seed: int, journal: str) -> None:
    refuse = random.Random(seed)
    lock = threading.Lock()

    def one_of_them(_call: Call) -> str | None:
        with lock:
            return refuse.choices([None, "http-503-once", "no-recipients", "http-500"], [16, 2, 2, 1])[0]

    with Sandbox(on_call=one_of_them) as sandbox:
        pair = [
            jobs.started(sandbox, journal, 300, campaign=name, max_attempts=30, chunk_size=10)
            for name in ("one", "two")
        ]
        ended(*pair)
        left = {name: send_here(sandbox, journal, 300, campaign=name) for name in ("one", "two")}
    queued = sends(sandbox.queued)
    assert max(queued.values()) == 1
    for number in {address for address, _ in jobs.expected_texts(300).items()}:
        of_both = [frame.loc[frame["SentTo"] == number, "Status"].item() for frame in left.values()]
        if "accepted" in of_both:
            assert sorted(of_both) == ["accepted", "duplicate"] or of_both.count("rejected") == 1
        else:
            assert "unknown" in of_both or of_both == ["rejected", "rejected"], of_both
    accepted = {n for frame in left.values() for n in frame.loc[frame["Status"] == "accepted", "SentTo"]}
    assert accepted == {number for number, _ in queued}


@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
def test_a_double_click(journal: str) -> None:
    frames: list[pd.DataFrame] = []
    with Sandbox(latency=0.02) as sandbox:
        clicks = [threading.Thread(target=lambda: frames.append(send_here(sandbox, journal, 200))) for _ in range(2)]
        for click in clicks:
            click.start()
        for click in clicks:
            click.join(60)
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(200).items())
    assert [set(frame["Status"]) for frame in frames] == [{"accepted"}] * 2
    assert frames[0]["MessageId"].tolist() == frames[1]["MessageId"].tolist()


def stop(process: BaseProcess, journal: str) -> None:
    """Stop a process where it is, but not while it holds the journal: SQLite lets nobody past such a one."""
    assert process.pid is not None
    while True:
        os.kill(process.pid, signal.SIGSTOP)
        until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        if "://" in journal:  # there the others get past such a one
            return
        try:
            with contextlib.closing(sqlite3.connect(journal, timeout=0.2, isolation_level=None)) as database:
                database.execute("BEGIN IMMEDIATE")
                database.execute("ROLLBACK")
        except sqlite3.OperationalError:
            os.kill(process.pid, signal.SIGCONT)
        else:
            return


@posix
@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
@pytest.mark.parametrize("at_call", [1, 5, 20])
def test_a_run_stopped_past_its_lease_and_continued(
    at_call: int, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "STILL_SECONDS", 0.5)
    monkeypatch.setattr(transactions, "TURN_SECONDS", 0.2)
    slow: list[BaseProcess] = []
    seen: list[Call] = []
    is_stopped = threading.Event()

    def stop_at_this_one(call: Call) -> str | None:
        seen.append(call)
        if len(seen) == at_call:
            stop(slow[0], journal)
            is_stopped.set()
        return None

    with Sandbox(on_call=stop_at_this_one) as sandbox:
        slow.append(jobs.started(sandbox, journal, 400, lease=1.5, chunk_size=10))
        assert is_stopped.wait(60)
        taken_over = send_here(sandbox, journal, 400, chunk_size=10)
        assert set(taken_over["Status"]) <= {"accepted", "unknown"}
        assert (taken_over["Status"] == "unknown").sum() <= 4 * 10
        assert slow[0].pid is not None
        os.kill(slow[0].pid, signal.SIGCONT)
        ended(slow[0])
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(400).items())
    assert set(all_results(journal)["Status"]) == {"accepted"}  # the late answers were heard


@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
def test_at_least_once_never_retries_the_call_of_a_live_run(journal: str) -> None:
    arrived, may_answer = threading.Event(), threading.Event()
    seen: list[Call] = []

    def hold_the_first(call: Call) -> str | None:
        seen.append(call)
        if len(seen) == 1:
            arrived.set()
            assert may_answer.wait(60)
        return None

    frames: list[pd.DataFrame] = []
    with Sandbox(on_call=hold_the_first) as sandbox:
        first = jobs.started(sandbox, journal, 60, campaign="live")
        assert arrived.wait(60)
        with pytest.raises(gcbulk.CampaignError, match="being sent at this moment"):
            gcbulk.settle("live", sent=False, journal=journal)
        second = threading.Thread(
            target=lambda: frames.append(send_here(sandbox, journal, 60, campaign="live", delivery="at_least_once"))
        )
        second.start()
        until(lambda: len(seen) == 3)
        may_answer.set()
        ended(first)
        second.join(60)
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(60).items())
    assert set(frames[0]["Status"]) == {"accepted"}


@posix
def test_an_interrupted_run_waits_for_its_calls_and_a_second_interrupt_does_not(journal: str) -> None:
    arrived = threading.Event()

    def hang(_call: Call) -> str | None:
        arrived.set()
        return "hang"

    with Sandbox(on_call=hang, hang_seconds=60) as sandbox:
        process = jobs.started(sandbox, journal, 100)
        assert arrived.wait(60)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(1.0)
        assert process.is_alive()
        os.kill(process.pid, signal.SIGINT)
        process.join(10)
        assert process.exitcode == 0
    results = all_results(journal)
    assert results["Status"].value_counts().to_dict() == {"not_sent": 80, "unknown": 20}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits another process's files")
def test_a_disk_that_fills_up_stops_the_run_before_the_next_call(journal: str) -> None:
    import resource

    process: list[BaseProcess] = []
    filled: list[int] = []

    def fill_the_disk(call: Call) -> str | None:
        if call.number == 6:
            pid = process[0].pid
            assert pid is not None
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
            filled.append(call.number)
        return None

    with Sandbox(on_call=fill_the_disk, latency=0.02) as sandbox:
        process.append(jobs.started(sandbox, journal, 2_000, chunk_size=10, concurrency=4))
        ended(process[0], code=jobs.JOURNAL_LOST)
        assert filled
        assert len(sandbox.calls) <= 6 + 4
        results = send_here(sandbox, journal, 2_000, chunk_size=10)
    queued = sends(sandbox.queued)
    assert max(queued.values()) == 1
    assert set(results["Status"]) <= {"accepted", "unknown"}
    assert (results["Status"] == "unknown").sum() <= 4 * 10
    accepted = set(results.loc[results["Status"] == "accepted", "SentTo"])
    assert accepted <= {number for number, _ in queued}


@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
def test_a_re_run_under_another_key_sends_only_what_is_left(journal: str) -> None:
    with Sandbox(on_call=lambda call: "permission-denied" if call.number == 3 else None) as sandbox:
        first = send_here(sandbox, journal, 100, concurrency=1)
        assert (first["Status"] == "not_sent").sum() == 60
        sandbox.api_key = "the-new-key"
        with gcbulk.CommunicationsClient("1469", "the-new-key", base_url=sandbox.url) as client:
            results = gcbulk.resume(first.attrs["campaign"], client=client, journal=journal, progress=False)
    assert set(results["Status"]) == {"accepted"}
    assert sends(sandbox.queued) == Counter(jobs.expected_texts(100).items())


@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
def test_resume_leaves_out_who_opted_out_and_refuses_another_customer_or_address(journal: str) -> None:
    with Sandbox(on_call=lambda call: "permission-denied" if call.number == 2 else None) as sandbox:
        first = send_here(sandbox, journal, 40, concurrency=1)
        name = first.attrs["campaign"]
        for customer, url in (("1470", sandbox.url), ("1469", "http://127.0.0.1:9")):
            with (
                gcbulk.CommunicationsClient(customer, sandbox.api_key, base_url=url) as client,
                pytest.raises(gcbulk.CampaignError, match=r"customer 1469|begun at"),
            ):
                gcbulk.resume(name, client=client, journal=journal, progress=False)
        with gcbulk.CommunicationsClient("1469", sandbox.api_key, base_url=sandbox.url) as client:
            out = pd.DataFrame({"mobile": ["07400 000025"]})
            results = gcbulk.resume(name, client=client, journal=journal, opt_outs=out, progress=False)
    assert results["Status"].value_counts().to_dict() == {"accepted": 39, "opted_out": 1}
    assert results["Status"].iloc[25] == "opted_out"
    assert "+447400000025" not in {number for number, _ in sends(sandbox.queued)}


@posix
def test_rows_of_a_broken_call_are_called_not_sent_only_when_it_must_have_ended(journal: str) -> None:
    running: list[BaseProcess] = []

    def kill(_call: Call) -> str | None:
        assert running[0].pid is not None
        os.kill(running[0].pid, signal.SIGKILL)
        return "hang"

    with Sandbox(on_call=kill) as sandbox:
        running.append(jobs.started(sandbox, journal, 20, campaign="trip", lease=2.5))
        ended(running[0], code=-signal.SIGKILL)
    (listed,) = gcbulk.campaigns(journal=journal).to_dict("records")
    assert listed["unknown"] == 20
    assert gcbulk.campaign_results("trip", journal=journal)["ErrorDetail"].str.contains("run ended").all()
    began = time.monotonic()
    with pytest.warns(gcbulk.GcbulkWarning, match="may still be under way"):
        assert gcbulk.settle("trip", sent=False, journal=journal) == 20
    assert time.monotonic() - began > 0.5
    assert set(gcbulk.campaign_results("trip", journal=journal)["Status"]) == {"not_sent"}


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone forgets a process's locks when it closes a file")
def test_a_second_look_in_one_process_takes_no_lock_away_from_its_run(journal: str) -> None:
    # Were the locks gone, the other process would take the journal for abandoned when it closes it, and remove the
    # write-ahead log that this one goes on writing to: its claims would be seen by nobody.
    other = f"import gcbulk; print(len(gcbulk.campaigns(journal={journal!r})))"

    def seen_elsewhere() -> int:
        done = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True, timeout=100)
        return int(done.stdout)

    identity = Identity(
        base_url="http://127.0.0.1",
        customer_id="1",
        channel="sms",
        options={},
        recipients_hash="r",
        texts_hash="t",
        row_count=0,
    )
    with Journal(journal) as book:
        begin(book, identity, name="first", send_at=None, repeat=False, lease=60)
        assert len(gcbulk.campaigns(journal=journal)) == 1  # as a form does that shows where a campaign stands
        assert seen_elsewhere() == 1
        begin(book, replace(identity, texts_hash="u"), name="second", send_at=None, repeat=False, lease=60)
        assert seen_elsewhere() == 2
