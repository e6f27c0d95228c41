"""How a run ends: by saying what is known, and loudly where somebody has not been told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gcbulk.campaign.journal import told
from gcbulk.campaign.results import NOT_TOLD, Summary
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.messages.findings import are

if TYPE_CHECKING:
    from gcbulk.campaign.journal import Campaign
    from gcbulk.campaign.sending import RunReport

logger = logging.getLogger("gcbulk")


def nothing_left(campaign: Campaign, summary: Summary) -> str:
    if ErrorCode.HELD_BACK in summary.codes:
        return f"Nothing was left to send within the limit. Campaign {campaign.name!r} holds the rest back: resume it."
    again = (
        "To send it again on purpose, give it another name."
        if campaign.repeat
        else "To send it again on purpose, use repeat=True (--repeat)."
    )
    if summary.sent_earlier is not None:
        return f"Nothing was left to send. The first {summary.message}: {summary.sent_earlier}"
    if Status.UNKNOWN in summary.statuses:
        again = "Settle what is unknown before you send anything again."
    when = f"was {'sent' if summary.accepted else 'tried'} on {told(campaign.created_at)}"
    return f"Nothing was left to send: campaign {campaign.name!r} {when}. {again}"


def tell(campaign: Campaign, summary: Summary, report: RunReport) -> None:
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
