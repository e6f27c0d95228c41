"""Which column holds what a list is told at: found by its name, or chosen, or several that are tried in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import ipywidgets as widgets

from gcbulk.errors import RecipientsError
from gcbulk.form.controls import Notice
from gcbulk.recipients.columns import candidates, user_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

    from gcbulk.form.desk import Desk

MOST_COLUMNS: Final = 4
"""More columns that could be meant than this are no choice in which order to try them."""
SEVERAL_COLUMNS: Final = (
    "The numbers could be in several columns. Choose one, or the columns in the order in which they are to be tried: "
    "each row is then texted at the first number that can be."
)


class _Asked(NamedTuple):
    """What is asked of a channel's column."""

    label: str
    none: str
    name: str
    in_turn: bool  # whether several can be tried


_ASKED: Final = {
    "sms": _Asked(
        "Column of the numbers", "Which column holds the numbers to text? Choose it.", "gcb-column", in_turn=True
    ),
    "email": _Asked(
        "Column of the addresses",
        "Which column holds the email addresses? Choose it.",
        "gcb-email-column",
        in_turn=False,
    ),
}


class Choice(NamedTuple):
    """One or several columns, the best first, and how they are called in the list to choose from."""

    words: str
    columns: tuple[Hashable, ...]

    @classmethod
    def of(cls, columns: tuple[Hashable, ...]) -> Choice:
        """The choice of these columns, named by them."""
        return cls(", or else ".join(map(_on_one_line, columns)), columns)


def _several(labels: pd.Index) -> list[Choice]:
    """Where several columns could be meant: all of them, each of them once the best."""
    meant = [labels[place] for place in candidates(labels)]
    if not 1 < len(meant) <= MOST_COLUMNS:
        return []
    return [Choice.of((best, *(other for other in meant if other is not best))) for best in meant]


def _on_one_line(label: Hashable) -> str:
    return " ".join(str(label).split())


class ColumnChoice:
    """The choice for one channel, and the notice beside it. `changed` is called when another one is made."""

    def __init__(self, channel: str, desk: Desk, changed: Callable[[], None]) -> None:
        self._channel, self._desk, self._changed = channel, desk, changed
        self._asked = _ASKED[channel]
        self.entry = widgets.Dropdown(options=[("", None)], description=self._asked.label)
        for name in (self._asked.name, "gcb-labelled"):
            self.entry.add_class(name)
        self.entry.observe(self._chosen, "value")
        self.notice = Notice(f"{self._asked.name}-notice")

    @property
    def made(self) -> bool:
        """Whether it is known where the numbers, or addresses, are."""
        return self.entry.value is not None

    def offer(self, recipients: pd.DataFrame) -> None:
        """Offer the columns of a list, with the one chosen that can be told by its name."""
        labels = user_columns(recipients).columns
        several = _several(labels) if self._asked.in_turn else []
        choices = [*several, *(Choice(_on_one_line(label), (label,)) for label in labels)]
        found = None
        try:
            at = self._desk.intake_for(self._channel).positions(labels)
        except RecipientsError:
            self.notice.hint(SEVERAL_COLUMNS if several else self._asked.none)
        else:
            self.notice.clear()
            wanted = tuple(labels[place] for place in at)
            found = next((one for one in choices if one.columns == wanted), None) or Choice.of(wanted)
            choices = choices if found in choices else [found, *choices]
        self._choose(found)
        self.entry.unobserve(self._chosen, "value")
        self.entry.options = [("choose", None), *((one.words, one) for one in choices)]
        self.entry.value = found
        self.entry.observe(self._chosen, "value")

    def _choose(self, chosen: Choice | None) -> None:
        columns = () if chosen is None else chosen.columns
        if self._channel == "email":
            self._desk.email_column = columns[0] if columns else None
            return
        self._desk.number_columns = list(columns) if len(columns) > 1 else None
        self._desk.number_column = columns[0] if len(columns) == 1 else None

    def _chosen(self, change: dict[str, Choice | None]) -> None:
        self._choose(change["new"])
        if change["new"] is None:
            self.notice.hint(self._asked.none)
        else:
            self.notice.clear()
        self._changed()
