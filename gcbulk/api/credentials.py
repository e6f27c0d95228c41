"""Which customer, which key, which address; and the key kept out of every repr, log and pickle."""

from __future__ import annotations

import ipaddress
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from gcbulk.errors import CredentialsError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyring.backend import KeyringBackend

PRODUCTION: Final = "https://m5api.groupcall.com"
_PORTS: Final = {"http": 80, "https": 443}
_ACCOUNT: Final = "customers"


class _Unshown(str):
    """A key on its way into a body: a notebook's verbose traceback shows the values of names, by their repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Secret:
    """A key that does not show itself: not in a repr, a log, a traceback, or a pickle.

    >>> Secret("k3y")
    Secret('***')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The key itself, for the body of a call."""
        return _Unshown(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is never pickled: the other process must find its own.")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who is sending."""

    customer_id: str
    api_key: Secret


def is_loopback(host: str) -> bool:
    """Whether a host name is this machine itself: 127.0.0.0/8, ::1 or localhost."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def reaches_people(base_url: str) -> bool:
    """Whether texts sent to an API address can reach anybody: on this machine there is only ever a stand-in.

    >>> reaches_people("https://m5api.groupcall.com"), reaches_people("http://127.0.0.1:8000")
    (True, False)
    """
    return not is_loopback(urlsplit(base_url).hostname or "")


def resolve_base_url(base_url: str | None = None) -> str:
    """The API's address: the argument, GCBULK_BASE_URL, or production.

    Raises OptionError for plain http:// to anywhere but this machine (a key would travel in the open), and
    for what is no web address.

    >>> resolve_base_url("https://apitesting.groupcall.com/")
    'https://apitesting.groupcall.com'
    """
    url = (base_url or os.environ.get("GCBULK_BASE_URL") or PRODUCTION).strip()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in _PORTS or "@" in parts.netloc or "?" in url or "#" in url:
        raise OptionError("The API's address must look like https://HOST, without a user name or a query.")
    if parts.scheme == "http" and not is_loopback(host):
        raise OptionError(
            f"The API's address http://{host} is refused: your key and the numbers would travel in the open. Use https://."
        )
    shown = f"[{host}]" if ":" in host else host
    if port not in (None, _PORTS[parts.scheme]):
        shown += f":{port}"
    return f"{parts.scheme}://{shown}{parts.path.rstrip('/')}"


def resolve_credentials(
    customer_id: str | int | None = None, api_key: str | None = None, *, base_url: str
) -> Credentials:
    """The customer id and key: the arguments, the environment, or the keyring's for this address.

    Raises CredentialsError, with the way out, where one is missing.
    """
    customer = _given(customer_id) or _given(os.environ.get("GCBULK_CUSTOMER_ID"))
    key = _given(api_key) or _given(os.environ.get("GCBULK_API_KEY"))
    if not (customer and key):
        stored_customer, stored_key = _stored(base_url, customer)
        customer, key = customer or stored_customer, key or stored_key
    if not customer or not key:
        missing = " and no ".join(words for words, found in (("customer id", customer), ("API key", key)) if not found)
        raise CredentialsError(
            f"No {missing} for {base_url} was found. Store them with gcbulk login, or set GCBULK_CUSTOMER_ID and "
            "GCBULK_API_KEY. To try gcbulk without an account, use the sandbox (--sandbox, sandbox=True)."
        )
    return Credentials(customer, Secret(key))


def check_keyring() -> None:
    """Raise CredentialsError where this machine has no keyring to keep a key in."""
    with keyring_in_a_sentence():
        keyring_backend()


def has_keyring() -> bool:
    """Whether this machine has a keyring that keeps things; one that is locked is one."""
    from keyring.backends import null

    try:
        with keyring_in_a_sentence():
            return not isinstance(keyring_backend(), null.Keyring)
    except CredentialsError:
        return False


def store_credentials(customer_id: str, api_key: str, *, base_url: str) -> None:
    """Keep the customer id and key in the system's keyring, for this address and no other.

    Raises CredentialsError where there is no keyring, it is locked, or it keeps nothing.
    """
    customer = customer_id.strip()
    with keyring_in_a_sentence():
        ring = keyring_backend()
        known = _customers(ring, base_url)
        keys = {name: key for name, key in known.items() if name != customer} | {customer: api_key.strip()}
        ring.set_password(_service(base_url), _ACCOUNT, json.dumps(keys))
        kept = _customers(ring, base_url) == keys
    if not kept:
        raise CredentialsError(
            "The keyring is switched off: it kept nothing. Set GCBULK_CUSTOMER_ID and GCBULK_API_KEY instead."
        )


def forget_credentials(*, base_url: str) -> None:
    """Remove what `store_credentials` kept for this address; nothing where there is nothing."""
    with keyring_in_a_sentence():
        ring = keyring_backend()
        if ring.get_password(_service(base_url), _ACCOUNT) is not None:
            ring.delete_password(_service(base_url), _ACCOUNT)


def _given(value: str | int | None) -> str | None:
    return str(value).strip() or None if value is not None else None


def _service(base_url: str) -> str:
    return f"gcbulk {base_url}"


def _stored(base_url: str, customer: str | None) -> tuple[str | None, str | None]:
    """What the keyring holds for this address; a machine without a keyring holds nothing."""
    try:
        with keyring_in_a_sentence():
            keys = _customers(keyring_backend(), base_url)
    except CredentialsError:
        return customer, None
    customer = customer or next(reversed(keys), None)
    return customer, keys.get(customer) if customer else None


def _customers(ring: KeyringBackend, base_url: str) -> dict[str, str]:
    """Each customer's key for this address, the one stored last at the end. One entry, so that nothing is half done."""
    try:
        found = json.loads(ring.get_password(_service(base_url), _ACCOUNT) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def keyring_backend() -> KeyringBackend:
    """The system's keyring. Raises CredentialsError where this machine has none."""
    import keyring
    from keyring.backends import fail

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring):
        raise CredentialsError(
            "This machine has no keyring to keep a key in. Set GCBULK_CUSTOMER_ID and GCBULK_API_KEY instead."
        )
    return backend


@contextmanager
def keyring_in_a_sentence() -> Iterator[None]:
    """What a keyring raises, as one sentence: a backend may raise anything, and tell the key in it."""
    try:
        yield
    except CredentialsError:
        raise
    except Exception:  # noqa: BLE001 - see above
        raise CredentialsError("The keyring refused: it may be locked. Unlock it and try again.") from None
