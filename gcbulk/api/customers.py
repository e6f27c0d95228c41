"""The customers that a partner sends for: a table of who they are, and beside it, elsewhere, their keys.

The table holds no key. Whoever changes it holds its lock, the receiver of authorisations and the command line alike;
whoever reads it looks again when the file has changed, so that a new key takes over at the next call.
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from gcbulk.api.authorisation import LONGEST, MalformedError, check_id, plain_number
from gcbulk.api.credentials import Secret, resolve_base_url
from gcbulk.api.key_store import KeyStore
from gcbulk.errors import OptionError
from gcbulk.private_files import alone, replace_file
from gcbulk.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from gcbulk.api.authorisation import Account, Authorisation
    from gcbulk.api.key_store import Place

ENDPOINT: Final = "partner-"
"""What the token of an authorisation address begins with."""
_CALLED: Final = "The customers table"
_ENDPOINT_TOKEN: Final = re.compile(rf"{ENDPOINT}[A-Za-z0-9_-]{{32,64}}")
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A customer of the platform for whom a partner sends: who it is, and what is particular to its texts.

    `sender`, `price_per_part` (pounds, as it was written) and `quiet_hours` ("19:00-07:00") are this customer's own;
    blank where the send's hold. `registered_name` is the platform's, where `name` is one of ours.
    """

    id: str
    name: str
    code: str = ""
    registered_name: str = ""
    account: Account = "own"
    attributes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    sender: str = ""
    price_per_part: str = ""
    quiet_hours: str = ""
    key_place: Place | None = None  # None: its key is not known here
    key_since: str = ""  # ISO 8601, UTC
    key_mark: str = field(default="", repr=False)  # another one for each key

    @property
    def has_key(self) -> bool:
        """Whether a key of this customer is kept."""
        return self.key_place is not None

    @property
    def price(self) -> Decimal | None:
        """The price of one part in pounds; None where the send's holds."""
        return Decimal(self.price_per_part) if self.price_per_part else None

    @property
    def called(self) -> tuple[str, ...]:
        """By what a list may name this customer."""
        return tuple(dict.fromkeys(filter(None, (self.id, self.code, self.name, self.registered_name))))


class Directory(Protocol):
    """What a client and a campaign need to know of customers."""

    def all(self) -> Mapping[str, Customer]:
        """Every customer, by id."""
        ...

    def key(self, customer_id: str) -> Secret | None:
        """A customer's key as it is now; None where none is known."""
        ...

    def check_store(self, customer_ids: Iterable[str]) -> None:
        """Raise CredentialsError where the keys of these customers cannot be read."""
        ...


class FixedCustomers:
    """Customers with keys given once and for all: for the sandbox, and for programs that keep keys of their own.

    >>> FixedCustomers([(Customer(id="1234", name="Oak School"), "not-a-key")]).key("1234")
    Secret('***')
    """

    def __init__(self, customers: Iterable[tuple[Customer, str]]) -> None:
        given = list(customers)
        self._customers = {customer.id: replace(customer, key_place="memory") for customer, _ in given}
        self._keys = {customer.id: Secret(key) for customer, key in given}

    def __repr__(self) -> str:
        return f"FixedCustomers({len(self._customers)} customers)"

    def all(self) -> Mapping[str, Customer]:
        """Every customer, by id."""
        return self._customers

    def key(self, customer_id: str) -> Secret | None:
        """A customer's key; None where none was given."""
        return self._keys.get(customer_id)

    def check_store(self, customer_ids: Iterable[str]) -> None:
        """Keys that were given can be read."""


def customers_file() -> Path:
    """Where the table is: `customers.json` in GCBULK_HOME, or in the user's own state folder. It holds no key."""
    return home() / "customers.json"


class Customers:
    """The customers of one API address, kept from one day to the next; safe for several threads and processes.

    `base_url` defaults to GCBULK_BASE_URL, then production. `ask` asks for the key store's passphrase where
    GCBULK_STORE_KEY is not set; `now` gives the time.

    Raises OptionError where the table cannot be read or written, CredentialsError where a key cannot be.
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        ask: Callable[[str], str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.base_url = resolve_base_url(base_url)
        self._keys = KeyStore(self.base_url, ask=ask)
        self._now = now
        self._lock = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._table: Mapping[str, Customer] = {}
        self._found: dict[str, tuple[str, Secret | None]] = {}  # by customer: the mark of its key, and the key

    def __repr__(self) -> str:
        return f"Customers({self.base_url!r})"

    def all(self) -> Mapping[str, Customer]:
        """Every customer, by id, in the order in which they came."""
        with self._lock:
            return self._current()

    def key(self, customer_id: str) -> Secret | None:
        """A customer's key as it is now; None where none is known. Costs a look at the table's file, not the store."""
        with self._lock:
            customer = self._current().get(customer_id)
            if customer is None or customer.key_place is None:
                self._found.pop(customer_id, None)
                return None
            mark, found = self._found.get(customer_id, ("", None))
            if not mark or mark != customer.key_mark:
                found = self._keys.find(customer_id, customer.key_place)
                self._found[customer_id] = (customer.key_mark, found)
            return found

    def check_store(self, customer_ids: Iterable[str]) -> None:
        """Raise CredentialsError, before anything is sent, where the keys of these customers cannot be read."""
        places = {customer.key_place: one for one in customer_ids if (customer := self.all().get(one))}
        for place, one in places.items():
            if place is not None:
                self.key(one)

    def add(self, customer_id: str, key: str, *, name: str, code: str = "") -> Customer:
        """Add a customer by hand. Raises OptionError where its id, name or code is another's, or its own, already."""
        with self._changing() as table:
            one = Customer(
                id=_checked_id(customer_id),
                name=_words("name", name),
                code=plain_number(_words("code", code, blank=True)),
            )
            if one.id in table:
                raise OptionError(
                    f"Customer {one.id} is known already, as {table[one.id].name!r}. For a new key: gcbulk partner "
                    f"customers rotate {one.id}"
                )
            _refuse_taken([one], {**table, one.id: one})
            table[one.id] = self._with_key(one, key)
            return table[one.id]

    def take(self, told: Authorisation) -> str:
        """Keep what an authorisation brings, on disk on return; says what is new of it, "nothing" where all is known.

        The newest name, code, attributes and key hold; a name of our own stays, and the platform's is known beside it.
        """
        with self._changing() as table:
            known = table.get(told.customer_id)
            one = known or Customer(id=told.customer_id, name=told.name)
            renamed = bool(known) and one.name != one.registered_name
            one = replace(
                one,
                name=one.name if renamed else told.name,
                registered_name=told.name,
                code=told.code or one.code,
                account=told.account,
                attributes=told.attributes,
            )
            kept = self._keys.find(one.id, one.key_place) if one.key_place else None
            if kept is None or kept.reveal() != told.key.reveal():
                one = self._with_key(one, told.key.reveal())
            elif one == known:
                return "nothing"
            table[one.id] = one
            return "a customer" if known is None else "a key" if one.key_mark != known.key_mark else "details"

    def rotate(self, customer_id: str, key: str) -> Customer:
        """Give a customer a new key; the old one is forgotten. Raises OptionError for one that is not known."""
        with self._changing() as table:
            one = _known(table, customer_id)
            table[one.id] = self._with_key(one, key)
            return table[one.id]

    def change(self, customer_id: str, **changes: Any) -> Customer:
        """Change what is known of a customer, but its id and key. Raises OptionError where a name is another's."""
        with self._changing() as table:
            one = replace(_known(table, customer_id), **changes)
            table[one.id] = one
            _refuse_taken([one], table)
            return one

    def put(self, customers: Iterable[Customer]) -> None:
        """Add customers without keys, or change what is known of them; their keys stay as they are."""
        given = list(customers)
        with self._changing() as table:
            for one in given:
                known = table.get(one.id, Customer(id=one.id, name=one.name))
                table[one.id] = replace(
                    one, key_place=known.key_place, key_since=known.key_since, key_mark=known.key_mark
                )
            _refuse_taken(given, table)

    def remove(self, customer_id: str) -> None:
        """Forget a customer and its key. Raises OptionError for one that is not known."""
        with self._changing() as table:
            one = _known(table, customer_id)
            if one.key_place is not None:
                self._keys.forget(one.id, one.key_place)
            del table[one.id]

    def endpoint(self, *, new: bool = False) -> str:
        """What nobody else can know, in the address that authorisations come to; `new` makes the old one void."""
        with alone(customers_file(), _CALLED):
            written = _read()
            mine = written.setdefault(self.base_url, {})
            if new or not mine.get("endpoint"):
                mine["endpoint"] = f"{ENDPOINT}{secrets.token_urlsafe(32)}"
                _write(written)
            return str(mine["endpoint"])

    def _with_key(self, one: Customer, key: str) -> Customer:
        """The customer with a key, which is kept on return; wherever an older one was, it is no longer."""
        place = self._keys.keep(one.id, Secret(_words("key", key)))
        if one.key_place not in (None, place):
            self._keys.forget(one.id, one.key_place)
        since = self._now().isoformat(timespec="seconds")
        return replace(one, key_place=place, key_since=since, key_mark=secrets.token_hex(8))

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Customer]]:
        """The table, to be changed by one process at a time; it is written at the end, unless an error was raised."""
        with alone(customers_file(), _CALLED):
            written = _read()
            mine = written.setdefault(self.base_url, {})
            before = _customers(mine)
            table = dict(before)
            yield table
            if table != before:
                mine["customers"] = {one.id: _as_written(one) for one in table.values()}
                _write(written)

    def _current(self) -> Mapping[str, Customer]:
        try:
            found = customers_file().stat()
        except OSError:
            self._seen, self._table = None, {}
            return self._table
        seen = (found.st_mtime_ns, found.st_size, found.st_ino)
        if seen != self._seen:
            self._table = MappingProxyType(_customers(_read().get(self.base_url, {})))
            self._seen = seen
        return self._table


def address_of_endpoint(token: str) -> str | None:
    """The API address whose authorisations come to this token; None where it is nobody's."""
    if not _ENDPOINT_TOKEN.fullmatch(token):
        return None
    known = {url: str(mine.get("endpoint", "")) for url, mine in _read().items()}
    return next((url for url, one in known.items() if secrets.compare_digest(one, token)), None)


_UNWRITTEN: Final = frozenset({"id"})
_FIELDS: Final = frozenset(one.name for one in fields(Customer)) - _UNWRITTEN


def _as_written(one: Customer) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in _FIELDS} | {"attributes": dict(one.attributes)}
    return {name: value for name, value in sorted(values.items()) if value}


def _customers(mine: Mapping[str, Any]) -> dict[str, Customer]:
    found = {}
    for customer_id, values in mine.get("customers", {}).items():
        known = {name: value for name, value in values.items() if name in _FIELDS}
        attributes = MappingProxyType(dict(values.get("attributes", {})))
        found[customer_id] = Customer(**{**known, "id": customer_id, "attributes": attributes})
    return found


def _read() -> dict[str, dict[str, Any]]:
    """By API address, the table as it is written."""
    file = customers_file()
    try:
        found = json.loads(file.read_bytes())
        return {str(url): dict(mine) for url, mine in found["platforms"].items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise OptionError(f"{_CALLED} {file} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise OptionError(f"{_CALLED} {file} is damaged. Put a good copy in its place, or remove it.") from None


def _write(written: Mapping[str, Any]) -> None:
    replace_file(customers_file(), json.dumps({"platforms": written}, ensure_ascii=False, indent=1).encode())


def _known(table: Mapping[str, Customer], customer_id: str) -> Customer:
    one = table.get(plain_number(customer_id))
    if one is None:
        raise OptionError(f"There is no customer with the id {customer_id!r}. See: gcbulk partner customers")
    return one


def _refuse_taken(some: Iterable[Customer], table: Mapping[str, Customer]) -> None:
    """Raise OptionError where a list that names one of these customers could mean another."""
    owners: dict[str, Customer] = {}
    asked = {one.id for one in some}
    for one in table.values():
        for name in one.called:
            other = owners.setdefault(folded(name), one)
            if other.id != one.id and asked & {one.id, other.id}:
                raise OptionError(
                    f"Customer {one.id} ({one.name}) cannot be called {name!r}: so is customer {other.id} "
                    f"({other.name}). A text could go out under the wrong name."
                )


def folded(name: str) -> str:
    """A name as names are compared: without regard to case, to how many spaces stand in it, and to Excel's `.0`.

    >>> folded(" Oak  Primary ") == folded("oak primary"), folded("2101.0") == folded("2101")
    (True, True)
    """
    return " ".join(plain_number(name).split()).casefold()


def _checked_id(customer_id: str) -> str:
    try:
        return check_id(customer_id)
    except MalformedError:
        raise OptionError(f"A customer's id is a whole number above 0, such as 1234, not {customer_id!r}.") from None


def _words(what: str, value: str, *, blank: bool = False) -> str:
    """A name, code or key as a person gives it; the sentence never repeats a key."""
    text = value.strip()
    if (not text and not blank) or len(text) > LONGEST or not text.isprintable():
        raise OptionError(f"A customer's {what} must be a text of 1 to {LONGEST} characters on one line.")
    return text
