"""Trying again what did not arrive: a new campaign of those texts or emails, after a look."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from gcbulk.campaign.connecting import client_for, known_customers, refuse_other_platform
from gcbulk.campaign.delivering import send_plan
from gcbulk.campaign.delivery import filled, undelivered
from gcbulk.campaign.emails import make_again_plan
from gcbulk.campaign.history import campaign_results
from gcbulk.campaign.journal import Journal, campaign_called, can_go_on, gone_again, texts_of
from gcbulk.campaign.looking_ahead import preview_plan
from gcbulk.campaign.options import OF_CHANNEL, SendOptions
from gcbulk.campaign.plan import make_plan
from gcbulk.errors import CampaignError, GcbulkWarning
from gcbulk.messages.options import TextOptions
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL, KINDS

if TYPE_CHECKING:
    import os

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.plan import Plan
    from gcbulk.campaign.preview import Preview
    from gcbulk.recipients.optouts import OptOuts


@dataclass(frozen=True, slots=True, repr=False)
class Retry:
    """What did not arrive of a campaign, ready to be sent as a new one: look at it, then `send()`."""

    campaign: str
    of: str
    recipients: pd.DataFrame
    intake: IntakeOptions
    options: SendOptions
    client: CommunicationsClient | None

    @property
    def preview(self) -> Preview:
        """What would be sent, with masked numbers; nothing is."""
        return preview_plan(self._plan(self.recipients), self.options, client=self.client)

    def send(self) -> pd.DataFrame:
        """Send them, as a campaign of its own; returns the annotations, under the positions in the first campaign.

        What has been reported as delivered since the look is left out, with a GcbulkWarning; CampaignError where
        that is everything.
        """
        return self.send_all().results

    def send_all(self) -> Sent:
        """What `send` and the faces share."""
        people = self._still_undelivered()
        with ExitStack() as stack:
            many = self.intake.customer_column is not None
            client = self.client or stack.enter_context(client_for(self.options, many=many))
            if client is not None:
                _check_platform(self.of, client, self.options)
            return send_plan(self._plan(people), people[[]], self.options, campaign=self.campaign, client=client)

    def _plan(self, people: pd.DataFrame) -> Plan:
        """The plan, without the columns that the journal was read into: they are nobody's, and hold paths of files."""
        customers = known_customers(self.intake, self.options, self.client)
        if self.intake.kind is EMAIL:
            plan = make_again_plan(people, intake=self.intake, customers=customers)
        else:
            as_it_was = TextOptions(smart_characters="keep")
            plan = make_plan(people, "{{ text }}", intake=self.intake, texts=as_it_was, customers=customers)
        return replace(plan, frame=plan.frame.drop(columns=people.columns))

    def _still_undelivered(self) -> pd.DataFrame:
        """Those who are still to be told: minutes or hours may have passed since the look, and news with them."""
        failed = undelivered(filled(campaign_results(self.of, journal=self.options.journal)))
        with Journal(self.options.journal) as book:
            known = book.campaign(self.of)
            # what its own campaign has sent, this one goes on with
            own = campaign_called(book, self.campaign)
            gone = gone_again(book, known, texts_of(book, known, failed.index.tolist()), besides=own)
        people = self.recipients[self.recipients.index.isin(failed.index.difference(list(gone)))]
        arrived = len(self.recipients) - len(people)
        if people.empty:
            raise CampaignError(
                f"Nothing of campaign {self.of!r} is left to send again: since you looked, none of these "
                f"{self.intake.kind.message}s is reported as failed or expired any longer, or they went again."
            )
        if arrived:
            warnings.warn(
                f"{arrived} of the {len(self.recipients)} {self.intake.kind.message}s "
                f"{'is' if arrived == 1 else 'are'} not sent again: since you looked, other news of them came, or they "
                "went again.",
                GcbulkWarning,
                stacklevel=4,
            )
        return people

    def __repr__(self) -> str:
        return f"{self.preview}\n\nNothing has been sent. To send it as campaign {self.campaign!r}: .send()"

    def _repr_html_(self) -> str:
        return f"{self.preview.to_html()}<p>Nothing has been sent. To send it: <code>.send()</code></p>"


def retry_undelivered(
    campaign: str,
    *,
    name: str | None = None,
    client: CommunicationsClient | None = None,
    opt_outs: OptOuts | None = None,
    journal: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Retry:
    """Make a new campaign of what failed or expired. Nothing is sent before you have looked: `.send()` does.

    What went again in a later campaign is left out: where that failed too, retry that one.

    The same goes to the same number or address again, on purpose, but not within ten minutes; an email whose file is
    gone or changed since is left out. `name` defaults to the campaign's with "(again {date})", and a number behind it
    where a campaign of that name can send nothing more. `opt_outs` are applied; other options are those of `send_sms`
    or `send_email`.
    Raises CampaignError where there is nothing to try again, and, as `send()` does, where the client is another
    customer's than the campaign or calls another address.
    """
    failed = undelivered(filled(campaign_results(campaign, journal=journal)))
    if failed.empty:
        raise CampaignError(f"Campaign {campaign!r} has nothing that failed or expired, as far as is known.")
    with Journal(journal) as book:
        known = book.campaign(campaign)
        texts = texts_of(book, known, failed.index.tolist())
        later = gone_again(book, known, texts)
        name = name or _next_name(book, campaign)
    texts = [text for text in texts if text.position not in later]
    if not texts:
        raise CampaignError(f"What failed of campaign {campaign!r} went again in a later campaign. Retry that one.")
    recipients = pd.DataFrame(
        {
            "address": [text.address for text in texts],
            "text": [text.text for text in texts],
            "content": [text.content for text in texts],
        },
        index=pd.Index([text.position for text in texts]),
        dtype="str",
    )
    if known.of_a_partner:
        recipients["customer"] = pd.array([text.customer_id for text in texts], dtype="str")
    as_it_was = {name: known.options.get(name) for name in OF_CHANNEL[known.channel]}
    settings = SendOptions(journal=journal, **{**as_it_was, **options})
    settings = replace(settings, repeat=True, callback_url=settings.callback_base() or known.callback_url)
    if client is not None:
        _check_platform(campaign, client, settings)
    intake = IntakeOptions(
        number_column="address",
        email_column="address",
        kind=KINDS[known.channel],
        international=True,
        opt_outs=opt_outs,
        customer_column="customer" if known.of_a_partner else None,
    )
    return Retry(name, campaign, recipients, intake, settings, client)


def _next_name(book: Journal, campaign: str) -> str:
    """The first name of a retry that nobody has, or whose campaign can still send something.

    One that cannot holds what it sent, which is left out. What it could not send, its file being gone, may go now.
    """
    stem = name = f"{campaign} (again {{date}})"
    number = 1
    while (known := campaign_called(book, name)) is not None and not can_go_on(book, known):
        number += 1
        name = f"{stem} ({number})"
    return name


def _check_platform(campaign: str, client: CommunicationsClient, options: SendOptions) -> None:
    with Journal(options.journal) as book:
        refuse_other_platform(book.campaign(campaign), client)
