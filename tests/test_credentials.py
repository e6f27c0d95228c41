"""Whose key goes where: argument, environment, keyring; one address for one key; and the key never shown."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import traceback
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null
from keyring.errors import InitError, KeyringError, KeyringLocked, PasswordDeleteError, PasswordSetError

from gcbulk.api.credentials import (
    PRODUCTION,
    Credentials,
    Secret,
    forget_credentials,
    is_loopback,
    resolve_base_url,
    resolve_credentials,
    store_credentials,
)
from gcbulk.errors import CredentialsError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "k3y-that-nobody-sees"
TESTING = "https://apitesting.groupcall.com"


class MemoryKeyring(KeyringBackend):
    """A keyring that lasts as long as the test."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.held:
            raise PasswordDeleteError("not found")
        del self.held[service, username]


class BrokenKeyring(KeyringBackend):
    """A keyring that answers everything with an error, and tells the key in it."""

    priority = 1

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def get_password(self, service: str, username: str) -> str | None:
        raise self.error

    def set_password(self, service: str, username: str, password: str) -> None:
        raise self.error

    def delete_password(self, service: str, username: str) -> None:
        raise self.error


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring() -> MemoryKeyring:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    return memory


def resolved(
    customer_id: str | int | None = None, api_key: str | None = None, *, base_url: str = PRODUCTION
) -> tuple[str, str]:
    found = resolve_credentials(customer_id, api_key, base_url=base_url)
    return found.customer_id, found.api_key.reveal()


def refusal(action: Callable[[], object]) -> str:
    """The sentence of the error, which shows no key, nor does its traceback."""
    with pytest.raises(CredentialsError) as caught:
        action()
    assert KEY not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


# -- which one counts


def test_argument_then_environment_then_keyring(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store_credentials("ring", "ring-key", base_url=PRODUCTION)
    assert resolved() == ("ring", "ring-key")
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", "env")
    monkeypatch.setenv("GCBULK_API_KEY", "env-key")
    assert resolved() == ("env", "env-key")
    assert resolved("arg") == ("arg", "env-key")
    assert resolved(None, "arg-key") == ("env", "arg-key")
    assert resolved("arg", "arg-key") == ("arg", "arg-key")


def test_a_key_from_the_environment_with_the_customer_of_the_keyring(
    ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_credentials("ring", "ring-key", base_url=PRODUCTION)
    monkeypatch.setenv("GCBULK_API_KEY", "env-key")
    assert resolved() == ("ring", "env-key")


def test_with_both_given_the_keyring_is_not_asked() -> None:
    keyring.set_keyring(BrokenKeyring(AssertionError("asked")))
    assert resolved("1469", "key") == ("1469", "key")


@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_what_is_blank_is_not_given(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    store_credentials("ring", "ring-key", base_url=PRODUCTION)
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", blank)
    monkeypatch.setenv("GCBULK_API_KEY", blank)
    assert resolved(blank, blank) == ("ring", "ring-key")


def test_space_around_is_stripped(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolved(" 1469\n", "\tkey ") == ("1469", "key")
    store_credentials(" 1469 ", " key\r\n", base_url=PRODUCTION)
    assert resolved() == ("1469", "key")
    assert resolved(" 1469 ") == ("1469", "key")
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", " 2000 ")
    monkeypatch.setenv("GCBULK_API_KEY", " env-key\n")
    assert resolved() == ("2000", "env-key")


def test_a_customer_id_may_be_a_number(ring: MemoryKeyring) -> None:
    store_credentials("1469", "key", base_url=PRODUCTION)
    assert resolved(1469) == ("1469", "key")
    assert resolved(0, "key") == ("0", "key")


# -- a stored key belongs to its address and to its customer


def test_a_stored_key_goes_to_no_other_address(ring: MemoryKeyring) -> None:
    store_credentials("1469", KEY, base_url=PRODUCTION)
    for other in (TESTING, f"{PRODUCTION}:8443", f"{PRODUCTION}/x", "http://127.0.0.1:5000", f"{PRODUCTION}.example"):
        refusal(lambda other=other: resolved(base_url=other))
        refusal(lambda other=other: resolved("1469", base_url=other))
    store_credentials("2000", "testing-key", base_url=TESTING)
    assert resolved(base_url=PRODUCTION) == ("1469", KEY)
    assert resolved(base_url=TESTING) == ("2000", "testing-key")


def test_a_stored_key_goes_with_no_other_customer(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store_credentials("1469", KEY, base_url=PRODUCTION)
    refusal(lambda: resolved("2000"))
    refusal(lambda: resolved("146"))
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", "2000")
    refusal(resolved)
    assert resolved("1469") == ("1469", KEY)


def test_several_customers_at_one_address_keep_their_own_keys(ring: MemoryKeyring) -> None:
    store_credentials("1469", "key-1", base_url=PRODUCTION)
    store_credentials("2000", "key-2", base_url=PRODUCTION)
    assert resolved("1469") == ("1469", "key-1")
    assert resolved("2000") == ("2000", "key-2")
    assert resolved() == ("2000", "key-2")


def test_a_new_key_takes_the_place_of_the_old_one(ring: MemoryKeyring) -> None:
    store_credentials("1469", "old", base_url=PRODUCTION)
    store_credentials("1469", "new", base_url=PRODUCTION)
    assert resolved() == ("1469", "new")
    assert "old" not in ring.held.values()


def test_forgetting_removes_what_was_stored_for_this_address(ring: MemoryKeyring) -> None:
    store_credentials("1469", KEY, base_url=PRODUCTION)
    store_credentials("1469", "testing-key", base_url=TESTING)
    forget_credentials(base_url=PRODUCTION)
    refusal(resolved)
    refusal(lambda: resolved("1469"))
    assert KEY not in ring.held.values()
    assert resolved(base_url=TESTING) == ("1469", "testing-key")
    forget_credentials(base_url=TESTING)
    assert ring.held == {}


def test_forgetting_where_there_is_nothing_does_nothing(ring: MemoryKeyring) -> None:
    forget_credentials(base_url=PRODUCTION)
    store_credentials("1469", KEY, base_url=PRODUCTION)
    forget_credentials(base_url=PRODUCTION)
    forget_credentials(base_url=PRODUCTION)
    assert ring.held == {}


def test_forgetting_removes_every_key_that_was_stored_for_this_address(ring: MemoryKeyring) -> None:
    store_credentials("1469", KEY, base_url=PRODUCTION)
    store_credentials("2000", "key-2", base_url=PRODUCTION)
    forget_credentials(base_url=PRODUCTION)
    assert KEY not in ring.held.values()


# -- nothing found


@pytest.mark.parametrize(
    ("customer_id", "api_key", "missing"),
    [
        (None, None, "No customer id and no API key for"),
        ("1469", None, "No API key for"),
        (None, KEY, "No customer id for"),
    ],
)
def test_what_is_missing_is_named_with_the_way_out(
    ring: MemoryKeyring, customer_id: str | None, api_key: str | None, missing: str
) -> None:
    said = refusal(lambda: resolve_credentials(customer_id, api_key, base_url=TESTING))
    assert said.startswith(missing)
    for words in (TESTING, "gcbulk login", "GCBULK_CUSTOMER_ID", "GCBULK_API_KEY", "sandbox"):
        assert words in said


@pytest.mark.parametrize("damaged", ["", "{", "[]", "null", '"1469"'])
def test_a_damaged_entry_holds_nothing_and_can_be_stored_over(ring: MemoryKeyring, damaged: str) -> None:
    store_credentials("1469", KEY, base_url=PRODUCTION)
    (place,) = ring.held
    ring.held[place] = damaged
    assert refusal(resolved).startswith("No customer id and no API key for")
    store_credentials("1469", KEY, base_url=PRODUCTION)
    assert resolved() == ("1469", KEY)


@pytest.mark.parametrize("found", ["", "not JSON", "[]", "5", "null", "[" * 100_000], ids=lambda found: found[:8])
def test_an_entry_that_is_not_ours_holds_nothing_and_can_be_forgotten(ring: MemoryKeyring, found: str) -> None:
    store_credentials("2000", "key", base_url=PRODUCTION)
    (place,) = ring.held
    ring.held[place] = found
    assert refusal(resolved).startswith("No customer id and no API key")
    forget_credentials(base_url=PRODUCTION)
    assert ring.held == {}
    store_credentials("1469", "key", base_url=PRODUCTION)
    assert resolved() == ("1469", "key")


# -- keyrings that are absent, locked or broken


class OddError(KeyringError):
    """An error of a backend's own."""


ERRORS = [
    KeyringLocked("locked: " + KEY),
    KeyringError(KEY),
    InitError(KEY),
    PasswordSetError(KEY),
    PasswordDeleteError(KEY),
    OddError(KEY),
    RuntimeError(KEY),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_keyring_that_fails_holds_nothing(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_keyring(BrokenKeyring(error))
    assert refusal(resolved).startswith("No customer id and no API key")
    assert refusal(lambda: resolved("1469")).startswith("No API key")
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", "1469")
    monkeypatch.setenv("GCBULK_API_KEY", "env-key")
    assert resolved() == ("1469", "env-key")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_storing_in_a_keyring_that_fails_says_so(error: Exception) -> None:
    keyring.set_keyring(BrokenKeyring(error))
    assert "Unlock it and try again" in refusal(lambda: store_credentials("1469", KEY, base_url=PRODUCTION))
    assert "Unlock it and try again" in refusal(lambda: forget_credentials(base_url=PRODUCTION))


def test_without_a_keyring() -> None:
    keyring.set_keyring(fail.Keyring())
    assert refusal(resolved).startswith("No customer id and no API key")
    assert resolved("1469", "key") == ("1469", "key")
    for action in (
        lambda: store_credentials("1469", KEY, base_url=PRODUCTION),
        lambda: forget_credentials(base_url=PRODUCTION),
    ):
        said = refusal(action)
        assert "no keyring" in said
        assert "GCBULK_API_KEY" in said


def test_a_backend_that_cannot_be_loaded_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "get_keyring", _not_loaded)
    assert refusal(resolved).startswith("No customer id and no API key")


@pytest.mark.parametrize("what", ["store", "forget"])
def test_a_backend_that_cannot_be_loaded_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(keyring, "get_keyring", _not_loaded)
    if what == "store":
        refusal(lambda: store_credentials("1469", KEY, base_url=PRODUCTION))
    else:
        refusal(lambda: forget_credentials(base_url=PRODUCTION))


def _not_loaded() -> KeyringBackend:
    raise RuntimeError("Requires Windows and pywin32")


def test_a_keyring_that_keeps_nothing_is_told() -> None:
    keyring.set_keyring(null.Keyring())
    with pytest.raises(CredentialsError):
        store_credentials("1469", KEY, base_url=PRODUCTION)


# -- the key shows itself nowhere

SECRET = Secret(KEY)
WHO = Credentials("1469", SECRET)


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r}",
        f"{SECRET!s}",
        f"{SECRET!a}",
        f"{SECRET:}",
        str.format("{} {!r} {key}", SECRET, SECRET, key=SECRET),
        "%s %r" % (SECRET, SECRET),  # noqa: UP031
        repr([SECRET]),
        repr({"key": SECRET}),
        repr(WHO),
        str(WHO),
        f"{WHO}",
    ],
)
def test_a_key_is_shown_as_stars(shown: str) -> None:
    assert KEY not in shown
    assert "***" in shown


def test_a_key_is_logged_as_stars(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("gcbulk").warning("%s %r %s", SECRET, SECRET, WHO)
    assert KEY not in caplog.text
    assert "***" in caplog.text


def test_a_key_does_not_show_in_a_traceback_with_its_variables() -> None:
    def broken(secret: Secret, who: Credentials) -> None:
        held = {"secret": secret}
        raise ValueError(secret, who, held)

    with pytest.raises(ValueError, match=r"\*\*\*") as caught:
        broken(SECRET, WHO)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Secret('***')" in shown
    assert KEY not in shown


@pytest.mark.parametrize("thing", [SECRET, WHO, [SECRET]], ids=["secret", "credentials", "list"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_never_pickled(thing: object, protocol: int) -> None:
    with pytest.raises(TypeError, match="never pickled") as caught:
        pickle.dumps(thing, protocol)
    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "take",
    [copy.copy, copy.deepcopy, vars, json.dumps, dict, list, len, iter, bytes, dataclasses.asdict],
    ids=lambda take: take.__name__,
)
def test_a_key_cannot_be_taken_apart(take: Callable[[object], object]) -> None:
    with pytest.raises(TypeError) as caught:
        take(SECRET)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_a_key_is_there_for_who_asks_for_it() -> None:
    assert SECRET.reveal() == KEY
    assert WHO.api_key.reveal() == KEY


def test_credentials_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WHO.customer_id = "2000"  # type: ignore[misc]


# -- the address


def test_the_address_is_the_argument_the_environment_or_production(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_base_url() == PRODUCTION == "https://m5api.groupcall.com"
    monkeypatch.setenv("GCBULK_BASE_URL", f" {TESTING}/\n")
    assert resolve_base_url() == TESTING
    assert resolve_base_url("") == TESTING
    assert resolve_base_url("https://proxy.example/groupcall") == "https://proxy.example/groupcall"
    monkeypatch.setenv("GCBULK_BASE_URL", "")
    assert resolve_base_url() == PRODUCTION


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://apitesting.groupcall.com", TESTING),
        ("https://apitesting.groupcall.com/", TESTING),
        ("https://apitesting.groupcall.com///", TESTING),
        ("  https://apitesting.groupcall.com\t", TESTING),
        ("https://host.example:8443/", "https://host.example:8443"),
        ("https://host.example/groupcall/v3/", "https://host.example/groupcall/v3"),
        ("https://host.example/Groupcall", "https://host.example/Groupcall"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:db8::7]:8443", "https://[2001:db8::7]:8443"),
        ("https://127.0.0.1:5000", "https://127.0.0.1:5000"),
    ],
)
def test_an_https_address_is_taken(given: str, expected: str) -> None:
    assert resolve_base_url(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:5000",
        "http://127.0.0.1:5000/sandbox",
        "http://127.0.0.2:5000",
        "http://127.255.255.254",
        "http://[::1]",
        "http://[::1]:5000",
        "http://localhost",
        "http://localhost:5000",
    ],
)
def test_plain_http_to_this_machine_is_taken(given: str) -> None:
    assert resolve_base_url(given) == given
    assert resolve_base_url(f"{given}/") == given


@pytest.mark.parametrize(
    "given",
    ["HTTPS://apitesting.groupcall.com", "Https://APITesting.Groupcall.COM", "HTTP://LocalHost:5000", "hTTp://[::1]"],
)
def test_scheme_and_host_in_any_case_are_taken(given: str) -> None:
    assert resolve_base_url(given).casefold() == given.casefold()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("HTTPS://m5api.groupcall.com", PRODUCTION),
        ("https://M5API.Groupcall.com/", PRODUCTION),
        ("https://m5api.groupcall.com:443", PRODUCTION),
        ("https://m5api.groupcall.com:", PRODUCTION),
        ("https://m5api.groupcall.com:80", f"{PRODUCTION}:80"),
        ("http://localhost:80/", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://[2001:DB8::7]:8443/Path/", "https://[2001:db8::7]:8443/Path"),
    ],
)
def test_one_place_has_one_address(given: str, expected: str) -> None:
    assert resolve_base_url(given) == expected
    assert resolve_base_url(expected) == expected


@pytest.mark.parametrize(
    "given",
    [
        "http://m5api.groupcall.com",
        "http://apitesting.groupcall.com/",
        "HTTP://M5API.groupcall.com",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://evil.example/127.0.0.1",
        "http://evil.example:80/localhost",
        "http://localhost.",
        "http://128.0.0.1",
        "http://126.255.255.255",
        "http://0.0.0.0",
        "http://192.168.0.1",
        "http://10.0.0.1:5000",
        "http://[::2]",
        "http://[::]",
        "http://[fe80::1]",
        "http://2130706433",
        "http://0x7f000001",
        "http://127.1",
        "http://127.0.0.01",
        "http://①②⑦.⓪.⓪.①",
        "http://127.0.0.1\\.evil.example",
        "http://127.0.0.1\n.evil.example",
    ],
)
def test_plain_http_to_anywhere_else_is_refused(given: str) -> None:
    with pytest.raises(OptionError, match=r"Use https://|must look like https://"):
        resolve_base_url(given)


def test_the_refusal_of_plain_http_names_the_host_and_the_reason() -> None:
    with pytest.raises(OptionError, match=r"http://m5api\.groupcall\.com is refused: your key .* in the open"):
        resolve_base_url("http://m5api.groupcall.com/x")


@pytest.mark.parametrize(
    "given",
    [
        "https://user:s3cret@host.example",
        "https://user@host.example",
        "https://:s3cret@host.example",
        "https://@host.example",
        "http://user:s3cret@127.0.0.1:5000",
        "http://localhost@evil.example",
        "http://127.0.0.1:5000@evil.example",
        "http://localhost\\@evil.example",
        "http://user:s3cret@evil.example",
        "https://user:s3cret@host.example:port",
        "https://user:s3cret@[host.example",
        "ftp://user:s3cret@host.example",
        "https://host.example?key=s3cret",
        "https://host.example/?key=s3cret",
        "https://host.example#s3cret",
        "https://host.example/#/s3cret",
        "https://host.example:0x50",
        "https://host.example:s3cret",
        "https://host.example:99999",
        "https://host.example:-1",
        "ftp://host.example",
        "file:///etc/hosts",
        "ws://host.example",
        "javascript:alert(1)",
        "host.example",
        "//host.example",
        "/api",
        "https:host.example",
        "https:/host.example",
        "https://",
        "https:///x",
        "https://:443",
        "https://[::1",
        "https://[not-an-address]",
        "   ",
    ],
)
@pytest.mark.parametrize("by", ["argument", "environment"])
def test_what_is_no_plain_web_address_is_refused(given: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_BASE_URL", given)
    with pytest.raises(OptionError) as caught:
        resolve_base_url(given if by == "argument" else None)
    assert "must look like https://HOST" in str(caught.value)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("tail", ["?", "#", "/?", "/x?", "/x#", "/?#"])
def test_an_empty_query_or_fragment_does_not_swallow_the_path(tail: str) -> None:
    try:
        address = resolve_base_url(f"https://host.example{tail}")
    except OptionError:
        return
    assert urlsplit(f"{address}/api/SendMessage_V3/SMS").path.endswith("/api/SendMessage_V3/SMS")


def test_a_password_is_not_repeated_by_any_link_of_the_chain() -> None:
    for given in ("https://user:s3cret@host.example:port", "https://user:s3cret@[host", "http://u:s3cret@evil.example"):
        with pytest.raises(OptionError) as caught:
            resolve_base_url(given)
        error: BaseException | None = caught.value
        while error is not None:
            assert "s3cret" not in str(error)
            error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("0.0.0.0", False),
        ("127.0.0.1 ", False),
    ],
)
def test_this_machine_itself(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
