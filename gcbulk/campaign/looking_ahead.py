"""What can be told before anything is sent: what a plan would do, what went already, what the hour forbids."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gcbulk.campaign import journal as journals
from gcbulk.campaign import schedule
from gcbulk.campaign.connecting import default_client, people_are_reached
from gcbulk.campaign.doubts import about_doubts
from gcbulk.campaign.journal import Held, Journal
from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.preview import Preview
from gcbulk.campaign.samples import own_contact
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.errors import CredentialsError, QuietHoursError
from gcbulk.messages.findings import Finding
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.journal import Doubt
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan

logger = logging.getLogger("gcbulk")

HELD_BACK: Final = Held(Status.NOT_SENT, ErrorCode.HELD_BACK, SENTENCES[ErrorCode.HELD_BACK])


def preview_plan(
    plan: Plan, options: SendOptions, *, client: CommunicationsClient | None = None, show_numbers: bool = False
) -> Preview:
    """The preview of a plan: with what the journal knows of its texts, where it can be asked."""
    if options.test_to is not None:
        own_contact(options.test_to, plan.channel)
    said = plan.findings
    doubts: dict[int, Doubt] = {}
    if not options.sandbox and journals.journal_exists(options.journal):
        try:
            api = client or default_client(options, many=plan.customers is not None)
        except CredentialsError:
            logger.debug("No credentials: the journal cannot be asked what went already")
        else:
            plan, doubts = gone_already(plan, options, api)
            if client is None:
                api.close()
    if options.limit is not None:
        plan = plan.leaving_out({int(row): HELD_BACK for row in plan.ready.nonzero()[0][options.limit :]})
    ready = plan.ready
    doubts = {row: doubt for row, doubt in doubts.items() if ready[row]}
    findings = (*about_the_sending(options, client), *about_doubts(doubts, KINDS[plan.channel]), *said)
    return Preview(replace(plan, findings=findings), options.scheduled(), show_numbers=show_numbers)


def about_the_sending(options: SendOptions, client: CommunicationsClient | None) -> Iterator[Finding]:
    """What there is to say about the hour and the day at which messages would reach people, and from whom they are."""
    for option, question in options.slips():
        yield Finding("address_slip", "warning", f"{option} may be mistyped, and goes out as written. {question}")
    at, moment = schedule.now(), options.scheduled()
    real = people_are_reached(options, client)
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


def gone_already(plan: Plan, options: SendOptions, api: CommunicationsClient) -> tuple[Plan, dict[int, Doubt]]:
    """A plan without the rows that a send would leave out because their text went already.

    And by position those of which it is not known to this day whether they went on an earlier one.
    """
    keys = plan.content_keys(base_url=api.base_url, customer_id=api.customer_id)
    scheduled = options.scheduled()
    with Journal(options.journal) as book:
        held, doubts = journals.look_up(
            book,
            keys,
            contents=dict(zip(keys, plan.contents[plan.ready], strict=True)) if plan.contents is not None else {},
            send_at=scheduled.timestamp() if scheduled else None,
            repeat=options.repeat,
        )
    rows = [(int(row), key) for row, key in zip(plan.ready.nonzero()[0], keys, strict=True)]
    left_out = {row: held[key] for row, key in rows if key in held and not held[key].in_flight}
    return plan.leaving_out(left_out), {row: doubts[key] for row, key in rows if key in doubts}
