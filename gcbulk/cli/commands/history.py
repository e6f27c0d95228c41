"""`gcbulk history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gcbulk.cli.flags import PATH, journal_flag
from gcbulk.cli.outputs import check_outputs
from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


@click.command(short_help="What was sent so far, in all campaigns.")
@click.option("--since", metavar="DATE", help="Only campaigns begun from this day on: 2026-11-01.")
@click.option("--number", metavar="NUMBER", help="Only what was sent to this number or address, with the texts.")
@click.option("--dead", type=int, metavar="N", help="Instead, the numbers that failed in N campaigns running.")
@click.option("--out", type=PATH, metavar="FILE", help="Write it as CSV.")
@journal_flag
def history(*, since: str | None, number: str | None, dead: int | None, out: Path | None, journal: str | None) -> None:
    """What the journal holds of all campaigns: counts, what one number was sent, or which numbers are dead.

    Every row, with whole numbers, is written with --out only.
    """
    if dead is not None and number is not None:
        raise OptionError("Give one of --number and --dead, not both.")
    outputs = check_outputs(None, out=out, journal=journal)
    from gcbulk.campaign.overall import dead_numbers, history_text
    from gcbulk.campaign.overall import history as looked_up

    if dead is not None:
        frame = dead_numbers(dead, since=since, journal=journal)
    else:
        frame = looked_up(since=since, number=number, journal=journal)
    if out is not None:
        outputs.write(frame, None)
        outputs.name_files()
    else:
        click.echo(history_text(frame))
