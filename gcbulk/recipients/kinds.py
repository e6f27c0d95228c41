"""The kinds of address that a list is contacted at: which column, how cells are judged, what they are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pandas as pd

from gcbulk.codes import ErrorCode
from gcbulk.errors import OptionError
from gcbulk.recipients.columns import ADDRESSES, NUMBERS, Sought
from gcbulk.recipients.numbers import to_e164

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of address. `judge` turns a column into SentTo, Repair, ErrorCode and ErrorDetail."""

    channel: str
    noun: str  # what one address is called
    message: str  # what is sent to it
    contacted: str  # what is done with it: "can be texted"
    sought: Sought
    missing: ErrorCode
    judge: Callable[[pd.Series, bool], pd.DataFrame]  # a column, and whether numbers of other countries are taken

    def of(self, address: str) -> bool:
        """Whether an address that was judged is of this kind."""
        return ("@" in address) == (self.missing is ErrorCode.EMAIL_MISSING)


def _addresses(cells: pd.Series, _abroad: bool) -> pd.DataFrame:
    from gcbulk.recipients.addresses import to_address  # whoever texts needs none of it

    return to_address(cells)


NUMBER: Final = Kind(
    "sms",
    "number",
    "text",
    "texted",
    NUMBERS,
    ErrorCode.NUMBER_MISSING,
    lambda cells, abroad: to_e164(cells, international=abroad),
)
EMAIL: Final = Kind("email", "address", "email", "emailed", ADDRESSES, ErrorCode.EMAIL_MISSING, _addresses)
KINDS: Final = {kind.channel: kind for kind in (NUMBER, EMAIL)}
"""By channel, the kind of address that it reaches."""


def kind_of(channel: str) -> Kind:
    """The kind of address that a channel reaches. Raises OptionError for a channel that there is none of."""
    if channel not in KINDS:
        raise OptionError(f"channel must be {' or '.join(map(repr, KINDS))}, not {channel!r}.")
    return KINDS[channel]


def kind_in(addresses: pd.Series[str]) -> Kind:
    """The kind of the addresses in a frame of results, by the first of them; that of texts where there is none.

    >>> kind_in(pd.Series([None, "ann@example.org"], dtype="str")).message
    'email'
    """
    first = addresses.dropna().head(1).tolist()
    return next((kind for kind in KINDS.values() if first and kind.of(first[0])), NUMBER)


def own_address(given: object) -> str | None:
    """An email address that the user gives of his own, in its plain form; None where it is none.

    >>> own_address("Office@Example.org")
    'office@example.org'
    """
    found = _addresses(pd.Series([given], dtype=object), False)["SentTo"].iloc[0]
    return found if isinstance(found, str) else None


def own_address_as_written(given: object) -> tuple[str | None, str]:
    """An address of the user's own that goes out as it is written, and a question where it looks mistyped.

    None where it is no address, or would need a mend.

    >>> own_address_as_written("office@gamil.com"), own_address_as_written("Office <office@example.org>")
    (('office@gamil.com', 'Is gamil.com right? gmail.com is near to it.'), (None, ''))
    """
    # blanks and line ends around an address are mended in a list; here they would go out
    if not isinstance(given, str) or given != given.strip():
        return None, ""
    found = _addresses(pd.Series([given], dtype="str"), False).iloc[0]
    if pd.isna(found["SentTo"]) or pd.notna(found["Repair"]):
        return None, ""
    return given, "" if pd.isna(found["ErrorDetail"]) else str(found["ErrorDetail"])
