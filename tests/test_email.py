"""Emails on the rails of texts: the same plan, journal, engine and results, with a subject and files of a row's own."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.api import retry
from gcbulk.campaign.attachments import Attachments
from gcbulk.campaign.either import check_each
from gcbulk.campaign.emails import make_email_plan
from gcbulk.campaign.enclosing import parsed
from gcbulk.campaign.results import summarise
from gcbulk.campaign.sending import Sender
from gcbulk.messages.letter import Letter
from gcbulk.messages.markup import as_html, plain_words
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL
from gcbulk.sandbox import FAULTS, MAGIC_NUMBERS, Sandbox

if TYPE_CHECKING:
    from gcbulk.sandbox import Queued

BODY = "Dear {{ name }}, school is closed."
SLOW = frozenset({"hang", "slow"})  # the transport's own tests wait for these


def families(*addresses: str) -> pd.DataFrame:
    return pd.DataFrame({"name": [f"Parent {n}" for n in range(len(addresses))], "email": list(addresses)})


def send(recipients: pd.DataFrame, subject: str = "News", body: Any = BODY, **options: Any) -> pd.DataFrame:
    return gcbulk.send_email(recipients, subject, body, progress=False, **options)


def pdf(words: object) -> bytes:
    return f"%PDF-1.4 {words}".encode()


def letters(folder: Path, names: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / f"{name}.pdf").write_bytes(pdf(name))
    return folder


def digests(queued: list[Queued]) -> dict[str, list[str]]:
    return {one.recipient: [digest for _, _, digest in one.attachments] for one in queued}


# -- what goes over the wire


def test_an_email_goes_with_all_that_was_said_of_it(platform: Sandbox) -> None:
    results = send(
        families("Ann@Example.org", "bob@", ""),
        "News for {{ name }}",
        "<p>Dear {{ name }}</p>",
        sent_from_name="Oak School",
        sent_from_address="office@example.sch.uk",
        reply_to="head@example.sch.uk",
    )
    assert results["Status"].tolist() == ["accepted", "invalid", "invalid"]
    assert results["ErrorCode"].tolist()[1:] == ["EMAIL_INVALID", "EMAIL_MISSING"]
    assert results["Parts"].isna().all()
    (call,) = platform.calls
    assert call.path == "/api/SendMessage_V3/Email"
    (message,) = call.messages
    assert message | {"ClientRef": "", "CustomerId": ""} == {
        "CustomerId": "",
        "ClientRef": "",
        "Recipients": [{"EmailAddress": "ann@example.org"}],
        "EmailSubject": "News for Parent 0",
        "EmailBody": "<p>Dear Parent 0</p>",
        "EmailSentFromName": "Oak School",
        "EmailSentFromAddress": "office@example.sch.uk",
        "EmailReplyToAddress": "head@example.sch.uk",
    }


def test_cells_are_never_markup(platform: Sandbox) -> None:
    people = pd.DataFrame({"email": ["a@example.org"], "name": ["<Img src=x> & {{ x }} *b*"]})
    for form in ("html", "markdown", "text"):
        with pytest.warns(gcbulk.GcbulkWarning, match="would say {, which came from a cell"):
            send(people, form, "Dear {{ name }} and {{ name | upper }}", body_format=form)
    shown = "&lt;Img src=x&gt; &amp; {{ x }} *b* and &lt;IMG SRC=X&gt; &amp; {{ X }} *B*"
    assert [shown in one.text for one in platform.queued] == [True] * 3


@pytest.mark.parametrize("fault", [fault for fault in MAGIC_NUMBERS.values() if fault.name not in SLOW])
def test_every_fault_means_for_an_email_what_it_means_for_a_text(
    fault: Any, platform: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.002)
    monkeypatch.setattr(retry, "MOST_WAIT", 0.01)
    number = next(number for number, one in MAGIC_NUMBERS.items() if one is fault)
    people = pd.DataFrame(
        {
            "mobile": ["+447700900100", number, "+447700900101"],
            "email": ["a@example.org", f"{number}@example.org", "b@example.org"],
            "name": ["A", "B", "C"],
        }
    )
    options: dict[str, Any] = {"chunk_size": 2, "concurrency": 1, "max_attempts": 2, "journal": "sqlite://"}
    texts = gcbulk.send_sms(people, BODY, progress=False, **options)
    platform.reset()
    emails = send(people, body=BODY, **options)
    columns = ["Status", "ErrorCode"]
    pd.testing.assert_frame_equal(texts[columns], emails[columns])
    assert FAULTS[fault.name] is fault


# -- never twice


def test_the_same_email_goes_once_and_another_subject_or_file_name_is_another_email(
    platform: Sandbox, tmp_path: Path
) -> None:
    people = families("a@example.org", "b@example.org")
    file = tmp_path / "news.pdf"
    file.write_bytes(pdf(1))
    send(people, attachments=[file])
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        send(people, attachments=[file])
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (moved / "news.pdf").write_bytes(pdf(1))
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send. The first email: Sent.*The same message"):
        again = send(people.iloc[:1], attachments=[moved / "news.pdf"])
    assert again["ErrorCode"].tolist() == ["ALREADY_SENT"]
    other = file.rename(tmp_path / "other.pdf")
    assert send(people, attachments=[other])["Status"].tolist() == ["accepted"] * 2
    assert send(people, "Other news", attachments=[other])["Status"].tolist() == ["accepted"] * 2
    assert len(platform.queued) == 6


def test_a_text_and_an_email_of_the_same_words_are_two_things(platform: Sandbox) -> None:
    people = families("a@example.org").assign(mobile="07700 900123")
    assert gcbulk.send_sms(people, BODY, progress=False)["Status"].tolist() == ["accepted"]
    assert send(people)["Status"].tolist() == ["accepted"]


def test_identical_emails_can_share_a_message_and_its_file(platform: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "news.pdf"
    file.write_bytes(pdf("for all"))
    people = families(*(f"p{n}@example.org" for n in range(10)))
    send(people, body="Closed.", attachments=[file], share_identical=True)
    (call,) = platform.calls
    assert [len(message["Recipients"]) for message in call.messages] == [10]
    assert len(platform.queued) == 10


# -- files


@settings(max_examples=12, deadline=None)
@given(order=st.permutations(range(9)), chunk=st.integers(1, 9), shared=st.booleans())
def test_no_file_ever_goes_to_another_rows_recipient(order: list[int], chunk: int, shared: bool) -> None:
    with tempfile.TemporaryDirectory() as made, Sandbox() as sandbox:
        folder = letters(Path(made) / "letters", range(9))
        people = families(*(f"p{n}@example.org" for n in range(9))).assign(upn=range(9)).iloc[order]
        with gcbulk.CommunicationsClient(sandbox.customer_id, sandbox.api_key, base_url=sandbox.url) as client:
            send(
                people,
                body="Closed.",
                client=client,
                journal="sqlite://",
                attachments=[f"{folder}/{{{{ upn }}}}.pdf"],
                chunk_size=chunk,
                share_identical=shared,
                max_call_mb=0.0001,  # four of these emails
            )
        expected = {f"p{n}@example.org": [hashlib.sha256(pdf(n)).hexdigest()] for n in range(9)}
        assert digests(sandbox.queued) == expected
        assert max(len(call.messages) for call in sandbox.calls) <= min(chunk, 4)


def test_files_named_in_a_column_are_each_looked_at_before_anything_is_sent(platform: Sandbox, tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", ["a", "big"])
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "picture.pdf").write_bytes(b"\x89PNG\r\n\x1a\n ...")
    (folder / "big.pdf").write_bytes(pdf("x" * 3000))
    (folder / "run.exe").write_bytes(b"MZ")
    (tmp_path / "secret.pdf").write_bytes(pdf("secret"))
    why = {
        "a.pdf": None,
        "missing.pdf": "is not there",
        "empty.pdf": "is empty",
        "picture.pdf": "is no PDF",
        "big.pdf": "has 4 kB, and one file may have 0.002 MB (max_file_mb)",
        "run.exe": "of a kind that cannot go",
        "../secret.pdf": "outside the folder",
        str(tmp_path / "secret.pdf"): "outside the folder",
        "": "names no file",
    }
    people = families(*(f"p{n}@example.org" for n in range(len(why)))).assign(letter=list(why))
    results = send(people, attachment_column="letter", attachment_folder=folder, max_file_mb=0.002)
    assert results["Status"].tolist() == ["accepted"] + ["invalid"] * 8
    assert set(results["ErrorCode"].iloc[1:]) == {"ATTACHMENT_MISSING"}
    for words, detail in zip(list(why.values())[1:], results["ErrorDetail"].iloc[1:], strict=True):
        assert words in detail
    assert digests(platform.queued) == {"p0@example.org": [hashlib.sha256(pdf("a")).hexdigest()]}


def test_a_file_that_is_named_twice_for_a_row_goes_once(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", ["1", "2"])
    people = families("a@example.org", "b@example.org").assign(letter=["1.pdf", "2.pdf"])
    seen = gcbulk.preview_email(
        people, "News", "Enclosed.", attachments=["1.pdf"], attachment_column="letter", attachment_folder=folder
    )
    assert seen.frame["EmailFiles"].tolist() == ["1.pdf", "1.pdf; 2.pdf"]


def test_one_email_an_address_is_spoken_of_as_such() -> None:
    people = families("a@example.org", "a@example.org")
    with pytest.warns(gcbulk.GcbulkWarning, match="1 email that differs .* is left out .* leave out one_per_address"):
        results = send(people, one_per_address=True, sandbox=True)
    assert "was asked for (one_per_address), so this row was left out." in results["ErrorDetail"].iloc[1]


def test_a_file_is_found_however_its_accents_are_encoded_and_not_by_other_capitals(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", ["Zoe\u0308", "Ana\u00efs", "A4"])
    names = ["Zo\u00eb", "Anai\u0308s", "a4", "a5"]
    if (folder / "a4.pdf").is_file():  # Windows and macOS find it
        names.remove("a4")
    people = families(*(f"p{n}@example.org" for n in range(len(names)))).assign(upn=names)
    seen = gcbulk.preview_email(people, "News", BODY, attachments=[f"{folder}/{{{{ upn }}}}.pdf"]).frame
    assert seen["EmailFiles"].tolist()[:2] == ["Zo\u00eb.pdf", "Ana\u00efs.pdf"]
    assert "a5.pdf is not there." in seen["ErrorDetail"].iloc[-1]
    if "a4" in names:
        assert f"The file {folder}/a4.pdf is not there. There is A4.pdf" in seen["ErrorDetail"].iloc[2]


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_no_other_way_of_writing_a_name_leads_out_of_its_folder(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", [])
    (tmp_path / "secret.pdf").write_bytes(pdf("secret"))
    (folder / "Zoe\u0308.pdf").symlink_to(tmp_path / "secret.pdf")
    people = families("a@example.org").assign(letter="Zo\u00eb.pdf")
    seen = gcbulk.preview_email(people, "News", BODY, attachment_column="letter", attachment_folder=folder).frame
    assert "outside the folder" in seen["ErrorDetail"].iloc[0]


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_file_that_is_not_what_was_planned_holds_back_its_own_row(
    change: str, platform: Sandbox, tmp_path: Path
) -> None:
    folder = letters(tmp_path / "letters", range(3))
    people = families(*(f"p{n}@example.org" for n in range(3))).assign(upn=range(3))
    send(people, attachments=[f"{folder}/{{{{ upn }}}}.pdf"], campaign="news", limit=1)
    if change == "gone":
        (folder / "1.pdf").unlink()
    else:
        (folder / "1.pdf").write_bytes(pdf("7"))
    results = gcbulk.resume("news", progress=False)
    assert results["Status"].tolist() == ["accepted", "not_sent", "accepted"]
    assert results["ErrorCode"].tolist()[1] == "ATTACHMENT_MISSING"
    assert "planned" in results["ErrorDetail"].iloc[1]
    # on a later day the whole list would write to the others again: never the advice
    assert "Or send the held and invalid rows, with the files as they are now" in results["ErrorDetail"].iloc[1]
    assert "settle the unknown ones first (gcbulk settle): they may have it." in results["ErrorDetail"].iloc[1]
    said = "is gone" if change == "gone" else "has changed"
    assert f"1 ATTACHMENT_MISSING: The file 1.pdf {said} since this was planned. Put it" in str(summarise(results))
    (folder / "1.pdf").write_bytes(pdf(1))
    assert gcbulk.resume("news", progress=False, recipients=people)["Status"].tolist() == ["accepted"] * 3
    assert sorted(digests(platform.queued)) == [f"p{n}@example.org" for n in range(3)]


def test_an_email_that_may_have_gone_stays_unknown_when_its_file_has_changed(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", range(2))
    people = families("p0@example.org", "p1@example.org").assign(upn=range(2))
    with (
        Sandbox(on_call=lambda call: "close-all-queued" if call.number == 1 else None) as platform,
        gcbulk.CommunicationsClient(platform.customer_id, platform.api_key, base_url=platform.url) as client,
    ):
        files = [f"{folder}/{{{{ upn }}}}.pdf"]
        before = send(people, attachments=files, campaign="news", client=client, chunk_size=1)
        assert before["Status"].tolist() == ["unknown", "accepted"]
        (folder / "0.pdf").write_bytes(pdf("7"))
        again = gcbulk.resume("news", client=client, delivery="at_least_once", progress=False)
        assert again["Status"].tolist() == ["unknown", "accepted"]
        assert again["ErrorDetail"].iloc[0].startswith("The last try was certainly not sent, but an earlier one may")
        (folder / "0.pdf").write_bytes(pdf(0))
        with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
            gcbulk.resume("news", client=client, progress=False)
        assert len(platform.calls) == 2


def test_a_file_for_everybody_that_cannot_go_stops_it_all(platform: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(gcbulk.OptionError, match=r"letter\.pdf is not there"):
        send(families("a@example.org"), attachments=[tmp_path / "letter.pdf"])
    with pytest.raises(gcbulk.OptionError, match="must be a list of files"):
        send(families("a@example.org"), attachments="letter.pdf")
    assert not platform.calls


def test_a_plan_keeps_paths_and_digests_and_no_bytes(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", ["a"])
    plan = make_email_plan(
        families("a@example.org"),
        Letter("News", BODY),
        intake=IntakeOptions(kind=EMAIL),
        attachments=Attachments(files=[folder / "a.pdf"]),
    )
    assert plan.contents is not None
    subject, (file,) = parsed(plan.contents.iloc[0])
    assert (subject, file.name, file.size) == ("News", "a.pdf", len(pdf("a")))
    assert "JVBER" not in plan.contents.iloc[0]


# -- bad input


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"subject": "News\nBcc: x@example.org"}, "In the subject: Line 1.*a subject cannot hold"),
        ({"sent_from_name": "Oak\r\nBcc: x@example.org"}, "sent_from_name must be a name in a single line"),
        ({"reply_to": "office@example.org\r\n"}, "reply_to must be one email address"),
        ({"sent_from_address": "office@example.org\n"}, "sent_from_address must be one email address"),
        ({"reply_to": "a@example.org\nBcc: b@example.org"}, "reply_to must be one email address"),
        ({"reply_to": "Oak School <office@example.org>"}, "reply_to must be one email address"),
        ({"sent_from_name": "Oak {{ name }}"}, "fields are not filled in there"),
        ({"sent_from_name": "x" * 101}, "up to 100 characters, such as Oak School, not of 101"),
        ({"sent_from_address": "office"}, "sent_from_address must be one email address"),
        ({"body": "<p>x</p>\n<script>alert(1)</script>"}, "Line 2: the body holds <script>"),
        ({"body": "<p onclick='x()'>x</p>"}, "the body holds onclick="),
        ({"body": "<a href='javascript:x()'>x</a>"}, "a link that starts with javascript:"),
        ({"body": "Dear {{ nmae }}"}, "In the body: No column provides {{ nmae }}"),
        ({"body": "  "}, "The body of the email is empty"),
        ({"subject": ""}, "The subject of the email is empty"),
        ({"sender": "OakSchool"}, "sender is no option of emails"),
        ({"number_column": "name"}, "number_column is no option of emails. Use email_column."),
        ({"one_per_number": True}, "Use one_per_address."),
        ({"price_per_part": "0.03"}, "price_per_part is no option of emails.$"),
        ({"attachment_column": "letter"}, 'attachment_column: there is no column "letter"'),
        ({"body_format": "docx"}, "body_format must be"),
    ],
)
def test_what_is_wrong_with_an_email_is_said_in_a_sentence(
    arguments: dict[str, Any], sentence: str, platform: Sandbox
) -> None:
    given = {"subject": "News", "body": BODY, **arguments}
    with pytest.raises(gcbulk.InputError, match=sentence):
        send(families("a@example.org"), given.pop("subject"), given.pop("body"), **given)
    assert not platform.calls


def test_an_address_of_ones_own_that_looks_mistyped_is_asked_about() -> None:
    options = {"reply_to": "office@gamil.com", "sent_from_address": "office@example.org"}
    seen = gcbulk.preview_email(families("a@example.org"), "News", BODY, **options)
    assert "reply_to may be mistyped, and goes out as written. Is gamil.com right?" in str(seen)
    assert "sent_from_address" not in str(seen)


def test_a_line_end_from_a_cell_never_reaches_a_subject(platform: Sandbox) -> None:
    people = families("a@example.org", "b@example.org").assign(name=["Ann", "Bob\r\nBcc: x@example.org"])
    results = send(people, "For {{ name }}")
    assert results["Status"].tolist() == ["accepted", "invalid"]
    assert results["ErrorCode"].iloc[1] == "INVALID_CHARACTERS"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("letter.docx", b"PK\x03\x04", "is a Word document"),
        ("letter.html", b"PK\x03\x04", "is a Word document"),
        ("letter.pdf", b"%PDF-1.4", "is a PDF"),
        ("letter.txt", "Café".encode("cp1252"), "is not UTF-8"),
        ("letter.odd", b"Dear", "of a kind that no body can be"),
        ("missing.txt", None, "cannot be read"),
    ],
)
def test_a_body_file_that_is_no_text(name: str, content: bytes | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(gcbulk.OptionError, match=sentence):
        Letter("News", tmp_path / name)


# -- bodies


@pytest.mark.parametrize(
    ("form", "body", "html"),
    [
        ("text", "Dear {{ name }},\n\n5 < 6 *really*", "<p>Dear {{ name }},</p>\n<p>5 &lt; 6 *really*</p>\n"),
        ("markdown", "# Hi {{ name }}\n\n*x*", "<h1>Hi {{ name }}</h1>\n<p><em>x</em></p>\n"),
        ("markdown", "[see]({{ link }})", '<p><a href="{{ link }}">see</a></p>\n'),
        ("markdown", "{% if a < 5 %}\n\n# Few\n\n{% endif %}", "{% if a < 5 %}<h1>Few</h1>\n{% endif %}"),
        ("markdown", "{{ x | default('a | b') }}", "<p>{{ x | default('a | b') }}</p>\n"),
        ("html", "<p>{{ name }}</p>", "<p>{{ name }}</p>"),
    ],
)
def test_bodies_are_made_html_around_their_fields(form: Any, body: str, html: str) -> None:
    assert as_html(body, form) == html


def test_the_words_of_html_are_read_in_a_terminal() -> None:
    html = "<style>p{}</style><h1>News</h1><ul><li>One</li><li>Two &amp; more</li></ul><p>See <a href='x'>this</a>"
    assert plain_words(html) == "News\n\n- One\n- Two & more\n\nSee this (x)"


# -- looking before sending


def test_the_preview_shows_the_email_where_nothing_can_run_or_be_fetched(tmp_path: Path) -> None:
    folder = letters(tmp_path / "letters", [0])
    people = families("ann@example.org", "bob@example.org").assign(upn=[0, 1])
    seen = gcbulk.preview_email(
        people, "For {{ name }}", "<p>Dear <b>{{ name }}</b></p>", attachments=[f"{folder}/{{{{ upn }}}}.pdf"]
    )
    page, text = seen.to_html(), str(seen)
    assert "sandbox=''" in page
    assert "default-src &#x27;none&#x27;" in page
    assert "&lt;p&gt;Dear &lt;b&gt;Parent 0" in page
    assert "ann@" not in page + text
    assert "Sends 1 email to 1 address, with 1 file (1 kB). 1 of the 2 rows would not be sent." in text
    assert "Dear Parent 0" in text
    assert seen.summary()["files"] == 1
    assert seen.frame["EmailFiles"].tolist() == ["0.pdf", np.nan]


def test_a_trial_goes_to_ones_own_address_alone(platform: Sandbox) -> None:
    people = families("ann@example.org", "bob@example.org")
    tried = send(people, test_to="Me@Example.org")
    assert {one.recipient for one in platform.queued} == {"me@example.org"}
    assert len(tried) == len(platform.queued)
    with pytest.raises(gcbulk.OptionError, match=r"test_to \(--test-to\) is no email address"):
        send(people, test_to="07700 900123")
    assert send(people)["Status"].tolist() == ["accepted"] * 2


# -- a text or an email


def test_a_text_where_it_can_be_else_an_email(platform: Sandbox) -> None:
    people = pd.DataFrame(
        {
            "mobile": ["07700 900123", "020 7946 0123", "", "", "07700 900124"],
            "email": ["a@example.org", "b@example.org", "", "d@example.org", "e@example.org"],
        },
        index=[5, 5, 3, 2, 1],
    )
    how: dict[str, Any] = {"sms": "Closed.", "subject": "News", "body": "Closed.", "progress": False}
    out = ["07700 900124", "nobody@example.org"]
    results = gcbulk.send_message(people, opt_outs=out, campaign="snow", **how)
    pd.testing.assert_frame_equal(results[["mobile", "email"]], people)
    assert results["SentAs"].tolist() == ["sms", "email", "sms", "email", "sms"]
    assert results["Status"].tolist() == ["accepted", "accepted", "invalid", "accepted", "opted_out"]
    assert (results["MessageId"].notna() ^ results["ErrorCode"].notna()).all()
    assert [one.recipient for one in platform.queued] == ["+447700900123", "b@example.org", "d@example.org"]
    assert results.attrs["campaigns"] == ["snow (text)", "snow (email)"]


def test_a_row_that_can_be_told_neither_way_says_what_is_wrong_with_both(platform: Sandbox) -> None:
    people = pd.DataFrame(
        {
            "mobile": ["", "", "020 7946 0123", "07700 900123"],
            "email": ["", "bob@", "a@example.org, b@example.org", ""],
        },
        index=[5, 5, 3, 2],
    )
    results = gcbulk.send_message(people, sms="Closed.", subject="News", body="Closed.", progress=False)
    assert results["Status"].tolist() == ["invalid", "invalid", "invalid", "accepted"]
    says = results["ErrorDetail"].iloc[:3].tolist()
    assert says[0].startswith("There is no number in this row. ")
    for said, address in zip(
        says, ("There is no email address in this row.", "This is not a valid email address.", "several"), strict=True
    ):
        assert address in said.partition(" And by email: ")[2]
    assert gcbulk.campaign_results(results.attrs["campaigns"][0])["ErrorDetail"].iloc[0] == says[0]
    intakes = {"sms": IntakeOptions(), "email": IntakeOptions(kind=EMAIL)}
    assert check_each(people, intakes)["ErrorDetail"].iloc[:3].tolist() == says
    assert "And by email" not in str(gcbulk.validate(people)["ErrorDetail"].tolist())


def test_a_column_says_how_each_row_is_told(platform: Sandbox) -> None:
    people = pd.DataFrame(
        {"mobile": ["07700 900123"] * 3, "email": ["a@example.org"] * 3, "Channel": ["Email", "text", ""]}
    )
    how: dict[str, Any] = {"sms": "Closed.", "subject": "News", "body": "Closed.", "progress": False}
    results = gcbulk.send_message(people, channel_column="Channel", **how)
    assert results["SentAs"].tolist() == ["email", "sms", "sms"]
    assert results["Status"].tolist() == ["accepted", "accepted", "duplicate"]
    with pytest.raises(gcbulk.OptionError, match='row 1 in "Channel" is neither sms nor email'):
        gcbulk.send_message(people.assign(Channel="fax"), channel_column="Channel", **how)


BOTH = pd.DataFrame(
    {"name": ["Ann", "Bob", "Cy", "Bob"], "mobile": ["07700 900123", "", "", ""], "email": ["", *["b@example.org"] * 3]}
)
EITHER: dict[str, Any] = {"sms": "Closed.", "subject": "News", "body": "Closed, {{ name }}.", "progress": False}


def test_who_stops_the_texts_has_stopped_the_emails(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = Sender._start_workers
    presses = iter([True])

    def start(sender: Sender) -> None:
        if next(presses, False):
            raise KeyboardInterrupt
        starts(sender)

    monkeypatch.setattr(Sender, "_start_workers", start)
    results = gcbulk.send_message(BOTH, **EITHER)
    assert not platform.queued
    assert results["Status"].tolist() == ["not_sent", "not_sent", "not_sent", "duplicate"]
    again = gcbulk.send_message(BOTH, **EITHER)
    assert again["Status"].tolist() == ["accepted", "accepted", "accepted", "duplicate"]
    assert len(platform.queued) == 3


def test_emails_that_are_refused_when_the_texts_have_gone_are_told_by_their_rows(platform: Sandbox) -> None:
    gcbulk.send_email(BOTH.tail(1), "Other", "News", campaign="snow (email)", progress=False)
    with pytest.warns(gcbulk.GcbulkWarning, match=r"snow \(email\)"):
        results = gcbulk.send_message(BOTH, campaign="snow", **EITHER)
    assert results["Status"].tolist() == ["accepted", "not_sent", "not_sent", "duplicate"]
    assert (results["MessageId"].notna() ^ results["ErrorCode"].notna()).all()
    assert results["ErrorDetail"].iloc[1].endswith("Mend that, and send again: nobody is told twice.")
    assert [one.recipient for one in platform.queued] == ["b@example.org", "+447700900123"]


def test_a_column_of_the_users_own_that_is_called_sent_as_is_kept(platform: Sandbox) -> None:
    results = gcbulk.send_message(BOTH.assign(SentAs=["post", "sms", "", None]), **EITHER)
    assert results["SentAs_input"].fillna("-").tolist() == ["post", "sms", "", "-"]
    assert results["SentAs"].tolist() == ["sms", "email", "email", "email"]
    again = gcbulk.send_message(results, **{**EITHER, "sms": "Open.", "body": "Open, {{ name }}."})
    assert [name for name in again.columns if name.startswith("SentAs")] == ["SentAs_input", "SentAs"]


def test_a_row_of_either_way_is_called_by_its_place_in_the_whole_list(platform: Sandbox) -> None:
    results = gcbulk.send_message(BOTH, **EITHER)
    assert results["ErrorDetail"].iloc[3].startswith("The same as row 2.")
    assert results.index.equals(BOTH.index)


def test_what_is_warned_of_is_told_at_the_line_that_sends(platform: Sandbox) -> None:
    people = BOTH.assign(name=["Ann", "Bob", "Cy", "Di"], email=["", *["b@gamil.com"] * 3])
    with pytest.warns(gcbulk.GcbulkWarning) as caught:
        gcbulk.send_message(people, one_per_address=True, opt_outs=["07700 900124", "odd"], **EITHER)
    said = " ".join(str(one.message) for one in caught)
    for words in ("is no mobile number", "no column with any address", "may be mistyped", "leave out one_per_address"):
        assert words in said
    assert {one.filename for one in caught} == {__file__}
