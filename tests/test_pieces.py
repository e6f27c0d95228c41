"""Lists in pieces: read, planned, sent and read back as in one piece, whatever the size of the pieces."""

from __future__ import annotations

import json
import sys
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk import cli
from gcbulk.campaign.in_pieces import send_in_pieces
from gcbulk.campaign.journal import Journal, PlannedRow, draft
from gcbulk.campaign.journal.drafting import sweep
from gcbulk.campaign.journal.looking_back import rows_of_number
from gcbulk.campaign.journal.tables import recipients, runs
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import make_plan
from gcbulk.campaign.preview import Preview
from gcbulk.campaign.result_pieces import Files
from gcbulk.campaign.results import summarise
from gcbulk.campaign.survey import Planner, survey
from gcbulk.messages.options import TextOptions
from gcbulk.recipients import pieces as pieces_module
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.pieces import Pieces, as_pieces, read_in_pieces
from tests.databases import BOTH

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.campaign.journal import Run
    from gcbulk.sandbox import Sandbox

MESSAGE = "Dear {{ name }}, school is closed today."
FILES = {
    "plain": b"Name,Mobile\nZoe,07700900123\nAl,07700900124\n\nBo,07700900125",
    "titles and an empty column": "Absent today\r\n\r\nName;Mobile;\r\nZo\u00eb;07700900123;\r\n".encode("cp1252"),
    "rows that end early": b"Name,Mobile,Note\nZoe,07700900123\nAl,07700900124,x\n",
    "cells beyond the header": b"Name,Mobile\nZoe,07700900123,x\nAl,07700900124,\n",
    "content under a blank name": b"Name,Mobile,,\nZoe,07700900123,,y\nAl,07700900124\n",
    "an open quotation": b'Name,Mobile\nZoe,07700900123\nAl,"07700900124\n',
    "an open quotation at the end": b'Name,Mobile\nZoe,07700900123\nAl,"07700900124',
    "a cell of two lines": b'Name,Mobile\n"Zoe\nAnn",07700900123\nAl,07700900124\n',
    "UTF-16": "Name\tMobile\nZo\u00eb\t07700900123\n".encode("utf-16"),
    "UTF-16 without a mark": "Name\tMobile\nZo\u00eb\t07700900123\n".encode("utf-16-le"),
    "a mark": "\ufeffName,Mobile\nZo\u00eb,07700900123\n".encode(),
    "Mac Roman": "Name,Mobile\nZo\u00eb \u00c6 \u00e9 \u00fc,07700900123\n\u00f1and\u00fa,0770\n".encode("mac_roman"),
    "names that come twice": b"Mobile,Mobile,Name\n07700900123,07700900123,x\n",
    "no header": b"07700900123,x\n07700900124,y\n",
    "a header alone": b"Mobile\n",
    "nothing": b"",
    "blanks": b"  \n\n",
    "a zero byte": b"Mobile\n07\x00700900123\n",
    "carriage returns": b"Name,Mobile\rZoe,07700900123\rAl,07700900124\r",
    "half a character": b"Name,Mobile\n\xed\xa0\x80,07700900123\n",
    "a web page": b"<html><table></table></html>",
}


def as_read(read: Any) -> tuple[Any, list[str]]:
    """What came of reading: cells, places and notes, or the sentence; and the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            frame, notes = read()
        except gcbulk.GcbulkError as error:
            return str(error), []
    return (frame.to_dict("list"), list(frame.index), notes), [str(one.message) for one in said]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_file_is_read_in_pieces_as_it_is_in_one(name: str, rows: int, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(FILES[name])

    def in_one() -> tuple[pd.DataFrame, list[str]]:
        frame = gcbulk.read_recipients(path)
        return frame, frame.attrs["reading"]

    def in_pieces() -> tuple[pd.DataFrame, list[str]]:
        found = read_in_pieces(path, rows=rows)
        return pd.concat(list(found)), found.reading

    assert as_read(in_pieces) == as_read(in_one)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(FILES["plain"])
    found = read_in_pieces(path, rows=1)
    assert len(list(found)) == 3
    path.write_bytes(FILES["plain"] + b"\nCy,07700900126\n")
    with pytest.raises(gcbulk.RecipientsError, match=r"was changed while it was being read"):
        list(found)


def test_a_workbook_is_not_read_in_pieces(tmp_path: Path) -> None:
    with pytest.raises(gcbulk.RecipientsError, match="There is no file"):
        read_in_pieces(tmp_path / "none.csv")
    (tmp_path / "list.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(gcbulk.RecipientsError, match="is a workbook, which can only be read whole"):
        read_in_pieces(tmp_path / "list.xlsx")
    assert not pieces_module.is_large(tmp_path / "list.xlsx")


def cut(frame: pd.DataFrame, size: int) -> Pieces:
    found = as_pieces([frame.iloc[start : start + size] for start in range(0, len(frame), size)])
    assert found is not None
    return found


NUMBERS = st.sampled_from(["07700 900123", "07700900123", "07700 900124", "07700 900125", "020 7946 0123", "", "x"])
NAMES = st.sampled_from(["Ann", "Ann", "BOB", "", "Zo\u00eb \U0001f600", "x" * 200, "nan"])


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.lists(st.tuples(NUMBERS, NAMES), min_size=1, max_size=30), st.integers(1, 12), st.booleans())
def test_a_plan_in_pieces_is_that_of_the_whole(rows: list[tuple[str, str]], size: int, one_per_number: bool) -> None:
    frame = pd.DataFrame(rows, columns=["Mobile", "Name"], dtype="str")
    intake, texts = IntakeOptions(one_per_number=one_per_number), TextOptions(price_per_part="0.03")
    make = partial(make_plan, message=MESSAGE, texts=texts)
    with warnings.catch_warnings(record=True) as of_whole:
        warnings.simplefilter("always")
        whole = make_plan(frame, MESSAGE, intake=intake, texts=texts)
    with warnings.catch_warnings(record=True) as of_pieces, Planner(make, intake) as planner:
        warnings.simplefilter("always")
        plans = [plan.frame for _, plan in planner.plans(cut(frame, size))]
    pd.testing.assert_frame_equal(pd.concat(plans, ignore_index=True), whole.frame)
    assert (planner.recipients_hash(), planner.texts_hash()) == (whole.recipients_hash(), whole.texts_hash())
    assert [str(one.message) for one in of_pieces] == [str(one.message) for one in of_whole]
    with warnings.catch_warnings(), Planner(make, intake) as planner:
        warnings.simplefilter("ignore")
        counted = survey(cut(frame, size), planner)
    told, of_frame = counted.summary(), Preview(whole).summary()
    assert told | {"findings": None} == of_frame | {"findings": None}
    # what the savings say is of each piece, and of white space nothing is seen across pieces
    of_rows = {"blank_field", "default_used", "name_case", "spreadsheet_word", "many_parts"}
    assert sorted(one["sentence"] for one in told["findings"] if one["code"] in of_rows) == sorted(
        one["sentence"] for one in of_frame["findings"] if one["code"] in of_rows
    )


def test_a_survey_shows_itself_as_a_preview_does() -> None:
    frame = pd.DataFrame({"Mobile": [f"07700 9001{n % 30:02}" for n in range(40)], "Name": ["Ann", "Al"] * 20})
    whole = gcbulk.preview(frame, MESSAGE, sandbox=True, limit=12)
    pieces = gcbulk.preview([frame.iloc[:7], frame.iloc[7:]], MESSAGE, sandbox=True, limit=12)
    assert str(pieces) == str(whole)
    assert pieces.to_html() == whole.to_html()


def parents(count: int = 23) -> pd.DataFrame:
    """Every seventh has no mobile; some are there twice."""
    numbers = ["020 7946 0123" if n % 7 == 6 else f"07700 90010{n % 10}" for n in range(count)]
    return pd.DataFrame({"Name": [f"Parent {n % 12}" for n in range(count)], "Mobile": numbers, "Status": "on roll"})


COMPARED = ["Name", "Mobile", "Status_input", "SentTo", "Repair", "Status", "ErrorCode", "ErrorDetail", "Parts"]
TODAY_OR_TOMORROW = "School is closed {% if name == 'Parent 1' %}today{% else %}tomorrow{% endif %}."


def in_three(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame.iloc[:9], frame.iloc[9:10], frame.iloc[10:]]


def as_planned(journal: Path | str) -> list[tuple[Any, ...]]:
    """What a journal holds of each row; keys and references, which differ from run to run, by which came first."""
    with Journal(journal) as book, book.reading() as connection:
        columns = "position, batch_number, state, error_detail, text, content, customer_id, content_key, client_ref"
        rows = sorted(connection.exec_driver_sql(f"SELECT {columns} FROM recipients").all())
    keys = [pd.factorize(pd.Series([row[column] for row in rows], dtype=object))[0].tolist() for column in (-2, -1)]
    return [(*row[:-2], *places) for row, *places in zip(rows, *keys, strict=True)]


@pytest.mark.parametrize("journal_address", BOTH, indirect=True)
@pytest.mark.parametrize("share_identical", [False, True])
def test_what_is_sent_in_pieces_is_what_goes_in_one(
    share_identical: bool, platform: Sandbox, journal_address: str, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"chunk_size": 4, "share_identical": share_identical, "progress": False}
    frame = parents()
    whole = gcbulk.send_sms(frame, TODAY_OR_TOMORROW, journal=tmp_path / "whole.sqlite3", **options)
    found = gcbulk.send_sms(in_three(frame), TODAY_OR_TOMORROW, journal=journal_address, **options)
    assert found.summary.accepted == (whole["Status"] == "accepted").sum() > 0
    pieces = list(found)
    assert [len(piece) for piece in pieces] == [9, 1, 13]
    pd.testing.assert_frame_equal(pd.concat(pieces)[COMPARED], whole[COMPARED])
    assert as_planned(journal_address) == as_planned(tmp_path / "whole.sqlite3")


@pytest.mark.parametrize("share_identical", [False, True])
def test_emails_in_pieces_are_those_of_the_whole(share_identical: bool, platform: Sandbox, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"letter{number}.pdf").write_bytes(b"%PDF-1.4 " + b"x" * 300_000 * (number % 3))
    people = parents().assign(Email=[f"p{n % 5}@example.org" if n % 7 != 6 else "none" for n in range(23)])
    people["Pdf"] = [f"letter{n % 10 % 7}.pdf" for n in range(23)]  # one of them is missing
    options: dict[str, Any] = {
        "chunk_size": 4,
        "share_identical": share_identical,
        "attachment_column": "Pdf",
        "attachment_folder": tmp_path,
        "max_call_mb": 0.7,
        "progress": False,
    }
    whole = gcbulk.send_email(people, "News", "School is closed.", journal=tmp_path / "whole.sqlite3", **options)
    found = gcbulk.send_email(
        in_three(people), "News", "School is closed.", journal=tmp_path / "pieces.sqlite3", **options
    )
    assert whole["Status"].value_counts().to_dict() == found.summary.statuses
    assert {"accepted", "invalid", "duplicate"} <= set(found.summary.statuses)
    assert found.summary.message == "email"
    assert as_planned(tmp_path / "pieces.sqlite3") == as_planned(tmp_path / "whole.sqlite3")
    shown = [str(gcbulk.preview_email(some, "News", "School is closed.", **options)) for some in (people, [people])]
    assert shown[0] == shown[1]


@pytest.mark.parametrize("share_identical", [False, True])
def test_a_partner_s_list_in_pieces_goes_for_the_same_customers(share_identical: bool, tmp_path: Path) -> None:
    schools = ("Oak Primary", "elm academy", "3281003", "Nobody's", "")
    people = parents().assign(School=[schools[n * n % 5] for n in range(23)])
    message = "{{ customer_name }}: " + TODAY_OR_TOMORROW
    options: dict[str, Any] = {
        "chunk_size": 3,
        "share_identical": share_identical,
        "customer_column": "School",
        "sandbox": True,
        "progress": False,
    }
    whole = gcbulk.send_sms(people, message, journal=tmp_path / "whole.sqlite3", **options)
    found = gcbulk.send_sms(in_three(people), message, journal=tmp_path / "pieces.sqlite3", **options)
    compared = [*COMPARED, "CustomerId", "CustomerName"]
    pd.testing.assert_frame_equal(pd.concat(list(found))[compared], whole[compared])
    assert whole["CustomerId"].nunique() > 1
    assert found.summary == summarise(whole)
    assert as_planned(tmp_path / "pieces.sqlite3") == as_planned(tmp_path / "whole.sqlite3")
    priced = options | {"price_per_part": "0.03"}
    shown = [str(gcbulk.preview(some, message, **priced)) for some in (people, in_three(people))]
    assert shown[0] == shown[1]


def test_the_same_list_is_the_same_campaign_in_pieces_or_whole(platform: Sandbox) -> None:
    frame = parents()
    gcbulk.send_sms(frame, MESSAGE, campaign="snow", progress=False, limit=3)
    sent = gcbulk.send_sms([frame.iloc[:5], frame.iloc[5:]], MESSAGE, campaign="snow", progress=False)
    assert sent.campaign == "snow"
    assert list(gcbulk.campaigns()["Campaign"]) == ["snow"]  # and no draft
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send"):
        again = gcbulk.send_sms([frame], MESSAGE, progress=False)
    assert again.summary == sent.summary
    with pytest.raises(gcbulk.CampaignError, match="with other content: the text differs"):
        gcbulk.send_sms([frame], "Other words", campaign="snow", progress=False)
    assert list(gcbulk.campaigns()["Campaign"]) == ["snow"]
    with Journal() as book, book.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM recipients").scalar_one() == len(frame)


def test_a_campaign_is_gone_on_with_and_looked_back_at_in_pieces(platform: Sandbox) -> None:
    frame = parents()
    gcbulk.send_sms(frame, MESSAGE, campaign="snow", progress=False, limit=3)
    with pytest.raises(gcbulk.CampaignError, match="not the list"):
        gcbulk.resume("snow", recipients=in_three(frame.iloc[::-1]), progress=False)
    resumed = gcbulk.resume("snow", recipients=in_three(frame), progress=False)
    known = gcbulk.campaign_results("snow", recipients=frame)
    assert resumed.summary == summarise(known)
    assert resumed.summary.accepted > 3
    for pieces in (resumed, gcbulk.campaign_results("snow", recipients=in_three(frame))):
        assert pieces.summary == resumed.summary
        pd.testing.assert_frame_equal(pd.concat(list(pieces)), known)


def test_who_opted_out_or_came_back_is_followed_in_pieces_too(platform: Sandbox) -> None:
    frame = parents(8)
    gcbulk.send_sms([frame], MESSAGE, opt_outs=["07700900100"], campaign="snow", limit=2, progress=False)
    sent = gcbulk.send_sms([frame], MESSAGE, opt_outs=["07700900105"], campaign="snow", progress=False)
    status = pd.concat(list(sent))["Status"].tolist()
    assert status[0] == "accepted"
    assert status[5] == "opted_out"


def test_pieces_that_can_be_gone_over_once_come_back_without_their_columns(platform: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    parents().to_csv(path, index=False)
    sent = gcbulk.send_sms(pd.read_csv(path, dtype=str, chunksize=6), MESSAGE, progress=False)
    results = pd.concat(list(sent))
    assert "Name" not in results.columns
    assert list(results.index) == list(range(23))
    out, not_told = tmp_path / "out.csv", tmp_path / "not-told.csv"
    sent.save(out, not_told=not_told)
    assert list(pd.read_csv(out).columns) == list(results.columns)
    missed = pd.read_csv(not_told)
    assert missed["Row"].tolist() == [place + 1 for place in results.index[results["Status"] == "invalid"]]
    assert len(missed)
    with pytest.raises(gcbulk.RecipientsError, match="has other columns than the first"):
        gcbulk.send_sms([parents(), parents()[["Mobile", "Name"]]], MESSAGE, progress=False)
    with pytest.raises(gcbulk.RecipientsError, match="no piece with a row"):
        gcbulk.send_sms(iter([]), MESSAGE, progress=False)


def test_a_dask_dataframe_is_sent_in_its_partitions(platform: Sandbox) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        dd = pytest.importorskip("dask.dataframe")
        lazy = dd.from_pandas(parents(), npartitions=3)
        sent = gcbulk.send_sms(lazy, MESSAGE, progress=False)
        results = pd.concat(list(sent))
    assert list(results["Name"].astype("str")) == list(parents()["Name"])
    assert sent.summary.accepted == (results["Status"] == "accepted").sum() > 0


def test_a_draft_of_a_dead_run_is_taken_away(platform: Sandbox) -> None:
    def breaks_off() -> Any:
        yield parents()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gcbulk.send_sms(breaks_off(), MESSAGE, progress=False)
    with Journal() as book, book.reading() as connection:
        for table in ("recipients", "campaigns", "runs"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() == 0


def test_a_draft_that_a_kill_left_behind_is_found_by_nobody_and_goes(platform: Sandbox, home: Path) -> None:
    gcbulk.send_sms(parents(4), MESSAGE, campaign="snow", progress=False)
    with Journal() as book:
        run = draft(book, base_url=platform.url, customer_id="1469", channel="sms", lease=90.0)
        row = PlannedRow(0, address="+447700900001", text="Snow")
        book.add_rows(run.campaign, [row])
        for ask in (gcbulk.resume, gcbulk.campaign_results):
            for name in ("rain", run.campaign.name):
                with pytest.raises(gcbulk.CampaignError, match=r"The nearest are: 'snow'\. See") as caught:
                    ask(name)
        assert str(caught.value).count("draft") == 1  # the name that was asked for
        assert not rows_of_number(book, "+447700900001")
        assert list(gcbulk.campaigns()["Campaign"]) == ["snow"]
        sweep(book)
        assert written(book, run) == 1  # its run is at work
        with book.writing() as connection:
            connection.execute(runs.update().where(runs.c.id == run.id).values(heartbeat_at=0.0))  # killed, a lease ago
        gcbulk.purge()
        assert written(book, run) == 0
        with pytest.raises(gcbulk.CampaignError, match="taken over this list while this one stood still"):
            book.add_rows(run.campaign, [row])
    assert b"+447700900001" not in (home / "journal.sqlite3").read_bytes()


def written(book: Journal, run: Run) -> int:
    """How many rows of a run's campaign there are."""
    with book.reading() as connection:
        of_it = sa.select(sa.func.count()).select_from(recipients).where(recipients.c.campaign_id == run.campaign.id)
        return int(connection.execute(of_it).scalar_one())


def test_a_file_that_cannot_be_written_hides_nothing_of_what_went(platform: Sandbox, tmp_path: Path) -> None:
    pieces = as_pieces([parents()])
    assert pieces is not None
    gone = tmp_path / "gone" / "out.csv"
    options = SendOptions(progress=False)
    make = partial(make_plan, message=MESSAGE)
    ran = send_in_pieces(pieces, make, IntakeOptions(), options, files=Files(out=gone))
    assert ran.summary.accepted
    assert "cannot be written" in ran.unwritten


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A list that counts as large."""
    monkeypatch.setattr(pieces_module, "LARGE_FILE", 0)
    monkeypatch.setattr(pieces_module, "LARGE_ROWS", 0)
    path = tmp_path / "big.csv"
    parents().to_csv(path, index=False)
    return path


def command(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["gcbulk", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_commands_on_a_large_list_write_what_they_would_of_a_small_one(
    large: Path, platform: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("out.csv", "phone.csv", "resumed.csv", "known.csv", "small.csv")]
    send = ("send", large, "--message", MESSAGE, "--yes", "--campaign", "snow", "--json")
    assert command(*send, "--out", files[0], "--not-told", files[1], monkeypatch=monkeypatch) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 23
    assert len(pd.read_csv(files[1])) == told["not_told"] == 3
    again = (*send[:-1], "--out", files[0])
    assert command(*again, monkeypatch=monkeypatch) == 5
    back = ("--recipients", large, "--out")
    assert command("resume", "snow", *back, files[2], monkeypatch=monkeypatch) == 5
    assert command("results", "snow", *back, files[3], monkeypatch=monkeypatch) == 0
    assert command("results", "snow", "--out", tmp_path / "bare.csv", monkeypatch=monkeypatch) == 0
    monkeypatch.setattr(pieces_module, "LARGE_FILE", 1 << 30)
    assert command("results", "snow", *back, files[4], monkeypatch=monkeypatch) == 0
    assert len({path.read_bytes() for path in (files[0], *files[2:])}) == 1


def test_a_large_list_is_looked_at_and_tried_out(
    large: Path, platform: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert command("preview", large, "--message", MESSAGE, monkeypatch=monkeypatch) == 0
    assert "Sends 20 texts" in capsys.readouterr().out
    words = ("--message", MESSAGE, "--yes")
    assert command("send", large, *words, "--test-to", "07700900999", monkeypatch=monkeypatch) == 0
    assert command("send", large, *words, "--out", tmp_path / "out.xlsx", monkeypatch=monkeypatch) == 2
    assert "too large for Excel" in capsys.readouterr().err
    other = tmp_path / "other.csv"
    parents(22).to_csv(other, index=False)
    assert command("send", large, *words, "--campaign", "snow", monkeypatch=monkeypatch) == 0
    assert command("resume", "snow", "--recipients", other, monkeypatch=monkeypatch) == 2
