"""Text with separators -> rows of cells, each just as it stands in the file.

Regular files go through pyarrow whole, and so do long ones in which some rows end early. What it refuses, such as
a row that is too long, is gone through row by row with `csv`, so that it can be told by its line.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from gcbulk.errors import RecipientsError
from gcbulk.recipients.headers import header_row

if TYPE_CHECKING:
    from collections.abc import Sequence

_DELIMITERS: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_LOOKED_AT: Final = 1 << 16  # characters from which the delimiter is told
_MOST_COLUMNS: Final = 16_384  # Excel's limit: a file with more is no list of people
_BLOCK: Final = 1 << 21  # bytes that pyarrow takes at a time; a row must fit into one
_HEAD: Final = 40  # rows among which the header is looked for
NAMED_LINES: Final = 10  # in a sentence
_END: Final = "\x00"  # no text that comes here holds it


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a file, in columns numbered from 0; the index is the line or row of the file less one."""

    cells: pd.DataFrame
    short: tuple[int, ...] = field(default=())  # lines of rows with fewer cells than the header


def delimited_rows(text: str, name: str) -> Rows:
    """Every row of a text, blank ones included; the separator is told from the first rows.

    Raises:
        RecipientsError: there is nothing in it, a row has more cells than the header, a quotation mark is
            never closed, or the first row is no header but thousands of columns.

    Example:
        >>> delimited_rows("Forename;Mobile\\nZoë;07700 900123\\n", "absent.csv").cells.iloc[1].tolist()
        ['Zoë', '07700 900123']
    """
    if not text or text.isspace():
        raise RecipientsError(f"{name} is empty. Export it again.")
    delimiter, width = delimiter_of(text[:_LOOKED_AT], name, whole=len(text) <= _LOOKED_AT)
    return (
        _regular(text, delimiter, width) or _nearly_regular(text, delimiter, width) or _irregular(text, delimiter, name)
    )


def delimiter_of(head: str, name: str, *, whole: bool) -> tuple[str, int]:
    """The separator by which the most of the first rows have the same number of cells, and that of the first row."""

    def fit(delimiter: str) -> tuple[int, int, int]:
        rows = [row for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row]
        if not whole and rows:
            rows.pop()  # cut off
        first = len(rows[0]) if rows else head.count(delimiter) + 1
        widths = Counter(len(row) for row in rows if len(row) > 1)
        width, times = max(widths.items(), key=lambda item: (item[1], item[0]), default=(first, 0))
        return times, width, first

    fits = {delimiter: fit(delimiter) for delimiter in _DELIMITERS}
    best = max(fits, key=lambda delimiter: fits[delimiter])
    _, width, first = fits[best]
    if max(width, first) > _MOST_COLUMNS:
        raise RecipientsError(f"{name} has a first row too long for a header. Export it again as CSV.")
    return best, first


def _regular(text: str, delimiter: str, width: int, *, short: _ShortRows | None = None) -> Rows | None:
    """The rows, where all have as many cells as the first; None where they have not, or a quotation mark is open.

    Those that `short` takes are left out.
    """
    try:
        table = pacsv.read_csv(
            pa.BufferReader(text.encode()),
            read_options=pacsv.ReadOptions(
                autogenerate_column_names=True, block_size=_BLOCK, use_threads=short is None
            ),
            parse_options=parse_options(delimiter, short=short),
            convert_options=convert_options(width),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_columns != width or not table.num_rows:
        return None
    # An open quotation mark takes all that follows, the last line end included, into the last cell.
    if text[-1] not in "\r\n" and text.count('"') % 2:
        return None
    if table.column(width - 1)[-1].as_py().endswith(("\r", "\n")):
        return None
    cells = table.to_pandas()
    cells.columns = pd.RangeIndex(width)
    return Rows(cells)


def parse_options(delimiter: str, *, short: _ShortRows | None = None) -> pacsv.ParseOptions:
    """How pyarrow finds rows and cells."""
    return pacsv.ParseOptions(
        delimiter=delimiter,
        newlines_in_values=True,
        ignore_empty_lines=False,
        quote_char='"',
        invalid_row_handler=short,
    )


def convert_options(width: int) -> pacsv.ConvertOptions:
    """How pyarrow leaves every cell the string that it is."""
    return pacsv.ConvertOptions(
        column_types={f"f{i}": pa.large_string() for i in range(width)}, strings_can_be_null=False
    )


class _ShortRows:
    """Takes the rows that end early, for pyarrow's reader of CSV; their cells by the place of the row.

    Not among the first rows, where the header is, nor with quotation marks: those are for `csv`.
    """

    def __init__(self, delimiter: str) -> None:
        self.cells: dict[int, list[str]] = {}
        self._delimiter = delimiter

    def __call__(self, row: pacsv.InvalidRow) -> str:
        if row.number <= _HEAD or row.actual_columns > row.expected_columns or '"' in row.text:
            return "error"
        self.cells[row.number - 1] = row.text.rstrip("\r\n").split(self._delimiter)
        return "skip"


def _nearly_regular(text: str, delimiter: str, width: int) -> Rows | None:
    """The rows, where some end early and every row is one line; None where it is not as simple as that."""
    short = _ShortRows(delimiter)
    rows = _regular(text, delimiter, width, short=short)
    if rows is None:
        return None
    cells, count = rows.cells, len(rows.cells) + len(short.cells)
    head = cells.iloc[:_HEAD].to_numpy(dtype=object).tolist()
    named = head[header_row(head)][-1].strip()
    if not named or count != text.count("\n" if "\n" in text else "\r") + (text[-1] not in "\r\n"):
        return None
    at = np.fromiter(short.cells, dtype=np.intp, count=len(short.cells))
    filled = [row + [""] * (width - len(row)) for row in short.cells.values()]
    own = pd.DataFrame(filled, index=at, columns=cells.columns, dtype="str")
    cells.index = pd.Index(np.delete(np.arange(count), at))
    lines = tuple(n + 1 for n, row in short.cells.items() if _has_content(row))
    return Rows(pd.concat([cells, own]).sort_index(), lines)


def _irregular(text: str, delimiter: str, name: str) -> Rows:
    """The rows one by one: short ones filled up, blank cells beyond the header left out, all lines known."""
    rows, lines = _read_one_by_one(text, delimiter, name)
    first = [*islice(((n, row) for n, row in enumerate(rows) if _has_content(row)), _HEAD)]
    at, header = first[header_row([row for _, row in first])]
    width = max(i + 1 for i, cell in enumerate(header) if cell.strip())
    if width < len(header):  # blank names at its end: as many as have anything below them
        below = (i + 1 for row in rows[at:] for i, cell in enumerate(row[width : len(header)], width) if cell.strip())
        width = max(below, default=width)
    long = [n for n, row in enumerate(rows) if len(row) > width and _has_content(row[width:])]
    if long:
        raise RecipientsError(
            f"{name} has {len(rows[long[0]])} cells in {named_lines([lines[n] for n in long])}, but its header has "
            f"{len(header)}. Put a cell that contains the separator in quotation marks, or remove the extra cells."
        )
    short = [n for n, row in enumerate(rows) if len(row) < width]
    named = tuple(lines[n] for n in short if n > at and _has_content(rows[n]))
    for n in short:
        rows[n] += [""] * (width - len(rows[n]))
    columns = {i: pd.array(column, dtype="str") for i, column in enumerate(islice(zip(*rows, strict=False), width))}
    return Rows(pd.DataFrame(columns, index=pd.Index(np.asarray(lines) - 1)), named)


def _has_content(row: Sequence[str]) -> bool:
    return any(map(str.strip, row))


def _read_one_by_one(text: str, delimiter: str, name: str) -> tuple[list[list[str]], list[int]]:
    """Each row with the number of the line it begins in; a mark of our own at the end shows an open quotation."""
    end = "" if text.endswith(("\n", "\r")) else "\n"
    reader = csv.reader(io.StringIO(f"{text}{end}{_END}", newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    lines, line = [], 1
    try:
        for row in reader:
            rows.append(row)
            lines.append(line)
            line = reader.line_num + 1
    except csv.Error:  # a cell that never ends grew too large
        rows.append([])
        lines.append(line)
    if rows[-1] != [_END]:
        raise RecipientsError(
            f"{name} has a quotation mark in or after line {lines[-1]} that is never closed. Close or remove it."
        )
    return rows[:-1], lines[:-1]


def named_lines(lines: Sequence[int]) -> str:
    """Lines for a sentence, the first few of them.

    >>> named_lines([3]), named_lines([3, 5])
    ('line 3', 'lines 3, 5')
    """
    shown = ", ".join(map(str, lines[:NAMED_LINES])) + (", ..." if len(lines) > NAMED_LINES else "")
    return f"line{'s' * (len(lines) > 1)} {shown}"
