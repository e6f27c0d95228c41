"""A list previewed, sent or gone on with, whole or in pieces: one way in, whatever is said to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from gcbulk.campaign.delivering import resume_campaign, send_plan
from gcbulk.campaign.in_pieces import preview_in_pieces, resume_in_pieces, send_in_pieces
from gcbulk.campaign.looking_ahead import about_the_sending, preview_plan
from gcbulk.campaign.result_pieces import ResultPieces
from gcbulk.errors import OptionError, warn
from gcbulk.recipients.pieces import as_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.api.customers import Customer
    from gcbulk.campaign.in_pieces import RanInPieces
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.survey import MakesPlans, Planner, Survey
    from gcbulk.messages.findings import Finding
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces


def previewed(
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
    make: MakesPlans,
    intake: IntakeOptions,
    options: SendOptions,
    *,
    client: CommunicationsClient | None,
    show_numbers: bool,
) -> Preview | Survey:
    """What a send of a list would do."""
    if (pieces := as_pieces(recipients)) is not None:
        return preview_in_pieces(pieces, make, intake, options, client=client, show_numbers=show_numbers)
    plan = make(cast("pd.DataFrame", recipients), intake=intake)  # what is none is refused in planning
    return preview_plan(plan, options, client=client, show_numbers=show_numbers)


def sent(
    recipients: pd.DataFrame | Iterable[pd.DataFrame],
    make: MakesPlans,
    intake: IntakeOptions,
    options: SendOptions,
    customers: Mapping[str, Customer] | None,
    *,
    campaign: str | None,
    client: CommunicationsClient | None,
) -> pd.DataFrame | ResultPieces:
    """Send a list; returns what came of it."""
    if (pieces := as_pieces(recipients)) is not None:
        return _sent_in_pieces(pieces, make, intake, options, customers, campaign=campaign, client=client)
    recipients = cast("pd.DataFrame", recipients)  # what is none is refused in planning
    plan = make(recipients, intake=intake)
    warn_of((*about_the_sending(options, client), *plan.findings))
    ran = send_plan(plan, recipients, options, campaign=campaign, client=client)
    if ran.nothing_left:
        warn(ran.nothing_left)
    return ran.results


def _sent_in_pieces(
    pieces: Pieces,
    make: MakesPlans,
    intake: IntakeOptions,
    options: SendOptions,
    customers: Mapping[str, Customer] | None,
    *,
    campaign: str | None,
    client: CommunicationsClient | None,
) -> pd.DataFrame | ResultPieces:
    if options.test_to is not None:
        reading = preview_in_pieces(pieces, make, intake, options, client=client).worth_reading
        return send_plan(reading, reading.frame, options, client=client).results
    if options.sandbox and options.journal is None:
        raise OptionError("A list in pieces is read back from its journal: give journal= with sandbox=True.")

    def say(planner: Planner) -> None:
        warn_of((*about_the_sending(options, client), *planner.findings))

    ran = send_in_pieces(pieces, make, intake, options, customers=customers, campaign=campaign, client=client, said=say)
    return _in_pieces(ran, pieces, options)


def resumed(
    campaign: str,
    options: SendOptions,
    intake: IntakeOptions,
    recipients: pd.DataFrame | Iterable[pd.DataFrame] | None,
    *,
    client: CommunicationsClient | None,
) -> pd.DataFrame | ResultPieces:
    """Go on with a campaign; returns what came of it."""
    if (pieces := as_pieces(recipients)) is not None:
        ran = resume_in_pieces(campaign, options, recipients=pieces, intake=intake, client=client)
        return _in_pieces(ran, pieces, options)
    recipients = cast("pd.DataFrame | None", recipients)
    done = resume_campaign(campaign, options, recipients=recipients, intake=intake, client=client)
    if done.nothing_left:
        warn(done.nothing_left)
    return done.results


def _in_pieces(ran: RanInPieces, pieces: Pieces, options: SendOptions) -> ResultPieces:
    if ran.nothing_left:
        warn(ran.nothing_left)
    return ResultPieces(ran.campaign, ran.summary, options.journal, None if pieces.once else pieces, ran.names)


def warn_of(findings: Iterable[Finding]) -> None:
    """Warn of what looks like a mistake."""
    for finding in findings:
        if finding.severity == "warning":
            warn(finding.sentence)
