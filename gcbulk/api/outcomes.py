"""What an answer means for each message: the API's answer table as data, and one pure function over it.

A call ends in one of three ways, and everything hangs on keeping them apart: answered (final), certainly not
taken (may be tried again), unknown (trying again may send twice). Every message starts at unknown, and the
answer must prove otherwise. Sources: the vendor's Communications API pages, and for statuses RFC 9110.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gcbulk.api.credentials import Secret
    from gcbulk.api.payloads import Email, Message

MOST_RETRY_AFTER: Final = 120.0
QUOTED: Final = 200
"""Characters of an answer that a sentence quotes at most."""


class Consequence(StrEnum):
    """What a run does about messages that were certainly not sent."""

    RETRY = "retry"  # wait, then try again
    HALVE = "halve"  # try again in two calls
    STOP = "stop"  # the run stops: the next call would fare no better


CONSEQUENCES: Final[dict[ErrorCode, Consequence]] = {
    ErrorCode.RATE_LIMITED: Consequence.RETRY,
    ErrorCode.NETWORK_ERROR: Consequence.RETRY,
    ErrorCode.TOO_LARGE: Consequence.HALVE,
    ErrorCode.DATA_INVALID: Consequence.HALVE,
    ErrorCode.AUTH_INVALID: Consequence.STOP,
    ErrorCode.PERMISSION_DENIED: Consequence.STOP,
    ErrorCode.PARTNER_NOT_AUTHORISED: Consequence.STOP,
    ErrorCode.HTTP_REFUSED: Consequence.STOP,
}

REFUSALS: Final[dict[str, ErrorCode]] = {
    # What errorMsg or a warning begins with, without regard to case and surrounding space.
    "data is not valid": ErrorCode.AUTH_INVALID,  # wrong id or key; also malformed data
    "customer does not allow sending": ErrorCode.PERMISSION_DENIED,  # ... SMS, ... Email
    "partner account not authorized for this customer": ErrorCode.PARTNER_NOT_AUTHORISED,
    "rate limit exceeded": ErrorCode.RATE_LIMITED,
    "too many requests": ErrorCode.RATE_LIMITED,
    "no recipients with valid addresses": ErrorCode.INVALID_RECIPIENTS,
    "message exceeds maximum length": ErrorCode.MESSAGE_TOO_LONG,
    "message contains invalid characters": ErrorCode.INVALID_CHARACTERS,
}

OF_THE_CALL: Final = frozenset(
    {
        ErrorCode.AUTH_INVALID,
        ErrorCode.PERMISSION_DENIED,
        ErrorCode.PARTNER_NOT_AUTHORISED,
        ErrorCode.RATE_LIMITED,
    }
)
"""Refusals that concern the whole call: one object may stand for many messages. Nothing was sent."""

HTTP_STATUSES: Final[dict[int, ErrorCode]] = {
    # Statuses that prove that nothing was taken. Any other but 200 leaves the outcome unknown.
    429: ErrorCode.RATE_LIMITED,
    503: ErrorCode.RATE_LIMITED,  # assumed: the usual meaning, try later
    413: ErrorCode.TOO_LARGE,
    400: ErrorCode.HTTP_REFUSED,
    401: ErrorCode.HTTP_REFUSED,
    403: ErrorCode.HTTP_REFUSED,
    404: ErrorCode.HTTP_REFUSED,
    407: ErrorCode.HTTP_REFUSED,
    301: ErrorCode.HTTP_REFUSED,  # never followed: the key would travel
    307: ErrorCode.HTTP_REFUSED,
    308: ErrorCode.HTTP_REFUSED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from one call. `began`: the first byte of the request had left on a connection."""

    began: bool
    status: int | None = None
    headers: Mapping[str, str] | None = None
    body: bytes = b""
    failure: str = ""  # in plain words, where no whole answer came


class Outcome(NamedTuple):
    """What became of one message. `detail` is a sentence for people, empty where all is well."""

    status: Status
    code: ErrorCode | None = None
    detail: str = ""
    message_id: str | None = None
    message_sent_id: int | None = None
    queued: int | None = None
    accepted_at: datetime | None = None
    status_msg: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallResult:
    """One outcome for each message sent, in order; `retry_after` in seconds, where the answer named it.

    `key` is the key that the call was made with, where it is one of a partner's customers'.
    """

    outcomes: tuple[Outcome, ...]
    answer: Answer
    retry_after: float | None = None
    key: Secret | None = None


def not_called(code: ErrorCode, why: str, messages: int) -> CallResult:
    """The result of a call that was never made, and why; nothing was sent."""
    return CallResult((_not_sent(code, why),) * messages, Answer(began=False))


def interpret(
    answer: Answer, sent: Sequence[Message | Email], *, key_works: bool = False, secrets: Sequence[str] = ()
) -> CallResult:
    """What one answer means for each message sent; pure, and never raises.

    `key_works`: the credentials are known to be good, so that "Data is not valid" speaks of the data.
    `secrets` are keys that no outcome repeats, should the platform have done so.
    """
    alone = _is_alone(sent)
    if answer.status is None:
        outcome = _unknown(answer.failure) if answer.began else _not_sent(ErrorCode.NETWORK_ERROR, answer.failure)
        outcomes = [outcome] * len(sent)
    elif answer.status != 200:
        outcomes = [_by_http_status(answer, alone=alone)] * len(sent)
    elif answer.failure:
        outcomes = [_unknown(answer.failure)] * len(sent)
    else:
        outcomes = _by_body(answer.body, sent, secrets)
    result = CallResult(tuple(outcomes), answer, _retry_after(answer.headers or {}))
    if key_works or any(outcome.message_id for outcome in outcomes):
        return with_working_key(result, sent)
    return result


def with_working_key(result: CallResult, sent: Sequence[Message | Email]) -> CallResult:
    """The same result, now that the key is known to work: "Data is not valid" means malformed data.

    The culprit is among those refused: rejected where it is alone or told apart, else to be looked for.
    """
    refused = ErrorCode.AUTH_INVALID
    if all(one.code is not refused for one in result.outcomes):
        return result
    told_apart = _is_alone(sent) or any(outcome.message_id for outcome in result.outcomes)
    culprit = (_rejected if told_apart else _not_sent)(ErrorCode.DATA_INVALID)
    return replace(result, outcomes=tuple(culprit if one.code is refused else one for one in result.outcomes))


def _is_alone(sent: Sequence[Message | Email]) -> bool:
    return len(sent) == 1 and len(sent[0].recipients) == 1


def _unknown(why: str) -> Outcome:
    detail = f"{why} {SENTENCES[ErrorCode.OUTCOME_UNKNOWN]}".strip()
    return Outcome(Status.UNKNOWN, ErrorCode.OUTCOME_UNKNOWN, detail)


def _not_sent(code: ErrorCode, why: str = "") -> Outcome:
    return Outcome(Status.NOT_SENT, code, f"{why} {SENTENCES[code]}".strip())


def _rejected(code: ErrorCode, why: str = "") -> Outcome:
    return Outcome(Status.REJECTED, code, f"{why} {SENTENCES[code]}".strip())


def _by_http_status(answer: Answer, *, alone: bool) -> Outcome:
    code = HTTP_STATUSES.get(answer.status or 0)
    said = f"The answer was HTTP {answer.status}."
    if code is None:
        return _unknown(said)
    if code is ErrorCode.TOO_LARGE and alone:
        return _rejected(code, said)
    if 300 <= (answer.status or 0) < 400:
        said = f"The answer was HTTP {answer.status}, a redirect, which is not followed: the key would travel."
    return _not_sent(code, said)


def _by_body(body: bytes, sent: Sequence[Message | Email], secrets: Sequence[str]) -> list[Outcome]:
    try:
        objects = _parsed(body)
    except (ValueError, RecursionError):
        return [_unknown("The answer was not JSON.")] * len(sent)
    if not isinstance(objects, list):
        return [_unknown("The answer was not an array.")] * len(sent)
    words = cache(partial(_words, secrets=secrets))  # most messages of a call are answered in the same words
    if len(objects) == 1 and len(sent) > 1:
        refused = _of_one(objects[0], len(sent[0].recipients), words)
        if refused.code in OF_THE_CALL and _ref(objects[0]) in (None, sent[0].client_ref):
            return [refused] * len(sent)
    matched = _by_ref(objects, sent) or _by_position(objects, sent)
    if matched is None:
        said = f"The answer had {len(objects)} objects for {len(sent)} messages"
        why = f"{said}." if len(objects) != len(sent) else f"{said}, but not their references."
        return [_unknown(why)] * len(sent)
    return [_of_one(found, len(message.recipients), words) for found, message in zip(matched, sent, strict=True)]


def _parsed(body: bytes) -> Any:
    """What an answer holds. Raises ValueError or RecursionError where it is not JSON."""
    try:
        return orjson.loads(body)
    except ValueError:  # it is strict: half of a surrogate pair, a byte order mark or NaN makes no answer unreadable
        return json.loads(body.decode("utf-8-sig"))


def _by_ref(objects: Sequence[object], sent: Sequence[Message | Email]) -> list[object] | None:
    """For each message the object that carries its reference, if any; None unless all carry ones that we sent."""
    theirs, ours = [_ref(one) for one in objects], [message.client_ref for message in sent]
    wanted = set(ours)
    if None in wanted or len(wanted) != len(sent):
        return None
    if theirs == ours:
        return list(objects)
    found = dict(zip(theirs, objects, strict=True))
    if len(found) != len(objects) or found.keys() - wanted:
        return None
    return [found.get(ref) for ref in ours]


def _by_position(objects: Sequence[object], sent: Sequence[Message | Email]) -> list[object] | None:
    """The objects in their order; None where their number or a reference contradicts what was sent."""
    if len(objects) != len(sent):
        return None
    refs = [(_ref(one), message.client_ref) for one, message in zip(objects, sent, strict=True)]
    return None if any(theirs is not None and theirs != ours for theirs, ours in refs) else list(objects)


def _ref(one: object) -> str | None:
    ref = one.get("ClientRef") if isinstance(one, dict) else None
    return ref if isinstance(ref, str) and ref else None


_QUEUED: Final = re.compile(r"ok\s+(\d{1,9})\s+messages?\b", re.IGNORECASE)


@lru_cache(maxsize=256)
def _read_said(said: str) -> tuple[bool, int | None]:
    """Whether it is OK, and how many it says were queued."""
    number = _QUEUED.match(said)
    return said[:2].casefold() == "ok", int(number[1]) if number else None


def _of_one(found: object, recipients: int, words: Callable[[str], str]) -> Outcome:
    if not isinstance(found, dict):
        return _unknown("The answer said nothing of this message.")
    get = found.get
    said, status_msg, given_id = _text(get("errorMsg"), words), _text(get("statusMsg"), words), get("MessageId")
    listed = get("WarningMessages")
    warnings = _warnings(listed, words) if listed else ()
    message_id = _words(given_id) if isinstance(given_id, str) else ""
    ok, queued = _read_said(said)
    if ok and queued == 0:
        return _rejected(ErrorCode.INVALID_RECIPIENTS, "Nothing was queued.")._replace(queued=0, warnings=warnings)
    if ok != bool(message_id) or bool(message_id) != bool(given_id):
        return _unknown("The answer for this message contradicts itself.")
    if not ok:
        return _refusal(said, warnings)._replace(warnings=warnings)
    partly = queued is not None and queued < recipients
    sent_id = get("MessageSentId")
    return Outcome(
        Status.PARTLY_ACCEPTED if partly else Status.ACCEPTED,
        None,
        f"{queued} of the {recipients} recipients of this message were queued; the platform does not say which."
        if partly
        else "",
        message_id,
        sent_id if type(sent_id) is int else None,
        queued,
        _moment(get("transmitDateTime")),
        status_msg,
        warnings,
    )


def _refusal(said: str, warnings: tuple[str, ...]) -> Outcome:
    for words in (said, *warnings):
        folded = " ".join(words.casefold().split())
        for beginning, code in REFUSALS.items():
            if folded.startswith(beginning):
                return _not_sent(code) if code in OF_THE_CALL else _rejected(code)
    quoted = "; ".join(words for words in (said, *warnings) if words)[:QUOTED]
    if not quoted:
        return _unknown("The answer said nothing of this message.")
    return _rejected(ErrorCode.UNKNOWN_ERROR, f"The platform said: {quoted}.")


def _warnings(found: object, words: Callable[[str], str]) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else [found]
    return tuple(said for one in listed if (said := _text(one, words)))


def _text(found: object, words: Callable[[str], str]) -> str:
    return words(found) if isinstance(found, str) else ""


def _words(found: str, secrets: Sequence[str] = ()) -> str:
    """A text of the answer as it can be shown and written: without half of a surrogate pair, U+0000, or a key."""
    words = found.strip()
    if not words.isascii():
        words = words.encode("utf-8", "replace").decode()
    if "\0" in words:  # which a database may not hold
        words = words.replace("\0", "?")
    for secret in secrets:
        words = words.replace(secret, "***")
    return words


def _moment(found: Any) -> datetime | None:
    return _read_moment(found) if isinstance(found, str) else None


@lru_cache(maxsize=256)
def _read_moment(found: str) -> datetime | None:
    """The API's time, with its seven decimals, as aware UTC; one without a zone is taken as UTC."""
    try:
        moment = datetime.fromisoformat(found.strip())  # which cuts the seventh decimal off
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After as seconds or as a date (against the answer's own Date), at most 120."""
    folded = {str(name).casefold(): value for name, value in headers.items()}
    given = str(folded.get("retry-after", "")).strip()
    if not given:
        return None
    try:
        if re.fullmatch(r"\d+(\.\d+)?", given, re.ASCII):
            seconds = min(float(given), MOST_RETRY_AFTER)
        else:
            seconds = (
                parsedate_to_datetime(given) - parsedate_to_datetime(str(folded.get("date", "")))
            ).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, MOST_RETRY_AFTER) if math.isfinite(seconds) and seconds >= 0 else None
