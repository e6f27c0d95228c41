"""Step 1: a list, its column of numbers, who must not be texted, and what is wrong with which row."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.overview import html_table, summary
from gcbulk.campaign.preview import check_summary
from gcbulk.campaign.results import rows_with
from gcbulk.codes import Status
from gcbulk.errors import RecipientsError
from gcbulk.form.browser import Upload
from gcbulk.form.controls import Notice, Step, button, html, in_words, row, show
from gcbulk.messages.findings import are
from gcbulk.form.words import INTERNATIONAL, for_officers
from gcbulk.recipients.columns import find_number_column, user_columns
from gcbulk.recipients.optouts import opt_out_numbers
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.schema import validate
from gcbulk.recipients.writing import table_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.desk import Desk

FILES: Final = ".csv,.tsv,.txt,.xlsx,.xlsm,.ods,.xls"
NO_COLUMN: Final = "Which column holds the numbers to text? Choose it."


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
        self._column = widgets.Dropdown(options=[("", None)], description="Column of the numbers")
        self._international = widgets.Checkbox(desk.international, description=INTERNATIONAL, indent=False)
        self._column.add_class("gcb-column")
        self._column.add_class("gcb-labelled")
        self._international.add_class("gcb-international")
        self._column.observe(self._column_chosen, "value")
        self._international.observe(self._international_chosen, "value")
        self._counts = html("", "gcb-counts", "gcb-live")
        self._mend = html("", "gcb-mend", "gcb-scroll")
        self._mend_button = button("Download the rows to mend (CSV)", "gcb-download-mend", self._download)
        self._about_column = row(self._column, self._international)
        self.fill(
            row(self._file, self._file_name),
            self._file_notice,
            self._about_column,
            self._column_notice,
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
        self._file_notice.clear()
        with in_words(self._file_notice):
            self._desk.number_column = None
            self._take(read_recipients(NamedFile(name, content)), name)
            return
        self._file_name.value = f"<span>{escape(name)} was not taken</span>"
        if self._desk.recipients is not None:
            self._forget()

    def _forget(self) -> None:
        self._desk.recipients = self._desk.checked = None
        self._show_checked()

    def _take(self, recipients: pd.DataFrame, name: str) -> None:
        self._desk.recipients = recipients
        self._file_name.value = f"<span>{escape(name)}: {are(len(recipients), 'row')}</span>"
        labels = list(user_columns(recipients).columns)
        found = None
        try:
            found = labels[find_number_column(user_columns(recipients).columns, self._desk.number_column)]
        except RecipientsError:
            self._column_notice.hint(NO_COLUMN)
        else:
            self._column_notice.clear()
        self._desk.number_column = found
        self._column.unobserve(self._column_chosen, "value")
        self._column.options = [("choose", None), *((str(label), label) for label in labels)]
        self._column.value = found
        self._column.observe(self._column_chosen, "value")
        self._check()

    def _column_chosen(self, change: dict[str, object]) -> None:
        self._desk.number_column = change["new"]
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
        if desk.recipients is not None and desk.number_column is not None:
            with in_words(self._column_notice):
                desk.checked = validate(
                    desk.recipients,
                    number_column=desk.number_column,
                    international=desk.international,
                    opt_outs=desk.opt_outs,
                )
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
                (by_status.get(Status.READY, 0), "to send"),
                (wrong, "to mend"),
                (by_status.get(Status.DUPLICATE, 0), "duplicates"),
                (by_status.get(Status.OPTED_OUT, 0), "opted out"),
                (counts["repaired"], "numbers put right"),
            )
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
