"""A run on a campaign, begun or gone on with: what makes a list a campaign, and what may not start now."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gcbulk.api.partner import resolve_partner
from gcbulk.campaign import journal as journals
from gcbulk.campaign import schedule
from gcbulk.campaign.connecting import at_the_platform, lease, people_are_reached, refuse_other_platform
from gcbulk.campaign.journal import KIND, TEST, Identity, Journal, begin, go_on
from gcbulk.codes import Status
from gcbulk.errors import OptionError
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.api.customers import Customer
    from gcbulk.campaign.journal import Begun, Campaign, Run
    from gcbulk.campaign.options import SendOptions
    from gcbulk.progress import Watch
    from gcbulk.recipients.intake import IntakeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What makes a list the campaign that it is. `asked` are a partner's customers in it, by id; else None."""

    channel: str
    asked: Mapping[str, Customer] | None
    trial: bool = False
    one_per_number: bool
    recipients_hash: str
    texts_hash: str
    row_count: int
    contents: Sequence[str | None] = ()


def begin_on(
    listed: Listed,
    journal: Journal,
    api: CommunicationsClient,
    options: SendOptions,
    *,
    name: str | None,
    written: Run | None = None,
) -> Begun:
    """The run on the campaign of a list: a new one, or the one that it is already. `written`: on a draft of it."""
    scheduled = options.scheduled()
    shape = {
        KIND: TEST if listed.trial else None,
        **options.of_channel(listed.channel),
        "senders": {one.id: one.sender for one in (listed.asked or {}).values() if one.sender},
        "send_at": scheduled.isoformat() if scheduled else None,
        "share_identical": options.share_identical,
        "one_per_number": listed.one_per_number,
    }
    identity = Identity(
        base_url=api.base_url,
        customer_id=api.customer_id,
        channel=listed.channel,
        options={option: value for option, value in shape.items() if value},
        recipients_hash=listed.recipients_hash,
        texts_hash=listed.texts_hash,
        row_count=listed.row_count,
        contents=listed.contents,
    )
    return begin(
        journal,
        identity,
        name=name,
        send_at=scheduled.timestamp() if scheduled else None,
        repeat=options.repeat,
        lease=lease(api),
        late=options.late,
        again=options.again,
        refusal=_why_refused(options, api, scheduled, None if listed.asked is None else [*listed.asked]),
        written=written,
    )


@contextmanager
def going_on(
    name: str,
    options: SendOptions,
    *,
    intake: IntakeOptions,
    client: CommunicationsClient | None,
    watch: Watch,
    check: Callable[[Journal, Campaign, IntakeOptions], None],
) -> Iterator[tuple[CommunicationsClient, Run]]:
    """A run, alive, that goes on with a campaign; `check` refuses a list that is not the campaign's."""
    many = client is None and _is_a_partner_s(name, options)
    with at_the_platform(options, client, many=many) as (api, journal):
        known = journal.campaign(name)
        intake = replace(intake, kind=KINDS[known.channel])
        out = intake.opted_out()
        refuse_other_platform(known, api)
        check(journal, known, intake)
        customers = journal.customers_with(known, Status.READY) if known.of_a_partner else None
        refusal = _why_refused(options, api, still_ahead(known, schedule.now()), customers)
        if known.options.get(KIND) == TEST:
            refusal = None
        run = go_on(journal, known, lease=lease(api), late=options.late, again=options.again, refusal=refusal)
        with run.alive(on_stop=watch.stop):
            if out:
                run.opt_out(out, again=options.again)
            yield api, run


def check_name(campaign: str | None) -> None:
    """Raise OptionError for what is no name of a campaign."""
    if campaign is not None and not (isinstance(campaign, str) and campaign.strip() and campaign.isprintable()):
        raise OptionError(f"campaign must be a name of letters, digits and signs, not {campaign!r}.")


def check_whose(asked: Sequence[str] | None, client: CommunicationsClient) -> None:
    """Raise, before anything is sent, where it cannot be told for whom, or where keys cannot be read.

    `asked` are the ids of the customers on whose behalf something goes; None where a list is one customer's alone.
    """
    if asked is None and client.customers is not None:
        raise OptionError(
            "A partner sends on behalf of its customers: say which column names the customer of each row, with "
            "customer_column= (--customer-column)."
        )
    if asked is not None:
        if client.customers is None:
            raise OptionError(f"This client sends for customer {client.customer_id} alone.")
        client.customers.check_store(asked)


def _why_refused(
    options: SendOptions, client: CommunicationsClient, moment: datetime | None, customers: Sequence[str] | None
) -> OptionError | None:
    """Why nothing at all may be sent at this time; one customer's own quiet hours hold up nobody else."""
    at, real = schedule.now(), people_are_reached(options, client)
    if not customers or client.customers is None:
        return options.refusal(at, moment, reaches_people=real)
    hours = {client.customers.all()[one].quiet_hours if one in client.customers.all() else "" for one in customers}
    refused = [options.refusal(at, moment, reaches_people=real, own_hours=own) for own in sorted(hours)]
    return next((one for one in refused if one is not None), None) if all(refused) else None


def _is_a_partner_s(name: str, options: SendOptions) -> bool:
    """Whether a campaign is one that a partner sent for many; where no journal or name is known, it is not."""
    if resolve_partner() is None or not journals.journal_exists(options.journal):
        return False
    with Journal(options.journal) as book:
        return book.campaign(name).of_a_partner


def still_ahead(campaign: Campaign, at: datetime) -> datetime | None:
    """When a campaign is scheduled for; None where it goes now, its time being past included."""
    if campaign.send_at is None or campaign.send_at <= at.timestamp():
        return None
    return datetime.fromtimestamp(campaign.send_at, UTC)
