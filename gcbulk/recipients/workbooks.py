"""Workbooks (XLSX, XLSM, XLSB, XLS, ODS) -> rows of cells as text; the home of python-calamine."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import pandas as pd
import python_calamine as calamine

from gcbulk.errors import RecipientsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ZIP: Final = b"PK\x03\x04"
_COMPOUND: Final = b"\xd0\xcf\x11\xe0"
_SECTOR: Final = 512  # bytes; compound files are made of these
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")  # the stream that a protected XLSX is kept in
_ONLY_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xlsb", ".ods")
_MOST_CELLS: Final = 50_000_000  # a million rows of fifty columns; beyond it, something stands far off the table
_CELL: Final = re.compile(rb'<c r="([A-Z]{1,3})(\d{1,7})"')
_ROUNDED: Final = re.compile(r"\d{4,6}0{6}")  # 4.477E+11 as it is kept in a cell: as long as a phone number
_CHUNK: Final = 1 << 20  # bytes
_LONGEST_CELL: Final = 20  # bytes, of what the pattern finds


def is_workbook(data: bytes | str, name: str) -> bool:
    """Whether a file begins as workbooks do, or is called as only workbooks are.

    What is called .xls may be text or a web page: many programs export such files.
    """
    return isinstance(data, bytes) and (
        data.startswith((_ZIP, _COMPOUND)) or (name.lower().endswith(_ONLY_WORKBOOKS) and data.strip() != b"")
    )


def workbook_rows(data: bytes, name: str, *, sheet: str | int | None = None) -> tuple[pd.DataFrame, str]:
    """Every row of one sheet, in columns numbered from 0, and the name of the sheet.

    Args:
        data: the workbook.
        name: what to call it in a sentence.
        sheet: its name, or its place among all sheets from 0; without it the first that is not hidden.

    Returns:
        Cells of dtype `str`: integral numbers as their digits, other numbers as Python writes them, dates and
        times in ISO 8601, formulas as their values, TRUE and FALSE; `""` where there is nothing. A number as
        long as a phone's that ends in six zeros was rounded by the spreadsheet, and keeps the `.0` by which
        `to_e164` knows it. The index counts the rows of the sheet from 0.

    Raises:
        RecipientsError: it is protected with a password, is damaged, has no such sheet, or holds cells so far
            apart that no memory could hold the table between them.
    """
    with _in_words(data, name):
        rows, chosen = _cells(data, name, sheet)
    columns = {i: pd.array(_written(cells), dtype="str") for i, cells in enumerate(zip(*rows, strict=True))}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows))), chosen


def sheet_names(data: bytes, name: str) -> list[str]:
    """The sheets of a workbook that are not hidden, in their order. Raises RecipientsError as `workbook_rows` does."""
    with _in_words(data, name), calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
        return [sheet.name for sheet in _shown(book.sheets_metadata)]


@contextmanager
def _in_words(data: bytes, name: str) -> Iterator[None]:
    """Whatever a workbook cannot be read for becomes a sentence."""
    if data.startswith(_COMPOUND) and _ENCRYPTED in data:
        raise _protected(name)
    if data.startswith(_COMPOUND) and len(data) % _SECTOR:
        raise _damaged(name, "its end is missing")
    try:
        yield
    except calamine.PasswordError:
        raise _protected(name) from None
    except (calamine.CalamineError, calamine.XmlError, calamine.ZipError, OSError) as error:
        raise _damaged(name, " ".join(str(error).split()).rstrip(".")) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # what Rust raises for its own mistakes; it has no public name
            raise
        raise _damaged(name, "its parts do not fit together") from None


def _cells(data: bytes, name: str, sheet: str | int | None) -> tuple[list[list[Any]], str]:
    with calamine.CalamineWorkbook.from_filelike(io.BytesIO(data)) as book:
        chosen = _chosen(book.sheets_metadata, name, sheet)
        _refuse_far_cells(data, name)
        return book.get_sheet_by_name(chosen).to_python(skip_empty_area=False), chosen


def _damaged(name: str, why: str) -> RecipientsError:
    return RecipientsError(
        f"{name} is no workbook that can be read, or it is damaged ({why}). Open it in Excel and save it again as "
        "XLSX, or its sheet as CSV UTF-8."
    )


def _protected(name: str) -> RecipientsError:
    return RecipientsError(
        f"{name} is protected with a password. Open it, save a copy without the password, and use that."
    )


def _chosen(sheets: Iterable[calamine.SheetMetadata], name: str, wanted: str | int | None) -> str:
    """The name of the sheet to read; hidden ones are read where they are asked for."""
    tables = [sheet for sheet in sheets if sheet.typ == calamine.SheetTypeEnum.WorkSheet]
    if wanted is None:
        if shown := _shown(tables):
            return shown[0].name
        raise RecipientsError(
            f"{name} has no sheet that is not hidden. Name one with sheet= (--sheet): {_list(tables)}."
        )
    if isinstance(wanted, int) and not isinstance(wanted, bool) and 0 <= wanted < len(tables):
        return tables[wanted].name
    for same in (str.__str__, str.strip, lambda text: " ".join(text.split()).casefold()):
        found = [sheet.name for sheet in tables if same(sheet.name) == same(str(wanted))]
        if len(found) == 1 and not isinstance(wanted, int):
            return found[0]
    raise RecipientsError(f'{name} has no sheet "{wanted}". Its sheets are: {_list(tables)}.')


def _shown(sheets: Iterable[calamine.SheetMetadata]) -> list[calamine.SheetMetadata]:
    table, visible = calamine.SheetTypeEnum.WorkSheet, calamine.SheetVisibleEnum.Visible
    return [sheet for sheet in sheets if sheet.typ == table and sheet.visible == visible]


def _list(sheets: Iterable[calamine.SheetMetadata]) -> str:
    return ", ".join(f'"{sheet.name}"' for sheet in sheets) or "(there are none)"


def _written(cells: Iterable[Any]) -> list[str]:
    return [cell if type(cell) is str else _WRITERS.get(type(cell), str)(cell) for cell in cells]


def _number(value: float) -> str:
    if not value.is_integer():
        return repr(value)
    digits = str(int(value))
    return f"{digits}.0" if _ROUNDED.fullmatch(digits) else digits


def _moment(value: dt.datetime) -> str:
    """A date where the hour is midnight, as spreadsheets have no other way to keep a date."""
    return (value.date() if value.time() == dt.time() else value).isoformat(*[" "] * (value.time() != dt.time()))


def _duration(value: dt.timedelta) -> str:
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


_WRITERS: Final[dict[type, Any]] = {
    float: _number,
    bool: lambda value: str(value).upper(),
    dt.datetime: _moment,
    dt.date: dt.date.isoformat,
    dt.time: dt.time.isoformat,
    dt.timedelta: _duration,
}


def _refuse_far_cells(data: bytes, name: str) -> None:
    """calamine makes room for the whole rectangle between the cells; one stray cell can ask for half a terabyte."""
    if not data.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for part in archive.namelist():
                if part.startswith("xl/worksheets/") and part.endswith(".xml"):
                    with archive.open(part) as sheet:
                        rows, columns = _extent(sheet)
                    if rows * columns > _MOST_CELLS:
                        raise RecipientsError(
                            f"{name} has a cell in row {rows} and one in column {columns}, far off its table. "
                            "Copy the table into a new workbook, and use that."
                        )
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        return  # calamine will put it into words


def _extent(sheet: IO[bytes]) -> tuple[int, int]:
    """How many rows and columns the cells of a sheet span."""
    rows, letters, rest = 0, b"A", b""
    while chunk := sheet.read(_CHUNK):
        chunk = rest + chunk
        for column, row in _CELL.findall(chunk):
            letters = max(letters, column, key=lambda name: (len(name), name))
            rows = max(rows, int(row))
        rest = chunk[-_LONGEST_CELL:]
    return rows, _column(letters)


def _column(letters: bytes) -> int:
    """The number of a column, from 1.

    >>> _column(b"XFD")
    16384
    """
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
