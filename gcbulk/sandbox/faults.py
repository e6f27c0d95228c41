"""The accidents and refusals that a magic number, or a test, brings about: one table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcbulk.sandbox.answers import (
    BAD_CHARACTERS,
    DATA_INVALID,
    JSON,
    NO_RECIPIENTS,
    NOT_ALLOWED,
    NOT_PARTNER,
    OK,
    RATE_LIMIT,
    TOO_LONG,
    TOO_MANY,
    Answer,
    Reply,
    Turn,
    json_reply,
    refusal,
)
from gcbulk.sandbox.wires import close_after, dribble, hang, reset

if TYPE_CHECKING:
    from gcbulk.sandbox.messages import Message
    from gcbulk.sandbox.wires import Wire

HTML = {"Content-Type": "text/html; charset=utf-8"}
_RETRY_SOON = JSON | {"Retry-After": "1"}
_SIGN_IN_PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to the network.</p>"


MessageBehaviour = Callable[[Turn, "Message"], Answer]
CallBehaviour = Callable[[Turn], Reply]


def _refuse(*, error: str = "", warning: str = "") -> MessageBehaviour:
    def behave(turn: Turn, message: Message) -> Answer:
        warned = warning.format(channel=turn.channel.name)
        return refusal(message.fields.get("ClientRef"), error=error, warning=warned)

    return behave


def _refuse_with_nulls(_turn: Turn, message: Message) -> Answer:
    nulls: Answer = dict.fromkeys(refusal(None))
    return nulls | {"errorMsg": NO_RECIPIENTS, "ClientRef": message.fields.get("ClientRef")}


def _queue_but(**changes: object) -> MessageBehaviour:
    return lambda turn, message: turn.queue(message) | changes


def ordinary(turn: Turn) -> Reply:
    return json_reply(turn.answers())


def _one_object(*, error: str = "", warning: str = "") -> CallBehaviour:
    def behave(turn: Turn) -> Reply:
        return json_reply([refusal(None, error=error, warning=warning.format(channel=turn.channel.name))])

    return behave


def _http(status: int, headers: Mapping[str, str] = JSON, *, queued: float = 0.0) -> CallBehaviour:
    def behave(turn: Turn) -> Reply:
        turn.answers(queued)
        return Reply(b'{"Message": "An error has occurred."}', status, headers)

    return behave


def _redirect(status: int) -> CallBehaviour:
    # to itself: a client that follows shows up in `calls`, and its key goes nowhere
    return lambda turn: Reply(b"", status, {"Location": f"{turn.sandbox.url}{turn.call.path}?redirected"})


def _too_large_together(turn: Turn) -> Reply:
    return _http(413)(turn) if len(turn.messages) > 1 else ordinary(turn)


def _reshape(change: Callable[[list[Answer]], object]) -> CallBehaviour:
    return lambda turn: json_reply(change(turn.answers()))


def _unsigned(found: list[Answer]) -> list[Answer]:
    return [answer | {"ClientRef": None} for answer in found]


def _rewrite(change: Callable[[bytes], bytes], headers: Mapping[str, str] = JSON) -> CallBehaviour:
    return lambda turn: Reply(change(ordinary(turn).body), headers=headers)


def _sent(wire: Wire) -> CallBehaviour:
    return lambda turn: ordinary(turn)._replace(wire=wire)


def _lost(wire: Wire, *, queued: float = 1.0) -> CallBehaviour:
    return lambda turn: json_reply(turn.answers(queued))._replace(status=None, wire=wire)


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


ORDINARY = Fault(None, "none", "Nothing goes wrong, whatever the numbers.")

_TABLE = (
    ORDINARY,
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
    Fault(950, "reset", "Connection reset, nothing queued.", call=_lost(reset, queued=0.0)),
    Fault(951, "reset-all-queued", "Connection reset, all queued.", call=_lost(reset)),
    Fault(952, "close-all-queued", "Closed without an answer, all queued.", call=_lost(close_after(0))),
    Fault(953, "hang", "All queued, then no answer for a minute.", call=_lost(hang)),
    Fault(954, "cut-connection", "All queued, closed in mid-answer.", call=_sent(close_after(-20))),
    # the call is taken, its answer is odd
    Fault(960, "slow", "All queued, the answer comes in drops.", call=_sent(dribble)),
    Fault(962, "null", "All queued, answer [null].", call=_reshape(lambda _: [None])),
    Fault(963, "empty-array", "All queued, answer [].", call=_reshape(lambda _: [])),
    Fault(964, "object", "All queued, an object and no array.", call=_reshape(lambda found: found[0])),
    Fault(965, "array-short", "All queued, an answer missing.", call=_reshape(lambda found: found[:-1])),
    Fault(966, "array-long", "All queued, each answer twice.", call=_reshape(lambda found: found * 2)),
    Fault(967, "array-reversed", "All queued, last answer first.", call=_reshape(lambda found: found[::-1])),
    Fault(968, "html", "All queued, a web page.", call=_rewrite(lambda _: _SIGN_IN_PAGE, HTML)),
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


def fault_of(address: str) -> Fault:
    return _MAGIC.get(address.partition("@")[0], ORDINARY)


def describe_numbers() -> str:
    """The magic numbers as plain text, one a line, for `--help`."""
    return "\n".join(f"07700 900{fault.digits:03}  {fault.name:<22}  {fault.help}" for fault in MAGIC_NUMBERS.values())
