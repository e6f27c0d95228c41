"""Cells as a message sees them: the name of their column, their value as text, and how they compare."""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable

# Jinja2 reads these as its own words, so a column of that name gets an underscore in front.
_RESERVED = frozenset({"and", "else", "false", "if", "in", "is", "none", "not", "or", "true"})


def field_name(column: object) -> str:
    """Return the name by which a message calls a column: letters, digits and underscores, in lower case.

    Whatever else stands in the label is a gap (an apostrophe is not); a digit in front, or a word of Jinja2's, gets
    an underscore. Labels that are no strings are written out, and the levels of a MultiIndex label joined. "" for a
    label without a letter or digit: no message can use that column. The name of a name is itself.

    >>> field_name("Parent Name"), field_name("1st contact"), field_name(("Parent", "Mobile"))
    ('parent_name', '_1st_contact', 'parent_mobile')
    """
    label = "_".join(map(str, column)) if isinstance(column, tuple) else str(column)
    # NFKC, as Python reads identifiers: two names that it takes for one must be one here too.
    label = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).lower())
    letters = (letter if f"_{letter}".isidentifier() else " " for letter in re.sub("['’ʼ]", "", label))
    name = "_".join("".join(letters).replace("_", " ").split())
    return f"_{name}" if name and (not name.isidentifier() or name in _RESERVED) else name


def quoted(column: object) -> str:
    label = " / ".join(map(str, column)) if isinstance(column, tuple) else str(column)
    return f'"{" ".join(label.split())}"'


# White space, and the marks that look like none: a cell that holds nothing else is blank. Control characters that
# Python takes for white space are not among them: they are refused, wherever in a cell they stand.
UNSEEN = (
    "\t\n\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\xad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)


def _write_moment(value: datetime) -> str:
    if value.time() == time.min:
        return value.date().isoformat()
    return f"{value.date().isoformat()} {_write_time(value.time())}"


def _write_time(value: time) -> str:
    return value.isoformat("seconds" if value.second else "minutes")


def _write_float(value: float) -> str:
    return np.format_float_positional(value + 0, trim="-") if math.isfinite(value) else ""


# How the values of a cell are written. The first that fits is taken: NaT is a datetime, which is a date.
_WRITERS: tuple[tuple[Any, Callable[[Any], str]], ...] = (
    (str, lambda value: value.strip(UNSEEN)),
    ((type(None), type(pd.NA), type(pd.NaT)), lambda _: ""),
    ((bool, int, np.bool_, np.integer), str),
    ((float, np.floating), _write_float),  # 5.0 -> 5, what a spreadsheet leaves of a whole number
    (Decimal, lambda value: format(value, "f") if value.is_finite() else ""),
    (datetime, _write_moment),  # as the clock of its own time zone shows it
    (date, date.isoformat),
    (time, _write_time),
    (np.datetime64, lambda value: _write(pd.Timestamp(value))),
    (pd.Period, str),
)


def _write(value: object) -> str:
    for types, writer in _WRITERS:
        if isinstance(value, types):
            return writer(value)
    raise TypeError(type(value).__name__)


def cell_texts(column: pd.Series[Any], label: str) -> pd.Series[str]:
    """Write every cell of a column as text, NaN where it is blank; the index is dropped."""
    try:
        return _cell_texts(column.reset_index(drop=True), label)
    except UnicodeEncodeError:
        row = next(row for row, cell in enumerate(column, start=1) if re.search("[\ud800-\udfff]", str(cell)))
        raise TemplateError(
            f"The column {label} holds half of a character in row {row}, which no text can carry. Correct that cell."
        ) from None


def _cell_texts(column: pd.Series[Any], label: str) -> pd.Series[str]:
    if isinstance(column.dtype, (pd.ArrowDtype, pd.SparseDtype, pd.CategoricalDtype)):
        column = column.astype(object).infer_objects()
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string":
        column = column.astype("str")
    if isinstance(column.dtype, pd.StringDtype):
        texts = column.astype("str").str.strip(UNSEEN)
        return texts.mask(texts == "")
    try:
        if column.dtype == object:  # in which 1, 1.0 and True would be one value
            texts = pd.Series([_write(value) for value in column.array], dtype="str")
        else:
            codes, values = column.array.factorize()
            texts = pd.Series([*map(_write, values), ""], dtype="str").take(codes).reset_index(drop=True)
    except TypeError as exc:
        raise TemplateError(
            f"The column {label} holds a value of the type {exc}, which cannot be put into a message. "
            "Give it plain text, a number or a date, or leave it out of the message."
        ) from exc
    return texts.mask(texts == "")


class RowProblem(Exception):  # noqa: N818 - it ends one row, not the run
    """Raised while a row is filled in, when its text would be wrong; its text is the row's `ErrorDetail`."""


def missing(label: str) -> str:
    return f"Column {label}: {SENTENCES[ErrorCode.FIELD_MISSING]}"


def _not_a_number(label: str) -> str:
    return (
        f"Column {label}: the message compares this cell with a number, and it is none. "
        "Correct it, or compare it with == and quotation marks."
    )


_NUMBER = re.compile(r"-?£?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return value
    match = _NUMBER.fullmatch(str(value))
    return float(match[0].replace("£", "").replace(",", "")) if match else None


def _compared(value: Cell | float) -> float:
    number = _number(value)
    if number is None and isinstance(value, Cell):
        raise RowProblem(_not_a_number(value.label) if str(value) else missing(value.label))
    return float(number or 0)


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Cell, Any], bool]:
    """Make a comparison of numbers, so that "9" is less than "10"; what is none would choose the wrong words."""
    return lambda self, other: compare(_compared(self), _compared(other))


class Cell(str):
    """A cell in a template: equal to the same text or number; blank, it is false and cannot be printed."""

    __slots__ = ("label",)
    label: str  # its column, quoted

    def __new__(cls, text: str, label: str) -> Self:
        cell = super().__new__(cls, text)
        cell.label = label
        return cell

    def __bool__(self) -> bool:
        # A spreadsheet's FALSE is false, whether it was read as a bool or as a word.
        return self.casefold() not in {"", "false"}

    def __eq__(self, other: object) -> bool:
        return _number(self) == other if isinstance(other, (int, float)) else str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__
    __lt__ = _ordered(operator.lt)
    __le__ = _ordered(operator.le)
    __gt__ = _ordered(operator.gt)
    __ge__ = _ordered(operator.ge)


class Default(Cell):
    """What `default` put in the place of a blank cell; it may be empty on purpose."""

    __slots__ = ()


def printed(value: object) -> object:
    if isinstance(value, Cell) and not str(value) and not isinstance(value, Default):
        raise RowProblem(missing(value.label))
    return value
