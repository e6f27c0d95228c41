"""Lists of who must not be texted, as a set of E.164 numbers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pandas as pd

from gcbulk.codes import ErrorCode
from gcbulk.errors import GcbulkWarning, RecipientsError
from gcbulk.recipients.columns import find_number_column
from gcbulk.recipients.numbers import as_text, numbers_in, to_e164
from gcbulk.recipients.reading import read_table
from gcbulk.recipients.sources import is_upload

if TYPE_CHECKING:
    from typing import TypeAlias

    from gcbulk.recipients.sources import Source

    OptOuts: TypeAlias = Source | pd.Series | pd.DataFrame | Iterable[object]

_NAMED_ENTRIES = 10  # in a warning
_DATE = re.compile(r"(?<!\d)\d{1,4}[-/.]\d{1,2}[-/.]\d{2,4}(?!\d)(?: \d\d:\d\d(?::\d\d)?)?")
_WORDS = re.compile(r"[^\d+()/,;|&.\s-]+")
_DIGITS_OF_A_NUMBER = 7  # a first row with that many digits in a cell is no header


def opt_out_numbers(source: OptOuts, *, international: bool = False) -> frozenset[str]:
    """Read the numbers that must not be texted, before recipients are compared with them.

    Args:
        source: a path or open file (one number a line, or a CSV with a number column, with or without a
            header), a Series, a DataFrame, or any iterable of numbers. They may be written in any way that
            `to_e164` can mend.
        international: also take numbers of other countries.

    Returns:
        E.164 numbers. Blank entries are passed over. Of an entry with several numbers, each of them.

    Warns:
        GcbulkWarning: once, when entries are not numbers that could be texted, or not that alone; it counts
            them and names their lines or places.

    Raises:
        RecipientsError: the file cannot be read, or its number column cannot be told.

    Example:
        >>> sorted(opt_out_numbers(["07700 900123", "+44 (0)7700 900124"]))
        ['+447700900123', '+447700900124']
    """
    found = found_in(source, international=international)
    if found.unread:
        one = len(found.unread) == 1
        which = f"{len(found.unread)} of {found.entries} entries" if found.entries > 1 else "The only entry"
        warnings.warn(
            f"{which} in the opt-out list {'is no mobile number' if one else 'are no mobile numbers'}, so nobody is "
            f"opted out by what cannot be read there. Check {found.places}.",
            GcbulkWarning,
            stacklevel=2,
        )
    return found.numbers


@dataclass(frozen=True, slots=True)
class Found:
    """What an opt-out list holds."""

    numbers: frozenset[str]  # E.164
    unread: tuple[int, ...]  # places of the entries that hold anything but numbers that could be texted
    entries: int
    unit: str  # what to call a place

    @property
    def places(self) -> str:
        """The first of the unread entries' places, for a sentence."""
        more = ", ..." if len(self.unread) > _NAMED_ENTRIES else ""
        return f"{self.unit}{'s' * (len(self.unread) > 1)} {', '.join(map(str, self.unread[:_NAMED_ENTRIES]))}{more}"


def found_in(source: OptOuts, *, international: bool) -> Found:
    """What `opt_out_numbers` finds in a list, and where it finds none."""
    entries, unit = _entries(source)
    checked = to_e164(entries, international=international)
    told = checked["ErrorCode"].isna() | (checked["ErrorCode"] == ErrorCode.NUMBER_MISSING)
    numbers = set(checked["SentTo"].dropna())
    texts = entries[~told].map(lambda entry: as_text(entry).encode("utf-8", "replace").decode())
    doubtful = texts.astype("str").str.replace(_DATE, " ", regex=True)
    unread = set(doubtful.index)
    # words ("asked by phone") cast no doubt on a number in this list, and where there are several all are meant
    for in_place_of_words in (" ", "|"):
        bare = doubtful.str.replace(_WORDS, in_place_of_words, regex=True)
        pieces = bare.map(numbers_in).explode().dropna().astype("str")
        sent_to = to_e164(pieces, international=international)["SentTo"]
        numbers.update(sent_to.dropna())
        unread -= set(pieces.index) - set(pieces.index[sent_to.isna()])
    return Found(frozenset(numbers), tuple(sorted(unread)), len(entries), unit)


def _file_entries(source: Source) -> pd.Series:
    table = read_table(source)
    # no number is taken for a title: nobody who opted out may be lost above a header
    titles = table.header_row()
    rows = table.rows.iloc[0 if _holds_a_number(table.rows.head(titles)) else titles :]
    numbers_in_first = [i for i, cell in enumerate(rows.iloc[0]) if sum(map(str.isdigit, cell)) >= _DIGITS_OF_A_NUMBER]
    if rows.shape[1] == 1:
        position = 0
    elif not numbers_in_first:
        position = find_number_column(pd.Index(rows.iloc[0]))
    elif len(numbers_in_first) == 1:
        position = numbers_in_first[0]
    else:
        raise RecipientsError(
            "The opt-out list has no header and more than one column of numbers. "
            "Put a row with the columns' names above it."
        )
    return rows.iloc[0 if numbers_in_first else 1 :, position].rename(index=lambda row: row + 1)


def _holds_a_number(rows: pd.DataFrame) -> bool:
    cells = _DATE.sub("", "|".join(rows.to_numpy(dtype=object).ravel().tolist())).split("|")
    return any(sum(map(str.isdigit, cell)) >= _DIGITS_OF_A_NUMBER for cell in cells)


def _entries(source: OptOuts) -> tuple[pd.Series, str]:
    """The entries with their places, counted from 1, as index; and what to call a place."""
    if isinstance(source, pd.DataFrame):
        position = 0 if source.shape[1] == 1 else find_number_column(source.columns)
        entries = source.iloc[:, position]
    elif isinstance(source, pd.Series):
        entries = source
    elif _holds_numbers(source):
        entries = pd.Series(list(cast("Iterable[object]", source)), dtype=object)
    else:
        return _file_entries(cast("Source", source)), "line"
    return entries.set_axis(pd.RangeIndex(1, len(entries) + 1)), "row"


def _holds_numbers(source: object) -> bool:
    """Whether it is an iterable of numbers, and not the path or content of a file."""
    file = isinstance(source, (str, bytes, bytearray, memoryview)) or hasattr(source, "read") or is_upload(source)
    return isinstance(source, Iterable) and not file
