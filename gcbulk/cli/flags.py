"""The flags that several commands share, and what comes of them: a list that is read, a text that is written."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.survey import MakesPlans
    from gcbulk.messages.options import TextOptions
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces


PATH: Final = click.Path(path_type=Path)


def stack(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator, shown in `--help` in the order given."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The flags that say how a list is read and taken in."""

    sheet: str | None = None
    number_column: str | None = None
    number_columns: tuple[str, ...] = ()
    row_per_number: bool = False
    international: bool = False
    opt_outs: Path | None = None
    one_per_number: bool = False
    customer_column: str | None = None

    def read_if_given(
        self, file: Path | None, *, email_column: str | None
    ) -> tuple[pd.DataFrame | None, IntakeOptions]:
        """The list that a campaign was sent from, where the user gives it again."""
        if file is None:
            return None, self.to_look_back(email_column)
        recipients, _ = self.read(file)
        return recipients, self.to_look_back(email_column)

    def to_look_back(self, email_column: str | None) -> IntakeOptions:
        """The options with which the list of a campaign is known again; its channel is the campaign's."""
        return replace(self.options(), email_column=email_column)

    def is_large(self, file: Path | None) -> bool:
        """Whether a list is worked through in pieces. A workbook never is, nor rows that are made for each number."""
        from gcbulk.recipients.pieces import is_large

        return file is not None and not self.row_per_number and self.sheet is None and is_large(file)

    def read_in_pieces(self, file: Path) -> tuple[Pieces, IntakeOptions]:
        """The same as `read`, of a large list."""
        from gcbulk.recipients.pieces import read_in_pieces

        pieces = read_in_pieces(file)
        for note in pieces.reading:
            click.echo(f"{file}: {note}", err=True)
        return pieces, self.options()

    def read(self, file: Path) -> tuple[pd.DataFrame, IntakeOptions]:
        """The list, told on stderr how it was read, and the options with which it is validated."""
        from gcbulk.recipients.choosing import row_per_number
        from gcbulk.recipients.reading import read_recipients

        if self.row_per_number and not self.number_columns:
            raise OptionError("--row-per-number needs the columns: --number-columns NAME, once for each.")
        recipients = read_recipients(file, sheet=self.sheet)
        for note in recipients.attrs["reading"]:
            click.echo(f"{file}: {note}", err=True)
        if self.row_per_number:
            recipients = row_per_number(recipients, self.number_columns)
        return recipients, self.options()

    def options(self) -> IntakeOptions:
        """The options with which the list is validated."""
        from gcbulk.recipients.choosing import NUMBER
        from gcbulk.recipients.intake import IntakeOptions

        several = None if self.row_per_number else self.number_columns or None
        return IntakeOptions(
            number_column=NUMBER if self.row_per_number else self.number_column,
            number_columns=several,
            international=self.international,
            opt_outs=self.opt_outs,
            one_per_number=self.one_per_number,
            customer_column=self.customer_column,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The flags that say what is written."""

    message: str | None
    message_file: Path | None
    smart_characters: Any
    max_parts: int
    header_length: int
    price_per_part: str | None

    def refuse_for_emails(self) -> None:
        """Raise OptionError for a flag that shapes nothing but texts."""
        _refuse(
            {"--price-per-part": self.price_per_part, "--header-length": self.header_length},
            "is for texts. Leave it out with --channel email.",
        )

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """The flags that say that a list is emailed, what, and with which files."""

    channel: str
    subject: str | None
    body_file: Path | None
    email_column: str | None
    attach: tuple[str, ...]
    attach_column: str | None
    attach_folder: Path | None
    max_file_mb: float
    max_call_mb: float

    def making(self, words: Words, customers: Mapping[str, Customer] | None) -> MakesPlans:
        """What makes a plan of the channel that was chosen."""
        from gcbulk.campaign.plan import make_plan

        if self.channel == "sms":
            self._refuse_for_texts()
            text, texts = words.read()
            return functools.partial(make_plan, message=text, texts=texts, customers=customers)
        from gcbulk.campaign.attachments import Attachments
        from gcbulk.campaign.emails import make_email_plan
        from gcbulk.messages.letter import Letter

        words.refuse_for_emails()
        if self.subject is None:
            raise OptionError("An email needs a subject: --subject TEXT.")
        if self.body_file is not None and (words.message or words.message_file):
            raise OptionError("Give the body with --body-file, or in --message: one of the two.")
        body = self.body_file or _message_text(words.message, words.message_file, "--body-file, --message")
        files = Attachments(
            files=self.attach,
            column=self.attach_column,
            folder=self.attach_folder,
            max_file_mb=self.max_file_mb,
            max_call_mb=self.max_call_mb,
        )
        letter = Letter(self.subject, body)
        return functools.partial(make_email_plan, letter=letter, attachments=files, customers=customers)

    def intake(self, taking: IntakeOptions) -> IntakeOptions:
        """How the list is taken in, for the channel that was chosen."""
        return for_channel(taking, self.channel, self.email_column)

    def _refuse_for_texts(self) -> None:
        given = {
            "--subject": self.subject,
            "--body-file": self.body_file,
            "--email-column": self.email_column,
            "--attach": self.attach,
            "--attach-column": self.attach_column,
        }
        _refuse(given, "is for emails. Add --channel email.")


def for_channel(taking: IntakeOptions, channel: str, email_column: str | None) -> IntakeOptions:
    """How a list is taken in that is reached by a channel. Raises OptionError for a flag of another's columns."""
    from gcbulk.recipients.choosing import NUMBER
    from gcbulk.recipients.kinds import kind_of

    if channel == "email":
        given = {
            "--number-column": taking.number_column != NUMBER and taking.number_column,  # of --row-per-number
            "--number-columns": taking.number_columns,
            "--international": taking.international,
        }
        _refuse(given, "is for texts. Leave it out with --channel email; --email-column names the column of addresses.")
    return replace(taking, email_column=email_column, kind=kind_of(channel))


def _refuse(given: Mapping[str, object], why: str) -> None:
    if named := [flag for flag, value in given.items() if value]:
        raise OptionError(f"{named[0]} {why}")


def together(name: str, flags: type[Intake | Words | Mail]) -> Callable[[Any], Any]:
    """Hand a command all of these flags as one argument."""
    names = {field.name for field in fields(flags)}

    def decorate(command: Any) -> Any:
        @functools.wraps(command)
        def run(**options: Any) -> Any:
            grouped: dict[str, Any] = {one: options.pop(one) for one in names & options.keys()}
            return command(**{name: flags(**grouped)}, **options)

        return run

    return decorate


intake_flags: Final = together("intake", Intake)


column_flags: Final = stack(
    click.option("--sheet", metavar="NAME", help="The sheet of a workbook. Default: the first that is shown."),
    click.option("--number-column", metavar="NAME", help="The column of numbers, where it cannot be told."),
    click.option(
        "--number-columns",
        metavar="NAME",
        multiple=True,
        help="One of several columns, the best first (give it again for each): the first usable number of a row.",
    ),
    click.option("--row-per-number", is_flag=True, help="A row for each number in --number-columns instead."),
    click.option("--opt-outs", type=PATH, metavar="FILE", help="Who must not be written to, besides your own list."),
)


customer_flag: Final = click.option(
    "--customer-column", metavar="NAME", help="As a partner: the column that names each row's customer."
)


recipient_flags: Final = stack(
    click.argument("file", type=PATH),
    column_flags,
    click.option("--international", is_flag=True, help="Take numbers from outside the UK (with + or 00)."),
    click.option("--one-per-number", is_flag=True, help="One text a number, though the texts may differ."),
    intake_flags,
)


channel_flag: Final = click.option(
    "--channel", type=click.Choice(["sms", "email"]), default="sms", show_default=True, help="Text, or email."
)
email_column_flag: Final = click.option(
    "--email-column", metavar="NAME", help="The column of addresses, where it cannot be told."
)


message_flags: Final = stack(
    click.option("--message", metavar="TEXT", help="The text, with fields such as {{ forename }}."),
    click.option("--message-file", type=PATH, metavar="FILE", help="A UTF-8 file with the text."),
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
    together("words", Words),
)


email_flags: Final = stack(
    channel_flag,
    click.option("--subject", metavar="TEXT", help="The subject of the emails, with fields."),
    click.option("--body-file", type=PATH, metavar="FILE", help="The body: .html, .md or .txt, in UTF-8."),
    email_column_flag,
    click.option(
        "--attach",
        metavar="FILE",
        multiple=True,
        help="A file for everybody, or a pattern of one for each row: letters/{{ upn }}.pdf (give it again for more).",
    ),
    click.option("--attach-column", metavar="NAME", help="A column that names a file for each row."),
    click.option("--attach-folder", type=PATH, metavar="FOLDER", help="Where the files are. Default: here."),
    click.option("--max-file-mb", type=float, default=7.0, show_default=True, help="Megabytes of one file."),
    click.option("--max-call-mb", type=float, default=10.0, show_default=True, help="Megabytes of a call's emails."),
    together("mail", Mail),
)


envelope_flags: Final = stack(
    click.option("--sent-from-name", metavar="NAME", help="From whom emails are said to be."),
    click.option("--sent-from-address", metavar="ADDRESS", help="The address that they are said to be from."),
    click.option("--reply-to", metavar="ADDRESS", help="Where answers go."),
)


time_flags: Final = stack(
    click.option("--sender", metavar="NAME", help="Shown on the handset: 11 letters and digits, or a number."),
    click.option("--send-at", metavar="TIME", help="Schedule, in UK time or with an offset: 2026-11-24T08:30."),
    click.option("--limit", type=int, metavar="N", help="Only the first N; resume sends the rest."),
    click.option(
        "--test-to", metavar="NUMBER|ADDRESS", help="Only try it, on your own phone; emails at your own address."
    ),
)


quiet_flags: Final = stack(
    click.option(
        "--quiet-hours",
        metavar="HOURS",
        help="UK time when nobody is texted: 21:00-06:00 (the usual), or off.",
    ),
    click.option("--urgent", is_flag=True, help="Send in quiet hours all the same."),
)


late_flag: Final = click.option("--late", is_flag=True, help="Go on with a campaign that was begun on an earlier day.")


pace_flags: Final = stack(
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


journal_flag: Final = click.option(
    "--journal",
    metavar="PATH|URL",
    help="Where the journal is. Default: GCBULK_JOURNAL, or your state folder.",
)


def _outputs(not_told: str) -> Callable[[Any], Any]:
    return stack(
        click.option("--out", type=PATH, metavar="FILE", help="Write the results, as CSV or (for Excel) .xlsx."),
        click.option("--not-told", type=PATH, metavar="FILE", help=f"Write the rows of those not told{not_told}."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON summary on stdout."),
        click.option("--fail-on-errors", is_flag=True, help="Exit 6 where any row is invalid or rejected."),
    )


output_flags: Final = _outputs(", to mend or phone")
rejoined_output_flags: Final = _outputs(": with --recipients LIST, in your own columns")


def _message_text(message: str | None, message_file: Path | None, flags: str = "--message") -> str:
    if (message is None) == (message_file is None):
        raise OptionError(
            f"Give the text with {flags} or --message-file: one of {'them' if ',' in flags else 'the two'}."
        )
    if message_file is None:
        return str(message)
    try:
        return message_file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError(f"--message-file {message_file} is not UTF-8. Save it as UTF-8 and try again.") from None
    except OSError as error:
        raise OptionError(f"--message-file {message_file} cannot be read: {error.strerror}.") from None
