"""The client and the journal that a run sends with: the real ones, or the sandbox and a throwaway journal."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from gcbulk.api.client import CommunicationsClient, checked_client
from gcbulk.api.credentials import reaches_people, resolve_base_url
from gcbulk.api.customers import Customer, Customers, FixedCustomers
from gcbulk.api.partner import Partner, resolve_partner
from gcbulk.campaign.dispatching import check_takes_calls
from gcbulk.campaign.journal import Journal
from gcbulk.errors import CampaignError, CredentialsError, OptionError, warn
from gcbulk.messages.findings import are

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcbulk.campaign.journal import Campaign
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.sandbox import Sandbox

PRODUCTION: Final = "https://m5api.groupcall.com"
DRAMA_PREFIX: Final = "+447700900"


def known_customers(
    intake: IntakeOptions, options: SendOptions, client: CommunicationsClient | None
) -> Mapping[str, Customer] | None:
    """The customers that a list may name, by id; None where a list is sent for one customer alone.

    For the sandbox they are the user's own, or three invented schools where there are none yet.
    Raises OptionError where the client sends for one customer, or no customer is known.
    """
    if not intake.for_customers:
        return None
    if client is not None:
        directory = checked_client(client).customers
        if directory is None:
            raise OptionError(
                f"This client sends for customer {client.customer_id} alone. Leave client out, or make one for many: "
                "CommunicationsClient(partner=Partner(key, style_class), customers=Customers())."
            )
        return directory.all()
    known = rehearsed_customers() if options.sandbox else Customers().all()
    if not known:
        raise OptionError(
            f"No customer is known for {resolve_base_url()}. Add them with gcbulk partner add, or have them authorise "
            "you: gcbulk partner endpoint."
        )
    return known


def rehearsed_customers() -> Mapping[str, Customer]:
    """The customers that the sandbox knows: the user's own, or three invented schools where there are none yet."""
    from gcbulk.sandbox.customers import example_schools

    return Customers().all() or {
        one.id: Customer(id=one.id, name=one.name, code=one.code, attributes=one.attributes, key_place="memory")
        for one in example_schools()
    }


def default_client(options: SendOptions, *, many: bool) -> CommunicationsClient:
    """The client with the credentials of the settings: for one customer, or as a partner for `many`."""
    if not many:
        return CommunicationsClient(timeout=options.timeout)
    if resolve_partner() is None:
        raise CredentialsError(
            "To send for many customers, set GCBULK_PARTNER_KEY and GCBULK_STYLE_CLASS, as the platform gave them to "
            "you. To try it without an account, use the sandbox (--sandbox, sandbox=True)."
        )
    return CommunicationsClient(timeout=options.timeout, customers=Customers())


@contextmanager
def client_for(options: SendOptions, *, many: bool = False) -> Iterator[CommunicationsClient | None]:
    """The client that a send will use, its credentials found before anything is asked; None for the sandbox."""
    if options.sandbox:
        yield None
        return
    with default_client(options, many=many) as client:
        yield client


def a_sandbox(customers: Mapping[str, Customer]) -> Sandbox:
    """A stand-in, not started yet, whose customers are these; all of them have authorised its partner."""
    from gcbulk.sandbox import Sandbox
    from gcbulk.sandbox.customers import SandboxCustomer

    return Sandbox(
        customers=[
            SandboxCustomer(one.id, one.name, one.code, one.attributes, authorised=True) for one in customers.values()
        ]
    )


def sandbox_client(
    local: Sandbox, options: SendOptions, *, customers: Mapping[str, Customer], many: bool
) -> CommunicationsClient:
    """A client of the stand-in: for its own customer, or as its partner for `many`, its customers."""
    if not many:
        return CommunicationsClient(local.customer_id, local.api_key, base_url=local.url, timeout=options.timeout)
    given = [
        (customers.get(one.id) or Customer(id=one.id, name=one.name, code=one.code), one.api_key)
        for one in local.customers.values()
    ]
    return CommunicationsClient(
        base_url=local.url,
        timeout=options.timeout,
        partner=Partner(local.partner_key, local.style_class),
        customers=FixedCustomers(given),
    )


@contextmanager
def at_the_platform(
    options: SendOptions,
    client: CommunicationsClient | None,
    *,
    customers: Mapping[str, Customer] | None = None,
    many: bool = False,
) -> Iterator[tuple[CommunicationsClient, Journal]]:
    """A client and a journal to send with: the real ones, or the sandbox with a throwaway journal.

    `many`: as a partner. In the sandbox `customers` are known then, each with a key that is made up.
    Raises OptionError for an executor that could make none of the calls.
    """
    check_takes_calls(options.executor, sandbox=options.sandbox)
    with ExitStack() as stack:
        if options.sandbox:
            if client is not None:
                raise OptionError("sandbox=True brings its own client. Leave client out, or leave sandbox out.")
            local = stack.enter_context(a_sandbox(customers or {}))
            client = sandbox_client(local, options, customers=customers or {}, many=many)
            stack.callback(client.close)
        elif client is None:
            client = stack.enter_context(default_client(options, many=many))
        else:
            client = checked_client(client)
        book = Journal(options.journal or ("sqlite://" if options.sandbox else None))
        yield client, stack.enter_context(book)


def lease(client: CommunicationsClient) -> float:
    """Seconds without a heartbeat after which a run counts as dead: longer than any call of its can last."""
    return 2 * client.timeout + 60


def people_are_reached(options: SendOptions, client: CommunicationsClient | None) -> bool:
    """Whether texts would reach people: not from the sandbox, nor from a stand-in on this machine."""
    address = resolve_base_url() if client is None else checked_client(client).base_url
    return not options.sandbox and reaches_people(address)


def drama_numbers(plan: Plan) -> int:
    """How many texts would go to a number from the range kept for drama."""
    return int(plan.frame.loc[plan.ready, "SentTo"].str.startswith(DRAMA_PREFIX).sum())


def warn_of_drama_numbers(drama: int, client: CommunicationsClient) -> None:
    if drama and client.base_url == PRODUCTION:
        warn(
            f"{are(drama, 'number')} from the range kept for drama (07700 900000 to 900999): no such phone exists. "
            "To try things out, use the sandbox."
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
