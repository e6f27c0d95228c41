"""Sending a plan, or going on with a campaign: what the public functions and the faces share."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from gcbulk.campaign import journal as journals
from gcbulk.campaign import schedule
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.calling import manner_of_messages
from gcbulk.campaign.connecting import (
    at_the_platform,
    drama_numbers,
    people_are_reached,
    warn_of_drama_numbers,
)
from gcbulk.campaign.dispatching import at_workers
from gcbulk.campaign.doubts import in_doubt
from gcbulk.campaign.ending import nothing_left, tell
from gcbulk.campaign.history import known_results
from gcbulk.campaign.journal import KIND, TEST, Journal
from gcbulk.campaign.results import Summary, check_same_list, summarise
from gcbulk.campaign.samples import trial
from gcbulk.campaign.sending import RunReport, Sender
from gcbulk.campaign.starting import Listed, begin_on, check_name, check_whose, going_on, still_ahead
from gcbulk.codes import ErrorCode, Status
from gcbulk.errors import JournalError, JournalLostError, warn
from gcbulk.progress import Progress, Watch
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.journal import Campaign, PlannedRow, Run
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan
    from gcbulk.recipients.intake import IntakeOptions

_Results = TypeVar("_Results")

logger = logging.getLogger("gcbulk")

OTHER_RUNS_POLL: Final = 0.2
"""Seconds between looks at another run on the same campaign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How a run ended, and what came of its campaign in numbers."""

    summary: Summary
    campaign: str
    report: RunReport
    nothing_left: str = ""  # why there was nothing left to send; empty where there was


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Ran):
    """What a run did: the results frame, its summary, and how the run ended."""

    results: pd.DataFrame


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
    check_name(campaign)
    watch = watch or Watch()
    if options.test_to is not None:
        plan, recipients = trial(plan, options.test_to)
        # its own campaign, under no rule that is for parents; not under the name that the real one will have
        options = replace(options, test_to=None, limit=None, send_at=None, urgent=True, late=True, repeat=True)
        campaign = None
    many = plan.customers is not None
    with at_the_platform(options, client, customers=plan.known, many=many) as (api, journal):
        check_whose(plan.asked if many else None, api)
        warn_of_drama_numbers(drama_numbers(plan), api)
        journals.purge(journal, older_than_days=journals.keep_days())
        listed = Listed(
            channel=plan.channel,
            asked={one: plan.known[one] for one in plan.asked} if many else None,
            trial=plan.trial,
            one_per_number=plan.one_per_number,
            recipients_hash=plan.recipients_hash(),
            texts_hash=plan.texts_hash(),
            row_count=len(plan.frame),
            contents=() if plan.contents is None else plan.contents.astype(object).tolist(),
        )
        begun = begin_on(listed, journal, api, options, name=campaign)
        with begun.run.alive(on_stop=watch.stop):
            calls = plan.calls(options.chunk_size, share_identical=options.share_identical)
            rows = plan.rows(calls, base_url=api.base_url, customer_id=api.customer_id)
            if begun.fresh:
                journal.write_rows(begun.run.campaign, rows)
            else:
                journals.renew_reasons(journal, begun.run.campaign, plan.reasons())
                _follow_opt_outs(begun.run, plan, rows, options)
            return _deliver(begun.run, api, options, recipients, wanted=bool(plan.ready.any()), watch=watch)


def _held_by_the_hour(
    options: SendOptions, client: CommunicationsClient, moment: datetime | None
) -> dict[str, tuple[ErrorCode, str]]:
    """The customers of a partner to whose people nothing may go at this time, and why."""
    if client.customers is None:
        return {}
    at, real = schedule.now(), people_are_reached(options, client)
    found = {}
    for one in client.customers.all().values():
        refused = options.refusal(at, moment, reaches_people=real, own_hours=one.quiet_hours)
        if refused is not None:
            found[one.id] = (ErrorCode.HELD_BACK, f"{one.name}: {refused} Or resume later.")
    return found


def _follow_opt_outs(run: Run, plan: Plan, rows: Iterator[PlannedRow], options: SendOptions) -> None:
    """Go on with a campaign as the opt-out lists are by now: some have opted out since, some are back."""
    out = plan.frame.loc[plan.frame["Status"] == Status.OPTED_OUT, "SentTo"]
    if len(out):
        run.opt_out(set(out), again=options.again)
    ready = plan.ready
    back = {position for position in run.opted_out() if ready[position]}
    if back:
        run.take_in(
            (row for row in rows if row.position in back),
            chunk_size=options.chunk_size,
            sizes=plan.sizes_by_row(),
            most_bytes=plan.most_bytes_a_call,
        )


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

    def check(journal: Journal, known: Campaign, intake: IntakeOptions) -> None:
        if recipients is not None:
            check_same_list(known, journal.records(known), recipients, intake)

    with going_on(name, options, intake=intake, client=client, watch=watch, check=check) as (api, run):
        return _deliver(run, api, options, recipients, wanted=True, watch=watch)


def _deliver(
    run: Run,
    client: CommunicationsClient,
    options: SendOptions,
    recipients: pd.DataFrame | None,
    *,
    wanted: bool,
    watch: Watch,
) -> Sent:
    """Send what a run's campaign has left, and read back what came of every row, as one frame."""
    results, ran = deliver(
        run,
        client,
        options,
        lambda campaign: known_results(run.journal, campaign, recipients, directory=client.customers),
        summarise,
        wanted=wanted,
        watch=watch,
    )
    return Sent(
        results=results,
        summary=ran.summary,
        campaign=ran.campaign,
        report=ran.report,
        nothing_left=ran.nothing_left,
    )


def deliver(
    run: Run,
    client: CommunicationsClient,
    options: SendOptions,
    read: Callable[[Campaign], _Results],
    sum_up: Callable[[_Results], Summary],
    *,
    wanted: bool,
    watch: Watch,
) -> tuple[_Results, Ran]:
    """Send what a run's campaign has left, `read` back what came of it, and say so."""
    journal, shaped = run.journal, run.campaign.options
    ahead = still_ahead(run.campaign, schedule.now())
    journals.match_again(journal, run.campaign)
    doubts = run.recall()
    up_to = None if options.limit is None else journal.last_of_the_first(run.campaign, options.limit)
    going = [doubt for row, doubt in doubts.items() if up_to is None or row <= up_to]
    if going and shaped.get(KIND) != TEST:
        warn(in_doubt(going, KINDS[run.campaign.channel]))
    manner = replace(
        manner_of_messages(
            run.campaign,
            send_at=shaped.get("send_at") if ahead else None,
            callback_url=_callback_url(run, options),
        ),
        concurrency=options.concurrency,
        calls_per_second=options.calls_per_second,
        max_attempts=options.max_attempts,
        at_least_once=options.again,
        up_to=up_to,
        held={} if shaped.get(KIND) == TEST else _held_by_the_hour(options, client, ahead),
    )
    left = journal.count_states(run.campaign, up_to=up_to)
    if run.campaign.send_at is not None and not ahead and left.get(Status.READY):
        logger.warning("The time that campaign %r was scheduled for is past: it goes at once", run.campaign.name)
    to_send = left.get(Status.READY, 0) + (left.get(Status.UNKNOWN, 0) if manner.at_least_once else 0)
    with Progress(
        to_send, f"{KINDS[run.campaign.channel].message.capitalize()}s", enabled=options.progress, watch=watch
    ) as bar:
        sender = Sender(run, client, manner, bar, caller=at_workers(options.executor, run, client, manner))
        try:
            report = sender.send()
            if report.stop_code is None:
                _wait_for_other_runs(run, report, bar)
            held_back = ErrorCode.HELD_BACK if options.limit is not None else None
            run.end(stop_code=report.stop_code or held_back, stop_detail=report.stop_detail or None)
            campaign = journal.campaign(run.campaign.name)
            results = read(campaign)
        except JournalError as error:
            if not sender.report.calls:
                raise
            raise JournalLostError(
                f"{error} No further call was made. Campaign {run.campaign.name!r} knows what went before: resume it."
            ) from None
    summary = sum_up(results)
    why = nothing_left(campaign, summary) if wanted and not to_send and not report.calls else ""
    tell(campaign, summary, report)
    return results, Ran(summary=summary, campaign=campaign.name, report=report, nothing_left=why)


def _callback_url(run: Run, options: SendOptions) -> str | None:
    """Where the platform is to report on this campaign, with what nobody else can know; None where nobody listens."""
    base = options.callback_base() or run.campaign.callback_url
    if base is None:
        return None
    if not options.sandbox and journals.receiver_noted(run.journal) is None:
        warn(
            f"No receiver of delivery news was ever started on the journal {run.journal.shown}. One that listens at "
            "the callback URL on another journal refuses the news of this campaign. "
            "Start one on this journal: gcbulk callbacks"
        )
    return campaign_url(base, journals.callback_token(run.journal, run.campaign, base))


def _wait_for_other_runs(run: Run, report: RunReport, bar: Progress) -> None:
    """Wait until no other run has rows of this campaign in flight, but no longer than its lease."""
    ends = time.monotonic() + run.lease
    try:
        while run.others_in_flight() and time.monotonic() < ends and not bar.stop_asked:
            bar.say(f"waiting for another run on this campaign, {ends - time.monotonic():.0f} s at most")
            time.sleep(OTHER_RUNS_POLL)
    except KeyboardInterrupt:
        report.interrupted = True
