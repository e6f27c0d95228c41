"""What must not leave in an email, or not twice: odd names and files, empty bodies, markup from cells."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign.attachments import Attachments, File, FileChangedError, enclose, encoded
from gcbulk.campaign.emails import make_email_plan
from gcbulk.campaign.enclosing import content_of
from gcbulk.campaign.journal import IN_FLIGHT, Journal, memory
from gcbulk.campaign.journal.tables import batches, campaigns, recipients, runs
from gcbulk.codes import Status
from gcbulk.messages.letter import Letter
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.campaign.plan import Plan
    from gcbulk.sandbox import Sandbox


def pdf(words: object) -> bytes:
    return f"%PDF-1.4 {words}".encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["a\r\nBcc: x.pdf", "a\tb.pdf", "a\u202efdp.pdf", 'a"; x=".pdf', "a\u2028b.pdf"])
def test_a_name_that_could_be_taken_for_a_header_or_another_ending_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pdf(1))
    options = Attachments(column="letter", folder=tmp_path)
    (problem,) = enclose(pd.DataFrame({"letter": [name]}), options, wanted=np.array([True])).problems
    assert "has a character in its name that no email can carry, " in problem
    assert problem.isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_pipe_or_a_folder_is_not_offered_in_its_own_place(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pdf")
    (tmp_path / "b.pdf").mkdir()
    people = pd.DataFrame({"letter": ["a.pdf", "b.pdf"]})
    options = Attachments(column="letter", folder=tmp_path)
    for name, problem in zip("ab", enclose(people, options, wanted=np.array([True, True])).problems, strict=True):
        assert problem.startswith(f"The file {name}.pdf is no file: a folder, a pipe or a device has this name.")


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of Unix")
def test_a_file_that_has_become_a_pipe_or_has_grown_is_not_read_on_and_on(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    planned = File(str(path), path.name, len(pdf(1)), hashlib.blake2b(pdf(1), digest_size=16).hexdigest())
    os.mkfifo(path)
    with pytest.raises(FileChangedError, match="is gone since"):
        encoded(planned)
    path.unlink()
    path.write_bytes(pdf(1))
    os.truncate(path, 1 << 40)  # a sparse file: nothing that reads all of it comes to an end
    with pytest.raises(FileChangedError, match="has changed since"):
        encoded(planned)


# -- never twice


@pytest.mark.parametrize("code", [200, 500])
def test_letters_made_anew_write_to_nobody_twice(code: int, platform: Sandbox, tmp_path: Path) -> None:
    people = pd.DataFrame({"email": ["07700900940@example.org" if code == 500 else "a@example.org"] * 2, "upn": [1, 2]})
    folder = tmp_path / "letters"

    def send(made: int, **options: Any) -> pd.DataFrame:
        for upn in people["upn"]:
            (folder / str(upn)).mkdir(parents=True, exist_ok=True)
            (folder / str(upn) / "report.pdf").write_bytes(pdf(f"{made} {upn}"))
        files = [f"{folder}/{{{{ upn }}}}/report.pdf"]
        return gcbulk.send_email(people, "Report", "Enclosed.", attachments=files, progress=False, **options)

    first = send(1, max_attempts=1)
    assert set(first["Status"]) == {"accepted" if code == 200 else "unknown"}  # of two children, each its own letter
    calls = len(platform.calls)
    preview = gcbulk.preview_email(people, "Report", "Enclosed.", attachments=[f"{folder}/{{{{ upn }}}}/report.pdf"])
    assert "ready" not in set(preview.frame["Status"])
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        again = send(2)
    seen = str(gcbulk.preview_email(people, "Report", "Enclosed.", attachments=[f"{folder}/{{{{ upn }}}}/report.pdf"]))
    assert ("Its files have changed since it went" in seen) is (code == 200)
    assert set(again["Status"]) == {"duplicate" if code == 200 else "unknown"}
    assert len(platform.calls) == calls
    if code == 200:
        assert again["ErrorDetail"].str.contains("Since then report.pdf has changed").all()
        assert again["ErrorDetail"].str.contains("--repeat").all()


def days_later(days: float) -> None:
    """Let the journal's own times be so many days ago."""
    with Journal() as book, book.writing() as connection:
        for table, names in (
            (campaigns, ("created_at",)),
            (recipients, ("claimed_at", "counts_at", "accepted_at")),
            (batches, ("claimed_at", "settled_at")),
            (runs, ("started_at", "heartbeat_at", "ended_at")),
        ):
            connection.execute(sa.update(table).values({name: table.c[name] - days * 86_400 for name in names}))


def sends_of(channel: str, in_pieces: bool) -> tuple[pd.DataFrame, Any, Any]:
    """Two people, of whom the second gets no answer that can be used, and what previews and sends to some of them."""
    behind = "@example.org" if channel == "email" else ""
    contacts = [f"{number}{behind}" for number in ("07700900123", "07700900940")]
    people = pd.DataFrame({"email" if channel == "email" else "mobile": contacts, "name": ["Ann", "Bob"]})
    say: Any = {"subject": "News", "body": "Dear {{ name }}"} if channel == "email" else {"message": "Dear {{ name }}"}
    looks, sends = (
        (gcbulk.preview_email, gcbulk.send_email) if channel == "email" else (gcbulk.preview, gcbulk.send_sms)
    )

    def look(who: pd.DataFrame) -> Any:
        return looks([who] if in_pieces else who, **say)

    def send(who: pd.DataFrame, **options: Any) -> Any:
        return sends([who] if in_pieces else who, **say, chunk_size=1, max_attempts=1, progress=False, **options)

    return people, look, send


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("channel", ["sms", "email"])
def test_who_may_have_it_since_an_earlier_day_is_told_of_before_it_goes_again(
    channel: str, in_pieces: bool, platform: Sandbox
) -> None:
    people, look, send = sends_of(channel, in_pieces)
    send(people, campaign="trip")
    not_told = people.iloc[1:].set_axis([7], axis=0)
    assert "outcome_unknown" not in str(look(not_told).summary())  # of the same day it is unknown, and does not go
    days_later(1)
    (finding,) = look(not_told).summary()["findings"]
    assert (finding["code"], finding["severity"], finding["rows"]) == ("outcome_unknown", "warning", [0])
    kind = "email" if channel == "email" else "text"
    says = rf"1 {kind} of this list may have gone already, in campaign 'trip' \(tried on .*gcbulk settle 'trip' --sent"
    assert re.search(rf"{says}.*--not-told FILE", str(look(not_told)))
    calls = len(platform.calls)
    with pytest.warns(gcbulk.GcbulkWarning, match=says):
        send(not_told)
    assert len(platform.calls) == calls + 1
    gcbulk.settle("trip", sent=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        send(people.iloc[:1])  # who was told yesterday is told again, on purpose: nothing is unknown of that


@pytest.mark.parametrize(("days", "doubted"), [(6.9, True), (7.1, False)])
def test_what_is_unknown_is_asked_about_for_a_week(days: float, doubted: bool, platform: Sandbox) -> None:
    people, look, send = sends_of("sms", in_pieces=False)
    send(people)
    days_later(days)
    assert bool(look(people).summary()["findings"]) is doubted
    assert bool(look(people.iloc[:1]).summary()["findings"]) is False
    assert len(platform.calls) == 2


@pytest.mark.parametrize("state", [IN_FLIGHT, Status.UNKNOWN, Status.ACCEPTED])
@pytest.mark.parametrize(
    ("path", "digest", "holds"), [("/a/x.pdf", "2", True), ("/b/x.pdf", "1", True), ("/b/x.pdf", "2", False)]
)
def test_whatever_became_of_an_email_it_holds_one_with_the_same_files_alone(
    state: str, path: str, digest: str, holds: bool
) -> None:
    before, now = (
        content_of("News", [File("/all.pdf", "all.pdf", 9, "0"), File(where, "x.pdf", 9, what, "x.pdf")])
        for where, what in (("/a/x.pdf", "1"), (path, digest))
    )
    assert bool(memory._firmest([(7, state, 0.0, None, "news", before, now)], repeat=False)) is holds
    assert memory._firmest([(7, state, 0.0, None, "news", None, None)], repeat=False)  # a text


@pytest.mark.parametrize("way", ["a folder", "a pattern"])
def test_letters_of_the_same_names_in_another_folder_are_other_emails(
    way: str, platform: Sandbox, tmp_path: Path
) -> None:
    addresses = ["a@example.org", "07700900940@example.org"]  # the second gets no answer that can be used
    people = pd.DataFrame({"email": addresses, "letter": ["Khan.pdf", "Lee.pdf"]})
    how: dict[str, Any] = {"max_attempts": 1, "chunk_size": 1, "progress": False}

    def files_in(name: str, words: str) -> dict[str, Any]:
        (tmp_path / name).mkdir(exist_ok=True)
        for file in people["letter"]:
            (tmp_path / name / file).write_bytes(pdf(f"{words} {file}"))
        if way == "a folder":
            return {"attachment_column": "letter", "attachment_folder": tmp_path / name}
        return {"attachments": [f"{tmp_path}/{name}/{{{{ letter }}}}"]}

    autumn, spring = files_in("autumn", "autumn"), files_in("spring", "spring")
    first = gcbulk.send_email(people, "Report", "Enclosed.", **autumn, **how)
    assert first["Status"].tolist() == ["accepted", "unknown"]
    seen = gcbulk.preview_email(people, "Report", "Enclosed.", **spring).frame
    assert seen["Status"].tolist() == ["ready", "ready"]
    second = gcbulk.send_email(people, "Report", "Enclosed.", **spring, **how)
    assert second["Status"].tolist() == first["Status"].tolist()
    calls = len(platform.calls)
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        elsewhere = gcbulk.send_email(people.iloc[::-1], "Report", "Enclosed.", **files_in("copy", "spring"), **how)
    assert elsewhere["Status"].tolist() == ["unknown", "duplicate"]  # the same bytes, as on another machine
    assert not elsewhere["ErrorDetail"].str.contains("has changed").any()
    assert len(platform.calls) == calls == 4


def test_a_subject_that_is_too_long_is_not_explained_by_the_length_of_texts() -> None:
    people = pd.DataFrame({"email": ["a@example.org", "b@example.org"], "name": ["x" * 252, "x" * 251]})
    seen = gcbulk.preview_email(people, "For {{ name }}", "Enclosed.")
    assert seen.frame["ErrorDetail"].fillna("").tolist() == [
        "The subject has 256 characters; 255 can be sent. Shorten it.",
        "",
    ]
    assert "the subject of an email 255" in str(seen)


# -- what a body must not hold


def written(body: str, name: str, form: Any = None) -> list[Any]:
    letter = Letter("News", body, body_format=form)
    return letter.write(pd.DataFrame({"name": [name]})).frame[["ErrorCode", "ErrorDetail"]].iloc[0].tolist()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("<p>\n<a href={{ name }}>x</a>", "Line 2: the body holds a field in a tag without quotes"),
        ("<p>x</p><{{ name }}>", "a field in a tag without quotes"),
        ("<style>\np{color:\n{{ name }}}</style><p>x</p>", "Line 3: the body holds a field in <style>"),
        ("<p>x</p><STYLE>p{color:{{ name }}}", "Line 1: the body holds a field in <style>"),
        ('<img src="https://a.example/a.png" srcset="{{ name }} 2x"> x', "a field in srcset="),
        ("<p style=\"background: URL('https://a.example/{{ name }}')\">x</p>", "a field in style="),
        ("<p>x</p></{{ name }}>", "a field in a tag without quotes"),
        ("<p {{ name }}='x'>x</p>", "a field in a tag without quotes"),
        ("<p>x</p><!-- {{ name }} -->", "a field in a comment"),
        ("<p>x</p><!--[if mso]><a href={{ name }}>x</a><![endif]-->", "a field in a tag without quotes"),
        ("<p>\n<!--[if mso]>\n<script>1</script><![endif]-->", "Line 3: the body holds <script>"),
        ('<p><a href="java&#10;script:alert(1)">x</a></p>', "a link that starts with javascript:"),
        ('<p>x</p>\n<a href="data:text/html,x">x</a>', "Line 2: the body holds a link that starts with data:"),
        ('<meta http-equiv="Refresh" content="0;url=http://x"><p>x</p>', "<meta http-equiv=refresh>"),
        ("<p>x</p><textarea></textarea>", "<textarea>"),
        ("<p>x</p><select></select>", "<select>"),
        ("<script>alert(1)</script>", "Line 1: the body holds <script>"),
        ("Dear parents,\n<script>alert(1)", "Line 2: the body holds <script>"),
        ("Dear parents,\n<script src=x", "Line 2: the body holds <script>"),
        ("<iframe src='https://example.org'></iframe>", "<iframe>"),
    ],
)
def test_a_body_that_runs_something_or_lets_cells_be_markup_is_refused_by_its_line(body: str, sentence: str) -> None:
    with pytest.raises(gcbulk.TemplateError, match=re.escape(sentence)):
        Letter("News", body)


@pytest.mark.parametrize(
    ("body", "cell", "found"),
    [
        ('<p><a href="{{ name }}">x</a></p>', "java\tscript:alert(1)", "javascript:"),
        ('<p><a title="a > b" href="{{ name }}">x</a></p>', "java\nscript:alert(1)", "javascript:"),
        ('<p><img src="{{ name }}"></p>', " data:text/html,x", "data:"),
        ("<p>x</p><scr{% if name %}ipt{% endif %}>1</script>", "x", "<script>"),
        ("<p on{% if name %}click{% endif %}='x'>x</p>", "x", "onclick="),
        ('<a href="{% if name %}x"{% endif %} title="{{ name }}">x</a>', "x onmouseover=alert(1)", None),
        ('<p{% if name %} class="a"{% endif %}><a href="{{ name }}">x</a></p>', "https://example.org/?a=1&b=2", None),
        ('<p><img alt="{{ name }}" src="data:image/png;base64,AA=="></p>', "x", None),
        ('<p title="{{ name }}">on sale = yes</p>', 'x" onclick="y', None),
    ],
)
def test_markup_that_a_rows_cells_make_is_looked_at_when_it_is_finished(
    body: str, cell: str, found: str | None
) -> None:
    code, detail = written(body, cell)
    assert (code == "INVALID_CHARACTERS" and f"{found}, and must not" in detail) if found else code is np.nan


@pytest.mark.parametrize(
    ("form", "body", "empty"),
    [
        ("text", "{% if name == '7' %}Dear parents{% endif %}", True),
        ("markdown", "{% if name == '7' %}Dear parents{% endif %}", True),
        ("html", "<p>{% if name == '7' %}Dear parents{% endif %}&nbsp;&#8203;</p>", True),
        ("html", "<html><head><title>News</title><style>p {}</style></head><body><!-- x --></body></html>", True),
        ("html", "<a href='{{ name }}'></a>", True),
        ("html", "<p><img src='cid:x'></p>", True),
        ("html", "<img alt='Our logo' src=logo.png>", True),
        ("html", "<p><img src='file:///C:/logo.png'></p>", True),
        ("html", "<p><img alt='a > b' src='https://example.org/logo.png'></p>", False),
        ("html", "<p><img src='data:image/png;base64,AA=='></p>", False),
        (None, "<style>p {color: red}</style>", True),
        (None, "<style>p {color: red}", True),
        (None, "<!-- Dear parents -->", True),
        (None, "<!-- Dear parents", True),
        ("html", "<p>{{ name }}</p>", False),
        ("html", "<p>&#65;</p>", False),
        ("text", "{% if name == '8' %}Hi{% endif %}", False),
    ],
)
def test_an_email_without_words_and_pictures_is_empty(form: str, body: str, empty: bool) -> None:
    assert (written(body, "8", form)[0] == "MESSAGE_EMPTY") is empty


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
@pytest.mark.parametrize(
    ("subject", "body", "said"),
    [
        ("News", "Dear {name}", "The message says {name} outside a field"),
        ("News", "Dear ((name)),", "The message says ((name)) outside a field"),
        ("For <<Name>>", "Dear {{ name }}", "The message says <<Name>> outside a field"),
        ("For parent_name", "Dear {{ name }}", "The message says parent_name in plain words"),
        ("News", "Dear {{ name }}", ""),
        ("News of {{ odd }}", "Dear {{ name }}", "1 email would say {, which came from a cell."),
        ("News", "Dear {{ odd }}", "1 email would say {, which came from a cell."),
    ],
)
def test_marks_of_other_programs_are_asked_about_in_subjects_and_bodies(
    form: Any, subject: str, body: str, said: str
) -> None:
    if form == "html":
        body = f'<style>p {{color: red}}</style><p class="parent_name">{body}<br>(see <a href="x">here</a>)</p>'
    people = pd.DataFrame({"email": ["a@example.org"], "Name": ["Ann"], "parent_name": ["Ann"], "odd": ["{x"]})
    found = make_email_plan(people, Letter(subject, body, body_format=form), intake=IntakeOptions(kind=EMAIL)).findings
    assert [said in one.sentence for one in found] == [True] * bool(said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p>Hi</p><img src='logo.png'>", "no such picture goes with the email (logo.png)."),
        ("<p>Hi</p><img class='a' src=cid:logo><img src='file:///logo.png'>", "email (cid:logo, file:///logo.png)."),
        ("<p>Hi</p><img src='{{ picture }}'>", "1 email shows a gap for a picture: no such picture"),
        ("<p>Hi</p><img src='https://example.org/{{ picture }}'>", ""),
        ("<p>Hi</p><img alt='{{ picture }}' src='data:image/png;base64,AA=='>", ""),
    ],
)
def test_a_picture_that_goes_with_no_email_is_asked_about(body: str, said: str) -> None:
    people = pd.DataFrame({"email": ["a@example.org"], "picture": ["logo.png"]})
    found = make_email_plan(people, Letter("News", body), intake=IntakeOptions(kind=EMAIL)).findings
    assert [said in one.sentence for one in found] == [True] * bool(said)


@pytest.mark.parametrize("word", ["&#123;&#123; name }}", "&lt;&lt;name&gt;&gt;", "&laquo;Name&raquo;"])
def test_marks_written_as_entities_are_seen_as_on_the_screen(word: str) -> None:
    people = pd.DataFrame({"email": ["a@example.org"], "Name": ["Ann"]})
    (found,) = make_email_plan(people, Letter("News", f"<p>Dear {word}</p>"), intake=IntakeOptions(kind=EMAIL)).findings
    assert "outside a field" in found.sentence


@pytest.mark.parametrize("name", ["letter.md", "letters/report.HTML", "b.docx", "there is one"])
def test_a_body_that_is_a_files_name_is_refused_with_the_way_out(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there is one").write_text("Dear parent", encoding="utf-8")
    with pytest.raises(gcbulk.OptionError, match=r'Give pathlib\.Path\(".*"\) to send what is in it'):
        Letter("News", name)
    for body in (
        "See https://example.org/letter.html",
        "https://example.org/letter.html",
        "See letter.md.",
        "x" * 5000,
    ):
        assert Letter("News", body).body.text == body


@pytest.mark.parametrize(
    "wrong", [{"attachments": ["nofile.pdf"]}, {"subject": "News\nx"}, {"body": "Dear {{ nobody }}"}]
)
def test_nobody_is_texted_where_the_emails_of_the_pair_cannot_go(wrong: dict[str, Any], platform: Sandbox) -> None:
    people = pd.DataFrame({"mobile": ["07700 900123", ""], "email": ["", "b@example.org"]})
    how: dict[str, Any] = {"sms": "Closed.", "subject": "News", "body": "Closed.", "progress": False}
    with pytest.raises(gcbulk.InputError):
        gcbulk.send_message(people, **how | wrong)
    assert not platform.calls


def test_the_preview_says_each_reason_why_files_cannot_go_and_names_two_of_them(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    (tmp_path / "big.pdf").write_bytes(pdf("x" * 3000))
    names = ["a.pdf", "b.pdf", "c.pdf", "empty.pdf", "big.pdf"]
    people = pd.DataFrame({"email": [f"p{n}@example.org" for n in range(len(names))], "letter": names})
    how: dict[str, Any] = {"attachment_column": "letter", "attachment_folder": tmp_path, "max_call_mb": 0.001}
    whole = gcbulk.preview_email(people, "News", "Enclosed.", **how)
    in_pieces = gcbulk.preview_email([people.iloc[:2], people.iloc[2:]], "News", "Enclosed.", **how)
    for seen in (str(whole), str(in_pieces)):
        assert re.search(r"3 ATTACHMENT_MISSING .*\n.*The file a\.pdf is not there\..*The same with b\.pdf", seen)
        assert re.search(r"1 ATTACHMENT_MISSING .*row 4.*\n.*The file empty\.pdf is empty\.", seen)
        assert re.search(r"1 ATTACHMENT_MISSING .*row 5.*\n.*more than 0\.001 MB together\..*--max-call-mb", seen)


def test_bodies_count_towards_the_size_of_a_call() -> None:
    people = pd.DataFrame({"email": [f"p{n}@example.org" for n in range(6)], "words": ["x" * 400] * 5 + ["y" * 1500]})
    limits = Attachments(max_call_mb=0.001)
    letter = Letter("News", "<p>{{ words }}</p>")
    plan = make_email_plan(people, letter, intake=IntakeOptions(kind=EMAIL), attachments=limits)
    (found,) = plan.findings
    assert found.sentence.startswith(
        "1 email of more than 0.001 MB, by the body alone or with the files, would go in a"
    )
    assert found.rows == (5,)

    def calls(plan: Plan, *, share: bool) -> list[int]:
        return plan.calls(20, share_identical=share).numbers.tolist()

    assert calls(plan, share=False) == [0, 0, 1, 1, 2, 3]
    large = make_email_plan(people, Letter("News", "x" * 2000), intake=IntakeOptions(kind=EMAIL), attachments=limits)
    assert calls(large, share=True) == [0] * 6  # in one message, whose body goes once
    assert calls(large, share=False) == [*range(6)]


@pytest.mark.parametrize("in_pieces", [False, True])
def test_a_list_that_is_sent_again_says_what_is_wrong_with_it_now(
    in_pieces: bool, platform: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(1))
    people = pd.DataFrame({"email": ["a@example.org", "b@example.org"], "letter": ["a.pdf", "zz.pdf"]})
    how: dict[str, Any] = {"attachment_column": "letter", "attachment_folder": tmp_path, "progress": False}
    gcbulk.send_email(people, "News", "Enclosed.", campaign="news", **how)
    mended = people.assign(letter=["a.pdf", "yy.pdf"])
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        gcbulk.send_email([mended] if in_pieces else mended, "News", "Enclosed.", campaign="news", **how)
    results = gcbulk.campaign_results("news")
    assert results["Status"].tolist() == ["accepted", "invalid"]
    assert results["ErrorDetail"].iloc[1].startswith("The file yy.pdf is not there.")
    assert len(platform.queued) == 1


def test_a_name_that_is_taken_says_which_files_are_others(platform: Sandbox, tmp_path: Path) -> None:
    people = pd.DataFrame({"email": ["a@example.org", "b@example.org"]})
    files = [tmp_path / "dates.pdf", tmp_path / "menu.pdf"]
    how: dict[str, Any] = {"campaign": "term", "attachments": files, "progress": False}
    for file in files:
        file.write_bytes(pdf(1))
    gcbulk.send_email(people, "News", "Enclosed.", **how)
    files[1].write_bytes(pdf(2))
    with pytest.raises(gcbulk.CampaignError, match=r"content of the files \(menu\.pdf\), and nothing else, differs\."):
        gcbulk.send_email(people, "News", "Enclosed.", **how)
    with pytest.raises(gcbulk.CampaignError, match=r"with other content: the emails differ\. Choose another name"):
        gcbulk.send_email(people, "News", "Enclosed!", **how)


@pytest.mark.parametrize("channel", ["sms", "email"])
@pytest.mark.parametrize("days", [0, 1])
def test_a_name_taken_on_an_earlier_day_is_no_advice_to_tell_everybody_again(
    days: int, channel: str, platform: Sandbox
) -> None:
    people, _, send = sends_of(channel, in_pieces=False)
    send(people, campaign="trip")
    days_later(days)
    with pytest.raises(gcbulk.CampaignError, match="There is a campaign named 'trip' already") as refused:
        send(people.assign(name=["Ann", "Rob"]), campaign="trip")
    said = str(refused.value)
    again_today = "leave the name out: what went already today is not sent again"
    not_told = "gcbulk results 'trip' --recipients LIST --not-told FILE"
    assert [again_today in said, not_told in said] == [not days, bool(days)]
    if days:
        assert "everybody on this list would get it again" in said
        assert "gcbulk settle 'trip' --sent or --not-sent" in said
    assert len(platform.calls) == 2
