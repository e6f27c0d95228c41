from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest

from gcbulk.errors import RecipientsError
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.schema import validate
from gcbulk.recipients.workbooks import workbook_rows
from tests.workbooks import changed, encrypted, ods, xls, xlsx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARENTS = [["Forename", "Mobile"], ["Zoë", "07700 900123"], ["Al", 447700900124]]
READ = {"Forename": ["Zoë", "Al"], "Mobile": ["07700 900123", "447700900124"]}
KINDS: dict[str, Callable[[Any], bytes]] = {"xlsx": xlsx, "xlsm": xlsx, "xls": xls, "ods": ods}


@pytest.mark.parametrize(("suffix", "made"), KINDS.items())
def test_every_kind_of_workbook(suffix: str, made: Callable[[Any], bytes], tmp_path: Path) -> None:
    path = tmp_path / f"absent.{suffix}"
    path.write_bytes(made({"Year 7": PARENTS, "Year 8": [["x"], ["y"]]}))
    frame = read_recipients(path)
    assert frame.to_dict("list") == READ
    assert set(frame.dtypes) == {pd.Series(["a"]).dtype}
    assert frame.attrs["reading"] == ['Read the sheet "Year 7".']
    assert read_recipients(path, sheet="Year 8").to_dict("list") == {"x": ["y"]}
    with path.open("rb") as file:
        assert read_recipients(file).to_dict("list") == READ
    upload = ({"name": "absent.xlsx", "content": memoryview(path.read_bytes())},)
    assert read_recipients(upload).to_dict("list") == READ


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (7700900123, "7700900123"),
        (447700900123.0, "447700900123"),
        (1e22, "10000000000000000000000"),
        (4.477e11, "447700000000.0"),  # rounded, and known by it
        (7.7e9, "7700000000.0"),
        (1_000_000, "1000000"),
        (-5, "-5"),
        (1.5, "1.5"),
        (True, "TRUE"),
        ("007", "007"),
        ("+447700900123", "+447700900123"),
        (" spaced ", " spaced "),
        ("two\nlines", "two\nlines"),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.datetime(2026, 11, 23, 8, 30), "2026-11-23 08:30:00"),  # noqa: DTZ001 - a spreadsheet knows no zones
        (dt.time(8, 30), "08:30:00"),
        (dt.timedelta(hours=30), "30:00:00"),
        (None, ""),
    ],
)
def test_cells_become_text(cell: object, text: str) -> None:
    rows, _ = workbook_rows(xlsx({"A": [["x", "end"], [cell, "."]]}), "a.xlsx")
    assert rows.iloc[1, 0] == text


@pytest.mark.parametrize("made", [xlsx, xls, ods])
def test_numbers_that_a_spreadsheet_rounded_are_not_texted(made: Callable[[Any], bytes]) -> None:
    cells = [4.477e11, 4.477e11, 7.7e9, 7700900123]
    book = made({"A": [["Parent Mobile", "N"], *([cell, "x"] for cell in cells)]})
    codes = validate(read_recipients(book))["ErrorCode"]
    assert codes.fillna("").tolist() == ["NUMBER_DIGITS_LOST"] * 3 + [""]


def test_formulas_are_their_values() -> None:
    book = changed(xlsx({"A": [["Mobile"], ["=1+1"]]}), "xl/worksheets/sheet1.xml", "<v />", "<v>447700900123</v>")
    assert read_recipients(book)["Mobile"].tolist() == ["447700900123"]


def test_the_first_sheet_that_is_shown() -> None:
    book = xlsx({"Lookups": [["x"], ["y"]], "Parents": PARENTS}, hidden=["Lookups"])
    assert read_recipients(book).to_dict("list") == READ
    assert read_recipients(book, sheet="Lookups").to_dict("list") == {"x": ["y"]}


@pytest.mark.parametrize("sheet", ["Year 7 ", "year  7", 1, "Year 7"])
def test_a_sheet_by_name_or_place(sheet: str | int) -> None:
    book = xlsx({"Cover": [["x"], ["y"]], "Year 7": PARENTS})
    assert read_recipients(book, sheet=sheet).to_dict("list") == READ


@pytest.mark.parametrize("sheet", ["Year 9", 2, -1, ""])
def test_a_sheet_that_is_not_there_lists_those_that_are(sheet: str | int) -> None:
    with pytest.raises(RecipientsError, match=f'no sheet "{sheet}". Its sheets are: "Cover", "Year 7"'):
        read_recipients(xlsx({"Cover": [["x"]], "Year 7": PARENTS}), sheet=sheet)


def test_titles_blank_rows_and_columns_and_where_a_table_begins() -> None:
    rows = [[], [None, "Absent on", dt.date(2026, 11, 23)], [], [None, "Forename", None, "Year", "Mobile"], []]
    frame = read_recipients(xlsx({"A": [*rows, [None, "Zoë", None, 7, 7700900123]]}))
    assert frame.to_dict("list") == {"Forename": ["Zoë"], "Year": ["7"], "Mobile": ["7700900123"]}
    assert frame.attrs["reading"] == ['Read the sheet "A".', "Left out line 2, above the header."]


def test_a_date_in_the_header_is_no_number() -> None:
    frame = read_recipients(xlsx({"A": [["Mobile", dt.date(2026, 11, 23)], ["07700 900123", "N"]]}))
    assert list(frame) == ["Mobile", "2026-11-23"]


def far_off(*, told: bool) -> bytes:
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "Mobile", "x"
    out = io.BytesIO()
    book.save(out)
    if told:
        return out.getvalue()
    return changed(out.getvalue(), "xl/worksheets/sheet1.xml", '<dimension ref="A1:XFD1048576"', "<dimension")


BAD = {
    "encrypted": (encrypted(xlsx({"A": PARENTS})), "protected with a password"),
    "cut off": (xlsx({"A": PARENTS})[:-300], "or it is damaged"),
    "cut in the middle": (xlsx({"A": PARENTS})[:2000], "or it is damaged"),
    "an old one, cut off": (xls({"A": PARENTS})[:1000], "or it is damaged"),
    "another kind of archive": (b"PK\x03\x04" + b"\0" * 100, "is no workbook"),
    "no cells": (xlsx({"A": []}), "is empty"),
    "blank cells": (xlsx({"A": [["  ", ""], [None, "\n"]]}), "is empty"),
    "a header alone": (xlsx({"A": PARENTS[:1]}), "no rows below it"),
    "no header": (xlsx({"A": PARENTS[1:]}), "looks like a recipient"),
    "a cell far off": (far_off(told=True), "far off its table"),
    "a cell far off, which it does not say": (far_off(told=False), "far off its table"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_bad_workbooks_give_one_sentence_that_names_them(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "absent today.xlsx"
    path.write_bytes(content)
    with pytest.raises(RecipientsError) as caught:
        read_recipients(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_hidden_sheets_only() -> None:
    book = changed(
        xlsx({"A": PARENTS, "B": PARENTS}, hidden=["A"]),
        "xl/workbook.xml",
        'name="B" sheetId="2" state="visible"',
        'name="B" sheetId="2" state="hidden"',
    )
    with pytest.raises(RecipientsError, match=r'no sheet that is not hidden\. Name one .*: "A", "B"'):
        read_recipients(book)
