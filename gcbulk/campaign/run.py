"""The public functions that put the wings together: recipients and a message in, results out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, overload

from gcbulk.campaign.connecting import known_customers
from gcbulk.campaign.lists import previewed, resumed, sent
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import make_plan
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable, Sequence
    from concurrent.futures import Executor
    from datetime import datetime
    from decimal import Decimal

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.options import Delivery
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.result_pieces import ResultPieces
    from gcbulk.campaign.survey import Survey
    from gcbulk.messages.options import SmartCharacters
    from gcbulk.recipients.optouts import OptOuts


@overload
def preview(recipients: pd.DataFrame, message: str, **options: Any) -> Preview: ...
@overload
def preview(recipients: Iterable[pd.DataFrame], message: str, **options: Any) -> Survey: ...
def preview(
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
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
) -> Preview | Survey:
    """What a send with the same options would do, without sending: counts, cost, the texts to read, every problem.

    `recipients` is any DataFrame with a column of numbers; `message` a text with merge fields. Where the
    journal and the customer are known, rows that went already are told too. The result shows itself in a
    notebook or terminal, numbers masked unless `show_numbers`; its `.frame` has the user's columns, the annotations,
    `Text`, and with `price_per_part` (pounds) `Cost`, a Decimal for each row. `.summary()` is a dict.
    Of recipients in pieces, as `send_sms` takes them, it has no `.frame`.
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
    make = partial(make_plan, message=message, texts=texts, customers=customers)
    return previewed(recipients, make, intake, settings, client=client, show_numbers=show_numbers)


@overload
def send_sms(recipients: pd.DataFrame, message: str, **options: Any) -> pd.DataFrame: ...
@overload
def send_sms(recipients: Iterable[pd.DataFrame], message: str, **options: Any) -> ResultPieces: ...
def send_sms(  # type: ignore[misc]  # the overloads leave the options to be named here
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
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
) -> pd.DataFrame | ResultPieces:
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

    `executor` has its workers make the calls, at most `concurrency` at once over all of them: any
    `concurrent.futures.Executor`, such as Dask's `client.get_executor()` or a `ProcessPoolExecutor` that spawns. They
    are told which call to make; texts come from the journal, keys from their own environment or keyring. One that
    cannot make calls stops the run, and says why. By default threads of this process make them.

    Returns the user's columns and SentTo, Repair, Status, MessageId, ErrorCode, ErrorDetail, ClientRef (`str`),
    Parts (`Int64`), AcceptedAt (`datetime64[us, UTC]`), under the same index, and with `callback_url` the delivery
    columns of `campaign_results`. `callback_url` is where `gcbulk callbacks` is reached (https), without which, or
    GCBULK_CALLBACK_URL, nothing is heard of delivery; what belongs behind it is added. In every row exactly one of
    MessageId and ErrorCode is set. `results.attrs["campaign"]` names the campaign.

    A list that is larger than memory is given in pieces: `read_in_pieces(file)`, a list or iterator of DataFrames, or a
    Dask DataFrame. The same goes to the same people; a ResultPieces comes back, from which the results are read
    piece by piece, and rows are named by their place in the whole list.

    Raises RecipientsError, TemplateError, OptionError, CredentialsError or JournalError before anything is
    sent. What goes wrong later is a row's Status and ErrorCode; JournalError, where the journal can no longer
    be written: `resume` goes on from there.

    >>> import pandas as pd
    >>> people = pd.DataFrame({"mobile": ["07700 900123", ""], "name": ["Ann", "Bob"]})
    >>> results = send_sms(people, "Dear {{ name }}, school is closed.", sandbox=True, progress=False)
    >>> results[["name", "Status", "ErrorCode"]].values.tolist()
    [['Ann', 'accepted', nan], ['Bob', 'invalid', 'NUMBER_MISSING']]

    With workers, here threads:

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     results = send_sms(people, "Closed.", sandbox=True, executor=pool, progress=False)
    >>> results["Status"].tolist()
    ['accepted', 'invalid']
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
    make = partial(make_plan, message=message, texts=texts, customers=customers)
    return sent(recipients, make, intake, options, customers, campaign=campaign, client=client)


@overload
def resume(campaign: str, *, recipients: pd.DataFrame | None = None, **options: Any) -> pd.DataFrame: ...
@overload
def resume(campaign: str, *, recipients: Iterable[pd.DataFrame], **options: Any) -> ResultPieces: ...
def resume(  # type: ignore[misc]  # the overloads leave the options to be named here
    campaign: str,
    *,
    recipients: pd.DataFrame | Iterable[pd.DataFrame] | None = None,
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
) -> pd.DataFrame | ResultPieces:
    """Go on with a campaign that was stopped; returns its results as `send_sms` does.

    Sends only what certainly was not sent. `recipients` rejoins the user's columns. `opt_outs`, and the user's
    own opt-out list as it is now, are applied to what is left. A campaign begun on an earlier day needs
    `late=True`: is what it says still true? One that was scheduled for a time now past goes at once; within quiet
    hours it needs `urgent=True`, as `send_sms` does. `recipients` in pieces bring a ResultPieces, and `executor` has
    its workers make the calls, as there.
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
    intake = IntakeOptions(
        number_column=number_column, number_columns=number_columns, email_column=email_column, opt_outs=opt_outs
    )
    return resumed(campaign, options, intake, recipients, client=client)
