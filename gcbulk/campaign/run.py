"""The only place that puts the wings together: recipients and a message in, results out."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from gcbulk.api.client import CommunicationsClient
from gcbulk.api.credentials import reaches_people, resolve_base_url
from gcbulk.campaign import journal as journals
from gcbulk.campaign import schedule
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.history import known_results
from gcbulk.campaign.journal import KIND, TEST, Held, Identity, Journal, begin, go_on, told
from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.plan import Plan, make_plan
from gcbulk.campaign.preview import Preview
from gcbulk.campaign.results import NOT_TOLD, Summary, check_same_list, summarise
from gcbulk.campaign.samples import own_number, trial
from gcbulk.campaign.sending import Manner, RunReport, Sender
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import (
    CampaignError,
    CredentialsError,
    GcbulkWarning,
    JournalError,
    JournalLostError,
    OptionError,
    QuietHoursError,
)
from gcbulk.messages.findings import Finding, are
from gcbulk.messages.options import TextOptions
from gcbulk.progress import Progress, Watch
from gcbulk.recipients.intake import IntakeOptions

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterator, Sequence
    from decimal import Decimal

    import pandas as pd

    from gcbulk.campaign.journal import Campaign, Run
    from gcbulk.campaign.options import Delivery
    from gcbulk.messages.options import SmartCharacters
    from gcbulk.recipients.optouts import OptOuts

logger = logging.getLogger("gcbulk")

CHANNEL: Final = "sms"
PRODUCTION: Final = "https://m5api.groupcall.com"
DRAMA_PREFIX: Final = "+447700900"
OTHER_RUNS_POLL: Final = 0.2
"""Seconds between looks at another run on the same campaign."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run did: the results frame, its summary, and how the run ended."""

    results: pd.DataFrame
    summary: Summary
    campaign: str
    report: RunReport
    nothing_left: str = ""  # why there was nothing left to send; empty where there was


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
    )
    texts = TextOptions(
        smart_characters=smart_characters,
        max_parts=max_parts,
        header_length=header_length,
        price_per_part=price_per_part,
    )
    settings.check_time()
    plan = make_plan(recipients, message, intake=intake, texts=texts)
    return preview_plan(plan, settings, client=client, show_numbers=show_numbers)


def preview_plan(
    plan: Plan, options: SendOptions, *, client: CommunicationsClient | None = None, show_numbers: bool = False
) -> Preview:
    """The preview of a plan: with what the journal knows of its texts, where it can be asked."""
    if options.test_to is not None:
        own_number(options.test_to)
    findings = (*_about_the_time(options, client), *plan.findings)
    if not options.sandbox and journals.journal_exists(options.journal):
        try:
            api = client or CommunicationsClient(timeout=options.timeout)
        except CredentialsError:
            logger.debug("No credentials: the journal cannot be asked what went already")
        else:
            plan = plan.leaving_out(_gone_already(plan, options, api.base_url, api.customer_id))
            if client is None:
                api.close()
    if options.limit is not None:
        plan = plan.leaving_out({int(row): _HELD_BACK for row in plan.ready.nonzero()[0][options.limit :]})
    return Preview(replace(plan, findings=findings), options.scheduled(), show_numbers=show_numbers)


_HELD_BACK: Final = Held(Status.NOT_SENT, ErrorCode.HELD_BACK, SENTENCES[ErrorCode.HELD_BACK])


def _about_the_time(options: SendOptions, client: CommunicationsClient | None) -> Iterator[Finding]:
    """What there is to say about the hour and the day at which texts would reach people."""
    at, moment = schedule.now(), options.scheduled()
    real = _reaches_people(options, client)
    if (refused := options.refusal(at, moment, reaches_people=real)) is not None:
        code = "quiet_hours" if isinstance(refused, QuietHoursError) else "send_at"
        yield Finding(code, "stop", str(refused))
    day = (moment or at).astimezone(LONDON)
    if (real or moment is not None) and (holiday := schedule.bank_holiday(day.date())):
        yield Finding("bank_holiday", "warning", f"{day.day} {day:%B %Y} is a bank holiday: {holiday}.")
    if moment is not None:
        yield Finding(
            "scheduled",
            "note",
            f"Scheduled for {day:%A} {day.day} {day:%B %Y at %H:%M} UK time. A scheduled text cannot be called back: "
            "the API has no call for it.",
        )


def _reaches_people(options: SendOptions, client: CommunicationsClient | None) -> bool:
    """Whether texts would reach people: not from the sandbox, nor from a stand-in on this machine."""
    return not options.sandbox and reaches_people(client.base_url if client else resolve_base_url())


def _gone_already(plan: Plan, options: SendOptions, base_url: str, customer_id: str) -> dict[int, Held]:
    """By position, the rows of a plan that a send would leave out because their text went already."""
    keys = plan.content_keys(base_url=base_url, customer_id=customer_id, channel=CHANNEL)
    scheduled = options.scheduled()
    with Journal(options.journal) as book:
        held = journals.look_up(book, keys, send_at=scheduled.timestamp() if scheduled else None, repeat=options.repeat)
    return {
        int(row): held[key]
        for row, key in zip(plan.ready.nonzero()[0], keys, strict=True)
        if key in held and not held[key].in_flight
    }


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
    )
    intake = IntakeOptions(
        number_column=number_column,
        number_columns=number_columns,
        international=international,
        opt_outs=opt_outs,
        one_per_number=one_per_number,
    )
    texts = TextOptions(
        smart_characters=smart_characters,
        max_parts=max_parts,
        header_length=header_length,
        price_per_part=price_per_part,
    )
    plan = make_plan(recipients, message, intake=intake, texts=texts)
    for finding in (*_about_the_time(options, client), *plan.findings):
        if finding.severity == "warning":
            warnings.warn(finding.sentence, GcbulkWarning, stacklevel=2)
    sent = send_plan(plan, recipients, options, campaign=campaign, client=client)
    if sent.nothing_left:
        warnings.warn(sent.nothing_left, GcbulkWarning, stacklevel=2)
    return sent.results


def send_plan(
    plan: Plan,
    recipients: pd.DataFrame,
    options: SendOptions,
    *,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    watch: Watch | None = None,
) -> Sent:
    """Send a plan made of `recipients`, or test it; what `send_sms` and the faces share. `watch` may stop it."""
    _check_name(campaign)
    watch = watch or Watch()
    if options.test_to is not None:
        plan, recipients = trial(plan, options.test_to)
        # its own campaign, under no rule that is for parents; not under the name that the real one will have
        options = replace(options, test_to=None, limit=None, send_at=None, urgent=True, late=True, repeat=True)
        campaign = None
    with _at_the_platform(options, client) as (api, journal):
        _warn_of_drama_numbers(plan, api)
        scheduled = options.scheduled()
        shape = {
            KIND: TEST if plan.trial else None,
            "sender": options.sender,
            "send_at": scheduled.isoformat() if scheduled else None,
            "share_identical": options.share_identical,
            "one_per_number": plan.one_per_number,
        }
        identity = Identity(
            base_url=api.base_url,
            customer_id=api.customer_id,
            channel=CHANNEL,
            options={name: value for name, value in shape.items() if value},
            recipients_hash=plan.recipients_hash(),
            texts_hash=plan.texts_hash(),
            row_count=len(plan.frame),
        )
        journals.purge(journal, older_than_days=journals.keep_days())
        begun = begin(
            journal,
            identity,
            name=campaign,
            send_at=scheduled.timestamp() if scheduled else None,
            repeat=options.repeat,
            lease=_lease(api),
            late=options.late,
            again=options.again,
            refusal=options.refusal(schedule.now(), scheduled, reaches_people=_reaches_people(options, api)),
        )
        with begun.run.alive(on_stop=watch.stop):
            rows = plan.rows(
                base_url=api.base_url,
                customer_id=api.customer_id,
                channel=CHANNEL,
                chunk_size=options.chunk_size,
                share_identical=options.share_identical,
            )
            if begun.fresh:
                journal.write_rows(begun.run.campaign, rows)
            else:
                _follow_opt_outs(begun.run, plan, rows, options)
            return _deliver(begun.run, api, options, recipients, wanted=bool(plan.ready.any()), watch=watch)


def _follow_opt_outs(run: Run, plan: Plan, rows: Iterator[dict[str, Any]], options: SendOptions) -> None:
    """Go on with a campaign as the opt-out lists are by now: some have opted out since, some are back."""
    out = plan.frame.loc[plan.frame["Status"] == Status.OPTED_OUT, "SentTo"]
    if len(out):
        run.opt_out(set(out), again=options.again)
    ready = plan.ready
    back = {position for position in run.opted_out() if ready[position]}
    if back:
        run.take_in((row for row in rows if row["position"] in back), chunk_size=options.chunk_size)


def resume(
    campaign: str,
    *,
    recipients: pd.DataFrame | None = None,
    number_column: Hashable | None = None,
    number_columns: Sequence[Hashable] | None = None,
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
    )
    sent = resume_campaign(
        campaign,
        options,
        recipients=recipients,
        intake=IntakeOptions(number_column=number_column, number_columns=number_columns, opt_outs=opt_outs),
        client=client,
    )
    if sent.nothing_left:
        warnings.warn(sent.nothing_left, GcbulkWarning, stacklevel=2)
    return sent.results


def resume_campaign(
    name: str,
    options: SendOptions,
    *,
    recipients: pd.DataFrame | None = None,
    intake: IntakeOptions,
    client: CommunicationsClient | None = None,
    watch: Watch | None = None,
) -> Sent:
    """Go on with a campaign; what `resume` and the faces share. `watch` looks on, and may stop it."""
    watch = watch or Watch()
    out = intake.opted_out()
    with _at_the_platform(options, client) as (api, journal):
        known = journal.campaign(name)
        refuse_other_platform(known, api)
        if recipients is not None:
            check_same_list(known, journal.records(known), recipients, intake)
        at = schedule.now()
        refusal = options.refusal(at, _still_ahead(known, at), reaches_people=_reaches_people(options, api))
        if known.options.get(KIND) == TEST:
            refusal = None
        run = go_on(journal, known, lease=_lease(api), late=options.late, again=options.again, refusal=refusal)
        with run.alive(on_stop=watch.stop):
            if out:
                run.opt_out(out, again=options.again)
            return _deliver(run, api, options, recipients, wanted=True, watch=watch)


@contextmanager
def client_for(options: SendOptions) -> Iterator[CommunicationsClient | None]:
    """The client that a send will use, its credentials found before anything is asked; None for the sandbox."""
    if options.sandbox:
        yield None
        return
    with CommunicationsClient(timeout=options.timeout) as client:
        yield client


def _deliver(
    run: Run,
    client: CommunicationsClient,
    options: SendOptions,
    recipients: pd.DataFrame | None,
    *,
    wanted: bool,
    watch: Watch,
) -> Sent:
    """Send what a run's campaign has left, and read back what came of every row."""
    journal, shape = run.journal, run.campaign.options
    ahead = _still_ahead(run.campaign, schedule.now())
    journals.match_again(journal, run.campaign)
    run.recall()
    up_to = None if options.limit is None else journal.last_of_the_first(run.campaign, options.limit)
    manner = Manner(
        concurrency=options.concurrency,
        calls_per_second=options.calls_per_second,
        max_attempts=options.max_attempts,
        at_least_once=options.again,
        sender=shape.get("sender"),
        send_at=shape.get("send_at") if ahead else None,
        callback_url=_callback_url(run, options),
        up_to=up_to,
    )
    left = journal.count_states(run.campaign, up_to=up_to)
    if run.campaign.send_at is not None and not ahead and left.get(Status.READY):
        logger.warning("The time that campaign %r was scheduled for is past: it goes at once", run.campaign.name)
    to_send = left.get(Status.READY, 0) + (left.get(Status.UNKNOWN, 0) if manner.at_least_once else 0)
    with Progress(to_send, "Texts", enabled=options.progress, watch=watch) as bar:
        sender = Sender(run, client, manner, bar)
        try:
            report = sender.send()
            if report.stop_code is None:
                _wait_for_other_runs(run, report, bar)
            held_back = ErrorCode.HELD_BACK if options.limit is not None else None
            run.end(stop_code=report.stop_code or held_back, stop_detail=report.stop_detail or None)
            campaign = journal.campaign(run.campaign.name)
            results = known_results(journal, campaign, recipients)
        except JournalError as error:
            if not sender.report.calls:
                raise
            raise JournalLostError(
                f"{error} No further call was made. Campaign {run.campaign.name!r} knows what went before: resume it."
            ) from None
    summary = summarise(results)
    nothing_left = _nothing_left(campaign, results) if wanted and not to_send and not report.calls else ""
    _tell(campaign, summary, report)
    return Sent(results, summary, campaign.name, report, nothing_left)


def _still_ahead(campaign: Campaign, at: datetime) -> datetime | None:
    """When a campaign is scheduled for; None where it goes now, its time being past included."""
    if campaign.send_at is None or campaign.send_at <= at.timestamp():
        return None
    return datetime.fromtimestamp(campaign.send_at, UTC)


@contextmanager
def _at_the_platform(
    options: SendOptions, client: CommunicationsClient | None
) -> Iterator[tuple[CommunicationsClient, Journal]]:
    """A client and a journal to send with: the real ones, or the sandbox with a throwaway journal."""
    with ExitStack() as stack:
        if options.sandbox:
            if client is not None:
                raise OptionError("sandbox=True brings its own client. Leave client out, or leave sandbox out.")
            from gcbulk.sandbox import Sandbox

            local = stack.enter_context(Sandbox())
            client = CommunicationsClient(local.customer_id, local.api_key, base_url=local.url, timeout=options.timeout)
            stack.callback(client.close)
        elif client is None:
            client = stack.enter_context(CommunicationsClient(timeout=options.timeout))
        book = Journal(options.journal or ("sqlite://" if options.sandbox else None))
        yield client, stack.enter_context(book)


def _callback_url(run: Run, options: SendOptions) -> str | None:
    """Where the platform is to report on this campaign, with what nobody else can know; None where nobody listens."""
    base = options.callback_base() or run.campaign.callback_url
    if base is None:
        return None
    if not options.sandbox and journals.receiver_noted(run.journal) is None:
        warnings.warn(
            f"No receiver of delivery news was ever started on the journal {run.journal.shown}. One that listens at "
            "the callback URL on another journal refuses the news of this campaign. "
            "Start one on this journal: gcbulk callbacks",
            GcbulkWarning,
            stacklevel=5,
        )
    return campaign_url(base, journals.callback_token(run.journal, run.campaign, base))


def _check_name(campaign: str | None) -> None:
    if campaign is not None and not (isinstance(campaign, str) and campaign.strip() and campaign.isprintable()):
        raise OptionError(f"campaign must be a name of letters, digits and signs, not {campaign!r}.")


def _lease(client: CommunicationsClient) -> float:
    """Seconds without a heartbeat after which a run counts as dead: longer than any call of its can last."""
    return 2 * client.timeout + 60


def _warn_of_drama_numbers(plan: Plan, client: CommunicationsClient) -> None:
    if client.base_url != PRODUCTION:
        return
    drama = int(plan.frame.loc[plan.ready, "SentTo"].str.startswith(DRAMA_PREFIX).sum())
    if drama:
        warnings.warn(
            f"{are(drama, 'number')} from the range kept for drama (07700 900000 to 900999): no such phone exists. "
            "To try things out, use the sandbox.",
            GcbulkWarning,
            stacklevel=4,
        )


def refuse_other_platform(campaign: Campaign, client: CommunicationsClient) -> None:
    """Raise CampaignError where a client is another customer's than the campaign, or calls another address."""
    if client.customer_id != campaign.customer_id:
        raise CampaignError(
            f"Campaign {campaign.name!r} belongs to customer {campaign.customer_id}, not {client.customer_id}."
        )
    if client.base_url != campaign.base_url:
        raise CampaignError(
            f"Campaign {campaign.name!r} was begun at {campaign.base_url}, not {client.base_url}. "
            "Go on with that address (GCBULK_BASE_URL)."
        )


def _wait_for_other_runs(run: Run, report: RunReport, bar: Progress) -> None:
    """Wait until no other run has rows of this campaign in flight, but no longer than its lease."""
    ends = time.monotonic() + run.lease
    try:
        while run.others_in_flight() and time.monotonic() < ends and not bar.stop_asked:
            bar.say(f"waiting for another run on this campaign, {ends - time.monotonic():.0f} s at most")
            time.sleep(OTHER_RUNS_POLL)
    except KeyboardInterrupt:
        report.interrupted = True


def _nothing_left(campaign: Campaign, results: pd.DataFrame) -> str:
    if (results["ErrorCode"] == ErrorCode.HELD_BACK).any():
        return f"Nothing was left to send within the limit. Campaign {campaign.name!r} holds the rest back: resume it."
    again = (
        "To send it again on purpose, give it another name."
        if campaign.repeat
        else "To send it again on purpose, use repeat=True (--repeat)."
    )
    earlier = results.loc[results["ErrorCode"] == ErrorCode.ALREADY_SENT, "ErrorDetail"]
    if len(earlier):
        return f"Nothing was left to send. The first text: {earlier.iloc[0]}"
    if (results["Status"] == Status.UNKNOWN).any():
        again = "Settle what is unknown before you send anything again."
    went = results["Status"].isin([Status.ACCEPTED.value, Status.PARTLY_ACCEPTED.value]).any()
    when = f"was {'sent' if went else 'tried'} on {told(campaign.created_at)}"
    return f"Nothing was left to send: campaign {campaign.name!r} {when}. {again}"


def _tell(campaign: Campaign, summary: Summary, report: RunReport) -> None:
    """End the run by saying what is known: loudly where somebody has not been told."""
    if report.stop_code is not None:
        logger.warning("The run stopped early: %s", report.stop_detail)
    unknown = summary.statuses.get(Status.UNKNOWN, 0)
    if unknown:
        logger.warning("Unknown outcome: %s. %s", are(unknown, "row"), SENTENCES[ErrorCode.OUTCOME_UNKNOWN])
    if summary.not_told:
        logger.warning(
            "Campaign %r: not told, as far as is known: %d of %s (%s)",
            campaign.name,
            summary.not_told,
            are(summary.total, "row"),
            ", ".join(f"{summary.statuses[s]} {s}" for s in NOT_TOLD if s in summary.statuses),
        )
    logger.info("Campaign %r: accepted %d of %s", campaign.name, summary.accepted, are(summary.total, "row"))
