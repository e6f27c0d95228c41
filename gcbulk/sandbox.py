"""A local stand-in for the Communications API: real HTTP on 127.0.0.1, to try everything without an account.

It is written from the API's description alone and imports nothing of gcbulk, so that a mistake in the client
cannot hide in it; rules such as the 918 characters are repeated here on purpose. Ordinary numbers are
accepted; the magic numbers of `FAULTS` (07700 900000, and some from 07700 900900 on) each bring about one
answer or accident. In an email address they stand before the `@`.

Where the description is silent, the sandbox assumes: a message that lacks something spoils the whole call;
control characters other than line ends and tabs are "invalid characters"; people named by `Id`, `ExternalId`,
`MessengerId` or `IdaasId` alone are known to the platform; messages are queued, then `latency` is waited for.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import heapq
import http.client
import io
import json
import math
import random
import re
import secrets
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

import flask
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from gcbulk.sandbox_customers import SandboxCustomer, authorise_page, example_schools, is_loopback, tell

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from gcbulk.sandbox_customers import Account

Answer = dict[str, Any]
Wire = Callable[["_Handler", bytes], None]

DATA_INVALID = "Data is not valid, no messages sent"
NOT_ALLOWED = "Customer does not allow sending {channel}"
NOT_PARTNER = "Partner account not authorized for this customer"
NO_RECIPIENTS = "No recipients with valid addresses"
TOO_LONG = "Message exceeds maximum length"
BAD_CHARACTERS = "Message contains invalid characters"
RATE_LIMIT = "Rate limit exceeded"
TOO_MANY = "Too many requests"
OK = "OK {count} messages queued for sending"

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_IDENTIFIERS = ("Id", "ExternalId", "MessengerId", "IdaasId")  # the platform's order
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_RETRY_SOON = _JSON | {"Retry-After": "1"}
_HTML = {"Content-Type": "text/html; charset=utf-8"}
_SIGN_IN_PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to the network.</p>"
_WIRE = "sandbox.wire"  # where a view leaves, in the WSGI environ, how its answer is to go out


# -- what tests look at


@dataclass(frozen=True, slots=True)
class Queued:
    """One recipient whom the platform would have contacted; `recipient` is the number or address as sent."""

    message_id: str
    recipient: str
    text: str
    client_ref: str | None
    customer_id: str
    sender: str | None
    send_at: str | None
    callback_url: str | None
    call: int
    at: datetime
    subject: str | None = None
    attachments: tuple[tuple[str, int, str], ...] = ()  # name, size and SHA-256 of each


@dataclass(frozen=True, slots=True)
class Call:
    """One API call, its keys removed; `fault` shaped the answer, `status` is None where none came."""

    number: int
    at: datetime
    path: str
    messages: list[dict[str, Any]]
    fault: str | None = None
    status: int | None = None
    style_class: str | None = None  # of the partner who made it


@dataclass(frozen=True, slots=True)
class Reported:
    """One piece of delivery news that a callback was to bring; `times` 0 means that it was lost on purpose."""

    message_id: str
    recipient: str
    client_ref: str | None
    status: str
    times: int
    early: bool


@dataclass(frozen=True, slots=True)
class CallbackPlan:
    """How delivery news is reported: shares of it from 0 to 1, `delay` in seconds, evenly between the two.

    `early` news comes before its own call is answered. `shape` is a POST with JSON, a GET with parameters, or "both"
    by turns. `connections` are open at one time.
    """

    delay: tuple[float, float] = (0.0, 0.0)
    lost: float = 0.0
    doubled: float = 0.0
    early: float = 0.0
    shape: Literal["json", "parameters", "both"] = "json"
    connections: int = 1
    seed: int = 0


# -- reading a call


class _Channel(NamedTuple):
    """What SMS and email call the same things; the last of the required fields holds the text."""

    name: str
    required: tuple[str, ...]
    sender: str
    address: str
    plausible: re.Pattern[str]
    max_characters: float

    @property
    def text(self) -> str:
        return self.required[-1]


_SMS_NUMBER = re.compile(r"\+[0-9]{8,15}|07[0-9]{9}")
_IN_ONE_LINE = ("EmailSubject", "EmailSentFromName", "EmailSentFromAddress", "EmailReplyToAddress")
_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CHANNELS = {
    "SMS": _Channel("SMS", ("SMSMessage",), "SMSSender", "MobileNumber", _SMS_NUMBER, 918),
    "Email": _Channel(
        "Email", ("EmailSubject", "EmailBody"), "EmailSentFromName", "EmailAddress", _EMAIL_ADDRESS, math.inf
    ),
}
_PARTNER_ROUTE = "PartnerRoute"


class _Message(NamedTuple):
    """A well-formed message object; the `addresses` of those recipients that are not skipped, and the magic ones."""

    fields: dict[str, Any]
    text: str
    addresses: list[str]
    magic: list[tuple[str, Fault]]


def _channel_of(objects: list[dict[str, Any]]) -> _Channel:
    """By which channel a partner's call goes: the platform picks by its messages' content."""
    return _CHANNELS["SMS" if not objects or "SMSMessage" in objects[0] else "Email"]


def _is_well_formed(message: dict[str, Any], channel: _Channel) -> bool:
    recipients, send_at = message.get("Recipients"), message.get("sendDateTime")
    optional = (send_at, message.get("ClientRef"), message.get("CallbackUrl"), message.get(channel.sender))
    try:
        return (
            isinstance(recipients, list)
            and all(isinstance(recipient, str | dict) for recipient in recipients)
            and all(isinstance(message.get(name), str) and message[name] for name in channel.required)
            and all(isinstance(value, str | None) for value in optional)
            and bool(not send_at or datetime.fromisoformat(send_at))
            and not any(line in str(message.get(name) or "") for name in _IN_ONE_LINE for line in "\r\n")
            and _are_files(message.get("Attachments"))
        )
    except ValueError:  # sendDateTime
        return False


def _are_files(given: object) -> bool:
    """Whether these are attachments, each a name and its bytes in base64; what stays of each is its size and digest."""
    if given is None:
        return True
    if not isinstance(given, list):
        return False
    for one in given:
        if not isinstance(one, dict) or not isinstance(one.get("FileName"), str) or not one["FileName"]:
            return False
        if not isinstance(data := one.pop("FileData", None), str):
            return False
        try:
            content = base64.b64decode(data, validate=True)
        except ValueError:
            return False
        one |= {"Size": len(content), "Sha256": hashlib.sha256(content).hexdigest()}
    return True


def _address(recipient: str | dict[str, Any], channel: _Channel) -> str | None:
    """Where this recipient is reached, or None where the platform would skip them."""
    given = recipient if isinstance(recipient, str) else recipient.get(channel.address)
    if isinstance(recipient, str) or given:
        return given if isinstance(given, str) and channel.plausible.fullmatch(given) else None
    return next((f"{name}:{recipient[name]}" for name in _IDENTIFIERS if recipient.get(name)), None)


def _read_message(fields: dict[str, Any], channel: _Channel) -> _Message:
    found = [address for each in fields["Recipients"] if (address := _address(each, channel))]
    faults = [(address, _fault_of(address)) for address in found]
    addresses = [address for address, fault in faults if fault.reachable]
    magic = [(address, fault) for address, fault in faults if fault is not _ORDINARY and fault.reachable]
    return _Message(fields, fields[channel.text], addresses, magic)


# -- wires: how an answer's bytes leave


def _send(handler: _Handler, data: bytes) -> None:
    handler.connection.sendall(data)


def _close_after(end: int) -> Wire:
    def wire(handler: _Handler, data: bytes) -> None:
        handler.connection.sendall(data[:end])
        handler.close_connection = True

    return wire


def _reset(handler: _Handler, _data: bytes) -> None:
    linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # zero seconds: RST instead of FIN
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True


def _hang(handler: _Handler, data: bytes) -> None:
    handler.server.sandbox._pause(handler.server.sandbox.hang_seconds)
    _reset(handler, data)


def _dribble(handler: _Handler, data: bytes) -> None:
    sandbox, pieces = handler.server.sandbox, 20
    size = math.ceil(len(data) / pieces)
    for start in range(0, len(data), size):
        handler.connection.sendall(data[start : start + size])
        sandbox._pause(sandbox.slow_seconds / pieces)


# -- answering a call


class _Reply(NamedTuple):
    """An HTTP answer, and how its bytes go out; `status` None says that none of them do."""

    body: bytes
    status: int | None = 200
    headers: Mapping[str, str] = _JSON
    wire: Wire = _send


def _json_reply(value: object) -> _Reply:
    return _Reply(json.dumps(value).encode())


def _refusal(client_ref: str | None, *, error: str = "", warning: str = "") -> Answer:
    return {
        "WarningMessages": [warning] if warning else [],
        "errorMsg": error,
        "MessageSentId": 0,
        "MessageId": None,
        "statusMsg": "",
        "transmitDateTime": None,
        "ClientRef": client_ref,
    }


@dataclass(frozen=True)
class _Turn:
    """One call while it is answered; where `refused` (credentials, malformed data) nothing can be queued.

    `unauthorised` are the customers in it who let no such partner send for them.
    """

    sandbox: Sandbox
    call: Call
    channel: _Channel
    messages: list[_Message]
    refused: bool
    unauthorised: frozenset[str]
    forced: Fault | None
    transmitted: str
    id_stem: str  # the MessageId between the customer and the guid
    applied: list[str] = field(default_factory=list)  # names of the faults that shaped the answer

    def answers(self, share: float = 1.0) -> list[Answer]:
        """Take this share of the messages, rounded up, as the API would; the answer object of each."""
        if self.refused:
            return [_refusal(None, error=DATA_INVALID)]
        if self.unauthorised and all(self._is_unauthorised(message) for message in self.messages):
            return [_refusal(None, warning=NOT_PARTNER)]
        return [self._answer(message) for message in self.messages[: math.ceil(len(self.messages) * share)]]

    def call_fault(self) -> Fault | None:
        """The fault that decides the whole call, if any."""
        found = (fault for message in self.messages if (fault := self._magic(message, "call")))
        fault = self.forced or next(found, None)
        if fault:
            self.applied.append(fault.name)
        return fault

    def queue(self, message: _Message) -> Answer:
        """Queue a message for all its addresses; the answer of success."""
        message_id = f"{message.fields['CustomerId']}.{self.id_stem}-{secrets.token_hex(16)}"
        self.sandbox._record_queued(self, message, message_id)
        return {
            "WarningMessages": [],
            "errorMsg": OK.format(count=len(message.addresses)),
            "MessageSentId": 0,
            "MessageId": message_id,
            "statusMsg": "In Queue",
            "transmitDateTime": self.transmitted,
            "ClientRef": message.fields.get("ClientRef"),
        }

    def _answer(self, message: _Message) -> Answer:
        fault = self.forced or self._magic(message, "message")
        if fault and fault.message:
            self.applied.append(fault.name)
            return fault.message(self, message)
        checks = (
            (self._is_unauthorised(message), NOT_PARTNER),
            (not message.addresses, NO_RECIPIENTS),
            (len(message.text) > self.channel.max_characters, TOO_LONG),
            (_CONTROL_CHARACTERS.search(message.text) is not None, BAD_CHARACTERS),
        )
        warning = next((text for failed, text in checks if failed), None)
        return _refusal(message.fields.get("ClientRef"), warning=warning) if warning else self.queue(message)

    def _is_unauthorised(self, message: _Message) -> bool:
        return message.fields["CustomerId"] in self.unauthorised

    def _magic(self, message: _Message, scope: Literal["call", "message"]) -> Fault | None:
        for address, fault in message.magic:
            if getattr(fault, scope) and self.sandbox._is_due(fault, address, message.text):
                return fault
        return None


# -- behaviours: small functions that the table below names

MessageBehaviour = Callable[[_Turn, _Message], Answer]
CallBehaviour = Callable[[_Turn], _Reply]


def _refuse(*, error: str = "", warning: str = "") -> MessageBehaviour:
    def behave(turn: _Turn, message: _Message) -> Answer:
        warned = warning.format(channel=turn.channel.name)
        return _refusal(message.fields.get("ClientRef"), error=error, warning=warned)

    return behave


def _refuse_with_nulls(_turn: _Turn, message: _Message) -> Answer:
    nulls: Answer = dict.fromkeys(_refusal(None))
    return nulls | {"errorMsg": NO_RECIPIENTS, "ClientRef": message.fields.get("ClientRef")}


def _queue_but(**changes: object) -> MessageBehaviour:
    return lambda turn, message: turn.queue(message) | changes


def _ordinary(turn: _Turn) -> _Reply:
    return _json_reply(turn.answers())


def _one_object(*, error: str = "", warning: str = "") -> CallBehaviour:
    def behave(turn: _Turn) -> _Reply:
        return _json_reply([_refusal(None, error=error, warning=warning.format(channel=turn.channel.name))])

    return behave


def _http(status: int, headers: Mapping[str, str] = _JSON, *, queued: float = 0.0) -> CallBehaviour:
    def behave(turn: _Turn) -> _Reply:
        turn.answers(queued)
        return _Reply(b'{"Message": "An error has occurred."}', status, headers)

    return behave


def _redirect(status: int) -> CallBehaviour:
    # to itself: a client that follows shows up in `calls`, and its key goes nowhere
    return lambda turn: _Reply(b"", status, {"Location": f"{turn.sandbox.url}{turn.call.path}?redirected"})


def _too_large_together(turn: _Turn) -> _Reply:
    return _http(413)(turn) if len(turn.messages) > 1 else _ordinary(turn)


def _reshape(change: Callable[[list[Answer]], object]) -> CallBehaviour:
    return lambda turn: _json_reply(change(turn.answers()))


def _unsigned(found: list[Answer]) -> list[Answer]:
    return [answer | {"ClientRef": None} for answer in found]


def _rewrite(change: Callable[[bytes], bytes], headers: Mapping[str, str] = _JSON) -> CallBehaviour:
    return lambda turn: _Reply(change(_ordinary(turn).body), headers=headers)


def _sent(wire: Wire) -> CallBehaviour:
    return lambda turn: _ordinary(turn)._replace(wire=wire)


def _lost(wire: Wire, *, queued: float = 1.0) -> CallBehaviour:
    return lambda turn: _json_reply(turn.answers(queued))._replace(status=None, wire=wire)


# -- the table


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, for one message or for a whole call; `once`: once for each number and text.

    `digits` are the last three of its magic number, None where it is reached by name only. `news` are the
    delivery states that callbacks report; `reachable` False means that the recipient is skipped.
    """

    digits: int | None
    name: str
    help: str
    message: MessageBehaviour | None = None
    call: CallBehaviour | None = None
    once: bool = False
    news: tuple[str, ...] = ("Delivered",)
    reachable: bool = True


_ORDINARY = Fault(None, "none", "Nothing goes wrong, whatever the numbers.")

_TABLE = (
    _ORDINARY,
    Fault(0, "skipped", "Recipient skipped.", _refuse(warning=NO_RECIPIENTS), reachable=False),
    # this message is refused, the others of its call go on
    Fault(901, "no-recipients", "Refused: no valid addresses.", _refuse(warning=NO_RECIPIENTS)),
    Fault(902, "no-recipients-error", "The same, said in errorMsg.", _refuse(error=NO_RECIPIENTS)),
    Fault(903, "too-long", "Refused as too long.", _refuse(warning=TOO_LONG)),
    Fault(904, "invalid-characters", "Refused for its characters.", _refuse(warning=BAD_CHARACTERS)),
    Fault(905, "unknown-words", "Refused in words nobody knows.", _refuse(error="Declined by gateway 12")),
    Fault(906, "ok-zero", "Answered OK 0 messages.", _refuse(error=OK.format(count=0))),
    Fault(907, "nulls", "Refused: no valid addresses, every other field null.", _refuse_with_nulls),
    Fault(910, "rate-limited-once", "Message rate limited once.", _refuse(warning=RATE_LIMIT), once=True),
    Fault(911, "rate-limited", "Message rate limited every time.", _refuse(warning=RATE_LIMIT)),
    Fault(None, "data-invalid-each", "Each message: not valid.", _refuse(error=DATA_INVALID)),
    Fault(None, "permission-denied-each", "Each message: not allowed.", _refuse(warning=NOT_ALLOWED)),
    Fault(None, "partner-refused-each", "Each message: no authorised partner.", _refuse(warning=NOT_PARTNER)),
    # the whole call is refused, nothing is queued
    Fault(920, "http-429-once", "HTTP 429 once.", call=_http(429, _RETRY_SOON), once=True),
    Fault(921, "rate-limit-call-once", "One object, once.", call=_one_object(error=TOO_MANY), once=True),
    Fault(922, "http-503-once", "HTTP 503 once.", call=_http(503), once=True),
    Fault(923, "http-400", "HTTP 400.", call=_http(400)),
    Fault(924, "http-407", "HTTP 407.", call=_http(407)),
    Fault(925, "redirect-301", "HTTP 301, to the same address.", call=_redirect(301)),
    Fault(926, "redirect-308", "HTTP 308, to the same address.", call=_redirect(308)),
    Fault(930, "permission-denied", "One object: not allowed.", call=_one_object(warning=NOT_ALLOWED)),
    Fault(931, "data-invalid", "One object: data not valid.", call=_one_object(error=DATA_INVALID)),
    Fault(932, "http-413-together", "HTTP 413 unless the message is alone.", call=_too_large_together),
    Fault(933, "http-413", "HTTP 413 every time.", call=_http(413)),
    Fault(934, "http-401", "HTTP 401.", call=_http(401)),
    Fault(935, "http-403", "HTTP 403.", call=_http(403)),
    Fault(936, "http-404", "HTTP 404.", call=_http(404)),
    Fault(938, "redirect-307", "HTTP 307, to the same address.", call=_redirect(307)),
    # the call fails and does not say what was queued
    Fault(940, "http-500", "HTTP 500, nothing queued.", call=_http(500)),
    Fault(941, "http-500-all-queued", "HTTP 500, all queued.", call=_http(500, queued=1.0)),
    Fault(942, "http-500-half-queued", "HTTP 500, the first half queued.", call=_http(500, queued=0.5)),
    Fault(943, "http-502-all-queued", "HTTP 502, all queued.", call=_http(502, queued=1.0)),
    Fault(944, "http-504-all-queued", "HTTP 504, all queued.", call=_http(504, queued=1.0)),
    Fault(937, "redirect-302", "HTTP 302, to the same address.", call=_redirect(302)),
    Fault(945, "redirect-303", "HTTP 303, to the same address.", call=_redirect(303)),
    Fault(946, "http-201-all-queued", "HTTP 201, all queued.", call=_http(201, queued=1.0)),
    Fault(947, "http-418", "HTTP 418, nothing queued.", call=_http(418)),
    Fault(950, "reset", "Connection reset, nothing queued.", call=_lost(_reset, queued=0.0)),
    Fault(951, "reset-all-queued", "Connection reset, all queued.", call=_lost(_reset)),
    Fault(952, "close-all-queued", "Closed without an answer, all queued.", call=_lost(_close_after(0))),
    Fault(953, "hang", "All queued, then no answer for a minute.", call=_lost(_hang)),
    Fault(954, "cut-connection", "All queued, closed in mid-answer.", call=_sent(_close_after(-20))),
    # the call is taken, its answer is odd
    Fault(960, "slow", "All queued, the answer comes in drops.", call=_sent(_dribble)),
    Fault(962, "null", "All queued, answer [null].", call=_reshape(lambda _: [None])),
    Fault(963, "empty-array", "All queued, answer [].", call=_reshape(lambda _: [])),
    Fault(964, "object", "All queued, an object and no array.", call=_reshape(lambda found: found[0])),
    Fault(965, "array-short", "All queued, an answer missing.", call=_reshape(lambda found: found[:-1])),
    Fault(966, "array-long", "All queued, each answer twice.", call=_reshape(lambda found: found * 2)),
    Fault(967, "array-reversed", "All queued, last answer first.", call=_reshape(lambda found: found[::-1])),
    Fault(968, "html", "All queued, a web page.", call=_rewrite(lambda _: _SIGN_IN_PAGE, _HTML)),
    Fault(969, "cut-json", "All queued, JSON that breaks off.", call=_rewrite(lambda body: body[:-20])),
    Fault(972, "no-refs", "All queued, no answer carries its reference.", call=_reshape(_unsigned)),
    Fault(973, "no-refs-short", "The same, an answer missing.", call=_reshape(lambda found: _unsigned(found)[:-1])),
    Fault(974, "no-refs-long", "The same, each answer twice.", call=_reshape(lambda found: _unsigned(found) * 2)),
    Fault(970, "ok-without-id", "Queued, OK but no MessageId.", _queue_but(MessageId=None)),
    Fault(971, "id-without-ok", "Queued, a MessageId but no OK.", _queue_but(errorMsg="")),
    # accepted; what the callbacks say afterwards
    Fault(980, "dropped", "Accepted, then never heard of again.", news=()),
    Fault(981, "delivery-failed", "Accepted, then Failed.", news=("Failed",)),
    Fault(982, "delivery-twice", "Accepted, Delivered reported twice.", news=("Delivered", "Delivered")),
    Fault(983, "delivery-backwards", "Accepted, Delivered before Sent.", news=("Delivered", "Sent")),
    Fault(984, "delivery-unknown-word", "Accepted, then a state nobody knows.", news=("Quarantined",)),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _TABLE}
MAGIC_NUMBERS: dict[str, Fault] = {
    f"+447700900{digits:03}": fault
    for digits, fault in sorted((fault.digits, fault) for fault in _TABLE if fault.digits is not None)
}
_MAGIC = MAGIC_NUMBERS | {number.replace("+44", "0", 1): fault for number, fault in MAGIC_NUMBERS.items()}


def _fault_of(address: str) -> Fault:
    return _MAGIC.get(address.partition("@")[0], _ORDINARY)


def describe_numbers() -> str:
    """The magic numbers as plain text, one a line, for `--help`."""
    return "\n".join(f"07700 900{fault.digits:03}  {fault.name:<22}  {fault.help}" for fault in MAGIC_NUMBERS.values())


# -- delivery callbacks


_Shape = Literal["json", "parameters"]


class _News(NamedTuple):
    """A piece of delivery news to be brought once `due` (monotonic seconds); equal ones in the order of `order`."""

    due: float
    order: int
    queued: Queued
    status: str
    shape: _Shape


def _parameters(news: _News, units: int) -> dict[str, object]:
    """What a placeholder of each name stands for."""
    queued = news.queued
    return {
        "sentid": queued.message_id.partition("-")[0],
        "contactid": "",
        "externalid": "",
        "clientref": queued.client_ref or "",
        "recipient": queued.recipient,
        "status": news.status,
        "err": "Absent subscriber" if news.status == "Failed" else "",
        "units": units,
    }


def _fill(url: str, values: Mapping[str, object]) -> str:
    """Put the values in the place of `{sentid}` and the like; unknown placeholders stay."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(str(values.get(found[1], found[0])), safe=""), url)


def _call_back(news: _News) -> str:
    """Bring one piece of delivery news: "delivered", "failed" or "ignored" (not loopback)."""
    queued = news.queued
    units = math.ceil(len(queued.text) / 153) if len(queued.text) > 160 else 1  # near enough for a sandbox
    body = {
        "MessageId": queued.message_id,
        "Status": news.status,
        "Timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z",
        "Recipient": queued.recipient,
        "ClientRef": queued.client_ref,
        "Units": units,
        "CustomerId": queued.customer_id,
    }
    values = _parameters(news, units)
    url = queued.callback_url or ""
    try:
        # checked after filling in: a placeholder may stand in the host. http.client knows neither proxies
        # nor redirects, so nothing leads away from here.
        parts = urlsplit(_fill(url, values))
        if parts.scheme != "http" or not is_loopback(parts.hostname):
            return "ignored"
        query = parts.query
        if news.shape == "parameters" and "{" not in url:  # an address that names none gets all of them
            query = f"{query}&{urlencode(values)}".lstrip("&")
        target = (parts.path or "/") + (f"?{query}" if query else "")
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
        with contextlib.closing(connection):
            if news.shape == "parameters":
                connection.request("GET", target)
            else:
                connection.request("POST", target, json.dumps(body).encode(), _JSON)
            return "delivered" if connection.getresponse().status < 400 else "failed"
    except (OSError, http.client.HTTPException, ValueError):
        return "failed"


# -- HTTP


class _Handler(WSGIRequestHandler):
    """Keeps connections alive, which werkzeug's own handler does not, and lets a wire send the answer."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        environ = self.make_environ()
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.close_connection = True  # whatever of the body is left unread goes with the connection
        else:
            environ["wsgi.input"] = io.BytesIO(self.rfile.read(length))
        head: list[str] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _failure: object = None
        ) -> Callable[[bytes], object]:
            head[:] = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
            return self.wfile.write

        body = b"".join(self.server.app(environ, start_response))
        environ.get(_WIRE, _send)(self, "\r\n".join(head).encode("latin-1") + body)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Say nothing: a call is looked up in `calls`, and stderr belongs to the program."""


class _Server(ThreadedWSGIServer):
    """Knows its open connections, so that stopping can end them."""

    def __init__(self, sandbox: Sandbox, listener: socket.socket) -> None:
        # given a bound socket, because werkzeug ends the program where a port is taken
        host, port = listener.getsockname()
        super().__init__(host, port, _make_app(sandbox), _Handler, fd=listener.fileno())
        self.sandbox = sandbox
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._connections.discard(request)
            self._changed.notify_all()

    def end_connections(self, patience: float = 1.0) -> None:
        """Read no more from clients, and wait until the answers under way are out."""
        with self._changed:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: not self._connections, patience)


def _make_app(sandbox: Sandbox) -> flask.Flask:
    app = flask.Flask("gcbulk-sandbox", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True  # a mistake of a test's on_call shows as its traceback

    def json_of(value: object) -> flask.Response:
        return flask.Response(json.dumps(value, default=datetime.isoformat), headers=_JSON)

    def send(channel: str) -> flask.Response:
        reply = sandbox._answer(flask.request.path, channel, flask.request.get_data())
        flask.request.environ[_WIRE] = reply.wire
        return flask.Response(reply.body, reply.status or 200, dict(reply.headers))

    def numbers() -> flask.Response:
        return json_of([{"number": n, "fault": f.name, "help": f.help} for n, f in MAGIC_NUMBERS.items()])

    def reset() -> flask.Response:
        sandbox.reset()
        return flask.Response(status=204)

    def about() -> flask.Response:
        return flask.Response(_ABOUT.format(numbers=describe_numbers()), mimetype="text/plain")

    def authorise() -> flask.Response:
        form = flask.request.form
        endpoint, said = form.get("endpoint", ""), ""
        if form.get("revoke"):
            sandbox.revoke(form["revoke"])
            said = "Revoked."
        elif form.get("authorise"):
            try:
                status = sandbox.authorise(form["authorise"], endpoint)
                said = "Nobody answered there." if status is None else f"The partner was told, and answered {status}."
            except ValueError as error:
                said = str(error)
        page = authorise_page(sandbox.customers.values(), sandbox.style_class, endpoint, said)
        return flask.Response(page, headers=_HTML)

    def logo(customer_id: str) -> flask.Response:
        sandbox.logos_fetched.append(customer_id)
        return flask.Response(status=404)

    app.post("/api/SendMessage_V3/<any(SMS, Email, PartnerRoute):channel>")(send)
    app.route("/sandbox/authorise", methods=["GET", "POST"])(authorise)
    app.get("/sandbox/logo/<customer_id>")(logo)
    app.get("/sandbox/queued", endpoint="queued")(lambda: json_of([asdict(one) for one in sandbox.queued]))
    app.get("/sandbox/reported", endpoint="reported")(lambda: json_of([asdict(one) for one in sandbox.reported]))
    app.get("/sandbox/calls", endpoint="calls")(lambda: json_of([asdict(one) for one in sandbox.calls]))
    app.get("/sandbox/numbers")(numbers)
    app.post("/sandbox/reset")(reset)
    app.get("/")(about)
    return app


_ABOUT = """\
This is the gcbulk sandbox, a local stand-in for the Communications API. Nothing leaves this computer.

POST /api/SendMessage_V3/SMS     send text messages
POST /api/SendMessage_V3/Email   send emails
POST /api/SendMessage_V3/PartnerRoute   send for a customer, as a partner
GET  /sandbox/authorise          be a school that lets the partner send for it
GET  /sandbox/queued             who would have been contacted
GET  /sandbox/calls              the calls so far
GET  /sandbox/reported           the delivery news of callbacks so far
GET  /sandbox/numbers            the magic numbers below, as JSON
POST /sandbox/reset              forget everything

{numbers}
"""


class Sandbox:
    """A Communications API of one's own on 127.0.0.1, while a `with` block or `serve_forever` lasts.

    `port` 0 takes any free one. Times are in seconds: every answer waits for `latency`, the fault "hang"
    takes `hang_seconds` and "slow" `slow_seconds`. `on_call` sees each call before it is answered, in the
    thread that answers it, and may return the name of a fault for it (see `FAULTS`); on None the magic
    numbers decide. `callback_plan` says how delivery news is reported. `customers` are those of a partner, with
    `partner_key` and `style_class`; by default three schools that have not authorised it yet. Starting
    raises OSError where the port is taken.

    >>> with Sandbox() as sandbox:
    ...     sandbox.url.startswith("http://127.0.0.1:"), sandbox.queued
    (True, [])
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        hang_seconds: float = 60.0,
        slow_seconds: float = 2.0,
        on_call: Callable[[Call], str | None] | None = None,
        callback_plan: CallbackPlan | None = None,
        customer_id: str = "1469",
        api_key: str = "sandbox-key-not-secret",
        partner_key: str = "sandbox-partner-key-not-secret",
        style_class: str = "SandboxTrust",
        customers: Iterable[SandboxCustomer] | None = None,
    ) -> None:
        self.latency = latency
        self.hang_seconds = hang_seconds
        self.slow_seconds = slow_seconds
        self.customer_id = customer_id
        self.api_key = api_key
        self.partner_key = partner_key
        self.style_class = style_class
        self.customers = {one.id: one for one in (example_schools() if customers is None else customers)}
        self.logos_fetched: list[str] = []  # by customer: a partner has no reason to
        self._port = port
        self._on_call = on_call
        self._server: _Server | None = None
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._arrived = 0
        self._calls: list[Call] = []
        self._queued: list[Queued] = []
        self._seen: set[tuple[str, str, str]] = set()  # what has had its "once": fault, address, text
        self._plan = callback_plan or CallbackPlan()
        self._chance = random.Random(self._plan.seed)  # noqa: S311 - a test wants the same chances again
        self._news: list[_News] = []  # a heap
        self._news_came = threading.Condition()
        self._order = count()
        self._reporting = 0
        self._reported: list[Reported] = []
        self._callbacks: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Sandbox on port {self._port} for customer {self.customer_id}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The base address; with port 0 it is known once the sandbox has started."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def queued(self) -> list[Queued]:
        """Everyone who would have been contacted so far: one entry for each recipient queued."""
        with self._lock:
            return list(self._queued)

    @property
    def calls(self) -> list[Call]:
        """The API calls so far, in the order in which they came; a call under way is among them."""
        with self._lock:
            return sorted(self._calls, key=lambda call: call.number)

    @property
    def callbacks(self) -> dict[str, int]:
        """How many callbacks were delivered, failed, or ignored as they would have left this computer."""
        with self._lock:
            return {outcome: self._callbacks[outcome] for outcome in ("delivered", "failed", "ignored")}

    @property
    def reported(self) -> list[Reported]:
        """The delivery news so far, that which was lost on purpose included; some may still be on its way."""
        with self._lock:
            return list(self._reported)

    @property
    def callbacks_waiting(self) -> int:
        """How many callbacks are still to be made, or being made."""
        with self._news_came:
            return len(self._news) + self._reporting

    def start(self) -> None:
        """Listen and answer in background threads, until `stop`."""
        if self._server:
            raise RuntimeError("the sandbox is running already")
        with socket.create_server(("127.0.0.1", self._port), backlog=128) as listener:
            self._port = listener.getsockname()[1]
            self._server = _Server(self, listener)
        self._stopping.clear()
        self._news = []
        serve = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True)
        reports = [
            threading.Thread(target=self._report, name=f"sandbox-callbacks-{number}", daemon=True)
            for number in range(self._plan.connections)
        ]
        self._threads = [serve, *reports]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End at once, hanging and slow answers included; what was recorded stays. Stopping twice is fine."""
        server, self._server = self._server, None
        if server is None:
            return
        self._stopping.set()
        with self._news_came:
            self._news_came.notify_all()
        server.shutdown()
        server.end_connections()
        for thread in self._threads:
            thread.join(timeout=1)

    def serve_forever(self) -> None:
        """Serve until Ctrl-C, or until another thread calls `stop`."""
        if not self._server:
            self.start()
        try:
            with contextlib.suppress(KeyboardInterrupt):
                while not self._stopping.wait(0.5):  # a wait without end could not be interrupted on Windows
                    pass
        finally:
            self.stop()

    def reset(self) -> None:
        """Forget calls, recipients, callbacks, and which faults have had their first time."""
        with self._lock:
            for memory in (self._calls, self._queued, self._seen, self._reported, self._callbacks):
                memory.clear()

    def authorise(self, customer_id: str, endpoint: str, *, account: Account = "Customer") -> int | None:
        """A customer lets the partner send for it, from now on under a new key; the partner is told at its endpoint.

        The HTTP status of the partner's answer, None where there was none. The old key is void at once, whether the
        partner was told or not. Raises ValueError for an endpoint that is not on this computer, and no such customer.
        """
        with self._lock:
            if customer_id not in self.customers:
                raise ValueError("There is no such customer.")
            one = self.customers[customer_id]
            one.api_key, one.authorised = f"sandbox-key-{secrets.token_hex(12)}", True
            body = one.told(account, f"{self.url}/sandbox/logo/{one.id}")
        return tell(endpoint, body)

    def revoke(self, customer_id: str) -> None:
        """A customer lets the partner send for it no longer; the partner is not told."""
        with self._lock:
            if customer_id in self.customers:
                self.customers[customer_id].authorised = False

    def _answer(self, path: str, route: str, body: bytes) -> _Reply:
        with self._lock:
            self._arrived += 1
            number = self._arrived
        turn = self._begin(Call(number, datetime.now(UTC), path, []), route, body)
        fault = turn.call_fault()
        reply = (fault.call if fault and fault.call else _ordinary)(turn)
        with self._lock:
            self._calls.append(replace(turn.call, fault=next(iter(turn.applied), None), status=reply.status))
        self._pause(self.latency)
        return reply

    def _begin(self, call: Call, route: str, body: bytes) -> _Turn:
        """Read the call, and check its credentials and its shape; a single bad message spoils it."""
        try:
            root = json.loads(body.decode())
            data = root["messageData"]
        except (ValueError, TypeError, KeyError):
            root, data = {}, None
        objects = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
        # out of every one, good or bad, so that no record holds a key
        keys = [item.pop("Password", None) for item in objects]
        channel = _CHANNELS[route] if route in _CHANNELS else _channel_of(objects)
        good = (
            isinstance(data, list)
            and len(data) == len(objects) > 0
            and all(self._is_key(route, item.get("CustomerId"), key) for item, key in zip(objects, keys, strict=True))
            and all(_is_well_formed(item, channel) for item in objects)
        )
        if route == _PARTNER_ROUTE and isinstance(root, dict):
            call = replace(call, style_class=str(root.get("styleClass")))
        unauthorised = self._unauthorised(root, objects) if good and route == _PARTNER_ROUTE else frozenset()
        call = replace(call, messages=objects)
        name = self._on_call(call) if self._on_call else None
        messages = [_read_message(item, channel) for item in objects] if good else []
        ticks = time.time_ns() // 100  # the API counts time in 100 ns, hence its seven decimals
        moment = datetime.fromtimestamp(ticks // 10**7, UTC)
        return _Turn(
            sandbox=self,
            call=call,
            channel=channel,
            messages=messages,
            refused=not good,
            unauthorised=unauthorised,
            forced=FAULTS[name] if name else None,
            transmitted=f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks % 10**7:07d}Z",
            id_stem=f"{moment:%Y%m%d}.{ticks:020d}",
        )

    def _is_key(self, route: str, customer_id: object, key: object) -> bool:
        """Whether this is the key of this customer: the sandbox's own, or by the partner's route one of a partner's."""
        if customer_id == self.customer_id:
            return key == self.api_key
        known = self.customers.get(customer_id) if isinstance(customer_id, str) and route == _PARTNER_ROUTE else None
        return known is not None and key == known.api_key

    def _unauthorised(self, root: dict[str, Any], objects: list[dict[str, Any]]) -> frozenset[str]:
        """The customers of a partner's call for whom this partner may not send."""
        asked = {item["CustomerId"] for item in objects}
        if (root.get("PartnerKey"), root.get("styleClass")) != (self.partner_key, self.style_class):
            return frozenset(asked)
        return frozenset(one for one in asked if one not in self.customers or not self.customers[one].authorised)

    def _record_queued(self, turn: _Turn, message: _Message, message_id: str) -> None:
        given = message.fields.get("Attachments") or ()
        files = tuple((one["FileName"], one["Size"], one["Sha256"]) for one in given)
        queued = [
            Queued(
                message_id=message_id,
                recipient=address,
                text=message.text,
                client_ref=message.fields.get("ClientRef"),
                customer_id=message.fields["CustomerId"],
                sender=message.fields.get(turn.channel.sender),
                send_at=message.fields.get("sendDateTime"),
                callback_url=message.fields.get("CallbackUrl"),
                call=turn.call.number,
                at=turn.call.at,
                subject=message.fields.get("EmailSubject"),
                attachments=files,
            )
            for address in message.addresses
        ]
        with self._lock:
            self._queued += queued
        if message.fields.get("CallbackUrl"):
            for one in queued:
                for status in (turn.forced or _fault_of(one.recipient)).news:
                    self._plan_news(one, status)

    def _is_due(self, fault: Fault, address: str, text: str) -> bool:
        """Whether a fault strikes: always, or once for each address and text."""
        if not fault.once:
            return True
        with self._lock:
            first = (fault.name, address, text) not in self._seen
            self._seen.add((fault.name, address, text))
        return first

    def _plan_news(self, queued: Queued, status: str) -> None:
        """Decide how a piece of news is brought: now, later, twice, or never."""
        plan, chance = self._plan, self._chance
        with self._lock:
            times = 0 if chance.random() < plan.lost else 2 if chance.random() < plan.doubled else 1
            early = times > 0 and chance.random() < plan.early
            due = [time.monotonic() + chance.uniform(*plan.delay) for _ in range(times)]
            order = [next(self._order) for _ in range(times)]
            self._reported.append(
                Reported(queued.message_id, queued.recipient, queued.client_ref, status, times, early)
            )
        shapes: tuple[_Shape, ...] = ("json", "parameters") if plan.shape == "both" else (plan.shape,)
        news = [
            _News(when, number, queued, status, shapes[number % len(shapes)])
            for when, number in zip(due, order, strict=True)
        ]
        if early:
            self._bring(news.pop(0))
        with self._news_came:
            for one in news:
                heapq.heappush(self._news, one)
            self._news_came.notify_all()

    def _report(self) -> None:
        """A callback thread: bring news when it is due, until `stop`."""
        while (news := self._next_news()) is not None:
            self._bring(news)
            with self._news_came:
                self._reporting -= 1

    def _next_news(self) -> _News | None:
        with self._news_came:
            while not self._stopping.is_set():
                wait = self._news[0].due - time.monotonic() if self._news else None
                if wait is not None and wait <= 0:
                    self._reporting += 1
                    return heapq.heappop(self._news)
                self._news_came.wait(wait)
            return None

    def _bring(self, news: _News) -> None:
        outcome = _call_back(news)
        with self._lock:
            self._callbacks[outcome] += 1

    def _pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop`."""
        if seconds > 0:
            self._stopping.wait(seconds)
