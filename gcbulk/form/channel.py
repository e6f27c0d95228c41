"""How the list is told: by a text, by an email, or by a text where that can be and an email where not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets

from gcbulk.form.words import WAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.form.desk import Desk


class ChannelChoice(widgets.Dropdown):
    """The choice. `changed` is called, in the kernel's own thread, when another one is made."""

    def __init__(self, desk: Desk, changed: Callable[[], None]) -> None:
        super().__init__(
            options=[(way.label, channel) for channel, way in WAYS.items()], value=desk.channel, description="Send as"
        )
        self._desk, self._changed = desk, changed
        for name in ("gcb-channel", "gcb-labelled"):
            self.add_class(name)
        self.observe(self._chosen, "value")

    def _chosen(self, change: dict[str, str]) -> None:
        self._desk.channel = change["new"]
        self._changed()
