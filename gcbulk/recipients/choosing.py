"""Several columns of numbers: the first number of a row that can be texted, or a row for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gcbulk.codes import ErrorCode
from gcbulk.errors import OptionError
from gcbulk.recipients.columns import find_number_column, user_columns
from gcbulk.recipients.numbers import to_e164

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from gcbulk.recipients.intake import IntakeOptions

NUMBER, NUMBER_FROM = "Number", "Number From"
"""The columns that `row_per_number` adds: the number, and the name of the column that it came from."""


def first_usable(
    own: pd.DataFrame, positions: Sequence[int], intake: IntakeOptions, *, opted_out: Collection[str]
) -> pd.DataFrame:
    """What is said of the number or address that is to be used in each row, under a RangeIndex.

    `positions` are columns of `own`, the best first. A number that can be texted and has not opted out goes
    before one that has, that before a number that is wrong, and that before none. `Repair` and `ErrorDetail`
    say which column it was, where it was not the first, or was wrong.
    """
    judged = [
        intake.kind.judge(own.iloc[:, position].set_axis(pd.RangeIndex(len(own))), intake.international)
        for position in positions
    ]
    if len(judged) == 1:
        return judged[0]
    ranks = [
        np.select(
            [
                verdict["SentTo"].notna() & ~verdict["SentTo"].isin(opted_out),
                verdict["SentTo"].notna(),
                verdict["ErrorCode"] != intake.kind.missing,
            ],
            [0, 1, 2],
            3,
        )
        for verdict in judged
    ]
    chosen = np.argmin(ranks, axis=0)
    result = judged[0]
    for nth, (verdict, position) in enumerate(zip(judged, positions, strict=True)):
        here = pd.Series(chosen == nth)
        column = f'"{" ".join(str(own.columns[position]).split())}"'
        if nth:
            mended = verdict["Repair"].radd(f"taken from {column}; ").fillna(f"taken from {column}")
            verdict["Repair"] = mended.where(verdict["SentTo"].notna())
        wrong = verdict["ErrorCode"].notna() & (verdict["ErrorCode"] != intake.kind.missing)
        verdict["ErrorDetail"] = verdict["ErrorDetail"].where(~wrong, f"In {column}: " + verdict["ErrorDetail"])
        result = result.where(~here, verdict)
    return result


def are_numbers_of(recipients: pd.DataFrame, addresses: Sequence[str | None], intake: IntakeOptions) -> bool:
    """Whether each address is a number in the row of its place; None is in any row.

    Which of several numbers was taken may have changed since, with the opt-outs. Numbers are those of any country.
    """
    own = user_columns(recipients)
    wanted = pd.Series(list(addresses), dtype="object").astype("str")
    same = wanted.isna().to_numpy(dtype=bool, copy=True)
    for position in intake.positions(own.columns):
        numbers = intake.kind.judge(own.iloc[:, position].set_axis(pd.RangeIndex(len(own))), True)["SentTo"]
        same |= (numbers == wanted).to_numpy(dtype=bool)
    return bool(same.all())


def row_per_number(recipients: pd.DataFrame, number_columns: Sequence[Hashable]) -> pd.DataFrame:
    """Make a list in which every number has a row of its own, before it is validated or sent.

    A send gives back the rows that it was given; to text both parents of a child, give it a row for each.

    Args:
        recipients: any DataFrame. It is not modified.
        number_columns: the columns of numbers.

    Returns:
        The user's columns, and `Number` and `Number From`. A row comes once for each of its cells that holds
        anything for a number, in the order of `number_columns`, and once, with a blank number, where none
        does: nobody is lost. Rows keep their labels, which thereby repeat.

    Raises:
        RecipientsError: one of the columns is not there.
        OptionError: `number_columns` is empty, or `Number` or `Number From` is there already.

    Example:
        >>> import pandas as pd
        >>> pupils = pd.DataFrame({"Pupil": ["Zoë", "Al"], "Mum": ["07700 900123", "n/a"], "Dad": ["07700 900124", ""]})
        >>> row_per_number(pupils, ["Mum", "Dad"])[["Pupil", "Number", "Number From"]]
          Pupil        Number Number From
        0   Zoë  07700 900123         Mum
        0   Zoë  07700 900124         Dad
        1    Al                       Mum
    """
    own = user_columns(recipients)
    if isinstance(number_columns, str) or not len(number_columns):
        raise OptionError(f"number_columns must be a list of columns, not {number_columns!r}.")
    if taken := [name for name in (NUMBER, NUMBER_FROM) if name in own.columns]:
        raise OptionError(f"There is a column {taken[0]!r} already. Rename it, so that a row can be made a number.")
    positions = list(dict.fromkeys(find_number_column(own.columns, column) for column in number_columns))
    cells = [own.iloc[:, position].set_axis(pd.RangeIndex(len(own))) for position in positions]
    given = np.column_stack([to_e164(column)["ErrorCode"] != ErrorCode.NUMBER_MISSING for column in cells])
    none = np.flatnonzero(~given.any(axis=1))
    given[none, 0] = True
    rows, nth = np.nonzero(given)
    numbers = np.column_stack([column.to_numpy(dtype=object) for column in cells])[rows, nth]
    numbers[np.isin(rows, none)] = ""
    labels = np.array([str(own.columns[position]) for position in positions], dtype=object)
    result = own.iloc[rows].copy()
    result[NUMBER] = numbers
    result[NUMBER_FROM] = pd.array(labels[nth], dtype="str")
    return result
