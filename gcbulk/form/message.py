"""Step 2: the text, its fields, and how it reads for each person, while it is typed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.preview import mask_number
from gcbulk.campaign.views.facts import remarks
from gcbulk.campaign.views.page import remarks_html
from gcbulk.codes import REASONS, ErrorCode, Status
from gcbulk.errors import GcbulkError
from gcbulk.form.controls import Notice, Step, button, html, in_words, row
from gcbulk.form.manner import Manner
from gcbulk.form.words import for_officers
from gcbulk.messages.findings import are
from gcbulk.messages.template import field_name
from gcbulk.recipients.columns import own_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcbulk.campaign.plan import Plan
    from gcbulk.form.background import Helper
    from gcbulk.form.browser import Page
    from gcbulk.form.desk import Desk

PAUSE: Final = 0.6
"""Seconds after the last key before the whole list is looked at."""


class MessageStep(Step):
    """The message. `changed` is called at once when it is another one, and again when its plan is made."""

    def __init__(self, desk: Desk, helper: Helper, page: Page, message: str, changed: Callable[[], None]) -> None:
        super().__init__(2, "Message", "Write the text. A field stands for what each row has in that column.")
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
        page.unfinished = self._manner.unfinished
        for name in ("gcb-message", "gcb-labelled"):
            self._text.add_class(name)
        self._text.observe(lambda _change: self.look(), "value")
        self.fill(
            self._fields,
            self._text,
            self._parts,
            self._ready_words,
            self._notice,
            self._findings,
            self._preview,
            row(self._back, self._on),
            self._manner,
        )

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
        desk.message, desk.plan = self._text.value, None
        self._changed()
        self._show_row()
        self._helper.ask("plan", self._plan, pause=PAUSE)

    def _plan(self) -> None:
        """Plan the whole list."""
        desk = self._desk
        self._notice.clear()
        text = desk.message
        found = ""
        if desk.checked is not None and desk.recipients is not None and text.strip():
            with in_words(self._notice):
                plan = desk.plan_of(desk.recipients)
                found = for_officers(remarks_html(remarks(plan)))
                if desk.message == text and not self._manner.refused:  # else a later look is under way, or must come
                    desk.plan = plan
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
            return "no row has a number that can be texted."
        if not desk.message.strip():
            return "there is no message yet."
        position = self._ready[self._at]
        found = desk.plan_of(desk.recipients.iloc[[position]]).frame.iloc[0]
        ready = found["Status"] == Status.READY
        who = f"Row {position + 1:,} ({self._at + 1:,} of {len(self._ready):,}), to {mask_number(found['SentTo'])}"
        words = str(found["Text"]) if ready else for_officers(str(found["ErrorDetail"]))
        kind = "gcb-bubble" if ready else "gcb-bubble gcb-left-out"
        lead = "" if ready else "<b>Not sent:</b> "
        self._preview.value = f"<p class='gcb-who'>{who}</p><p class='{kind}'>{lead}{escape(words)}</p>"
        if ready:
            self._row_words = f"This text: {are(len(words), 'character')}, {are(int(found['Parts']), 'part')}."
        return ""

    def _show_parts(self) -> None:
        plan = self._desk.plan
        self._ready_words.value = "" if plan is None else f"<span>{_how_many(plan, self._ready)}</span>"
        whole = "counting ..." if self._desk.message.strip() and self._desk.checked is not None else ""
        if plan is not None:
            parts = plan.frame["Parts"].to_numpy()[plan.ready]
            all_texts = "The only text" if len(parts) == 1 else f"All {len(parts):,} texts"
            whole = f"{all_texts}: {are(int(parts.sum()), 'part')}."
        elif self._manner.refused:
            whole = "First put right the field that is marked below."
        elif self._notice.value:
            whole = ""
        self._parts.value = f"<span>{self._row_words} {whole}</span>"


def _how_many(plan: Plan, good: Sequence[int]) -> str:
    """How many rows with a good number are ready to send, and why the others are not."""
    codes = plan.frame["ErrorCode"].iloc[list(good)].dropna()
    why = ", ".join(f"{n:,} ({REASONS[ErrorCode(str(code))]})" for code, n in codes.value_counts().items())
    rows = f"{are(len(good), 'row')} with a good number"
    if not why:
        return f"Ready to send: all {rows}." if good[1:] else f"Ready to send: {rows}."
    return f"Ready to send: {len(good) - len(codes):,} of {rows}. Left out: {why}."
