"""Message objects <-> the JSON of a request. Field names are the vendor's ("Messenger API 3.1.0")."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

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
    "from_name": "EmailSentFromName",
    "from_address": "EmailSentFromAddress",
    "reply_to": "EmailReplyToAddress",
}
"""Every spelling of an option that we know -> its field; other names are passed through as they are."""

MADE_OF: Final = frozenset({"CustomerId", "Password", "Recipients", "SMSMessage"})
"""What a message is made of: no option replaces it."""
_EMAIL_MADE_OF: Final = frozenset({"CustomerId", "Password", "Recipients", "EmailSubject", "EmailBody", "Attachments"})
_ONE_LINE: Final = frozenset({"subject", "EmailSentFromName", "EmailSentFromAddress", "EmailReplyToAddress"})


class Message(NamedTuple):
    """One message object: one text to one recipient, or to several."""

    recipients: tuple[Recipient, ...]
    text: str
    client_ref: str | None = None
    sender: str | None = None
    send_at: str | None = None
    callback_url: str | None = None
    extra: Mapping[str, object] = MappingProxyType({})


class Attachment(NamedTuple):
    """A file that goes with an email; `data` is its bytes in base64."""

    name: str
    data: str

    def __repr__(self) -> str:
        return f"<attachment of {len(self.data)} characters>"


class Email(NamedTuple):
    """One message object: one email to one recipient, or to several. `body` is HTML."""

    recipients: tuple[Recipient, ...]
    subject: str
    body: str
    client_ref: str | None = None
    send_at: str | None = None
    callback_url: str | None = None
    from_name: str | None = None
    from_address: str | None = None
    reply_to: str | None = None
    attachments: tuple[Attachment, ...] = ()
    extra: Mapping[str, object] = MappingProxyType({})


SMS_PATH: Final = "/api/SendMessage_V3/SMS"
EMAIL_PATH: Final = "/api/SendMessage_V3/Email"
PARTNER_PATH: Final = "/api/SendMessage_V3/PartnerRoute"


def path_of(messages: Sequence[Message | Email], partner: Partner | None = None) -> str:
    """Where a call with these messages goes: all are of one channel, and a partner's are told apart by the platform."""
    if partner is not None:
        return PARTNER_PATH
    return EMAIL_PATH if isinstance(messages[0], Email) else SMS_PATH


def make_message(
    recipients: str | Recipient | Sequence[Recipient], text: str, options: Mapping[str, object]
) -> Message:
    """A message from what a caller gives: one recipient or several, and options in any known spelling.

    Raises OptionError for a naive datetime, an option that is none, or where there is nobody to send to.
    """
    several = _several(recipients)
    if not isinstance(text, str):
        raise OptionError(f"message must be a text, not a {type(text).__name__}.")
    ref, fields = _options(options)
    return Message(
        recipients=several,
        text=text,
        client_ref=ref,
        sender=fields.pop("SMSSender", None),
        send_at=fields.pop("sendDateTime", None),
        callback_url=fields.pop("CallbackUrl", None),
        extra=fields,
    )


def make_email(
    recipients: str | Recipient | Sequence[Recipient], subject: str, body: str, options: Mapping[str, object]
) -> Email:
    """An email from what a caller gives, as `make_message` makes a text. `attachments` are (name, bytes) pairs."""
    for name, value in (("subject", subject), ("body", body)):
        if not isinstance(value, str) or not value.strip():
            raise OptionError(f"{name} must be a text that is not empty.")
    options = dict(options)
    files: Any = options.pop("attachments", ())
    ref, fields = _options(options, _EMAIL_MADE_OF)
    for name, value in (("subject", subject), *fields.items()):
        if name in _ONE_LINE and isinstance(value, str) and value and value.splitlines() != [value]:
            raise OptionError(f"{name} must be a single line.")
    return Email(
        recipients=_several(recipients),
        subject=subject,
        body=body,
        client_ref=ref,
        send_at=fields.pop("sendDateTime", None),
        callback_url=fields.pop("CallbackUrl", None),
        from_name=fields.pop("EmailSentFromName", None),
        from_address=fields.pop("EmailSentFromAddress", None),
        reply_to=fields.pop("EmailReplyToAddress", None),
        attachments=tuple([Attachment(name, b64encode(data).decode("ascii")) for name, data in files]),
        extra=fields,
    )


def _several(recipients: str | Recipient | Sequence[Recipient]) -> tuple[Recipient, ...]:
    several = (
        (recipients,)
        if isinstance(recipients, str | Mapping) or not isinstance(recipients, Iterable)
        else tuple(recipients)
    )
    if not several or not all(isinstance(one, str | Mapping) and one for one in several):
        raise OptionError("recipients must be a number, a recipient object, or a list of them that is not empty.")
    return several


def _options(options: Mapping[str, object], made_of: frozenset[str] = MADE_OF) -> tuple[str | None, dict[str, Any]]:
    """The reference among some options, and the others under the API's names."""
    fields: dict[str, Any] = {}
    for name, value in options.items():
        if name in made_of:
            raise OptionError(f"{name} is no option: give the recipients and the message as such.")
        if value is not None:
            fields[WIRE_NAMES.get(name, name)] = _wire_time(name, value) if isinstance(value, datetime) else value
    ref = fields.pop("ClientRef", None)
    if ref is not None and (isinstance(ref, bool) or not isinstance(ref, str | int)):
        raise OptionError(f"client_ref must be a text, not a {type(ref).__name__}.")
    return (None if ref is None else str(ref)), fields


def encode(
    messages: Sequence[Message | Email], *, customer_id: str, api_key: str, partner: Partner | None = None
) -> Body:
    """The body of a call: UTF-8 JSON, an array of message objects, the credentials in each; a partner's at the root.

    >>> bytes(encode([Message(("+447700900123",), "Hello")], customer_id="1469", api_key="k")[:60])
    b'{"messageData":[{"CustomerId":"1469","Password":"k","Recipie'
    """
    whose = {"CustomerId": customer_id, "Password": api_key}
    objects = [_message_object(message, whose) for message in messages]
    partners = {} if partner is None else {"PartnerKey": partner.key.reveal(), "styleClass": partner.style_class}
    root = {**partners, "messageData": objects}
    with suppress(TypeError):
        written = orjson.dumps(root, option=orjson.OPT_PASSTHROUGH_DATETIME)
        if b"null" not in written:  # which orjson also writes for NaN
            return Body(written)
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


def _message_object(message: Message | Email, whose: Mapping[str, object]) -> dict[str, object]:
    fields = dict(whose)
    if isinstance(message, Email):
        fields["Recipients"] = _recipient_objects(message, "EmailAddress")
        fields |= _email_fields(message)
    else:
        fields["Recipients"] = _recipient_objects(message, "MobileNumber")
        fields["SMSMessage"] = message.text
    if message.client_ref is not None:
        fields["ClientRef"] = message.client_ref
    if isinstance(message, Message) and message.sender is not None:
        fields["SMSSender"] = message.sender
    if message.send_at is not None:
        fields["sendDateTime"] = message.send_at
    if message.callback_url is not None:
        fields["CallbackUrl"] = message.callback_url
    if message.extra:  # a proxy of nothing takes longer to look through than the rest of the message
        fields.update(message.extra)
    return fields


def _recipient_objects(message: Message | Email, address: str) -> list[dict[str, object]]:
    return [{address: one} if isinstance(one, str) else dict(one) for one in message.recipients]


def _email_fields(email: Email) -> dict[str, object]:
    optional = {
        "EmailSentFromName": email.from_name,
        "EmailSentFromAddress": email.from_address,
        "EmailReplyToAddress": email.reply_to,
    }
    fields: dict[str, object] = {"EmailSubject": email.subject, "EmailBody": email.body}
    fields |= {name: value for name, value in optional.items() if value is not None}
    if email.attachments:
        fields["Attachments"] = [{"FileName": file.name, "FileData": file.data} for file in email.attachments]
    return fields


def _wire_time(name: str, moment: datetime) -> str:
    if moment.tzinfo is None:
        raise OptionError(f"{name} needs a time zone: give an aware datetime.")
    return moment.isoformat(timespec="seconds")
