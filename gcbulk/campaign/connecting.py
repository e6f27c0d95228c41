"""The client and the journal that a run sends with: the real ones, or the sandbox and a throwaway journal."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from gcbulk.api.client import CommunicationsClient, a_client, checked_client
from gcbulk.api.credentials import reaches_people, resolve_base_url
from gcbulk.campaign.journal import Journal
from gcbulk.errors import CampaignError, GcbulkWarning, OptionError
from gcbulk.messages.findings import are

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.campaign.journal import Campaign
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan

PRODUCTION: Final = "https://m5api.groupcall.com"
DRAMA_PREFIX: Final = "+447700900"


@contextmanager
def client_for(options: SendOptions) -> Iterator[CommunicationsClient | None]:
    """The client that a send will use, its credentials found before anything is asked; None for the sandbox."""
    if options.sandbox:
        yield None
        return
    with CommunicationsClient(timeout=options.timeout) as client:
        yield client


@contextmanager
def at_the_platform(
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
        else:
            client = stack.enter_context(a_client(client, timeout=options.timeout))
        book = Journal(options.journal or ("sqlite://" if options.sandbox else None))
        yield client, stack.enter_context(book)


def lease(client: CommunicationsClient) -> float:
    """Seconds without a heartbeat after which a run counts as dead: longer than any call of its can last."""
    return 2 * client.timeout + 60


def people_are_reached(options: SendOptions, client: CommunicationsClient | None) -> bool:
    """Whether texts would reach people: not from the sandbox, nor from a stand-in on this machine."""
    address = resolve_base_url() if client is None else checked_client(client).base_url
    return not options.sandbox and reaches_people(address)


def warn_of_drama_numbers(plan: Plan, client: CommunicationsClient) -> None:
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
