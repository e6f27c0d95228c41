"""Whose list it is, for a partner: a school for each row by a column, one for all, or the user's own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import ipywidgets as widgets

from gcbulk.campaign.customers import columns_of_customers
from gcbulk.form.controls import Notice, show
from gcbulk.form.desk import Whose
from gcbulk.recipients.columns import user_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pandas as pd

    from gcbulk.form.desk import Desk

WHICH: Final = "Which school is this list for? Choose it, or the column that names each row's school."
NOBODY: Final = "No school is known here yet: gcbulk partner add, or let it authorise you. Then open this page again."


class SchoolChoice(widgets.VBox):
    """One choice, out of sight where nobody is a partner. `changed` is called when another one is made."""

    def __init__(self, desk: Desk, changed: Callable[[], None]) -> None:
        self._desk, self._changed = desk, changed
        self._given = desk.whose if desk.whose != Whose() else None
        self._choice = widgets.Dropdown(options=[("choose", None)], description="School")
        for name in ("gcb-school", "gcb-labelled"):
            self._choice.add_class(name)
        self._choice.observe(self._chosen, "value")
        self._notice = Notice("gcb-school-notice")
        super().__init__([self._choice, self._notice])
        self.add_class("gcb-entry")
        show(self, False)

    def offer(self, recipients: pd.DataFrame) -> None:
        """Offer what fits a list, with the most likely chosen; what was chosen for the list before, if it still can."""
        desk = self._desk
        if not desk.is_partner:
            return
        found = columns_of_customers(user_columns(recipients), desk.schools)
        labels = user_columns(recipients).columns
        columns = [*found, *(label for label in labels if label not in found)]
        by_column = {Whose(column=label): f"as each row says: {_on_one_line(label)}" for label in columns}
        of_one = {Whose(school=one.id): f"{one.name} ({one.id})" for one in desk.schools.values()}
        likely, others = list(by_column.items())[: len(found)], list(by_column.items())[len(found) :]
        choices = dict([*likely, *desk.own_account.items(), *of_one.items(), *others])
        chosen = self._likely(choices, found)
        self._choice.unobserve(self._chosen, "value")
        self._choice.options = [("choose", None), *((words, one) for one, words in choices.items())]
        self._choice.value = chosen
        self._choice.observe(self._chosen, "value")
        self._take(chosen)
        show(self, True)

    def _likely(self, choices: dict[Whose, str], found: list[Hashable]) -> Whose | None:
        """The one choice that there can be no doubt about, if there is one."""
        if self._given in choices:
            return self._given
        if found:
            return Whose(column=found[0]) if len(found) == 1 else None
        of_one = [one for one in choices if one.column is None]
        return next((one for one in of_one if one == Whose()), of_one[0] if len(of_one) == 1 else None)

    def _chosen(self, change: dict[str, Whose | None]) -> None:
        self._given = change["new"]
        self._take(change["new"])
        self._changed()

    def _take(self, chosen: Whose | None) -> None:
        self._desk.whose = chosen
        if chosen is not None:
            self._notice.clear()
        elif self._desk.schools:
            self._notice.hint(WHICH)
        else:
            self._notice.error(NOBODY)


def _on_one_line(label: Hashable) -> str:
    return " ".join(str(label).split())
