"""The user's own list of who must not be contacted: kept from one day to the next, applied to every send."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pandas as pd

from gcbulk.errors import OptionError, RecipientsError
from gcbulk.private_files import alone, replace_file
from gcbulk.recipients.optouts import found_in, opt_out_numbers
from gcbulk.recipients.reading import read_table
from gcbulk.settings import home

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.recipients.optouts import OptOuts

_HEADER: Final = ("Mobile", "Added")
_CALLED: Final = "The opt-out list"


def opt_outs_file() -> Path:
    """Where the list is: `opt-outs.csv` in GCBULK_HOME, or in the user's own state folder."""
    return home() / "opt-outs.csv"


def kept_opt_outs() -> frozenset[str]:
    """The numbers (in E.164) and addresses on the user's own list; none where there is no list yet.

    Raises:
        OptionError: the list cannot be read, has not the header that is always left in it, or holds an entry
            that is neither. Nothing is sent then, as nobody knows who is missing from it.
    """
    file = opt_outs_file()
    try:
        size = file.stat().st_size
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise _damaged(file, f"it cannot be read: {error.strerror}") from None
    if not size:
        raise _damaged(file, "it is empty, without even its header")
    try:
        header = read_table(file).rows.iloc[0]
        if _HEADER[0].casefold() not in {cell.strip().casefold() for cell in header}:
            raise _damaged(file, f'its first row is not the header "{",".join(_HEADER)}"')
        found = found_in(file, international=True)
    except RecipientsError as error:
        raise _damaged(file, str(error).rstrip(".")) from None
    if found.unread:
        raise OptionError(
            f"The opt-out list {file} holds in {found.places} what is no mobile number or address, or more than "
            "that, so nothing is sent. Open it in a text editor and mend or remove what stands there."
        )
    return found.numbers


def _damaged(file: Path, why: str) -> OptionError:
    return OptionError(
        f"The opt-out list {file} was damaged ({why}), so nothing is sent. Put a good copy in its place, or remove "
        "the file if nobody has opted out."
    )


def list_opt_outs() -> pd.DataFrame:
    """The user's own opt-out list: one row a number, the oldest first.

    Columns `Mobile` (E.164, or an email address) and `Added` (ISO date, `""` where it is not known), both `str`.

    >>> add_opt_outs(["07700 900123"], today="2026-11-24")
    1
    >>> list_opt_outs()
              Mobile       Added
    0  +447700900123  2026-11-24
    >>> remove_opt_outs(["+447700900123"])
    1
    """
    return pd.DataFrame(_entries().items(), columns=list(_HEADER), dtype="str")


def add_opt_outs(numbers: OptOuts, *, today: str | None = None) -> int:
    """Put numbers or addresses on the user's own list; every send, resume, preview and `validate` leaves them out.

    `numbers` are a path, Series, DataFrame or iterable, written in any way that can be mended; entries that
    cannot are reported by a GcbulkWarning. Returns how many were not on it yet.
    Raises OptionError where none of them is a number, or the list cannot be written.
    """
    given = sorted(opt_out_numbers(numbers, international=True))
    if not given:
        raise OptionError(
            "None of these is a number that could be texted, or an address, so nobody was put on the list."
        )
    day = today or datetime.now(UTC).astimezone().date().isoformat()
    with alone(opt_outs_file(), _CALLED):
        known = _entries()
        new = [number for number in given if number not in known]
        if new:
            _write({**known, **dict.fromkeys(new, day)})
    return len(new)


def remove_opt_outs(numbers: OptOuts) -> int:
    """Take numbers or addresses off the user's own list; returns how many were on it."""
    given = opt_out_numbers(numbers, international=True)
    with alone(opt_outs_file(), _CALLED):
        known = _entries()
        gone = given & known.keys()
        if gone:
            _write({number: day for number, day in known.items() if number not in gone})
    return len(gone)


def _entries() -> dict[str, str]:
    """Each number on the list with the day on which it was added."""
    numbers = kept_opt_outs()
    if not numbers:
        return {}
    with opt_outs_file().open(encoding="utf-8-sig", errors="replace", newline="") as file:
        written = {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}
    listed = {number: day for number, day in written.items() if number in numbers}
    return {**listed, **dict.fromkeys(sorted(numbers - listed.keys()), "")}


def _write(entries: dict[str, str]) -> None:
    """Replace the list, whole or not at all; readable by its owner alone."""
    out = io.StringIO(newline="")
    csv.writer(out).writerows([_HEADER, *entries.items()])
    replace_file(opt_outs_file(), out.getvalue().encode())
