"""`gcbulk check-credentials`."""

from __future__ import annotations

import click

from gcbulk.cli.ending import DONE, HELD


@click.command("check-credentials", short_help="Does the key work? Nobody is texted.")
def check_credentials() -> None:
    """Ask the platform whether the customer id and key work. Nothing is sent to anybody."""
    from gcbulk.api.client import check_credentials as checked

    check = checked()
    click.echo(f"{check.result}: {check.detail}")
    raise SystemExit(DONE if check.result == "valid" else HELD)
