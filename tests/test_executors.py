"""Calls made by an executor's workers: the same results, nothing twice whatever the engine does, nobody shipped."""

from __future__ import annotations

import _thread
import os
import pickle
import random
import threading
from collections import Counter
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign import calling, dispatching, starting, working
from gcbulk.campaign.attachments import FileChangedError
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.calling import Order
from gcbulk.campaign.journal import Journal, ask_to_stop, journal_token
from gcbulk.campaign.journal.addresses import journal_url, without_password
from gcbulk.campaign.journal.tables import runs
from gcbulk.campaign.sending import Sender
from gcbulk.campaign.working import Ticket, call_at_worker
from gcbulk.codes import Status
from gcbulk.errors import OptionError
from gcbulk.sandbox import FAULTS, Sandbox
from tests import jobs
from tests.test_journal import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from gcbulk.codes import ErrorCode
    from gcbulk.sandbox import Call

pytestmark = pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")  # that nobody listens for news
ROWS, CHUNK = 200, 10


class Elsewhere(ThreadPoolExecutor):
    """Workers that share nothing with whoever hands them calls but what is pickled, which is kept to be looked at."""

    def __init__(self, ahead: Callable[[dict[str, Any]], None] = lambda _ticket: None) -> None:
        super().__init__(4)
        self.shipped: list[bytes] = []
        self._ahead = ahead

    def submit(self, fn: Any, /, *args: Any, **_options: Any) -> Future[Any]:
        task = pickle.dumps((fn, args))
        self.shipped.append(task)
        return super().submit(self.work, task)

    def work(self, task: bytes) -> Any:
        fn, args = pickle.loads(task)
        self._ahead(args[0])
        answer = pickle.dumps(fn(*args))
        self.shipped.append(answer)
        return pickle.loads(answer)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Workers find nothing in this process, as if they were in another."""
    monkeypatch.setattr(dispatching, "work_here", lambda *_given: None)
    monkeypatch.setattr(dispatching, "work_here_no_more", lambda _ticket: None)
    monkeypatch.setattr(working, "_CALLERS", {})
    yield
    for caller in working._CALLERS.values():
        caller._run.journal.close()


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.api.retry.FIRST_WAIT", 0.002)
    monkeypatch.setattr("gcbulk.api.retry.MOST_WAIT", 0.01)
    monkeypatch.setattr(dispatching, "POLL", 0.05)


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.sqlite3")


def send(executor: Any, journal: str, rows: int = ROWS, **options: Any) -> pd.DataFrame:
    options = {"chunk_size": CHUNK, "concurrency": 4, **options}
    return gcbulk.send_sms(
        jobs.people(rows), jobs.MESSAGE, executor=executor, journal=journal, progress=False, **options
    )


def texts(platform: Sandbox) -> Counter[tuple[str, str]]:
    return Counter((entry.recipient, entry.text) for entry in platform.queued)


def in_doubt(results: pd.DataFrame) -> list[int]:
    return results.index[results["Status"] == "unknown"].tolist()


# -- the same as without one


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("fault", ["http-503-once", "rate-limited", "http-413-together"])
def test_what_workers_are_told_is_judged_as_ever(
    fault: str, platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAULTS, "http-429-once", FAULTS["http-503-once"])
    monkeypatch.setattr(platform, "_on_call", lambda call: fault if call.number in (2, 9) else None)
    with Elsewhere() as executor:
        results = send(executor, journal, max_attempts=30)
    assert set(results["Status"]) == {"accepted"}
    assert texts(platform) == Counter(jobs.expected_texts(ROWS).items())


def test_threads_in_this_process_use_its_client_and_its_sandbox() -> None:
    with ThreadPoolExecutor(2) as pool:
        results = gcbulk.send_sms(jobs.people(30), jobs.MESSAGE, sandbox=True, executor=pool, progress=False)
    assert set(results["Status"]) == {"accepted"}


def test_processes_find_the_journal_and_their_key_themselves(platform: Sandbox, journal: str) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        results = send(pool, journal)
        assert set(results["Status"]) == {"accepted"}
        assert texts(platform) == Counter(jobs.expected_texts(ROWS).items())
        again = send(pool, journal)
    assert again["MessageId"].tolist() == results["MessageId"].tolist()
    assert len(platform.calls) == ROWS // CHUNK


@pytest.mark.usefixtures("elsewhere")
def test_a_worker_reads_files_where_it_is(platform: Sandbox, journal: str, tmp_path: Path) -> None:
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"%PDF-1.4 letter")
    with Elsewhere(lambda _ticket: letter.unlink(missing_ok=True)) as executor:
        results = gcbulk.send_email(
            jobs.people(3), "News", jobs.MESSAGE, attachments=[letter], executor=executor, journal=journal,
            progress=False,
        )  # fmt: skip
        assert set(results["ErrorCode"]) == {"ATTACHMENT_MISSING"}
        letter.write_bytes(b"%PDF-1.4 letter")
        executor._ahead = lambda _ticket: None
        results = gcbulk.resume(results.attrs["campaign"], executor=executor, journal=journal, progress=False)
    assert set(results["Status"]) == {"accepted"}
    assert len(platform.queued) == 3


@pytest.mark.usefixtures("elsewhere")
def test_a_partner_s_workers_have_the_keys_of_its_customers(
    platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcbulk.api.key_store.SCRYPT_COST", 2)
    for name in ("CUSTOMER_ID", "API_KEY"):
        monkeypatch.delenv(f"GCBULK_{name}")
    monkeypatch.setenv("GCBULK_STORE_KEY", "correct horse battery")
    monkeypatch.setenv("GCBULK_PARTNER_KEY", platform.partner_key)
    monkeypatch.setenv("GCBULK_STYLE_CLASS", platform.style_class)
    customers = gcbulk.Customers(platform.url)
    for one in platform.customers.values():
        one.authorised = True
        customers.add(one.id, one.api_key, name=one.name, code=one.code)
    schools = list(platform.customers)
    people = jobs.people(30).assign(school=[schools[n % len(schools)] for n in range(30)])
    gone = customers.key(schools[0])
    assert gone is not None
    with Elsewhere() as executor:
        results = gcbulk.send_sms(
            people, jobs.MESSAGE, customer_column="school", executor=executor, journal=journal, progress=False
        )
    assert set(results["Status"]) == {"accepted"}
    assert not any(gone.reveal().encode() in one for one in executor.shipped)


# -- what is shipped


@pytest.mark.usefixtures("elsewhere")
def test_no_key_and_no_person_is_shipped(platform: Sandbox, journal: str) -> None:
    with Elsewhere() as executor:
        results = send(executor, journal, 40, sender="OakSchool", callback_url="https://example.org/news")
    assert set(results["Status"]) == {"accepted"}
    with Journal(journal) as book:
        (campaign,) = book.campaigns()
    assert campaign.callback_token
    url = campaign_url("https://example.org/news", f"{campaign.id}-{campaign.callback_token}")
    sent = [message for call in platform.calls for message in call.messages]
    assert {(message["SMSSender"], message["CallbackUrl"]) for message in sent} == {("OakSchool", url)}
    together = b"".join(executor.shipped)
    secrets = [platform.api_key, campaign.callback_token, "Parent", "school is closed", "example.org"]
    numbers = results["SentTo"].str.removeprefix("+44")  # however they are written
    assert not [word for word in (*secrets, *numbers, *results["ClientRef"]) if word.encode() in together]


def test_the_journal_s_address_travels_without_a_password() -> None:
    given = "postgresql://anna:the-secret@db.example:5433/gcbulk?password=the-secret&sslmode=require&host=/run/pg"
    assert (
        without_password(journal_url(given))
        == "postgresql://anna@db.example:5433/gcbulk?host=%2Frun%2Fpg&sslmode=require"
    )


def test_what_is_no_executor_is_refused() -> None:
    with pytest.raises(OptionError, match=r"executor must be a concurrent.futures.Executor, .* not a str"):
        gcbulk.send_sms(jobs.people(1), jobs.MESSAGE, sandbox=True, executor="dask")  # type: ignore[arg-type]


class AnotherProcess(Elsewhere):
    """An executor whose processes are elsewhere."""

    def work(self, task: bytes) -> Any:
        fn, _ = pickle.loads(task)
        return ("elsewhere", 1) if fn is working.whereabouts else super().work(task)


def test_workers_elsewhere_see_no_sandbox_of_this_process_s(home: Path) -> None:
    with (
        AnotherProcess() as pool,
        pytest.raises(OptionError, match=r"sandbox=True works with threads .*executor=ThreadPoolExecutor\(8\)"),
    ):
        gcbulk.send_sms(jobs.people(1), jobs.MESSAGE, sandbox=True, executor=pool, progress=False)
    assert len(pool.shipped) == 1


def test_an_executor_that_was_shut_down_is_told_in_its_own_words_before_there_is_a_campaign(
    platform: Sandbox, journal: str
) -> None:
    with ThreadPoolExecutor(2) as pool:
        pass
    with pytest.raises(OptionError, match=r"takes no calls \(RuntimeError: cannot schedule new futures after shutdown"):
        send(pool, journal)
    assert not gcbulk.campaigns(journal=journal).index.size
    assert not platform.calls


# -- workers that cannot


def without_a_key(_ticket: dict[str, Any]) -> None:
    os.environ.pop("GCBULK_API_KEY", None)


def with_another_s_key(_ticket: dict[str, Any]) -> None:
    os.environ["GCBULK_CUSTOMER_ID"] = "7777"


def as_a_partner(_ticket: dict[str, Any]) -> None:
    os.environ.update(GCBULK_PARTNER_KEY="partner-key", GCBULK_STYLE_CLASS="Trust")


def with_another_version(ticket: dict[str, Any]) -> None:
    ticket["version"] = "99.1"


def on_another_machine(ticket: dict[str, Any]) -> None:
    ticket["journal"] = str(ticket["journal"]).replace("journal.sqlite3", "not-here.sqlite3")


def with_another_journal(ticket: dict[str, Any]) -> None:
    on_another_machine(ticket)
    Journal(ticket["journal"]).close()


def with_what_cannot_be_reached(ticket: dict[str, Any]) -> None:
    ticket["journal"] = "postgresql://anna@127.0.0.1:9/gcbulk"


REFUSALS = {
    without_a_key: "No API key for .* was found",
    with_another_s_key: "is customer 7777's, and the run is customer 1469's",
    as_a_partner: "set to send as a partner",
    with_another_version: f"It has gcbulk {gcbulk.__version__}, and this machine 99.1. Install the same version",
    on_another_machine: "does not see the run's journal .*not-here.sqlite3: there is none. .*PostgreSQL",
    with_another_journal: "not-here.sqlite3 is another journal",
    with_what_cannot_be_reached: "127.0.0.1:9/gcbulk cannot be used",
}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("what", REFUSALS, ids=lambda what: what.__name__)
def test_a_worker_that_cannot_make_the_calls_says_why(
    what: Callable[[dict[str, Any]], None], platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GCBULK_PARTNER_KEY", raising=False)  # and whatever a test sets is unset after it
    monkeypatch.delenv("GCBULK_STYLE_CLASS", raising=False)
    with gcbulk.CommunicationsClient() as client, Elsewhere(what) as executor:
        results = send(executor, journal, client=client)
    assert set(results["Status"]) == {"not_sent"}
    assert results["ErrorDetail"].str.contains(REFUSALS[what]).all()
    assert results["ErrorDetail"].str.contains(r"A worker \(.*, process \d+\) cannot make the calls").all()
    assert not platform.calls
    for name in ("GCBULK_PARTNER_KEY", "GCBULK_STYLE_CLASS"):
        os.environ.pop(name, None)
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", platform.customer_id)
    monkeypatch.setenv("GCBULK_API_KEY", platform.api_key)
    working._CALLERS.clear()
    assert set(gcbulk.resume(results.attrs["campaign"], journal=journal, progress=False)["Status"]) == {"accepted"}


class Broken(ThreadPoolExecutor):
    """An executor that does with a call, its fifth one, as it is told."""

    def __init__(self, how: Callable[[Future[Any]], None]) -> None:
        super().__init__(4)
        self.how, self.given = how, -1  # the first only asks whether it takes calls
        self._client: Any = None

    def submit(self, fn: Any, /, *args: Any, **options: Any) -> Future[Any]:
        self.given += 1
        if self.given < 5:
            return super().submit(fn, *args, **options)
        future: Future[Any] = Future()
        self.how(future)
        return future


def refuse(_future: Future[Any]) -> None:
    raise RuntimeError("cannot schedule new futures after shutdown")


BROKEN: dict[str, tuple[Callable[[Future[Any]], None], str]] = {
    "shut down": (refuse, r"The executor failed \(RuntimeError\)"),
    "cancelled": (lambda future: future.cancel() and None, "gave up a call"),
    "cancelled, said so": (lambda future: future.set_exception(CancelledError()), "CancelledError"),
    "no gcbulk there": (lambda future: future.set_exception(ModuleNotFoundError("gcbulk")), "A worker has no gcbulk"),
    "interrupted": (lambda future: future.set_exception(KeyboardInterrupt()), "KeyboardInterrupt"),
    "silent": (lambda _future: None, "has not answered for"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_an_executor_that_breaks_ends_the_run_with_a_sentence(
    how: str, platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks, sentence = BROKEN[how]
    if how == "silent":
        monkeypatch.setattr(starting, "lease", lambda _client: 0.4)
    with Broken(breaks) as executor:
        results = send(executor, journal)
    assert set(results["Status"]) <= {"accepted", "not_sent", "unknown"}
    left = results[results["Status"] == "not_sent"]
    assert len(left) >= ROWS - 8 * CHUNK
    assert left["ErrorDetail"].str.contains(sentence).all()
    assert "shutdown" not in str(set(left["ErrorDetail"]))
    monkeypatch.undo()
    with gcbulk.CommunicationsClient(platform.customer_id, platform.api_key, base_url=platform.url) as client:
        after = gcbulk.resume(results.attrs["campaign"], journal=journal, client=client, progress=False)
    assert set(after["Status"]) <= {"accepted", "unknown"}
    assert max(texts(platform).values()) == 1


def test_answers_that_an_engine_lost_are_not_waited_for_long(
    platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "LOST_SECONDS", 0.1)
    with Broken(lambda _future: setattr(executor._client, "status", "connecting")) as executor:
        executor._client = SimpleNamespace(status="running")  # as Dask's has
        results = send(executor, journal)
    left = results[results["Status"] == "not_sent"]
    assert len(left) >= ROWS - 8 * CHUNK
    assert left["ErrorDetail"].str.contains("The executor has lost its scheduler").all()
    after = gcbulk.resume(results.attrs["campaign"], journal=journal, progress=False)
    assert set(after["Status"]) <= {"accepted", "unknown"}
    assert max(texts(platform).values()) == 1


def test_processes_that_cannot_start_end_the_run(platform: Sandbox, journal: str) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=os._exit, initargs=(1,)) as pool:
        results = send(pool, journal)
    assert set(results["Status"]) == {"not_sent"}
    assert results["ErrorDetail"].str.contains(r"The executor failed \(BrokenProcessPool\)").all()
    assert not platform.calls


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("how", ["Ctrl-C", "a stop asked for elsewhere"])
def test_a_stop_waits_for_the_calls_that_were_handed_over(
    how: str, platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()

    def stop(call: Call) -> str | None:
        if call.number == 6:
            if how == "Ctrl-C":
                _thread.interrupt_main()
            else:
                with Journal(journal) as book:
                    ask_to_stop(book, book.campaigns()[0])
        if call.number >= 6:
            stopped.wait(5)
        return None

    ends = Sender.stop

    def stop_and_tell(self: Sender, code: ErrorCode, detail: str) -> None:
        ends(self, code, detail)
        stopped.set()

    monkeypatch.setattr(Sender, "stop", stop_and_tell)
    monkeypatch.setattr(platform, "_on_call", stop)
    with Elsewhere() as executor:
        results = send(executor, journal)
        assert set(results["Status"]) == {"accepted", "not_sent"}
        assert (results["Status"] == "accepted").sum() == len(platform.queued) <= 10 * CHUNK
        again = gcbulk.resume(results.attrs["campaign"], executor=executor, journal=journal, progress=False)
    assert set(again["Status"]) == {"accepted"}
    assert texts(platform) == Counter(jobs.expected_texts(ROWS).items())


# -- engines that run a task again


class Killed(BaseException):
    """The worker dies here."""


class RunsAgain(Elsewhere):
    """An engine that runs a task again when its worker died, and now and then though its answer was only lost."""

    def __init__(self, seed: int, *, loses_answers: bool = True) -> None:
        super().__init__()
        self.loses_answers = loses_answers
        self.chance, self.lock = random.Random(seed), threading.Lock()

    def dice(self, one_in: int) -> bool:
        with self.lock:
            return self.chance.randrange(one_in) == 0

    def work(self, task: bytes) -> Any:
        while True:
            try:
                answer = super().work(task)
            except Killed:
                continue
            if not (self.loses_answers and self.dice(6)):
                return answer


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("seed", range(8))
def test_a_task_that_is_run_again_sends_nothing_again(
    seed: int, platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = RunsAgain(seed)
    post = gcbulk.CommunicationsClient.post
    killed: list[str] = []

    def dies_now_and_then(self: Any, messages: Any, **options: Any) -> Any:
        if executor.dice(12):
            killed.append("before")
            raise Killed
        result = post(self, messages, **options)
        if executor.dice(12):
            killed.append("after")
            raise Killed
        return result

    monkeypatch.setattr(gcbulk.CommunicationsClient, "post", dies_now_and_then)
    with executor:
        results = send(executor, journal)
        sent = texts(platform)
        while (results["Status"] == "not_sent").any():  # three in a row were lost
            results = gcbulk.resume(results.attrs["campaign"], executor=executor, journal=journal, progress=False)
    assert max(texts(platform).values()) == 1
    assert sent.keys() <= set(jobs.expected_texts(ROWS).items())
    assert set(results["Status"]) <= {"accepted", "unknown"}
    assert len(in_doubt(results)) == len(killed) * CHUNK
    assert len(platform.queued) == ROWS - killed.count("before") * CHUNK


@pytest.mark.usefixtures("elsewhere")
def test_three_calls_in_a_row_that_are_lost_stop_the_run(
    platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_given: Any, **_options: Any) -> Any:
        raise Killed

    monkeypatch.setattr(gcbulk.CommunicationsClient, "post", dies)
    executor = RunsAgain(0, loses_answers=False)
    with executor:
        results = send(executor, journal)
    assert len(in_doubt(results)) == 3 * CHUNK
    assert results["ErrorDetail"].str.contains("Three calls in a row").sum() == ROWS - 3 * CHUNK
    assert results.loc[in_doubt(results), "ErrorDetail"].str.contains("The worker that was sending this was lost").all()


# -- runs that are over


def ticket_of(journal: Journal, run_id: int, platform: Sandbox) -> dict[str, Any]:
    return Ticket(
        version=gcbulk.__version__, journal=journal.address, journal_token=journal_token(journal), run_id=run_id,
        base_url=platform.url, customer_id=platform.customer_id, many=False, by_partner=False, timeout=5.0,
        concurrency=4, send_at=None, reported=False,
    ).as_dict()  # fmt: skip


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("how", ["ended", "its lease ran out", "never known"])
def test_a_worker_claims_nothing_for_a_run_that_is_over(how: str, platform: Sandbox, journal: str) -> None:
    with Journal(journal) as book:
        run = start(book, ["a"])
        ticket = ticket_of(book, run.id + (how == "never known"), platform)
        if how == "ended":
            run.end()
        elif how == "its lease ran out":
            with book.writing() as connection:
                connection.execute(sa.update(runs).values(heartbeat_at=runs.c.heartbeat_at - 2 * run.lease))
        assert call_at_worker(ticket, (0, None, (Status.READY,)), 0) == {"over": True}
        assert book.count_states(run.campaign) == {"ready": 1}
    assert not platform.calls


def test_a_machine_that_slept_while_files_were_read_posts_nothing(
    journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([1_000.0, 1_000.0, 1_000_000.0])

    def read(group: Any, *_given: Any) -> str:
        if group[0].text == "b":
            raise FileChangedError("The file letter.pdf is gone.")
        next(clock)
        return "an email"

    monkeypatch.setattr(calling, "email_of", read)
    with Journal(journal) as book:
        run = start(book, ["a", "b"])
        envelope: Any = "of emails"
        client: Any = None  # which nobody may ask for anything
        caller = calling.Caller(run, client, calling.Manner(envelope=envelope), wall=lambda: next(clock))
        called = caller.call(Order(0, None, (Status.READY,)))
        assert (called.given_back, called.made) == ((0,), False)
        assert book.count_states(run.campaign) == {"ready": 2}
        assert [one.error_code for one in book.records(run.campaign)] == ["STOPPED", "ATTACHMENT_MISSING"]


@pytest.mark.usefixtures("elsewhere")
def test_a_run_that_was_taken_for_dead_goes_on(
    platform: Sandbox, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bury(call: Call) -> str | None:
        if call.number == 4:
            with Journal(journal) as book, book.writing() as connection:
                connection.execute(sa.update(runs).values(ended_at=book.now(connection)))
        return None

    monkeypatch.setattr(platform, "_on_call", bury)
    with Elsewhere() as executor:
        results = send(executor, journal)
    assert set(results["Status"]) == {"accepted"}
    assert texts(platform) == Counter(jobs.expected_texts(ROWS).items())


@pytest.mark.usefixtures("elsewhere")
def test_a_worker_s_late_answer_holds_for_a_call_that_was_given_up(platform: Sandbox, journal: str) -> None:
    with Journal(journal) as book:
        run = start(book, ["a"])
        ticket = ticket_of(book, run.id, platform)
        worker = working._caller(ticket)
        claim = worker._run.claim(0, None, states=(Status.READY,))
        assert claim is not None
        answer = call_at_worker(ticket, (0, None, (Status.READY,)), 1)
        assert [(tally.status, tally.positions) for tally in answer["called"].tallies] == [(Status.UNKNOWN, (0,))]
        run.end()
        assert book.count_states(run.campaign) == {"unknown": 1}
        accepted = gcbulk.campaign.journal.Settlement([(0, "id-0")], Status.ACCEPTED, 1.0)
        worker._run.settle(claim, [accepted], http_status=200)
        assert book.count_states(run.campaign) == {"accepted": 1}


@pytest.mark.usefixtures("elsewhere")
def test_a_worker_whose_machine_slept_gives_back_what_it_claimed(platform: Sandbox, journal: str) -> None:
    with Journal(journal) as book:
        run = start(book, ["a"])
        worker = working._caller(ticket_of(book, run.id, platform))
        clock = iter([1_000.0, 1_000.0 + run.lease])
        worker._wall = lambda: next(clock)
        called = worker.call(Order(0, None, (Status.READY,)))
        assert (called.given_back, called.made) == ((0,), False)
        assert book.count_states(run.campaign) == {"ready": 1}
    assert not platform.calls
