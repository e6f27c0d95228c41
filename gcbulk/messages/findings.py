"""What is worth a look in a batch of texts, as data: the lint and the savings both speak in findings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping

    from gcbulk.messages.options import TextOptions
    from gcbulk.messages.template import Cells, Rendered, Template

Severity = Literal["stop", "warning", "note"]
"""`stop`: a send would refuse. `warning`: look before you send. `note`: worth knowing."""


ROWS_KEPT: Final = 100
"""Of how many rows a finding keeps the positions, where a list is worked through in pieces."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth a look. `code` is for programs; `sentence` names columns and characters, never what cells hold.

    `rows` are the positions (from 0) of all rows concerned; none where it is about the message as a whole. Of a list
    that is worked through in pieces they are the first of them, and `total` says how many there are.
    """

    code: str
    severity: Severity
    sentence: str
    rows: tuple[int, ...] = ()
    total: int | None = None
    tally: Tally | None = field(default=None, compare=False, repr=False)

    @classmethod
    def counted(
        cls,
        code: str,
        severity: Severity,
        rows: tuple[int, ...],
        say: Callable[..., str],
        *,
        about: object = None,
        **facts: tuple[Any, Callable[[Any, Any], Any]],
    ) -> Finding:
        """A finding whose sentence is `say(how many rows, **facts)`, so that pieces of a list can be added up.

        `about` tells it from others of its code. A fact comes with how that of another piece is joined to it.
        """
        tally = Tally(say, about, facts)
        return cls(code, severity, tally.sentence(len(rows)), rows, tally=tally)

    @property
    def count(self) -> int:
        """How many rows are concerned."""
        return len(self.rows) if self.total is None else self.total

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, for JSON."""
        return {"code": self.code, "severity": self.severity, "sentence": self.sentence, "rows": list(self.rows)}


@dataclass(frozen=True, slots=True)
class Tally:
    """What a finding's sentence is made of."""

    say: Callable[..., str]
    about: object
    facts: Mapping[str, tuple[Any, Callable[[Any, Any], Any]]]

    def sentence(self, rows: int) -> str:
        """The finding in words, of so many rows."""
        return self.say(rows, **{name: value for name, (value, _) in self.facts.items()})

    def joined(self, other: Tally) -> Tally:
        """The facts of both."""
        return Tally(
            self.say,
            self.about,
            {name: (join(value, other.facts[name][0]), join) for name, (value, join) in self.facts.items()},
        )


def add_up(found: Iterable[Finding], more: Iterable[Finding], *, from_row: int) -> list[Finding]:
    """The findings of the pieces of a list so far, and of one more, which begins at a row; the gravest first.

    Of the rows concerned the first ROWS_KEPT are named.
    """
    by_kind: dict[Hashable, Finding] = {kind_of(one): one for one in found}
    for one in more:
        moved = replace(one, rows=tuple(row + from_row for row in one.rows[:ROWS_KEPT]), total=one.count)
        known = by_kind.get(kind_of(one))
        by_kind[kind_of(one)] = moved if known is None else _joined(known, moved)
    return sorted(by_kind.values(), key=lambda finding: finding.severity == "note")


def kind_of(finding: Finding) -> Hashable:
    """What findings have in common that are one in a list that is worked through in pieces."""
    return finding.code, finding.severity, str(finding.tally.about) if finding.tally else finding.sentence


def _joined(known: Finding, more: Finding) -> Finding:
    total = known.count + more.count
    rows = (*known.rows, *more.rows)[:ROWS_KEPT]
    if known.tally is None or more.tally is None:
        return replace(known, rows=rows, total=total)
    tally = known.tally.joined(more.tally)
    return replace(known, sentence=tally.sentence(total), rows=rows, total=total, tally=tally)


@dataclass(frozen=True, slots=True)
class Batch:
    """A message filled in for every row, as the lint and the savings look at it. `sent`: by position, what would go."""

    template: Template
    cells: Cells
    rendered: Rendered
    counts: Any  # what count_parts returns for the texts that would go
    addresses: Any  # a column: who gets each text
    sent: np.ndarray[Any, np.dtype[np.bool_]]
    noun: str = "text"  # what a message of this kind is called


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
