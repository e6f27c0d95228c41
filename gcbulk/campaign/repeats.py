"""Which rows are left out because another row sends the same already, and what is to be said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pandas as pd

from gcbulk.errors import warn
from gcbulk.messages.findings import are
from gcbulk.recipients.columns import row_name
from gcbulk.recipients.schema import repeat_details

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gcbulk.recipients.intake import IntakeOptions

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Objects = np.ndarray[Any, np.dtype[np.object_]]

_NAMED_ROWS: Final = 5  # in a warning


class Repeats(Protocol):
    """Finds the messages that go to the same address already."""

    def among(
        self, positions: _Numbers, compared: Mapping[str, _Objects], texts: _Objects, intake: IntakeOptions
    ) -> tuple[_Numbers, list[str]]:
        """Which of these rows, by their place among them, repeat an earlier one, and what is to be said of each.

        `positions` are the rows' own; rows repeat each other where they are equal in all that is `compared`. Where
        that leaves out the text, as one message an address was asked for, a warning says which other `texts` are lost.
        """
        ...


class RepeatsInOne:
    """Finds them in a list that is planned in one piece."""

    def __init__(self, index: pd.Index) -> None:
        self._index = index

    def among(
        self, positions: _Numbers, compared: Mapping[str, _Objects], texts: _Objects, intake: IntakeOptions
    ) -> tuple[_Numbers, list[str]]:
        """As `Repeats` says."""
        again, first = _repeated(compared)
        if intake.one_per_number and len(other := positions[again[texts[again] != texts[first]]]):
            named = [row_name(self._index, row) for row in other[:_NAMED_ROWS]]
            warn(other_texts(len(other), named, intake))
        return again, repeat_details(self._index, positions[first].tolist(), intake)


def _repeated(keys: Mapping[str, _Objects]) -> tuple[_Numbers, _Numbers]:
    """Indices of the rows whose keys repeat those of an earlier one, and for each the index of that earlier one."""
    group = pd.DataFrame(keys).groupby(list(keys), sort=False).ngroup().to_numpy()
    later = pd.Series(group).duplicated().to_numpy()
    again, firsts = np.flatnonzero(later), np.flatnonzero(~later)
    return again, firsts[group[again]]


def other_texts(count: int, named: Sequence[str], intake: IntakeOptions) -> str:
    """Say that texts are left out which differ from the one that goes: each may be about another child."""
    one = count == 1
    return (
        f"{are(count, intake.kind.message)} that {'differs' if one else 'differ'} from the one that goes to the same "
        f"{intake.kind.noun} {'is' if one else 'are'} left out "
        f"({', '.join(named[:_NAMED_ROWS])}{', ...' * (count > _NAMED_ROWS)}): siblings, perhaps. To send each of "
        f"them, leave out one_per_{intake.kind.noun} (--one-per-number)."
    )
