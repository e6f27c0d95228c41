"""How recipients are taken in: the options that travel together from the faces to `validate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcbulk.errors import OptionError
from gcbulk.recipients.columns import find_number_column
from gcbulk.recipients.optout_list import kept_opt_outs
from gcbulk.recipients.optouts import opt_out_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from gcbulk.recipients.optouts import OptOuts


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Where the numbers are, which are taken, and who must not be texted.

    Raises OptionError, naming the option, for a value that cannot be used.
    """

    number_column: Hashable | None = None  # where its name does not give it away
    number_columns: Sequence[Hashable] | None = None  # several: the first number of a row that can be texted
    international: bool = False
    opt_outs: OptOuts | None = None  # besides those in the user's own list
    one_per_number: bool = False  # one text a number, though the texts may differ
    customer_column: Hashable | None = None  # on whose behalf a partner sends: by id, code or name

    def __post_init__(self) -> None:
        several = self.number_columns
        if several is None:
            return
        if self.number_column is not None:
            raise OptionError("Give number_column for one column, or number_columns for several: not both.")
        if isinstance(several, str) or not isinstance(several, Sequence) or not several:
            raise OptionError(
                "number_columns must be a list of columns, the best first, such as "
                f'["Parent 1 Mobile", "Parent 2 Mobile"], not {several!r}.'
            )

    def positions(self, columns: pd.Index) -> list[int]:
        """At which positions the numbers stand, the best column first.

        Raises RecipientsError where a column is not there, or cannot be told.
        """
        wanted = [self.number_column] if self.number_columns is None else self.number_columns
        return list(dict.fromkeys(find_number_column(columns, column) for column in wanted))

    def opted_out(self) -> frozenset[str]:
        """Who must not be texted, in E.164: the user's own list and `opt_outs`; numbers of any country.

        Whoever opted out stays out whatever the other options are.
        """
        given = opt_out_numbers(self.opt_outs, international=True) if self.opt_outs is not None else frozenset[str]()
        return kept_opt_outs() | given
