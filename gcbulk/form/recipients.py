"""Step 1: a list, its column of numbers, who must not be texted, and what is wrong with which row."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

import ipywidgets as widgets

from gcbulk.campaign.overview import by_customer_html, html_table, summary
from gcbulk.campaign.preview import check_summary
from gcbulk.campaign.results import rows_with
from gcbulk.codes import Status
from gcbulk.errors import RecipientsError
from gcbulk.form.browser import Upload
from gcbulk.form.controls import Notice, Step, button, html, in_words, row, show
from gcbulk.form.school import SchoolChoice
from gcbulk.form.words import INTERNATIONAL, for_officers
from gcbulk.messages.findings import are
from gcbulk.recipients.columns import candidates, user_columns
from gcbulk.recipients.optouts import opt_out_numbers
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.workbooks import is_workbook, sheet_names
from gcbulk.recipients.writing import table_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.desk import Desk

MOST_COLUMNS: Final = 4
"""More columns that could be meant than this are no choice in which order to try them."""
FILES: Final = ".csv,.tsv,.txt,.xlsx,.xlsm,.ods,.xls"
NO_COLUMN: Final = "Which column holds the numbers to text? Choose it."
SEVERAL_COLUMNS: Final = (
    "The numbers could be in several columns. Choose one, or the columns in the order in which they are to be tried: "
    "each row is then texted at the first number that can be."
)


class Choice(NamedTuple):
    """One or several columns of numbers, the best first, and how they are called in the list to choose from."""

    words: str
    columns: tuple[Hashable, ...]

    @classmethod
    def of(cls, columns: tuple[Hashable, ...]) -> Choice:
        """The choice of these columns, named by them."""
        return cls(", or else ".join(map(_on_one_line, columns)), columns)


def _several(labels: pd.Index) -> list[Choice]:
    """Where several columns could be meant: all of them, each of them once the best."""
    meant = [labels[place] for place in candidates(labels)]
    if not 1 < len(meant) <= MOST_COLUMNS:
        return []
    return [Choice.of((best, *(other for other in meant if other is not best))) for best in meant]


def _on_one_line(label: Hashable) -> str:
    return " ".join(str(label).split())


class NamedFile(io.BytesIO):
    """An uploaded file: its bytes, and the name that sentences call it by."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


class RecipientsStep(Step):
    """The list of people, checked as soon as it is there. `changed` is called whenever it is another list."""

    def __init__(self, desk: Desk, helper: Helper, page: Page, changed: Callable[[], None]) -> None:
        super().__init__(1, "Recipients", "Choose your list: an export from your MIS, as it comes.")
        self._desk, self._helper, self._page, self._changed = desk, helper, page, changed
        self._file_notice, self._column_notice = Notice("gcb-file-notice"), Notice("gcb-column-notice")
        self._optouts_notice = Notice("gcb-optouts-notice")
        self._file = Upload("Choose a list", accept=FILES, received=self._list_came, refused=self._file_notice.error)
        self._optouts = Upload(
            "Choose an opt-out list", accept=FILES, received=self._optouts_came, refused=self._optouts_notice.error
        )
        self._file.add_class("gcb-upload")
        self._optouts.add_class("gcb-optouts")
        self._file_name = html("<span>CSV or Excel</span>", "gcb-live", "gcb-file-name")
        self._optouts_name = html("<span>numbers that must not be texted, if you keep such a list</span>", "gcb-live")
        self._uploaded = NamedFile("", b"")
        self._sheet = widgets.Dropdown(options=[], description="Sheet")
        self._column = widgets.Dropdown(options=[("", None)], description="Column of the numbers")
        self._international = widgets.Checkbox(desk.international, description=INTERNATIONAL, indent=False)
        for chooser, called in ((self._sheet, "gcb-sheet"), (self._column, "gcb-column")):
            chooser.add_class(called)
            chooser.add_class("gcb-labelled")
        show(self._sheet, False)
        self._international.add_class("gcb-international")
        self._sheet.observe(self._sheet_chosen, "value")
        self._column.observe(self._column_chosen, "value")
        self._international.observe(self._international_chosen, "value")
        self._counts = html("", "gcb-counts", "gcb-live")
        self._mend = html("", "gcb-mend", "gcb-scroll")
        self._mend_button = button("Download the rows to mend (CSV)", "gcb-download-mend", self._download)
        self._school = SchoolChoice(desk, lambda: helper.ask("check", self._check))
        self._about_column = row(self._column, self._international)
        self.fill(
            row(self._file, self._file_name),
            row(self._sheet),
            self._file_notice,
            self._about_column,
            self._column_notice,
            self._school,
            row(self._optouts, self._optouts_name),
            self._optouts_notice,
            self._counts,
            self._mend,
            self._mend_button,
        )
        show(self._mend_button, False)
        show(self._about_column, False)
        if desk.recipients is not None:
            with in_words(self._file_notice):
                self._take(desk.recipients, "The list that was handed in")

    def _list_came(self, name: str, content: bytes) -> None:
        self._file_name.value = f"<span>Reading {escape(name)} ...</span>"
        self._helper.ask("recipients", lambda: self._read(name, content))

    def _read(self, name: str, content: bytes) -> None:
        """Read a file: the first sheet of a workbook, with its others to choose from."""
        self._uploaded = NamedFile(name, content)
        self._file_notice.clear()
        self._sheet.unobserve(self._sheet_chosen, "value")
        self._sheet.options, sheets = [], []
        with in_words(self._file_notice):
            sheets = sheet_names(content, name) if is_workbook(content, name) else []
        self._sheet.options, self._sheet.index = sheets, 0 if sheets else None
        self._sheet.observe(self._sheet_chosen, "value")
        show(self._sheet, len(self._sheet.options) > 1)
        if self._file_notice.value:
            self._refuse(name)
        else:
            self._read_sheet()

    def _sheet_chosen(self, _change: object) -> None:
        self._helper.ask("recipients", self._read_sheet)

    def _read_sheet(self) -> None:
        file, sheet = self._uploaded, self._sheet.value
        name = f"{file.name}, {sheet}" if self._sheet.options[1:] else file.name
        file.seek(0)
        self._file_notice.clear()
        with in_words(self._file_notice):
            self._desk.number_column = self._desk.number_columns = None
            self._take(read_recipients(file, sheet=sheet), name)
            return
        self._refuse(name)

    def _refuse(self, name: str) -> None:
        self._file_name.value = f"<span>{escape(name)} was not taken</span>"
        self._column_notice.clear()
        if self._desk.recipients is not None:
            self._forget()

    def _forget(self) -> None:
        self._desk.recipients = self._desk.checked = None
        self._show_checked()

    def _take(self, recipients: pd.DataFrame, name: str) -> None:
        self._desk.recipients = recipients
        self._file_name.value = f"<span>{escape(name)}: {are(len(recipients), 'row')}</span>"
        labels = user_columns(recipients).columns
        choices = [*_several(labels), *(Choice(_on_one_line(label), (label,)) for label in labels)]
        found = None
        try:
            at = self._desk.intake.positions(labels)
        except RecipientsError:
            self._column_notice.hint(SEVERAL_COLUMNS if choices[0].columns[1:] else NO_COLUMN)
        else:
            self._column_notice.clear()
            wanted = tuple(labels[place] for place in at)
            found = next((one for one in choices if one.columns == wanted), None) or Choice.of(wanted)
            choices = choices if found in choices else [found, *choices]
        self._choose(found)
        self._column.unobserve(self._column_chosen, "value")
        self._column.options = [("choose", None), *((one.words, one) for one in choices)]
        self._column.value = found
        self._column.observe(self._column_chosen, "value")
        self._school.offer(recipients)
        self._check()

    def _choose(self, chosen: Choice | None) -> None:
        several = chosen is not None and len(chosen.columns) > 1
        self._desk.number_columns = list(chosen.columns) if chosen is not None and several else None
        self._desk.number_column = chosen.columns[0] if chosen is not None and not several else None

    def _column_chosen(self, change: dict[str, Choice | None]) -> None:
        self._choose(change["new"])
        if change["new"] is None:
            self._column_notice.hint(NO_COLUMN)
        else:
            self._column_notice.clear()
        self._helper.ask("check", self._check)

    def _international_chosen(self, change: dict[str, object]) -> None:
        self._desk.international = bool(change["new"])
        self._helper.ask("check", self._check)

    def _optouts_came(self, name: str, content: bytes) -> None:
        self._helper.ask("opt-outs", lambda: self._read_optouts(name, content))

    def _read_optouts(self, name: str, content: bytes) -> None:
        self._optouts_notice.clear()
        with in_words(self._optouts_notice):
            numbers = opt_out_numbers(NamedFile(name, content), international=True)
            self._desk.opt_outs = sorted(numbers)
            self._optouts_name.value = f"<span>{escape(name)}: {are(len(numbers), 'number')}</span>"
            self._check()
            return
        self._optouts_name.value = f"<span>{escape(name)} was not taken</span>"

    def _check(self) -> None:
        """Judge the list as it now stands."""
        desk = self._desk
        desk.checked = None
        if desk.recipients is not None and self._column.value is not None and desk.whose is not None:
            with in_words(self._column_notice):
                desk.checked = desk.check(desk.recipients)
        self._show_checked()

    def _show_checked(self) -> None:
        checked = self._desk.checked
        wrong = 0
        self._counts.value = self._mend.value = ""
        if checked is not None:
            counts = check_summary(checked)
            by_status = counts["statuses"]
            wrong = by_status.get(Status.INVALID, 0)
            self._counts.value = _tiles(
                (by_status.get(Status.READY, 0), "rows with a good number"),
                (wrong, "to mend"),
                (by_status.get(Status.DUPLICATE, 0), "duplicates"),
                (by_status.get(Status.OPTED_OUT, 0), "opted out"),
                (counts["repaired"], "numbers put right"),
            ) + by_customer_html(checked)
            mend = summary(checked).to_mend()
            if wrong:
                words = f"The first {len(mend)} of {wrong:,} rows to mend" if wrong > len(mend) else "Rows to mend"
                table = for_officers(html_table(list(mend.columns), mend.itertuples(index=False)))
                self._mend.value = f"<h3>{words}</h3>{table}"
        show(self._mend_button, bool(wrong))
        show(self._about_column, self._desk.recipients is not None)
        self._changed()

    def _download(self) -> None:
        checked, recipients = self._desk.checked, self._desk.recipients
        if checked is None or recipients is None:
            return
        own = rows_with((Status.INVALID,), checked, recipients)
        wrong = (checked["Status"] == Status.INVALID).to_numpy(dtype=bool)
        reasons = checked.loc[wrong, ["ErrorCode", "ErrorDetail"]].set_axis(own.index)
        self._page.save("rows-to-mend.csv", table_bytes(own.assign(**reasons), "rows-to-mend.csv"))


def _tiles(*counts: tuple[int, str]) -> str:
    return f"<ul class='gcb-tiles'>{''.join(f'<li><b>{n:,}</b> {words}</li>' for n, words in counts)}</ul>"
