"""Files out: the user's cells as they came, nothing of ours that runs, workbooks of strings alone."""

from __future__ import annotations

import csv
import io
import os
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.errors import OptionError
from gcbulk.recipients import spreadsheets
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.schema import validate
from gcbulk.recipients.spreadsheets import sheet_of
from gcbulk.recipients.writing import check_fits, check_writable, write_table

if TYPE_CHECKING:
    from pathlib import Path

steady = settings(deadline=None, derandomize=True, max_examples=40)
OWN = pd.DataFrame(
    {
        "Mobile": ["07700 900123", "=1+1", "+447700900124", "n/a"],
        "Status": ["=cmd|'/c calc'!A1", "@x", "-1", "+1"],
        "Note": ["0012", "two\r\nlines", 'says "hi", twice', " 1e5 "],
    }
)


def annotated(**ours: object) -> pd.DataFrame:
    return validate(OWN).assign(
        **{name: pd.array([value, None, None, None], dtype="str") for name, value in ours.items()}
    )


@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_the_user_s_cells_are_exactly_as_they_came(name: str, tmp_path: Path) -> None:
    checked = validate(OWN)
    write_table(checked, tmp_path / name)
    again = read_recipients(tmp_path / name)
    kept = again.iloc[:, :3].set_axis(list(OWN), axis=1)
    pd.testing.assert_frame_equal(kept, OWN)
    assert list(again)[1] == "Status_input"
    assert again["SentTo"].tolist() == ["+447700900123", "", "+447700900124", ""]


@pytest.mark.parametrize("words", ["=HYPERLINK(1)", "+ more", "-x", "@x", "\tx", "\rx", "+44 7700"])
def test_our_own_columns_begin_with_nothing_that_runs(words: str, tmp_path: Path) -> None:
    write_table(annotated(ErrorDetail=words, MessageId=words, SentTo="+447700900123"), tmp_path / "out.csv")
    row = next(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_bytes().decode("utf-8-sig"), newline="")))
    assert row["ErrorDetail"] == row["MessageId"] == f"'{words}"
    assert row["SentTo"] == "+447700900123"
    assert row["Status_input"] == OWN["Status"].iloc[0]


def test_a_list_of_the_user_s_own_columns_is_left_alone(tmp_path: Path) -> None:
    write_table(OWN, tmp_path / "out.csv")
    pd.testing.assert_frame_equal(read_recipients(tmp_path / "out.csv"), OWN)


def test_in_a_workbook_every_cell_is_a_text(tmp_path: Path) -> None:
    frame = annotated(ErrorDetail="=1+1").assign(
        Parts=pd.array([1, None, 2, 3], dtype="Int64"),
        AcceptedAt=pd.to_datetime(["2026-11-24T08:30Z", None, None, None], utc=True),
        UnitsBilled=[1.5, np.nan, 2.0, 3.0],
        Mixed=[None, pd.NA, "\ud800", 10**20],
    )
    write_table(frame, tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    rows = list(sheet.iter_rows())
    kinds = {cell.data_type for row in rows for cell in row if cell.value is not None}
    assert kinds <= {"s", "inlineStr"}
    assert {cell.number_format for row in rows[1:] for cell in row if cell.value is not None} == {"@"}
    values = [dict(zip([c.value for c in rows[0]], [c.value for c in row], strict=True)) for row in rows[1:]]
    assert values[0]["Mobile"] == "07700 900123"
    assert values[0]["SentTo"] == "+447700900123"
    assert values[0]["ErrorDetail"] == "=1+1"
    assert values[1]["Mobile"] == "=1+1"
    assert [row["Parts"] for row in values] == ["1", None, "2", "3"]
    assert [row["UnitsBilled"] for row in values] == ["1.5", None, "2.0", "3.0"]
    assert values[0]["AcceptedAt"] == "2026-11-24 08:30:00+00:00"
    assert [row["Mixed"] for row in values] == [None, None, "?", "100000000000000000000"]
    assert "<f>" not in zipfile.ZipFile(tmp_path / "out.xlsx").read("xl/worksheets/sheet1.xml").decode()


def test_columns_of_a_workbook_are_as_wide_as_their_texts(tmp_path: Path) -> None:
    frame = pd.DataFrame({"N": ["x" * 30], "A long name for a column": ["y"], "Z": ["z" * 500]})
    write_table(frame, tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert 31 < widths[0] < 35
    assert 25 < widths[1] < 29
    assert 59 < widths[2] < 62
    assert sheet.freeze_panes == "A2"


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cn"]), max_size=10)


@steady
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6))
def test_any_text_comes_back_from_a_workbook(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame([("x", "x"), *rows], columns=["Mobile", "Note"], dtype="str")
    again = read_recipients(sheet_of(frame))
    expected = frame[(frame.map(str.strip) != "").any(axis=1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, expected)


@pytest.mark.parametrize("name", ["r.xls", "r.ods", "r.XLSM", "r.numbers", "r.pdf", "r.doc", "r.docx", "r.json"])
def test_kinds_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"Give a name in \.xlsx or \.csv"):
        check_writable(tmp_path / name, option="--out", others={})


@pytest.mark.parametrize("name", ["r", "r.csv", "r.tsv", "r.txt", "r.2026", "r.dat", "r.xlsx"])
def test_other_endings_are_written(name: str, tmp_path: Path) -> None:
    check_writable(tmp_path / name, option="--out", others={})
    assert not list(tmp_path.iterdir())
    write_table(OWN, tmp_path / name)
    pd.testing.assert_frame_equal(read_recipients(tmp_path / name), OWN)


@pytest.mark.parametrize("length", [255, 256])
def test_a_long_name_can_be_written_or_is_refused_before(length: int, tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * (length - 4)}.csv"
    try:
        path.touch(exist_ok=False)
        path.unlink()
    except OSError:
        with pytest.raises(OptionError, match="cannot be written"):
            check_writable(path, option="--out", others={})
    else:
        check_writable(path, option="--out", others={})
        write_table(OWN, path)
        pd.testing.assert_frame_equal(read_recipients(path), OWN)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links, and has no such pipes")
@pytest.mark.parametrize("name", ["out.csv", "out.xlsx"])
def test_a_link_stays_and_leads_to_the_new_content(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / name
    target.write_bytes(b"old")
    (tmp_path / name).symlink_to(target)
    check_writable(tmp_path / name, option="--out", others={})
    write_table(OWN, tmp_path / name)
    assert (tmp_path / name).is_symlink()
    pd.testing.assert_frame_equal(read_recipients(target), OWN)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links, and has no such pipes")
def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    check_writable(pipe, option="--out", others={})
    with ThreadPoolExecutor(1) as other:
        read = other.submit(pipe.read_bytes)
        write_table(OWN, pipe)
        pd.testing.assert_frame_equal(read_recipients(read.result()), OWN)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_what_no_sheet_can_hold_is_found_out_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = pd.DataFrame({"Mobile": ["1"], "Note": ["x" * 32_768]})
    with pytest.raises(OptionError, match="32768 characters in a cell: Excel's most are 32767"):
        check_fits(long, tmp_path / "r.xlsx", option="--out")
    check_fits(long, tmp_path / "r.csv", option="--out")
    monkeypatch.setattr(spreadsheets, "_MOST_ROWS", 3)
    with pytest.raises(OptionError, match=r"--out .* cannot hold 4 rows"):
        check_fits(pd.DataFrame({"Mobile": list("abc")}), tmp_path / "r.xlsx", option="--out")
    check_fits(pd.DataFrame({"Mobile": list("ab")}), tmp_path / "r.xlsx", option="--out")


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    write_table(OWN, tmp_path / "out.xlsx")
    write_table(OWN, tmp_path / "out.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "out.xlsx"]
