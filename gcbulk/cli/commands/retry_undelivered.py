"""`gcbulk retry-undelivered`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.asking import ask
from gcbulk.cli.ending import EXIT_CODES
from gcbulk.cli.flags import PATH, journal_flag, output_flags, pace_flags, quiet_flags
from gcbulk.cli.outputs import check_outputs, finish

if TYPE_CHECKING:
    from pathlib import Path


@click.command("retry-undelivered", epilog=EXIT_CODES, short_help="Send again what did not arrive.")
@click.argument("campaign")
@click.option("--name", metavar="NAME", help='Of the new campaign. Default: the old one\'s with "(again DATE)".')
@click.option("--opt-outs", type=PATH, metavar="FILE", help="Numbers and addresses that must not be contacted by now.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@output_flags
@quiet_flags
@pace_flags
@journal_flag
def retry_undelivered(
    campaign: str,
    *,
    name: str | None,
    opt_outs: Path | None,
    yes: bool,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    **options: Any,
) -> None:
    """Send again, as a new campaign, what failed or expired of CAMPAIGN: show them, ask, send."""
    outputs = check_outputs(None, opt_outs, out=out, not_told=not_told, journal=options["journal"])
    from gcbulk.campaign.undelivered import retry_undelivered as retried
    from gcbulk.messages.findings import are

    retry = retried(campaign, name=name, opt_outs=opt_outs, **options)
    click.echo(str(retry.preview), err=True)
    if not yes:
        ask(f"\nSend {are(retry.preview.summary()['texts'], retry.intake.kind.message)} again?")
    sent = retry.send_all()
    finish(sent, lambda: outputs.write(sent.results, None), outputs, as_json=as_json, fail_on_errors=fail_on_errors)
