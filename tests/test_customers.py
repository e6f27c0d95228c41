"""Customers of a partner and their keys: kept, replaced, forgotten, told of by callbacks; never in plain text."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import keyring
import pandas as pd
import pytest
from click.testing import CliRunner
from keyring.backends import null
from keyring.errors import KeyringLocked
from werkzeug.test import Client

import gcbulk
from gcbulk.api.authorisation import MalformedError, read_authorisation
from gcbulk.api.customers import Customers, customers_file
from gcbulk.api.key_store import store_file
from gcbulk.api.partner import Partner, resolve_partner
from gcbulk.callbacks import CallbackApp
from gcbulk.campaign.customer_table import check_keys, customers_frame, import_customers
from gcbulk.campaign.customers import rows_of_customers
from gcbulk.campaign.journal import Journal
from gcbulk.campaign.receiving import Receiver
from gcbulk.cli import cli
from gcbulk.sandbox import Sandbox
from gcbulk.sandbox.customers import example_schools
from tests.test_credentials import BrokenKeyring, MemoryKeyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, NEWER = "k3y-of-oak-nobody-sees", "n3wer-k3y-nobody-sees"
TOLD: dict[str, Any] = {
    "Customerid": 1234,
    "CustomerCode": "3281234",
    "Name": "Customer: Oak School",
    "ApiKey": KEY,
    "attributes": "region=north|type=primary",
    "Logo": "https://example.invalid/logo.png",
}


def body(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in {**TOLD, **changes}.items() if value is not ...}).encode()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("gcbulk.api.key_store.SCRYPT_COST", 2)
    before = keyring.get_keyring()
    keyring.set_keyring(null.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


@pytest.fixture
def in_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_STORE_KEY", "correct horse")


@pytest.fixture
def ring() -> MemoryKeyring:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    return memory


def revealed(customers: Customers, customer_id: str = "1234") -> str | None:
    found = customers.key(customer_id)
    return None if found is None else str(found.reveal())


def test_the_keyring_where_there_is_one(ring: MemoryKeyring) -> None:
    Customers().add("1234", KEY, name="Oak School")
    assert list(ring.held.values()) == [KEY]
    assert not store_file().exists()
    assert KEY not in customers_file().read_text(encoding="utf-8")
    assert revealed(Customers()) == KEY
    Customers().remove("1234")
    assert not ring.held


@pytest.mark.usefixtures("in_file")
def test_else_an_encrypted_file_for_its_owner_alone() -> None:
    Customers().add("1234", KEY, name="Oak School")
    assert KEY.encode() not in store_file().read_bytes() + customers_file().read_bytes()
    assert revealed(Customers()) == KEY
    if sys.platform != "win32":
        assert {file.stat().st_mode & 0o777 for file in (store_file(), customers_file())} == {0o600}


@pytest.mark.usefixtures("in_file")
def test_another_passphrase_opens_nothing_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Customers().add("1234", KEY, name="Oak School")
    before = store_file().read_bytes(), customers_file().read_bytes()
    monkeypatch.setenv("GCBULK_STORE_KEY", "battery staple")
    for act in (lambda: Customers().key("1234"), lambda: Customers().add("7", NEWER, name="Elm")):
        with pytest.raises(gcbulk.CredentialsError, match="another passphrase"):
            act()
    assert (store_file().read_bytes(), customers_file().read_bytes()) == before


@pytest.mark.usefixtures("in_file")
@pytest.mark.parametrize("written", [b"", b"{}", b'{"salt": 1, "scrypt_n": "x", "keys": []}', b"[]"])
def test_a_damaged_store_is_a_sentence(written: bytes) -> None:
    Customers().add("1234", KEY, name="Oak School")
    store_file().write_bytes(written)
    with pytest.raises(gcbulk.CredentialsError, match="is damaged"):
        Customers().key("1234")
    customers_file().write_bytes(written or b"x")
    with pytest.raises(gcbulk.OptionError, match="is damaged"):
        Customers().all()


def test_a_locked_keyring_keeps_nothing_in_the_clear() -> None:
    keyring.set_keyring(BrokenKeyring(KeyringLocked(KEY)))
    with pytest.raises(gcbulk.CredentialsError, match="may be locked") as caught:
        Customers().add("1234", KEY, name="Oak School")
    assert KEY not in str(caught.value)
    assert not store_file().exists()
    assert not Customers().all()


def test_without_keyring_or_passphrase_somebody_is_asked() -> None:
    asked: list[str] = []
    Customers(ask=lambda question: asked.append(question) or "typed in").add("1234", KEY, name="Oak")
    assert len(asked) == 1
    assert revealed(Customers(ask=lambda _question: "typed in")) == KEY
    with pytest.raises(gcbulk.CredentialsError, match="Set GCBULK_STORE_KEY"):
        Customers().key("1234")


def test_a_key_belongs_to_its_address(ring: MemoryKeyring) -> None:
    Customers("https://apitesting.groupcall.com").add("1234", KEY, name="Oak")
    assert not Customers().all()
    assert Customers().key("1234") is None


def test_a_key_that_moves_is_left_nowhere_else(ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    Customers().add("1234", KEY, name="Oak")
    monkeypatch.setenv("GCBULK_STORE_KEY", "correct horse")
    reader = Customers()
    assert revealed(reader) == KEY
    Customers().rotate("1234", NEWER)
    assert not ring.held
    assert revealed(reader) == NEWER  # which looks again, as another process would


@pytest.mark.usefixtures("in_file")
def test_names_that_could_mean_two_are_refused() -> None:
    Customers().add("1234", KEY, name="Oak School", code="77")
    for customer_id, name, code in (("7", "oak  SCHOOL", ""), ("7", "77", ""), ("77", "Elm", ""), ("7", "Elm", "1234")):
        with pytest.raises(gcbulk.OptionError, match="cannot be called"):
            Customers().add(customer_id, NEWER, name=name, code=code)
    with pytest.raises(gcbulk.OptionError, match="is known already"):
        Customers().add("1234", NEWER, name="Elm")
    assert list(Customers().all()) == ["1234"]


@pytest.mark.usefixtures("in_file")
def test_an_id_is_a_whole_number_however_excel_left_it() -> None:
    assert Customers().add(" 1234.0", KEY, name="Oak School", code="77.0").code == "77"
    assert Customers().take(read_authorisation(body(Customerid="1234.0", CustomerCode="77.0"))) == "details"
    import_customers(pd.DataFrame({"CustomerId": [1234.0], "Name": ["Oak"], "Code": ["78.00"]}))
    Customers().rotate("1234.0", NEWER)
    assert Customers().change("1234.0", sender="Oak").code == "78"
    assert list(Customers().all()) == ["1234"]
    cells = pd.DataFrame({"whose": ["1234.0", "1234", "78.0", "1234.5", "01234.0"]})
    rows = rows_of_customers(cells, "whose", Customers().all())
    assert rows.ids.fillna("").tolist() == ["1234", "1234", "1234", "", ""]
    for none in ("0", "0.0", "-1", "12.5", "Oak", "", "\u0661"):
        with pytest.raises(gcbulk.OptionError, match="a whole number above 0"):
            Customers().add(none, KEY, name="Elm")


@pytest.mark.usefixtures("in_file")
def test_many_at_once_lose_nobody() -> None:
    def authorise(number: int) -> str:
        return Customers().take(
            read_authorisation(body(Customerid=number, Name=f"Customer: {number}", CustomerCode=""))
        )

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(authorise, range(1, 33))) == {"a customer"}
    assert len(Customers().all()) == 32


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"Customerid": ...}, "Customerid is missing"),
        ({"Customerid": True}, "Customerid is of the wrong type"),
        ({"Customerid": 12.5}, "Customerid is of the wrong type"),
        ({"Customerid": "../etc"}, "Customerid must be"),
        ({"Customerid": 0}, "Customerid must be a whole number above 0"),
        ({"Customerid": -1}, "Customerid must be a whole number above 0"),
        ({"Customerid": "0.0"}, "Customerid must be a whole number above 0"),
        ({"Customerid": 10**30}, "Customerid is blank"),
        ({"Name": "Oak School"}, "Name must begin"),
        ({"Name": "Customer:  "}, "Name must begin"),
        ({"Name": ["Customer: Oak"]}, "Name is of the wrong type"),
        ({"Name": "Customer: a\u0000b"}, "Name is blank, too long"),
        ({"ApiKey": ...}, "ApiKey is missing"),
        ({"ApiKey": ""}, "ApiKey is blank"),
        ({"ApiKey": f"{KEY}\u00e9"}, "ApiKey holds what no key does"),
        ({"ApiKey": f"{KEY}\u200b"}, "ApiKey is blank, too long, or holds"),
        ({"ApiKey": f"{KEY}\n{KEY}"}, "ApiKey is blank, too long, or holds"),
        ({"ApiKey": {"k": 1}}, "ApiKey is of the wrong type"),
        ({"attributes": {"region": "north"}}, "attributes is of the wrong type"),
        ({"attributes": "a=" + "b" * 300}, "attributes holds"),
        ({"CustomerCode": []}, "CustomerCode is of the wrong type"),
        ({"customerID": 7}, "stands in the body twice"),
    ],
)
def test_an_odd_authorisation_names_its_field_and_no_key(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(MalformedError, match=names) as caught:
        read_authorisation(body(**changes))
    assert KEY not in str(caught.value)


def test_an_authorisation_may_say_less() -> None:
    found = read_authorisation(body(attributes=None, Logo="", CustomerCode=3281234, Name="partner: Oak"))
    assert (found.customer_id, found.code, found.account, dict(found.attributes)) == ("1234", "3281234", "generic", {})
    assert dict(read_authorisation(body(attributes="|odd|=x|a=|b=1")).attributes) == {"b": "1"}


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Client]:
    with Journal(tmp_path / "journal.sqlite3") as book:
        yield Client(CallbackApp(lambda: Receiver(book)))


@pytest.mark.usefixtures("in_file")
def test_the_endpoint_takes_authorisations_and_says_so(web: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = f"/any/where/{Customers().endpoint()}"
    assert [web.post(path, data=body()).status_code for _ in range(2)] == [200, 200]
    written = customers_file().read_bytes(), store_file().read_bytes()
    assert web.post(path, data=body()).status_code == 200
    assert (customers_file().read_bytes(), store_file().read_bytes()) == written  # the same again changes nothing
    one = Customers().all()["1234"]
    assert (one.name, one.code, dict(one.attributes)) == (
        "Oak School",
        "3281234",
        {"region": "north", "type": "primary"},
    )
    Customers().change("1234", name="Our Oak")
    assert web.post(path, data=body(ApiKey=NEWER, Name="Customer: Oak Academy")).status_code == 200
    one = Customers().all()["1234"]
    assert (one.name, one.registered_name, revealed(Customers())) == ("Our Oak", "Oak Academy", NEWER)
    assert caplog.text.count("has authorised you") == 2
    assert web.post(path, data=body(Customerid=7, CustomerCode="")).status_code == 200
    assert "Customers 7 and 1234" not in caplog.text
    assert web.post(path, data=body(Customerid=8)).status_code == 200
    assert "have a name or code in common" in caplog.text
    assert KEY not in caplog.text
    assert NEWER not in caplog.text


@pytest.mark.usefixtures("in_file")
def test_the_endpoint_takes_nothing_else(
    web: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = Customers().endpoint()
    assert web.post(f"/{token}", data=body(ApiKey=7)).status_code == 400
    assert web.post(f"/{token}", data=body(ApiKey=f"{KEY}\u00fc")).status_code == 400
    assert "ApiKey holds what no key does" in caplog.text
    assert web.get(f"/{token}").status_code == 400
    assert web.post(f"/{token}", data=b"x" * 20_000).status_code == 413
    for guess in ("partner-", token[:-1], token + "A", f"partner-{'A' * 43}"):
        assert web.post(f"/{guess}", data=body()).status_code == 404
    newer = Customers().endpoint(new=True)
    assert web.post(f"/{token}", data=body()).status_code == 404
    assert not Customers().all()
    assert "ApiKey is of the wrong type" in caplog.text
    monkeypatch.delenv("GCBULK_STORE_KEY")
    answer = web.post(f"/{newer}", data=body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert not Customers().all()
    assert not store_file().exists()
    assert KEY not in caplog.text


@pytest.mark.usefixtures("in_file")
def test_a_table_goes_out_and_in_without_keys(tmp_path: Path) -> None:
    Customers().take(read_authorisation(body()))
    frame = customers_frame()
    assert KEY not in frame.to_csv()
    assert frame.loc[0, "Attributes"] == "region=north|type=primary"
    frame.loc[0, "Sender"] = "OakSchool"
    more = pd.concat([frame, pd.DataFrame([{"CustomerId": "7", "Name": "Elm"}])])
    assert import_customers(more) == 2
    assert Customers().all()["1234"].sender == "OakSchool"
    assert revealed(Customers()) == KEY
    assert not Customers().all()["7"].has_key
    for row, says in (
        ({"CustomerId": "7", "Name": "Ash"}, "stands in the file already, as 'Elm'"),
        ({"CustomerId": "8", "Name": "elm"}, "cannot be called"),
        ({"CustomerId": "8", "Name": " "}, "Row 3 of the customers: the name is blank"),
        ({"CustomerId": "8", "Name": "Ash", "Sender": "Ash High School"}, "Row 3 of the customers: sender must"),
        ({"CustomerId": "8", "Name": "Ash", "QuietHours": "late"}, "Row 3 of the customers"),
        ({"CustomerId": "8", "Name": "Ash", "PricePerPart": "cheap"}, "Row 3 of the customers: price_per_part"),
    ):
        with pytest.raises(gcbulk.OptionError, match=says):
            import_customers(pd.concat([more, pd.DataFrame([row])]))
    with pytest.raises(gcbulk.RecipientsError, match="holds keys, which are never read"):
        import_customers(frame.assign(ApiKey="x"))
    with pytest.raises(gcbulk.RecipientsError, match="lacks the column Name"):
        import_customers(frame[["CustomerId"]])
    assert list(Customers().all()) == ["1234", "7"]


@pytest.mark.usefixtures("in_file")
def test_all_keys_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    schools = example_schools()
    schools[0].authorised = True
    with Sandbox(customers=schools) as platform:
        monkeypatch.setenv("GCBULK_BASE_URL", platform.url)
        monkeypatch.setenv("GCBULK_PARTNER_KEY", platform.partner_key)
        monkeypatch.setenv("GCBULK_STYLE_CLASS", platform.style_class)
        Customers().add("2101", schools[0].api_key, name="Oak")
        Customers().add("2102", schools[1].api_key, name="Elm")
        import_customers(pd.DataFrame({"CustomerId": ["2103"], "Name": ["Ash"]}))
        found = check_keys(progress=False)
        monkeypatch.setenv("GCBULK_STORE_KEY", "battery staple")
        calls = len(platform.calls)
        done = run("partner", "customers", "check")
        assert len(platform.calls) == calls
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("another passphrase") == 1
    assert "refused" not in done.stderr
    assert dict(zip(found["Name"], found["Result"], strict=True)) == {"Oak": "valid", "Elm": "invalid", "Ash": "no key"}


def test_a_partner_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_partner() is None
    monkeypatch.setenv("GCBULK_PARTNER_KEY", KEY)
    with pytest.raises(gcbulk.OptionError, match="GCBULK_STYLE_CLASS is not set"):
        resolve_partner()
    monkeypatch.setenv("GCBULK_STYLE_CLASS", "OakTrust")
    found = resolve_partner()
    assert found == resolve_partner(found)
    assert KEY not in repr(gcbulk.CommunicationsClient("1234", "k"))
    with pytest.raises(gcbulk.OptionError, match="partner key"):
        Partner(" ", "OakTrust")


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcbulk", *arguments],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.usefixtures("in_file")
def test_a_key_of_several_lines_is_not_cut() -> None:
    refused = CliRunner().invoke(cli, ("partner", "add", "1234", "--name", "Oak"), input=f"{KEY}\n{NEWER}\n")
    assert isinstance(refused.exception, gcbulk.OptionError)
    assert "holds several lines" in str(refused.exception)
    assert not {KEY, NEWER} & set(str(refused.exception).split())
    assert not Customers().all()
    kept = CliRunner().invoke(cli, ("partner", "add", "1234", "--name", "Oak"), input=f"{KEY}\r\n\n")
    assert kept.exit_code == 0, kept.output
    assert revealed(Customers()) == KEY


@pytest.mark.usefixtures("in_file")
def test_the_command_line(tmp_path: Path) -> None:
    runner = CliRunner()
    steps = (
        (("partner", "add", "1234", "--name", "Oak School", "--code", "77"), KEY, "Customer 1234 (Oak School) added."),
        (("partner", "customers", "rotate", "1234"), NEWER, "Customer 1234 has a new key."),
        (("partner", "customers", "rename", "1234", "Our Oak"), "", "is called 'Our Oak' now"),
        (("partner", "customers", "change", "1234", "--sender", "OakSchool"), "", "changed"),
        (("partner", "customers"), "", "Our Oak"),
        (("partner", "customers", "export", str(tmp_path / "c.csv")), "", "1 customers written"),
        (("partner", "customers", "import", str(tmp_path / "c.csv")), "", "1 customers read"),
        (("partner", "endpoint", "--public-url", "https://texts.example.sch.uk/g"), "", "sch.uk/g/partner-"),
        (("partner", "customers", "remove", "1234"), "", "forgotten"),
        (("partner", "customers", "list", "--json"), "", "[]"),
    )
    for arguments, given, says in steps:
        done = runner.invoke(cli, arguments, input=given)
        assert done.exit_code == 0, done.output
        assert says in done.stdout
        assert KEY not in done.stdout + done.stderr
        assert NEWER not in done.stdout + done.stderr
    assert "OakSchool" in (tmp_path / "c.csv").read_text(encoding="utf-8-sig")
    for arguments, why in (
        (("partner", "customers", "remove", "9"), "no customer with the id '9'"),
        (("partner", "add", "1234", "--name", "Oak School"), "never taken as an argument"),
        (("partner", "endpoint"), "Give --public-url"),
        (("partner", "customers", "change", "9"), "Say what to change"),
    ):
        refused = runner.invoke(cli, arguments)
        assert isinstance(refused.exception, gcbulk.OptionError)
        assert why in str(refused.exception)


def test_a_send_for_many_on_the_sandbox(tmp_path: Path) -> None:
    table = tmp_path / "list.csv"
    table.write_text(
        "Mobile,School\n07700900001,Oak Primary\n07700900002,2102\n07700900003,Nowhere\n", encoding="utf-8"
    )
    out = tmp_path / "results.csv"
    done = run(
        *("send", str(table), "--message", "{{ customer_name }} is closed.", "--customer-column", "School"),
        *("--sandbox", "--yes", "--out", str(out)),
    )
    assert done.returncode == 0, done.stderr
    assert "Oak Primary (2101): 1 text" in done.stderr
    results = pd.read_csv(out, dtype="str")
    assert results["CustomerName"].fillna("").tolist() == ["Oak Primary", "Elm Academy", ""]
    assert results["ErrorCode"].fillna("").tolist() == ["", "", "CUSTOMER_UNKNOWN"]
    refused = run("send", str(table), "--message", "Closed.", "--customer-column", "School", "--yes")
    assert refused.returncode == 2
    assert "No customer is known for https://m5api.groupcall.com" in refused.stderr
