"""The public functions for emails: recipients, a subject and a body in, results out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, overload

from gcbulk.campaign.attachments import Attachments
from gcbulk.campaign.connecting import known_customers
from gcbulk.campaign.emails import make_email_plan
from gcbulk.campaign.lists import previewed, sent
from gcbulk.campaign.options import SendOptions, take
from gcbulk.errors import OptionError
from gcbulk.messages.letter import Letter
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.api.customers import Customer
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.result_pieces import ResultPieces
    from gcbulk.campaign.survey import MakesPlans, Survey
    from gcbulk.messages.markup import BodyFormat
    from gcbulk.recipients.optouts import OptOuts

OF_TEXTS: Final = {
    **dict.fromkeys(("number_column", "number_columns"), "email_column"),
    "one_per_number": "one_per_address",
    **dict.fromkeys(("international", "smart_characters", "max_parts", "header_length", "price_per_part"), ""),
}
"""By option of texts that emails have not, the one that they have instead ("" where they have none)."""
OF_FILES: Final = {
    "attachments": "files",
    "attachment_column": "column",
    "attachment_folder": "folder",
    "max_file_mb": "max_file_mb",
    "max_call_mb": "max_call_mb",
}
"""By option, what it is called among the options of files."""


@overload
def send_email(
    recipients: pd.DataFrame, subject: str, body: str | os.PathLike[str], **options: Any
) -> pd.DataFrame: ...
@overload
def send_email(
    recipients: Iterable[pd.DataFrame], subject: str, body: str | os.PathLike[str], **options: Any
) -> ResultPieces: ...
def send_email(
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
    subject: str,
    body: str | os.PathLike[str],
    *,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    body_format: BodyFormat | None = None,
    email_column: Hashable | None = None,
    opt_outs: OptOuts | None = None,
    one_per_address: bool = False,
    customer_column: Hashable | None = None,
    sent_from_name: str | None = None,
    sent_from_address: str | None = None,
    reply_to: str | None = None,
    attachments: Sequence[str | os.PathLike[str]] = (),
    attachment_column: Hashable | None = None,
    attachment_folder: str | os.PathLike[str] | None = None,
    max_file_mb: float = 7.0,
    max_call_mb: float = 10.0,
    **options: Any,
) -> pd.DataFrame | ResultPieces:
    """Email every recipient once; the same rows come back, each with a MessageId or an error code.

    All that `send_sms` promises, for emails: the same options, the same journal, the same results. `subject` and
    `body` may hold merge fields. `body` is HTML, Markdown or plain text; `body_format` says which ("html",
    "markdown", "text"), or the ending of a path, or else it is HTML where it holds tags. Cells are escaped.

    `attachments` are files for everybody, and patterns of one for each row, such as "letters/{{ upn }}.pdf";
    `attachment_column` holds a path for each row; both in `attachment_folder`, or the current one. Every file is
    looked at before anything is sent; a row whose file is missing, empty, too big, of another type than its ending
    says, or outside the folder is `invalid`, ATTACHMENT_MISSING. One that is gone or changed when its call is made
    holds back its own row (`not_sent`). One file may have `max_file_mb`, those of a call `max_call_mb`, in megabytes.

    Returns and raises as `send_sms` does; `Parts` is <NA>. What looks like a mistake brings a GcbulkWarning.

    >>> import pandas as pd
    >>> people = pd.DataFrame({"email": ["ann@example.org", "bob@"], "name": ["Ann", "Bob"]})
    >>> results = send_email(people, "News", "Dear {{ name }}, school is closed.", sandbox=True, progress=False)
    >>> results[["SentTo", "Status", "ErrorCode"]].values.tolist()
    [['ann@example.org', 'accepted', nan], [nan, 'invalid', 'EMAIL_INVALID']]
    """
    given = {
        "body_format": body_format,
        "email_column": email_column,
        "opt_outs": opt_outs,
        "one_per_address": one_per_address,
        "customer_column": customer_column,
        "sent_from_name": sent_from_name,
        "sent_from_address": sent_from_address,
        "reply_to": reply_to,
        "attachments": attachments,
        "attachment_column": attachment_column,
        "attachment_folder": attachment_folder,
        "max_file_mb": max_file_mb,
        "max_call_mb": max_call_mb,
    }
    make, intake, settings, customers = _of_emails(subject, body, client, {**given, **options})
    return sent(recipients, make, intake, settings, customers, campaign=campaign, client=client)


@overload
def preview_email(recipients: pd.DataFrame, subject: str, body: str | os.PathLike[str], **options: Any) -> Preview: ...
@overload
def preview_email(
    recipients: Iterable[pd.DataFrame], subject: str, body: str | os.PathLike[str], **options: Any
) -> Survey: ...
def preview_email(
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
    subject: str,
    body: str | os.PathLike[str],
    *,
    client: CommunicationsClient | None = None,
    show_numbers: bool = False,
    **options: Any,
) -> Preview | Survey:
    """What `send_email` with the same options would do, without sending: counts, files, the emails to read, problems.

    In a notebook the emails are shown as a mail program shows them, in a frame that fetches nothing; in a terminal as
    plain text. `.frame` has the user's columns, the annotations, `EmailSubject`, `Text` (the body, HTML) and
    `EmailFiles` (their names). Raises as `send_email` does.

    >>> import pandas as pd
    >>> plan = preview_email(pd.DataFrame({"email": ["ann@example.org"]}), "News", "School is *closed*.")
    >>> plan.frame[["EmailSubject", "Text"]].values.tolist()
    [['News', '<p>School is *closed*.</p>']]
    """
    options.pop("campaign", None)
    make, intake, settings, _ = _of_emails(subject, body, client, options)
    settings.check_time()
    return previewed(recipients, make, intake, settings, client=client, show_numbers=show_numbers)


def _of_emails(
    subject: str,
    body: str | os.PathLike[str],
    client: CommunicationsClient | None,
    given: dict[str, Any],
) -> tuple[MakesPlans, IntakeOptions, SendOptions, Mapping[str, Customer] | None]:
    """What makes the plan of an email, and how it is taken in and sent, from what a user gives for all of that."""
    for name, instead in OF_TEXTS.items():
        if name in given:
            raise OptionError(f"{name} is no option of emails.{instead and f' Use {instead}.'}")
    intake = IntakeOptions(
        email_column=given.pop("email_column", None),
        opt_outs=given.pop("opt_outs", None),
        one_per_number=given.pop("one_per_address", False),
        customer_column=given.pop("customer_column", None),
        kind=EMAIL,
    )
    attachments = Attachments(**take(given, OF_FILES))
    letter = Letter(subject, body, body_format=given.pop("body_format", None))
    settings = SendOptions(**given)
    customers = known_customers(intake, settings, client)
    make = partial(make_email_plan, letter=letter, attachments=attachments, customers=customers)
    return make, intake, settings, customers
