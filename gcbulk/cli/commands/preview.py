"""`gcbulk preview`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.flags import (
    Intake,
    Mail,
    Words,
    customer_flag,
    email_flags,
    journal_flag,
    message_flags,
    quiet_flags,
    recipient_flags,
    time_flags,
)
from gcbulk.cli.outputs import preview_json

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.survey import Survey


@click.command(short_help="What a send would do; nothing is sent.")
@recipient_flags
@customer_flag
@message_flags
@email_flags
@click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout.")
@click.option("--show-numbers", is_flag=True, help="Show numbers whole, not masked.")
@time_flags
@quiet_flags
@click.option("--repeat", is_flag=True, help="As if what went already today were to go again.")
@journal_flag
def preview(
    file: Path,
    *,
    intake: Intake,
    words: Words,
    mail: Mail,
    as_json: bool,
    show_numbers: bool,
    **options: Any,
) -> None:
    """Show what a send of FILE would do: counts, cost, the texts to read, every problem. Nothing is sent."""
    from gcbulk.campaign.connecting import known_customers
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions

    settings = SendOptions(**options)
    settings.check_time()
    customers = known_customers(intake.options(), settings, None)
    make = mail.making(words, customers)
    view: Preview | Survey
    if intake.is_large(file):
        from gcbulk.campaign.in_pieces import preview_in_pieces

        pieces, taking = intake.read_in_pieces(file)
        view = preview_in_pieces(pieces, make, mail.intake(taking), settings, show_numbers=show_numbers)
    else:
        recipients, taking = intake.read(file)
        view = preview_plan(make(recipients, intake=mail.intake(taking)), settings, show_numbers=show_numbers)
    if as_json:
        click.echo(preview_json(view))
    else:
        view.show()
