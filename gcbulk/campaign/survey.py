"""Planning a list that is larger than memory: a plan for each of its pieces, and what they come to together.

Row by row the plans are what `make_plan` makes of the whole list: a text that goes already is found across pieces.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import numpy as np
import pandas as pd

from gcbulk.campaign.firsts import Firsts
from gcbulk.campaign.plan import ListHash, Plan
from gcbulk.campaign.preview import Shown
from gcbulk.campaign.repeats import other_texts
from gcbulk.campaign.views import facts
from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import RecipientsError, warn
from gcbulk.messages.findings import add_up
from gcbulk.recipients.columns import in_place
from gcbulk.recipients.optouts import opt_out_numbers
from gcbulk.recipients.schema import repeat_details

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from types import TracebackType

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.repeats import Repeats
    from gcbulk.messages.findings import Finding
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Objects = np.ndarray[Any, np.dtype[np.object_]]

_FIRST: Final = 3  # texts that are shown of those at the list's beginning


class _RepeatsInPieces:
    """Finds the messages that go to the same address already, in this piece or an earlier one."""

    def __init__(self, firsts: Firsts) -> None:
        self._firsts = firsts
        self.start = 0
        self.others: list[int] = []  # the first positions of texts left out that differ from the one that goes
        self.other_count = 0

    def among(
        self, positions: _Numbers, compared: Mapping[str, _Objects], texts: _Objects, intake: IntakeOptions
    ) -> tuple[_Numbers, list[str]]:
        """As `Repeats.among` of a list that is planned whole."""
        at = (positions + self.start).astype(np.int64)
        keys = ["\x1f".join(one) for one in zip(*(column.tolist() for column in compared.values()), strict=True)]
        if intake.one_per_number:
            first = self._firsts.first_of(keys, at, texts.tolist())
        else:
            first = self._firsts.first_of(keys, at)
        again = np.flatnonzero(first != at)
        if intake.one_per_number and len(again):
            differ = self._firsts.differ([keys[row] for row in again], texts[again].tolist())
            self.other_count += int(differ.sum())
            self.others += at[again[differ]].tolist()[: 10 - len(self.others)]
        named = pd.RangeIndex(int(at[-1]) + 1 if len(at) else 0)
        return again, repeat_details(named, first[again].tolist(), intake)


class MakesPlans(Protocol):
    """What makes a plan of a list, whatever the channel: `make_plan` with its message, or `make_email_plan`."""

    def __call__(self, recipients: pd.DataFrame, *, intake: IntakeOptions, repeats: Repeats | None = None) -> Plan: ...


class Planner:
    """Plans a list piece by piece; when it is through, it knows what a plan of the whole list would.

    A context manager: what it keeps of the rows that went before is on scratch space that it gives back.
    Raises TemplateError or RecipientsError as what makes the plans does.
    """

    def __init__(self, make: MakesPlans, intake: IntakeOptions) -> None:
        if intake.opt_outs is not None:  # read once, not for each piece
            given = sorted(opt_out_numbers(intake.opt_outs, international=True))
            intake = replace(intake, opt_outs=given)
        self._make, self.intake = make, intake
        self._open = ExitStack()
        self._repeats = _RepeatsInPieces(self._open.enter_context(Firsts()))
        self._hash = ListHash()
        self.findings: list[Finding] = []
        self.rows = 0
        self.asked: dict[str, Customer] = {}  # on whose behalf something is to be sent, in the order of the list

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.__exit__(kind, error, at)

    def plans(self, pieces: Pieces) -> Iterator[tuple[int, Plan]]:
        """Each piece's plan, with the position in the whole list at which the piece begins."""
        for piece in pieces:
            start = self._repeats.start = self.rows
            plan = self._make(in_place(piece, start), intake=self.intake, repeats=self._repeats)
            self._hash.add_recipients(plan)
            self._hash.add_texts(plan)
            self.asked.update({one: plan.known[one] for one in plan.asked if one not in self.asked})
            self.findings = add_up(self.findings, plan.findings, from_row=start)
            self.rows += len(plan.frame)
            yield start, plan
        if not self.rows:
            raise RecipientsError("There are no recipients: the list has no piece with a row.")
        self._warn_of_other_texts()

    def recipients_hash(self) -> str:
        """As of a plan of the whole list."""
        return self._hash.recipients()

    def texts_hash(self) -> str:
        """As of a plan of the whole list."""
        return self._hash.texts()

    def _warn_of_other_texts(self) -> None:
        found = self._repeats
        if found.other_count:
            named = [f"row {row + 1}" for row in found.others]
            warn(other_texts(found.other_count, named, self.intake))


@dataclass(slots=True, repr=False)
class Survey(Shown):
    """What a send would do with a list that is larger than memory: what a preview tells, without its frame.

    `summary()` is that of a Preview; of the rows that a finding concerns it lists the first hundred, and `total`.
    """

    send_at: datetime | None = None
    show_numbers: bool = False
    findings: tuple[Finding, ...] = ()
    hashes: tuple[str, str] | None = None  # of the recipients and the texts: what was looked at
    _counts: Counter[str] = field(default_factory=Counter)
    _by: dict[str, Counter[Any]] = field(default_factory=dict)
    _problems: dict[tuple[str, str], facts.Problem] = field(default_factory=dict)
    _customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    _cost: Decimal | None = Decimal(0)  # None where a text's price is not known
    _reading: Plan | None = None  # the texts worth reading; and, with no row, how they are written, and for whom

    @property
    def ready(self) -> int:
        """How many texts would go."""
        return self._counts["texts"]

    def take(self, start: int, plan: Plan, numbers: Firsts) -> None:
        """Add what there is to tell of a piece's plan, and its numbers to those of the pieces before."""
        told = facts.summary(plan, None)
        for name in ("rows", "repaired", "texts", "parts", "files", "bytes"):
            self._counts[name] += told.get(name, 0)
        for name in ("statuses", "error_codes", "parts_histogram", "encodings", "replaced_characters"):
            self._by.setdefault(name, Counter()).update(told[name])
        ready = plan.ready.nonzero()[0]
        addresses = plan.frame["SentTo"].to_numpy(dtype=object)[ready].tolist()
        numbers.first_of(addresses, (ready + start).astype(np.int64))
        for problem in facts.problems(plan.frame):
            self._add_problem(problem, start)
        for one in told.get("customers", ()):
            self._add_customer(one)
        if len(ready):
            self._cost = None if self._cost is None or plan.cost is None else self._cost + plan.cost
        self._keep_worth_reading(plan)

    def _add_customer(self, more: dict[str, Any]) -> None:
        known = self._customers.setdefault(more["id"], more)
        if known is not more:
            for name in ("rows", "texts", "parts"):
                known[name] += more[name]
            known["cost"] = None if known["cost"] is None else known["cost"] + more["cost"]

    def _add_problem(self, problem: facts.Problem, start: int) -> None:
        key = problem.code, problem.kind
        known = self._problems.get(key)
        rows = [*(known.first if known else ()), *(row + start for row in problem.first)][: facts.EXAMPLE_ROWS]
        count = problem.count + (known.count if known else 0)
        sentence = known.sentence if known else problem.sentence
        if sentence != problem.sentence and not problem.kind:  # some of them are only too soon
            sentence = SENTENCES[ErrorCode(problem.code)]
        named = facts.some_rows(pd.RangeIndex(max(rows) + 1), rows, count=count)
        self._problems[key] = facts.Problem(problem.code, count, sentence, named, tuple(rows), problem.kind)

    def _keep_worth_reading(self, plan: Plan) -> None:
        """Keep the first texts, the longest and the most expensive, of this piece and those before."""
        kept, before = _only(plan, _worth_reading(plan)), self._reading
        if before is not None:
            known = {**before.known, **kept.known}
            if not len(kept.frame):
                kept = before
            elif len(before.frame):
                both = _joined(before, kept)
                kept = _only(both, _worth_reading(both))
            kept = replace(kept, known=known)
        self._reading = kept

    @property
    def worth_reading(self) -> Plan:
        """A plan of nothing but the texts worth reading: the first, the longest, the most expensive."""
        assert self._reading is not None  # a list without a piece was refused
        return self._reading

    def summary(self) -> dict[str, Any]:
        """Everything that is counted, as a dict: see `Preview.summary`."""
        assert self._reading is not None  # a list without a piece was refused
        email = {"channel": "email", **{name: self._counts[name] for name in ("files", "bytes")}}
        return {
            "rows": self._counts["rows"],
            **{name: dict(self._of(name).most_common()) for name in ("statuses", "error_codes")},
            "repaired": self._counts["repaired"],
            **(email if self._reading.channel == "email" else {}),
            **{name: self._counts[name] for name in ("texts", "numbers", "parts")},
            "parts_histogram": dict(sorted(self._of("parts_histogram").items())),
            "encodings": dict(self._of("encodings").most_common()),
            "price_per_part": self._reading.texts.price,
            "cost": self._cost if self._reading.priced else None,
            "send_at": self.send_at.isoformat() if self.send_at else None,
            "replaced_characters": dict(self._of("replaced_characters").most_common()),
            "findings": [{**found.as_dict(), "total": found.count} for found in self.findings],
            **({"customers": list(self._customers.values())} if self._customers else {}),
        }

    def _of(self, name: str) -> Counter[Any]:
        return self._by.get(name, Counter())

    def _facts(self, *, show_numbers: bool | None = None) -> facts.Facts:
        problems = sorted(self._problems.values(), key=lambda problem: -problem.count)
        shown = self.show_numbers if show_numbers is None else show_numbers
        assert self._reading is not None
        return facts.put_together(
            self.summary(), self._reading, found=self.findings, problems=problems, show_numbers=shown
        )

    def count_numbers(self, numbers: Firsts) -> None:
        """Note how many different numbers there are."""
        self._counts["numbers"] = len(numbers)


def survey(
    pieces: Pieces,
    planner: Planner,
    *,
    adjust: Callable[[Plan], Plan] = lambda plan: plan,
) -> Survey:
    """Go over a list once, to tell what a send would do; `adjust` may leave rows out of what a piece's plan counts."""
    seen = Survey()
    with Firsts() as numbers:
        for start, plan in planner.plans(pieces):
            seen.take(start, adjust(plan), numbers)
        seen.count_numbers(numbers)
    seen.findings = tuple(planner.findings)
    seen.hashes = planner.recipients_hash(), planner.texts_hash()
    return seen


def _worth_reading(plan: Plan) -> list[int]:
    """By position, the first texts of a plan, the longest and the most expensive, in their order."""
    ready = plan.ready.nonzero()[0]
    if not len(ready):
        return []
    parts = plan.frame["Parts"].to_numpy()[ready]
    lengths = plan.frame["Text"].iloc[ready].str.len().to_numpy()
    return sorted({*ready[:_FIRST], ready[int(np.argmax(lengths))], ready[int(np.lexsort((-lengths, -parts))[0])]})


def _only(plan: Plan, at: list[int]) -> Plan:
    """A plan of nothing but some rows."""

    def some(column: pd.Series[str] | None) -> pd.Series[str] | None:
        return None if column is None else column.iloc[at].reset_index(drop=True)

    return replace(
        plan,
        frame=plan.frame.iloc[at],
        encodings=plan.encodings.iloc[at].reset_index(drop=True),
        customers=some(plan.customers),
        contents=some(plan.contents),
        findings=(),
    )


def _joined(before: Plan, more: Plan) -> Plan:
    """The rows of two plans of a list in one."""

    def both(one: pd.Series[str] | None, other: pd.Series[str] | None) -> pd.Series[str] | None:
        return None if one is None or other is None else pd.concat([one, other], ignore_index=True)

    return replace(
        before,
        frame=pd.concat([before.frame, more.frame]),
        encodings=pd.concat([before.encodings, more.encodings], ignore_index=True),
        customers=both(before.customers, more.customers),
        contents=both(before.contents, more.contents),
    )
