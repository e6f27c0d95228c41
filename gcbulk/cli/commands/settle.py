"""`gcbulk settle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gcbulk.cli.flags import PATH, journal_flag
from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Say what became of unknown rows.")
@click.argument("campaign")
@click.option("--sent", is_flag=True, help="The platform's history shows them: they count as accepted.")
@click.option("--not-sent", is_flag=True, help="The platform's history does not: resume will send them.")
@click.option("--rows", "file", type=PATH, metavar="FILE", help="Only these rows: a CSV with a ClientRef column.")
@journal_flag
def settle(campaign: str, *, sent: bool, not_sent: bool, file: Path | None, journal: str | None) -> None:
    """Settle the rows of CAMPAIGN whose outcome is unknown, after a look at the platform's history."""
    if sent == not_sent:
        raise OptionError("Say what the platform's history shows: --sent or --not-sent, one of the two.")
    from gcbulk.campaign.history import settle as settled
    from gcbulk.campaign.history import settle_listed
    from gcbulk.recipients.reading import read_recipients

    if file is None:
        done = settled(campaign, sent=sent, journal=journal)
    else:
        done = settle_listed(campaign, read_recipients(file), sent=sent, journal=journal)
    if not done:
        click.echo("There was nothing to settle: none of these rows is unknown.")
        return
    then = "" if sent else f" Send them with: gcbulk resume {campaign!r}"
    click.echo(f"{done} {'row' if done == 1 else 'rows'} settled as {'sent' if sent else 'not sent'}.{then}")
