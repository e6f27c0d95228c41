"""Files of recipients -> a DataFrame in which every cell is the string that stands in the file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gcbulk.errors import RecipientsError, warn
from gcbulk.recipients.delimited import delimited_rows, named_lines
from gcbulk.recipients.encodings import decoded
from gcbulk.recipients.headers import distinct, header_row, looks_like_a_recipient
from gcbulk.recipients.sources import content_of
from gcbulk.recipients.workbooks import is_workbook, workbook_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from gcbulk.recipients.sources import Source

_OTHER_KINDS: Final = {  # how files begin that are no lists, in lower case
    b"%pdf": "a PDF",
    b"{\\rtf": "a text document",
    b"<html": "a web page",
    b"<!doctype": "a web page",
    b"<table": "a web page",
    b"<?xml": "an XML file",
}
_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_HEAD: Final = 40  # rows among which the header is looked for


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file that hold anything, titles and header included.

    `rows` has columns numbered from 0 and, as index, the line of the file (or row of the sheet) less one.
    """

    name: str
    rows: pd.DataFrame
    notes: tuple[str, ...]  # how it was read, where that could be of interest
    doubts: tuple[str, ...]  # what somebody should look at

    def header_row(self) -> int:
        """At which of the rows the header stands."""
        return header_row(self.rows.head(_HEAD).to_numpy(dtype=object).tolist())


def read_recipients(source: Source, *, sheet: str | int | None = None) -> pd.DataFrame:
    """Read a file of recipients as it came, before anything is checked or sent.

    Args:
        source: a path, an open file (binary or text), bytes, or the `value` of an ipywidgets FileUpload. Text
            separated by commas, semicolons, tabs or pipes, in UTF-8, UTF-16, Windows-1252 or what
            charset-normalizer finds in its stead; or a workbook (XLSX, XLSM, XLSB, XLS, ODS).
        sheet: for workbooks, a sheet's name or its place from 0; without it the first that is not hidden.

    Returns:
        A frame of dtype `str` with the header's names as columns and a `RangeIndex`. Blank cells, and those
        missing at the end of a short row, are `""`; nothing is turned into a missing value or a number. In
        workbooks whole numbers are their digits, dates are ISO 8601, formulas their values. Titles above the
        header, rows without any content, and columns without name and content are left out. Columns of one
        name become `Name (1)`, `Name (2)`. `attrs["reading"]` lists how it was read: the encoding where it is
        not UTF-8, the sheet, the lines above the header.

    Warns:
        GcbulkWarning: columns of one name, rows that are shorter than the header (with their lines), or an
            encoding that had to be guessed, or rests on few letters (with their lines).

    Raises:
        RecipientsError: the file is missing, empty, protected or damaged, no readable text, has no such sheet,
            has only a header or none, or a row with more cells than the header (with its line).

    Example:
        >>> read_recipients(b"Absent today\\n\\nForename;Mobile\\nZo\\xc3\\xab;07700 900123\\n")
          Forename        Mobile
        0      Zoë  07700 900123
    """
    table = read_table(source, sheet=sheet)
    at = table.header_row()
    header = table.rows.iloc[at].tolist()
    frame = table.rows.iloc[at + 1 :].reset_index(drop=True)
    if any(map(looks_like_a_recipient, header)):
        raise RecipientsError(
            f"{table.name} begins with a row that looks like a recipient. Put a row with the columns' names above it."
        )
    if frame.empty:
        raise RecipientsError(f"{table.name} has a header but no rows below it. Export it again with the recipients.")
    kept = [i for i, label in enumerate(header) if label.strip() or with_content(frame.iloc[:, [i]]).any()]
    names, twice = distinct([header[i] if header[i].strip() else f"Column {i + 1}" for i in kept])
    frame = frame.iloc[:, kept]
    frame.columns = pd.Index(names)
    above = (
        [f"Left out {named_lines([int(line) + 1 for line in table.rows.index[:at]])}, above the header."] if at else []
    )
    frame.attrs["reading"] = [*table.notes, *above]
    listed = ", ".join(f'"{" ".join(label.split())}"' for label in twice)
    doubts = [f"{table.name} has more than one column called {listed}. They were numbered: (1), (2)."] if twice else []
    for doubt in (*table.doubts, *doubts):
        warn(doubt)
    return frame


def read_table(source: Source, *, sheet: str | int | None = None) -> Table:
    """Read every row of a file as strings; rows without any content are left out.

    Raises:
        RecipientsError: as `read_recipients` does, but for what concerns the names in the header.
    """
    content = content_of(source)
    name, data = content.name, content.data
    if isinstance(data, bytes) and is_workbook(data, name):
        cells, chosen = workbook_rows(data, name, sheet=sheet)
        return Table(name, _filled(cells, name), (f'Read the sheet "{chosen}".',), ())
    if sheet is not None:
        raise RecipientsError(f"{name} has no sheets, as it is read as text. Leave out sheet= (--sheet).")
    refuse_other_kinds(data, name)
    text, encoding, guessed = decoded(data, name)
    rows = delimited_rows(text, name)
    doubts = []
    if guessed:
        beyond = [n for n, line in enumerate(_LINE_ENDS.split(text), 1) if not line.isascii()]
        doubts.append(
            f"{name} is not UTF-8, and was read as {encoding}. Check the letters with accents in {named_lines(beyond)}."
        )
    if rows.short:
        lines = named_lines(rows.short)
        doubts.append(f"{name} has fewer cells in {lines} than in its header. The missing ones were left blank.")
    notes = [f"Read as {encoding} text."] if encoding not in ("UTF-8", "text") else []
    return Table(name, _filled(rows.cells, name), tuple(notes), tuple(doubts))


def refuse_other_kinds(data: bytes | str, name: str) -> None:
    """Raise RecipientsError for a file that begins as no list does."""
    if isinstance(data, bytes):
        begins = data[:200].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
        for magic, what in _OTHER_KINDS.items():
            if begins.startswith(magic):
                raise RecipientsError(f"{name} is {what}, not a list. Save the list as XLSX or CSV UTF-8.")


def _filled(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows that hold anything."""
    filled = with_content(cells)
    if not filled.any():
        raise RecipientsError(f"{name} is empty. Export it again.")
    return cells if filled.all() else cells[filled]


def with_content(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows hold anything but blanks."""
    content = np.zeros(len(rows), dtype=bool)
    for column in rows:
        todo = np.flatnonzero(~content)
        if not len(todo):
            break
        cells = rows[column] if len(todo) == len(rows) else rows[column].iloc[todo]
        content[todo] = cells.str.strip() != ""
    return content
