"""A partner sends for many: end to end over real HTTP, and whatever happens never under another customer's name."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import make_server

import gcbulk
from gcbulk.api.client import PARTNER_PATH
from gcbulk.api.customers import Customer, Customers, FixedCustomers
from gcbulk.api.partner import Partner
from gcbulk.callbacks import CallbackApp
from gcbulk.campaign.journal import Journal, callback_token, memory, note_receiver
from gcbulk.campaign.receiving import Receiver
from gcbulk.campaign.results import summarise
from gcbulk.sandbox import Call, Sandbox
from gcbulk.sandbox.customers import SandboxCustomer, example_schools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCHOOLS = {"2101": "Oak Primary", "2102": "Elm Academy", "2103": "St Ash's High"}
MESSAGE = "Dear {{ name }}, {{ customer_name }} is closed."


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys in the encrypted file, its passphrase derived quickly; and no long waits."""
    monkeypatch.setenv("GCBULK_STORE_KEY", "correct horse battery")
    monkeypatch.setattr("gcbulk.api.key_store.SCRYPT_COST", 2)
    monkeypatch.setattr("gcbulk.api.retry.FIRST_WAIT", 0.002)
    monkeypatch.setattr("gcbulk.api.retry.MOST_WAIT", 0.01)
    monkeypatch.setattr("gcbulk.campaign.sending.KEY_POLL", 0.01)


@contextmanager
def receiver(journal: Path) -> Iterator[str]:
    """The receiver of callbacks on a free port; its address."""
    with Journal(journal) as book:
        app = CallbackApp(lambda: Receiver(book))
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)
            server.server_close()


@contextmanager
def trust(
    on_call: Callable[[Call], str | None] | None = None, customers: list[SandboxCustomer] | None = None
) -> Iterator[tuple[Sandbox, gcbulk.CommunicationsClient]]:
    """A sandbox whose customers have all authorised, and a partner's client that has their keys."""
    known = customers or example_schools()
    for one in known:
        one.authorised = True
    with Sandbox(customers=known, on_call=on_call, hang_seconds=2.0) as platform:
        given = [(Customer(id=c.id, name=c.name, code=c.code, attributes=c.attributes), c.api_key) for c in known]
        partner = Partner(platform.partner_key, platform.style_class)
        with gcbulk.CommunicationsClient(
            base_url=platform.url, partner=partner, customers=FixedCustomers(given)
        ) as client:
            yield platform, client


def people(rows: int) -> pd.DataFrame:
    schools = list(SCHOOLS.values())
    return pd.DataFrame(
        {
            "mobile": [f"0750{n:07}" for n in range(rows)],
            "name": [f"Parent {n}" for n in range(rows)],
            "school": [schools[n % 3] for n in range(rows)],
        }
    )


def check(results: pd.DataFrame, platform: Sandbox) -> None:
    """Nobody twice, nobody lost, and every text that went said and was sent under its own row's customer."""
    assert (results["MessageId"].notna() ^ results["ErrorCode"].notna()).all()
    queued = {one.client_ref: one for one in platform.queued}
    assert len(queued) == len(platform.queued)
    taken = results[results["Status"] == "accepted"]
    assert set(taken["ClientRef"]) <= set(queued)
    whose = dict(zip(results["ClientRef"], results["CustomerId"], strict=True))
    for ref, one in queued.items():
        assert one.customer_id == whose[ref]
        assert one.message_id.startswith(f"{one.customer_id}.")
    for call in platform.calls:
        assert len({message["CustomerId"] for message in call.messages}) <= 1


def test_three_schools_from_authorisation_to_results(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """3,000 rows; one school changes its key in mid-campaign, one revokes: each row goes once, or says why not."""
    caplog.set_level(logging.DEBUG)
    journal = tmp_path / "journal.sqlite3"
    used: set[str] = set()
    seen = Counter[str]()

    def on_call(call: Call) -> str | None:
        customer = call.messages[0]["CustomerId"]
        seen[customer] += 1
        if (customer, seen[customer]) == ("2101", 20):  # this very call was made with a key that is void by now
            platform.customers["2101"].api_key = "sandbox-key-nobody-was-told-of"
            threading.Timer(0.1, platform.authorise, ("2101", endpoint)).start()
        if (customer, seen[customer]) == ("2102", 25):
            platform.revoke("2102")
        used.update(one.api_key for one in platform.customers.values())
        return None

    with Sandbox(on_call=on_call) as platform, receiver(journal) as url:
        monkeypatch.setenv("GCBULK_BASE_URL", platform.url)
        monkeypatch.setenv("GCBULK_PARTNER_KEY", platform.partner_key)
        monkeypatch.setenv("GCBULK_STYLE_CLASS", platform.style_class)
        endpoint = f"{url}/{Customers().endpoint()}"
        for school in SCHOOLS:
            assert platform.authorise(school, endpoint) == 200
        assert {one.id: one.name for one in Customers().all().values()} == SCHOOLS
        sent = people(3_000)
        results = gcbulk.send_sms(
            sent, MESSAGE, customer_column="school", campaign="closure", journal=journal, progress=False
        )
        check(results, platform)
        statuses = results.groupby("CustomerName")["Status"].value_counts().to_dict()
        assert statuses["Oak Primary", "accepted"] == 1_000
        assert statuses["St Ash's High", "accepted"] == 1_000
        stopped = results[results["Status"] == "not_sent"]
        assert set(stopped["CustomerId"]) == {"2102"}
        assert set(stopped["ErrorCode"]) == {"PARTNER_NOT_AUTHORISED"}
        assert 0 < len(stopped) < 1_000

        assert platform.authorise("2102", endpoint) == 200  # they think better of it
        used.update(one.api_key for one in platform.customers.values())
        results = gcbulk.resume("closure", recipients=sent, journal=journal, progress=False)
        assert set(results["Status"]) == {"accepted"}
        check(results, platform)
        assert Counter(one.recipient for one in platform.queued).most_common(1)[0][1] == 1
        assert not platform.logos_fetched
        used.add(platform.partner_key)
        page = gcbulk.report("closure", journal=journal).html
        shown = [page, caplog.text, results.to_csv(), results.to_html(), repr(Customers().all())]
    assert len(used) >= 6
    for key in used:
        assert not any(key in text for text in shown)
        for file in [*tmp_path.rglob("*")]:
            if file.is_file():
                assert key.encode() not in file.read_bytes(), file


customers_of_rows = st.lists(
    st.sampled_from(["2101", "oak primary", "3281002", " Elm  Academy ", "St Ash's High", "", "Nobody", "7"]),
    min_size=1,
    max_size=40,
)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=customers_of_rows, share=st.booleans(), chunk=st.integers(1, 7), fault=st.sampled_from([None, "http-500"]))
def test_never_under_another_s_name(names: list[str], share: bool, chunk: int, fault: str | None) -> None:
    meant = {
        "2101": "2101",
        "oak primary": "2101",
        "3281002": "2102",
        " Elm  Academy ": "2102",
        "St Ash's High": "2103",
    }
    table = pd.DataFrame({"mobile": [f"0750000{n % 9:04}" for n in range(len(names))], "whose": names})
    strikes = iter([None, fault])
    with trust(lambda _call: next(strikes, None)) as (platform, client):
        results = gcbulk.send_sms(
            table,
            "{{ customer_id }} says hello",
            client=client,
            customer_column="whose",
            chunk_size=chunk,
            share_identical=share,
            progress=False,
            repeat=True,
            journal="sqlite://",
        )
        expected = [meant.get(name) for name in names]
        assert [one if isinstance(one, str) else None for one in results["CustomerId"]] == expected
        unknown = results["CustomerId"].isna()
        assert set(results.loc[unknown, "ErrorCode"]) <= {"CUSTOMER_UNKNOWN", "DUPLICATE"}
        for one in platform.queued:
            assert one.text == f"{one.customer_id} says hello"
        pairs = Counter((one.customer_id, one.recipient) for one in platform.queued)
        assert max(pairs.values(), default=1) == 1
        accepted = results[results["Status"] == "accepted"]
        assert set(zip(accepted["CustomerId"], accepted["SentTo"], strict=True)) <= set(pairs)


REFUSALS = {
    "permission-denied": "PERMISSION_DENIED",
    "partner-refused-each": "PARTNER_NOT_AUTHORISED",
    "data-invalid": "AUTH_INVALID",
    "rate-limit": "RATE_LIMITED",
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_one_customer_s_trouble_is_nobody_else_s(fault: str) -> None:
    def on_call(call: Call) -> str | None:
        name = {"rate-limit": "rate-limited"}.get(fault, fault)
        return name if call.messages[0]["CustomerId"] == "2102" else None

    with trust(on_call) as (platform, client):
        results = gcbulk.send_sms(
            people(120), MESSAGE, client=client, customer_column="school", chunk_size=10, max_attempts=2, progress=False
        )
        check(results, platform)
    elm = results["CustomerId"] == "2102"
    assert set(results.loc[~elm, "Status"]) == {"accepted"}
    assert set(results.loc[elm, "ErrorCode"]) == {REFUSALS[fault]}
    assert set(results.loc[elm, "Status"]) == {"not_sent"}


def test_what_concerns_everybody_stops_everybody() -> None:
    with trust(lambda _call: "http-403") as (platform, client):
        results = gcbulk.send_sms(people(90), MESSAGE, client=client, customer_column="school", progress=False)
        assert set(results["ErrorCode"]) == {"HTTP_REFUSED"}
        assert len(platform.calls) == 1


def test_three_unknown_in_a_row_by_whomever_stop_the_run() -> None:
    with trust(lambda _call: "http-500-all-queued") as (platform, client):
        results = gcbulk.send_sms(
            people(300), MESSAGE, client=client, customer_column="school", chunk_size=10, progress=False
        )
        check(results, platform)
        assert len(platform.calls) == 3
    assert results["Status"].value_counts().to_dict() == {"not_sent": 270, "unknown": 30}


def test_calls_go_by_the_partner_s_route_with_its_brand() -> None:
    with trust() as (platform, client):
        gcbulk.send_sms(people(3), MESSAGE, client=client, customer_column="school", sender="Trust", progress=False)
        assert {(call.path, call.style_class) for call in platform.calls} == {(PARTNER_PATH, platform.style_class)}
        assert platform.partner_key not in repr(client) + repr(client.partner)


def test_one_customer_of_a_partner_s() -> None:
    with trust() as (platform, many):
        one = platform.customers["2101"]
        client = gcbulk.CommunicationsClient("2101", one.api_key, base_url=platform.url, partner=many.partner)
        assert client.send_sms("+447700900123", "Hello").message_id.startswith("2101.")
        results = gcbulk.send_sms(people(2), "Hello", client=client, progress=False)
        assert set(results["Status"]) == {"accepted"}
        assert "CustomerId" not in results.columns
        assert {call.path for call in platform.calls} == {PARTNER_PATH}
        with pytest.raises(gcbulk.OptionError, match="for customer 2101 alone"):
            gcbulk.send_sms(people(2), "Hello", client=client, customer_column="school")


def test_a_partner_must_say_whose_each_row_is() -> None:
    with trust() as (_, client):
        with pytest.raises(gcbulk.OptionError, match="customer_column"):
            gcbulk.send_sms(people(2), "Hello", client=client, progress=False)
        with pytest.raises(gcbulk.RecipientsError, match='no column "skool"'):
            gcbulk.send_sms(people(2), "Hello", client=client, customer_column="skool")
        with pytest.raises(gcbulk.OptionError, match="sends for many"):
            client.send_sms("+447700900123", "Hello")


def test_what_went_for_one_school_goes_for_another_and_not_twice_for_itself() -> None:
    table = pd.DataFrame({"mobile": ["07700900123"] * 2, "school": ["Oak Primary", "Elm Academy"]})
    with trust() as (platform, client):
        results = gcbulk.send_sms(table, "Closed.", client=client, customer_column="school", progress=False)
        assert set(results["Status"]) == {"accepted"}
        assert Counter(one.customer_id for one in platform.queued) == {"2101": 1, "2102": 1}
        more = pd.concat([table, table.assign(mobile="07700900124")])
        other = gcbulk.send_sms(more, "Closed.", client=client, customer_column="school", progress=False)
        assert other["ErrorCode"].tolist()[:2] == ["ALREADY_SENT"] * 2
        assert other["Status"].tolist()[2:] == ["accepted"] * 2


def own(**changes: Any) -> FixedCustomers:
    schools = example_schools()
    given = [Customer(id=c.id, name=c.name, **(changes if c.id == "2101" else {})) for c in schools]
    return FixedCustomers([(one, f"key-of-{one.id}") for one in given])


@pytest.mark.parametrize("urgent", [False, True])
def test_a_customer_s_own_sender_price_and_quiet_hours(urgent: bool) -> None:
    known = own(sender="OakSchool", price_per_part="0.05", quiet_hours="00:00-23:59")
    schools = example_schools()
    for one in schools:
        one.api_key, one.authorised = f"key-of-{one.id}", True
    with Sandbox(customers=schools) as platform:
        partner = Partner(platform.partner_key, platform.style_class)
        client = gcbulk.CommunicationsClient(base_url=platform.url, partner=partner, customers=known)
        options: dict[str, Any] = {"client": client, "customer_column": "school", "sender": "Trust", "urgent": urgent}
        plan = gcbulk.preview(people(6), "Hello", price_per_part="0.03", **options)
        assert [str(cost) for cost in plan.frame["Cost"]] == ["0.05", "0.03", "0.03"] * 2
        assert str(plan.summary()["cost"]) == "0.22"
        results = gcbulk.send_sms(people(6), "Hello", progress=False, **options)
        senders = {one.customer_id: one.sender for one in platform.queued}
    oak = results[results["CustomerId"] == "2101"]
    if urgent:
        assert senders == {"2101": "OakSchool", "2102": "Trust", "2103": "Trust"}
    else:
        assert senders == {"2102": "Trust", "2103": "Trust"}
        assert set(oak["ErrorCode"]) == {"HELD_BACK"}
        assert oak["ErrorDetail"].str.contains("Oak Primary.*quiet hours").all()
        in_two = summarise(results.iloc[:3]) + summarise(results.iloc[3:])
        for words in (str(summarise(results)), str(in_two), str(gcbulk.summary(results))):
            assert re.search(r"HELD_BACK\b.*\s+.*Oak Primary: It is .* within the quiet hours", words)
            assert "--limit" not in words


def test_a_user_s_own_columns_are_kept() -> None:
    table = people(3).assign(CustomerId="mine", customer_region="theirs")
    with trust() as (_, client):
        results = gcbulk.send_sms(
            table, "{{ customer_region }} {{ customer_code }}", client=client, customer_column="school", progress=False
        )
        assert set(results["CustomerId_input"]) == {"mine"}
        assert results["CustomerId"].tolist() == list(SCHOOLS)
        fed_back = gcbulk.preview(results, "Hello", client=client, customer_column="school").frame
        assert list(fed_back.columns).count("CustomerId") == 1


def test_counts_by_customer_in_summary_and_report(tmp_path: Path) -> None:
    table = people(4).assign(school=["Oak Primary", "Elm Academy", "Nowhere", "Oak Primary"])
    book = tmp_path / "journal.sqlite3"
    with trust() as (_, client):
        gcbulk.send_sms(
            table, "Hi", client=client, customer_column="school", campaign="c", journal=book, progress=False
        )
    with Customers(base_url=client.base_url)._changing() as known:
        known["2101"] = Customer(id="2101", name="Oak <Primary>")
    page = gcbulk.report("c", journal=book).html
    assert "Oak &lt;Primary&gt; (2101)" in page
    assert "no known customer" in page


def test_what_failed_is_tried_again_under_its_own_customer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    journal, url = tmp_path / "journal.sqlite3", "http://127.0.0.1:9/news"
    with Journal(journal) as book:
        note_receiver(book, url)
    with trust() as (platform, client):
        results = gcbulk.send_sms(
            people(3),
            MESSAGE,
            customer_column="school",
            campaign="trip",
            client=client,
            journal=journal,
            callback_url=url,
            progress=False,
        )
        with Journal(journal) as book:
            news = Receiver(book)
            campaign = news.admits(callback_token(book, book.campaign("trip"), url))
            assert isinstance(campaign, int)
            for ref, said in zip(results["ClientRef"], ("Delivered", "Failed", "Failed"), strict=True):
                assert news.take(campaign, json.dumps({"ClientRef": ref, "Status": said}).encode(), {}).status == 200
        retry = gcbulk.retry_undelivered("trip", client=client, journal=journal, progress=False)
        again = retry.send()
        assert again["CustomerId"].tolist() == ["2102", "2103"]
        assert again["Status"].tolist() == ["accepted", "accepted"]
        assert [(one.customer_id, one.recipient) for one in platform.queued[3:]] == [
            ("2102", results["SentTo"].iloc[1]),
            ("2103", results["SentTo"].iloc[2]),
        ]
    shown = [str(retry.preview), retry._repr_html_(), repr(client), again.to_html()]
    keys = [platform.partner_key, *(one.api_key for one in platform.customers.values())]
    assert not [key for key in keys for text in shown if key in text]
