"""Sending through trouble: each fault on some calls of a run, in both delivery modes, server against results."""

from __future__ import annotations

import gc
import socket
import threading
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign.calling import Caller
from gcbulk.campaign.journal import ClaimedRow, Journal, Run
from gcbulk.campaign.journal.tables import recipients
from gcbulk.campaign.sending import Sender
from gcbulk.codes import ErrorCode
from gcbulk.errors import JournalError
from gcbulk.sandbox import FAULTS, Sandbox
from tests import jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from gcbulk.campaign.calling import Called
    from gcbulk.campaign.journal import Claim, Ending
    from gcbulk.campaign.lanes import Work
    from gcbulk.sandbox import Call

ROWS, CHUNK, CONCURRENCY = 100, 10, 3
MODES = ("at_most_once", "at_least_once")
CULPRIT = 34  # a row in the fourth call, whose fault strikes
ITS_CALL = range(30, 40)
FOREVER = 1_000_000


@pytest.fixture(autouse=True)
def no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.api.retry.FIRST_WAIT", 0.002)
    monkeypatch.setattr("gcbulk.api.retry.MOST_WAIT", 0.01)
    monkeypatch.setitem(FAULTS, "http-429-once", FAULTS["http-503-once"])  # whose Retry-After is not a whole second


def numbers_of(call: Call) -> set[str]:
    return {person["MobileNumber"] for message in call.messages for person in message["Recipients"]}


class Strikes:
    """A fault for each call that holds the culprit's number, so many times."""

    def __init__(self, fault: str, times: int, *, row: int = CULPRIT) -> None:
        self.fault, self.left, self.number = fault, times, f"+4474{row:08}"

    def __call__(self, call: Call) -> str | None:
        if self.number not in numbers_of(call) or not self.left:
            return None
        self.left -= 1
        return self.fault


class Trial:
    """One run against a sandbox of its own, and what both sides know of it afterwards."""

    def __init__(self, on_call: Callable[[Call], str | None] | None, **options: Any) -> None:
        options = {"chunk_size": CHUNK, "concurrency": CONCURRENCY, "max_attempts": 3, **options}
        rows = options.pop("rows", ROWS)
        self.timeout = options.pop("timeout", 10.0)
        self.people, self.expected = jobs.people(rows), jobs.expected_texts(rows)
        with Sandbox(on_call=on_call, hang_seconds=5.0, slow_seconds=0.3) as self.platform:
            self.results = self.send(**options)
        self.texts = Counter((entry.recipient, entry.text) for entry in self.platform.queued)

    def send(self, **options: Any) -> pd.DataFrame:
        with gcbulk.CommunicationsClient(
            self.platform.customer_id, self.platform.api_key, base_url=self.platform.url, timeout=self.timeout
        ) as client:
            return gcbulk.send_sms(self.people, jobs.MESSAGE, client=client, progress=False, **options)

    def rows(self, status: str) -> list[int]:
        return self.results.index[self.results["Status"] == status].tolist()

    def codes(self, rows: Iterator[int] | range | list[int]) -> set[object]:
        return set(self.results["ErrorCode"].iloc[list(rows)].dropna())

    def check(self, *, once: bool = True) -> None:
        """Nothing twice, the right text to the right number, nobody lost, nothing claimed that is not so."""
        results, queued = self.results, {number for number, _ in self.texts}
        assert (results["MessageId"].notna() ^ results["ErrorCode"].notna()).all()
        assert len(results) == len(self.people)
        assert self.texts.keys() <= set(self.expected.items())
        if once:
            assert max(self.texts.values(), default=1) == 1
        accepted = set(results.loc[results["Status"] == "accepted", "SentTo"])
        doubtful = set(results.loc[results["Status"] == "unknown", "SentTo"])
        assert accepted <= queued <= accepted | doubtful
        by_ref = {entry.client_ref: entry.recipient for entry in self.platform.queued}
        for row in results[results["Status"] == "accepted"].to_dict("records"):
            assert by_ref[row["ClientRef"]] == row["SentTo"]
            assert row["MessageId"] in {e.message_id for e in self.platform.queued if e.recipient == row["SentTo"]}


PASSING = ("http-429-once", "http-503-once", "rate-limit-call-once", "rate-limited")


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("fault", PASSING)
def test_what_was_certainly_not_taken_is_tried_again(fault: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=2), delivery=delivery)
    trial.check()
    assert trial.rows("accepted") == list(range(ROWS))
    assert len(trial.platform.calls) == ROWS // CHUNK + 2


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("fault", PASSING)
def test_what_is_refused_for_too_long_is_not_sent(fault: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=FOREVER), delivery=delivery)
    trial.check()
    assert set(trial.results["Status"].iloc[ITS_CALL]) == {"not_sent"}
    assert trial.codes(ITS_CALL) == {"RATE_LIMITED"}
    assert set(trial.results["Status"]) == {"accepted", "not_sent"}
    assert Strikes(fault, 0).number not in {number for number, _ in trial.texts}


@pytest.mark.parametrize("delivery", MODES)
def test_only_the_rate_limited_messages_of_a_call_are_tried_again(delivery: str) -> None:
    limited = "+447700900910"
    people = pd.DataFrame({"name": ["A", "B", "C"], "mobile": ["07700 900101", limited, "07700 900102"]})
    with Sandbox() as platform, client_of(platform) as client:
        results = gcbulk.send_sms(people, jobs.MESSAGE, client=client, progress=False, delivery=delivery)
        assert results["Status"].tolist() == ["accepted"] * 3
        assert [numbers_of(call) for call in platform.calls][1:] == [{limited}]
        assert max(Counter(entry.recipient for entry in platform.queued).values()) == 1


def test_a_message_that_is_always_put_off_holds_up_nobody_else() -> None:
    limited = "+447700900911"
    numbers = [f"07700 900{n}" for n in (911, *range(101, 160))]
    people = pd.DataFrame({"name": numbers, "mobile": numbers})
    options: dict[str, Any] = {"max_attempts": 2, "concurrency": 1, "progress": False}
    stop_at: list[int] = [3]
    with (
        Sandbox(on_call=lambda call: "permission-denied" if call.number in stop_at else None) as platform,
        client_of(platform) as client,
    ):
        first = gcbulk.send_sms(people, jobs.MESSAGE, client=client, chunk_size=5, campaign="trip", **options)
        assert (first["Status"] == "not_sent").sum() > 40
        results = gcbulk.resume("trip", client=client, **options)
    assert results["Status"].tolist() == ["not_sent", *["accepted"] * 59]
    assert results["ErrorCode"].iloc[0] == "RATE_LIMITED"
    assert limited not in {entry.recipient for entry in platform.queued}


def client_of(platform: Sandbox, **options: Any) -> gcbulk.CommunicationsClient:
    return gcbulk.CommunicationsClient(platform.customer_id, platform.api_key, base_url=platform.url, **options)


@pytest.mark.parametrize("delivery", MODES)
def test_a_call_too_large_is_halved(delivery: str) -> None:
    trial = Trial(Strikes("http-413-together", times=FOREVER), delivery=delivery)
    trial.check()
    assert trial.rows("accepted") == list(range(ROWS))
    assert len(trial.platform.calls) > ROWS // CHUNK + 4


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize(("fault", "code"), [("http-413", "TOO_LARGE"), ("data-invalid", "DATA_INVALID")])
def test_the_culprit_alone_is_rejected(fault: str, code: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=FOREVER), delivery=delivery)
    trial.check()
    assert trial.rows("rejected") == [CULPRIT]
    assert trial.codes([CULPRIT]) == {code}
    assert len(trial.rows("accepted")) == ROWS - 1


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize(("fault", "code"), [("http-413", "TOO_LARGE"), ("data-invalid", "DATA_INVALID")])
def test_the_culprit_is_found_among_the_recipients_of_one_message(fault: str, code: str, delivery: str) -> None:
    people = jobs.people(20)
    with Sandbox(on_call=Strikes(fault, FOREVER, row=7)) as platform, client_of(platform) as client:
        results = gcbulk.send_sms(
            people, "School is closed.", client=client, progress=False, delivery=delivery, share_identical=True
        )
        assert results.index[results["Status"] == "rejected"].tolist() == [7]
        assert results["ErrorCode"].tolist()[7] == code
        assert (results["Status"] == "accepted").sum() == 19
        assert Counter(Counter(e.recipient for e in platform.queued).values()) == {1: 19}


def test_malformed_data_in_the_first_call_is_told_from_a_wrong_key_by_the_credential_test() -> None:
    trial = Trial(Strikes("data-invalid", times=FOREVER, row=3))
    trial.check()
    assert trial.rows("rejected") == [3]
    assert len(trial.rows("accepted")) == ROWS - 1
    assert "+447700900000" in {number for call in trial.platform.calls for number in numbers_of(call)}


@pytest.mark.parametrize("delivery", MODES)
def test_a_wrong_key_stops_the_run_at_its_first_call(delivery: str) -> None:
    with Sandbox() as platform:
        client = gcbulk.CommunicationsClient(platform.customer_id, "another-key", base_url=platform.url)
        results = gcbulk.send_sms(
            jobs.people(60), jobs.MESSAGE, client=client, progress=False, delivery=delivery, concurrency=8
        )
        assert set(results["Status"]) == {"not_sent"}
        assert set(results["ErrorCode"]) == {"AUTH_INVALID"}
        assert len(platform.calls) == 2  # the first call, and the credential test
        assert not platform.queued


STOPPING = {
    "permission-denied": "PERMISSION_DENIED",
    "permission-denied-each": "PERMISSION_DENIED",
    "partner-refused-each": "PARTNER_NOT_AUTHORISED",
    "http-400": "HTTP_REFUSED",
    "http-401": "HTTP_REFUSED",
    "http-403": "HTTP_REFUSED",
    "http-404": "HTTP_REFUSED",
    "http-407": "HTTP_REFUSED",
    "redirect-301": "HTTP_REFUSED",
    "redirect-307": "HTTP_REFUSED",
    "redirect-308": "HTTP_REFUSED",
}


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("fault", STOPPING)
def test_a_refusal_of_the_whole_call_stops_the_run(fault: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=FOREVER), delivery=delivery)
    trial.check()
    assert set(trial.results["Status"]) == {"accepted", "not_sent"}
    assert set(trial.results["Status"].iloc[ITS_CALL]) == {"not_sent"}
    assert set(trial.results["ErrorCode"].dropna()) == {STOPPING[fault]}
    assert len(trial.platform.calls) < ROWS // CHUNK
    assert not any(call.path.endswith("redirected") for call in trial.platform.calls)


def test_what_a_refusal_left_is_sent_when_it_is_mended() -> None:
    trial = Trial(Strikes("permission-denied", times=1))
    left = len(trial.rows("not_sent"))
    assert left > 0
    with Sandbox(port=int(trial.platform.url.rpartition(":")[2])) as platform, client_of(platform) as client:
        results = gcbulk.resume(trial.results.attrs["campaign"], client=client, progress=False)
        assert set(results["Status"]) == {"accepted"}
        again = Counter((entry.recipient, entry.text) for entry in platform.queued)
    assert not again.keys() & trial.texts.keys()
    assert again.total() == left


UNKNOWN = (
    "reset",
    "reset-all-queued",
    "close-all-queued",
    "cut-connection",
    "http-500",
    "http-500-all-queued",
    "http-500-half-queued",
    "http-502-all-queued",
    "http-504-all-queued",
    "http-201-all-queued",
    "http-418",
    "redirect-302",
    "redirect-303",
    "null",
    "empty-array",
    "object",
    "no-refs-short",
    "no-refs-long",
    "array-long",
    "html",
    "cut-json",
    "ok-without-id",
    "id-without-ok",
)


@pytest.mark.parametrize("fault", UNKNOWN)
def test_an_unknown_outcome_stays_unknown(fault: str) -> None:
    trial = Trial(Strikes(fault, times=1))
    trial.check()
    assert trial.rows("unknown") == list(ITS_CALL)
    assert trial.codes(ITS_CALL) == {"OUTCOME_UNKNOWN"}
    assert len(trial.rows("accepted")) == ROWS - CHUNK
    assert len(trial.platform.calls) == ROWS // CHUNK


@pytest.mark.parametrize("fault", UNKNOWN)
def test_at_least_once_tries_an_unknown_outcome_again(fault: str) -> None:
    trial = Trial(Strikes(fault, times=2), delivery="at_least_once")
    trial.check(once=False)
    assert trial.rows("accepted") == list(range(ROWS))
    assert len(trial.platform.calls) == ROWS // CHUNK + 2
    twice = {number for (number, _), count in trial.texts.items() if count > 1}
    assert twice <= {f"+4474{row:08}" for row in ITS_CALL}


@pytest.mark.parametrize("delivery", MODES)
def test_no_answer_within_the_timeout(delivery: str) -> None:
    trial = Trial(Strikes("hang", times=1), delivery=delivery, timeout=1.0)
    trial.check(once=delivery == "at_most_once")
    assert trial.rows("unknown") == (list(ITS_CALL) if delivery == "at_most_once" else [])
    assert len(trial.rows("accepted")) == ROWS - len(trial.rows("unknown"))


def test_at_least_once_gives_up_and_says_unknown() -> None:
    trial = Trial(Strikes("http-500-all-queued", times=FOREVER), delivery="at_least_once")
    trial.check(once=False)
    assert trial.rows("unknown") == list(ITS_CALL)
    assert max(trial.texts.values()) == 3


@pytest.mark.parametrize("delivery", MODES)
def test_an_answer_missing_from_the_array_leaves_its_own_row_unknown(delivery: str) -> None:
    trial = Trial(Strikes("array-short", times=1), delivery=delivery)
    trial.check(once=delivery == "at_most_once")
    assert trial.rows("unknown") == ([ITS_CALL[-1]] if delivery == "at_most_once" else [])
    twice = {number for (number, _), count in trial.texts.items() if count > 1}
    assert twice == (set() if delivery == "at_most_once" else {f"+4474{ITS_CALL[-1]:08}"})


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("fault", ["array-reversed", "no-refs", "slow"])
def test_odd_but_whole_answers_are_matched(fault: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=FOREVER), delivery=delivery)
    trial.check()
    assert trial.rows("accepted") == list(range(ROWS))


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("no-recipients", "INVALID_RECIPIENTS"),
        ("no-recipients-error", "INVALID_RECIPIENTS"),
        ("nulls", "INVALID_RECIPIENTS"),
        ("ok-zero", "INVALID_RECIPIENTS"),
        ("too-long", "MESSAGE_TOO_LONG"),
        ("invalid-characters", "INVALID_CHARACTERS"),
        ("unknown-words", "UNKNOWN_ERROR"),
    ],
)
def test_a_no_is_final(fault: str, code: str, delivery: str) -> None:
    trial = Trial(Strikes(fault, times=1), delivery=delivery)
    trial.check()
    assert trial.rows("rejected") == list(ITS_CALL)
    assert trial.codes(ITS_CALL) == {code}


@pytest.mark.parametrize("delivery", MODES)
def test_fewer_queued_than_sent_is_partly_accepted_and_never_resent(delivery: str) -> None:
    people = pd.DataFrame({"mobile": ["07700 900101", "07700 900000", "07700 900102"]})
    with Sandbox() as platform, client_of(platform) as client:
        results = gcbulk.send_sms(
            people, "Closed.", client=client, progress=False, share_identical=True, delivery=delivery
        )
        assert set(results["Status"]) == {"partly_accepted"}
        assert results["MessageId"].notna().all()
        assert results["ErrorDetail"].str.contains("2 of the 3").all()
        assert len(platform.calls) == 1


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("fault", ["http-500", "html", "reset"])
def test_an_outage_does_not_eat_the_list(fault: str, delivery: str) -> None:
    answered = threading.Event()

    def fails_later(_call: Call) -> str | None:
        if answered.is_set():
            return fault
        answered.set()
        return None

    trial = Trial(fails_later, delivery=delivery, rows=600, max_attempts=2)
    trial.check(once=delivery == "at_most_once")
    assert len(trial.rows("unknown")) <= (3 + CONCURRENCY) * CHUNK
    assert len(trial.rows("accepted")) == CHUNK
    not_sent = trial.rows("not_sent")
    assert len(not_sent) == 600 - CHUNK - len(trial.rows("unknown"))
    assert trial.codes(not_sent) == {"STOPPED"}


def test_the_first_call_goes_alone_until_it_is_answered() -> None:
    first_may_end, seen = threading.Event(), []

    def on_call(call: Call) -> str | None:
        seen.append(call)
        if len(seen) == 1:
            first_may_end.wait(0.5)
            assert len(seen) == 1
        return None

    assert Trial(on_call).rows("accepted") == list(range(ROWS))
    assert len(seen) == ROWS // CHUNK


def test_calls_that_follow_at_once_are_claimed_along_with_a_settlement(monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[Ending] = []
    both = Run.settle_and_claim
    monkeypatch.setattr(Run, "settle_and_claim", lambda run, some: (together.extend(some), both(run, some))[1])
    monkeypatch.delattr(Run, "settle")  # a call that was made is never settled apart
    trial = Trial(None)
    trial.check()
    assert len(together) == ROWS // CHUNK
    assert sum(one.wanted is None for one in together) <= CONCURRENCY


def test_calls_that_are_answered_meanwhile_are_settled_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    settled: list[int] = []
    write_down, both = Caller._write_down, Run.settle_and_claim

    def slow(caller: Caller, turn: Any) -> None:
        def at_once(run: Run, some: Sequence[Ending]) -> list[Claim | None]:
            settled.append(len(some))
            ends = time.monotonic() + 0.5  # a disk that is slower than the other calls
            while len(settled) > 1 and len(caller._answered) < CONCURRENCY - 1 and time.monotonic() < ends:
                time.sleep(0.005)
            return both(run, some)

        monkeypatch.setattr(Run, "settle_and_claim", at_once)
        write_down(caller, turn)

    monkeypatch.setattr(Caller, "_write_down", slow)
    Trial(None).check()
    assert sum(settled) == ROWS // CHUNK
    assert 1 < max(settled) <= CONCURRENCY


@pytest.fixture
def judged_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What concerns the whole run takes half a second to be seen to, in which others may work."""
    see_to = Sender._see_to

    def late(sender: Sender, work: Work, called: Called) -> None:
        if not called.is_plain:
            with sender._others_turn():
                time.sleep(0.5)
        see_to(sender, work, called)

    monkeypatch.setattr(Sender, "_see_to", late)


@pytest.mark.usefixtures("judged_late")
def test_no_call_starts_while_a_refusal_is_on_its_way_to_be_seen_to() -> None:
    trial = Trial(lambda call: "http-400" if call.number == 4 else None)
    assert set(trial.codes(trial.rows("not_sent"))) >= {"HTTP_REFUSED"}
    assert len(trial.platform.calls) <= 4 + CONCURRENCY


@pytest.mark.usefixtures("judged_late")
def test_an_answer_that_stops_the_run_is_judged_before_those_written_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    see_written = Caller._see_written

    def together(caller: Caller, *given: Any) -> None:
        ends = time.monotonic() + 5.0
        alone = not caller.calls  # as the first goes
        while not (alone or given[0].written or len(caller._answered) > 1) and time.monotonic() < ends:
            time.sleep(0.005)
        see_written(caller, *given)

    def plain_first(call: Call) -> str | None:
        time.sleep(0.1 * (call.number == 3))
        return "http-400" if call.number == 3 else None

    monkeypatch.setattr(Caller, "_see_written", together)
    trial = Trial(plain_first, concurrency=2)
    trial.check()
    assert len(trial.platform.calls) == 3
    assert len(trial.rows("accepted")) == 2 * CHUNK


def test_what_cannot_be_written_is_told_by_all_whose_answers_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_run: Run, _some: Sequence[Ending]) -> list[Claim | None]:
        raise JournalError("The journal cannot be used: the disk is full.")

    monkeypatch.setattr(Run, "settle_and_claim", fails)
    with pytest.raises(gcbulk.GcbulkError, match="the disk is full"):
        Trial(None)
    (name,) = gcbulk.campaigns()["Campaign"]
    states = gcbulk.campaign_results(name)["Status"].value_counts().to_dict()
    assert states == {"unknown": CHUNK, "not_sent": ROWS - CHUNK}


def test_an_answer_is_written_down_whatever_fails_while_it_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_given: object) -> None:
        raise RuntimeError("a defect of ours")

    monkeypatch.setattr(Sender, "_judge", fail)
    with pytest.raises(RuntimeError, match="a defect of ours"):
        Trial(None)
    (name,) = gcbulk.campaigns()["Campaign"]
    assert gcbulk.campaign_results(name)["Status"].value_counts().to_dict() == {
        "accepted": CHUNK,
        "not_sent": ROWS - CHUNK,
    }


def test_three_unknown_first_calls_stop_the_run_one_after_the_other() -> None:
    trial = Trial(lambda _call: "http-500-all-queued")
    trial.check()
    print([(c.number, c.fault) for c in trial.platform.calls], trial.results["Status"].value_counts())
    assert len(trial.platform.calls) == 3
    assert len(trial.rows("unknown")) == 3 * CHUNK


def test_a_pause_that_one_call_is_asked_for_holds_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.campaign.sending.backoff", lambda *_args, **_options: 2.0)
    struck, starts = Strikes("http-503-once", times=1), []
    pause: list[float] = []

    def on_call(call: Call) -> str | None:
        starts.append(time.monotonic())
        fault = struck(call)
        if fault:
            pause.append(time.monotonic())
        return fault

    trial = Trial(on_call, concurrency=2)
    assert trial.rows("accepted") == list(range(ROWS))
    asked = pause[0]
    # what was under way when the answer came has had time to arrive
    assert not [start for start in starts if asked + 0.8 < start < asked + 1.99]


def test_calls_per_second_are_kept() -> None:
    began = time.monotonic()
    trial = Trial(None, calls_per_second=25)
    assert trial.rows("accepted") == list(range(ROWS))
    assert time.monotonic() - began >= (ROWS // CHUNK - 1) / 25


def refused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("delivery", MODES)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_platform_that_cannot_be_reached(scheme: str, delivery: str) -> None:
    with Sandbox() as platform:  # which speaks no TLS
        port = refused_port() if scheme == "http" else int(platform.url.rpartition(":")[2])
        client = gcbulk.CommunicationsClient("1469", "key", base_url=f"{scheme}://127.0.0.1:{port}")
        results = gcbulk.send_sms(
            jobs.people(60), jobs.MESSAGE, client=client, progress=False, delivery=delivery, max_attempts=3
        )
        assert set(results["Status"]) == {"not_sent"}
        assert set(results["ErrorCode"]) == {"NETWORK_ERROR"}
        assert not platform.calls


@pytest.mark.parametrize("delivery", MODES)
def test_a_platform_that_comes_back_is_tried_again(delivery: str, monkeypatch: pytest.MonkeyPatch) -> None:
    port = refused_port()
    platform = Sandbox(port=port)
    waits: list[int] = []

    def wait(attempt: int, **_options: Any) -> float:
        waits.append(attempt)
        if len(waits) == 2:
            platform.start()
        return 0.0

    monkeypatch.setattr("gcbulk.campaign.sending.backoff", wait)
    client = gcbulk.CommunicationsClient("1469", "sandbox-key-not-secret", base_url=f"http://127.0.0.1:{port}")
    try:
        results = gcbulk.send_sms(
            jobs.people(60), jobs.MESSAGE, client=client, progress=False, delivery=delivery, concurrency=1
        )
    finally:
        platform.stop()
    assert set(results["Status"]) == {"accepted"}
    assert waits == [1, 2]
    assert Counter(Counter(entry.recipient for entry in platform.queued).values()) == {1: 60}


def test_sending_off_the_main_thread() -> None:
    found: list[Trial] = []
    worker = threading.Thread(target=lambda: found.append(Trial(None)))
    worker.start()
    worker.join(60)
    assert found[0].rows("accepted") == list(range(ROWS))


def test_every_fault_of_the_sandbox_is_tried_here() -> None:
    tried = {*PASSING, *STOPPING, *UNKNOWN, "http-413-together", "http-413", "data-invalid", "hang", "array-short"}
    tried |= {"array-reversed", "no-refs", "slow", "no-recipients", "no-recipients-error", "nulls", "ok-zero"}
    tried |= {"too-long", "invalid-characters", "unknown-words", "rate-limited-once", "skipped"}
    of_delivery = {name for name in FAULTS if name.startswith("delivery-")} | {"dropped", "none", "data-invalid-each"}
    assert tried | of_delivery == set(FAULTS)


def test_an_interrupt_while_the_workers_start_leaves_none_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    called = threading.Event()

    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            if self.name == "gcbulk-1":
                called.wait(0.3)  # which is long enough for a worker that does not wait for the others
                raise KeyboardInterrupt

    monkeypatch.setattr("gcbulk.campaign.sending.threading.Thread", Interrupted)
    trial = Trial(lambda _call: called.set())
    assert set(trial.results["Status"]) == {"not_sent"}
    assert not trial.platform.calls


def test_what_other_runs_have_is_left_to_them_at_once(
    platform: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, claimed, claim = str(tmp_path / "journal.sqlite3"), [], Run.claim

    def counted(run: Run, number: int, *given: Any, **options: Any) -> Any:
        claimed.append(number)
        return claim(run, number, *given, **options)

    def another_run_is_quick(call: Call) -> None:
        if call.number == 3:
            with Journal(path) as book, book.writing() as connection:
                gone = recipients.c.batch_number.between(10, 89)
                connection.execute(recipients.update().where(gone).values(state="accepted", message_id="another's"))

    monkeypatch.setattr(Run, "claim", counted)
    monkeypatch.setattr(platform, "_on_call", another_run_is_quick)
    results = gcbulk.send_sms(
        jobs.people(100),
        jobs.MESSAGE,
        chunk_size=1,
        concurrency=1,  # with more, others try some while one looks
        calls_per_second=5_000,
        journal=path,
        progress=False,
    )
    assert set(results["Status"]) == {"accepted"}
    assert len(platform.calls) == 20
    assert len(set(claimed) & set(range(10, 90))) <= 2  # and 78 others are not even tried


def test_rows_are_not_held_while_their_call_is_in_the_air() -> None:
    gc.collect()
    held: list[int] = []

    def look(_call: Call) -> None:
        held.append(sum(isinstance(one, ClaimedRow) for one in gc.get_objects()))

    Trial(look, concurrency=1).check()
    assert held == [0] * (ROWS // CHUNK)


def test_no_call_leaves_after_a_stop_that_came_while_the_journal_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    senders: list[Sender] = []
    start, both = Sender._start_workers, Run.settle_and_claim
    monkeypatch.setattr(Sender, "_start_workers", lambda sender: (senders.append(sender), start(sender))[1])

    def stopped_meanwhile(run: Run, some: Sequence[Ending]) -> list[Claim | None] | None:
        claims = both(run, some)
        assert claims is not None
        assert claims[0] is not None
        (sender,) = senders
        stopping = threading.Thread(target=sender.stop, args=(ErrorCode.STOPPED, "The run was interrupted."))
        stopping.start()
        while not sender._stopped:
            time.sleep(0.001)
        return claims

    monkeypatch.setattr(Run, "settle_and_claim", stopped_meanwhile)
    trial = Trial(None, concurrency=1)
    trial.check()
    assert len(trial.platform.calls) == 1
    assert trial.results["Status"].value_counts().to_dict() == {"accepted": CHUNK, "not_sent": ROWS - CHUNK}
    assert trial.codes(trial.rows("not_sent")) == {"STOPPED"}


def test_a_stopped_call_leaves_what_may_have_been_sent_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(lambda call: "close-all-queued" if call.number == 2 else None, concurrency=1)
    before = trial.results["Status"].value_counts().to_dict()
    assert before["unknown"] == CHUNK
    name = trial.results.attrs["campaign"]
    ready = Caller._ready

    def stopped_meanwhile(caller: Caller, *given: Any) -> Any:
        monkeypatch.setattr(caller, "_stopped", lambda: True)
        return ready(caller, *given)

    monkeypatch.setattr(Caller, "_ready", stopped_meanwhile)
    with Sandbox(port=int(trial.platform.url.rpartition(":")[2])) as platform, client_of(platform) as client:
        see_to = Sender._see_to

        def once(sender: Sender, work: Work, called: Called) -> None:
            sender._stopped = True
            see_to(sender, work, called)

        monkeypatch.setattr(Sender, "_see_to", once)
        results = gcbulk.resume(name, client=client, delivery="at_least_once", concurrency=1, progress=False)
        assert not platform.calls
    assert results["Status"].value_counts().to_dict() == before


@pytest.mark.parametrize("refused", ["http-503-once", "permission-denied", "unknown-words"])
def test_what_may_have_been_sent_stays_unknown_when_a_later_try_is_refused(refused: str) -> None:
    strikes = {3: "close-all-queued"}

    def first_unknown(call: Call) -> str | None:
        if f"+4474{CULPRIT:08}" not in numbers_of(call):
            return None
        return strikes.pop(3, refused)

    trial = Trial(first_unknown, delivery="at_least_once", concurrency=1)
    trial.check()
    assert trial.rows("unknown") == list(ITS_CALL)
    assert trial.codes(ITS_CALL) == {"OUTCOME_UNKNOWN"}
    details = set(trial.results["ErrorDetail"].iloc[list(ITS_CALL)])
    assert len(details) == 1
    assert details.pop().startswith("The last try was certainly not sent, but an earlier one may have been. ")
    name = trial.results.attrs["campaign"]
    with Sandbox(port=int(trial.platform.url.rpartition(":")[2])) as platform, client_of(platform) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", gcbulk.GcbulkWarning)  # that nothing is left, after some refusals
            results = gcbulk.resume(name, client=client, progress=False)
        assert not set(ITS_CALL) & {int(number[-8:]) for call in platform.calls for number in numbers_of(call)}
    assert results.index[results["Status"] == "unknown"].tolist() == list(ITS_CALL)
