"""How a message is sent: its campaign's name, its sender, its time, its price. The wings judge what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.options import OF_CHANNEL
from gcbulk.form.controls import Notice, in_words, row
from gcbulk.form.words import LATER, PRICE, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from gcbulk.form.desk import Desk


class Field(widgets.VBox):
    """A field and the notice beside it; `taken` is given what was typed, and raises where it cannot be used."""

    def __init__(self, entry: Any, name: str, taken: Callable[[Any], None], changed: Callable[[], None]) -> None:
        self._entry, self._taken, self._changed = entry, taken, changed
        self.refused = self._unfinished = False
        self._notice = Notice(f"{name}-notice")
        for one in (name, "gcb-labelled"):
            entry.add_class(one)
        entry.observe(lambda _change: self._take(), "value")
        super().__init__([entry, self._notice])
        self.add_class("gcb-entry")

    def unfinished(self, unfinished: bool) -> None:
        """The browser says that a part of what is typed is missing, or no longer: until then it has no value."""
        self._unfinished = unfinished
        self._take()

    def _take(self) -> None:
        self._notice.clear()
        self.refused = True
        if self._unfinished:
            self._notice.error(UNFINISHED)
        else:
            self._judge()
        self._changed()

    def _judge(self) -> None:
        with in_words(self._notice):
            self._taken(self._entry.value)
            self.refused = False


class Manner(widgets.VBox):
    """The fields, those of emails once they are asked for. `changed` is called when something else stands in one."""

    def __init__(self, desk: Desk, changed: Callable[[], None]) -> None:
        self._desk, self._changed = desk, changed
        self._made: dict[str, Field] = {}
        super().__init__([row()])
        self.arrange()

    def arrange(self) -> None:
        """Show the fields that belong to the way that the list is told."""
        ways = self._desk.way.channels
        texts, emails = (("sender", "price") if "sms" in ways else ()), (_OF_EMAILS if "email" in ways else ())
        shown = ["campaign", *texts[:1], *emails, "time", *texts[1:]]
        for name in shown:
            if name not in self._made:
                self._made[name] = self._field(name)
        self.children[0].children = [self._made[name] for name in shown]

    @property
    def refused(self) -> bool:
        """Whether what stands in one of them cannot be used: then nothing may be sent as if it did not stand there."""
        return any(field.refused for field in self.children[0].children)

    def unfinished(self, unfinished: bool) -> None:
        """The browser says that a part of the time is missing, or no longer."""
        self._made["time"].unfinished(unfinished)

    def _field(self, name: str) -> Field:
        desk, options, price = self._desk, self._desk.options, self._desk.texts.price
        if name == "time":
            moment = options.scheduled()
            local = moment.astimezone(LONDON).replace(tzinfo=None) if moment else None
            picker = widgets.NaiveDatetimePicker(value=local, description=LATER)
            return Field(picker, "gcb-send-at", self._scheduled, self._changed)
        if name == "campaign":
            return self._line("Name of this campaign", "such as absence {date}", desk.campaign, name, self._named)
        if name == "price":
            return self._line(PRICE, "such as 0.04", price, name, lambda typed: desk.shape_texts(price_per_part=typed))
        label, hint = _LINES[name]
        return self._line(label, hint, getattr(options, name), name, lambda typed: desk.shape(**{name: typed}))

    def _line(self, label: str, hint: str, value: object, name: str, taken: Callable[[str | None], None]) -> Field:
        entry = widgets.Text("" if value is None else str(value), description=label, placeholder=hint)
        return Field(entry, f"gcb-{name.replace('_', '-')}", lambda typed: taken(typed.strip() or None), self._changed)

    def _named(self, typed: str | None) -> None:
        self._desk.campaign = typed

    def _scheduled(self, typed: datetime | None) -> None:
        """The time as it was typed: by the UK's clocks, which the wings know."""
        self._desk.shape(send_at=typed)
        self._desk.options.check_time()


_OF_EMAILS: Final = OF_CHANNEL["email"]
_LINES: Final = {
    "sender": ("Sender", "as the platform has it"),
    "sent_from_name": ("Sender's name", "such as Oak School"),
    "sent_from_address": ("Sender's address", "as the platform has it"),
    "reply_to": ("Answers go to", "such as office@example.org"),
}
"""By option, what a field is called, and what stands in it as long as it is empty."""
