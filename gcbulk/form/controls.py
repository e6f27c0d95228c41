"""What stands on the form: headings, notices, buttons, a long table in pages. Words in, widgets out."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets
import pandas as pd

from gcbulk.campaign.overview import html_table, on_screen, reasons
from gcbulk.errors import GcbulkError, GcbulkWarning
from gcbulk.form.browser import PrivateField
from gcbulk.form.words import for_officers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcbulk.form.background import Helper

PAGE_ROWS: Final = 15
SEARCH_PAUSE: Final = 0.25


def html(words: str = "", *classes: str) -> widgets.HTML:
    """A piece of HTML with these classes."""
    piece = widgets.HTML(words)
    for name in classes:
        piece.add_class(name)
    return piece


def button(words: str, name: str, clicked: Callable[[], None], *, main: bool = False) -> widgets.Button:
    """A button of the class `name`; a main one is what the step is for."""
    made = widgets.Button(description=words, layout=widgets.Layout(width="auto"))
    for one in ("gcb-button", name, *(["gcb-main"] if main else [])):
        made.add_class(one)
    made.on_click(lambda _button: clicked())
    return made


def row(*children: widgets.Widget) -> widgets.Box:
    """Widgets beside each other, wrapped where the page is narrow."""
    return _classed(widgets.HBox(children), "gcb-row")


def show(widget: widgets.DOMWidget, shown: bool) -> None:
    """Show a widget, or take it and its place away."""
    widget.layout.display = None if shown else "none"


def _classed(box: Any, *names: str) -> Any:
    for name in names:
        box.add_class(name)
    return box


class Notice(widgets.HTML):
    """A sentence beside the field that it concerns; empty where all is well."""

    def __init__(self, name: str) -> None:
        super().__init__("")
        _classed(self, "gcb-notice", "gcb-live", name)
        show(self, False)

    def error(self, words: str) -> None:
        """What is wrong, and the way out."""
        self._say("gcb-error", words)

    def hint(self, words: str) -> None:
        """Something to look at that stops nothing; nothing where `words` is empty."""
        self._say("gcb-hint", words)

    def good(self, words: str) -> None:
        """What went well."""
        self._say("gcb-good", words)

    def clear(self) -> None:
        """All is well."""
        self._say("gcb-hint", "")

    def _say(self, kind: str, words: str) -> None:
        lead = "<b>Please look:</b> " if kind == "gcb-error" else ""
        self.value = f"<p class='{kind}'>{lead}{escape(for_officers(words))}</p>" if words else ""
        show(self, bool(words))


@contextmanager
def in_words(notice: Notice) -> Iterator[None]:
    """Whatever goes wrong becomes a sentence in `notice`, and so do warnings; never a traceback in the output."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", GcbulkWarning)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - the last place before the user
            notice.error(sentence(error))
            return
    told = [str(warning.message) for warning in caught if issubclass(warning.category, GcbulkWarning)]
    if told:
        notice.hint(" ".join(told))


def sentence(error: Exception) -> str:
    """An error in words; what is no error of ours only by its kind and place, as its words could hold a number."""
    if isinstance(error, GcbulkError):
        return str(error)
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else ""
    return f"Unexpected failure ({type(error).__name__}{place}). Nothing more was done."


@contextmanager
def quiet_log() -> Iterator[None]:
    """For a run whose end the form tells itself: the log's last resort would tell it again below the cell."""
    log, handler = logging.getLogger("gcbulk"), logging.NullHandler()
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Step(widgets.VBox):
    """One of the five steps: a heading, and what belongs to it once the step before is done."""

    def __init__(self, number: int, name: str, hint: str) -> None:
        self._heading = html(f"<h2>{number}. {escape(name)}</h2>", "gcb-heading")
        self._hint = html(f"<p>{escape(hint)}</p>", "gcb-intro")
        self.body = _classed(widgets.VBox([]), "gcb-body")
        super().__init__([self._heading, self._hint, self.body])
        _classed(self, "gcb-step", f"gcb-step-{name.lower()}")
        self.unfold(False)

    def fill(self, *children: widgets.Widget) -> None:
        """Say what belongs to the step."""
        self.body.children = children

    def explain(self, hint: str) -> None:
        """Say what the step is for."""
        self._hint.value = f"<p>{escape(hint)}</p>"

    def unfold(self, opened: bool = True) -> None:
        """Open the step, or close it; its heading stays."""
        show(self.body, opened)
        show(self._hint, opened)
        (self.remove_class if opened else self.add_class)("gcb-closed")


class SearchTable(widgets.VBox):
    """A long frame in pages, with a field to search in it; numbers masked on the screen, found by their digits."""

    def __init__(self, helper: Helper, words: str) -> None:
        self._helper = helper
        self._frame = pd.DataFrame()
        self._haystack: pd.Series[str] = pd.Series(dtype="str")
        self._found: Any = []
        self._page = 0
        self._wanted = ""  # here alone: it could be somebody's number
        self._search = PrivateField(words, kind="search", entered=self._entered, hint="name, number, status or reason")
        _classed(self._search, "gcb-search", "gcb-labelled")
        self._where = html("", "gcb-live", "gcb-table-where")
        self._table = html("", "gcb-scroll")
        self._back = button("Previous rows", "gcb-rows-back", lambda: self._turn(-1))
        self._on = button("Next rows", "gcb-rows-on", lambda: self._turn(1))
        super().__init__([row(self._search, self._where), self._table, row(self._back, self._on)])
        _classed(self, "gcb-search-table")

    def show(self, frame: pd.DataFrame) -> None:
        """Show a frame of results from its first page."""
        self._frame = frame
        plain = frame.set_axis(range(frame.shape[1]), axis=1).reset_index(drop=True).astype(object)
        words = plain.where(plain.notna(), "").astype(str)
        told = words.assign(reason=reasons(frame["ErrorCode"]).to_numpy())
        self._haystack = told[0].str.cat(told.iloc[:, 1:], sep=" ").str.casefold()
        self._search.empty()
        self._wanted = ""
        self._look()

    def _entered(self, words: str) -> None:
        self._wanted = words
        self._helper.ask("search", self._look, pause=SEARCH_PAUSE)

    def _look(self) -> None:
        words = self._wanted.casefold().split()
        hits = pd.Series(True, index=self._haystack.index)
        for word in words:
            hits &= self._haystack.str.contains(word, regex=False)
        self._found, self._page = hits.to_numpy(dtype=bool).nonzero()[0], 0
        self._draw()

    def _turn(self, step: int) -> None:
        self._page += step
        self._draw()

    def _draw(self) -> None:
        total = len(self._found)
        first = self._page * PAGE_ROWS
        rows = self._found[first : first + PAGE_ROWS]
        shown = on_screen(self._frame, rows)
        self._table.value = for_officers(html_table(list(shown.columns), shown.itertuples(index=False)))
        where = f"Rows {first + 1:,} to {first + len(rows):,} of {total:,}" if total else "No row has these words"
        self._where.value = f"<span>{where}</span>"
        self._back.disabled, self._on.disabled = first == 0, first + PAGE_ROWS >= total
