"""Merge fields: a message text that is read and checked once, then filled in for every row. Jinja2's one home.

The language is a small part of Jinja2's, and all of it is in the tables below: fields, `default` and a few filters,
`{% if %}`, comments and `{% raw %}`. Nothing in it can loop, call, or reach an attribute, a file or Python.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import TemplateSyntaxError, nodes
from jinja2.defaults import DEFAULT_FILTERS
from jinja2.sandbox import SandboxedEnvironment

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError
from gcbulk.messages.parts import MAX_CHARACTERS, compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_HELP = (
    "A message is plain text with {{ parent_name }}, {{ parent_name | default('Parent') }} "
    "and {% if year == '7' %} ... {% else %} ... {% endif %}."
)

# ---------------------------------------------------------------------------------------------------- field names

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


def _quoted(column: object) -> str:
    label = " / ".join(map(str, column)) if isinstance(column, tuple) else str(column)
    return f'"{" ".join(label.split())}"'


# ------------------------------------------------------------------------------------------------- cells as texts

# White space, and the marks that look like none: a cell that holds nothing else is blank.
_UNSEEN = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
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
    (str, lambda value: value.strip(_UNSEEN)),
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


def _cell_texts(column: pd.Series[Any], label: str) -> pd.Series[str]:
    """Write every cell of a column as text, NaN where it is blank; the index is dropped."""
    column = column.reset_index(drop=True)
    dtype = column.dtype
    if isinstance(dtype, (pd.ArrowDtype, pd.SparseDtype, pd.CategoricalDtype)):
        column = column.astype(object).infer_objects()
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True) == "string":
        column = column.astype("str")
    if isinstance(column.dtype, pd.StringDtype):
        texts = column.astype("str").str.strip(_UNSEEN)
        return texts.mask(texts == "")
    try:
        if column.dtype == object:
            written = pd.Series([_write(value) for value in column], dtype="str")
        else:
            codes, values = pd.factorize(column)  # safe here alone: among objects 1, 1.0 and True are one
            written = pd.Series([*map(_write, values), ""], dtype="str").take(codes).reset_index(drop=True)
    except TypeError as exc:
        raise TemplateError(
            f"The column {label} holds a value of the type {exc}, which cannot be put into a message. "
            "Give it plain text, a number or a date, or leave it out of the message."
        ) from exc
    return written.mask(written == "")


class _RowProblem(Exception):  # noqa: N818 - it ends one row, not the run
    """Raised while a row is filled in, when its text would be wrong; its text is the row's `ErrorDetail`."""


def _missing(label: str) -> str:
    return f"Column {label}: {SENTENCES[ErrorCode.FIELD_MISSING]}"


_NUMBER = re.compile(r"-?£?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?")


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)):
        return value
    match = _NUMBER.fullmatch(str(value))
    return float(match[0].replace("£", "").replace(",", "")) if match else None


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[_Cell, object], bool]:
    """Make a comparison of numbers, so that "9" is less than "10"; what is none would choose the wrong words."""

    def compared(self: _Cell, other: object) -> bool:
        numbers = []
        for value in (self, other):
            number = _number(value)
            if number is None:
                label = getattr(value, "label", "")
                raise _RowProblem(
                    f"Column {label}: the message compares this cell with a number, and it is none. "
                    "Correct it, or give the message a default: {{ name | default(0) }}."
                    if label and value
                    else _missing(label)
                )
            numbers.append(number)
        return compare(*numbers)

    return compared


class _Cell(str):
    """A cell in a template. Blank, it is false and cannot be printed; `label` names its column, "" for a default.

    It is equal to a text that is the same, or to a number that is, and false when it says so itself ("FALSE").
    """

    __slots__ = ("label",)
    label: str

    def __new__(cls, text: str, label: str) -> _Cell:
        cell = super().__new__(cls, text)
        cell.label = label
        return cell

    def __bool__(self) -> bool:
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
