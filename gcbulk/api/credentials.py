"""Which customer, which key, which address; and the key kept out of every repr, log and pickle."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlsplit

from gcbulk.errors import CredentialsError, OptionError

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

PRODUCTION: Final = "https://m5api.groupcall.com"
_ACCOUNT: Final = "customer-id"


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
        return self._value

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
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in parts.netloc:
        raise OptionError("The API's address must look like https://HOST, without a user name or a query.")
    if parts.scheme == "http" and not is_loopback(host):
        raise OptionError(
            f"The API's address http://{host} is refused: your key and the numbers would travel in the open. Use https://."
        )
    return url.rstrip("/")


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


def store_credentials(customer_id: str, api_key: str, *, base_url: str) -> None:
    """Keep the customer id and key in the system's keyring, for this address and no other.

    Raises CredentialsError where there is no keyring, or it is locked.
    """
    service = _service(base_url)
    ring = _keyring()
    with_key = {_ACCOUNT: customer_id.strip(), f"key:{customer_id.strip()}": api_key.strip()}
    _guarded(lambda: [ring.set_password(service, name, value) for name, value in with_key.items()])


def forget_credentials(*, base_url: str) -> None:
    """Remove what `store_credentials` kept for this address; nothing where there is nothing."""
    service = _service(base_url)
    ring = _keyring()

    def remove() -> None:
        customer = ring.get_password(service, _ACCOUNT)
        if customer is not None:
            ring.delete_password(service, f"key:{customer}")
            ring.delete_password(service, _ACCOUNT)

    _guarded(remove)


def _given(value: str | int | None) -> str | None:
    return str(value).strip() or None if value is not None else None


def _service(base_url: str) -> str:
    return f"gcbulk {base_url}"


def _stored(base_url: str, customer: str | None) -> tuple[str | None, str | None]:
    """What the keyring holds for this address; a machine without a keyring holds nothing."""
    service = _service(base_url)
    try:
        ring = _keyring()
        customer = customer or ring.get_password(service, _ACCOUNT)
        return customer, ring.get_password(service, f"key:{customer}") if customer else None
    except CredentialsError:
        return customer, None
    except _keyring_errors():
        return customer, None


def _keyring() -> KeyringBackend:
    import keyring
    from keyring.backends import fail

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring):
        raise CredentialsError(
            "This machine has no keyring to keep a key in. Set GCBULK_CUSTOMER_ID and GCBULK_API_KEY instead."
        )
    return backend


def _keyring_errors() -> tuple[type[Exception], ...]:
    from keyring.errors import KeyringError

    return (KeyringError, RuntimeError)


def _guarded(action: object) -> None:
    assert callable(action)
    try:
        action()
    except _keyring_errors():
        raise CredentialsError("The keyring refused: it may be locked. Unlock it and try again.") from None
