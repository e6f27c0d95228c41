"""What an email holds beside its body, as the journal keeps it, and the message object made of it at the call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from gcbulk.api.payloads import Attachment, Email
from gcbulk.campaign.attachments import File, FileChangedError, encoded
from gcbulk.codes import ErrorCode
from gcbulk.messages.columns import to_arrow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from gcbulk.campaign.calling import Manner
    from gcbulk.campaign.journal import ClaimedRow


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every email of a campaign carries: from whom it is said to be, and where answers go."""

    from_name: str | None = None
    from_address: str | None = None
    reply_to: str | None = None


def envelope_of(channel: str, shape: Mapping[str, str]) -> Envelope | None:
    """The envelope of a campaign's emails, from the options that shape it; None where it sends texts."""
    if channel != "email":
        return None
    return Envelope(shape.get("sent_from_name"), shape.get("sent_from_address"), shape.get("reply_to"))


def content_of(subject: str, files: Sequence[File]) -> str:
    """Subject and files as the journal keeps them."""
    return json.dumps({"subject": subject, "files": [tuple(file) for file in files]}, ensure_ascii=False)


def parsed(content: str) -> tuple[str, list[File]]:
    """Subject and files, from what the journal kept."""
    kept = json.loads(content)
    return kept["subject"], [File(*file) for file in kept["files"]]


def same_content(content: str) -> str:
    """What makes two emails the same beside their bodies: subject, and the files' names and bytes."""
    subject, files = parsed(content)
    return "\x1f".join([subject, *(f"{file.name}\x1e{file.digest}" for file in files)])


def told_content(content: str) -> str:
    """What makes two emails one that goes once a day, beside their bodies: subject, and what the files are called.

    Not their bytes: letters that are made anew have others each time, and a mail merge that is run twice must not
    write to anybody twice.
    """
    subject, files = parsed(content)
    return "\x1f".join([subject, *(file.called or file.name for file in files)])


def size_of(body: str, content: str) -> int:
    """How many bytes an email's body and files have."""
    return len(body.encode("utf-8", "surrogatepass")) + sum(file.size for file in parsed(content)[1])


def sizes_of(bodies: pd.Series[str], contents: pd.Series[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """What `size_of` is for each of many emails, none of them missing."""
    files = np.array([sum(file.size for file in parsed(content)[1]) for content in contents], dtype=np.int64)
    of_bodies: np.ndarray[Any, np.dtype[np.int64]] = pc.binary_length(to_arrow(bodies)).to_numpy(zero_copy_only=False)
    return files + of_bodies


def email_of(group: Sequence[ClaimedRow], manner: Manner, envelope: Envelope) -> Email:
    """The message object of an email, its files read now. Raises FileChangedError where one is not what was planned."""
    first = group[0]
    subject, files = parsed(first.content or "")
    return Email(
        recipients=tuple([row.address for row in group]),
        subject=subject,
        body=first.text,
        client_ref=first.client_ref,
        send_at=manner.send_at,
        callback_url=manner.callback_url,
        from_name=envelope.from_name,
        from_address=envelope.from_address,
        reply_to=envelope.reply_to,
        attachments=tuple([Attachment(file.name, encoded(file)) for file in files]),
    )


def why_held(error: FileChangedError) -> tuple[ErrorCode, str]:
    """The code and the sentence of a row whose file is not what was planned.

    The whole list is no way out: sent on a later day, it would write to all the others again.
    """
    way_out = (
        "Put it back as it was, then resume. Or send the held and invalid rows, with the files as they are now, as a "
        "list of their own; settle the unknown ones first (gcbulk settle): they may have it."
    )
    return ErrorCode.ATTACHMENT_MISSING, f"{error} {way_out}"
