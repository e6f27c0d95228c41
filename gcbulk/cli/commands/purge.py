"""`gcbulk purge`."""

from __future__ import annotations

import click

from gcbulk.cli.flags import journal_flag


@click.command(short_help="Take old numbers and texts away.")
@click.option("--campaign", metavar="NAME", help="Only this campaign, whatever its age.")
@click.option(
    "--older-than-days",
    type=click.FloatRange(min=1),
    help="Those begun longer ago than this. Default: GCBULK_KEEP_DAYS, or 90.",
)
@journal_flag
def purge(*, campaign: str | None, older_than_days: float | None, journal: str | None) -> None:
    """Take numbers and texts of old campaigns out of the journal; the counts are kept.

    What is purged is forgotten: a text that went today could go to the same number again.
    """
    from gcbulk.campaign.history import purge as purged

    names = purged(campaign, older_than_days=older_than_days, journal=journal)
    click.echo(f"Purged: {', '.join(names)}" if names else "There was nothing to purge.")
