"""The header of a table: which row it is, and a name of its own for every column."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from gcbulk.recipients.columns import names_a_number

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_TITLES: Final = 8  # rows with content that may stand above a header
_CELLS_OF_A_TITLE: Final = 2  # "Absent today", or "Date:" and a date
_LOOKED_AT: Final = 30  # rows
_LOOKS_LIKE_ADDRESSES: Final = re.compile(r"[\s'\"<]*[^\s@]+@[^\s@]+\.[^\s@]+(?:[\s,;/|<>&]+[^\s@]+@[^\s@]+)*[\s>]*")
_LOOKS_LIKE_A_NUMBER: Final = re.compile(r"[\s+(]*\d(?:[\s().-]*\d){8,}[\s().-]*")  # a date has eight digits


def header_row(rows: Sequence[Sequence[str]]) -> int:
    """Say which of the first rows is the header; what stands above it are titles.

    `rows` have content; a table's own header is nearly always the first. Titles hold a cell or two, fewer than
    the header below them. A row with a phone number or an email address in it is no header.

    Example:
        >>> header_row([["Absent today", ""], ["Forename", "Mobile"], ["Zoë", "07700 900123"]])
        1
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows[:_LOOKED_AT]]
    candidates = []
    for at, row in enumerate(rows[: _MOST_TITLES + 1]):
        if any(map(looks_like_a_recipient, row)):
            break
        if all(filled[at] > cells or (filled[at] == 1 and names_numbers(row)) for cells in filled[:at]):
            candidates.append(at)
        if filled[at] > _CELLS_OF_A_TITLE:
            break
    if not candidates:
        return 0
    widest = max(filled)
    named = [at for at in candidates if names_numbers(rows[at])]
    if named:
        return named[0]
    return candidates[-1] if 2 * filled[candidates[-1]] > widest else 0


def names_numbers(row: Sequence[str]) -> bool:
    """Whether a row has a cell that is the name of a column of numbers."""
    return any(map(names_a_number, row))


def looks_like_a_recipient(cell: str) -> bool:
    """Whether a cell holds a phone number, or email addresses, as no header does.

    >>> [looks_like_a_recipient(cell) for cell in ("07700 900123", "ann@example.org", "Ask office@example.org")]
    [True, True, False]
    """
    return any(pattern.fullmatch(cell) for pattern in (_LOOKS_LIKE_A_NUMBER, _LOOKS_LIKE_ADDRESSES))


def distinct(header: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of which no two are the same, and those that were there more than once.

    Columns of one name are all numbered, so that none of them is taken for the other: neither as the column of
    numbers nor in a text. A column without a name is called by its place.

    Example:
        >>> distinct(["Mobile", "", "Name", "Mobile"])
        (['Mobile (1)', 'Column 2', 'Name', 'Mobile (2)'], ['Mobile'])
    """
    labels = [label if label.strip() else f"Column {place}" for place, label in enumerate(header, 1)]
    times = Counter(labels)
    taken = {label for label in labels if times[label] == 1}
    names, numbers = [], dict.fromkeys(times, 0)
    for label in labels:
        name = label
        while times[label] > 1 and (name == label or name in taken):
            numbers[label] += 1
            name = f"{label} ({numbers[label]})"
        taken.add(name)
        names.append(name)
    return names, [label for label in times if times[label] > 1]
