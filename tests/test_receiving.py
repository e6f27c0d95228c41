"""What the receiver understands, what it refuses, and in which words."""

from __future__ import annotations

import json
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import gcbulk
from gcbulk import callbacks
from gcbulk.campaign.callback_url import callback_base, campaign_url
from gcbulk.campaign.journal import Journal, news_of, receiver_noted
from gcbulk.campaign.news import Malformed, read_event
from gcbulk.campaign.receiving import Answer, Receiver
from gcbulk.errors import JournalError, OptionError
from tests.test_callbacks import Caller, called, campaign, written

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["campaign"]  # a fixture

REF = "0f8fad5b-d9cb-469f-a165-70867728950e"
Campaign = tuple[str, str, list[str]]


def read(**fields: Any) -> Any:
    return read_event(1, json.dumps({"Status": "Delivered", "ClientRef": REF, **fields}).encode(), {})


def test_the_vendor_s_example() -> None:
    body = {
        "MessageId": "1469.20250704.02516506506657265717-e0684dbcb71f402ab39d4d6b86d44cbb",
        "Status": "Delivered",
        "Timestamp": "2025-07-15T17:29:12.1234567Z",
        "Recipient": "+447700900123",
        "ClientRef": REF.upper(),
        "Units": 1,
        "CustomerId": "1469",
    }
    event = read_event(7, json.dumps(body).encode(), {"sentid": "other", "err": "{err}", "status": "{status}"})
    assert event == (
        7,
        "Delivered",
        "delivered",
        datetime(2025, 7, 15, 17, 29, 12, 123456, tzinfo=UTC).timestamp(),
        None,
        1,
        body["MessageId"],
        REF,
        "+447700900123",
    )


def test_the_older_pages_parameters() -> None:
    parameters = {"sentid": "1469.2025", "clientref": REF, "status": "Failed", "err": "Absent subscriber", "units": "2"}
    event = read_event(1, b"", parameters | {"contactid": "", "recipient": "07700 900123"})
    assert (event.status, event.delivery, event.error, event.units) == ("Failed", "failed", "Absent subscriber", 2)
    assert (event.message_id, event.client_ref, event.address) == ("1469.2025", REF, "+447700900123")
    assert event.happened_at is None


@pytest.mark.parametrize(
    "written_as",
    [
        "+447700900123",
        "447700900123",
        "07700900123",
        "00447700900123",
        "07700 900 123",
        "+44 (0)7700-900123",
        7700900123,
    ],
)
def test_numbers_written_differently_are_one(written_as: str | int) -> None:
    assert read(Recipient=written_as).address == "+447700900123"


@pytest.mark.parametrize("no_number", ["", None, "parent 17", "x" * 5_000, [], "\ud800", "+", "💬"])
def test_a_recipient_that_is_no_number_is_left_out(no_number: Any) -> None:
    assert read(Recipient=no_number).address is None


@pytest.mark.parametrize(
    ("word", "delivery"),
    [
        ("Delivered", "delivered"),
        ("DELIVRD", "delivered"),
        ("delivered_to_handset", "delivered"),
        (" Undelivered ", "failed"),
        ("Delivery  Failed", "failed"),
        ("REJECTD", "failed"),
        ("Expired", "expired"),
        ("In Queue", "pending"),
        ("Sent", "pending"),
        ("Quarantined", "other"),
        ("配信済み", "other"),
        (7, "other"),
    ],
)
def test_status_words(word: Any, delivery: str) -> None:
    event = read(Status=word)
    assert event.delivery == delivery
    assert event.status == " ".join(str(word).split())


@pytest.mark.parametrize(
    ("units", "kept"), [(1, 1), ("3", 3), (0, 0), (-1, None), ("x", None), (1e9, None), (None, None), (10**30, None)]
)
def test_units(units: Any, kept: int | None) -> None:
    assert read(Units=units).units == kept


@pytest.mark.parametrize(
    ("timestamp", "seconds"),
    [
        ("2026-11-24T08:30:00Z", 1795509000.0),
        ("2026-11-24T08:30:00.0000009Z", 1795509000.0),
        ("2026-11-24T08:30:00", 1795509000.0),
        ("2026-11-24T09:30:00+01:00", 1795509000.0),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("10000-01-01T00:00:00Z", None),
        (1795509000, None),
    ],
)
def test_timestamps(timestamp: Any, seconds: float | None) -> None:
    found = read(Timestamp=timestamp).happened_at
    assert found == seconds if seconds is None else found == pytest.approx(seconds, abs=1e-5)


def test_words_of_others_become_one_line_of_plain_text() -> None:
    event = read(Status="Odd\r\n\x00\u202eword\ud800", err="<b>" + "é" * 1_000)
    assert event.status == "Odd word"
    assert event.error.startswith("<b>é")
    assert len(event.error) == 300


@pytest.mark.parametrize(
    "fields", [{"Status": ""}, {"Status": None}, {"Status": "{status}"}, {"ClientRef": None}, {"ClientRef": "MSG-1"}]
)
def test_news_without_status_or_reference_is_none(fields: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read(**fields)


@pytest.mark.parametrize("bad", ["null", "None", "MSG-1", "undefined", 7, "0" * 500, "\ud800"])
def test_an_identifier_that_is_none_does_not_spoil_the_other(bad: Any) -> None:
    event = read(ClientRef=bad, MessageId="1469.2025")
    assert (event.client_ref, event.message_id) == (None, "1469.2025")
    parameters = {"status": "Sent", "clientref": str(bad), "sentid": "1469.2025"}
    assert read_event(1, b"", parameters).message_id == "1469.2025"
    assert read_event(1, json.dumps({"ClientRef": bad}).encode(), parameters | {"clientref": REF}).client_ref == REF


@pytest.mark.parametrize("bad", ["null", "None", "; DROP", "x" * 500])
def test_a_message_id_that_is_none_does_not_spoil_the_reference(bad: str) -> None:
    event = read(MessageId=bad)
    assert (event.client_ref, event.message_id) == (REF, None)


# -- over WSGI


def test_every_shape_is_written_and_answered_alike(campaign: Campaign) -> None:
    journal, path, refs = campaign
    with called(journal) as (call, book):
        parameters = urlencode({"clientref": refs[0], "status": "Delivered", "units": 1})
        assert call(path, method="GET", query=parameters) == (200, b"Written down.\n")
        assert call(path, query=parameters)[0] == 200
        assert call(path, parameters.encode(), content_type="application/x-www-form-urlencoded")[0] == 200
        assert call(path, json.dumps({"ClientRef": refs[0], "Status": "Sent"}).encode(), content_type="")[0] == 200
        assert call(f"/another/base{path}/", method="GET", query=parameters)[0] == 200
        assert call(path, json.dumps({"Status": "Failed"}).encode(), query=urlencode({"clientref": refs[1]}))[0] == 200
        news = list(news_of(book, book.campaign("trip")))
    assert [one.position for one in news] == [0, 0, 0, 0, 0, 1]
    results = gcbulk.campaign_results("trip", journal=journal)
    assert results["DeliveryStatus"].tolist()[:3] == ["delivered", "failed", "pending"]
    assert results["DeliveredAt"].notna().tolist() == [True] + [False] * 19


def test_older_news_never_replaces_newer_and_final_stays_final(campaign: Campaign) -> None:
    journal, path, refs = campaign
    now = datetime.now(UTC).timestamp()

    def at(seconds: float) -> str:
        return datetime.fromtimestamp(now + seconds, UTC).isoformat().replace("+00:00", "0Z")

    stories = [
        [("Delivered", 60), ("Failed", 50)],
        [("Failed", 50), ("Delivered", 60)],
        [("Delivered", 50), ("Failed", 60)],
        [("Delivered", 50), ("Sent", 60)],
        [("Sent", 40), ("Quarantined", 60), ("In Queue", 50)],
        [("Expired", 50), ("Sent", 20), ("Delivered", 90), ("Expired", 60)],
    ]
    with called(journal) as (call, book):
        for ref, story in zip(refs, stories, strict=False):
            for status, seconds in story:
                body = {"ClientRef": ref, "Status": status, "Timestamp": at(seconds)}
                assert call(path, json.dumps(body).encode())[0] == 200
        assert written(book) == sum(map(len, stories))
    results = gcbulk.campaign_results("trip", journal=journal).head(len(stories))
    assert results["DeliveryStatus"].tolist() == ["delivered", "delivered", "failed", "delivered", "other", "delivered"]
    assert results["DeliveryError"].fillna("").tolist() == ["", "", "", "", "Quarantined", ""]


@pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")
def test_a_purged_campaign_says_so_and_writes_nothing(campaign: Campaign, caplog: pytest.LogCaptureFixture) -> None:
    journal, path, refs = campaign
    body = json.dumps({"ClientRef": refs[0], "Status": "Delivered", "Recipient": "+447400000000"}).encode()
    with called(journal) as (call, book):
        assert call(path, body)[0] == 200
        gcbulk.purge("trip", journal=journal)
        assert call(path, body) == (410, b"This campaign was purged: nothing more is written about it.\n")
        assert written(book) == 0
    with called(journal) as (call, _):
        assert call(path, body)[0] == 410
    assert "campaign 'trip' was refused: the campaign was purged" in caplog.text
    assert "447400" not in caplog.text


def test_too_much_news_that_fits_no_row_is_told_once(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gcbulk.campaign.journal.events.UNMATCHED_A_ROW", 2)
    monkeypatch.setattr("gcbulk.campaign.journal.events.MOST_UNMATCHED", 1)
    journal, path, refs = campaign
    with called(journal) as (call, _):
        body = json.dumps({"MessageId": "1469.unheard-of", "Status": "Sent"}).encode()
        assert [call(path, body)[0] for _ in range(44)] == [200] * 41 + [429] * 3  # two for each row, and one
        assert call(path, json.dumps({"ClientRef": refs[0], "Status": "Sent"}).encode())[0] == 200
    (record,) = caplog.records
    assert record.getMessage().startswith("Campaign 'trip' keeps as much news that fits no one row as it may")


def test_a_receiver_on_another_journal_than_the_send_says_so(
    campaign: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, path, refs = campaign
    body = json.dumps({"ClientRef": refs[0], "Status": "Delivered"}).encode()
    with called(str(tmp_path / "another.sqlite3")) as (call, _):
        assert [call(path, body)[0] for _ in range(30)] == [404] * 30
    (record,) = caplog.records
    assert "another.sqlite3" in record.getMessage()
    assert "this receiver is on another journal than the send" in record.getMessage()
    assert path.rpartition("/")[2] not in record.getMessage()


def test_a_send_with_no_receiver_on_its_journal_is_warned(platform: gcbulk.Sandbox) -> None:
    import pandas as pd

    people = pd.DataFrame({"mobile": ["07700 900123"]})
    with pytest.warns(gcbulk.GcbulkWarning, match=r"No receiver .* was ever started on the journal .*journal\.sqlite3"):
        gcbulk.send_sms(people, "Hello", callback_url="http://127.0.0.1:9/x", progress=False)
    assert len(platform.queued) == 1


def test_strangers_and_news_are_capped_apart(campaign: Campaign) -> None:
    journal, path, refs = campaign
    body = json.dumps({"ClientRef": refs[0], "Status": "Delivered"}).encode()
    clock = [100.0]
    with Journal(journal) as book:
        receiver = Receiver(book, strangers_per_second=5, news_per_second=20, clock=lambda: clock[0])
        call = Caller(callbacks.CallbackApp(lambda: receiver))
        assert [call("/news/9-x", body)[0] for _ in range(8)] == [404] * 5 + [429] * 3
        # its token was never seen before, and its first news gets through
        assert [call(path, body)[0] for _ in range(22)] == [200] * 20 + [429] * 2
        clock[0] += 0.5
        assert [call(path, body)[0] for _ in range(12)] == [200] * 10 + [429] * 2
        assert [call("/news/9-x", body)[0] for _ in range(3)] == [404] * 2 + [429]
        assert written(book) == 30


def test_a_journal_that_cannot_be_written_is_no_yes(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, path, refs = campaign
    body = json.dumps({"ClientRef": refs[0], "Status": "Delivered"}).encode()

    def full(*_arguments: object) -> Any:
        raise JournalError("The disk is full.")

    with called(journal) as (call, book):
        with monkeypatch.context() as patch:
            patch.setattr("gcbulk.campaign.journal.take", full)
            for _ in range(5):
                assert call(path, body) == (503, b"The journal cannot be written at this moment. Try again later.\n")
        assert [record.getMessage()[:21] for record in caplog.records] == ["The disk is full. Unt"]
        assert written(book) == 0
        assert call(path, body)[0] == 200


def test_what_waits_together_is_one_transaction(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, path, refs = campaign
    from gcbulk.campaign import journal as journals

    sizes: list[int] = []
    first_is_writing, may_write = threading.Event(), threading.Event()
    take = journals.take

    def counted(book: Journal, events: Any) -> Any:
        first_is_writing.set()
        assert may_write.wait(30)
        sizes.append(len(events))
        return take(book, events)

    monkeypatch.setattr(journals, "take", counted)
    with called(journal) as (call, book), ThreadPoolExecutor(9) as pool:
        bodies = [json.dumps({"ClientRef": ref, "Status": "Delivered"}).encode() for ref in refs[:9]]
        answers = [pool.submit(call, path, bodies[0])]
        assert first_is_writing.wait(30)
        answers += [pool.submit(call, path, body) for body in bodies[1:]]
        together = call.application._opened()._together
        while len(together._waiting) < 8:
            pass
        may_write.set()
        assert [answer.result(30)[0] for answer in answers] == [200] * 9
        assert sizes == [1, 8]
        assert written(book) == 9


def test_loud_where_somebody_was_believed_not_to_be_told(
    platform: gcbulk.Sandbox, caplog: pytest.LogCaptureFixture, home: Path
) -> None:
    import pandas as pd

    from gcbulk.campaign.journal import callback_token, note_receiver

    people = pd.DataFrame({"mobile": ["07700 900901"]})  # refused
    refused = gcbulk.send_sms(people, "Hello", campaign="trip", progress=False)
    assert refused["Status"].tolist() == ["rejected"]
    with Journal() as book:
        note_receiver(book, "http://127.0.0.1:9")
        token = callback_token(book, book.campaign("trip"), "http://127.0.0.1:9")
    caplog.clear()
    body = {"ClientRef": refused["ClientRef"].iloc[0], "Status": "Delivered", "Recipient": "07700900901"}
    with called(str(home / "journal.sqlite3")) as (call, _):
        assert call(f"/{token}", json.dumps(body).encode())[0] == 200
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'trip', row 1 was rejected, but the platform reported on it" in record.getMessage()
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        results = gcbulk.resume("trip", progress=False)
    assert results["Status"].tolist() == ["accepted"]
    assert "refused it at first" in results["ErrorDetail"].iloc[0]
    assert results["MessageId"].notna().all()


# -- addresses and ports


@pytest.mark.parametrize(
    "url",
    [
        "http://texts.example.org/x",
        "ftp://texts.example.org",
        "texts.example.org",
        "https://",
        "https://user:secret@example.org/",
        "https://example.org/#x",
        "https://example.org/?to={recipient}",
        "https://exa mple.org/",
        "https://example.org:port/",
        "https://example.org/\n",
        "   ",
    ],
)
def test_addresses_that_cannot_be_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match=r"callback_url \(--callback-url\)") as refused:
        callback_base(url)
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("GCBULK_CALLBACK_URL", url)
    with pytest.raises(OptionError, match="GCBULK_CALLBACK_URL"):
        callback_base(None)


def test_the_address_of_a_campaign() -> None:
    filled = "sentid={sentid}&clientref={clientref}&status={status}&err={err}&units={units}"
    assert campaign_url("https://example.org", "1-t") == f"https://example.org/1-t?{filled}"
    assert campaign_url("https://example.org:8443/a/b/", "1-t") == f"https://example.org:8443/a/b/1-t?{filled}"
    assert campaign_url("https://example.org/f?code=x%3D", "1-t") == f"https://example.org/f/1-t?code=x%3D&{filled}"


def test_the_token_is_no_part_of_what_a_campaign_is(platform: gcbulk.Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    from gcbulk.campaign.journal import note_receiver

    with Journal() as book:
        note_receiver(book, "https://example.org")
    people = pd.DataFrame({"mobile": ["07700 900910", "07700 900123"]})
    monkeypatch.setenv("GCBULK_CALLBACK_URL", "http://127.0.0.1:9/env")
    platform.stop()
    stopped = gcbulk.send_sms(people, "Hello", campaign="trip", progress=False, max_attempts=1)
    assert set(stopped["Status"]) == {"not_sent"}
    platform.start()
    monkeypatch.delenv("GCBULK_CALLBACK_URL")
    monkeypatch.setattr("gcbulk.api.retry.FIRST_WAIT", 0.001)
    again = gcbulk.send_sms(people, "Hello", campaign="trip", progress=False, chunk_size=1)
    assert set(again["Status"]) == {"accepted"}
    urls = {str(entry.callback_url) for entry in platform.queued}
    assert len(urls) == 1
    assert urls.pop().startswith("http://127.0.0.1:9/env/1-")
    with Journal() as book:
        known = book.campaign("trip")
        assert known.callback_token is not None
        assert known.callback_token not in repr(known)


def test_a_port_in_use_and_a_public_url_that_is_not_https(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=rf"Port {port} of 127\.0\.0\.1 cannot be used"):
            callbacks.serve(tmp_path / "j.sqlite3", port=port, public_url="https://example.org")
    with pytest.raises(OptionError, match=r"--public-url http://example\.org is refused"):
        callbacks.serve(tmp_path / "j.sqlite3", port=0, public_url="http://example.org")


def test_the_wsgi_app_uses_the_journal_of_the_environment(campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, path, refs = campaign
    monkeypatch.setenv("GCBULK_JOURNAL", journal)
    monkeypatch.setenv("GCBULK_CALLBACK_URL", "https://example.org/news")
    application = callbacks.CallbackApp(callbacks._open_from_environment)
    assert isinstance(callbacks.app, callbacks.CallbackApp)
    body = json.dumps({"ClientRef": refs[0], "Status": "Delivered"}).encode()
    assert Caller(application)(path, body)[0] == 200
    assert application._receiver is not None
    application._receiver._journal.close()
    with Journal(journal) as book:
        assert receiver_noted(book) == "https://example.org/news"
        assert written(book) == 1


def test_answers_repeat_nothing_and_name_their_status() -> None:
    assert len({answer.words for answer in Answer}) == len(Answer)
    assert {answer.status for answer in Answer} == {200, 400, 404, 410, 413, 429, 503}
    assert all(answer.words.endswith(".") for answer in Answer)
