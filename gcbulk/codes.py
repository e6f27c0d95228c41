"""The words of a results frame: every `Status`, every `ErrorCode`, and the sentence for each code.

One vocabulary for all wings. The sentences are for a data officer: what it means, then what to do.
Row-specific details (which column, which other row, when) are put in front by the room that knows them.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What is known of a row."""

    READY = "ready"  # can be sent (validate and preview only)
    ACCEPTED = "accepted"  # the API queued it
    PARTLY_ACCEPTED = "partly_accepted"  # share_identical: fewer queued than recipients, not said which
    INVALID = "invalid"  # never sent: the row itself is wrong
    DUPLICATE = "duplicate"  # the same text to the same number, in another row or earlier
    OPTED_OUT = "opted_out"  # on the opt-out list
    REJECTED = "rejected"  # the API answered no to this row; final
    NOT_SENT = "not_sent"  # certainly not sent yet; resume will send it
    UNKNOWN = "unknown"  # may or may not have been sent


class DeliveryStatus(StrEnum):
    """What the platform's callbacks said became of a text that it took."""

    DELIVERED = "delivered"  # it reached the handset
    FAILED = "failed"  # it did not, and will not
    EXPIRED = "expired"  # the handset could not be reached for as long as the network tries
    PENDING = "pending"  # on its way, or nothing heard yet
    OTHER = "other"  # the platform used a word that we do not know: DeliveryError shows it


class ErrorCode(StrEnum):
    """Why a row has no MessageId, or why a call failed."""

    # invalid: the row itself
    NUMBER_MISSING = "NUMBER_MISSING"
    NUMBER_TOO_SHORT = "NUMBER_TOO_SHORT"
    NUMBER_TOO_LONG = "NUMBER_TOO_LONG"
    NUMBER_BAD_CHARACTERS = "NUMBER_BAD_CHARACTERS"
    NUMBER_NOT_MOBILE = "NUMBER_NOT_MOBILE"
    NUMBER_NOT_UK = "NUMBER_NOT_UK"
    NUMBER_INVALID = "NUMBER_INVALID"
    NUMBER_DIGITS_LOST = "NUMBER_DIGITS_LOST"
    NUMBER_AMBIGUOUS = "NUMBER_AMBIGUOUS"
    EMAIL_MISSING = "EMAIL_MISSING"
    EMAIL_INVALID = "EMAIL_INVALID"
    EMAIL_AMBIGUOUS = "EMAIL_AMBIGUOUS"
    ATTACHMENT_MISSING = "ATTACHMENT_MISSING"
    FIELD_MISSING = "FIELD_MISSING"
    MESSAGE_EMPTY = "MESSAGE_EMPTY"
    MESSAGE_TOO_LONG = "MESSAGE_TOO_LONG"
    CUSTOMER_UNKNOWN = "CUSTOMER_UNKNOWN"
    # duplicate
    DUPLICATE = "DUPLICATE"
    ALREADY_SENT = "ALREADY_SENT"
    # opted out
    OPTED_OUT = "OPTED_OUT"
    # rejected by the API
    INVALID_RECIPIENTS = "INVALID_RECIPIENTS"
    INVALID_CHARACTERS = "INVALID_CHARACTERS"
    DATA_INVALID = "DATA_INVALID"
    TOO_LARGE = "TOO_LARGE"
    UNKNOWN_ERROR = "UNKNOWN_ERROR"
    # not sent yet
    AUTH_INVALID = "AUTH_INVALID"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    PARTNER_NOT_AUTHORISED = "PARTNER_NOT_AUTHORISED"
    RATE_LIMITED = "RATE_LIMITED"
    NETWORK_ERROR = "NETWORK_ERROR"
    HTTP_REFUSED = "HTTP_REFUSED"
    IN_FLIGHT_ELSEWHERE = "IN_FLIGHT_ELSEWHERE"
    HELD_BACK = "HELD_BACK"
    STOPPED = "STOPPED"
    # unknown
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    # the thin client only: an answer that cannot be read (a results row says OUTCOME_UNKNOWN)
    INVALID_RESPONSE = "INVALID_RESPONSE"


SENTENCES: dict[ErrorCode, str] = {
    ErrorCode.NUMBER_MISSING: "There is no number in this row. Find one, or phone or write instead.",
    ErrorCode.NUMBER_TOO_SHORT: "The number has too few digits. Check it with the family.",
    ErrorCode.NUMBER_TOO_LONG: "The number has too many digits. Check it with the family.",
    ErrorCode.NUMBER_BAD_CHARACTERS: "The number holds letters or signs that are no part of a phone number. "
    "Put the number alone in its cell.",
    ErrorCode.NUMBER_NOT_MOBILE: "Only mobiles can be texted. Phone this number, or find a mobile.",
    ErrorCode.NUMBER_NOT_UK: "This is a number from outside the UK. If it is right, send with international=True "
    "(--international).",
    ErrorCode.NUMBER_INVALID: "No such number can exist. Check it with the family.",
    ErrorCode.NUMBER_DIGITS_LOST: "A spreadsheet has rounded this number and its last digits are lost. "
    "Export it again with the column as text.",
    ErrorCode.NUMBER_AMBIGUOUS: "Where a cell holds several numbers, or words beside one, we do not guess. "
    "Leave only the number to text.",
    ErrorCode.EMAIL_MISSING: "There is no email address in this row.",
    ErrorCode.EMAIL_INVALID: "This is not a valid email address. Check it with the family.",
    ErrorCode.EMAIL_AMBIGUOUS: "Where a cell holds several addresses, or more than a name beside one, we do not "
    "guess. Leave only the address to write to.",
    ErrorCode.ATTACHMENT_MISSING: "A file to attach is not there, cannot go as it is, or has changed since it "
    "was planned. Put it in place, or mend its name in this row. Where the others have gone, send the held and invalid "
    "rows as a list of their own; settle the unknown ones first: they may have it.",
    ErrorCode.FIELD_MISSING: "A field that the message uses is blank in this row. Fill it in, or give the message "
    "a default: {{ name | default('Parent') }}.",
    ErrorCode.MESSAGE_EMPTY: "The message is empty for this row.",
    ErrorCode.MESSAGE_TOO_LONG: "The message is longer than can be sent: a text may have 918 characters (6 parts), "
    "the subject of an email 255. Shorten it.",
    ErrorCode.CUSTOMER_UNKNOWN: "This customer is not known here. Add it, or mend its name in this row.",
    ErrorCode.DUPLICATE: "Another row sends the same message to the same recipient, so this one was left out.",
    ErrorCode.ALREADY_SENT: "The same message went to this recipient already. "
    "To send it again on purpose, use repeat=True (--repeat).",
    ErrorCode.OPTED_OUT: "This recipient is on the opt-out list and was not contacted.",
    ErrorCode.INVALID_RECIPIENTS: "The platform could not send to this recipient. Check the number or address with "
    "the family.",
    ErrorCode.INVALID_CHARACTERS: "A character in this text cannot be sent. Reword it and send this row again.",
    ErrorCode.DATA_INVALID: "The platform refused this message as malformed; nothing was sent to this recipient.",
    ErrorCode.TOO_LARGE: "The platform refused this message as too large. Shorten it.",
    ErrorCode.UNKNOWN_ERROR: "The platform refused this message with words we do not know.",
    ErrorCode.AUTH_INVALID: "The platform refused the customer id or API key. Check both, then resume.",
    ErrorCode.PERMISSION_DENIED: "This customer is not allowed to send messages of this kind. "
    "Ask Groupcall to allow it, then resume.",
    ErrorCode.PARTNER_NOT_AUTHORISED: "The customer has not authorised this partner account. Ask them to, then resume.",
    ErrorCode.RATE_LIMITED: "The platform asked us to slow down for longer than we waited. Resume later.",
    ErrorCode.NETWORK_ERROR: "The platform could not be reached. Check the network, then resume.",
    ErrorCode.HTTP_REFUSED: "The address that was called refused the call. Check the address, then resume.",
    ErrorCode.IN_FLIGHT_ELSEWHERE: "Another run is sending the same message to this recipient at this moment. "
    "Resume when it has ended.",
    ErrorCode.HELD_BACK: "Held back by --limit. Resume to send it.",
    ErrorCode.STOPPED: "The run stopped before this row was sent. Resume to send it.",
    ErrorCode.OUTCOME_UNKNOWN: "This may or may not have been sent. It will not be sent again by itself: look at the "
    "platform's history, then settle it with gcbulk settle --sent or --not-sent.",
    ErrorCode.INVALID_RESPONSE: "The answer could not be understood, so the message may or may not have been sent.",
}

REASONS: dict[ErrorCode, str] = {
    ErrorCode.NUMBER_MISSING: "no number",
    ErrorCode.NUMBER_TOO_SHORT: "too few digits",
    ErrorCode.NUMBER_TOO_LONG: "too many digits",
    ErrorCode.NUMBER_BAD_CHARACTERS: "letters or signs in the number",
    ErrorCode.NUMBER_NOT_MOBILE: "not a mobile",
    ErrorCode.NUMBER_NOT_UK: "from outside the UK",
    ErrorCode.NUMBER_INVALID: "no such number",
    ErrorCode.NUMBER_DIGITS_LOST: "digits lost in a spreadsheet",
    ErrorCode.NUMBER_AMBIGUOUS: "more than a number in the cell",
    ErrorCode.EMAIL_MISSING: "no email address",
    ErrorCode.EMAIL_INVALID: "not an email address",
    ErrorCode.EMAIL_AMBIGUOUS: "more than an address in the cell",
    ErrorCode.ATTACHMENT_MISSING: "a file cannot be attached",
    ErrorCode.FIELD_MISSING: "a field is blank",
    ErrorCode.MESSAGE_EMPTY: "the message is empty",
    ErrorCode.MESSAGE_TOO_LONG: "the message is too long",
    ErrorCode.CUSTOMER_UNKNOWN: "customer not known",
    ErrorCode.DUPLICATE: "the same message in another row",
    ErrorCode.ALREADY_SENT: "sent already",
    ErrorCode.OPTED_OUT: "on the opt-out list",
    ErrorCode.INVALID_RECIPIENTS: "the platform refused the number",
    ErrorCode.INVALID_CHARACTERS: "a character cannot be sent",
    ErrorCode.DATA_INVALID: "refused as malformed",
    ErrorCode.TOO_LARGE: "refused as too large",
    ErrorCode.UNKNOWN_ERROR: "refused in words not known",
    ErrorCode.AUTH_INVALID: "key refused",
    ErrorCode.PERMISSION_DENIED: "not allowed to send",
    ErrorCode.PARTNER_NOT_AUTHORISED: "partner not authorised",
    ErrorCode.RATE_LIMITED: "asked to slow down",
    ErrorCode.NETWORK_ERROR: "platform not reached",
    ErrorCode.HTTP_REFUSED: "the address refused the call",
    ErrorCode.IN_FLIGHT_ELSEWHERE: "another run is sending it",
    ErrorCode.HELD_BACK: "held back",
    ErrorCode.STOPPED: "the run was stopped",
    ErrorCode.OUTCOME_UNKNOWN: "no answer came",
    ErrorCode.INVALID_RESPONSE: "the answer was not understood",
}
"""What each code says in a few words, for tables and charts; the codes themselves are for programs and for support."""
