"""Step 1: a list, how it is told and at which column, who must not be, and what is wrong with which row."""

from __future__ import annotations

import io
from html import escape
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.overview import by_customer_html, html_table, summary
from gcbulk.campaign.preview import check_summary
from gcbulk.campaign.results import rows_with
from gcbulk.codes import Status
from gcbulk.form.browser import Upload
from gcbulk.form.channel import ChannelChoice
from gcbulk.form.columns import ColumnChoice
from gcbulk.form.controls import Notice, Step, button, html, in_words, row, show
from gcbulk.form.school import SchoolChoice
from gcbulk.form.words import INTERNATIONAL, for_officers
from gcbulk.messages.findings import are
from gcbulk.recipients.kinds import KINDS
from gcbulk.recipients.optouts import opt_out_numbers
from gcbulk.recipients.reading import read_recipients
from gcbulk.recipients.workbooks import is_workbook, sheet_names
from gcbulk.recipients.writing import table_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.desk import Desk

FILES: Final = ".csv,.tsv,.txt,.xlsx,.xlsm,.ods,.xls"


class NamedFile(io.BytesIO):
    """An uploaded file: its bytes, and the name that sentences call it by."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


class RecipientsStep(Step):
    """The list of people, checked as soon as it is there.

    `changed` is called whenever it is another list; `another_way`, before that, when it is told in another way.
    """

    def __init__(
        self, desk: Desk, helper: Helper, page: Page, *, changed: Callable[[], None], another_way: Callable[[], None]
    ) -> None:
        super().__init__(1, "Recipients", "Choose your list: an export from your MIS, as it comes.")
        self._desk, self._helper, self._page, self._changed = desk, helper, page, changed
        self._another_way = another_way
        self._file_notice = Notice("gcb-file-notice")
        self._optouts_notice = Notice("gcb-optouts-notice")
        self._file = Upload("Choose a list", accept=FILES, received=self._list_came, refused=self._file_notice.error)
        self._optouts = Upload(
            "Choose an opt-out list", accept=FILES, received=self._optouts_came, refused=self._optouts_notice.error
        )
        self._file.add_class("gcb-upload")
        self._optouts.add_class("gcb-optouts")
        self._file_name = html("<span>CSV or Excel</span>", "gcb-live", "gcb-file-name")
        self._optouts_name = html("", "gcb-live")
        self._uploaded = NamedFile("", b"")
        self._sheet = widgets.Dropdown(options=[], description="Sheet")
        self._channel = ChannelChoice(desk, self._channel_chosen)
        self._columns: dict[str, ColumnChoice] = {}  # by channel, each once it is asked for
        self._international = widgets.Checkbox(desk.international, description=INTERNATIONAL, indent=False)
        for name in ("gcb-sheet", "gcb-labelled"):
            self._sheet.add_class(name)
        show(self._sheet, False)
        self._international.add_class("gcb-international")
        self._sheet.observe(self._sheet_chosen, "value")
        self._international.observe(self._international_chosen, "value")
        self._counts = html("", "gcb-counts", "gcb-live")
        self._mend = html("", "gcb-mend", "gcb-scroll")
        self._mend_button = button("Download the rows to mend (CSV)", "gcb-download-mend", self._download)
        self._school = SchoolChoice(desk, lambda: helper.ask("check", self._check))
        self._about_column = row()
        self._above = (self._channel, row(self._file, self._file_name), row(self._sheet), self._file_notice)
        self._below = (
            self._school,
            row(self._optouts, self._optouts_name),
            self._optouts_notice,
            self._counts,
            self._mend,
            self._mend_button,
        )
        self._arrange()
        show(self._mend_button, False)
        show(self._about_column, False)
        if desk.recipients is not None:
            with in_words(self._file_notice):
                self._take(desk.recipients, "The list that was handed in")

    def _arrange(self) -> None:
        """What belongs to the way that the list is told; a column is asked for when it is first needed."""
        desk = self._desk
        for channel in desk.way.channels:
            if channel not in self._columns:
                self._columns[channel] = ColumnChoice(channel, desk, lambda: self._helper.ask("check", self._check))
        texts = (self._international,) if "sms" in desk.way.channels else ()
        asked = [self._columns[channel] for channel in desk.way.channels]
        self._about_column.children = [asked[0].entry, *texts, *(one.entry for one in asked[1:])]
        if desk.opt_outs is None:
            self._optouts_name.value = f"<span>{desk.way.not_to}</span>"
        self.fill(*self._above, self._about_column, *(one.notice for one in asked), *self._below)

    def _channel_chosen(self) -> None:
        """Another way: other columns, other boxes to write in."""
        desk = self._desk
        before = {*self._columns}
        self._arrange()
        if desk.recipients is not None:
            for channel in {*self._columns} - before:
                self._columns[channel].offer(desk.recipients)
        self._another_way()
        self._helper.ask("check", self._check)

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
            self._desk.number_column = self._desk.number_columns = self._desk.email_column = None
            self._take(read_recipients(file, sheet=sheet), name)
            return
        self._refuse(name)

    def _refuse(self, name: str) -> None:
        self._file_name.value = f"<span>{escape(name)} was not taken</span>"
        for column in self._columns.values():
            column.notice.clear()
        if self._desk.recipients is not None:
            self._forget()

    def _forget(self) -> None:
        self._desk.recipients = self._desk.checked = None
        self._show_checked()

    def _take(self, recipients: pd.DataFrame, name: str) -> None:
        self._desk.recipients = recipients
        self._file_name.value = f"<span>{escape(name)}: {are(len(recipients), 'row')}</span>"
        for column in self._columns.values():
            column.offer(recipients)
        self._school.offer(recipients)
        self._check()

    def _international_chosen(self, change: dict[str, object]) -> None:
        self._desk.international = bool(change["new"])
        self._helper.ask("check", self._check)

    def _optouts_came(self, name: str, content: bytes) -> None:
        self._helper.ask("opt-outs", lambda: self._read_optouts(name, content))

    def _read_optouts(self, name: str, content: bytes) -> None:
        self._optouts_notice.clear()
        with in_words(self._optouts_notice):
            found = opt_out_numbers(NamedFile(name, content), international=True)
            self._desk.opt_outs = sorted(found)
            kinds = [(kind.noun, sum(map(kind.of, found))) for kind in KINDS.values()]
            told = [are(n, noun) for noun, n in kinds if n] or ["nobody"]
            self._optouts_name.value = f"<span>{escape(name)}: {', '.join(told)}</span>"
            self._check()
            return
        self._optouts_name.value = f"<span>{escape(name)} was not taken</span>"

    def _check(self) -> None:
        """Judge the list as it now stands."""
        desk = self._desk
        desk.checked = None
        asked = [self._columns[channel] for channel in desk.way.channels]
        if desk.recipients is not None and all(one.made for one in asked) and desk.whose is not None:
            with in_words(asked[0].notice):
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
                (by_status.get(Status.READY, 0), self._desk.way.good_rows),
                (wrong, "to mend"),
                (by_status.get(Status.DUPLICATE, 0), "duplicates"),
                (by_status.get(Status.OPTED_OUT, 0), "opted out"),
                (counts["repaired"], self._desk.way.mended),
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
