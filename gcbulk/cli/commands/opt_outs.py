"""`gcbulk opt-outs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from gcbulk.cli.flags import PATH, stack
from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


@click.group("opt-outs", short_help="Your own list of who is not written to.")
def opt_outs() -> None:
    """Keep a list of numbers and email addresses that no send, resume or preview of yours ever writes to."""


_numbers: Final = stack(
    click.argument("numbers", nargs=-1, metavar="[NUMBER]..."),
    click.option(
        "--file", type=PATH, metavar="FILE", help="A file of numbers or addresses, one a line or with a header."
    ),
)


def _numbers_given(numbers: tuple[str, ...], file: Path | None) -> Any:
    if bool(numbers) == (file is not None):
        raise OptionError("Give the numbers, or a file of them with --file: one of the two.")
    return numbers if file is None else file


@opt_outs.command("add", short_help="Put numbers on the list.")
@_numbers
def opt_outs_add(*, numbers: tuple[str, ...], file: Path | None) -> None:
    """Put numbers or email addresses on your opt-out list, written as people write them."""
    from gcbulk.recipients.optout_list import add_opt_outs, list_opt_outs

    given = _numbers_given(numbers, file)
    click.echo(f"{add_opt_outs(given)} added. {len(list_opt_outs())} on the list.")


@opt_outs.command("remove", short_help="Take numbers off the list.")
@_numbers
def opt_outs_remove(*, numbers: tuple[str, ...], file: Path | None) -> None:
    """Take numbers or email addresses off your opt-out list."""
    from gcbulk.recipients.optout_list import list_opt_outs, remove_opt_outs

    given = _numbers_given(numbers, file)
    removed = remove_opt_outs(given)
    said = f"{removed} removed." if removed else "None of these was on the list, so nobody was removed."
    click.echo(f"{said} {len(list_opt_outs())} on the list.")


@opt_outs.command("list", short_help="Show the list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def opt_outs_list(*, as_json: bool) -> None:
    """Show the numbers and addresses on your opt-out list, and when they were added."""
    from gcbulk.recipients.optout_list import list_opt_outs, opt_outs_file

    listed = list_opt_outs()
    if as_json:
        click.echo(listed.to_json(orient="records"))
    else:
        listed = listed.rename(columns={"Mobile": "Number or address"})
        click.echo(listed.to_string(index=False) if len(listed) else "Nobody is on the list.")
    click.echo(f"The list is in {opt_outs_file()}", err=True)
