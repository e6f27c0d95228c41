"""Emails beside the journal's rules: the command line, delivery news by address, the client alone, a partner's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import gcbulk
from gcbulk.api.client import CommunicationsClient
from gcbulk.campaign.journal import Journal, callback_token
from gcbulk.campaign.receiving import Receiver
from tests.test_cli import Ended, column, run
from tests.test_delivery import URL, listened
from tests.test_partner import store, trust

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gcbulk.sandbox import Sandbox

__all__ = ["listened", "run", "store"]  # fixtures

EMAIL = ("--channel", "email")


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list with an address that is good, one that is not, and one that may be mistyped; the first has a letter."""
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "A1.pdf").write_bytes(b"%PDF-1.4 A1")
    (tmp_path / "letters" / "A3.pdf").write_bytes(b"%PDF-1.4 A3")
    (tmp_path / "letter.md").write_text("Dear **{{ name }}**,\n\nthe report is enclosed.", encoding="utf-8")
    file = tmp_path / "people.csv"
    file.write_text("name,email,upn\nAnn,Ann@Example.org,A1\nBob,bob@,A2\nCy,cy@gamil.com,A3\n", encoding="utf-8")
    return file


# -- the command line


def test_a_list_is_emailed_with_a_file_for_each_row(
    run: Callable[..., Ended], platform: Sandbox, people: Path, tmp_path: Path
) -> None:
    sent = ["send", people, *EMAIL, "--subject", "For {{ name }}", "--body-file", "letter.md"]
    sent += ["--attach", "letters/{{ upn }}.pdf", "--reply-to", "office@example.sch.uk", "--out", "r.csv"]
    asked = run(*sent, typed="yes\n")
    assert "Send these 2 emails?" in asked.err
    assert "may be mistyped" in asked.err
    assert "cy@" not in asked.err  # masked, as numbers are
    assert asked.code == 0, asked.err
    assert column(tmp_path / "r.csv", "Status") == ["accepted", "invalid", "accepted"]
    assert column(tmp_path / "r.csv", "ErrorCode") == ["", "EMAIL_INVALID", ""]
    first, second = platform.queued
    assert (first.recipient, second.recipient) == ("ann@example.org", "cy@gamil.com")
    assert first.text == "<p>Dear <strong>Ann</strong>,</p>\n<p>the report is enclosed.</p>"
    assert [[name for name, *_ in one.attachments] for one in (first, second)] == [["A1.pdf"], ["A3.pdf"]]
    again = run(*sent[:-2], "--yes")
    assert again.code == 5, again.err
    assert len(platform.queued) == 2


def test_a_preview_and_a_dry_run_send_nothing(run: Callable[..., Ended], platform: Sandbox, people: Path) -> None:
    given = [people, *EMAIL, "--subject", "News", "--body-file", "letter.md", "--attach", "letters/{{ upn }}.pdf"]
    shown = run("preview", *given)
    assert shown.code == 0, shown.err
    assert "Sends 2 emails to 2 addresses, with 2 files" in shown.out
    assert "the report is enclosed" in shown.out
    assert run("preview", *given, "--json").data["channel"] == "email"
    assert run("send", *given, "--dry-run", "--json").data["files"] == 2
    assert not platform.calls


def test_addresses_are_validated(run: Callable[..., Ended], people: Path, tmp_path: Path) -> None:
    people.write_text("work,home\nann@example.org,bob@\n", encoding="utf-8")
    checked = run("validate", people, *EMAIL, "--email-column", "home", "--out", "checked.csv")
    assert checked.code == 0, checked.err
    assert column(tmp_path / "checked.csv", "ErrorCode") == ["EMAIL_INVALID"]
    assert run("validate", people, *EMAIL, "--email-column", "work", "--json").data["statuses"] == {"ready": 1}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([*EMAIL, "--message", "x"], "An email needs a subject"),
        ([*EMAIL, "--subject", "x"], "--body-file"),
        ([*EMAIL, "--subject", "x", "--message", "x", "--body-file", "letter.md"], "one of the two"),
        (["--message", "x", "--subject", "x"], "--subject is for emails. Add --channel email."),
        ([*EMAIL, "--subject", "x", "--message", "x", "--attach", "no.pdf"], "The attachment no.pdf is not there"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    given: list[str], sentence: str, run: Callable[..., Ended], platform: Sandbox, people: Path
) -> None:
    ended = run("send", people, *given, "--yes")
    assert ended.code == 2
    assert sentence in ended.complaint
    assert not platform.calls


# -- delivery news


def send(name: str, *addresses: str, **options: Any) -> pd.DataFrame:
    people = pd.DataFrame({"email": addresses})
    given = {"campaign": name, "callback_url": URL, "progress": False, **options}
    return gcbulk.send_email(people, "News", "School is closed.", **given)


def tell(name: str, *news: dict[str, Any]) -> None:
    """Bring news of a campaign as the platform words it."""
    with Journal() as book:
        receiver = Receiver(book)
        campaign = receiver.admits(callback_token(book, book.campaign(name), URL))
        assert isinstance(campaign, int)
        for body in news:
            assert receiver.take(campaign, json.dumps(body).encode(), {}).status == 200


@pytest.mark.usefixtures("listened")
def test_news_finds_its_row_by_the_address_of_a_shared_message() -> None:
    sent = send("news", "ann@example.org", "bob@example.org", share_identical=True)
    (ref,) = set(sent["ClientRef"])
    tell(
        "news",
        {"ClientRef": ref, "Recipient": "BOB@Example.org", "Status": "Failed", "err": "no such user bob@example.org"},
        {"ClientRef": ref, "Recipient": "ann@example.org", "Status": "Delivered"},
    )
    assert gcbulk.campaign_results("news")["DeliveryStatus"].tolist() == ["delivered", "failed"]


# -- the client alone


def test_an_email_from_the_client_alone(sandbox: Sandbox) -> None:
    with CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
        result = client.send_email(
            ["ann@example.org"],
            "News",
            "<p>Closed.</p>",
            reply_to="office@example.sch.uk",
            attachments=[("a.txt", b"A")],
        )
        with pytest.raises(gcbulk.OptionError, match="subject"):
            client.send_email("ann@example.org", "News\nBcc: x@example.org", "x")
        with pytest.raises(gcbulk.CommunicationsError):
            client.send_email("07700900901@example.org", "News", "x")
    (queued,) = sandbox.queued
    assert (queued.recipient, queued.text, queued.message_id) == (
        "ann@example.org",
        "<p>Closed.</p>",
        result.message_id,
    )
    assert [name for name, *_ in queued.attachments] == ["a.txt"]
    assert sandbox.calls[0].messages[0]["EmailReplyToAddress"] == "office@example.sch.uk"


# -- a partner's


def test_a_partner_s_emails_go_on_behalf_of_each_row_s_customer() -> None:
    people = pd.DataFrame(
        {
            "email": ["a@example.org", "b@example.org", "a@example.org", "c@example.org"],
            "school": ["Oak Primary", "Elm Academy", "Elm Academy", "Nowhere"],
        }
    )
    body = "{{ customer_name }} is closed."
    with trust() as (platform, client):
        results = gcbulk.send_email(people, "News", body, client=client, customer_column="school", progress=False)
        whose = {(one.customer_id, one.recipient) for one in platform.queued}
        assert {call.path for call in platform.calls} == {"/api/SendMessage_V3/PartnerRoute"}
        assert {one.text for one in platform.queued} == {
            f"<p>{name} is closed.</p>" for name in ("Oak Primary", "Elm Academy")
        }
    assert whose == {("2101", "a@example.org"), ("2102", "b@example.org"), ("2102", "a@example.org")}
    assert results["Status"].tolist() == ["accepted"] * 3 + ["invalid"]
    assert results["ErrorCode"].iloc[3] == "CUSTOMER_UNKNOWN"
