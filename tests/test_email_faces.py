"""Emails beside the journal's rules: the command line, delivery news by address, the client alone, a partner's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import gcbulk
from gcbulk.api.client import CommunicationsClient
from gcbulk.campaign.journal import Journal, callback_token, memory
from gcbulk.campaign.plots import delivery_chart
from gcbulk.campaign.receiving import Receiver
from gcbulk.campaign.results import summarise
from gcbulk.recipients.columns import ANNOTATIONS
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
    again = run(*sent[:-2], "--yes", "--json")
    assert again.code == 5, again.err
    assert "parts_accepted" not in again.data
    assert len(platform.queued) == 2


def test_a_preview_and_a_dry_run_send_nothing(run: Callable[..., Ended], platform: Sandbox, people: Path) -> None:
    given = [people, *EMAIL, "--subject", "News", "--body-file", "letter.md", "--attach", "letters/{{ upn }}.pdf"]
    shown = run("preview", *given)
    assert shown.code == 0, shown.err
    assert "Sends 2 emails to 2 addresses, with 2 files" in shown.out
    assert "the report is enclosed" in shown.out
    told = run("preview", *given, "--json").data
    assert (told["channel"], told["files"]) == ("email", 2)
    assert not {"parts", "parts_histogram", "encodings", "cost", "price_per_part"} & told.keys()
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
        ([*EMAIL, "--subject", "x", "--message", "x", "--price-per-part", "0.03"], "--price-per-part is for texts."),
        ([*EMAIL, "--subject", "x", "--message", "x", "--number-column", "upn"], "--number-column is for texts."),
        ([*EMAIL, "--subject", "x", "--message", "x", "--international"], "--international is for texts."),
    ],
)
def test_what_is_wrong_is_one_sentence(
    given: list[str], sentence: str, run: Callable[..., Ended], platform: Sandbox, people: Path
) -> None:
    ended = run("send", people, *given, "--yes")
    assert ended.code == 2
    assert sentence in ended.complaint
    assert not platform.calls


def test_the_opt_out_list_is_of_numbers_and_addresses(run: Callable[..., Ended]) -> None:
    assert run("opt-outs", "add", "07700900123", "'Ann@Example.org").code == 0
    listed = run("opt-outs", "list").out.splitlines()
    assert "Number or address" in listed[0]
    assert [line.split()[0] for line in listed[1:]] == ["+447700900123", "ann@example.org"]


def test_a_check_asks_about_addresses_that_may_be_mistyped(run: Callable[..., Ended], tmp_path: Path) -> None:
    people = pd.DataFrame({"email": ["a@gamil.com", "b@example.org", "c@gamil.com", "bob@"]})
    people.to_csv(tmp_path / "list.csv", index=False)
    said = run("validate", tmp_path / "list.csv", *EMAIL).out
    assert "3 of 4 rows can be emailed" in said
    assert "2  Is gamil.com right? gmail.com is near to it.  (row 1, row 3)" in said
    seen = gcbulk.summary(gcbulk.validate(people, channel="email"))
    assert "2  to look at: Is gamil.com right? gmail.com is near to it. (row 1, row 3)" in str(seen)
    assert "<p>To look at, row 1, row 3: Is gamil.com right?" in seen.to_html()
    assert "to look at" not in str(gcbulk.summary(gcbulk.validate(people.iloc[1:2], channel="email")))


def test_a_check_of_addresses_takes_no_column_of_numbers(run: Callable[..., Ended], people: Path) -> None:
    ended = run("validate", people, *EMAIL, "--number-columns", "upn")
    assert (ended.code, "--number-columns is for texts." in ended.complaint) == (2, True)


@pytest.mark.parametrize("command", ["send", "preview"])
def test_the_help_says_that_emails_are_tried_at_an_address(command: str, run: Callable[..., Ended]) -> None:
    assert "on your own phone; emails at your own address" in " ".join(run(command, "--help").out.split())


@pytest.mark.parametrize("command", ["send", "results", "resume"])
def test_the_help_says_what_the_rows_not_told_need_to_be_in_ones_own_columns(
    command: str, run: Callable[..., Ended]
) -> None:
    said = " ".join(run(command, "--help").out.split())
    assert ("with --recipients LIST, in your own columns" in said) is (command != "send")


def test_a_campaign_is_looked_up_and_gone_on_with_by_its_column_of_addresses(
    run: Callable[..., Ended], platform: Sandbox, people: Path, tmp_path: Path
) -> None:
    people.write_text("work,home\nann@example.org,bob@example.org\n", encoding="utf-8")
    which = ["--email-column", "home"]
    sent = run("send", people, *EMAIL, *which, "--subject", "x", "--message", "x", "--campaign", "news", "--yes")
    assert sent.code == 0, sent.err
    for command in ("results", "resume"):
        ended = run(command, "news", "--recipients", people, *which, "--out", f"{command}.csv")
        assert column(tmp_path / f"{command}.csv", "SentTo") == ["bob@example.org"], ended.err
        assert run(command, "news", "--recipients", people, "--email-column", "work").code == 2
    assert len(platform.queued) == 1


def test_who_is_back_from_the_opt_outs_goes_in_calls_that_are_not_too_big(platform: Sandbox, tmp_path: Path) -> None:
    addresses = [f"p{n}@example.org" for n in range(5)]
    for n in range(5):
        (tmp_path / f"{n}.pdf").write_bytes(b"%PDF-1.4" + b"x" * 992)
    people = pd.DataFrame({"email": addresses, "upn": range(5)})
    options: dict[str, Any] = {"campaign": "news", "progress": False, "max_call_mb": 0.0021, "concurrency": 1}
    files = [f"{tmp_path}/{{{{ upn }}}}.pdf"]
    out = gcbulk.send_email(people, "News", "x", attachments=files, opt_outs=addresses, **options)
    assert out["Status"].tolist() == ["opted_out"] * 5
    results = gcbulk.send_email(people, "News", "x", attachments=files, **options)
    assert results["Status"].tolist() == ["accepted"] * 5
    assert [len(call.messages) for call in platform.calls] == [2, 2, 1]


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
    results = gcbulk.campaign_results("news")
    assert results["DeliveryStatus"].tolist() == ["delivered", "failed"]
    assert "Did not arrive: 1 email was accepted but failed" in str(summarise(results))
    (axes,) = delivery_chart(results).axes
    assert axes.get_title() == "1 of 2 accepted emails delivered"
    assert "no such user b•••@example.org" in gcbulk.report("news").html


def test_looking_back_speaks_of_emails_and_shows_no_address(
    run: Callable[..., Ended], platform: Sandbox, people: Path
) -> None:
    given = ["send", people, *EMAIL, "--subject", "For {{ name }}", "--body-file", "letter.md", "--campaign", "news"]
    assert run(*given, "--attach", "letters/{{ upn }}.pdf", "--reply-to", "office@example.sch.uk", "--yes").code == 0
    html = gcbulk.report("news").html
    for words in (
        "Different addresses",
        "<th>Address</th>",
        "<h2>Emails</h2>",
        "<td>For Ann<",
        "office@example.sch.uk",
    ):
        assert words in html
    for words in ("SMS parts", "ann@example", "numbers", "<strong>"):
        assert words not in html
    results = gcbulk.campaign_results("news", recipients=gcbulk.read_recipients(people))
    shown = gcbulk.summary(results.assign(note="or ann@example.org"))
    assert "b•••" not in shown.to_html()  # what is no address is shown, to be mended
    assert "bob@" in shown.to_html()
    assert "ann@" not in shown.to_html()
    (entry,) = gcbulk.history(number="ANN@example.org").to_dict("records")
    assert entry["Text"] == "For Ann\n\nDear Ann,\n\nthe report is enclosed.\n\n[A1.pdf]"
    assert "the report is enclosed" in run("history", "--number", "ann@example.org").out
    assert len(platform.queued) == 2


@pytest.mark.usefixtures("listened")
def test_what_failed_goes_again_with_its_own_file_or_not_at_all(
    platform: Sandbox, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    for upn in range(3):
        (tmp_path / f"{upn}.pdf").write_bytes(f"%PDF-1.4 {upn}".encode())
    people = pd.DataFrame({"email": [f"p{n}@example.org" for n in range(3)], "upn": range(3)})
    given: dict[str, Any] = {"campaign": "news", "callback_url": URL, "progress": False, "reply_to": "o@example.org"}
    body = "<p>Dear {{ upn }}, {% raw %}{{ not a field }}{% endraw %} &amp; you</p>"
    with pytest.warns(gcbulk.GcbulkWarning, match="not a field }} outside a field"):
        sent = gcbulk.send_email(people, "News {{ upn }}", body, attachments=[f"{tmp_path}/{{{{ upn }}}}.pdf"], **given)
    tell("news", *({"ClientRef": ref, "Status": "Failed"} for ref in sent["ClientRef"].iloc[1:]))
    (tmp_path / "2.pdf").write_bytes(b"%PDF-1.4 3")
    retry = gcbulk.retry_undelivered("news", progress=False)
    assert "Sends 1 email to 1 address, with 1 file" in str(retry.preview)
    assert "Send 1 email again?" in run("retry-undelivered", "news", typed="no\n").err
    assert not {"address", "text", "content"} & {*retry.preview.frame}
    assert run("retry-undelivered", "news", "--yes", "--out", "out.csv", "--not-told", "missed.csv").code == 0
    assert column(tmp_path / "out.csv", "Status") == ["accepted", "invalid"]
    assert column(tmp_path / "out.csv", "ErrorCode") == ["", "ATTACHMENT_MISSING"]
    for file, rows in (("out.csv", 2), ("missed.csv", 1)):
        written = pd.read_csv(tmp_path / file)
        own = [*ANNOTATIONS] if file == "out.csv" else ["Row", *ANNOTATIONS]
        assert (len(written), list(written.columns)) == (rows, own), file
        assert str(tmp_path) not in (tmp_path / file).read_text(encoding="utf-8-sig")
    first, again = platform.calls[0].messages[1], platform.calls[-1].messages[0]
    renewed = {"ClientRef": "", "CallbackUrl": ""}
    assert first | renewed == again | renewed
    assert len(platform.queued) == 4


@pytest.mark.usefixtures("listened")
def test_what_failed_goes_again_when_its_file_is_back_and_never_twice(
    platform: Sandbox, run: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    for upn in range(3):
        (tmp_path / f"{upn}.pdf").write_bytes(f"%PDF-1.4 {upn}".encode())
    people = pd.DataFrame({"email": [f"p{n}@example.org" for n in range(3)], "upn": range(3)})
    files = [f"{tmp_path}/{{{{ upn }}}}.pdf"]
    given: dict[str, Any] = {"campaign": "news", "callback_url": URL, "progress": False, "attachments": files}
    sent = gcbulk.send_email(people, "News", "Enclosed.", **given)
    tell("news", *({"ClientRef": ref, "Status": "Failed"} for ref in sent["ClientRef"].iloc[1:]))
    (tmp_path / "2.pdf").write_bytes(b"%PDF-1.4 3")
    assert run("retry-undelivered", "news", "--yes", "--out", "out.csv").code == 0
    (detail,) = filter(None, column(tmp_path / "out.csv", "ErrorDetail"))
    assert detail.startswith("The file 2.pdf has changed since this was planned. Put it back as it was, and give the")
    assert run("retry-undelivered", "news", "--yes").code == 6  # as before: nothing that can go
    (tmp_path / "2.pdf").write_bytes(b"%PDF-1.4 2")
    late = gcbulk.retry_undelivered("news", progress=False)
    later = gcbulk.retry_undelivered("news", name="later", progress=False)
    ended = run("retry-undelivered", "news", "--yes")
    assert ended.code == 0, ended.complaint
    again = [one.recipient for one in platform.queued[3:]]
    assert again == ["p1@example.org", "p2@example.org"]
    assert late.send()["Status"].tolist() == ["accepted"]  # the campaign that the command has sent meanwhile
    with pytest.raises(gcbulk.CampaignError, match="or they went again"):
        later.send()
    assert run("retry-undelivered", "news", "--yes").code == 2
    assert len(platform.queued) == 5


@pytest.mark.usefixtures("listened")
def test_what_failed_has_not_gone_again_with_a_letter_that_only_has_its_name(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    people = pd.DataFrame({"email": ["a@example.org"], "upn": ["A1"]})
    for term in ("autumn", "spring"):
        (tmp_path / term).mkdir()
        (tmp_path / term / "A1.pdf").write_bytes(f"%PDF-1.4 {term}".encode())
        files = [f"{tmp_path}/{term}/{{{{ upn }}}}.pdf"]
        given: dict[str, Any] = {"campaign": term, "callback_url": URL, "progress": False}
        assert gcbulk.send_email(people, "Report", "Enclosed.", attachments=files, **given)["MessageId"].notna().all()
    tell("autumn", {"ClientRef": gcbulk.campaign_results("autumn")["ClientRef"].iloc[0], "Status": "Failed"})
    assert "Sends 1 email" in str(gcbulk.retry_undelivered("autumn", progress=False).preview)


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
