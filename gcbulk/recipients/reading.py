"""Files of recipients -> a DataFrame in which every cell is the string that stands in the file."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import pandas as pd

from gcbulk.errors import RecipientsError

if TYPE_CHECKING:
    import os
    from typing import TypeAlias

    import numpy.typing as npt

    Source: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | IO[str]

# The first bytes of a file that say how it is encoded. UTF-32 before UTF-16: its mark begins with the other's.
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}

# The first bytes of files that are no text: what they are, for the error.
_NOT_TEXT = {
    b"PK\x03\x04": "a workbook",
    b"\xd0\xcf\x11\xe0": "a workbook",
    b"%PDF": "a PDF",
}
_WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"})

_DELIMITERS = ",;\t|"
_LOOKED_AT = 1 << 16  # characters from which the delimiter is told
_MOST_COLUMNS = 16_384  # Excel's limit: a file with more is no list of people
_CONTROL_CHARACTERS = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[\s+(]*\d[\d\s().-]{8,}")


def read_recipients(source: Source, *, sheet: str | int | None = None) -> pd.DataFrame:
    """Read a file of recipients as it came, before anything is checked or sent.

    Args:
        source: a path, an open file (binary or text) or the bytes of a CSV file: separated by commas,
            semicolons, tabs or pipes; in UTF-8 (with or without byte order mark), UTF-16 with one, or
            Windows-1252. The separator is told from the first rows.
        sheet: for workbooks; a text file has no sheets.

    Returns:
        A frame of dtype `str` with the header's names as columns and a `RangeIndex`. Blank cells, and those
        missing at the end of a short row, are `""`; nothing is turned into a missing value or a number.
        Rows without any content are left out, and so are columns without name and content.

    Raises:
        RecipientsError: the file is missing, empty, no readable text, has only a header or none, has two
            columns of one name, or a row with more cells than the header.

    Example:
        >>> read_recipients(b"Forename;Mobile\\nZo\\xc3\\xab;07700 900123\\n")
          Forename        Mobile
        0      Zoë  07700 900123
    """
    name = _name(source)
    if sheet is not None:
        raise RecipientsError(f"{name} has no sheets, as it is read as text. Leave out sheet= (--sheet).")
    rows = read_rows(source)
    header = rows.iloc[0].tolist()
    frame = rows.iloc[1:].reset_index(drop=True)
    if any(_LOOKS_LIKE_A_NUMBER.fullmatch(label) for label in header):
        raise RecipientsError(
            f"{name} begins with a row that looks like a recipient. Put a row with the columns' names above it."
        )
    if frame.empty:
        raise RecipientsError(f"{name} has a header but no rows below it. Export it again with the recipients.")
    frame, header = _without_blank_columns(frame, header)
    twice = [label for label, times in Counter(header).items() if times > 1]
    if twice:
        listed = ", ".join(f'"{label}"' for label in twice)
        raise RecipientsError(f"{name} has more than one column called {listed}. Give each column its own name.")
    frame.columns = pd.Index(header)
    return frame


def read_rows(source: Source) -> pd.DataFrame:
    """Read every row of a text file, a header included, as strings; rows without any content are left out.

    The columns are numbered from 0. The index counts the rows of the file from 0, so that it is the line
    number less one as long as no cell spans several lines.

    Raises:
        RecipientsError: as `read_recipients` does, but for what concerns the header.
    """
    name = _name(source)
    text = _decoded(_content(source, name), name)
    body = re.sub(r"^(?:[^\S\n\r]*(?:\r\n?|\n))+", "", text)
    if not body.strip():
        raise RecipientsError(f"{name} is empty. Export it again.")
    delimiter = _delimiter(body, name)
    try:
        rows = pd.read_csv(
            io.BytesIO(body.encode()),
            header=None,
            sep=delimiter,
            dtype="str",
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8",
        )
    except pd.errors.ParserError as error:
        raise RecipientsError(_why_unreadable(text, delimiter, name)) from error
    rows.index += len(text[: -len(body)].splitlines())
    return rows[_with_content(rows)]


def _name(source: Source) -> str:
    """What to call the source in a sentence."""
    known = getattr(source, "name", None) if hasattr(source, "read") else source
    return str(known) if isinstance(known, (str, Path)) else "The file"


def _content(source: Source, name: str) -> bytes | str:
    if isinstance(source, bytes):
        return source
    if not isinstance(source, str) and hasattr(source, "read"):
        return source.read()
    path = Path(source)
    if path.is_dir():
        raise RecipientsError(f"{name} is a folder. Name the file in it.")
    if path.suffix.lower() in _WORKBOOKS and path.exists():
        raise RecipientsError(f"{name} is a workbook, which cannot be read yet. Save its sheet as CSV UTF-8.")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RecipientsError(f"There is no file {name}. Check its name and folder.") from error
    except (OSError, ValueError) as error:
        raise RecipientsError(f"{name} cannot be read ({error}). Check that you may open it.") from error


def _decoded(content: bytes | str, name: str) -> str:
    """The text of the file; UTF-8 unless a mark says otherwise or it cannot be, then Windows-1252."""
    if isinstance(content, str):
        if not _encodable(content):
            raise RecipientsError(f"{name} holds half a character that no file can hold. Export it again as UTF-8.")
        return content.removeprefix("\ufeff")
    for magic, what in _NOT_TEXT.items():
        if content.startswith(magic):
            raise RecipientsError(f"{name} is {what}, not a text file. Save the list as CSV UTF-8.")
    marked = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        # Windows-1252 gives a meaning to nearly any bytes: those of pictures and programs hold control characters
        if encoding == "cp1252" and _CONTROL_CHARACTERS.search(content):
            break
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text
    raise RecipientsError(f"{name} is no text in an encoding that we know. Export or save it again as CSV UTF-8.")


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _delimiter(text: str, name: str) -> str:
    """The separator that splits the most of the first rows into as many cells as the header has."""
    head = text[:_LOOKED_AT]

    def fit(delimiter: str) -> tuple[int, int]:
        rows = [row for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
        if len(head) < len(text):
            rows.pop()  # cut off
        width = len(rows[0]) if rows else _MOST_COLUMNS + 1
        return (sum(len(row) == width for row in rows), width) if width > 1 else (0, 0)

    best = max(_DELIMITERS, key=fit)
    if fit(best)[1] > _MOST_COLUMNS:
        raise RecipientsError(f"{name} has a first row too long for a header. Export it again as CSV.")
    return best


def _why_unreadable(text: str, delimiter: str, name: str) -> str:
    """The sentence for a file that pandas could not read, with the line in question.

    pandas counts rows; people look for lines, and those differ where a cell spans several.
    """
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    width, line, before = 0, 1, 1
    try:
        for row in rows:
            width = width or (len(row) if any(row) else 0)
            if width and len(row) > width:
                return (
                    f"{name} has {len(row)} cells in line {line}, but its header has {width}. Put a cell that "
                    "contains the separator in quotation marks, or remove the extra cells."
                )
            before, line = line, rows.line_num + 1
    except csv.Error:  # a cell that never ends grew too large
        before = line
    return f"{name} has a quotation mark in or after line {before} that is never closed. Close or remove it."


def _with_content(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows hold anything but blanks."""
    content = np.zeros(len(rows), dtype=bool)
    for column in rows:
        todo = np.flatnonzero(~content)
        if not len(todo):
            break
        content[todo] = rows[column].iloc[todo].str.strip() != ""
    return content


def _without_blank_columns(frame: pd.DataFrame, header: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Leave out columns without name and content; call those without a name by their place."""
    kept = [i for i, label in enumerate(header) if label.strip() or _with_content(frame.iloc[:, [i]]).any()]
    return frame.iloc[:, kept], [header[i] if header[i].strip() else f"Column {i + 1}" for i in kept]
