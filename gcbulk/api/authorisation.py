"""What the platform tells a partner when a customer authorises it: read strictly, for it brings a key."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from gcbulk.api.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

Account = Literal["own", "generic"]

LONGEST: Final = 200
"""The longest name, code, key or attribute that is taken, in characters."""
MOST_ATTRIBUTES: Final = 50
_ID: Final = re.compile(r"[1-9][0-9]{0,17}")
_OF_EXCEL: Final = re.compile(r"([0-9]+)\.0+")
_PREFIXES: Final[dict[str, Account]] = {
    # What the name begins with: whose sending account it is.
    "customer:": "own",
    "partner:": "generic",  # the partner's own account, which it sends from for this customer
}


class MalformedError(ValueError):
    """Raised for what is no authorisation; its sentence names the field, and repeats nothing of what stood there."""


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A customer who lets a partner send for it, and the key to do so with."""

    customer_id: str
    code: str
    name: str
    account: Account
    attributes: Mapping[str, str]
    key: Secret


def read_authorisation(body: bytes) -> Authorisation:
    """The authorisation in the body of a callback. The logo is neither kept nor ever fetched.

    Raises MalformedError, naming the field, for what is missing, of an odd type, or too long.

    >>> found = read_authorisation(b'{"Customerid": 1234, "CustomerCode": "3281234", "Name": "Customer: Oak School",'
    ...                            b' "ApiKey": "example", "attributes": "region=north|type=primary", "Logo": ""}')
    >>> found.customer_id, found.name, found.account, dict(found.attributes), found.key
    ('1234', 'Oak School', 'own', {'region': 'north', 'type': 'primary'}, Secret('***'))
    """
    fields = _fields(body)
    name, account = _name(_text(fields, "Name"))
    return Authorisation(
        customer_id=check_id(_text(fields, "Customerid", numbers=True)),
        code=plain_number(_text(fields, "CustomerCode", numbers=True, needed=False)),
        name=name,
        account=account,
        attributes=_attributes(_text(fields, "attributes", needed=False, longest=LONGEST * MOST_ATTRIBUTES)),
        key=_key(_text(fields, "ApiKey")),
    )


def check_id(customer_id: str) -> str:
    """A customer id, without what stands around it; MalformedError for what is none.

    >>> check_id(" 1234.0 ")
    '1234'
    """
    given = plain_number(customer_id)
    if not _ID.fullmatch(given):
        raise MalformedError("Customerid must be a whole number above 0, of 18 digits at most.")
    return given


def plain_number(text: str) -> str:
    """An id or code as the platform writes it, where Excel left `1234.0` of it; any other text as it is, stripped.

    >>> plain_number("1234.0"), plain_number("Oak 2.0")
    ('1234', 'Oak 2.0')
    """
    given = text.strip()
    number = _OF_EXCEL.fullmatch(given)
    return number[1] if number else given


def _fields(body: bytes) -> dict[str, Any]:
    """The fields by their names in lower case: the platform writes some with a capital and some without."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedError("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise MalformedError("The body is no JSON object.")
    folded = {name.casefold(): value for name, value in found.items()}
    if len(folded) < len(found):
        raise MalformedError("A field stands in the body twice.")
    return folded


def _text(
    fields: Mapping[str, Any], name: str, *, numbers: bool = False, needed: bool = True, longest: int = LONGEST
) -> str:
    value = fields.get(name.casefold())
    if value is None and not needed:
        return ""
    if numbers and isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**18 else ""
    if not isinstance(value, str):
        raise MalformedError(f"{name} {'is missing' if value is None else 'is of the wrong type'}.")
    text = value.strip()
    if (needed and not text) or len(text) > longest or not text.isprintable():
        raise MalformedError(f"{name} is blank, too long, or holds what cannot be printed.")
    return text


def _key(given: str) -> Secret:
    if not given.isascii():
        raise MalformedError("ApiKey holds what no key does: characters other than those of printable ASCII.")
    return Secret(given)


def _name(given: str) -> tuple[str, Account]:
    for prefix, account in _PREFIXES.items():
        if given.casefold().startswith(prefix) and (name := given[len(prefix) :].strip()):
            return name, account
    raise MalformedError("Name must begin with 'Customer: ' or 'Partner: ', and a name must follow.")


def _attributes(given: str) -> Mapping[str, str]:
    """`region=north|type=primary` as a mapping; a piece without a name or a value says nothing, and is left out."""
    pairs = (piece.partition("=") for piece in given.split("|"))
    found = {name.strip(): value.strip() for name, _, value in pairs if name.strip() and value.strip()}
    if len(found) > MOST_ATTRIBUTES or any(len(text) > LONGEST for pair in found.items() for text in pair):
        raise MalformedError("attributes holds more, or longer ones, than can be kept.")
    return MappingProxyType(found)
