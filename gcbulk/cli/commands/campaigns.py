"""`gcbulk campaigns`."""

from __future__ import annotations

import click

from gcbulk.cli.flags import journal_flag


@click.command(short_help="The list, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@journal_flag
def campaigns(*, as_json: bool, journal: str | None) -> None:
    """List the campaigns in the journal, the newest first."""
    from gcbulk.campaign.history import campaigns as listed

    frame = listed(journal=journal)
    if as_json:
        click.echo(frame.to_json(orient="records", date_format="iso"))
    else:
        shown = frame.assign(StartedAt=frame["StartedAt"].dt.tz_convert("Europe/London").dt.strftime("%d %b %Y %H:%M"))
        click.echo(shown.to_string(index=False) if len(frame) else "There are no campaigns in this journal yet.")
