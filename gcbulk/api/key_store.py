"""Where customers' keys are kept: in the system's keyring, or in an encrypted file; never in plain text.

The file is for machines without a keyring, and for servers: it is used wherever GCBULK_STORE_KEY is set. It is
encrypted with Fernet (AES-128-CBC and HMAC-SHA-256) under a key that scrypt derives from a passphrase (RFC 7914).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from getpass import getpass
from typing import TYPE_CHECKING, Any, Final, Literal

from gcbulk.api.credentials import Secret, has_keyring, keyring_backend, keyring_in_a_sentence
from gcbulk.errors import CredentialsError
from gcbulk.private_files import replace_file
from gcbulk.settings import home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cryptography.fernet import Fernet

Place = Literal["keyring", "file", "memory"]
SCRYPT_COST: Final = 2**15
"""The work that one guess at the passphrase takes: 32 MB of memory, about a tenth of a second."""
_SALT_BYTES: Final = 16
_NO_WAY_IN: Final = (
    "Set GCBULK_STORE_KEY to the passphrase of the key store. There is no terminal at which to ask for it."
)


def store_file() -> Path:
    """Where the encrypted file is: `partner-keys.json` in GCBULK_HOME, or in the user's own state folder."""
    return home() / "partner-keys.json"


def ask_at_the_terminal(question: str) -> str:
    """Ask for the passphrase, unseen. Raises CredentialsError where there is no terminal to ask at."""
    if not sys.stdin.isatty():
        raise CredentialsError(_NO_WAY_IN)
    return getpass(question)


def keeps_unasked() -> bool:
    """Whether a key can be kept where nobody is there to be asked for a passphrase."""
    return bool(os.environ.get("GCBULK_STORE_KEY")) or has_keyring()


@dataclass(frozen=True, slots=True)
class _Lock:
    """What locks and opens the file: made of a passphrase, a salt, and the work that deriving it takes."""

    salt: bytes
    cost: int
    fernet: Fernet


class KeyStore:
    """Customers' keys for one API address; whoever changes them must hold the customers' lock.

    `ask` is asked for the passphrase where GCBULK_STORE_KEY is not set. Raises CredentialsError, with the way out,
    where the keyring refuses, or where the file is not opened by this passphrase; nothing is kept then.
    """

    def __init__(self, base_url: str, *, ask: Callable[[str], str] | None = None) -> None:
        self._base_url = base_url
        self._service = f"gcbulk partner {base_url}"
        self._ask = ask or ask_at_the_terminal
        self._passphrase: Secret | None = None
        self._opened: tuple[bytes, Mapping[str, Any], _Lock] | None = None  # the file's bytes, what they hold

    def __repr__(self) -> str:
        return f"KeyStore({self._base_url!r})"

    @property
    def place(self) -> Place:
        """Where a new key is kept: the keyring where there is one, unless GCBULK_STORE_KEY asks for the file."""
        if os.environ.get("GCBULK_STORE_KEY"):
            return "file"
        return "keyring" if has_keyring() else "file"

    def find(self, customer_id: str, place: Place) -> Secret | None:
        """A customer's key; None where there is none."""
        if place == "file":
            found = self._read()[0].get(self._base_url, {}).get(customer_id)
        else:
            with keyring_in_a_sentence():
                found = keyring_backend().get_password(self._service, customer_id)
        return Secret(found) if found else None

    def keep(self, customer_id: str, key: Secret) -> Place:
        """Keep a customer's key, in the stead of an older one; says where."""
        place = self.place
        if place == "file":
            keys, lock = self._read()
            mine = {**keys.get(self._base_url, {}), customer_id: key.reveal()}
            self._write({**keys, self._base_url: mine}, lock)
            return place
        with keyring_in_a_sentence():
            ring = keyring_backend()
            ring.set_password(self._service, customer_id, key.reveal())
            kept = ring.get_password(self._service, customer_id) == key.reveal()
        if not kept:
            raise CredentialsError(
                "The keyring is switched off: it kept nothing. Set GCBULK_STORE_KEY to a passphrase of your own, and "
                "keys are kept in an encrypted file instead."
            )
        return place

    def forget(self, customer_id: str, place: Place) -> None:
        """Remove a customer's key; nothing where there is none."""
        if place == "file":
            keys, lock = self._read()
            if customer_id in keys.get(self._base_url, {}):
                mine = {name: key for name, key in keys[self._base_url].items() if name != customer_id}
                self._write({**keys, self._base_url: mine}, lock)
            return
        with keyring_in_a_sentence():
            ring = keyring_backend()
            if ring.get_password(self._service, customer_id) is not None:
                ring.delete_password(self._service, customer_id)

    def _read(self) -> tuple[dict[str, dict[str, str]], _Lock]:
        """Every address's keys in the file, and what opens it; a new lock where there is no file yet."""
        from cryptography.fernet import InvalidToken

        try:
            written = store_file().read_bytes()
        except FileNotFoundError:
            return {}, self._lock(os.urandom(_SALT_BYTES), SCRYPT_COST)
        except OSError as error:
            raise CredentialsError(f"The key store {store_file()} cannot be read: {error.strerror}.") from None
        if self._opened is not None and self._opened[0] == written:
            return dict(self._opened[1]), self._opened[2]
        try:
            envelope = json.loads(written)
            salt, cost = base64.b64decode(envelope["salt"]), int(envelope["scrypt_n"])
            sealed = envelope["keys"].encode("ascii")
        except (ValueError, TypeError, KeyError, AttributeError):
            raise CredentialsError(
                f"The key store {store_file()} is damaged. Put a good copy in its place, or remove it and have the "
                "customers authorise again."
            ) from None
        lock = self._lock(salt, cost)
        try:
            keys = json.loads(lock.fernet.decrypt(sealed))
        except InvalidToken:
            self._passphrase = None  # so that it is asked for again
            raise CredentialsError(
                f"The key store {store_file()} was written with another passphrase. Give the one that it was written "
                "with (GCBULK_STORE_KEY)."
            ) from None
        self._opened = (written, keys, lock)
        return dict(keys), lock

    def _write(self, keys: Mapping[str, Mapping[str, str]], lock: _Lock) -> None:
        envelope = {
            "about": "gcbulk: customers' keys, encrypted (Fernet, scrypt)",
            "scrypt_n": lock.cost,
            "salt": base64.b64encode(lock.salt).decode("ascii"),
            "keys": lock.fernet.encrypt(json.dumps(keys).encode()).decode("ascii"),
        }
        replace_file(store_file(), json.dumps(envelope).encode())
        self._opened = None

    def _lock(self, salt: bytes, cost: int) -> _Lock:
        """What locks and opens the file, made of the passphrase."""
        given = os.environ.get("GCBULK_STORE_KEY") or (self._passphrase.reveal() if self._passphrase else "")
        if not given:
            given = self._ask("Passphrase of the key store (it is not shown): ")
            if not given:
                raise CredentialsError("The passphrase of the key store must not be empty.")
            self._passphrase = Secret(given)
        return _Lock(salt, cost, _derived(Secret(given), salt, cost))


_known: Final[dict[bytes, Fernet]] = {}  # by a digest of what each was derived from: deriving is slow on purpose


def _derived(passphrase: Secret, salt: bytes, cost: int) -> Fernet:
    from cryptography.fernet import Fernet

    given = passphrase.reveal().encode()
    name = hashlib.blake2b(given, key=salt[:16], salt=cost.to_bytes(8, "big")).digest()
    if name not in _known:
        key = hashlib.scrypt(given, salt=salt, n=cost, r=8, p=1, maxmem=2**20 + 2**11 * cost, dklen=32)
        _known[name] = Fernet(base64.urlsafe_b64encode(key))
    return _known[name]
