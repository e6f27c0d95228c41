"""The whole line from Python: any DataFrame in, the same rows out, sent once."""

from __future__ import annotations

import logging
import socket
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil
import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign import connecting
from gcbulk.campaign.journal import Journal, note_receiver
from gcbulk.campaign.journal.tables import campaigns as campaigns_table
from gcbulk.recipients.schema import ResultsSchema

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.sandbox import Sandbox

MESSAGE = "Dear {{ name }}, school is closed today."


def people(*numbers: object) -> pd.DataFrame:
    return pd.DataFrame({"name": [f"Parent {n}" for n in range(len(numbers))], "mobile": list(numbers)})


def send(recipients: pd.DataFrame, message: str = MESSAGE, **options: Any) -> pd.DataFrame:
    return gcbulk.send_sms(recipients, message, progress=False, **options)


def at(number: str) -> str:
    """The address that stands for a number; a number that is too short stands for a broken address."""
    digits = number.replace(" ", "")
    return digits if len(digits) < 11 else f"{digits}@example.org"


def send_email(recipients: pd.DataFrame, message: str = MESSAGE, **options: Any) -> pd.DataFrame:
    if "opt_outs" in options:
        options["opt_outs"] = [at(number) for number in options["opt_outs"]]
    emailed = recipients.assign(email=[at(number) for number in recipients["mobile"]])
    return gcbulk.send_email(emailed, "News", message, progress=False, **options)


both_ways = pytest.mark.parametrize("send", [send, send_email], ids=["sms", "email"])
"""The rules of the journal are those of the channel-blind engine: held by texts and by emails."""


def exactly_one(results: pd.DataFrame) -> bool:
    return bool((results["MessageId"].notna() ^ results["ErrorCode"].notna()).all())


INDEXES = {
    "default": None,
    "labels": pd.Index(["a", "b", "c", "d"]),
    "duplicate labels": pd.Index(["a", "a", "b", "b"]),
    "reversed": pd.RangeIndex(3, -1, -1),
    "dates": pd.date_range("2026-11-23", periods=4),
    "MultiIndex": pd.MultiIndex.from_product([["7A", "7B"], [1, 2]], names=["form", "place"]),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
def test_same_rows_same_order_same_index(index: pd.Index | None, platform: Sandbox) -> None:
    parents = people("07700 900123", "020 7946 0123", "07700900124", "")
    parents["extra"] = pd.Series([1, 2, 3, 4], dtype="Int8")
    if index is not None:
        parents.index = index
    before = parents.copy(deep=True)
    results = send(parents)
    pd.testing.assert_frame_equal(parents, before)
    pd.testing.assert_frame_equal(results[list(parents.columns)], before)
    assert results["Status"].tolist() == ["accepted", "invalid", "accepted", "invalid"]
    assert exactly_one(results)
    ResultsSchema.validate(results)
    sent = {entry.client_ref: (entry.recipient, entry.text, entry.message_id) for entry in platform.queued}
    accepted = results[results["Status"] == "accepted"]
    assert len(sent) == len(platform.queued) == len(accepted)
    for row in accepted.to_dict("records"):
        assert sent[row["ClientRef"]] == (
            row["SentTo"],
            f"Dear {row['name']}, school is closed today.",
            row["MessageId"],
        )


@pytest.mark.parametrize(
    "numbers",
    [
        pd.Series([7700900123.0, np.nan]),
        pd.Series([7700900123, 1], dtype="int64"),
        pd.Series([447700900123, None], dtype="Int64"),
        pd.Series(["07700 900123", pd.NA], dtype="string"),
        pd.Series(["07700900123", None], dtype="category"),
        pd.Series([b"07700900123".decode(), 3.5], dtype="object"),
    ],
    ids=lambda numbers: str(numbers.dtype),
)
def test_numbers_of_any_dtype(numbers: pd.Series, platform: Sandbox) -> None:
    results = send(pd.DataFrame({"name": ["Ann", "Bob"], "mobile": numbers}))
    assert results["SentTo"].iloc[0] == "+447700900123"
    assert results["Status"].tolist() == ["accepted", "invalid"]
    assert results["mobile"].dtype == numbers.dtype
    assert [entry.recipient for entry in platform.queued] == ["+447700900123"]


def test_a_user_s_own_columns_of_our_names_are_kept(platform: Sandbox) -> None:
    parents = people("07700 900123").assign(Status="pupil", Parts="left")
    results = send(parents, "Dear {{ name }}, {{ status }} {{ parts }}")
    assert results["Status_input"].tolist() == ["pupil"]
    assert results["Status"].tolist() == ["accepted"]
    assert [entry.text for entry in platform.queued] == ["Dear Parent 0, pupil left"]


@pytest.mark.usefixtures("platform")
def test_results_fed_back_in_have_their_annotations_replaced() -> None:
    results = send(people("07700 900123", "bad"))
    results.loc[1, "mobile"] = "07700 900124"
    again = send(results)
    assert list(again.columns) == list(results.columns)
    assert again["Status"].tolist() == ["duplicate", "accepted"]
    assert again["ErrorCode"].tolist()[0] == "ALREADY_SENT"


@both_ways
def test_the_same_call_twice_sends_once_and_gives_the_same_results(send: Any, platform: Sandbox) -> None:
    parents = people("07700 900123", "07700 900124")
    first = send(parents)
    with pytest.warns(gcbulk.GcbulkWarning, match=r"was sent on .* use repeat=True"):
        second = send(parents)
    pd.testing.assert_frame_equal(first, second)
    assert len(platform.queued) == 2


@both_ways
def test_a_mended_list_can_be_sent_whole(send: Any, platform: Sandbox) -> None:
    send(people("07700 900123", "0770090012"))
    results = send(people("07700 900123", "07700 900124"))
    assert results["Status"].tolist() == ["duplicate", "accepted"]
    assert len(platform.queued) == 2


@both_ways
def test_siblings_with_their_own_texts_both_get_one(send: Any, platform: Sandbox) -> None:
    results = send(people("07700 900123", "07700 900123"))
    assert results["Status"].tolist() == ["accepted", "accepted"]
    results = send(people("07700 900124", "07700 900124"), "School is closed.")
    assert results["ErrorCode"].tolist()[1] == "DUPLICATE"
    assert "row 1" in results["ErrorDetail"].tolist()[1]
    assert len(platform.queued) == 3


def test_options_reach_the_wire(platform: Sandbox) -> None:
    with Journal() as book:
        note_receiver(book, "http://127.0.0.1:9/x")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    send(people("07700 900123"), sender="Example", send_at=tomorrow, callback_url="http://127.0.0.1:9/x")
    (entry,) = platform.queued
    assert entry.sender == "Example"
    assert str(entry.callback_url).startswith("http://127.0.0.1:9/x/1-")
    assert entry.send_at == tomorrow.isoformat()


def test_sandbox_needs_nothing_and_leaves_nothing(home: Path) -> None:
    results = send(people("07700 900123"), sandbox=True)
    assert results["Status"].tolist() == ["accepted"]
    assert send(people("07700 900123"), sandbox=True)["Status"].tolist() == ["accepted"]
    assert not home.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunk_size": 0}, "chunk_size must be a whole number"),
        ({"chunk_size": 2.5}, "chunk_size must be a whole number"),
        ({"concurrency": True}, "concurrency must be"),
        ({"timeout": float("nan")}, "timeout must be a number above 0"),
        ({"calls_per_second": -1}, "calls_per_second must be"),
        ({"delivery": "exactly_once"}, "delivery must be 'at_most_once' or 'at_least_once'"),
        ({"send_at": "tomorrow"}, "send_at must be a time"),
        ({"send_at": "2020-11-24T08:30"}, "is past"),
        ({"number_column": "phone"}, "phone"),
    ],
)
def test_bad_options_are_refused_before_anything_is_sent(
    options: dict[str, Any], words: str, platform: Sandbox
) -> None:
    with pytest.raises(gcbulk.InputError, match=words):
        send(people("07700 900123"), **options)
    assert platform.calls == []


def test_no_credentials_is_an_error_with_a_way_out() -> None:
    with pytest.raises(gcbulk.CredentialsError, match="gcbulk login"):
        send(people("07700 900123"))


def test_no_key_and_no_person_in_logs(platform: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(people("07700 900123", "bad"))
    assert platform.api_key not in caplog.text
    assert "0900123" not in caplog.text
    assert "Parent" not in caplog.text
    assert "not told, as far as is known: 1 of 2 rows (1 " in caplog.text


def test_drama_numbers_to_production_bring_a_warning(monkeypatch: pytest.MonkeyPatch, platform: Sandbox) -> None:
    monkeypatch.setattr(connecting, "PRODUCTION", platform.url)
    with pytest.warns(gcbulk.GcbulkWarning, match="kept for drama"):
        send(people("07700 900123"))


def test_resume_and_results_with_the_user_s_columns(platform: Sandbox, tmp_path: Path) -> None:
    parents = people(*[f"07700 9001{n:02}" for n in range(30)]).set_index("name", drop=False)
    down = platform.url
    platform.stop()
    with gcbulk.CommunicationsClient(base_url=down, max_attempts=1) as client:
        stopped = gcbulk.send_sms(
            parents, MESSAGE, campaign="trip", client=client, progress=False, max_attempts=1, chunk_size=10
        )
    assert stopped["ErrorCode"].unique().tolist() == ["NETWORK_ERROR"]
    platform.start()
    results = gcbulk.resume("trip", recipients=parents, progress=False)
    assert results["Status"].unique().tolist() == ["accepted"]
    pd.testing.assert_index_equal(results.index, parents.index)
    pd.testing.assert_frame_equal(gcbulk.campaign_results("trip", recipients=parents), results)
    assert len(gcbulk.campaign_results("trip")) == 30
    with pytest.raises(gcbulk.CampaignError, match="not the list"):
        gcbulk.campaign_results("trip", recipients=parents.iloc[::-1])
    assert len(platform.queued) == 30


@both_ways
def test_campaigns_settle_purge(send: Any, platform: Sandbox) -> None:
    assert gcbulk.campaigns().empty
    results = send(people("07700 900944", "07700 900123"), campaign="trip")  # the server fails with a 500
    assert results["Status"].tolist() == ["unknown", "unknown"]
    assert gcbulk.settle("trip", sent=False, rows=[1]) == 1
    assert gcbulk.settle("trip", sent=True) == 1
    after = gcbulk.resume("trip", progress=False)
    assert after["Status"].tolist() == ["accepted", "accepted"]
    assert after["MessageId"].tolist()[0] == f"settled:{after['ClientRef'].tolist()[0]}"
    (listed,) = gcbulk.campaigns().to_dict("records")
    assert (listed["accepted"], listed["StartedBy"]) == (2, f"{psutil.Process().username()} on {socket.gethostname()}")
    assert gcbulk.purge("trip") == ["trip"]
    with pytest.raises(gcbulk.CampaignError, match="was purged"):
        gcbulk.campaign_results("trip")
    assert gcbulk.campaigns().to_dict("records")[0]["accepted"] == 2


def test_nothing_warns_when_all_is_well(platform: Sandbox) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert send(people("07700 900123"))["Status"].tolist() == ["accepted"]
    assert len(platform.queued) == 1


def test_a_preview_shows_what_went_already(platform: Sandbox) -> None:
    send(people("07700 900123"))
    again = gcbulk.preview(people("07700 900123", "07700 900124"), MESSAGE.replace("{{ name }}", "Parent 0"))
    assert again.frame["Status"].tolist() == ["duplicate", "ready"]
    assert again.frame["ErrorCode"].tolist()[0] == "ALREADY_SENT"
    assert "Sent on" in again.frame["ErrorDetail"].tolist()[0]
    assert again.summary()["texts"] == 1
    assert len(platform.calls) == 1


def test_a_preview_without_credentials_shows_the_list_alone(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    send(people("07700 900123"))
    monkeypatch.delenv("GCBULK_API_KEY")
    assert gcbulk.preview(people("07700 900123"), MESSAGE).frame["Status"].tolist() == ["ready"]
    assert len(platform.calls) == 1


def test_a_preview_makes_no_journal(platform: Sandbox, home: Path) -> None:
    gcbulk.preview(people("07700 900123"), MESSAGE)
    assert not home.exists()
    assert not platform.calls


def test_old_campaigns_are_purged_by_themselves_after_a_setting(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(people("07700 900123"), campaign="old", journal=None)
    monkeypatch.setenv("GCBULK_KEEP_DAYS", "0")
    with pytest.raises(gcbulk.OptionError, match="GCBULK_KEEP_DAYS"):
        send(people("07700 900124"))
    monkeypatch.setenv("GCBULK_KEEP_DAYS", "2")
    with Journal() as book, book.writing() as connection:
        connection.execute(sa.update(campaigns_table).values(created_at=campaigns_table.c.created_at - 3 * 86_400))
    send(people("07700 900124"))
    with pytest.raises(gcbulk.CampaignError, match="purged"):
        gcbulk.campaign_results("old")
    assert len(platform.queued) == 2


def test_today_s_date_in_a_name_is_read_by_every_command(platform: Sandbox) -> None:
    send(people("07700 900123"), campaign="absence {date}")
    assert gcbulk.campaign_results("absence {date}")["Status"].tolist() == ["accepted"]


def test_an_age_for_purging(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    send(people("07700 900123"), campaign="trip", journal=None)
    with pytest.raises(gcbulk.OptionError, match="from 1"):
        gcbulk.purge(older_than_days=-5)
    with Journal() as book, book.writing() as connection:
        connection.execute(sa.update(campaigns_table).values(created_at=campaigns_table.c.created_at - 3 * 86_400))
    assert gcbulk.purge() == []
    monkeypatch.setenv("GCBULK_KEEP_DAYS", "2")
    assert gcbulk.purge() == ["trip"]


def test_what_is_no_dataframe_is_told() -> None:
    with pytest.raises(gcbulk.RecipientsError, match="must be a DataFrame, not a list"):
        gcbulk.send_sms(["07700 900123"], "Hello", sandbox=True)  # type: ignore[arg-type]


@both_ways
def test_going_on_keeps_to_the_opt_outs_of_now(send: Any, platform: Sandbox) -> None:
    parents = people("07700 900123", "07700 900124", "07700 900125")
    platform.stop()
    send(parents, opt_outs=["07700 900123"], campaign="trip", max_attempts=1)
    platform.start()
    results = send(parents, opt_outs=["07700 900124"], campaign="trip")
    assert results["Status"].tolist() == ["accepted", "opted_out", "accepted"]
    assert results["Parts"].notna().tolist() == [send is not send_email] * 3
    assert {entry.recipient for entry in platform.queued} == {results["SentTo"].iloc[0], results["SentTo"].iloc[2]}
    assert len(platform.queued) == 2


def test_what_is_unknown_is_not_tried_again_with_whom_opted_out(platform: Sandbox) -> None:
    send(people("07700 900944"), campaign="trip")
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
        results = gcbulk.resume("trip", delivery="at_least_once", opt_outs=["07700 900944"], progress=False)
    assert results["Status"].tolist() == ["opted_out"]
    assert "may have been sent before" in results["ErrorDetail"].item()
    assert len(platform.calls) == 1


def test_who_is_back_from_the_opt_outs_is_not_sent_again_what_may_have_been_sent(platform: Sandbox) -> None:
    parents = people("07700 900944", "07700 900123")
    send(parents, campaign="trip", chunk_size=1)
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
        gcbulk.resume("trip", delivery="at_least_once", opt_outs=["07700 900944"], progress=False)
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
        elsewhere = send(parents, campaign="the same, later that day")
    assert elsewhere["Status"].tolist() == ["unknown", "duplicate"]
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
        results = send(parents, campaign="trip", chunk_size=1)
    assert results["Status"].tolist() == ["unknown", "accepted"]
    assert results["ErrorCode"].tolist()[0] == "OUTCOME_UNKNOWN"
    assert len(platform.calls) == 2


@both_ways
def test_a_campaign_of_an_earlier_day_is_gone_on_with_only_if_somebody_says_so(send: Any, platform: Sandbox) -> None:
    platform.stop()
    send(people("07700 900123"), max_attempts=1)
    platform.start()
    with Journal() as book, book.writing() as connection:
        connection.execute(sa.update(campaigns_table).values(created_at=campaigns_table.c.created_at - 2 * 86_400))
    with pytest.raises(gcbulk.LateError, match="still true"):
        send(people("07700 900123"))
    assert send(people("07700 900123"), late=True)["Status"].tolist() == ["accepted"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda people: gcbulk.send_sms(people, "x", client="no"), "client must be a CommunicationsClient, not a str"),
        (lambda people: gcbulk.preview(people, "x", client="no"), "client must be a CommunicationsClient, not a str"),
        (lambda _people: gcbulk.check_credentials("no"), "client must be a CommunicationsClient, not a str"),  # type: ignore[arg-type]
        (lambda _people: gcbulk.campaign_results(None), "must be the name of a campaign, not None"),  # type: ignore[arg-type]
        (lambda _people: gcbulk.settle("x", sent=True, rows=5), "rows must be positions"),  # type: ignore[arg-type]
        (lambda _people: gcbulk.settle("x", sent="maybe"), "sent must be True or False"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_client_name_or_row_is_a_sentence(call: Any, words: str) -> None:
    with pytest.raises(gcbulk.OptionError, match=words):
        call(pd.DataFrame({"mobile": ["07700 900123"]}))
