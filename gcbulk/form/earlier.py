"""Campaigns that the journal knows, to look at or to go on with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from gcbulk.codes import Status
from gcbulk.form.controls import Notice, button, row, show
from gcbulk.messages.findings import are

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.campaign.history import Whereabouts


class Earlier(widgets.VBox):
    """A choice of them, out of sight where there are none. `opened` is called with the name of one."""

    def __init__(self, opened: Callable[[str], None]) -> None:
        self.notice = Notice("gcb-earlier-notice")
        self._choice = widgets.Dropdown(description="Earlier campaigns")
        self._choice.add_class("gcb-campaigns")
        self._choice.add_class("gcb-labelled")
        self._look = button("Show where it stands", "gcb-show-campaign", lambda: opened(str(self._choice.value)))
        self._row = row(self._choice, self._look)
        super().__init__([self._row, self.notice])
        show(self._row, False)

    def offer(self, known: list[Whereabouts]) -> None:
        """Offer these, and say which are not finished."""
        self._choice.options = [(_label(campaign), campaign.campaign) for campaign in known]
        show(self._row, bool(known))
        show(self, True)


def _label(known: Whereabouts) -> str:
    unknown = known.states.get(Status.UNKNOWN, 0)
    parts = [are(known.rows, "row"), *([f"{known.to_send:,} to send"] if known.to_send else [])]
    return f"{known.campaign} ({', '.join([*parts, *([f'{unknown:,} unknown'] if unknown else [])])})"
