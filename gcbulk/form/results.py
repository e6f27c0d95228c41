"""Step 5: who has been told and who has not, to look at, to download, and to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.overview import by_customer_html, html_chart, summary
from gcbulk.campaign.results import NOT_TOLD, Summary, rows_with, summarise
from gcbulk.codes import Status
from gcbulk.form.check import Urgency
from gcbulk.form.controls import Notice, SearchTable, Step, button, html, in_words, row, show
from gcbulk.form.words import RESUME, for_officers
from gcbulk.recipients.writing import table_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.check import Credentials
    from gcbulk.form.desk import Desk

UNKNOWN: Final = (
    "{n} may or may not have been sent: the call broke off. They are not sent again by themselves. Look them up in the "
    "platform's message history, then say what it shows."
)
NOT_KNOWN_THERE: Final = "The history shows them: they were sent"
NOT_THERE: Final = "The history does not show them: not sent"


class ResultsStep(Step):
    """The results of a campaign. `resume`, `settle` and `again` are called by its buttons."""

    def __init__(
        self,
        desk: Desk,
        helper: Helper,
        page: Page,
        *,
        resume: Callable[[bool], None],
        settle: Callable[[bool], None],
        again: Callable[[], None],
    ) -> None:
        super().__init__(5, "Results", "Every row of your list, and what became of it.")
        self._desk, self._page = desk, page
        self._overview = html("", "gcb-scroll")
        self._table = SearchTable(helper, "Search the rows")
        self._all = button("Download all results (CSV)", "gcb-download", lambda: self._download_all("results.csv"))
        self._book = button("as a workbook", "gcb-download-xlsx", lambda: self._download_all("results.xlsx"))
        self._missed = button(
            "Download those not told (CSV)", "gcb-download-not-told", lambda: self._download_missed("not-told.csv")
        )
        self._missed_words = html("", "gcb-not-told")
        self.notice = Notice("gcb-results-notice")
        self._late = widgets.Checkbox(False, indent=False)
        self._late.add_class("gcb-late")
        self._late.observe(lambda _change: self._allow(), "value")
        self._resume = button(RESUME, "gcb-resume", lambda: resume(self._late.value), main=True)
        self._looked_up = widgets.Checkbox(False, description="I have looked them up", indent=False)
        self._looked_up.add_class("gcb-looked-up")
        self._looked_up.observe(lambda _change: self._allow(), "value")
        self._were_sent = button(NOT_KNOWN_THERE, "gcb-settle-sent", lambda: settle(True))
        self._were_not = button(NOT_THERE, "gcb-settle-not-sent", lambda: settle(False))
        self._unknown_words = html("", "gcb-unknown")
        self._unknown = widgets.VBox([self._unknown_words, self._looked_up, row(self._were_sent, self._were_not)])
        self._key_place = widgets.VBox([])
        self._urgency = Urgency(desk, "gcb-resume-urgent", self._tell_time)
        self._left = widgets.VBox([self._key_place, self._urgency, self._late, row(self._resume)])
        found = widgets.VBox(
            [self._overview, self._missed_words, row(self._missed, self._all, self._book), self._table]
        )
        for name in ("gcb-results", "gcb-body"):
            found.add_class(name)
        again_button = button("Write another message", "gcb-again", again)
        self.fill(
            self._unknown,
            self._left,
            self.notice,
            found,
            row(again_button),
        )

    def show(self, *, begun_earlier: str, credentials: Credentials) -> None:
        """Show the results that are on the desk."""
        results = self._desk.results
        if results is None:
            return
        view, counts = summary(results), summarise(results)
        words = "; ".join(
            f"{rows} {status.replace('_', ' ')}{reason and f', {reason}'}"
            for status, reason, rows in view.counts_in_words().itertuples(index=False)
        )
        chart, counted = html_chart(view.plot(), words), for_officers(view.counts_html()) + by_customer_html(results)
        self._overview.value = f"<p class='gcb-sum'>{view.first_line()}</p>{chart}{counted}"
        missed = counts.not_told
        self._missed_words.value = _who_was_missed(counts)
        show(self._missed, bool(missed))
        unknown = counts.statuses.get(Status.UNKNOWN, 0)
        self._unknown_words.value = f"<p><b>{UNKNOWN.format(n=f'{unknown:,}')}</b></p>"
        self._looked_up.value = False
        show(self._unknown, bool(unknown))
        waiting = counts.statuses.get(Status.NOT_SENT, 0)
        self._resume.description = f"{RESUME} ({waiting:,})"
        self._late.value = False
        self._late.description = f"This was begun on {begun_earlier}. What it says is still true"
        show(self._late, bool(begun_earlier))
        show(self._left, bool(waiting))
        self._key_place.children = [credentials] if waiting and self._desk.client is None else []
        self._begun_earlier = begun_earlier
        self._tell_time()
        self._allow()
        self._table.show(results)
        self.unfold()

    def _tell_time(self) -> None:
        """Quiet hours; a campaign whose own time is still ahead goes on all the same."""
        self._urgency.tell(self._desk.quiet_now())

    def _allow(self) -> None:
        self._resume.disabled = bool(self._begun_earlier) and not self._late.value
        self._were_sent.disabled = self._were_not.disabled = not self._looked_up.value

    _begun_earlier = ""

    def _download_all(self, name: str) -> None:
        if self._desk.results is not None:
            with in_words(self.notice):
                self._page.save(name, table_bytes(self._desk.results, name))

    def _download_missed(self, name: str) -> None:
        desk = self._desk
        if desk.results is not None:
            with in_words(self.notice):
                self._page.save(name, table_bytes(rows_with(NOT_TOLD, desk.results, desk.recipients), name))


def _who_was_missed(counts: Summary) -> str:
    words = []
    if counts.not_told:
        waiting = counts.statuses.get(Status.NOT_SENT, 0)
        rest = "mend their rows, or phone them" if counts.not_told > waiting else ""
        first = f"{waiting:,} can still be sent to, with the button above" if waiting else ""
        ways = f"{first}; the others: {rest}" if first and rest else first or rest
        words.append(
            f"<p><b>{counts.not_told:,} of {counts.total:,} people have not been told</b>, as far as is known: {ways}."
            "</p>"
        )
        if counts.statuses.get(Status.UNKNOWN):
            words.append(
                "<p>Those of unknown outcome may have it already. Before you send the list of those not told as a list "
                "of its own, say above what became of them, and download it anew.</p>"
            )
    if counts.undelivered:
        what = f"{counts.message.capitalize()}s that did not arrive"
        words.append(f"<p><b>{what}: {counts.undelivered:,}</b>, by the delivery news.</p>")
    return "".join(words) or (
        "<p><b>Everybody who was to be told was told</b>, as far as the platform has answered.</p>"
    )
