"""Answering a call as the platform would, in its words."""

from __future__ import annotations

import json
import math
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from gcbulk.sandbox.wires import Wire, send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gcbulk.sandbox.faults import Fault
    from gcbulk.sandbox.messages import Channel, Message
    from gcbulk.sandbox.records import Call
    from gcbulk.sandbox.stand_in import Sandbox

Answer = dict[str, Any]

DATA_INVALID = "Data is not valid, no messages sent"
NOT_ALLOWED = "Customer does not allow sending {channel}"
NOT_PARTNER = "Partner account not authorized for this customer"
NO_RECIPIENTS = "No recipients with valid addresses"
TOO_LONG = "Message exceeds maximum length"
BAD_CHARACTERS = "Message contains invalid characters"
RATE_LIMIT = "Rate limit exceeded"
TOO_MANY = "Too many requests"
OK = "OK {count} messages queued for sending"

JSON = {"Content-Type": "application/json; charset=utf-8"}
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Reply(NamedTuple):
    """An HTTP answer, and how its bytes go out; `status` None says that none of them do."""

    body: bytes
    status: int | None = 200
    headers: Mapping[str, str] = JSON
    wire: Wire = send


def json_reply(value: object) -> Reply:
    return Reply(json.dumps(value).encode())


def refusal(client_ref: str | None, *, error: str = "", warning: str = "") -> Answer:
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
class Turn:
    """One call while it is answered; where `refused` (credentials, malformed data) nothing can be queued.

    `unauthorised` are the customers in it who let no such partner send for them.
    """

    sandbox: Sandbox
    call: Call
    channel: Channel
    messages: list[Message]
    refused: bool
    unauthorised: frozenset[str]
    forced: Fault | None
    transmitted: str
    id_stem: str  # the MessageId between the customer and the guid
    applied: list[str] = field(default_factory=list)  # names of the faults that shaped the answer

    def answers(self, share: float = 1.0) -> list[Answer]:
        """Take this share of the messages, rounded up, as the API would; the answer object of each."""
        if self.refused:
            return [refusal(None, error=DATA_INVALID)]
        if self.unauthorised and all(self._is_unauthorised(message) for message in self.messages):
            return [refusal(None, warning=NOT_PARTNER)]
        return [self._answer(message) for message in self.messages[: math.ceil(len(self.messages) * share)]]

    def call_fault(self) -> Fault | None:
        """The fault that decides the whole call, if any."""
        magic = (message for message in self.messages if message.magic)
        found = (fault for message in magic if (fault := self._magic(message, "call")))
        fault = self.forced or next(found, None)
        if fault:
            self.applied.append(fault.name)
        return fault

    def queue(self, message: Message) -> Answer:
        """Queue a message for all its addresses; the answer of success."""
        message_id = f"{message.fields['CustomerId']}.{self.id_stem}-{secrets.token_hex(16)}"
        self.sandbox.record_queued(self, message, message_id)
        return {
            "WarningMessages": [],
            "errorMsg": OK.format(count=len(message.addresses)),
            "MessageSentId": 0,
            "MessageId": message_id,
            "statusMsg": "In Queue",
            "transmitDateTime": self.transmitted,
            "ClientRef": message.fields.get("ClientRef"),
        }

    def _answer(self, message: Message) -> Answer:
        fault = self.forced or self._magic(message, "message")
        if fault and fault.message:
            self.applied.append(fault.name)
            return fault.message(self, message)
        warning = self._at_fault(message)
        return refusal(message.fields.get("ClientRef"), warning=warning) if warning else self.queue(message)

    def _at_fault(self, message: Message) -> str | None:
        """What the platform finds fault with in a message."""
        if self._is_unauthorised(message):
            return NOT_PARTNER
        if not message.addresses:
            return NO_RECIPIENTS
        if len(message.text) > self.channel.max_characters:
            return TOO_LONG
        return BAD_CHARACTERS if _CONTROL_CHARACTERS.search(message.text) else None

    def _is_unauthorised(self, message: Message) -> bool:
        return message.fields["CustomerId"] in self.unauthorised

    def _magic(self, message: Message, scope: Literal["call", "message"]) -> Fault | None:
        for address, fault in message.magic:
            if getattr(fault, scope) and self.sandbox.is_due(fault, address, message.text):
                return fault
        return None
