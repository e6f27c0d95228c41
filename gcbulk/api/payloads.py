"""Message objects <-> the JSON of a request. Field names are the vendor's ("Messenger API 3.1.0")."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcbulk.api.partner import Partner

Recipient = str | Mapping[str, object]

WIRE_NAMES: Final[dict[str, str]] = {
    "client_ref": "ClientRef",
    "ClientRef": "ClientRef",
    "sender": "SMSSender",
    "SMSSender": "SMSSender",
    "send_at": "sendDateTime",
    "sendDateTime": "sendDateTime",
    "callback_url": "CallbackUrl",
    "callbackUrl": "CallbackUrl",
    "CallbackUrl": "CallbackUrl",
}
"""Every spelling of an option that we know -> its field; other names are passed through as they are."""

MADE_OF: Final = frozenset({"CustomerId", "Password", "Recipients", "SMSMessage"})
"""What a message is made of: no option replaces it."""


class Message(NamedTuple):
    """One message object: one text to one recipient, or to several."""

    recipients: tuple[Recipient, ...]
    text: str
    client_ref: str | None = None
    sender: str | None = None
    send_at: str | None = None
    callback_url: str | None = None
    extra: Mapping[str, object] = MappingProxyType({})


def make_message(
    recipients: str | Recipient | Sequence[Recipient], text: str, options: Mapping[str, object]
) -> Message:
    """A message from what a caller gives: one recipient or several, and options in any known spelling.

    Raises OptionError for a naive datetime, an option that is none, or where there is nobody to send to.
    """
    several = (
        (recipients,)
        if isinstance(recipients, str | Mapping) or not isinstance(recipients, Iterable)
        else tuple(recipients)
    )
    if not several or not all(isinstance(one, str | Mapping) and one for one in several):
        raise OptionError("recipients must be a number, a recipient object, or a list of them that is not empty.")
    if not isinstance(text, str):
        raise OptionError(f"message must be a text, not a {type(text).__name__}.")
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name in MADE_OF:
            raise OptionError(f"{name} is no option: give the recipients and the message as such.")
        if value is not None:
            fields[WIRE_NAMES.get(name, name)] = _wire_time(name, value) if isinstance(value, datetime) else value
    ref = fields.pop("ClientRef", None)
    if ref is not None and (isinstance(ref, bool) or not isinstance(ref, str | int)):
        raise OptionError(f"client_ref must be a text, not a {type(ref).__name__}.")
    return Message(
        recipients=several,
        text=text,
        client_ref=None if ref is None else str(ref),
        sender=fields.pop("SMSSender", None),
        send_at=fields.pop("sendDateTime", None),
        callback_url=fields.pop("CallbackUrl", None),
        extra=fields,
    )


def encode(messages: Sequence[Message], *, customer_id: str, api_key: str, partner: Partner | None = None) -> Body:
    """The body of a call: UTF-8 JSON, an array of message objects, the credentials in each; a partner's at the root.

    >>> bytes(encode([Message(("+447700900123",), "Hello")], customer_id="1469", api_key="k")[:60])
    b'{"messageData":[{"CustomerId":"1469","Password":"k","Recipie'
    """
    objects = [_message_object(message, customer_id, api_key) for message in messages]
    whose = {} if partner is None else {"PartnerKey": partner.key.reveal(), "styleClass": partner.style_class}
    root = {**whose, "messageData": objects}
    try:
        return _json(root, ensure_ascii=False)
    except UnicodeEncodeError:  # a lone surrogate, which only an escape can carry
        return _json(root, ensure_ascii=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"A message holds something that JSON cannot carry: {error}.") from None


class Body(bytes):
    """The bytes of a call. They hold a key, numbers and texts: their repr, which a traceback may show, holds none."""

    def __repr__(self) -> str:
        return f"<a body of {len(self)} bytes>"


def _json(value: object, *, ensure_ascii: bool) -> Body:
    return Body(json.dumps(value, ensure_ascii=ensure_ascii, separators=(",", ":"), allow_nan=False).encode("utf-8"))


def _message_object(message: Message, customer_id: str, api_key: str) -> dict[str, object]:
    fields: dict[str, object] = {
        "CustomerId": customer_id,
        "Password": api_key,
        "Recipients": [{"MobileNumber": one} if isinstance(one, str) else dict(one) for one in message.recipients],
        "SMSMessage": message.text,
    }
    if message.client_ref is not None:
        fields["ClientRef"] = message.client_ref
    if message.sender is not None:
        fields["SMSSender"] = message.sender
    if message.send_at is not None:
        fields["sendDateTime"] = message.send_at
    if message.callback_url is not None:
        fields["CallbackUrl"] = message.callback_url
    fields.update(message.extra)
    return fields


def _wire_time(name: str, moment: datetime) -> str:
    if moment.tzinfo is None:
        raise OptionError(f"{name} needs a time zone: give an aware datetime.")
    return moment.isoformat(timespec="seconds")
