"""How recipients are taken in: the options that travel together from the faces to `validate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcbulk.errors import OptionError, warn
from gcbulk.recipients.columns import find_column
from gcbulk.recipients.kinds import NUMBER, Kind
from gcbulk.recipients.optout_list import kept_opt_outs
from gcbulk.recipients.optouts import opt_out_numbers

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from gcbulk.recipients.optouts import OptOuts


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeOptions:
    """Where the numbers (or addresses) are, which are taken, and who must not be contacted.

    Raises OptionError, naming the option, for a value that cannot be used.
    """

    number_column: Hashable | None = None  # where its name does not give it away
    number_columns: Sequence[Hashable] | None = None  # several: the first number of a row that can be texted
    international: bool = False
    opt_outs: OptOuts | None = None  # besides those in the user's own list
    one_per_number: bool = False  # one text a number, or email an address, though they may differ
    customer_column: Hashable | None = None  # on whose behalf a partner sends: by id, code or name
    customer: str | None = None  # instead: the id of the one on whose behalf every row goes
    email_column: Hashable | None = None  # as number_column, where the kind is EMAIL
    kind: Kind = NUMBER

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

    @property
    def for_customers(self) -> bool:
        """Whether a partner sends, on behalf of one customer or of many."""
        return self.customer is not None or self.customer_column is not None

    def positions(self, columns: pd.Index) -> list[int]:
        """At which positions the numbers stand, the best column first.

        Raises RecipientsError where a column is not there, or cannot be told.
        """
        if self.kind is not NUMBER:
            return [find_column(columns, self.kind.sought, self.email_column)]
        wanted = [self.number_column] if self.number_columns is None else self.number_columns
        return list(dict.fromkeys(find_column(columns, self.kind.sought, column) for column in wanted))

    def opted_out(self) -> frozenset[str]:
        """Who must not be contacted: the user's own list and `opt_outs`; numbers of any country, and addresses.

        Whoever opted out stays out whatever the other options are.
        """
        given = opt_out_numbers(self.opt_outs, international=True) if self.opt_outs is not None else frozenset[str]()
        if given and not any(map(self.kind.of, given)):
            warn(f"The opt-out list has no column with any {self.kind.noun} in it, so nobody is opted out by it.")
        return kept_opt_outs() | given
