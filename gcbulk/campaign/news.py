"""What a callback says -> a piece of delivery news. The platform's words and shapes are known from examples alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from gcbulk.campaign.journal import Event
from gcbulk.codes import DeliveryStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_WORD: Final = 100
_LONGEST_ERROR: Final = 300
_MOST_UNITS: Final = 1_000

# How the platform may name a field, in a body or in parameters, without regard to case.
_NAMES: Final = {
    "status": ("status",),
    "happened_at": ("timestamp",),
    "error": ("err", "error", "errormessage"),
    "units": ("units",),
    "message_id": ("messageid", "sentid"),
    "client_ref": ("clientref",),
    "recipient": ("recipient",),
}
_UNFILLED: Final = re.compile(r"\{\w*\}")  # a placeholder that the platform left as it was
_NOTHING: Final = ("null", "none", "undefined", "nil")  # how programs write that they have no MessageId
_MESSAGE_ID: Final = re.compile(r"[0-9A-Za-z._:-]{1,120}")
_CLIENT_REF: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_E164: Final = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_BRITISH: Final = re.compile(r"(?:0|0044|44|\+440|\+44)(7\d{9})", re.ASCII)

# The platform's words are not documented. These are the ones of its examples, of the GSM standards (SMPP's and
# the network's own), and their plain relatives; what is not here is `other`, and shown as it came.
_WORDS: Final[Mapping[DeliveryStatus, tuple[str, ...]]] = {
    DeliveryStatus.DELIVERED: ("delivered", "delivrd", "delivered to handset", "received", "read", "opened"),
    DeliveryStatus.FAILED: (
        "failed",
        "failure",
        "delivery failed",
        "not delivered",
        "undelivered",
        "undeliverable",
        "undeliv",
        "rejected",
        "rejectd",
        "deleted",
        "error",
        "blocked",
        "barred",
        "bounced",
        "cancelled",
    ),
    DeliveryStatus.EXPIRED: ("expired", "timed out", "timeout", "validity expired"),
    DeliveryStatus.PENDING: (
        "pending",
        "in queue",
        "queued",
        "scheduled",
        "sending",
        "sent",
        "submitted",
        "accepted",
        "acceptd",
        "enroute",
        "en route",
        "in progress",
        "processing",
        "buffered",
        "dispatched",
        "transmitted",
    ),
}
DELIVERY_OF: Final = {word: delivery for delivery, words in _WORDS.items() for word in words}
"""What each of the platform's status words means, in lower case and with single spaces."""


class Malformed(ValueError):  # noqa: N818 - it is not an error of ours
    """Raised for what is no delivery news."""


def read_event(campaign_id: int, body: bytes, parameters: Mapping[str, str]) -> Event:
    """Delivery news from a JSON body, from parameters, or from both: what the body leaves out, they may tell.

    Raises Malformed for what has no status, or nothing to tell a row by.

    >>> news = read_event(1, b'{"Status": "Delivered", "MessageId": "1469.2025"}', {"units": "2", "err": "{err}"})
    >>> str(news.delivery), news.message_id, news.units, news.error
    ('delivered', '1469.2025', 2, None)
    """
    sources = (_folded(_json_object(body)), _folded(parameters))
    told = {
        field: [said[name] for said in sources for name in names if name in said] for field, names in _NAMES.items()
    }
    found = {field: next(iter(values), None) for field, values in told.items()}
    status = _words(found["status"], _LONGEST_WORD)
    message_id = next(filter(None, map(_message_id, told["message_id"])), None)
    client_ref = next(filter(None, map(_reference, told["client_ref"])), None)
    if not status or not (message_id or client_ref):
        raise Malformed
    return Event(
        campaign_id=campaign_id,
        status=status,
        delivery=DELIVERY_OF.get(" ".join(re.split(r"[\s_-]+", status.casefold())), DeliveryStatus.OTHER),
        happened_at=_moment(found["happened_at"]),
        error=_words(found["error"], _LONGEST_ERROR) or None,
        units=_units(found["units"]),
        message_id=message_id,
        client_ref=client_ref,
        address=_address(found["recipient"]),
    )


def _json_object(body: bytes) -> Mapping[str, Any]:
    if not body.strip():
        return {}
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed from None
    if not isinstance(found, dict):
        raise Malformed
    return found


def _folded(fields: Mapping[str, Any]) -> dict[str, str | int | float]:
    """The fields that say something, by their names in lower case."""
    return {
        name.casefold(): value
        for name, value in fields.items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and not (isinstance(value, str) and (not value.strip() or _UNFILLED.fullmatch(value.strip())))
    }


def _words(value: object, longest: int) -> str:
    """Somebody else's words as one line of plain text."""
    if not isinstance(value, str | int):
        return ""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value)[: 4 * longest])
    return " ".join(text.split())[:longest]


def _message_id(value: object) -> str | None:
    """The platform's MessageId, None for what no MessageId looks like: a bad one is as good as none."""
    text = str(value).strip()
    return text if _MESSAGE_ID.fullmatch(text) and text.lower() not in _NOTHING else None


def _reference(value: object) -> str | None:
    """Our own reference: a GUID, which some systems write in capitals or braces; None for what is none."""
    text = str(value).strip().lower().strip("{}")
    return text if _CLIENT_REF.fullmatch(text) else None


def _units(value: object) -> int | None:
    try:
        units = int(str(value)[:20])
    except ValueError:
        return None
    return units if 0 <= units <= _MOST_UNITS else None


def _moment(value: object) -> float | None:
    """A time such as 2025-07-15T17:29:12.1234567Z in seconds since 1970; without an offset it is taken for UTC."""
    try:
        moment = datetime.fromisoformat(str(value).strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _address(value: object) -> str | None:
    """A recipient in the form that the journal keeps, None where it cannot be told: then the reference must do."""
    text = _words(value, _LONGEST_WORD)
    if british := _BRITISH.fullmatch(text):
        return f"+44{british[1]}"
    if _E164.fullmatch(text):
        return text
    return _mended(text) if text else None


@lru_cache(maxsize=1_024)
def _mended(text: str) -> str | None:
    import pandas as pd  # a receiver that is told plain numbers never needs it

    from gcbulk.recipients.kinds import EMAIL, NUMBER

    number = (EMAIL if "@" in text else NUMBER).judge(pd.Series([text]), True)["SentTo"].iloc[0]
    return number if isinstance(number, str) else None
