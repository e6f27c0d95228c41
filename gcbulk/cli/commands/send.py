"""`gcbulk send`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.asking import ask, ask_if_refused, send_question
from gcbulk.cli.ending import EXIT_CODES
from gcbulk.cli.flags import (
    Intake,
    Mail,
    Words,
    customer_flag,
    email_flags,
    envelope_flags,
    journal_flag,
    late_flag,
    message_flags,
    output_flags,
    pace_flags,
    quiet_flags,
    recipient_flags,
    time_flags,
)
from gcbulk.cli.outputs import check_outputs, finish, nothing_written, tell_dry_run

if TYPE_CHECKING:
    from pathlib import Path


@click.command(epilog=EXIT_CODES, short_help="Show what would go, ask, send.")
@recipient_flags
@customer_flag
@message_flags
@email_flags
@output_flags
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and stop.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in on this machine, with a throwaway journal.")
@click.option("--campaign", metavar="NAME", help="A name, unique in the journal; {date} in it is today's.")
@click.option("--repeat", is_flag=True, help="Send again what went already today.")
@click.option("--chunk-size", type=int, default=20, show_default=True, help="Recipients a call.")
@click.option("--share-identical", is_flag=True, help="One message object for all who get the same text.")
@envelope_flags
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
    mail: Mail,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    yes: bool,
    dry_run: bool,
    campaign: str | None,
    **options: Any,
) -> None:
    """Text or email everybody in FILE: show what would go, ask, send, and say what came of every row."""
    outputs = check_outputs(
        file,
        intake.opt_outs,
        words.message_file,
        mail.body_file,
        out=out,
        not_told=not_told,
        journal=options["journal"],
    )
    from gcbulk.campaign.connecting import client_for, known_customers
    from gcbulk.campaign.delivering import send_plan
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions

    settings = SendOptions(**options)
    customers = known_customers(intake.options(), settings, None)
    make = mail.making(words, customers)
    if intake.is_large(file):
        from gcbulk.cli.large import send_large

        send_large(
            file,
            intake,
            mail,
            make,
            settings,
            outputs,
            customers=customers,
            campaign=campaign,
            yes=yes,
            dry_run=dry_run,
            as_json=as_json,
            fail_on_errors=fail_on_errors,
        )
        return
    recipients, taking = intake.read(file)
    outputs.check_fit(recipients)
    plan = make(recipients, intake=mail.intake(taking))
    view = preview_plan(plan, settings)
    view.show(sys.stderr)
    if dry_run:
        tell_dry_run(view, settings, as_json=as_json)
        return
    with client_for(settings, many=customers is not None) as client:
        if not yes and plan.ready.any():
            ask(send_question(view.summary()["texts"], settings, mail.channel))
        sent = ask_if_refused(
            settings, lambda settings: send_plan(plan, recipients, settings, campaign=campaign, client=client)
        )
    if settings.test_to is not None:
        outputs = nothing_written(mail.channel)
    finish(
        sent,
        lambda: outputs.write(sent.results, recipients),
        outputs,
        as_json=as_json,
        fail_on_errors=fail_on_errors,
        explained=view.summary()["error_codes"],
    )
