"""`gcbulk send`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.asking import ask, ask_if_refused
from gcbulk.cli.ending import EXIT_CODES
from gcbulk.cli.flags import (
    Intake,
    Words,
    customer_flag,
    journal_flag,
    late_flag,
    message_flags,
    output_flags,
    pace_flags,
    quiet_flags,
    recipient_flags,
    time_flags,
)
from gcbulk.cli.outputs import Outputs, check_outputs, finish, preview_json

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.preview import Preview


@click.command(epilog=EXIT_CODES, short_help="Show what would go, ask, send.")
@recipient_flags
@customer_flag
@message_flags
@output_flags
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and stop.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in on this machine, with a throwaway journal.")
@click.option("--campaign", metavar="NAME", help="A name, unique in the journal; {date} in it is today's.")
@click.option("--repeat", is_flag=True, help="Send again what went already today.")
@click.option("--chunk-size", type=int, default=20, show_default=True, help="Recipients a call.")
@click.option("--share-identical", is_flag=True, help="One message object for all who get the same text.")
@time_flags
@quiet_flags
@late_flag
@click.option(
    "--callback-url", metavar="URL", help="Where gcbulk callbacks is reached. Default: GCBULK_CALLBACK_URL, or no news."
)
@pace_flags
@journal_flag
def send(
    file: Path,
    *,
    intake: Intake,
    words: Words,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    yes: bool,
    dry_run: bool,
    campaign: str | None,
    **options: Any,
) -> None:
    """Text everybody in FILE: show what would go, ask, send, and say what came of every row."""
    outputs = check_outputs(
        file, intake.opt_outs, words.message_file, out=out, not_told=not_told, journal=options["journal"]
    )
    from gcbulk.campaign.connecting import client_for, known_customers
    from gcbulk.campaign.delivering import send_plan
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import make_plan

    settings = SendOptions(**options)
    text, texts = words.read()
    recipients, taking = intake.read(file)
    outputs.check_fit(recipients)
    customers = known_customers(taking, settings, None)
    plan = make_plan(recipients, text, intake=taking, texts=texts, customers=customers)
    view = preview_plan(plan, settings)
    view.show(sys.stderr)
    if dry_run:
        settings.check_time()
        if as_json:
            click.echo(preview_json(view))
        return
    with client_for(settings, many=customers is not None) as client:
        if not yes and plan.ready.any():
            ask(_question(view, settings))
        sent = ask_if_refused(
            settings, lambda settings: send_plan(plan, recipients, settings, campaign=campaign, client=client)
        )
    if settings.test_to is not None:
        click.echo("\nOnly your own phone was texted: no file was written. To send, leave --test-to out.", err=True)
        outputs = Outputs(None, None, None, byte_order_mark=False)
    explained = view.summary()["error_codes"]
    finish(sent, recipients, outputs, as_json=as_json, fail_on_errors=fail_on_errors, explained=explained)


def _question(view: Preview, settings: SendOptions) -> str:
    if settings.test_to is not None:
        return f"\nSend these texts to {settings.test_to}, and to nobody else?"
    texts = view.summary()["texts"]
    return f"\nSend {f'these {texts} texts' if texts != 1 else 'this text'}?"
