"""Reading a call: what a well-formed message object is, and whom it reaches."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from gcbulk.sandbox.faults import ORDINARY, fault_of

if TYPE_CHECKING:
    from gcbulk.sandbox.faults import Fault

_IDENTIFIERS = ("Id", "ExternalId", "MessengerId", "IdaasId")  # the platform's order


class Channel(NamedTuple):
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
_IN_ONE_LINE = frozenset({"EmailSubject", "EmailSentFromName", "EmailSentFromAddress", "EmailReplyToAddress"})
_A_TEXT = frozenset({str})
_A_TEXT_OR_NONE = frozenset({str, type(None)})
_A_TEXT_OR_OBJECT = frozenset({str, dict})
_EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
CHANNELS = {
    "SMS": Channel("SMS", ("SMSMessage",), "SMSSender", "MobileNumber", _SMS_NUMBER, 918),
    "Email": Channel(
        "Email", ("EmailSubject", "EmailBody"), "EmailSentFromName", "EmailAddress", _EMAIL_ADDRESS, math.inf
    ),
}
PARTNER_ROUTE = "PartnerRoute"


class Message(NamedTuple):
    """A well-formed message object; the `addresses` of those recipients that are not skipped, and the magic ones."""

    fields: dict[str, Any]
    text: str
    addresses: list[str]
    magic: list[tuple[str, Fault]]


def channel_of(objects: list[dict[str, Any]]) -> Channel:
    """By which channel a partner's call goes: the platform picks by its messages' content."""
    return CHANNELS["SMS" if not objects or "SMSMessage" in objects[0] else "Email"]


def is_well_formed(message: dict[str, Any], channel: Channel) -> bool:
    get = message.get
    recipients, send_at = get("Recipients"), get("sendDateTime")
    required = [get(name) for name in channel.required]
    optional = (send_at, get("ClientRef"), get("CallbackUrl"), get(channel.sender))
    try:
        return (
            isinstance(recipients, list)
            and _A_TEXT_OR_OBJECT.issuperset(map(type, recipients))
            and _A_TEXT.issuperset(map(type, required))
            and all(required)
            and _A_TEXT_OR_NONE.issuperset(map(type, optional))
            and bool(not send_at or datetime.fromisoformat(send_at))
            and (_IN_ONE_LINE.isdisjoint(message) or not any(map(_has_lines, map(get, _IN_ONE_LINE))))
            and _are_files(get("Attachments"))
        )
    except ValueError:  # sendDateTime
        return False


def _has_lines(value: object) -> bool:
    return any(line in str(value or "") for line in "\r\n")


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


def _address(recipient: str | dict[str, Any], channel: Channel) -> str | None:
    """Where this recipient is reached, or None where the platform would skip them."""
    given = recipient if isinstance(recipient, str) else recipient.get(channel.address)
    if isinstance(recipient, str) or given:
        return given if isinstance(given, str) and channel.plausible.fullmatch(given) else None
    return next((f"{name}:{recipient[name]}" for name in _IDENTIFIERS if recipient.get(name)), None)


def read_message(fields: dict[str, Any], channel: Channel) -> Message:
    found = [address for each in fields["Recipients"] if (address := _address(each, channel))]
    faults = [(address, fault) for address in found if (fault := fault_of(address)) is not ORDINARY]
    skipped = {address for address, fault in faults if not fault.reachable}
    addresses = [address for address in found if address not in skipped]
    magic = [(address, fault) for address, fault in faults if fault.reachable]
    return Message(fields, fields[channel.text], addresses, magic)
