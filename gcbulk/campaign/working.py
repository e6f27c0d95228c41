"""A call made where an executor's worker is: what the worker is told, what it finds for itself, what it refuses.

It is told of no key, no password and no person. Texts come from the journal, keys from the worker's own environment or
keyring. Whatever the engine does with the task, run it again or twice at once, the claim lets one of them send.
"""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypedDict

import gcbulk
from gcbulk.api.client import CommunicationsClient
from gcbulk.api.customers import Customers
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.calling import Called, Caller, Order, manner_of_messages
from gcbulk.campaign.journal import Journal, RunOverError, attach, journal_exists, known_journal_token
from gcbulk.errors import GcbulkError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcbulk.campaign.journal import Run

_CACHED: Final = 4
"""Of how many runs a worker keeps the journal and the client open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a worker is told of a run. It may be read by anybody."""

    version: str
    journal: str  # its address, without a password
    journal_token: str
    run_id: int
    base_url: str
    customer_id: str
    many: bool  # for a partner's customers, each row on behalf of its own
    by_partner: bool
    timeout: float
    concurrency: int
    send_at: str | None
    reported: bool  # whether messages say where delivery news goes

    def as_dict(self) -> dict[str, Any]:
        """The ticket as it travels: plain, so that another version of gcbulk can read which one wrote it."""
        return asdict(self)


class Answer(TypedDict, total=False):
    """What a worker says: what came of the call, or that the run is over, or why it refuses, and who it is."""

    called: Called
    over: bool
    refusal: str
    worker: str


class Refusal(GcbulkError):  # noqa: N818 - it never leaves this module
    """Raised where this worker cannot make the run's calls."""


_LOCK = threading.Lock()
_CALLERS: Final[dict[tuple[int, str, int], Caller]] = {}  # by process, journal and run


def _forget() -> None:
    """A forked process makes connections of its own: those of its parent are not to be shared."""
    global _LOCK
    _LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def whereabouts() -> tuple[str, int]:
    """The machine and the process that this is run in."""
    return socket.gethostname(), os.getpid()


def call_at_worker(ticket: dict[str, Any], order: Sequence[Any], serial: int) -> Answer:  # noqa: ARG001
    """Make one call of a run; what an executor is given. `serial` tells apart two orders that are alike."""
    try:
        return {"called": replace(_caller(ticket).call(Order(*order)), key=None)}
    except RunOverError:
        return {"over": True}
    except GcbulkError as error:
        machine, process = whereabouts()
        return {"refusal": str(error), "worker": f"{machine}, process {process}"}


def work_here(ticket: Ticket, run: Run, client: CommunicationsClient) -> None:
    """Let workers in this very process use the run's own journal and client."""
    caller = _caller_of(attach(run.journal, run.id), client, ticket)
    with _LOCK:
        _CALLERS[_key(ticket)] = caller


def work_here_no_more(ticket: Ticket) -> None:
    """Forget a run: its client and journal are about to be closed."""
    with _LOCK:
        _CALLERS.pop(_key(ticket), None)


def _key(ticket: Ticket) -> tuple[int, str, int]:
    return os.getpid(), ticket.journal_token, ticket.run_id


def _caller(told: dict[str, Any]) -> Caller:
    if told["version"] != gcbulk.__version__:
        raise Refusal(
            f"It has gcbulk {gcbulk.__version__}, and this machine {told['version']}. "
            "Install the same version everywhere."
        )
    ticket = Ticket(**told)
    with _LOCK:
        if (known := _CALLERS.get(_key(ticket))) is not None:
            return known
        journal = _journal(ticket)
        try:
            made = _caller_of(attach(journal, ticket.run_id), _client(ticket), ticket)
        except BaseException:
            journal.close()
            raise
        own = [key for key in _CALLERS if key[0] == os.getpid()]  # a fork's parent has its own
        for key in own[: max(0, len(own) + 1 - _CACHED)]:
            del _CALLERS[key]
        _CALLERS[_key(ticket)] = made
        return made


def _caller_of(run: Run, client: CommunicationsClient, ticket: Ticket) -> Caller:
    campaign = run.campaign
    url = None
    if ticket.reported and campaign.callback_url is not None:
        url = campaign_url(campaign.callback_url, f"{campaign.id}-{campaign.callback_token}")
    manner = manner_of_messages(campaign, send_at=ticket.send_at, callback_url=url)
    return Caller(run, client, replace(manner, concurrency=ticket.concurrency))


def _journal(ticket: Ticket) -> Journal:
    """The run's journal, by this worker's own setting or by the address that it was told."""
    reason = "there is none"
    for address in filter(None, [os.environ.get("GCBULK_JOURNAL"), ticket.journal]):
        try:
            if not journal_exists(address):
                continue
            journal = Journal(address)
        except GcbulkError as error:
            reason = str(error)
            continue
        if known_journal_token(journal) == ticket.journal_token:
            return journal
        journal.close()
        reason = f"{journal.shown} is another journal"
    raise Refusal(
        f"It does not see the run's journal {ticket.journal}: {reason.rstrip('.')}. Workers on several machines need a "
        "journal on PostgreSQL; set GCBULK_JOURNAL there to its address."
    )


def _client(ticket: Ticket) -> CommunicationsClient:
    """A client with this worker's own key. Raises Refusal where it has none, or another customer's."""
    own = (os.environ.get("GCBULK_CUSTOMER_ID") or "").strip()
    if not ticket.many and own and own != ticket.customer_id and os.environ.get("GCBULK_API_KEY"):
        raise Refusal(f"Its key (GCBULK_API_KEY) is customer {own}'s, and the run is customer {ticket.customer_id}'s.")
    try:
        client = CommunicationsClient(
            None if ticket.many else ticket.customer_id,
            base_url=ticket.base_url,
            timeout=ticket.timeout,
            customers=Customers(ticket.base_url) if ticket.many else None,
        )
    except InputError as error:
        raise Refusal(f"It has no partner's key. {error}" if ticket.many else str(error)) from None
    if client.customer_id != ticket.customer_id or (client.partner is not None) != ticket.by_partner:
        client.close()
        raise Refusal(
            "It has no partner's key, or another partner's: set GCBULK_PARTNER_KEY and GCBULK_STYLE_CLASS there."
            if ticket.by_partner
            else "It is set to send as a partner, and the run is not a partner's: take GCBULK_PARTNER_KEY away there."
        )
    return client
