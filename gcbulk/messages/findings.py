"""What is worth a look in a batch of texts, as data: the lint and the savings both speak in findings."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from gcbulk.messages.options import TextOptions
    from gcbulk.messages.template import Cells, Rendered, Template

Severity = Literal["stop", "warning", "note"]
"""`stop`: a send would refuse. `warning`: look before you send. `note`: worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth a look. `code` is for programs; `sentence` names columns and characters, never what cells hold.

    `rows` are the positions (from 0) of all rows concerned; none where it is about the message as a whole.
    """

    code: str
    severity: Severity
    sentence: str
    rows: tuple[int, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, for JSON."""
        return {"code": self.code, "severity": self.severity, "sentence": self.sentence, "rows": list(self.rows)}


@dataclass(frozen=True, slots=True)
class Batch:
    """A message filled in for every row, as the lint and the savings look at it. `sent`: by position, what would go."""

    template: Template
    cells: Cells
    rendered: Rendered
    counts: Any  # what count_parts returns for the texts that would go
    addresses: Any  # a column: who gets each text
    sent: np.ndarray[Any, np.dtype[np.bool_]]


def positions(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[int, ...]:
    """Return where a mask is true."""
    return tuple(np.flatnonzero(mask).tolist())


def are(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> are(1, "text"), are(2, "text")
    ('1 text', '2 texts')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{plural * (count != 1)}"


def do(count: int, noun: str, verb: str) -> str:
    """Return a number with its noun, and what they do.

    >>> do(1, "text", "differ"), do(2, "text", "differ")
    ('1 text differs', '2 texts differ')
    """
    return f"{are(count, noun)} {verb}{'s' * (count == 1)}"


def pounds_and_pence(amount: Decimal) -> str:
    """Write a sum of money; pence to two places, or as many as it takes.

    >>> pounds_and_pence(Decimal("1234.5")), pounds_and_pence(Decimal("0.035"))
    ('£1,234.50', '£0.035')
    """
    return f"£{amount:,.2f}" if amount == amount.quantize(Decimal("0.01")) else f"£{amount.normalize():,f}"


def costing(parts: int, options: TextOptions) -> str:
    """Return what so many parts cost, in brackets; nothing where no price is known."""
    return f" ({pounds_and_pence(parts * options.price)})" if options.price else ""
