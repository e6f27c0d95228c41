"""Whose each row is: the customer that a cell names, and what a message may say of it."""

from __future__ import annotations

import operator
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from gcbulk.api.customers import folded
from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import OptionError, TemplateError
from gcbulk.messages.cells import cell_texts, field_name
from gcbulk.messages.findings import Finding, are
from gcbulk.recipients.columns import named_column

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator, Mapping

    from gcbulk.api.customers import Customer

_FIELDS: Final = {"customer_name": "name", "customer_code": "code", "customer_id": "id"}
_ATTRIBUTE: Final = "customer_"
_NAMED: Final = 5  # in a sentence


@dataclass(frozen=True, slots=True)
class RowsOfCustomers:
    """Whose each row is. `ids` by position, missing where that cannot be told, for which `details` say why."""

    ids: pd.Series[str]
    details: pd.Series[str]
    known: Mapping[str, Customer]

    @property
    def missing(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """The rows that belong to nobody known, by position."""
        return self.ids.isna().to_numpy(dtype=bool)

    @property
    def present(self) -> dict[str, Customer]:
        """The customers who have a row, by id, in the order of the list."""
        return {one: self.known[one] for one in self.ids.dropna().unique()}

    def names(self) -> pd.Series[str]:
        """What the customer of each row is called."""
        return _mapped(self.ids, {one.id: one.name for one in self.present.values()})

    def fields(self, wanted: Collection[str], own: pd.DataFrame) -> pd.DataFrame:
        """The user's columns, and beside them the fields of customers that a message wants and no column provides.

        `customer_name`, `customer_code`, `customer_id`, and each attribute: `region` is `customer_region`. A column
        of the user's own that has such a name is the one that is meant.
        """
        provided = {field_name(column) for column in own.columns}
        added = {
            name: _mapped(self.ids, values)
            for name, values in self._by_field().items()
            if name in wanted and name not in provided
        }
        if not added:
            return own
        columns = [*own.columns, *added]
        fields = pd.concat([own.reset_index(drop=True), pd.DataFrame(added)], axis=1).set_axis(own.index, axis=0)
        fields.columns = pd.Index(columns, tupleize_cols=False)
        return fields

    def _by_field(self) -> dict[str, dict[str, str]]:
        """For each field what it says of each customer, by id."""
        values: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for one in self.known.values():
            for name, value in one.attributes.items():
                values[field_name(f"{_ATTRIBUTE}{name}")][one.id] = value
        for name, attribute in _FIELDS.items():  # over an attribute of that name
            values[name] = {one.id: getattr(one, attribute) for one in self.known.values()}
        return values

    def findings(self, sent: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[Finding]:
        """What there is to say before anything is sent: customers of these rows whose key is not known here."""
        without = {one.id for one in self.known.values() if not one.has_key}
        rows = sent & self.ids.isin(without).to_numpy(dtype=bool)
        if rows.any():
            concerned = {one: f"{self.known[one].name} ({one})" for one in self.ids[rows].unique()}

            def say(count: int, concerned: dict[str, str]) -> str:
                named, more = ", ".join(list(concerned.values())[:_NAMED]), len(concerned) - _NAMED
                return (
                    f"No key is kept of {are(len(concerned), 'customer')}: {named}"
                    f"{f' and {more} more' if more > 0 else ''}. "
                    f"{are(count, 'text')} would not be sent until they have authorised you."
                )

            yield Finding.counted(
                "customer_without_key",
                "warning",
                tuple(np.flatnonzero(rows).tolist()),
                say,
                concerned=(concerned, operator.or_),
            )


def rows_of_customers(recipients: pd.DataFrame, column: Hashable, known: Mapping[str, Customer]) -> RowsOfCustomers:
    """Whose each row is, by the column that names its customer: by id, code or name, whatever the case.

    Raises RecipientsError where there is no such column. A cell that names nobody, or could mean two, is no error:
    its row has no customer, and is never sent under another's name.
    """
    at = named_column(recipients.columns, column, holds="customers")
    cells = cell_texts(recipients.iloc[:, at], str(column))
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for one in known.values():
        for name in one.called:
            by_name[folded(name)].add(one.id)
    ids: dict[str, str] = {}
    details: dict[str, str] = {}
    for cell in cells.dropna().unique():
        found = by_name.get(folded(cell), set())
        if len(found) == 1:
            (ids[cell],) = found
        else:
            details[cell] = _why_not(cell, [known[one] for one in found])
    blank = "The cell that names the customer is blank, so nothing is sent. Fill it in."
    return RowsOfCustomers(_mapped(cells, ids), _mapped(cells, details).where(cells.notna(), blank), known)


def all_rows_of(recipients: pd.DataFrame, customer_id: str, known: Mapping[str, Customer]) -> RowsOfCustomers:
    """Every row as the same customer's. Raises OptionError for one that is not known."""
    if customer_id not in known:
        raise OptionError(f"No customer {customer_id} is known. Add it with gcbulk partner add.")
    rows = len(recipients)
    return RowsOfCustomers(pd.Series([customer_id] * rows, dtype="str"), pd.Series([None] * rows, dtype="str"), known)


def columns_of_customers(recipients: pd.DataFrame, known: Mapping[str, Customer]) -> list[Hashable]:
    """The columns that probably say whose each row is: at least half of their cells name a customer.

    >>> from gcbulk.api.customers import Customer
    >>> frame = pd.DataFrame({"Parent": ["Ann", "Bo"], "Site": ["oak primary", "Elsewhere"]})
    >>> columns_of_customers(frame, {"2101": Customer(id="2101", name="Oak Primary")})
    ['Site']
    """
    names = {folded(name) for one in known.values() for name in one.called}
    found: list[Hashable] = []
    for place, label in enumerate(recipients.columns):
        column = recipients.iloc[:, place]
        try:
            counts = cell_texts(column, str(label)).value_counts()
        except TemplateError:  # what cannot be written names nobody
            continue
        hits = sum(int(n) for cell, n in counts.items() if folded(str(cell)) in names)
        if hits and 2 * hits >= counts.sum():
            found.append(label)
    return found


def _why_not(cell: str, found: list[Customer]) -> str:
    if not found:
        return f"No customer is called {cell!r}. {SENTENCES[ErrorCode.CUSTOMER_UNKNOWN]}"
    ids = " and ".join(sorted(one.id for one in found))
    return f"{cell!r} could be any of the customers {ids}, so nothing is sent. Give the id in this row."


def _mapped(cells: pd.Series[str], values: Mapping[str, str]) -> pd.Series[str]:
    """For each cell what stands for it, missing where nothing does."""
    codes, names = pd.factorize(cells)
    found = pd.array([*(values.get(name) or None for name in names), None], dtype="str")
    return pd.Series(found.take(codes), dtype="str")
