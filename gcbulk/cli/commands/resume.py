"""`gcbulk resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcbulk.cli.asking import ask_if_refused
from gcbulk.cli.ending import EXIT_CODES
from gcbulk.cli.flags import (
    PATH,
    Intake,
    column_flags,
    email_column_flag,
    intake_flags,
    journal_flag,
    late_flag,
    pace_flags,
    quiet_flags,
    rejoined_output_flags,
)
from gcbulk.cli.outputs import check_outputs, finish

if TYPE_CHECKING:
    from pathlib import Path


@click.command(epilog=EXIT_CODES, short_help="Go on with what was stopped.")
@click.argument("campaign")
@click.option("--recipients", "file", type=PATH, metavar="FILE", help="The list, to have its columns back.")
@column_flags
@email_column_flag
@rejoined_output_flags
@pace_flags
@quiet_flags
@late_flag
@journal_flag
@intake_flags
def resume(
    campaign: str,
    *,
    file: Path | None,
    email_column: str | None,
    intake: Intake,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    **options: Any,
) -> None:
    """Go on with CAMPAIGN: send what certainly has not been sent."""
    outputs = check_outputs(file, intake.opt_outs, out=out, not_told=not_told, journal=options["journal"])
    from gcbulk.campaign.delivering import resume_campaign
    from gcbulk.campaign.options import SendOptions
    from gcbulk.cli.large import is_large_campaign, resume_large

    settings = SendOptions(**options)
    large = intake.is_large(file) or (file is None and is_large_campaign(campaign, options["journal"]))
    recipients, taking = intake.read_if_given(None if large else file, email_column=email_column)
    if large:
        resume_large(campaign, file, intake, taking, settings, outputs, as_json=as_json, fail_on_errors=fail_on_errors)
    outputs.check_fit(recipients)
    sent = ask_if_refused(
        settings, lambda settings: resume_campaign(campaign, settings, recipients=recipients, intake=taking)
    )
    finish(
        sent, lambda: outputs.write(sent.results, recipients), outputs, as_json=as_json, fail_on_errors=fail_on_errors
    )
