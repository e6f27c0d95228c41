"""Lists of who must not be contacted, as a set of E.164 numbers and of email addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pandas as pd

from gcbulk.codes import ErrorCode
from gcbulk.errors import RecipientsError, warn
from gcbulk.recipients.columns import ADDRESSES, candidates, find_number_column
from gcbulk.recipients.notes import BETWEEN_ADDRESSES
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
    """Read the numbers and addresses that must not be contacted, before recipients are compared with them.

    Args:
        source: a path or open file (one number or address a line, or a CSV with a column of either or both, with
            or without a header), a Series, a DataFrame, or any iterable of them. They may be written in any way
            that can be mended; what holds an @ is an address.
        international: also take numbers of other countries.

    Returns:
        E.164 numbers, and email addresses. Blank entries are passed over. Of an entry with several, each of them.

    Warns:
        GcbulkWarning: once, when entries are no numbers that could be texted and no addresses, or not that
            alone; it counts them and names their lines or places.

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
        warn(
            f"{which} in the opt-out list {'is no mobile number' if one else 'are no mobile numbers'}, and no address, "
            f"so nobody is opted out by what cannot be read there. Check {found.places}."
        )
    return found.numbers


@dataclass(frozen=True, slots=True)
class Found:
    """What an opt-out list holds."""

    numbers: frozenset[str]  # E.164, and addresses
    unread: tuple[int, ...]  # places of the entries that hold anything but numbers and addresses that can be used
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
    places = entries.index.nunique()
    entries, written_to, unread_addresses = _addresses_in(entries)
    checked = to_e164(entries, international=international)
    told = checked["ErrorCode"].isna() | (checked["ErrorCode"] == ErrorCode.NUMBER_MISSING)
    numbers = written_to | set(checked["SentTo"].dropna())
    texts = _written(entries[~told])
    doubtful = texts.str.replace(_DATE, " ", regex=True)
    unread = set(doubtful.index)
    # words ("asked by phone") cast no doubt on a number in this list, and where there are several all are meant
    for in_place_of_words in (" ", "|"):
        bare = doubtful.str.replace(_WORDS, in_place_of_words, regex=True)
        pieces = bare.map(numbers_in).explode().dropna().astype("str")
        sent_to = to_e164(pieces, international=international)["SentTo"]
        numbers.update(sent_to.dropna())
        unread -= set(pieces.index) - set(pieces.index[sent_to.isna()])
    return Found(frozenset(numbers), tuple(sorted(unread | unread_addresses)), places, unit)


def _written(entries: pd.Series) -> pd.Series:
    return entries.map(lambda entry: as_text(entry).encode("utf-8", "replace").decode()).astype("str")


def _addresses_in(entries: pd.Series) -> tuple[pd.Series, set[str], set[int]]:
    """The entries without those that hold an @; the addresses in these; and where one of them cannot be read."""
    texts = _written(entries)
    written = texts.str.contains("@", regex=False)
    if not written.any():
        return entries, set(), set()
    from gcbulk.recipients.addresses import to_address

    pieces = texts[written].str.split(BETWEEN_ADDRESSES, regex=True).explode()
    found = to_address(pieces[pieces.str.contains("@", regex=False)])["SentTo"]
    return entries[~written], set(found.dropna()), set(found.index[found.isna()])


def _file_entries(source: Source) -> pd.Series:
    table = read_table(source)
    # no number is taken for a title: nobody who opted out may be lost above a header
    titles = table.header_row()
    rows = table.rows.iloc[0 if _holds_a_number(table.rows.head(titles)) else titles :]
    in_first = [i for i, cell in enumerate(rows.iloc[0]) if _is_an_entry(cell)]
    numbers_in_first = [i for i in in_first if "@" not in str(rows.iloc[0, i])]
    if rows.shape[1] == 1:
        positions = [0]
    elif not in_first:
        positions = [*_positions(pd.Index(rows.iloc[0])), *_nameless(rows)]
    elif len(numbers_in_first) <= 1:
        positions = in_first
    else:
        raise RecipientsError(
            "The opt-out list has no header and more than one column of numbers. "
            "Put a row with the columns' names above it."
        )
    return _joined(rows.iloc[0 if in_first else 1 :], positions).rename(index=lambda row: row + 1)


def _is_an_entry(cell: str) -> bool:
    return "@" in cell or sum(map(str.isdigit, cell)) >= _DIGITS_OF_A_NUMBER


def _positions(columns: pd.Index) -> list[int]:
    """Where the numbers stand, and the addresses; either may be missing."""
    addresses = candidates(columns, ADDRESSES)
    return addresses if addresses and not candidates(columns) else [find_number_column(columns), *addresses]


def _nameless(rows: pd.DataFrame) -> list[int]:
    """Columns of no name that hold an entry: the second of a pair that was not put in quotation marks."""
    blank = [i for i, cell in enumerate(rows.iloc[0]) if not cell.strip()]
    return [i for i in blank if rows.iloc[1:, i].map(_is_an_entry).any()]


def _joined(rows: pd.DataFrame, positions: list[int]) -> pd.Series:
    """Some columns under one another, each entry under the place of its row."""
    entries: pd.Series = pd.concat([rows.iloc[:, position] for position in positions])
    return entries


def _holds_a_number(rows: pd.DataFrame) -> bool:
    cells = _DATE.sub("", "|".join(rows.to_numpy(dtype=object).ravel().tolist())).split("|")
    return any(map(_is_an_entry, cells))


def _entries(source: OptOuts) -> tuple[pd.Series, str]:
    """The entries with their places, counted from 1, as index; and what to call a place."""
    if isinstance(source, pd.DataFrame):
        positions = [0] if source.shape[1] == 1 else _positions(source.columns)
        return _joined(source.set_axis(pd.RangeIndex(1, len(source) + 1)), positions), "row"
    if isinstance(source, pd.Series):
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
