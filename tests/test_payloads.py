"""Message objects and the JSON of a request: the vendor's names, the text untouched, the credentials in each."""

from __future__ import annotations

import json
import math
import traceback
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.api.payloads import WIRE_NAMES, Message, encode, make_email, make_message
from gcbulk.errors import OptionError

steady = settings(deadline=None, derandomize=True, max_examples=200)

NUMBER = "+447700900123"
OTHER = "+447700900124"
KEY = "a-key-that-nobody-sees"


def sent(*messages: Message) -> list[dict[str, Any]]:
    """The message objects as the platform reads them."""
    body = json.loads(encoded(*messages))
    assert list(body) == ["messageData"]
    objects: list[dict[str, Any]] = body["messageData"]
    return objects


def encoded(*messages: Message) -> bytes:
    return encode(messages, customer_id="1469", api_key=KEY)


def options_sent(options: dict[str, object]) -> dict[str, Any]:
    """What a message object holds beside the credentials, the recipients and the text."""
    (found,) = sent(make_message(NUMBER, "Hello", options))
    for name in ("CustomerId", "Password", "Recipients", "SMSMessage"):
        del found[name]
    return found


# -- recipients


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (NUMBER, [{"MobileNumber": NUMBER}]),
        ({"ExternalId": "p1"}, [{"ExternalId": "p1"}]),
        ({"Id": 7, "SendTo": 1, "New": None}, [{"Id": 7, "SendTo": 1, "New": None}]),
        (MappingProxyType({"MobileNumber": NUMBER}), [{"MobileNumber": NUMBER}]),
        ([NUMBER], [{"MobileNumber": NUMBER}]),
        ([NUMBER, OTHER], [{"MobileNumber": NUMBER}, {"MobileNumber": OTHER}]),
        ((OTHER, NUMBER), [{"MobileNumber": OTHER}, {"MobileNumber": NUMBER}]),
        ([NUMBER, {"IdaasId": "PL-12345"}], [{"MobileNumber": NUMBER}, {"IdaasId": "PL-12345"}]),
        ((number for number in (NUMBER, OTHER)), [{"MobileNumber": NUMBER}, {"MobileNumber": OTHER}]),
        (pd.Series([NUMBER, OTHER], index=["b", "a"]), [{"MobileNumber": NUMBER}, {"MobileNumber": OTHER}]),
    ],
)
def test_recipients_as_a_number_an_object_or_a_list(given: Any, expected: list[dict[str, object]]) -> None:
    (found,) = sent(make_message(given, "Hello", {}))
    assert found["Recipients"] == expected


@pytest.mark.parametrize(
    "nobody",
    ["", {}, [], (), set(), [""], [{}], [NUMBER, ""], [NUMBER, {}], [NUMBER, None], [447700900123], [[NUMBER]], b"x"],
)
def test_without_somebody_to_send_to_it_is_refused(nobody: Any) -> None:
    with pytest.raises(OptionError, match="recipients must be"):
        make_message(nobody, "Hello", {})


@pytest.mark.parametrize("nobody", [None, 447700900123, 447700900123.0])
def test_what_is_no_list_is_refused_in_a_sentence(nobody: Any) -> None:
    with pytest.raises(OptionError, match="recipients must be"):
        make_message(nobody, "Hello", {})


def test_a_recipient_object_is_copied_at_the_latest_when_it_is_encoded() -> None:
    recipient: dict[str, object] = {"ExternalId": "p1"}
    body = encoded(make_message(recipient, "Hello", {}))
    assert recipient == {"ExternalId": "p1"}
    recipient["ExternalId"] = "p2"
    assert json.loads(body)["messageData"][0]["Recipients"] == [{"ExternalId": "p1"}]


@pytest.mark.parametrize("text", [None, b"Hello", 5, ["Hello"]])
def test_a_text_must_be_a_text(text: Any) -> None:
    with pytest.raises(OptionError, match="message must be a text"):
        make_message(NUMBER, text, {})


# -- options

FIELDS = {
    "ClientRef": ("client_ref", "ClientRef"),
    "SMSSender": ("sender", "SMSSender"),
    "sendDateTime": ("send_at", "sendDateTime"),
    "CallbackUrl": ("callback_url", "callbackUrl", "CallbackUrl"),
    "EmailSentFromName": ("from_name",),
    "EmailSentFromAddress": ("from_address",),
    "EmailReplyToAddress": ("reply_to",),
}


def test_every_spelling_is_listed_here() -> None:
    assert {name: field for field, names in FIELDS.items() for name in names} == WIRE_NAMES


@pytest.mark.parametrize(("name", "field"), [(name, field) for field, names in FIELDS.items() for name in names])
def test_wire_names_in_every_spelling(name: str, field: str) -> None:
    assert options_sent({name: "value"}) == {field: "value"}


@pytest.mark.parametrize(
    ("one", "another", "field"),
    [(one, another, field) for field, names in FIELDS.items() for one in names for another in names if one != another],
)
def test_of_two_spellings_the_last_counts(one: str, another: str, field: str) -> None:
    assert options_sent({one: "first", another: "last"}) == {field: "last"}
    assert options_sent({one: "first", another: None}) == {field: "first"}
    assert options_sent({one: None, another: "last"}) == {field: "last"}


def test_the_four_fields_of_a_message() -> None:
    made = make_message(
        NUMBER, "Hello", {"client_ref": "r1", "sender": "School", "send_at": "2026-11-24", "callbackUrl": "https://x"}
    )
    assert made == Message((NUMBER,), "Hello", "r1", "School", "2026-11-24", "https://x", {})


@pytest.mark.parametrize("name", [*WIRE_NAMES, "styleClass", "anything"])
def test_an_option_that_is_none_is_left_out(name: str) -> None:
    assert options_sent({name: None}) == {}


def test_options_that_we_do_not_know_are_passed_through() -> None:
    options = {"EmailSubject": "Hi", "Attachments": [{"FileName": "a.pdf"}], "New": False, "Zero": 0, "Empty": ""}
    assert options_sent(dict(options)) == options


def test_a_known_field_that_is_empty_is_still_sent() -> None:
    assert options_sent({"client_ref": "", "sender": ""}) == {"ClientRef": "", "SMSSender": ""}


def test_the_caller_s_options_are_not_modified() -> None:
    options: dict[str, object] = {"sender": "School", "New": [1], "client_ref": None}
    make_message(NUMBER, "Hello", options)
    assert options == {"sender": "School", "New": [1], "client_ref": None}


@pytest.mark.parametrize("name", ["CustomerId", "Password", "Recipients", "SMSMessage"])
def test_an_option_does_not_replace_what_the_message_is_made_of(name: str) -> None:
    plain, with_option = make_message(NUMBER, "Hello", {}), None
    try:
        with_option = make_message(NUMBER, "Hello", {name: "other"})
    except OptionError:
        return
    assert sent(with_option)[0][name] == sent(plain)[0][name]


@pytest.mark.parametrize("ref", [7, 7.5, True, ["r1"], {"r": 1}])
def test_a_reference_is_a_text_or_is_refused(ref: object) -> None:
    try:
        made = make_message(NUMBER, "Hello", {"client_ref": ref})
    except OptionError:
        return
    assert made.client_ref == str(ref)


# -- times


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 11, 24, 8, 30, tzinfo=UTC), "2026-11-24T08:30:00+00:00"),
        (datetime(2026, 11, 24, 8, 30, 5, 999999, tzinfo=UTC), "2026-11-24T08:30:05+00:00"),
        (datetime(2026, 7, 1, 8, 30, tzinfo=timezone(timedelta(hours=1))), "2026-07-01T08:30:00+01:00"),
        (pd.Timestamp("2026-07-01 08:30", tz="Europe/London"), "2026-07-01T08:30:00+01:00"),
        ("2026-11-24T08:30", "2026-11-24T08:30"),
    ],
)
@pytest.mark.parametrize("name", ["send_at", "sendDateTime"])
def test_an_aware_time_goes_as_iso_8601(name: str, moment: object, expected: str) -> None:
    assert options_sent({name: moment}) == {"sendDateTime": expected}


@pytest.mark.parametrize("name", ["send_at", "sendDateTime", "SomethingNew"])
@pytest.mark.parametrize("moment", [datetime(2026, 11, 24, 8, 30), pd.Timestamp("2026-11-24"), pd.NaT])  # noqa: DTZ001
def test_a_naive_time_is_refused(name: str, moment: object) -> None:
    with pytest.raises(OptionError, match=f"{name} needs a time zone"):
        make_message(NUMBER, "Hello", {name: moment})


# -- the bytes


def test_credentials_in_every_message_of_the_one_array() -> None:
    found = sent(*(make_message(f"+44770090{n:04d}", f"Text {n}", {"client_ref": f"r{n}"}) for n in range(5)))
    assert [(one["CustomerId"], one["Password"]) for one in found] == [("1469", KEY)] * 5
    assert [one["ClientRef"] for one in found] == ["r0", "r1", "r2", "r3", "r4"]
    assert [one["SMSMessage"] for one in found] == [f"Text {n}" for n in range(5)]


def test_no_messages_make_an_empty_array() -> None:
    assert encoded() == b'{"messageData":[]}'


def test_keys_go_in_the_order_of_the_vendor_s_table_without_space() -> None:
    options = {"New": 1, "CallbackUrl": "https://x", "sendDateTime": "t", "SMSSender": "s", "ClientRef": "r"}
    assert encoded(make_message({"MobileNumber": NUMBER, "SendTo": 0}, "Hello", options)) == (
        b'{"messageData":[{"CustomerId":"1469","Password":"a-key-that-nobody-sees",'
        b'"Recipients":[{"MobileNumber":"+447700900123","SendTo":0}],"SMSMessage":"Hello",'
        b'"ClientRef":"r","SMSSender":"s","sendDateTime":"t","CallbackUrl":"https://x","New":1}]}'
    )


@pytest.mark.parametrize("text", ["Zoë £5 €", "Łukasz", "مرحبا", "👨‍👩‍👧 🇬🇧", "e\u0301", "\u2028 \u00a0 \ufeff"])
def test_utf_8_is_not_escaped(text: str) -> None:
    body = encoded(make_message(NUMBER, text, {}))
    assert text.encode("utf-8") in body
    assert b"\\u" not in body


@pytest.mark.parametrize(
    "text", ["", " ", "null", '"', "\\", "\r\n\t", "\0", "\x7f", "$Firstname$", "{{ name }}", "</script>"]
)
def test_a_text_arrives_as_it_is(text: str) -> None:
    assert sent(make_message(NUMBER, text, {}))[0]["SMSMessage"] == text


@pytest.mark.parametrize("text", ["\ud83d", "Hello \ud83d", "\ude00 Zoë 👍", "\ud83dx\ude00"])
def test_half_a_surrogate_pair_still_makes_valid_json(text: str) -> None:
    body = encoded(make_message(NUMBER, text, {}), make_message(OTHER, "Zoë 👍", {"sender": text}))
    assert body.isascii()
    first, second = json.loads(body.decode("utf-8"))["messageData"]
    assert (first["SMSMessage"], second["SMSMessage"], second["SMSSender"]) == (text, "Zoë 👍", text)


NOT_JSON = {
    "bytes": b"report",
    "a set": {1, 2},
    "an object": object(),
    "a date": date(2026, 11, 24),
    "a time in a list": [datetime(2026, 11, 24, tzinfo=UTC)],
    "NaN": math.nan,
    "infinity": [math.inf],
    "a key that is no text": {("a", "b"): 1},
    "missing": pd.NA,
}


@pytest.mark.parametrize("name", ["New", "client_ref", "sender"])
@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_json_cannot_carry_is_refused_without_showing_the_key(name: str, value: object) -> None:
    with pytest.raises(OptionError, match="JSON cannot carry") as caught:
        encoded(Message((NUMBER,), "Hello", **({"extra": {name: value}} if name == "New" else {name: value})))
    assert KEY not in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_what_holds_itself_is_refused_without_showing_the_key() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(OptionError, match="JSON cannot carry") as caught:
        encoded(make_message(NUMBER, "Hello", {"New": circle}))
    assert KEY not in "".join(traceback.format_exception(caught.value))


# -- properties


def paired(text: str) -> str:
    """The text with the two halves of a surrogate pair made one character, as JSON reads them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXT = st.text(st.characters(), max_size=40).map(paired)  # with lone surrogates
RECIPIENT = st.one_of(
    TEXT.filter(bool), st.dictionaries(TEXT, st.one_of(st.none(), st.integers(), TEXT), min_size=1, max_size=3)
)
OPTIONS = st.dictionaries(
    st.one_of(st.sampled_from([*WIRE_NAMES, "EmailSubject"]), st.from_regex(r"x[a-z]{0,5}", fullmatch=True)),
    st.one_of(st.none(), TEXT),
    max_size=5,
)
MADE = st.tuples(st.lists(RECIPIENT, min_size=1, max_size=4), TEXT, OPTIONS)


@steady
@given(st.lists(MADE, max_size=4), TEXT, TEXT)
def test_what_is_encoded_can_be_decoded(made: list[Any], customer_id: str, key: str) -> None:
    body = encode([make_message(*one) for one in made], customer_id=customer_id, api_key=key)
    found = json.loads(body.decode("utf-8"))["messageData"]
    assert len(found) == len(made)
    for one, (recipients, text, options) in zip(found, made, strict=True):
        assert (one["CustomerId"], one["Password"], one["SMSMessage"]) == (customer_id, key, text)
        assert one["Recipients"] == [{"MobileNumber": r} if isinstance(r, str) else r for r in recipients]
        expected = {WIRE_NAMES.get(name, name): value for name, value in options.items() if value is not None}
        assert {name: one[name] for name in list(one)[4:]} == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\nBcc: someone@example.org"])
def test_no_line_end_gets_into_a_header_of_an_email(end: str) -> None:
    for subject, name in ((f"News{end}", "School"), ("News", f"School{end}")):
        with pytest.raises(OptionError, match="must be a single line"):
            make_email("ann@example.org", subject, "Closed.", {"EmailSentFromName": name})
