"""How a message is sent: its campaign's name, its sender, its time, its price. The wings judge what stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from gcbulk.campaign.journal.days import LONDON
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
    """The four fields. `changed` is called whenever something else stands in one of them."""

    def __init__(self, desk: Desk, changed: Callable[[], None]) -> None:
        self._desk = desk
        options, price = desk.options, desk.texts.price
        scheduled = options.scheduled()
        self._time = Field(
            widgets.NaiveDatetimePicker(
                value=scheduled.astimezone(LONDON).replace(tzinfo=None) if scheduled else None, description=LATER
            ),
            "gcb-send-at",
            self._scheduled,
            changed,
        )
        self._fields = (
            Field(
                widgets.Text(
                    desk.campaign or "", description="Name of this campaign", placeholder="such as absence {date}"
                ),
                "gcb-campaign",
                self._named,
                changed,
            ),
            Field(
                widgets.Text(options.sender or "", description="Sender", placeholder="as the platform has it"),
                "gcb-sender",
                lambda typed: desk.shape(sender=typed.strip() or None),
                changed,
            ),
            self._time,
            Field(
                widgets.Text("" if price is None else str(price), description=PRICE, placeholder="such as 0.04"),
                "gcb-price",
                lambda typed: desk.shape_texts(price_per_part=typed.strip() or None),
                changed,
            ),
        )
        super().__init__([row(*self._fields)])

    @property
    def refused(self) -> bool:
        """Whether what stands in one of them cannot be used: then nothing may be sent as if it did not stand there."""
        return any(field.refused for field in self._fields)

    def unfinished(self, unfinished: bool) -> None:
        """The browser says that a part of the time is missing, or no longer."""
        self._time.unfinished(unfinished)

    def _named(self, typed: str) -> None:
        self._desk.campaign = typed.strip() or None

    def _scheduled(self, typed: datetime | None) -> None:
        """The time as it was typed: by the UK's clocks, which the wings know."""
        self._desk.shape(send_at=typed)
        self._desk.options.check_time()
