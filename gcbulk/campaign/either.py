"""A text or an email for each row: two plain campaigns, and one results frame that says which it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.run import send_email, send_sms
from gcbulk.codes import Status
from gcbulk.errors import OptionError
from gcbulk.recipients.columns import own_columns, row_name
from gcbulk.recipients.schema import validate

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable

SENT_AS: Final = "SentAs"
_WORDS: Final = {"sms": "sms", "text": "sms", "txt": "sms", "email": "email", "e-mail": "email", "mail": "email"}
_OF_TEXTS: Final = frozenset(
    {"number_column", "number_columns", "international", "one_per_number", "sender", "smart_characters", "max_parts"}
    | {"header_length", "price_per_part"}
)
_OF_EMAILS: Final = frozenset(
    {"email_column", "one_per_address", "sent_from_name", "sent_from_address", "reply_to", "attachments"}
    | {"attachment_column", "attachment_folder", "max_file_mb", "max_call_mb", "body_format"}
)


def send_message(
    recipients: pd.DataFrame,
    *,
    sms: str,
    subject: str,
    body: str | os.PathLike[str],
    channel_column: Hashable | None = None,
    campaign: str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Text or email every recipient: a text where it can be, else an email; or as a column says.

    `channel_column` holds `sms` (or `text`) or `email` for each row; a blank cell is a row like any without it. Without
    it a row is texted whose number can be, and emailed where it cannot and the address can be written to. That is
    settled before anything is sent: a text that is refused or does not arrive is not sent as an email by itself, and
    who opted out of texts is not emailed instead. The two are campaigns of their own, `campaign` with "(text)" and
    "(email)" behind it. Other options are those of `send_sms` and `send_email`.

    Returns the same rows, in the same order, under the same index, as `send_sms` does, and `SentAs`: `sms` or `email`.
    Raises as `send_sms` and `send_email` do, and OptionError for a word in `channel_column` that is neither. Where the
    texts have gone and the emails are refused before they are sent, run it again with what was wrong mended: no text
    goes twice.

    >>> people = pd.DataFrame({"mobile": ["07700 900123", ""], "email": ["ann@example.org", "bob@example.org"]})
    >>> results = send_message(people, sms="Closed.", subject="News", body="Closed.", sandbox=True, progress=False)
    >>> results[["SentTo", "Status", "SentAs"]].values.tolist()
    [['+447700900123', 'accepted', 'sms'], ['bob@example.org', 'accepted', 'email']]
    """
    if options.get("limit") is not None or options.get("test_to") is not None:
        raise OptionError("limit and test_to are for one channel: use send_sms or send_email for them.")
    common = {name: value for name, value in options.items() if name not in _OF_TEXTS | _OF_EMAILS}
    of_texts = {name: value for name, value in options.items() if name in _OF_TEXTS}
    of_emails = {name: value for name, value in options.items() if name in _OF_EMAILS}
    as_email = _as_email(recipients, channel_column, {**of_texts, **of_emails})
    named = {"sms": None, "email": None} if campaign is None else _names(campaign)
    texts, emails = recipients[~as_email], recipients[as_email]
    done = []
    if len(texts) or not len(emails):
        done.append(send_sms(texts, sms, campaign=named["sms"], **common, **of_texts).assign(**{SENT_AS: "sms"}))
    if len(emails):
        sent = send_email(emails, subject, body, campaign=named["email"], **common, **of_emails)
        done.append(sent.assign(**{SENT_AS: "email"}))
    order = np.argsort(np.concatenate([np.flatnonzero(~as_email), np.flatnonzero(as_email)]), kind="stable")
    results: pd.DataFrame = pd.concat(done).iloc[order]
    results.attrs = {"campaigns": [one.attrs["campaign"] for one in done]}
    return results


def _names(campaign: str) -> dict[str, str | None]:
    return {"sms": f"{campaign} (text)", "email": f"{campaign} (email)"}


def _as_email(recipients: pd.DataFrame, column: Hashable | None, options: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Which rows are emailed, by position."""
    columns = ("number_column", "number_columns", "international", "email_column")
    given = {name: options[name] for name in columns if options.get(name) is not None}
    numbers = validate(recipients, **given)["Status"]
    addresses = validate(recipients, channel="email", **given)["Status"]
    emailed = (numbers == Status.INVALID) & (addresses != Status.INVALID)
    by_validity: np.ndarray[Any, Any] = emailed.to_numpy(dtype=bool)
    if column is None:
        return by_validity
    own = own_columns(recipients)
    if column not in own.columns:
        raise OptionError(f'channel_column: there is no column "{column}".')
    said = own[column].astype("str").str.strip().str.casefold()
    channels = said.map(_WORDS)
    unknown = (channels.isna() & said.notna() & (said != "")).to_numpy(dtype=bool)
    if unknown.any():
        row = row_name(own.index, int(np.flatnonzero(unknown)[0]))
        raise OptionError(f'channel_column: the cell of {row} in "{column}" is neither sms nor email. Mend it.')
    return np.where(channels.isna(), by_validity, channels == "email")
