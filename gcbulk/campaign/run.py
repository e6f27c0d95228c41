"""The public functions that put the wings together: recipients and a message in, results out."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from gcbulk.campaign.attachments import Attachments
from gcbulk.campaign.connecting import known_customers
from gcbulk.campaign.delivering import resume_campaign, send_plan
from gcbulk.campaign.emails import make_email_plan
from gcbulk.campaign.looking_ahead import about_the_time, preview_plan
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import make_plan
from gcbulk.errors import GcbulkWarning
from gcbulk.messages.letter import Letter
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Sequence
    from concurrent.futures import Executor
    from datetime import datetime
    from decimal import Decimal

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.options import Delivery
    from gcbulk.campaign.plan import Plan
    from gcbulk.campaign.preview import Preview
    from gcbulk.messages.markup import BodyFormat
    from gcbulk.messages.options import SmartCharacters
    from gcbulk.recipients.optouts import OptOuts


def preview(
    recipients: pd.DataFrame,
    message: str,
    *,
    campaign: str | None = None,  # noqa: ARG001 - the same options as send_sms
    client: CommunicationsClient | None = None,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
    international: bool = False,
    opt_outs: OptOuts | None = None,
    one_per_number: bool = False,
    customer_column: Hashable | None = None,
    smart_characters: SmartCharacters = "replace",
    max_parts: int = 3,
    header_length: int = 0,
    price_per_part: Decimal | str | float | None = None,
    show_numbers: bool = False,
    **options: Any,
) -> Preview:
    """What a send with the same options would do, without sending: counts, cost, the texts to read, every problem.

    `recipients` is any DataFrame with a column of numbers; `message` a text with merge fields. Where the
    journal and the customer are known, rows that went already are told too. The result shows itself in a
    notebook or terminal, numbers masked unless `show_numbers`; its `.frame` has the user's columns, the annotations,
    `Text`, and with `price_per_part` (pounds) `Cost`, a Decimal for each row. `.summary()` is a dict.
    Raises RecipientsError, TemplateError or OptionError as `send_sms` would.

    >>> import pandas as pd
    >>> plan = preview(pd.DataFrame({"mobile": ["07700 900123"], "name": ["Ann"]}), "Dear {{ name }}")
    >>> plan.frame["Text"].tolist()
    ['Dear Ann']
    """
    settings = SendOptions(**options)
    intake = IntakeOptions(
        number_column=number_column,
        number_columns=number_columns,
        international=international,
        opt_outs=opt_outs,
        one_per_number=one_per_number,
        customer_column=customer_column,
    )
    texts = TextOptions(
        smart_characters=smart_characters,
        max_parts=max_parts,
        header_length=header_length,
        price_per_part=price_per_part,
    )
    settings.check_time()
    customers = known_customers(intake, settings, client)
    plan = make_plan(recipients, message, intake=intake, texts=texts, customers=customers)
    return preview_plan(plan, settings, client=client, show_numbers=show_numbers)


def send_sms(
    recipients: pd.DataFrame,
    message: str,
    *,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
    international: bool = False,
    opt_outs: OptOuts | None = None,
    one_per_number: bool = False,
    customer_column: Hashable | None = None,
    chunk_size: int = 20,
    concurrency: int = 4,
    calls_per_second: float | None = None,
    timeout: float = 30.0,
    max_attempts: int = 6,
    delivery: Delivery = "at_most_once",
    repeat: bool = False,
    share_identical: bool = False,
    journal: str | os.PathLike[str] | None = None,
    sandbox: bool = False,
    progress: bool = True,
    sender: str | None = None,
    send_at: datetime | str | None = None,
    callback_url: str | None = None,
    quiet_hours: str | Sequence[str] | None = None,
    urgent: bool = False,
    late: bool = False,
    limit: int | None = None,
    test_to: str | None = None,
    executor: Executor | None = None,
    smart_characters: SmartCharacters = "replace",
    max_parts: int = 3,
    header_length: int = 0,
    price_per_part: Decimal | str | float | None = None,
) -> pd.DataFrame:
    """Text every recipient once; the same rows come back, each with a MessageId or an error code.

    `recipients` is any DataFrame (any index, extra columns, dtypes); it is not modified. `message` may hold
    merge fields: column `Parent Name` is `{{ parent_name }}`. Running the same call again is safe: the journal
    knows what went. Whoever is on the user's own opt-out list is left out, besides `opt_outs`. `number_columns`
    are several columns of numbers, the best first; `one_per_number` sends one text a number, and warns where
    texts are left out that differ. `client` defaults to one with the credentials of the environment or keyring.
    A partner names the column that says on whose behalf each row goes, by the customer's id, code or name, in
    `customer_column`; the results have CustomerId and CustomerName then.

    Nothing is sent within `quiet_hours` (UK time; None means 21:00 to 06:00 wherever calls reach people, "off"
    none) unless it is `urgent`. `send_at` is an aware datetime, or UK time. `limit` sends to the first so many, and
    leaves the rest to `resume`. A campaign of an earlier day that is not finished is gone on with only if it is said
    to be `late`. `test_to` sends the first, the longest and the most expensive text to that number and nothing to
    anybody else: those few rows come back, and none of them counts as sent. What looks like a mistake in the
    message brings a GcbulkWarning; `preview` shows it before.

    Returns the user's columns and SentTo, Repair, Status, MessageId, ErrorCode, ErrorDetail, ClientRef (`str`),
    Parts (`Int64`), AcceptedAt (`datetime64[us, UTC]`), under the same index, and with `callback_url` the delivery
    columns of `campaign_results`. `callback_url` is where `gcbulk callbacks` is reached (https), without which, or
    GCBULK_CALLBACK_URL, nothing is heard of delivery; what belongs behind it is added. In every row exactly one of
    MessageId and ErrorCode is set. `results.attrs["campaign"]` names the campaign.

    Raises RecipientsError, TemplateError, OptionError, CredentialsError or JournalError before anything is
    sent. What goes wrong later is a row's Status and ErrorCode; JournalError, where the journal can no longer
    be written: `resume` goes on from there.

    >>> import pandas as pd
    >>> people = pd.DataFrame({"mobile": ["07700 900123", ""], "name": ["Ann", "Bob"]})
    >>> results = send_sms(people, "Dear {{ name }}, school is closed.", sandbox=True, progress=False)
    >>> results[["name", "Status", "ErrorCode"]].values.tolist()
    [['Ann', 'accepted', nan], ['Bob', 'invalid', 'NUMBER_MISSING']]
    """
    options = SendOptions(
        chunk_size=chunk_size,
        concurrency=concurrency,
        calls_per_second=calls_per_second,
        timeout=timeout,
        max_attempts=max_attempts,
        delivery=delivery,
        repeat=repeat,
        share_identical=share_identical,
        journal=journal,
        sandbox=sandbox,
        progress=progress,
        sender=sender,
        send_at=send_at,
        callback_url=callback_url,
        quiet_hours=quiet_hours,
        urgent=urgent,
        late=late,
        limit=limit,
        test_to=test_to,
        executor=executor,
    )
    intake = IntakeOptions(
        number_column=number_column,
        number_columns=number_columns,
        international=international,
        opt_outs=opt_outs,
        one_per_number=one_per_number,
        customer_column=customer_column,
    )
    texts = TextOptions(
        smart_characters=smart_characters,
        max_parts=max_parts,
        header_length=header_length,
        price_per_part=price_per_part,
    )
    customers = known_customers(intake, options, client)
    plan = make_plan(recipients, message, intake=intake, texts=texts, customers=customers)
    return _sent_with_warnings(plan, recipients, options, campaign=campaign, client=client)


def send_email(
    recipients: pd.DataFrame,
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
) -> pd.DataFrame:
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
    plan, settings = _email_plan(recipients, subject, body, client, {**given, **options})
    return _sent_with_warnings(plan, recipients, settings, campaign=campaign, client=client)


def preview_email(
    recipients: pd.DataFrame,
    subject: str,
    body: str | os.PathLike[str],
    *,
    client: CommunicationsClient | None = None,
    show_numbers: bool = False,
    **options: Any,
) -> Preview:
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
    plan, settings = _email_plan(recipients, subject, body, client, options)
    settings.check_time()
    return preview_plan(plan, settings, client=client, show_numbers=show_numbers)


def _email_plan(
    recipients: pd.DataFrame,
    subject: str,
    body: str | os.PathLike[str],
    client: CommunicationsClient | None,
    given: dict[str, Any],
) -> tuple[Plan, SendOptions]:
    """The plan of an email, and how it is sent, from what a user gives for both."""
    intake = IntakeOptions(
        email_column=given.pop("email_column", None),
        opt_outs=given.pop("opt_outs", None),
        one_per_number=given.pop("one_per_address", False),
        customer_column=given.pop("customer_column", None),
        kind=EMAIL,
    )
    attachments = Attachments(**{field: given.pop(name) for name, field in _OF_FILES.items() if name in given})
    letter = Letter(subject, body, body_format=given.pop("body_format", None))
    settings = SendOptions(**given)
    customers = known_customers(intake, settings, client)
    plan = make_email_plan(recipients, letter, intake=intake, attachments=attachments, customers=customers)
    return plan, settings


_OF_FILES: Final = {
    "attachments": "files",
    "attachment_column": "column",
    "attachment_folder": "folder",
    "max_file_mb": "max_file_mb",
    "max_call_mb": "max_call_mb",
}


def _sent_with_warnings(
    plan: Plan,
    recipients: pd.DataFrame,
    options: SendOptions,
    *,
    campaign: str | None,
    client: CommunicationsClient | None,
) -> pd.DataFrame:
    for finding in (*about_the_time(options, client), *plan.findings):
        if finding.severity == "warning":
            warnings.warn(finding.sentence, GcbulkWarning, stacklevel=3)
    sent = send_plan(plan, recipients, options, campaign=campaign, client=client)
    if sent.nothing_left:
        warnings.warn(sent.nothing_left, GcbulkWarning, stacklevel=3)
    return sent.results


def resume(
    campaign: str,
    *,
    recipients: pd.DataFrame | None = None,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
    email_column: Hashable | None = None,
    client: CommunicationsClient | None = None,
    opt_outs: OptOuts | None = None,
    late: bool = False,
    concurrency: int = 4,
    calls_per_second: float | None = None,
    timeout: float = 30.0,
    max_attempts: int = 6,
    delivery: Delivery = "at_most_once",
    journal: str | os.PathLike[str] | None = None,
    progress: bool = True,
    quiet_hours: str | Sequence[str] | None = None,
    urgent: bool = False,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Go on with a campaign that was stopped; returns its results as `send_sms` does.

    Sends only what certainly was not sent. `recipients` rejoins the user's columns. `opt_outs`, and the user's
    own opt-out list as it is now, are applied to what is left. A campaign begun on an earlier day needs
    `late=True`: is what it says still true? One that was scheduled for a time now past goes at once; within quiet
    hours it needs `urgent=True`, as `send_sms` does.
    Raises CampaignError for a name that is not known, another list, another customer or API address.
    """
    options = SendOptions(
        concurrency=concurrency,
        calls_per_second=calls_per_second,
        timeout=timeout,
        max_attempts=max_attempts,
        delivery=delivery,
        journal=journal,
        progress=progress,
        quiet_hours=quiet_hours,
        urgent=urgent,
        late=late,
        executor=executor,
    )
    sent = resume_campaign(
        campaign,
        options,
        recipients=recipients,
        intake=IntakeOptions(
            number_column=number_column, number_columns=number_columns, email_column=email_column, opt_outs=opt_outs
        ),
        client=client,
    )
    if sent.nothing_left:
        warnings.warn(sent.nothing_left, GcbulkWarning, stacklevel=2)
    return sent.results
