"""DataFrame -> XLSX in which nothing can go wrong: every cell a string, nothing runs; the home of XlsxWriter."""

from __future__ import annotations

import io
import tempfile
from typing import TYPE_CHECKING, Final

import pandas as pd
import xlsxwriter

from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

# Excel's own limits, the header's row included.
_MOST_ROWS: Final = 1_048_576
_MOST_COLUMNS: Final = 16_384
_MOST_CHARACTERS: Final = 32_767

_NARROWEST, _WIDEST = 8, 60  # of a column, in characters
_SAMPLE: Final = 10_000  # rows from which widths are told
_AT_A_TIME: Final = 10_000  # rows


def check_fits(frame: pd.DataFrame, path: Path, *, option: str, more_columns: int = 0) -> None:
    """Raise OptionError where a sheet of Excel's could not hold this frame (and so many columns more)."""
    longest = max((int(texts.str.len().max()) for texts in map(_texts, _columns(frame)) if len(texts)), default=0)
    for many, most, what in (
        (len(frame) + 1, _MOST_ROWS, "rows"),
        (frame.shape[1] + more_columns, _MOST_COLUMNS, "columns"),
        (longest, _MOST_CHARACTERS, "characters in a cell"),
    ):
        if many > most:
            raise OptionError(
                f"{option} {path} cannot hold {many} {what}: Excel's most are {most}. Give it a name in .csv."
            )


def sheet_of(frame: pd.DataFrame, *, scratch_in: Path | None = None) -> bytes:
    """A frame as a workbook of one sheet; missing values are empty cells, every other is a text.

    So Excel shows numbers with their plus and zeros, runs no formula, and still does after somebody edits a cell.
    XlsxWriter's own temporary files go into a folder in `scratch_in`, beside the result, and nowhere else.
    """
    out = io.BytesIO()
    with tempfile.TemporaryDirectory(dir=scratch_in, prefix=".gcbulk-", ignore_cleanup_errors=True) as scratch:
        book = xlsxwriter.Workbook(out, {"constant_memory": True, "tmpdir": scratch, "use_zip64": True})
        sheet = book.add_worksheet("Recipients")
        text = book.add_format({"num_format": "@"})
        heading = book.add_format({"num_format": "@", "bold": True})
        sheet.freeze_panes(1, 0)
        sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{_MOST_ROWS}"})
        for at, label in enumerate(frame.columns):
            sheet.set_column(at, at, _width(str(label), frame.iloc[:_SAMPLE, at]), text)
            sheet.write_string(0, at, _storable(str(label)), heading)
        for start in range(0, len(frame), _AT_A_TIME):
            columns = [_texts(column).tolist() for column in _columns(frame.iloc[start : start + _AT_A_TIME])]
            for row, cells in enumerate(zip(*columns, strict=True), start + 1):
                for at, cell in enumerate(cells):
                    if cell:
                        sheet.write_string(row, at, cell, text)
        book.close()
    return out.getvalue()


def _columns(frame: pd.DataFrame) -> list[pd.Series]:
    return [frame.iloc[:, at] for at in range(frame.shape[1])]


def _texts(column: pd.Series) -> pd.Series:
    """A column as strings, those that a CSV would have; blank where a value is missing."""
    missing = column.isna().to_numpy()
    if not isinstance(column.dtype, pd.StringDtype):
        column = pd.Series([_storable(str(cell)) for cell in column.astype(object)], dtype="str")
    return column.reset_index(drop=True).mask(missing, "")


def _storable(text: str) -> str:
    """A text without half characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode()


def _width(label: str, sample: pd.Series) -> int:
    longest = _texts(sample).str.len().max() if len(sample) else 0
    return int(min(max(_NARROWEST, len(label) + 2, longest + 2), _WIDEST))
