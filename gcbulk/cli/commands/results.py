"""`gcbulk results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import click

from gcbulk.cli.ending import EXIT_CODES, exit_code
from gcbulk.cli.flags import (
    PATH,
    Intake,
    column_flags,
    email_column_flag,
    intake_flags,
    journal_flag,
    rejoined_output_flags,
)
from gcbulk.cli.outputs import Outputs, check_outputs, kept_files, show_summary

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.campaign.results import Summary


@click.command(epilog=EXIT_CODES, short_help="What is known of a campaign now.")
@click.argument("campaign")
@click.option("--recipients", "file", type=PATH, metavar="FILE", help="The list, to have its columns back.")
@column_flags
@email_column_flag
@click.option("--watch", "watched", is_flag=True, help="Look on as delivery news comes in; Ctrl-C ends that.")
@click.option("--report", "page", type=PATH, metavar="FILE", help="Write a report of it: one HTML page.")
@rejoined_output_flags
@journal_flag
@intake_flags
def results(
    campaign: str,
    *,
    file: Path | None,
    email_column: str | None,
    intake: Intake,
    watched: bool,
    page: Path | None,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    journal: str | None,
) -> None:
    """What is known of CAMPAIGN now. Nothing is sent."""
    outputs = check_outputs(file, out=out, not_told=not_told, journal=journal)
    from gcbulk.campaign.history import campaign_results
    from gcbulk.campaign.results import summarise
    from gcbulk.cli.large import is_large_campaign, results_large
    from gcbulk.recipients.writing import check_writable

    if page is not None:
        others = {path: "what another option writes" for path in (out, not_told) if path is not None}
        check_writable(page, option="--report", others=kept_files(file, journal=journal) | others)
    large = intake.is_large(file) or (file is None and is_large_campaign(campaign, journal))
    recipients, taking = intake.read_if_given(None if large else file, email_column=email_column)
    outputs.check_fit(recipients)
    if watched:
        from gcbulk.campaign.watching import watch

        watch(campaign, journal=journal)
    if large:
        summary = results_large(campaign, file, intake, taking, outputs, journal=journal)
        end(campaign, summary, outputs, page=page, journal=journal, as_json=as_json, fail_on_errors=fail_on_errors)
    frame = campaign_results(
        campaign,
        recipients=recipients,
        number_column=taking.number_column,
        number_columns=taking.number_columns,
        email_column=taking.email_column,
        journal=journal,
    )
    summary = summarise(frame)
    outputs.write(frame, recipients)
    end(campaign, summary, outputs, page=page, journal=journal, as_json=as_json, fail_on_errors=fail_on_errors)


def end(
    campaign: str,
    summary: Summary,
    outputs: Outputs,
    *,
    page: Path | None,
    journal: str | None,
    as_json: bool,
    fail_on_errors: bool,
) -> NoReturn:
    """Say what is known, write the report, and exit."""
    show_summary(campaign, summary, as_json=as_json)
    outputs.name_files()
    if page is not None:
        from gcbulk.campaign.report import report

        report(campaign, journal=journal).save(page)
        click.echo(f"Report: {page}", err=True)
    raise SystemExit(exit_code(summary, fail_on_errors=fail_on_errors))
