from __future__ import annotations

import csv
import io
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import ipywidgets
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.errors import GcbulkWarning, RecipientsError
from gcbulk.recipients import delimited
from gcbulk.recipients.delimited import delimited_rows
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
    with pytest.warns(GcbulkWarning, match="in line 2") if encoding == "cp1252" else nullcontext():
        frame = read_recipients(path)
    pd.testing.assert_frame_equal(frame, frame_of(text.removeprefix("\ufeff")))


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
    content = b"\n  \nForename,Mobile,,\n\nZo\xc3\xab\n,,,\n  ,,,\n\nAl,07700 900123,,seen\n"
    with pytest.warns(GcbulkWarning, match="fewer cells in line 5 than in its header"):
        frame = read_recipients(content)
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
    "ragged": (b"Mobile,Name\n1,2\n1,2,3\n", "3 cells in line 3, but its header has 2"),
    "ragged twice": (b"Mobile,Name\n1,2,3\n1,2\n1,2,3,4\n", "3 cells in lines 2, 4"),
    "ragged below a title": (b"Absent today\n\nMobile,Name\n1,2\n1,2,3\n", "3 cells in line 5"),
    "ragged after a quoted newline": (b'Mobile,Name\n1,"a\nb\nc"\n\n1,2,3\n', "3 cells in line 6"),
    "ragged after leading blanks": (b"\n\nMobile,Name\n1,2,3\n", "3 cells in line 4"),
    "open quote": (b'Mobile,Name\n1,2\n1,"Al\n1,Bo\n', "line 3 that is never closed"),
    "open quote, long": (b'Mobile,Name\n1,"Al\n' + b"1,Bo\n" * 50_000, "line 2 that is never closed"),
    "NUL": (b"Mobile\n\x00\x00\n", "no text"),
    "undefined in Windows-1252": (b"Mobile,Name\n1,Z\x81\n", "no text"),
    "half a character": (b"Mobile,Name\n1,Zo\xed\xa0\x80\n", "half a character"),
    "half a character in UTF-16": (b"\xff\xfe" + "Mobile\n1".encode("utf-16-le") + b"\x00\xd8", "no text"),
    "UTF-8 and Windows-1252 in one": (b"Mobile,Name\n1,Zo\xc3\xab\x81\n", "no text"),
    "half a UTF-16": (b"\xff\xfeM", "no text"),
    "broken after the UTF-8 mark": (b"\xef\xbb\xbfMobile\nZo\xeb\n", "no text"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "no text"),
    "control characters": (b"Mobile\n\xff\x01\x02\n", "no text"),
    "a workbook cut off": (b"PK\x03\x04rest", "no workbook that can be read"),
    "an old workbook cut off": (b"\xd0\xcf\x11\xe0rest", "no workbook that can be read"),
    "a PDF": (b"%PDF-1.7 ...", "is a PDF"),
    "a web page": (b"\r\n<HTML><table><tr><td>07700 900123</td></tr></table>", "is a web page"),
    "a text document": (b"{\\rtf1\\ansi 07700 900123}", "is a text document"),
    "endless header": (b"," * 100_000, "too long for a header"),
    "thousands of columns": (b"," * 20_000 + b"\n1\n", "too long for a header"),
    "millions of columns": (b"," * 5_000_000, "too long for a header"),
    "millions of columns below": (b"Mobile,Name\n" + b"1," * 100_000 + b"\n", "100001 cells in line 2"),
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


def test_columns_of_one_name_are_kept_apart_and_reported() -> None:
    content = b"Mobile,Name,Mobile,Mobile (1)\n1,2,3,4\n"
    with pytest.warns(GcbulkWarning, match='more than one column called "Mobile". They were numbered'):
        frame = read_recipients(content)
    assert frame.to_dict("list") == {"Mobile (2)": ["1"], "Name": ["2"], "Mobile (3)": ["3"], "Mobile (1)": ["4"]}


TITLED = {
    "one": "Absent today\n\n{}",
    "two": "Example School\nDate:,23/11/2026\n{}",
    "filled up": "Example School,,\n,,\nAbsent today,,\n{}",
    "with commas": '"Absent today, Monday"\n{}',
    "what Excel writes for itself": "sep=,\n{}",
}


@pytest.mark.parametrize("titles", TITLED.values(), ids=TITLED.keys())
@pytest.mark.parametrize(
    "table", ["Forename,Year,Mobile\nZoë,7,07700 900123\n", "A,B,C\nZoë,7,07700 900123\nAl,8,07700 900124\n"]
)
def test_titles_above_the_header(titles: str, table: str) -> None:
    frame = read_recipients(titles.format(table).encode())
    assert list(frame) == table.splitlines()[0].split(",")
    assert frame.iloc[0].tolist() == ["Zoë", "7", "07700 900123"]
    (note,) = frame.attrs["reading"]
    assert note.startswith("Left out line")


@pytest.mark.parametrize(
    "content",
    [
        "Mobile\n07700 900123\n",
        "Mobile,,\n07700 900123,a,b\n",
        "Forename,Mobile\nMobile,07700 900123\n",
        "Who,Handset,Note\nAl,07700 900123,\n",
        "Handset,Note\n,x\n07700 900123,y\n",
    ],
)
def test_a_header_is_no_title(content: str) -> None:
    frame = read_recipients(content.encode())
    assert frame.columns[0] == content.split("\n")[0].split(",")[0]
    assert frame.attrs["reading"] == []


def test_headers_with_spaces_line_breaks_and_nbsp_are_kept() -> None:
    content = '"Parent\nMobile", Forename ,Reg\u00a0Group\n07700 900123,Al,7A\n'.encode()
    assert list(read_recipients(content)) == ["Parent\nMobile", " Forename ", "Reg\u00a0Group"]


@pytest.mark.parametrize(
    ("encoding", "names", "note"),
    [
        ("cp1252", "Zoë Siân Chloé O’Neill £5 Renée José Beyoncé Zoé Anaïs Noël", "Read as Windows-1252 text."),
        ("utf-16", "Zoë", "Read as UTF-16 text."),
        ("utf-16-le", "Zoë", "Read as UTF-16 text."),
        ("utf-16-be", "Zoë", "Read as UTF-16 text."),
        ("utf-32", "Zoë", "Read as UTF-32 text."),
    ],
)
def test_the_encoding_is_reported(encoding: str, names: str, note: str) -> None:
    frame = read_recipients(f"Forename,Mobile\n{names},07700 900123\n".encode(encoding))
    assert frame["Forename"].tolist() == [names]
    assert frame.attrs["reading"] == [note]


@pytest.mark.parametrize(("encoding", "name"), [("mac_roman", "Zoë Smith"), ("cp1250", "Łukasz"), ("cp1252", "Zoë")])
def test_a_guess_on_few_letters_brings_a_warning_with_their_lines(encoding: str, name: str) -> None:
    content = f"Forename,Mobile\nAl,07700 900123\n{name},07700 900124\nBo,07700 900125\n".encode(encoding)
    with pytest.warns(GcbulkWarning, match=r"Check the letters with accents in line 3\.$") as caught:
        read_recipients(content)
    assert name[:2] not in str(caught[0].message)


def test_a_folder_is_called_a_folder_and_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError) as caught:
        read_recipients(tmp_path)
    assert str(caught.value) == f"{tmp_path} is a folder. Name the file in it."


def test_pounds_before_digits_bring_no_warning() -> None:
    assert read_recipients("Fee,Mobile\n£5,07700 900123\n".encode("cp1252"))["Fee"].tolist() == ["£5"]


@pytest.mark.parametrize(
    ("encoding", "name"), [("mac_roman", "Zoë,José,Renée,François"), ("cp1250", "Łukasz,Wiśniewski,Zażółć,Gęślą")]
)
def test_an_encoding_that_had_to_be_guessed_brings_a_warning(encoding: str, name: str) -> None:
    content = "Forename;Mobile\n" + "".join(f"{part};07700 900123\n" for part in name.split(","))
    with pytest.warns(GcbulkWarning, match="is not UTF-8, and was read as .* Check the letters"):
        frame = read_recipients(content.encode(encoding))
    assert frame["Forename"].tolist() == name.split(",")


FILE = {
    "name": "absent.csv",
    "type": "text/csv",
    "size": 1,
    "last_modified": datetime(2026, 11, 24, tzinfo=UTC),
    "content": memoryview(TABLE.encode()),
}


@pytest.mark.parametrize(
    "upload",
    [(FILE,), FILE, {"absent.csv": {"metadata": {"name": "absent.csv"}, "content": TABLE.encode()}}],
    ids=["ipywidgets 8", "one file of it", "ipywidgets 7"],
)
def test_what_was_chosen_in_an_upload_box(upload: object) -> None:
    pd.testing.assert_frame_equal(read_recipients(upload), frame_of(TABLE))  # type: ignore[arg-type]


def test_an_open_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "absent.csv"
    path.write_bytes(WESTERN.encode("cp1252"))
    with path.open(encoding="utf-8") as file, pytest.raises(RecipientsError, match=r'absent\.csv cannot be read.*"rb"'):
        read_recipients(file)
    with pytest.raises(RecipientsError, match="cannot be read"):
        read_recipients(file)


def test_an_upload_box_itself(tmp_path: Path) -> None:
    box = ipywidgets.FileUpload()
    with pytest.raises(RecipientsError, match="No file was chosen"):
        read_recipients(box.value)
    box.set_trait("value", (FILE, FILE))
    with pytest.raises(RecipientsError, match="2 files were chosen"):
        read_recipients(box.value)
    box.set_trait("value", ({**FILE, "content": memoryview(b"%PDF-1.7")},))
    with pytest.raises(RecipientsError, match=r"absent\.csv is a PDF"):
        read_recipients(box.value)


@pytest.mark.parametrize("source", [5, None, 1.5, [1]])
def test_what_is_no_source_at_all(source: object) -> None:
    with pytest.raises(RecipientsError, match="from a path, an open file or bytes, not from a value of type"):
        read_recipients(source)  # type: ignore[arg-type]


row = st.lists(st.text(st.sampled_from('ab,"\n\r ;\t7'), max_size=5), min_size=3, max_size=3)


@steady
@given(st.lists(row, min_size=1, max_size=6), st.booleans())
def test_regular_rows_are_those_that_csv_reads(rows: list[list[str]], lone_returns: bool) -> None:
    end = "\r" if lone_returns else "\r\n"
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([["x", "y", "z"], *rows])
    cells = delimited_rows(out.getvalue(), "x").cells
    assert [list(map(str, found)) for found in cells.itertuples(index=False)] == [["x", "y", "z"], *rows]


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


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "odd", ["07700 900124", "", " ", "07700 900124,Al", ",,", "07700 900124,Al,", '"07700 900124"']
)
def test_short_rows_in_a_long_file_are_read_as_one_by_one(newline: str, odd: str) -> None:
    lines = ["Mobile,Forename,Note", *["07700 900123,Zoë,x"] * 60, odd, "07700 900123,Zoë,x", odd]
    text = newline.join(lines)
    for content in (text, text + newline):
        quick, slow = delimited_rows(content, "x.csv"), delimited._irregular(content, ",", "x.csv")
        pd.testing.assert_frame_equal(quick.cells, slow.cells, check_index_type=False, check_column_type=False)
        assert quick.short == slow.short


def test_short_rows_in_a_long_file_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(delimited, "_irregular")
    rows = delimited_rows("Mobile,Note\n" + "07700 900123,x\n" * 60 + "07700 900124\n", "x.csv")
    assert rows.cells.iloc[-1].tolist() == ["07700 900124", ""]
    assert rows.short == (62,)
