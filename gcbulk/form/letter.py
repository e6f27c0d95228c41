"""The boxes of an email: its subject, its body, what that is written in, and its files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.form.controls import Notice
from gcbulk.form.enclosures import Enclosures
from gcbulk.messages.letter import too_long_a_subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

AS_IT_LOOKS: Final = "as it looks"  # None would be no choice, and the list blank
WRITTEN_AS: Final = {
    "as it looks: plain text, or HTML": AS_IT_LOOKS,
    "Markdown": "markdown",
    "plain text": "text",
    "HTML": "html",
}


class LetterBoxes(widgets.VBox):
    """An email as it is written. `changed` is called whenever something else stands in a box."""

    def __init__(self, desk: Desk, helper: Helper, changed: Callable[[], None]) -> None:
        self._desk, self._changed = desk, changed
        written = desk.body
        subject = widgets.Text(written.subject, description="Subject", placeholder="Report for {{ forename }}")
        body = widgets.Textarea(written.body, description="Email", rows=9, placeholder="Dear {{ parent_name }},\n\n...")
        chosen = written.body_format or AS_IT_LOOKS
        form = widgets.Dropdown(options=list(WRITTEN_AS.items()), value=chosen, description="Written as")
        for box, called, name in (
            (subject, "subject", "subject"),
            (body, "letter", "body"),
            (form, "letter-format", "body_format"),
        ):
            for one in (f"gcb-{called}", "gcb-labelled", *(["gcb-writable"] if box is not form else [])):
                box.add_class(one)
            box.observe(lambda change, name=name: self._take(**{name: change["new"]}), "value")
        self._files = Enclosures(desk, helper, changed)
        self._notice = Notice("gcb-subject-notice")
        super().__init__([subject, self._notice, body, form, self._files])
        self.add_class("gcb-body")
        self._judge()

    @property
    def refused(self) -> bool:
        """Whether what stands in one of the fields cannot be used."""
        return self._files.refused

    def _take(self, **typed: Any) -> None:
        if typed.get("body_format") == AS_IT_LOOKS:
            typed["body_format"] = None
        self._desk.body = replace(self._desk.body, **typed)
        self._judge()
        self._changed()

    def _judge(self) -> None:
        self._notice.clear()
        if problem := too_long_a_subject(self._desk.body.subject):
            self._notice.error(problem)
