from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.errors import RecipientsError
from gcbulk.recipients.reading import read_recipients, read_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

steady = settings(deadline=None, derandomize=True, max_examples=60)
TABLE = "Forename;Mobile;Note\nZoë;07700 900123;a, b, c\nŁukasz;07700900124;\n"
WESTERN = "Forename;Mobile;Note\nZoë;07700 900123;“café – 5€”\n"


def frame_of(text: str) -> pd.DataFrame:
    rows = [line.split(";") for line in text.splitlines()]
    return pd.DataFrame(rows[1:], columns=rows[0])


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (TABLE, "utf-8"),
        (TABLE, "utf-8-sig"),
        (TABLE, "utf-16"),
        ("\ufeff" + TABLE, "utf-16-le"),
        ("\ufeff" + TABLE, "utf-16-be"),
        (WESTERN, "utf-8"),
        (WESTERN, "cp1252"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, text: str, encoding: str, newline: str) -> None:
    path = tmp_path / "parents.csv"
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    pd.testing.assert_frame_equal(read_recipients(path), frame_of(text.removeprefix("\ufeff")))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_told_from_the_first_rows(delimiter: str) -> None:
    others = "".join({",", ";", "\t", "|"} - {delimiter})
    lines = [["Parent Name", "Mobile", "Class"], [f'"Smith{others}{delimiter}"', "07700 900123", f'"{others * 5}"']]
    frame = read_recipients("\n".join(delimiter.join(line) for line in lines).encode())
    assert list(frame) == lines[0]
    assert frame.iloc[0].tolist() == [cell.strip('"') for cell in lines[1]]


def test_a_single_column_needs_no_delimiter() -> None:
    assert read_recipients(b"Mobile\n07700 900123\n").to_dict("list") == {"Mobile": ["07700 900123"]}


def test_cells_are_strings_just_as_they_came() -> None:
    content = b'Id,Mobile,Note\n007,7700900123.0, NA \nNA,null,"say ""hi""\nthere"\n1e5,N/A,nan\n,,x\n'
    frame = read_recipients(content)
    assert frame.to_numpy().tolist() == [
        ["007", "7700900123.0", " NA "],
        ["NA", "null", 'say "hi"\nthere'],
        ["1e5", "N/A", "nan"],
        ["", "", "x"],
    ]
    assert set(frame.dtypes) == {pd.Series(["a"]).dtype}
    assert isinstance(frame.index, pd.RangeIndex)


def test_blank_rows_and_columns_are_dropped_and_short_rows_filled() -> None:
    frame = read_recipients(b"\n  \nForename,Mobile,,\n\nZo\xc3\xab\n,,,\n  ,,,\n\nAl,07700 900123,,seen\n")
    assert list(frame) == ["Forename", "Mobile", "Column 4"]
    assert frame.to_numpy().tolist() == [["Zoë", "", ""], ["Al", "07700 900123", "seen"]]


@pytest.mark.parametrize(
    "opened",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: path.read_bytes(),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: io.StringIO(path.read_text(encoding="utf-8")),
    ],
    ids=["str", "Path", "bytes", "binary file", "text file"],
)
def test_every_kind_of_source(tmp_path: Path, opened: Callable[[Path], object]) -> None:
    path = tmp_path / "parents.csv"
    path.write_text(TABLE, encoding="utf-8-sig")
    pd.testing.assert_frame_equal(read_recipients(opened(path)), frame_of(TABLE))  # type: ignore[arg-type]
    with path.open("rb") as file:
        pd.testing.assert_frame_equal(read_recipients(file), frame_of(TABLE))


BAD = {
    "0 bytes": (b"", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "only blank lines": (b"\n \r\n\n", "is empty"),
    "only a header": (b"Forename,Mobile\n", "no rows below"),
    "header and blank rows": (b"Forename,Mobile\n,\n\n", "no rows below"),
    "no header": (b"07700 900123,Al\n07700 900124,Bo\n", "columns' names"),
    "duplicated header": (b"Mobile,Name,Mobile\n1,2,3\n", 'more than one column called "Mobile"'),
    "ragged": (b"Mobile,Name\n1,2\n1,2,3\n", "3 cells in line 3, but its header has 2"),
    "ragged after a quoted newline": (b'Mobile,Name\n1,"a\nb\nc"\n\n1,2,3\n', "3 cells in line 6"),
    "ragged after leading blanks": (b"\n\nMobile,Name\n1,2,3\n", "3 cells in line 4"),
    "open quote": (b'Mobile,Name\n1,2\n1,"Al\n1,Bo\n', "line 3 that is never closed"),
    "open quote, long": (b'Mobile,Name\n1,"Al\n' + b"1,Bo\n" * 50_000, "line 2 that is never closed"),
    "NUL": (b"Mobile\n\x00\x00\n", "no text"),
    "undefined in Windows-1252": (b"Mobile,Name\n1,Z\x81\n", "no text"),
    "UTF-16 without mark": (TABLE.encode("utf-16-le"), "no text"),
    "half a UTF-16": (b"\xff\xfeM", "no text"),
    "broken after the UTF-8 mark": (b"\xef\xbb\xbfMobile\nZo\xeb\n", "no text"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "no text"),
    "control characters": (b"Mobile\n\xff\x01\x02\n", "no text"),
    "a workbook": (b"PK\x03\x04rest", "workbook"),
    "an old workbook": (b"\xd0\xcf\x11\xe0rest", "workbook"),
    "a PDF": (b"%PDF-1.7 ...", "PDF"),
    "endless header": (b"," * 100_000, "too long for a header"),
    "thousands of columns": (b"," * 20_000 + b"\n1\n", "too long for a header"),
}


@pytest.mark.parametrize(("content", "words"), BAD.values(), ids=BAD.keys())
def test_bad_files_give_one_sentence_that_names_them(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "absent today.csv"
    path.write_bytes(content)
    with pytest.raises(RecipientsError) as caught:
        read_recipients(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "parents.xlsx").write_bytes(b"anything")
    for path, words in [
        (tmp_path, "is a folder"),
        (tmp_path / "gone.csv", "There is no file"),
        (tmp_path / "parents.xlsx", "CSV"),
    ]:
        with pytest.raises(RecipientsError, match=words) as caught:
            read_recipients(path)
        assert str(path) in str(caught.value)
    with pytest.raises(RecipientsError, match="cannot be read"):
        read_recipients("a\0b.csv")
    with pytest.raises(RecipientsError, match="is empty"):
        read_recipients(io.BytesIO())
    with pytest.raises(RecipientsError, match="half a character"):
        read_recipients(io.StringIO("Mobile\n\ud800"))
    with pytest.raises(RecipientsError, match="sheets"):
        read_recipients(b"Mobile\n1\n", sheet="Year 7")


def test_rows_know_their_lines() -> None:
    rows = read_table(b"\n07700 900123\n\n07700 900124\n").rows
    assert rows[0].to_dict() == {1: "07700 900123", 3: "07700 900124"}


cell = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]), max_size=8)


@steady
@given(st.lists(st.lists(cell, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_pandas_writes_we_read_as_it_was(rows: list[list[str]], delimiter: str) -> None:
    frame = pd.DataFrame(rows, columns=["Mobile", "Forename", "Class"], dtype="str")
    written = frame.to_csv(index=False, sep=delimiter, quoting=1, lineterminator="\n").encode()
    with_content = frame[(frame.map(str.strip) != "").any(axis=1)].reset_index(drop=True)
    if with_content.empty:
        with pytest.raises(RecipientsError):
            read_recipients(written)
    else:
        pd.testing.assert_frame_equal(read_recipients(written), with_content)


@steady
@given(st.binary(max_size=200))
def test_any_bytes_give_a_frame_or_a_sentence(content: bytes) -> None:
    try:
        frame = read_recipients(content)
    except RecipientsError:
        return
    assert len(frame) > 0
    assert not frame.isna().any(axis=None)


def test_reading_does_not_need_pandera() -> None:
    check = "import sys, gcbulk.recipients.reading; sys.exit('pandera' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0
