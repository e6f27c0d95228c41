"""The table of a partner's customers as people see and edit it: a frame, a CSV without keys, checked changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from gcbulk.api.authorisation import MalformedError, check_id, plain_number
from gcbulk.api.client import CommunicationsClient
from gcbulk.api.customers import Customer, Customers
from gcbulk.campaign.options import check_sender
from gcbulk.campaign.schedule import quiet_hours
from gcbulk.errors import OptionError, RecipientsError
from gcbulk.messages.options import TextOptions
from gcbulk.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcbulk.api.customers import Directory

COLUMNS: Final[dict[str, str]] = {
    # A column of the CSV -> what it is of a customer.
    "CustomerId": "id",
    "Name": "name",
    "Code": "code",
    "Sender": "sender",
    "PricePerPart": "price_per_part",
    "QuietHours": "quiet_hours",
    "Attributes": "attributes",
}
_KEYS: Final = ("key", "apikey", "api_key", "password")
"""Columns that could hold keys; our own Key says only where each is kept."""
_CHECKS: Final = {
    "sender": check_sender,
    "price_per_part": lambda price: TextOptions(price_per_part=price),
    "quiet_hours": quiet_hours,
}


def checked(changes: Mapping[str, str]) -> dict[str, str]:
    """A customer's own sender, price or quiet hours, as they can be used; blank takes one away.

    Raises OptionError, naming it, for a value that cannot be.
    """
    found = {name: value.strip() for name, value in changes.items()}
    for name, value in found.items():
        if value and name in _CHECKS:
            _CHECKS[name](value)
    if price := found.get("price_per_part"):
        found["price_per_part"] = price.removeprefix("£")
    return found


def customers_frame(customers: Directory | None = None) -> pd.DataFrame:
    """The customers that a partner may send for, one row each; their keys are never shown, only where they are kept.

    Columns CustomerId, Name, Code, Sender, PricePerPart, QuietHours, Attributes, Key ("kept in the keyring", "kept in
    the encrypted file", "not known"), KeySince (ISO 8601, UTC): all `str`, "" where there is nothing.
    """
    known = (customers or Customers()).all()
    rows = [{**_as_row(one), "Key": _PLACES[one.key_place], "KeySince": one.key_since} for one in known.values()]
    return pd.DataFrame(rows, columns=[*COLUMNS, "Key", "KeySince"], dtype="str")


_PLACES: Final = {
    "keyring": "kept in the keyring",
    "file": "kept in the encrypted file",
    "memory": "given by the program",
    None: "not known",
}


def _as_row(one: Customer) -> dict[str, str]:
    attributes = "|".join(f"{name}={value}" for name, value in one.attributes.items())
    return {column: getattr(one, name) for column, name in COLUMNS.items()} | {"Attributes": attributes}


def import_customers(table: pd.DataFrame, customers: Customers | None = None) -> int:
    """Add the customers of a table, or change what is known of them; keys are neither taken nor touched. How many.

    `table` has the columns of `customers_frame`, CustomerId and Name at least, as `read_recipients` reads a file.
    Raises RecipientsError where columns are missing or hold keys, and OptionError, naming the row, for a customer that
    stands in it twice, a name that another has, or a value that cannot be used. Nothing is changed then.
    """
    book = customers or Customers()
    names = {str(column).strip().casefold().replace(" ", ""): column for column in table.columns}
    if forbidden := [str(names[one]) for one in _KEYS if one in names and not _is_ours(table[names[one]])]:
        raise RecipientsError(
            f'The column "{forbidden[0]}" holds keys, which are never read from a file. Take it out, and give each key '
            "to gcbulk partner customers rotate."
        )
    missing = [column for column in ("CustomerId", "Name") if column.casefold() not in names]
    if missing:
        raise RecipientsError(f"The file of customers lacks the column {' and '.join(missing)}.")
    present = {name: names[column.casefold()] for column, name in COLUMNS.items() if column.casefold() in names}
    rows = table[list(present.values())].fillna("").astype("str").to_numpy().tolist()
    known = book.all()
    given: dict[str, Customer] = {}
    for number, row in enumerate(rows, 1):
        one = _of_row(number, dict(zip(present, row, strict=True)), known)
        if one.id in given:
            raise OptionError(f"Row {number}: customer {one.id} stands in the file already, as {given[one.id].name!r}.")
        given[one.id] = one
    book.put(given.values())
    return len(given)


def _is_ours(column: pd.Series[Any]) -> bool:
    return {str(cell) for cell in column.dropna() if str(cell).strip()} <= {*_PLACES.values()}


def _name(given: str) -> str:
    if not given.strip():
        raise OptionError("the name is blank.")
    return " ".join(given.split())


def _of_row(number: int, row: Mapping[str, Any], known: Mapping[str, Customer]) -> Customer:
    try:
        customer_id = check_id(row["id"])
        name = _name(row["name"])
        changes: dict[str, Any] = {"name": name, **checked({k: v for k, v in row.items() if k in _CHECKS})}
        if "code" in row:
            changes["code"] = plain_number(row["code"])
        if "attributes" in row:
            pairs = (piece.partition("=") for piece in row["attributes"].split("|"))
            changes["attributes"] = {key.strip(): value.strip() for key, _, value in pairs if key.strip() and value}
    except (MalformedError, OptionError) as error:
        raise OptionError(f"Row {number} of the customers: {error}") from None
    return replace(known.get(customer_id, Customer(id=customer_id, name=name)), **changes)


def check_keys(
    customers: Customers | None = None, *, client: CommunicationsClient | None = None, progress: bool = True
) -> pd.DataFrame:
    """Ask the platform of every customer whether its key works, under a progress bar; nobody is texted.

    Columns CustomerId, Name, Result ("valid", "invalid", "cannot tell", "no key"), Detail (`str`).
    Raises CredentialsError where the keys cannot be read, which says nothing of the keys themselves.
    """
    book = customers or Customers()
    book.check_store(book.all())
    found = []
    own = client or CommunicationsClient(customers=book)
    try:
        with Progress(len(book.all()), "Keys", enabled=progress) as bar:
            for one in book.all().values():
                check = own.check_credentials(one.id) if one.has_key else None
                result, detail = (check.result, check.detail) if check else ("no key", "No key is kept here.")
                found.append({"CustomerId": one.id, "Name": one.name, "Result": result, "Detail": detail})
                bar.add(1, **{result.replace(" ", "_"): 1})
    finally:
        if client is None:
            own.close()
    return pd.DataFrame(found, columns=["CustomerId", "Name", "Result", "Detail"], dtype="str")
