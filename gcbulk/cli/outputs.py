"""What a command leaves: files, a summary, and the code it exits with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from gcbulk.cli.ending import FAILED, HELD, INTERRUPTED, NOTHING_LEFT, UNKNOWN, exit_code, stop
from gcbulk.errors import InputError, OptionError

_CUSTOMERS_SHOWN: Final = 20
_OF_TEXTS: Final = frozenset({"parts", "parts_histogram", "encodings", "price_per_part", "cost", "replaced_characters"})

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    import pandas as pd

    from gcbulk.campaign.delivering import Ran
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.result_pieces import Files
    from gcbulk.campaign.results import Summary
    from gcbulk.campaign.survey import Survey


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that a command writes at its end."""

    out: Path | None
    not_told: Path | None
    invalid_out: Path | None
    byte_order_mark: bool

    def name_files(self) -> None:
        """Say which files were written."""
        for words, path in (("Results", self.out), ("Not told", self.not_told), ("To mend", self.invalid_out)):
            if path is not None:
                click.echo(f"{words}: {path}", err=True)

    def check_fit(self, recipients: pd.DataFrame | None) -> None:
        """Find out before anything is sent whether a workbook could hold the results."""
        from gcbulk.recipients.writing import check_fits

        named = {"--out": self.out, "--not-told": self.not_told, "--invalid-out": self.invalid_out}
        for option, path in named.items():
            if path is not None and recipients is not None:
                check_fits(recipients, path, option=option)

    def as_pieces_pass(self) -> Files:
        """The same files, for results that are written piece by piece."""
        from gcbulk.campaign.result_pieces import Files

        for option, path in (("--out", self.out), ("--not-told", self.not_told)):
            if path is not None and path.suffix.lower() == ".xlsx":
                raise OptionError(
                    f"{option} {path}: this list is too large for Excel, and worked through in pieces. "
                    "Give a name in .csv."
                )
        return Files(out=self.out, not_told=self.not_told, byte_order_mark=self.byte_order_mark)

    def write(self, frame: pd.DataFrame, recipients: pd.DataFrame | None) -> None:
        """Write the results, and in the user's own columns the rows of those not told, or only of those to mend."""
        from gcbulk.campaign.results import NOT_TOLD, rows_with
        from gcbulk.codes import Status
        from gcbulk.recipients.writing import write_table

        if self.out is not None:
            write_table(frame, self.out, byte_order_mark=self.byte_order_mark)
        for path, statuses in ((self.not_told, NOT_TOLD), (self.invalid_out, (Status.INVALID,))):
            if path is not None:
                write_table(rows_with(statuses, frame, recipients), path, byte_order_mark=self.byte_order_mark)


def nothing_written(channel: str) -> Outputs:
    """The outputs of a test on oneself, and words for it."""
    whom = "your own phone was texted" if channel == "sms" else "you were written to"
    click.echo(f"\nOnly {whom}: no file was written. To send, leave --test-to out.", err=True)
    return Outputs(None, None, None, byte_order_mark=False)


def check_outputs(
    file: Path | None,
    *inputs: Path | None,
    out: Path | None = None,
    not_told: Path | None = None,
    invalid_out: Path | None = None,
    journal: str | None = None,
) -> Outputs:
    """Find out before anything is sent whether the results can be written, and would replace nothing that counts."""
    from gcbulk.recipients.writing import check_writable

    kept = kept_files(file, *inputs, journal=journal)
    for option, path in {"--out": out, "--not-told": not_told, "--invalid-out": invalid_out}.items():
        if path is not None:
            check_writable(path, option=option, others=kept)
            kept[path] = f"what {option} writes"
    return Outputs(out, not_told, invalid_out, byte_order_mark=file is None or _has_byte_order_mark(file))


def kept_files(*inputs: Path | None, journal: str | None) -> dict[Path, str]:
    """The files that no output may replace, and what each is."""
    from gcbulk.campaign.journal.addresses import journal_file

    kept = {path: "the input itself" for path in inputs if path is not None}
    if (book := journal_file(journal)) is not None:
        kept[book] = "the journal"
    return kept


def _has_byte_order_mark(file: Path) -> bool:
    """Whether a result beside this file gets one: as the file has it, and for what is not UTF-8, yes."""
    from gcbulk.errors import RecipientsError
    from gcbulk.recipients.encodings import encoding_of_file

    try:
        return encoding_of_file(file).encoding != "utf-8"
    except (OSError, RecipientsError):
        return True


def preview_json(view: Preview | Survey) -> str:
    """What a send would do, as one line of JSON."""
    told = view.summary()
    if told.get("channel") == "email":
        told = _without_parts(told)
        told |= {name: [*map(_without_parts, told[name])] for name in ("customers",) if name in told}
    return json.dumps(told, default=str)  # pounds, exactly


def tell_dry_run(view: Preview | Survey, settings: SendOptions, *, as_json: bool) -> None:
    """End a dry run as the send would go: its time may be refused, and `as_json` tells the rest."""
    settings.check_time()
    if as_json:
        click.echo(preview_json(view))


def _without_parts(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name not in _OF_TEXTS}


def finish(
    sent: Ran,
    write: Callable[[], None],
    outputs: Outputs,
    *,
    as_json: bool,
    fail_on_errors: bool,
    explained: Collection[str] = (),
) -> NoReturn:
    """Write and say what came of a run, and exit; `explained` are the codes that the preview told about just now."""
    try:
        write()  # before anything is said: whoever listens may have gone
    except InputError as error:
        show_summary(sent.campaign, sent.summary, as_json=as_json, explained=explained)
        stop(f"{error} What was sent is in the journal: gcbulk results {sent.campaign!r} --out FILE", FAILED)
    show_summary(sent.campaign, sent.summary, as_json=as_json, explained=explained)
    if sent.report.stop_code is not None:
        click.echo(f"The run stopped early: {sent.report.stop_detail}", err=True)
    for customer, (_, detail) in list(sent.report.held.items())[:_CUSTOMERS_SHOWN]:
        click.echo(f"Held for customer {customer}: {detail}", err=True)
    if sent.nothing_left:
        click.echo(sent.nothing_left, err=True)
    outputs.name_files()
    code = exit_code(sent.summary, fail_on_errors=fail_on_errors)
    if sent.report.interrupted:
        code = INTERRUPTED
    elif sent.nothing_left and code not in (UNKNOWN, HELD):
        code = NOTHING_LEFT
    raise SystemExit(code)


def show_summary(campaign: str, summary: Summary, *, as_json: bool, explained: Collection[str] = ()) -> None:
    """What came of a campaign: for people on stderr, where asked for as JSON on stdout."""
    if as_json:
        click.echo(json.dumps({"campaign": campaign, **summary.as_dict()}))
    click.echo(f"\nCampaign {campaign!r}\n{summary.told(explained=explained)}", err=True)
