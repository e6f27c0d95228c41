"""`gcbulk validate`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from gcbulk.cli.ending import NOTHING_ACCEPTED
from gcbulk.cli.flags import PATH, Intake, channel_flag, email_column_flag, for_channel, recipient_flags
from gcbulk.cli.outputs import check_outputs

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="Check the numbers or addresses; nothing is sent.")
@recipient_flags
@channel_flag
@email_column_flag
@click.option("--out", type=PATH, metavar="FILE", help="Write the annotated rows, as CSV or (for Excel) .xlsx.")
@click.option("--invalid-out", type=PATH, metavar="FILE", help="Write only the rows to mend, in your own columns.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout.")
@click.option("--fail-on-errors", is_flag=True, help="Exit 6 where any row is invalid.")
def validate(
    file: Path,
    *,
    intake: Intake,
    channel: str,
    email_column: str | None,
    out: Path | None,
    invalid_out: Path | None,
    as_json: bool,
    fail_on_errors: bool,
) -> None:
    """Check the numbers or addresses in FILE: which can be used, what was mended, what is wrong. Nothing is sent."""
    outputs = check_outputs(file, intake.opt_outs, out=out, invalid_out=invalid_out)
    from gcbulk.campaign.preview import check_report, check_summary
    from gcbulk.recipients.schema import check

    recipients, options = intake.read(file)
    outputs.check_fit(recipients)
    checked = check(recipients, for_channel(options, channel, email_column))
    outputs.write(checked, recipients)
    outputs.name_files()
    counts = check_summary(checked)
    click.echo(json.dumps(counts) if as_json else check_report(checked, channel=channel))
    if fail_on_errors and counts["statuses"].get("invalid"):
        raise SystemExit(NOTHING_ACCEPTED)
