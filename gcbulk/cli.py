"""The command line. It asks, shows and writes files; what is done is done in the wings, imported when needed."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from gcbulk.errors import GcbulkError, InputError, JournalLostError, LateError, OptionError, QuietHoursError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pandas as pd

    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.preview import Preview
    from gcbulk.campaign.results import Summary
    from gcbulk.messages.options import TextOptions
    from gcbulk.recipients.intake import IntakeOptions

DONE, FAILED, BAD_INPUT, HELD, UNKNOWN, NOTHING_LEFT, NOTHING_ACCEPTED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
"""Exit codes. Where several fit, the first of 1, 130, 2, 4, 3, 5, 6 is given."""

EXIT_CODES: Final = """\b
Exit codes:
  0  done
  1  unexpected failure
  2  bad usage or input; nothing was sent
  3  stopped or held (credentials, permission, rate limit, network): rows were not sent
  4  rows with an unknown outcome
  5  nothing was left to send
  6  nothing was accepted though there were rows;
     with --fail-on-errors, a row was invalid or rejected
  130  interrupted
"""

_PATH: Final = click.Path(path_type=Path)
_SHARE: Final = click.FloatRange(0, 1)


def _stack(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator, shown in `--help` in the order given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Intake:
    """The flags that say how a list is read and taken in."""

    sheet: str | None = None
    number_column: str | None = None
    number_columns: tuple[str, ...] = ()
    row_per_number: bool = False
    international: bool = False
    opt_outs: Path | None = None
    one_per_number: bool = False

    def read_if_given(self, file: Path | None) -> tuple[pd.DataFrame | None, IntakeOptions]:
        """The list that a campaign was sent from, where the user gives it again."""
        from gcbulk.recipients.intake import IntakeOptions

        return (None, IntakeOptions(opt_outs=self.opt_outs)) if file is None else self.read(file)

    def read(self, file: Path) -> tuple[pd.DataFrame, IntakeOptions]:
        """The list, told on stderr how it was read, and the options with which it is validated."""
        from gcbulk.recipients.choosing import NUMBER, row_per_number
        from gcbulk.recipients.intake import IntakeOptions
        from gcbulk.recipients.reading import read_recipients

        if self.row_per_number and not self.number_columns:
            raise OptionError("--row-per-number needs the columns: --number-columns NAME, once for each.")
        recipients = read_recipients(file, sheet=self.sheet)
        for note in recipients.attrs["reading"]:
            click.echo(f"{file}: {note}", err=True)
        if self.row_per_number:
            recipients = row_per_number(recipients, self.number_columns)
        several = None if self.row_per_number else self.number_columns or None
        return recipients, IntakeOptions(
            number_column=NUMBER if self.row_per_number else self.number_column,
            number_columns=several,
            international=self.international,
            opt_outs=self.opt_outs,
            one_per_number=self.one_per_number,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The flags that say what is written."""

    message: str | None
    message_file: Path | None
    smart_characters: Any
    max_parts: int
    header_length: int
    price_per_part: str | None

    def read(self) -> tuple[str, TextOptions]:
        """The text, and the options with which it is written."""
        from gcbulk.messages.options import TextOptions

        texts = TextOptions(
            smart_characters=self.smart_characters,
            max_parts=self.max_parts,
            header_length=self.header_length,
            price_per_part=self.price_per_part,
        )
        return _message_text(self.message, self.message_file), texts


def _together(name: str, flags: type[_Intake | _Words]) -> Callable[[Any], Any]:
    """Hand a command all of these flags as one argument."""
    names = {field.name for field in fields(flags)}

    def decorate(command: Any) -> Any:
        @functools.wraps(command)
        def run(**options: Any) -> Any:
            grouped: dict[str, Any] = {one: options.pop(one) for one in names & options.keys()}
            return command(**{name: flags(**grouped)}, **options)

        return run

    return decorate


_with_intake: Final = _together("intake", _Intake)

_columns: Final = _stack(
    click.option("--sheet", metavar="NAME", help="The sheet of a workbook. Default: the first that is shown."),
    click.option("--number-column", metavar="NAME", help="The column of numbers, where it cannot be told."),
    click.option(
        "--number-columns",
        metavar="NAME",
        multiple=True,
        help="One of several columns, the best first (give it again for each): the first usable number of a row.",
    ),
    click.option("--row-per-number", is_flag=True, help="A row for each number in --number-columns instead."),
    click.option("--opt-outs", type=_PATH, metavar="FILE", help="Numbers not to be texted, besides your own list."),
)
_recipients: Final = _stack(
    click.argument("file", type=_PATH),
    _columns,
    click.option("--international", is_flag=True, help="Take numbers from outside the UK (with + or 00)."),
    click.option("--one-per-number", is_flag=True, help="One text a number, though the texts may differ."),
    _with_intake,
)
_message: Final = _stack(
    click.option("--message", metavar="TEXT", help="The text, with fields such as {{ forename }}."),
    click.option("--message-file", type=_PATH, metavar="FILE", help="A UTF-8 file with the text."),
    click.option(
        "--smart-characters",
        type=click.Choice(["replace", "keep"]),
        default="replace",
        show_default=True,
        help="Make curly quotes, dashes and the like plain, or keep them.",
    ),
    click.option(
        "--max-parts", type=int, default=3, show_default=True, help="Warn of texts of so many SMS parts or more."
    ),
    click.option("--header-length", type=int, default=0, help="Characters the platform puts before each text."),
    click.option("--price-per-part", metavar="POUNDS", help="What one SMS part costs, such as 0.035."),
    _together("words", _Words),
)
_when: Final = _stack(
    click.option("--sender", metavar="NAME", help="Shown on the handset: 11 letters and digits, or a number."),
    click.option("--send-at", metavar="TIME", help="Schedule, in UK time or with an offset: 2026-11-24T08:30."),
    click.option("--limit", type=int, metavar="N", help="Only the first N; resume sends the rest."),
    click.option("--test-to", metavar="NUMBER", help="Only try the texts, on your own phone."),
)
_quiet: Final = _stack(
    click.option(
        "--quiet-hours",
        metavar="HOURS",
        help="UK time when nobody is texted: 21:00-06:00 (the usual), or off.",
    ),
    click.option("--urgent", is_flag=True, help="Send in quiet hours all the same."),
)
_late: Final = click.option("--late", is_flag=True, help="Go on with a campaign that was begun on an earlier day.")
_pace: Final = _stack(
    click.option("--concurrency", type=int, default=4, show_default=True, help="Calls at once."),
    click.option("--calls-per-second", type=float, help="The most calls a second. Default: no limit."),
    click.option("--timeout", type=float, default=30.0, show_default=True, help="Seconds for a whole answer."),
    click.option("--max-attempts", type=int, default=6, show_default=True, help="Tries where nothing was taken."),
    click.option(
        "--delivery",
        type=click.Choice(["at_most_once", "at_least_once"]),
        default="at_most_once",
        show_default=True,
        help="at_least_once tries again where the outcome is unknown: a text may then arrive twice.",
    ),
)
_journal: Final = click.option(
    "--journal",
    metavar="PATH|URL",
    help="Where the journal is. Default: GCBULK_JOURNAL, or your state folder.",
)
_output: Final = _stack(
    click.option("--out", type=_PATH, metavar="FILE", help="Write the results, as CSV or (for Excel) .xlsx."),
    click.option("--not-told", type=_PATH, metavar="FILE", help="Write the rows of those not told, to mend or phone."),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout."),
    click.option("--fail-on-errors", is_flag=True, help="Exit 6 where any row is invalid or rejected."),
)


class _InOrder(click.Group):
    """Lists its commands in the order of a day's work, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gcbulk", prog_name="gcbulk")
def cli() -> None:
    """Text parents in bulk through Groupcall's Communications API.

    \b
    Try it without an account:
      gcbulk send sample_data/recipients.csv --message-file sample_data/message.txt --sandbox
    """


@cli.command(short_help="Check the numbers; nothing is sent.")
@_recipients
@click.option("--out", type=_PATH, metavar="FILE", help="Write the annotated rows, as CSV or (for Excel) .xlsx.")
@click.option("--invalid-out", type=_PATH, metavar="FILE", help="Write only the rows to mend, in your own columns.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout.")
@click.option("--fail-on-errors", is_flag=True, help="Exit 6 where any row is invalid.")
def validate(
    file: Path,
    *,
    intake: _Intake,
    out: Path | None,
    invalid_out: Path | None,
    as_json: bool,
    fail_on_errors: bool,
) -> None:
    """Check the numbers in FILE: which can be texted, what was mended, what is wrong. Nothing is sent."""
    outputs = _check_outputs(file, intake.opt_outs, out=out, invalid_out=invalid_out)
    from gcbulk.campaign.preview import check_report, check_summary
    from gcbulk.recipients.schema import check

    recipients, options = intake.read(file)
    outputs.check_fit(recipients)
    checked = check(recipients, options)
    outputs.write(checked, recipients)
    outputs.name_files()
    counts = check_summary(checked)
    click.echo(json.dumps(counts) if as_json else check_report(checked))
    if fail_on_errors and counts["statuses"].get("invalid"):
        raise SystemExit(NOTHING_ACCEPTED)


@cli.command(short_help="What a send would do; nothing is sent.")
@_recipients
@_message
@click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout.")
@click.option("--show-numbers", is_flag=True, help="Show numbers whole, not masked.")
@_when
@_quiet
@click.option("--repeat", is_flag=True, help="As if what went already today were to go again.")
@_journal
def preview(
    file: Path,
    *,
    intake: _Intake,
    words: _Words,
    as_json: bool,
    show_numbers: bool,
    **options: Any,
) -> None:
    """Show what a send of FILE would do: counts, cost, the texts to read, every problem. Nothing is sent."""
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import make_plan

    settings = SendOptions(**options)
    settings.check_time()
    text, texts = words.read()
    recipients, taking = intake.read(file)
    plan = make_plan(recipients, text, intake=taking, texts=texts)
    view = preview_plan(plan, settings, show_numbers=show_numbers)
    if as_json:
        click.echo(_summary_json(view))
    else:
        view.show()


def _summary_json(view: Preview) -> str:
    return json.dumps(view.summary(), default=str)  # pounds, exactly


@cli.command(epilog=EXIT_CODES, short_help="Show what would go, ask, send.")
@_recipients
@_message
@_output
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and stop.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in on this machine, with a throwaway journal.")
@click.option("--campaign", metavar="NAME", help="A name, unique in the journal; {date} in it is today's.")
@click.option("--repeat", is_flag=True, help="Send again what went already today.")
@click.option("--chunk-size", type=int, default=20, show_default=True, help="Recipients a call.")
@click.option("--share-identical", is_flag=True, help="One message object for all who get the same text.")
@_when
@_quiet
@_late
@click.option(
    "--callback-url", metavar="URL", help="Where gcbulk callbacks is reached. Default: GCBULK_CALLBACK_URL, or no news."
)
@_pace
@_journal
def send(
    file: Path,
    *,
    intake: _Intake,
    words: _Words,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    yes: bool,
    dry_run: bool,
    campaign: str | None,
    **options: Any,
) -> None:
    """Text everybody in FILE: show what would go, ask, send, and say what came of every row."""
    outputs = _check_outputs(
        file, intake.opt_outs, words.message_file, out=out, not_told=not_told, journal=options["journal"]
    )
    from gcbulk.campaign.connecting import client_for
    from gcbulk.campaign.delivering import send_plan
    from gcbulk.campaign.looking_ahead import preview_plan
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import make_plan

    settings = SendOptions(**options)
    text, texts = words.read()
    recipients, taking = intake.read(file)
    outputs.check_fit(recipients)
    plan = make_plan(recipients, text, intake=taking, texts=texts)
    view = preview_plan(plan, settings)
    view.show(sys.stderr)
    if dry_run:
        settings.check_time()
        if as_json:
            click.echo(_summary_json(view))
        return
    with client_for(settings) as client:
        if not yes and plan.ready.any():
            _ask(_question(view, settings))
        sent = _asking(
            settings, lambda settings: send_plan(plan, recipients, settings, campaign=campaign, client=client)
        )
    if settings.test_to is not None:
        click.echo("\nOnly your own phone was texted: no file was written. To send, leave --test-to out.", err=True)
        outputs = _Outputs(None, None, None, byte_order_mark=False)
    explained = view.summary()["error_codes"]
    _finish(sent, recipients, outputs, as_json=as_json, fail_on_errors=fail_on_errors, explained=explained)


@cli.command(epilog=EXIT_CODES, short_help="Go on with what was stopped.")
@click.argument("campaign")
@click.option("--recipients", "file", type=_PATH, metavar="FILE", help="The list, to have its columns back.")
@_columns
@_output
@_pace
@_quiet
@_late
@_journal
@_with_intake
def resume(
    campaign: str,
    *,
    file: Path | None,
    intake: _Intake,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    **options: Any,
) -> None:
    """Go on with CAMPAIGN: send what certainly has not been sent."""
    outputs = _check_outputs(file, intake.opt_outs, out=out, not_told=not_told, journal=options["journal"])
    from gcbulk.campaign.delivering import resume_campaign
    from gcbulk.campaign.options import SendOptions

    settings = SendOptions(**options)
    recipients, taking = intake.read_if_given(file)
    outputs.check_fit(recipients)
    sent = _asking(settings, lambda settings: resume_campaign(campaign, settings, recipients=recipients, intake=taking))
    _finish(sent, recipients, outputs, as_json=as_json, fail_on_errors=fail_on_errors)


@cli.command(epilog=EXIT_CODES, short_help="What is known of a campaign now.")
@click.argument("campaign")
@click.option("--recipients", "file", type=_PATH, metavar="FILE", help="The list, to have its columns back.")
@_columns
@click.option("--watch", "watched", is_flag=True, help="Look on as delivery news comes in; Ctrl-C ends that.")
@click.option("--report", "page", type=_PATH, metavar="FILE", help="Write a report of it: one HTML page.")
@_output
@_journal
@_with_intake
def results(
    campaign: str,
    *,
    file: Path | None,
    intake: _Intake,
    watched: bool,
    page: Path | None,
    out: Path | None,
    not_told: Path | None,
    as_json: bool,
    fail_on_errors: bool,
    journal: str | None,
) -> None:
    """What is known of CAMPAIGN now. Nothing is sent."""
    outputs = _check_outputs(file, out=out, not_told=not_told, journal=journal)
    from gcbulk.campaign.history import campaign_results
    from gcbulk.campaign.results import summarise
    from gcbulk.recipients.writing import check_writable

    if page is not None:
        others = {path: "what another option writes" for path in (out, not_told) if path is not None}
        check_writable(page, option="--report", others=_kept(file, journal=journal) | others)
    recipients, taking = intake.read_if_given(file)
    outputs.check_fit(recipients)
    if watched:
        from gcbulk.campaign.watching import watch

        watch(campaign, journal=journal)
    frame = campaign_results(
        campaign,
        recipients=recipients,
        number_column=taking.number_column,
        number_columns=taking.number_columns,
        journal=journal,
    )
    summary = summarise(frame)
    outputs.write(frame, recipients)
    _show(campaign, summary, as_json=as_json)
    outputs.name_files()
    if page is not None:
        from gcbulk.campaign.report import report

        report(campaign, journal=journal).save(page)
        click.echo(f"Report: {page}", err=True)
    raise SystemExit(_exit_code(summary, fail_on_errors=fail_on_errors))


@cli.command(short_help="The list, the newest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@_journal
def campaigns(*, as_json: bool, journal: str | None) -> None:
    """List the campaigns in the journal, the newest first."""
    from gcbulk.campaign.history import campaigns as listed

    frame = listed(journal=journal)
    if as_json:
        click.echo(frame.to_json(orient="records", date_format="iso"))
    else:
        shown = frame.assign(StartedAt=frame["StartedAt"].dt.tz_convert("Europe/London").dt.strftime("%d %b %Y %H:%M"))
        click.echo(shown.to_string(index=False) if len(frame) else "There are no campaigns in this journal yet.")


@cli.command(short_help="What was sent so far, in all campaigns.")
@click.option("--since", metavar="DATE", help="Only campaigns begun from this day on: 2026-11-01.")
@click.option("--number", metavar="NUMBER", help="Only what was sent to this number, with the texts.")
@click.option("--dead", type=int, metavar="N", help="Instead, the numbers that failed in N campaigns running.")
@click.option("--out", type=_PATH, metavar="FILE", help="Write it as CSV.")
@_journal
def history(*, since: str | None, number: str | None, dead: int | None, out: Path | None, journal: str | None) -> None:
    """What the journal holds of all campaigns: counts, what one number was sent, or which numbers are dead.

    Every row, with whole numbers, is written with --out only.
    """
    if dead is not None and number is not None:
        raise OptionError("Give one of --number and --dead, not both.")
    outputs = _check_outputs(None, out=out, journal=journal)
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


@cli.command("retry-undelivered", epilog=EXIT_CODES, short_help="Send again what did not arrive.")
@click.argument("campaign")
@click.option("--name", metavar="NAME", help='Of the new campaign. Default: the old one\'s with "(again DATE)".')
@click.option("--opt-outs", type=_PATH, metavar="FILE", help="Numbers that must not be texted by now.")
@click.option("--yes", is_flag=True, help="Send without asking.")
@_output
@_quiet
@_pace
@_journal
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
    """Send again, as a new campaign, the texts of CAMPAIGN that failed or expired: show them, ask, send."""
    outputs = _check_outputs(None, opt_outs, out=out, not_told=not_told, journal=options["journal"])
    from gcbulk.campaign.undelivered import retry_undelivered as retried
    from gcbulk.messages.findings import are

    retry = retried(campaign, name=name, opt_outs=opt_outs, **options)
    click.echo(str(retry.preview), err=True)
    if not yes:
        _ask(f"\nSend {are(retry.preview.summary()['texts'], 'text')} again?")
    _finish(retry.send_all(), None, outputs, as_json=as_json, fail_on_errors=fail_on_errors)


@cli.command(short_help="Say what became of unknown rows.")
@click.argument("campaign")
@click.option("--sent", is_flag=True, help="The platform's history shows them: they count as accepted.")
@click.option("--not-sent", is_flag=True, help="The platform's history does not: resume will send them.")
@click.option("--rows", "file", type=_PATH, metavar="FILE", help="Only these rows: a CSV with a ClientRef column.")
@_journal
def settle(campaign: str, *, sent: bool, not_sent: bool, file: Path | None, journal: str | None) -> None:
    """Settle the rows of CAMPAIGN whose outcome is unknown, after a look at the platform's history."""
    if sent == not_sent:
        raise OptionError("Say what the platform's history shows: --sent or --not-sent, one of the two.")
    from gcbulk.campaign.history import settle as settled
    from gcbulk.campaign.history import settle_listed
    from gcbulk.recipients.reading import read_recipients

    if file is None:
        done = settled(campaign, sent=sent, journal=journal)
    else:
        done = settle_listed(campaign, read_recipients(file), sent=sent, journal=journal)
    if not done:
        click.echo("There was nothing to settle: none of these rows is unknown.")
        return
    then = "" if sent else f" Send them with: gcbulk resume {campaign!r}"
    click.echo(f"{done} {'row' if done == 1 else 'rows'} settled as {'sent' if sent else 'not sent'}.{then}")


@cli.command(short_help="Take old numbers and texts away.")
@click.option("--campaign", metavar="NAME", help="Only this campaign, whatever its age.")
@click.option(
    "--older-than-days",
    type=click.FloatRange(min=1),
    help="Those begun longer ago than this. Default: GCBULK_KEEP_DAYS, or 90.",
)
@_journal
def purge(*, campaign: str | None, older_than_days: float | None, journal: str | None) -> None:
    """Take numbers and texts of old campaigns out of the journal; the counts are kept.

    What is purged is forgotten: a text that went today could go to the same number again.
    """
    from gcbulk.campaign.history import purge as purged

    names = purged(campaign, older_than_days=older_than_days, journal=journal)
    click.echo(f"Purged: {', '.join(names)}" if names else "There was nothing to purge.")


@cli.group("opt-outs", short_help="Your own list of who is not texted.")
def opt_outs() -> None:
    """Keep a list of numbers that no send, resume or preview of yours ever texts."""


_numbers: Final = _stack(
    click.argument("numbers", nargs=-1, metavar="[NUMBER]..."),
    click.option("--file", type=_PATH, metavar="FILE", help="A file of numbers, one a line or with a header."),
)


def _numbers_given(numbers: tuple[str, ...], file: Path | None) -> Any:
    if bool(numbers) == (file is not None):
        raise OptionError("Give the numbers, or a file of them with --file: one of the two.")
    return numbers if file is None else file


@opt_outs.command("add", short_help="Put numbers on the list.")
@_numbers
def opt_outs_add(*, numbers: tuple[str, ...], file: Path | None) -> None:
    """Put numbers on your opt-out list. Numbers may be written as people write them."""
    from gcbulk.recipients.optout_list import add_opt_outs, list_opt_outs

    given = _numbers_given(numbers, file)
    click.echo(f"{add_opt_outs(given)} added. {len(list_opt_outs())} on the list.")


@opt_outs.command("remove", short_help="Take numbers off the list.")
@_numbers
def opt_outs_remove(*, numbers: tuple[str, ...], file: Path | None) -> None:
    """Take numbers off your opt-out list."""
    from gcbulk.recipients.optout_list import list_opt_outs, remove_opt_outs

    given = _numbers_given(numbers, file)
    removed = remove_opt_outs(given)
    said = f"{removed} removed." if removed else "None of these was on the list, so nobody was removed."
    click.echo(f"{said} {len(list_opt_outs())} on the list.")


@opt_outs.command("list", short_help="Show the list.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def opt_outs_list(*, as_json: bool) -> None:
    """Show the numbers on your opt-out list, and when they were added."""
    from gcbulk.recipients.optout_list import list_opt_outs, opt_outs_file

    listed = list_opt_outs()
    if as_json:
        click.echo(listed.to_json(orient="records"))
    else:
        click.echo(listed.to_string(index=False) if len(listed) else "Nobody is on the list.")
    click.echo(f"The list is in {opt_outs_file()}", err=True)


@cli.command(short_help="Keep your key in the keyring.")
@click.option("--customer-id", metavar="ID", help="Your customer id, such as 1469.")
@click.option("--forget", is_flag=True, help="Remove the stored keys instead.")
def login(*, customer_id: str | None, forget: bool) -> None:
    """Store your API key in the system's keyring, for the API address in use. The key is asked for."""
    from gcbulk.api.credentials import check_keyring, forget_credentials, resolve_base_url, store_credentials

    address = resolve_base_url()
    if forget:
        forget_credentials(base_url=address)
        click.echo(f"No key for {address} is stored now.")
        return
    check_keyring()
    customer_id = customer_id or click.prompt("Customer id", err=True)
    key = click.prompt("API key (it is not shown)", hide_input=True, err=True)
    store_credentials(customer_id, key, base_url=address)
    click.echo(f"Stored for {address}. Try it with: gcbulk check-credentials")


@cli.command("check-credentials", short_help="Does the key work? Nobody is texted.")
def check_credentials() -> None:
    """Ask the platform whether the customer id and key work. Nothing is sent to anybody."""
    from gcbulk.api.client import check_credentials as checked

    check = checked()
    click.echo(f"{check.result}: {check.detail}")
    raise SystemExit(DONE if check.result == "valid" else HELD)


@cli.command(short_help="The form, as a page in your browser.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in on this machine, with a throwaway journal.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on. Default: a free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def form(*, sandbox: bool, port: int, no_browser: bool) -> None:
    """Send without writing code: the form as a page in your browser, on this machine alone.

    The address that is printed holds a token: whoever has it can send, so keep it to yourself.
    """
    from gcbulk.form.page import FormPage, open_browser, serve

    def ready(page: FormPage) -> None:
        click.echo(f"The form is at {page.address}\nStop it with Ctrl-C.")
        if not no_browser:
            open_browser(page)

    serve(port=port, sandbox=sandbox, ready=ready)


@cli.command(short_help="Receive delivery news from the platform.")
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="The port to listen on; 0 for a free one.")
@click.option("--public-url", metavar="URL", required=True, help="Where the platform reaches it: https://...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@_journal
def callbacks(*, port: int, public_url: str, host: str, journal: str | None) -> None:
    """Receive delivery news until Ctrl-C, and write it into the journal that the texts are sent with.

    It speaks plain HTTP on this machine: put what provides https:// (IIS, nginx, a tunnel) in front of it, and send
    with --callback-url, or GCBULK_CALLBACK_URL, set to the same public URL.
    """
    import logging

    from gcbulk.callbacks import serve

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("gcbulk").addHandler(handler)
    serve(
        journal,
        port=port,
        public_url=public_url,
        host=host,
        ready=lambda where: click.echo(
            f"{where}. Stop it with Ctrl-C. Send with: --callback-url {public_url}", err=True
        ),
    )


@cli.command(short_help="A stand-in for the API, to try with.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on. Default: a free one.")
@click.option(
    "--latency-ms",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="Wait before each answer.",
)
@click.option("--callback-delay", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="Up to so late.")
@click.option("--callback-lost", type=_SHARE, default=0, metavar="SHARE", help="So many callbacks never come (0.02).")
@click.option("--callback-doubled", type=_SHARE, default=0, metavar="SHARE", help="So many callbacks come twice.")
@click.option(
    "--callback-early", type=_SHARE, default=0, metavar="SHARE", help="So many come before the call's answer."
)
@click.option(
    "--callback-shape",
    type=click.Choice(["json", "parameters", "both"]),
    default="json",
    show_default=True,
    help="POST with JSON, GET with parameters, or by turns.",
)
@click.option("--numbers", is_flag=True, help="Show the magic numbers, and stop.")
def sandbox(*, port: int, latency_ms: float, numbers: bool, callback_delay: float, **callbacks: Any) -> None:
    """Run a stand-in for the API on this machine, to try things with: it texts nobody.

    Numbers from 07700 900900 on are magic: each brings about an answer (refused, rate limited, no answer, ...).
    """
    from gcbulk.sandbox import CallbackPlan, Sandbox, describe_numbers

    if numbers:
        click.echo(describe_numbers())
        return
    try:
        shares = {name.removeprefix("callback_"): value for name, value in callbacks.items()}
        plan = CallbackPlan(delay=(0.0, callback_delay), connections=8, **shares)
        with Sandbox(port=port, latency=latency_ms / 1000, callback_plan=plan) as server:
            click.echo(
                f"Sandbox at {server.url} (stop it with Ctrl-C). In another terminal, set:\n"
                f"  GCBULK_BASE_URL={server.url}\n"
                f"  GCBULK_CUSTOMER_ID={server.customer_id}\n"
                f"  GCBULK_API_KEY={server.api_key}\n"
                "Magic numbers: gcbulk sandbox --numbers"
            )
            server.serve_forever()
    except OSError as error:
        raise OptionError(f"Port {port} cannot be used: {error.strerror}. Choose another --port.") from None


def _message_text(message: str | None, message_file: Path | None) -> str:
    if (message is None) == (message_file is None):
        raise OptionError("Give the text with --message or --message-file: one of the two.")
    if message_file is None:
        return str(message)
    try:
        return message_file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError(f"--message-file {message_file} is not UTF-8. Save it as UTF-8 and try again.") from None
    except OSError as error:
        raise OptionError(f"--message-file {message_file} cannot be read: {error.strerror}.") from None


def _asking(settings: SendOptions, go: Callable[[SendOptions], Sent]) -> Sent:
    """Send, or where that is refused unless somebody says so, ask; where there is nobody to ask, nothing is sent."""
    try:
        return go(settings)
    except (QuietHoursError, LateError) as refusal:
        if not sys.stdin.isatty():
            raise
        if isinstance(refusal, QuietHoursError):
            _ask(f"\n{refusal}\nIs it urgent?")
            return _asking(replace(settings, urgent=True), go)
        _ask(f"\n{refusal}\nGo on with it?")
        return _asking(replace(settings, late=True), go)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise OptionError("There is no terminal to ask at. Add --yes to send without asking.")
    if not click.confirm(question, err=True):
        raise OptionError("Nothing was sent.")


def _question(view: Preview, settings: SendOptions) -> str:
    if settings.test_to is not None:
        return f"\nSend these texts to {settings.test_to}, and to nobody else?"
    texts = view.summary()["texts"]
    return f"\nSend {f'these {texts} texts' if texts != 1 else 'this text'}?"


@dataclass(frozen=True, slots=True)
class _Outputs:
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


def _check_outputs(
    file: Path | None,
    *inputs: Path | None,
    out: Path | None = None,
    not_told: Path | None = None,
    invalid_out: Path | None = None,
    journal: str | None = None,
) -> _Outputs:
    """Find out before anything is sent whether the results can be written, and would replace nothing that counts."""
    from gcbulk.recipients.writing import check_writable

    kept = _kept(file, *inputs, journal=journal)
    for option, path in {"--out": out, "--not-told": not_told, "--invalid-out": invalid_out}.items():
        if path is not None:
            check_writable(path, option=option, others=kept)
            kept[path] = f"what {option} writes"
    return _Outputs(out, not_told, invalid_out, byte_order_mark=file is None or _has_byte_order_mark(file))


def _kept(*inputs: Path | None, journal: str | None) -> dict[Path, str]:
    """The files that no output may replace, and what each is."""
    from gcbulk.campaign.journal.opening import journal_file

    kept = {path: "the input itself" for path in inputs if path is not None}
    if (book := journal_file(journal)) is not None:
        kept[book] = "the journal"
    return kept


def _has_byte_order_mark(file: Path) -> bool:
    """Whether a result beside this file gets one: as the file has it, and for what is not UTF-8, yes."""
    try:
        start = file.read_bytes()
        start.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return True
    return start.startswith(b"\xef\xbb\xbf")


def _finish(
    sent: Sent,
    recipients: pd.DataFrame | None,
    outputs: _Outputs,
    *,
    as_json: bool,
    fail_on_errors: bool,
    explained: Collection[str] = (),
) -> NoReturn:
    """Write and say what came of a run, and exit; `explained` are the codes that the preview told about just now."""
    try:
        outputs.write(sent.results, recipients)  # before anything is said: whoever listens may have gone
    except InputError as error:
        _show(sent.campaign, sent.summary, as_json=as_json, explained=explained)
        _stop(f"{error} What was sent is in the journal: gcbulk results {sent.campaign!r} --out FILE", FAILED)
    _show(sent.campaign, sent.summary, as_json=as_json, explained=explained)
    if sent.report.stop_code is not None:
        click.echo(f"The run stopped early: {sent.report.stop_detail}", err=True)
    if sent.nothing_left:
        click.echo(sent.nothing_left, err=True)
    outputs.name_files()
    code = _exit_code(sent.summary, fail_on_errors=fail_on_errors)
    if sent.report.interrupted:
        code = INTERRUPTED
    elif sent.nothing_left and code not in (UNKNOWN, HELD):
        code = NOTHING_LEFT
    raise SystemExit(code)


def _show(campaign: str, summary: Summary, *, as_json: bool, explained: Collection[str] = ()) -> None:
    if as_json:
        click.echo(json.dumps({"campaign": campaign, **summary.as_dict()}))
    click.echo(f"\nCampaign {campaign!r}\n{summary.told(explained=explained)}", err=True)


def _exit_code(summary: Summary, *, fail_on_errors: bool) -> int:
    """The exit code that a summary calls for by itself."""
    count = summary.statuses.get
    if count("unknown"):
        return UNKNOWN
    if count("not_sent"):
        return HELD
    if summary.total and not summary.accepted:
        return NOTHING_ACCEPTED
    if fail_on_errors and (count("invalid") or count("rejected")):
        return NOTHING_ACCEPTED
    return DONE


_INTERRUPTED: Final = "Interrupted. What was sent, if anything, is in the journal: gcbulk campaigns"


@contextmanager
def _sentences_for_errors() -> Iterator[None]:
    """End with a sentence and an exit code whatever happens; never with a traceback, which could show a key."""
    try:
        yield
    except JournalLostError as error:
        _stop(str(error), FAILED)
    except GcbulkError as error:
        _stop(str(error), BAD_INPUT)
    except click.Abort as error:
        # click makes one of an interrupt at any moment; only at a question is it sure that nothing has left
        at_work = isinstance(error.__cause__, KeyboardInterrupt)
        _stop(_INTERRUPTED if at_work else "Interrupted; nothing was sent.", INTERRUPTED)
    except KeyboardInterrupt:
        _stop(_INTERRUPTED, INTERRUPTED)
    except click.ClickException as error:
        error.show()
        raise SystemExit(BAD_INPUT) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its own words could hold a number or a key
        _stop(
            f"Unexpected failure ({_where(error)}). What went before is in the journal: gcbulk campaigns",
            FAILED,
        )


def _where(error: BaseException) -> str:
    """The kind of an error and the line it came from, without its words: they could hold a number or a key."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else ""
    return f"{type(error).__name__}{place}"


def _stop(sentence: str, code: int) -> NoReturn:
    click.echo(f"Error: {sentence}", err=True)
    raise SystemExit(code)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line; SIGTERM ends a run as cleanly as Ctrl-C."""
    import logging
    import warnings

    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if sys.platform == "win32" and "PYTHONIOENCODING" not in os.environ:
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="replace")
    logging.getLogger("gcbulk").addHandler(logging.NullHandler())
    warnings.showwarning = lambda message, *_rest, **_options: click.echo(f"Warning: {message}", err=True)
    with _sentences_for_errors():
        cli.main(prog_name="gcbulk", standalone_mode=False)
    raise SystemExit(DONE)
