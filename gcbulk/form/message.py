"""Step 2: the text or the email, its fields, and how it reads for each person, while it is typed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets
import numpy as np
import pandas as pd

from gcbulk.campaign.preview import mask_number
from gcbulk.campaign.views.facts import files_in_words, remarks
from gcbulk.campaign.views.page import letter_html, remarks_html
from gcbulk.codes import REASONS, ErrorCode, Status
from gcbulk.errors import GcbulkError
from gcbulk.form.controls import Notice, Step, button, html, in_words, row
from gcbulk.form.letter import LetterBoxes
from gcbulk.form.manner import Manner
from gcbulk.form.words import for_officers
from gcbulk.messages.findings import are
from gcbulk.messages.template import field_name
from gcbulk.recipients.columns import own_columns
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcbulk.campaign.either import Leg
    from gcbulk.campaign.plan import Plan
    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.desk import Desk

PAUSE: Final = 0.6
"""Seconds after the last key before the whole list is looked at."""


class MessageStep(Step):
    """The message. `changed` is called at once when it is another one, and again when its plan is made."""

    def __init__(self, desk: Desk, helper: Helper, page: Page, message: str, changed: Callable[[], None]) -> None:
        super().__init__(2, "Message", desk.way.write)
        self._desk, self._helper, self._page, self._changed = desk, helper, page, changed
        self._ready: list[int] = []
        self._at = 0
        self._fields = row()
        self._fields.add_class("gcb-fields")
        self._text = widgets.Textarea(message, description="Message", rows=5, placeholder="Dear {{ parent_name }}, ...")
        self._notice = Notice("gcb-message-notice")
        self._parts = html("", "gcb-parts", "gcb-live")
        self._ready_words = html("", "gcb-ready", "gcb-live")
        self._preview = html("", "gcb-preview", "gcb-live")
        self._back = button("Previous row", "gcb-previous-row", lambda: self._page_by(-1))
        self._on = button("Next row", "gcb-next-row", lambda: self._page_by(1))
        self._findings = html("", "gcb-findings", "gcb-live")
        self._manner = Manner(desk, self.look)
        self._letter: LetterBoxes | None = None  # once it is asked for
        page.unfinished = self._manner.unfinished
        for name in ("gcb-message", "gcb-labelled", "gcb-writable"):
            self._text.add_class(name)
        self._text.observe(lambda _change: self.look(), "value")
        self._below = (
            self._parts,
            self._ready_words,
            self._notice,
            self._findings,
            self._preview,
            row(self._back, self._on),
            self._manner,
        )
        self.arrange()

    def arrange(self) -> None:
        """Show the boxes that belong to the way that the list is told."""
        ways = self._desk.way.channels
        boxes: list[widgets.Widget] = [self._text] if "sms" in ways else []
        if "email" in ways:
            self._letter = self._letter or LetterBoxes(self._desk, self._helper, self.look)
            boxes.append(self._letter)
        self.explain(self._desk.way.write)
        self._manner.arrange()
        self.fill(self._fields, *boxes, *self._below)

    @property
    def _refused(self) -> bool:
        """Whether a field that is on the screen holds what cannot be used."""
        written = self._letter is not None and self._letter in self.body.children and self._letter.refused
        return self._manner.refused or written

    def new_list(self) -> None:
        """Another list: other fields, other rows."""
        desk = self._desk
        if desk.recipients is None or desk.checked is None:
            self.look()
            return
        names = [field_name(column) for column in own_columns(desk.recipients).columns]
        labels = [str(column) for column in own_columns(desk.recipients).columns]
        self._fields.children = [
            html("<span>Insert a field:</span>"),
            *(
                self._field_button(label, name)
                for label, name in dict(zip(labels, names, strict=True)).items()
                if name and names.count(name) == 1
            ),
        ]
        if desk.intake.for_customers and "customer_name" not in names:
            self._fields.children += (self._field_button("the school's name", "customer_name"),)
        self._ready = (desk.checked["Status"] == Status.READY).to_numpy(dtype=bool).nonzero()[0].tolist()
        self._at = 0
        self.look()

    def _field_button(self, label: str, name: str) -> widgets.Button:
        made = button(label, "gcb-field", lambda: None)
        made.tooltip = f"Insert {{{{ {name} }}}}"  # the page inserts what stands here, where the cursor is
        return made

    def look(self) -> None:
        """The text as it now stands: the row on the screen at once, the whole list a moment after the last key."""
        desk = self._desk
        desk.message, desk.legs = self._text.value, None
        self._changed()
        self._show_row()
        self._helper.ask("plan", self._plan, pause=PAUSE)

    def _plan(self) -> None:
        """Plan the whole list."""
        desk = self._desk
        self._notice.clear()
        written = desk.written
        found = ""
        if desk.checked is not None and desk.recipients is not None and not desk.lacking:
            with in_words(self._notice):
                legs = desk.plan_of(desk.recipients)
                found = for_officers("".join(remarks_html(remarks(leg.plan)) for leg in legs))
                if desk.written == written and not self._refused:  # else a later look is under way, or must come
                    desk.legs = legs
        self._findings.value = found
        (self._show_row if self._notice.value else self._show_parts)()
        self._changed()

    def _page_by(self, step: int) -> None:
        self._at = max(0, min(self._at + step, len(self._ready) - 1))
        self._show_row()

    def _show_row(self) -> None:
        """Render the row on the screen alone, which is quick however long the list is."""
        self._row_words = ""
        try:
            nothing = self._render_row()
        except GcbulkError as error:  # half-typed, or wrong: then the notice says so too, once the typing pauses
            nothing = "put right what is marked above." if self._notice.value else str(error)
        if nothing:
            self._preview.value = f"<p class='gcb-bubble gcb-left-out'><b>Nothing to preview:</b> {escape(nothing)}</p>"
        self._back.disabled = bool(nothing) or self._at == 0
        self._on.disabled = bool(nothing) or self._at >= len(self._ready) - 1
        self._show_parts()

    def _render_row(self) -> str:
        """Show the row; return why there is none to show, or "". GcbulkError where the message cannot be used."""
        desk = self._desk
        if desk.recipients is None or not self._ready:
            return desk.way.nobody
        if desk.lacking:
            return desk.lacking
        position = self._ready[self._at]
        plan = desk.plan_of(desk.recipients.iloc[[position]])[0].plan
        found = plan.frame.iloc[0]
        who = f"Row {position + 1:,} ({self._at + 1:,} of {len(self._ready):,}), to {mask_number(found['SentTo'])}"
        if found["Status"] != Status.READY:
            why = escape(for_officers(str(found["ErrorDetail"])))
            shown = f"<p class='gcb-bubble gcb-left-out'><b>Not sent:</b> {why}</p>"
        elif plan.channel == "email":
            shown = letter_html(found["EmailSubject"], found["Text"])
            files = found["EmailFiles"]
            self._row_words = f"This email: {files if isinstance(files, str) else 'no file'}."
        else:
            words = str(found["Text"])
            shown = f"<p class='gcb-bubble'>{escape(words)}</p>"
            self._row_words = f"This text: {are(len(words), 'character')}, {are(int(found['Parts']), 'part')}."
        self._preview.value = f"<p class='gcb-who'>{who}</p>{shown}"
        return ""

    def _show_parts(self) -> None:
        desk, legs = self._desk, self._desk.legs
        self._ready_words.value = "" if legs is None else f"<span>{_how_many(legs, self._ready, desk.way.good)}</span>"
        whole = "counting ..." if not desk.lacking and desk.checked is not None else ""
        if legs is not None:
            whole = " ".join(_whole(leg.plan) for leg in legs)
        elif self._refused:
            whole = "First put right the field that is marked below."
        elif self._notice.value:
            whole = ""
        self._parts.value = f"<span>{escape(self._row_words)} {whole}</span>"


def _whole(plan: Plan) -> str:
    """What all of a plan's messages amount to: their parts, or the files that go with them."""
    count, message = int(plan.ready.sum()), KINDS[plan.channel].message
    everything = f"The only {message}" if count == 1 else f"All {count:,} {message}s"
    if plan.channel == "email":
        return f"{everything}: {files_in_words(plan) or 'no file'}."
    return f"{everything}: {are(int(plan.frame['Parts'].to_numpy()[plan.ready].sum()), 'part')}."


def _how_many(legs: Sequence[Leg], good: Sequence[int], has: str) -> str:
    """How many of the rows that can be told are ready to send, and why the others are not."""
    of_list = np.full(sum(len(leg.rows) for leg in legs), None, dtype=object)
    for leg in legs:
        of_list[leg.rows] = leg.plan.frame["ErrorCode"].to_numpy(dtype=object)
    codes = pd.Series(of_list[list(good)], dtype=object).dropna()
    why = ", ".join(f"{n:,} ({REASONS[ErrorCode(str(code))]})" for code, n in codes.value_counts().items())
    rows = f"{are(len(good), 'row')} with a good {has}"
    if not why:
        return f"Ready to send: all {rows}." if good[1:] else f"Ready to send: {rows}."
    return f"Ready to send: {len(good) - len(codes):,} of {rows}. Left out: {why}."
