"""A corpus of files as they come from offices: each is read whole, or refused in one sentence with exit code 2."""

from __future__ import annotations

import json
import random
import signal
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from gcbulk import cli
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.schema import validate
from gcbulk.recipients.writing import write_table
from tests.workbooks import encrypted, ods, xls, xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

P = "Forename,Mobile\nZoë,07700 900123\nAl,07700 900124\n"
B = P.encode()
SHEET = [["Forename", "Mobile"], ["Zoë", "07700 900123"], ["Al", 7700900124]]
NOISE = random.Random(4).randbytes(4096)

# What is read: the file's name, its content, and how many rows there are in it. Several bring a warning.
READ: dict[str, tuple[str, bytes, int]] = {
    "plain": ("a.csv", B, 2),
    "no line end at the end": ("a.csv", B.rstrip(), 2),
    "blank lines at the end": ("a.csv", B + b"\r\n\r\n\r\n", 2),
    "blank lines before": ("a.csv", b"\r\n\n" + B, 2),
    "blank lines between": ("a.csv", B.replace(b"\n", b"\n\n"), 2),
    "rows of commas": ("a.csv", B + b",\n,\n,\n", 2),
    "blank columns between": ("a.csv", B.replace(b",", b",,,"), 2),
    "a comma at the end of every row": ("a.csv", B.replace(b"\n", b",\n"), 2),
    "commas at the end of some rows": ("a.csv", B + b"Bo,07700 900125,,,\n", 3),
    "old Mac line ends": ("a.csv", B.replace(b"\n", b"\r"), 2),
    "all line ends at once": ("a.csv", b"Forename,Mobile\rA,07700 900123\r\nB,07700 900124\nC,07700 900125", 3),
    "doubled returns": ("a.csv", B.replace(b"\n", b"\r\r\n"), 2),
    "a mark": ("a.csv", b"\xef\xbb\xbf" + B, 2),
    "two marks": ("a.csv", b"\xef\xbb\xbf\xef\xbb\xbf" + B, 2),
    "UTF-16": ("a.txt", P.replace(",", "\t").encode("utf-16"), 2),
    "UTF-16 without mark": ("a.csv", P.encode("utf-16-le"), 2),
    "UTF-16 the other way round": ("a.csv", P.encode("utf-16-be"), 2),
    "UTF-32": ("a.csv", P.encode("utf-32"), 2),
    "Windows-1252": ("a.csv", P.encode("cp1252"), 2),
    "Mac Roman": ("a.csv", "Forename,Mobile\nRenée,1\nFrançois,2\nChloé,3\nZoë,4\n".encode("mac_roman"), 4),
    "semicolons": ("a.csv", B.replace(b",", b";"), 2),
    "tabs, called .csv": ("a.csv", B.replace(b",", b"\t"), 2),
    "pipes": ("a.txt", B.replace(b",", b"|"), 2),
    "tabs, called .xls": ("a.xls", B.replace(b",", b"\t"), 2),
    "Excel's own first line": ("a.csv", b"sep=;\r\n" + B.replace(b",", b";"), 2),
    "commas in quotation marks": ("a.csv", b'Name,Mobile\n"Smith, Al",07700 900123\n', 1),
    "line breaks in quotation marks": ("a.csv", b'Mobile,Address\n07700 900123,"1 Long St\r\n\r\nExampleton"\n', 1),
    "quotation marks within": ("a.csv", b'Name,Mobile\nAl "the lad" X,07700 900123\n', 1),
    "inches": ("a.csv", b'Name,Size,Mobile\nAl,5",07700 900123\nBo,6",07700 900124\n', 2),
    "one inch": ("a.csv", b'Name,Size,Mobile\nAl,5",07700 900123\nBo,6,07700 900124\n', 2),
    "doubled quotation marks": ("a.csv", b'"Name","Mobile"\n"Al ""X"" Y","07700 900123"\n', 1),
    "formulas to keep a zero": ("a.csv", b'Name,Mobile\nAl,"=""07700900123"""\n', 1),
    "formulas that would run": ("a.csv", b"Name,Mobile\n=cmd|'/c calc'!A1,07700 900123\n@SUM(1),+447700900124\n", 2),
    "numbers as Excel spoils them": ("a.csv", b"Mobile\n7700900123\n4.47700900123E+11\n4.477E+11\n7700900123.0\n", 4),
    "missing words": ("a.csv", b"Mobile,N\nn/a,1\nNULL,2\nNaN,3\n#N/A,4\nNone,5\n-,6\n", 6),
    "a title": ("a.csv", b"Absent today,\n" + B, 2),
    "a title, a date and a blank line": (
        "a.csv",
        b"Absent today\nDate:,23/11/2026\n\nYear,Forename,Mobile\n7,A,1\n",
        1,
    ),
    "a header twice": ("a.csv", b"Name,Mobile,Name\nA,07700 900123,B\n", 1),
    "a header twice in other letters": ("a.csv", b"Name,Mobile,NAME\nA,07700 900123,B\n", 1),
    "a header of several lines": ("a.csv", b'"Parent\nMobile",Name\n07700 900123,A\n', 1),
    "a header with NBSP": ("a.csv", "Parent\u00a0Mobile,Name\n07700 900123,A\n".encode(), 1),
    "a blank name in the header": ("a.csv", b"Mobile,,Name\n07700 900123,x,A\n", 1),
    "our own names": ("a.csv", b"Mobile,Status,SentTo,ErrorCode\n07700 900123,on roll,x,y\n", 1),
    "rows that end early": ("a.csv", b"Name,Mobile,Note\nA,07700 900123\nB\n", 2),
    "the same row again and again": ("a.csv", b"Name,Mobile\n" + b"A,07700 900123\n" * 50, 50),
    "invisible marks": ("a.csv", "Mobile,N\n\u202a07700 900123\u202c,1\n\u200b07700900124,2\n".encode(), 2),
    "full-width digits": ("a.csv", "Mobile,N\n０７７００９００１２３,1\n".encode(), 1),
    "emoji and accents apart": ("a.csv", "Mobile,N\n07700 900123,👩‍👧\n07700 900124,e\u0301\n".encode(), 2),
    "a very long cell": ("a.csv", b"Mobile,Note\n07700 900123," + b"x" * 30_000 + b"\n", 1),
    "hundreds of columns": ("a.csv", b"Mobile" + b",c" * 300 + b"\n1" + b",v" * 300 + b"\n", 1),
    "control characters": ("a.csv", b"Mobile,N\n07700 900123,a\x07b\x0bc\n", 1),
    "one column": ("a.txt", b"Mobile\n07700 900123\n\n07700 900124\n", 2),
    "XLSX": ("a.xlsx", xlsx({"A": SHEET}), 2),
    "XLSX called .csv": ("a.csv", xlsx({"A": SHEET}), 2),
    "XLS": ("a.xls", xls({"A": SHEET}), 2),
    "XLS called .xlsx": ("a.xlsx", xls({"A": SHEET}), 2),
    "ODS": ("a.ods", ods({"A": SHEET}), 2),
    "XLSX with a title": ("a.xlsx", xlsx({"A": [["Absent today"], [], *SHEET]}), 2),
    "XLSX with a hidden sheet": ("a.xlsx", xlsx({"H": [["x"]], "A": SHEET}, hidden=["H"]), 2),
    "XLSX with blank rows": ("a.xlsx", xlsx({"A": [[], SHEET[0], [], *SHEET[1:], [None], ["  "]]}), 2),
}

# What is refused: the file's name, its content, and words of the sentence.
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "0 bytes": ("a.csv", b"", "is empty"),
    "0 bytes, called .xlsx": ("a.xlsx", b"", "is empty"),
    "a mark alone": ("a.csv", b"\xff\xfe", "is empty"),
    "blanks": ("a.csv", b" \t\r\n \n", "is empty"),
    "commas": ("a.csv", b",,,\n,,,\n", "is empty"),
    "millions of commas": ("a.csv", b"," * 5_000_000, "too long for a header"),
    "a header alone": ("a.csv", b"Forename,Mobile\n", "no rows below it"),
    "no header": ("a.csv", B.split(b"\n", 1)[1], "looks like a recipient"),
    "a PDF": ("a.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "is a PDF"),
    "a picture": ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + NOISE, "is no text"),
    "noise": ("a.csv", NOISE, "is no text"),
    "noise, called .xlsx": ("a.xlsx", NOISE, "is no workbook"),
    "zeros": ("a.csv", b"\0" * 1000, "is no text"),
    "a zero byte": ("a.csv", B.replace(b"Al", b"A\0l"), "holds a zero byte in line 3"),
    "a web page, called .xls": ("a.xls", b"<html><table><tr><td>Mobile</td></tr></table></html>", "is a web page"),
    "XML": ("a.xml", b'<?xml version="1.0"?><pupils/>', "is an XML file"),
    "an encrypted workbook": ("a.xlsx", encrypted(xlsx({"A": SHEET})), "protected with a password"),
    "a workbook cut off": ("a.xlsx", xlsx({"A": SHEET})[:-500], "it is damaged"),
    "an old workbook cut off": ("a.xls", xls({"A": SHEET})[:-500], "it is damaged"),
    "another archive": ("a.xlsx", b"PK\x05\x06" + b"\0" * 18, "is no workbook"),
    "half a character": ("a.csv", b"Forename,Mobile\nZo\xed\xa0\x80,07700 900123\n", "half a character"),
    "too many cells": ("a.csv", B + b"Bo,07700 900125,more\n", "3 cells in line 4"),
    "an open quotation mark": ("a.csv", B + b'"Bo,07700 900125\n', "never closed"),
    "no column of numbers": ("a.csv", b"Forename,Surname\nA,B\n", "None of the columns is called mobile"),
    "several": ("a.csv", b"Mother Mobile,Father Mobile\n1,2\n", "could be in any of these columns"),
    "the numbers' header twice": ("a.csv", b"Mobile,Mobile\n1,2\n", "could be in any of these columns"),
}

pytestmark = pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")


@pytest.fixture(autouse=True)
def no_handler_left() -> Iterator[None]:
    """What `main` does about SIGTERM ends with the test."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def test_there_are_many_of_them() -> None:
    assert len(READ) + len(REFUSED) >= 60


@pytest.mark.parametrize(("name", "content", "rows"), READ.values(), ids=READ.keys())
@pytest.mark.parametrize("out", ["out.csv", "out.xlsx"])
def test_every_row_and_cell_of_it_is_in_the_output(
    name: str, content: bytes, rows: int, out: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    recipients = read_recipients(tmp_path / name)
    assert len(recipients) == rows
    checked = validate(recipients)
    assert (checked["SentTo"].notna() | checked["ErrorCode"].notna()).all()
    write_table(checked, tmp_path / out)
    again = read_recipients(tmp_path / out)
    assert again.shape == checked.shape
    kept = again.iloc[:, : recipients.shape[1]]
    pd.testing.assert_frame_equal(kept.set_axis(recipients.columns, axis=1), recipients)
    assert again["SentTo"].tolist() == checked["SentTo"].fillna("").tolist()


@pytest.mark.parametrize(("name", "content", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_it_is_refused_in_one_sentence(
    name: str,
    content: bytes,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gcbulk", "validate", name, "--json", "--out", "out.csv"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    (complaint,) = [line for line in said.err.splitlines() if not line.startswith("Warning: ")]
    assert ended.value.code == 2
    assert complaint.startswith("Error: ")
    assert words in complaint
    assert said.out == ""
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(("name", "content", "rows"), READ.values(), ids=READ.keys())
def test_the_command_line_counts_every_row(
    name: str,
    content: bytes,
    rows: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["gcbulk", "validate", str(tmp_path / name), "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["rows"] == sum(counts["statuses"].values()) == rows
