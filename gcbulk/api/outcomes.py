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
from typing import TYPE_CHECKING, Any, Final

from gcbulk.codes import SENTENCES, ErrorCode, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gcbulk.api.payloads import Message

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


@dataclass(frozen=True, slots=True)
class Outcome:
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
    """One outcome for each message sent, in order; `retry_after` in seconds, where the answer named it."""

    outcomes: tuple[Outcome, ...]
    answer: Answer
    retry_after: float | None = None


def interpret(answer: Answer, sent: Sequence[Message], *, key_works: bool = False) -> CallResult:
    """What one answer means for each message sent; pure, and never raises.

    `key_works`: the credentials are known to be good, so that "Data is not valid" speaks of the data.
    """
    if answer.status is None:
        outcome = _unknown(answer.failure) if answer.began else _not_sent(ErrorCode.NETWORK_ERROR, answer.failure)
        outcomes = [outcome] * len(sent)
    elif answer.status != 200:
        outcomes = [_by_http_status(answer, alone=len(sent) == 1)] * len(sent)
    elif answer.failure:
        outcomes = [_unknown(answer.failure)] * len(sent)
    else:
        outcomes = _by_body(answer.body, sent)
    outcomes = _tell_key_from_data(outcomes, key_works=key_works)
    return CallResult(tuple(outcomes), answer, _retry_after(answer.headers or {}))


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


def _by_body(body: bytes, sent: Sequence[Message]) -> list[Outcome]:
    try:
        objects = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return [_unknown("The answer was not JSON.")] * len(sent)
    if not isinstance(objects, list):
        return [_unknown("The answer was not an array.")] * len(sent)
    if len(objects) == 1 and len(sent) > 1:
        return _one_for_all(objects[0], sent)
    if len(objects) != len(sent):
        return [_unknown(f"The answer had {len(objects)} objects for {len(sent)} messages.")] * len(sent)
    ordered = _matched(objects, sent)
    if ordered is None:
        return [_unknown("The answer's references are not those that were sent.")] * len(sent)
    return [_of_one(found, len(message.recipients)) for found, message in zip(ordered, sent, strict=True)]


def _one_for_all(found: object, sent: Sequence[Message]) -> list[Outcome]:
    outcome = _of_one(found, len(sent[0].recipients))
    if outcome.status is Status.NOT_SENT and outcome.code in OF_THE_CALL:
        return [outcome] * len(sent)
    return [_unknown(f"The answer had one object for {len(sent)} messages.")] * len(sent)


def _matched(objects: Sequence[object], sent: Sequence[Message]) -> list[object] | None:
    """The objects in the order of the messages; None where their references contradict what was sent."""
    refs = [found.get("ClientRef") if isinstance(found, dict) else None for found in objects]
    ours = [message.client_ref for message in sent]
    if all(isinstance(ref, str) and ref for ref in refs) and None not in ours:
        by_ref = dict(zip(refs, objects, strict=True))
        if len(by_ref) != len(objects) or set(by_ref) != set(ours):
            return None
        return [by_ref[ref] for ref in ours]
    if any(ref is not None and ref != mine for ref, mine in zip(refs, ours, strict=True)):
        return None
    return list(objects)


_QUEUED: Final = re.compile(r"ok\s+(\d{1,9})\s+messages?\b", re.IGNORECASE)


def _of_one(found: object, recipients: int) -> Outcome:
    if not isinstance(found, dict):
        return _unknown("The answer for this message was empty.")
    error_msg = found.get("errorMsg")
    said = error_msg.strip() if isinstance(error_msg, str) else ""
    warnings = _warnings(found.get("WarningMessages"))
    message_id = found.get("MessageId")
    has_id = isinstance(message_id, str) and bool(message_id.strip())
    ok = said.casefold().startswith("ok")
    number = _QUEUED.match(said)
    queued = int(number[1]) if number else None
    if ok and queued == 0:
        return replace(_rejected(ErrorCode.INVALID_RECIPIENTS, "Nothing was queued."), queued=0, warnings=warnings)
    if ok != has_id:
        if ok or has_id:
            return _unknown("The answer for this message contradicts itself.")
        return replace(_refusal(said, warnings), warnings=warnings)
    if not ok:
        return replace(_refusal(said, warnings), warnings=warnings)
    partly = queued is not None and queued < recipients
    return Outcome(
        Status.PARTLY_ACCEPTED if partly else Status.ACCEPTED,
        None,
        f"{queued} of the {recipients} recipients of this message were queued; the platform does not say which."
        if partly
        else "",
        message_id=str(message_id).strip(),
        message_sent_id=_whole(found.get("MessageSentId")),
        queued=queued,
        accepted_at=_moment(found.get("transmitDateTime")),
        status_msg=str(found.get("statusMsg") or ""),
        warnings=warnings,
    )


def _refusal(said: str, warnings: tuple[str, ...]) -> Outcome:
    for words in (said, *warnings):
        folded = " ".join(words.casefold().split())
        for beginning, code in REFUSALS.items():
            if folded.startswith(beginning):
                return _not_sent(code) if code in OF_THE_CALL else _rejected(code)
    quoted = "; ".join(words for words in (said, *warnings) if words)[:QUOTED]
    return _rejected(ErrorCode.UNKNOWN_ERROR, f"The platform said: {quoted or 'nothing'}.")


def _tell_key_from_data(outcomes: list[Outcome], *, key_works: bool) -> list[Outcome]:
    """Where the key is known to work, "Data is not valid" means malformed data, and the culprit is among these."""
    refused = [outcome.code is ErrorCode.AUTH_INVALID for outcome in outcomes]
    others_taken = any(outcome.message_id for outcome in outcomes)
    if not any(refused) or not (key_works or others_taken):
        return outcomes
    make = _rejected if others_taken or len(outcomes) == 1 else _not_sent
    return [make(ErrorCode.DATA_INVALID) if bad else outcome for bad, outcome in zip(refused, outcomes, strict=True)]


def _warnings(found: object) -> tuple[str, ...]:
    listed = found if isinstance(found, list) else [found]
    return tuple(words.strip() for words in listed if isinstance(words, str) and words.strip())


def _whole(found: object) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _moment(found: Any) -> datetime | None:
    """The API's time, with its seven decimals, as aware UTC; one without a zone is taken as UTC."""
    if not isinstance(found, str):
        return None
    try:
        moment = datetime.fromisoformat(found.strip())  # which cuts the seventh decimal off
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After as seconds or as a date (against the answer's own Date), at most 120."""
    folded = {str(name).casefold(): value for name, value in headers.items()}
    given = str(folded.get("retry-after", "")).strip()
    try:
        if re.fullmatch(r"\d{1,9}(\.\d+)?", given):
            seconds = float(given)
        else:
            seconds = (
                parsedate_to_datetime(given) - parsedate_to_datetime(str(folded.get("date", "")))
            ).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, MOST_RETRY_AFTER) if math.isfinite(seconds) and seconds >= 0 else None
