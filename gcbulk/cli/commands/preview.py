"""`gcbulk preview`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.flags import (
    Intake,
    Words,
    customer_flag,
    journal_flag,
    message_flags,
    quiet_flags,
    recipient_flags,
    time_flags,
)
from gcbulk.cli.outputs import preview_json

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="What a send would do; nothing is sent.")
@recipient_flags
@customer_flag
@message_flags
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
    as_json: bool,
    show_numbers: bool,
    **options: Any,
) -> None:
    """Show what a send of FILE would do: counts, cost, the texts to read, every problem. Nothing is sent."""
    from gcbulk.campaign.connecting import known_customers
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import make_plan

    settings = SendOptions(**options)
    settings.check_time()
    text, texts = words.read()
    recipients, taking = intake.read(file)
    customers = known_customers(taking, settings, None)
    plan = make_plan(recipients, text, intake=taking, texts=texts, customers=customers)
    view = preview_plan(plan, settings, show_numbers=show_numbers)
    if as_json:
        click.echo(preview_json(view))
    else:
        view.show()
