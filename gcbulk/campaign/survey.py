"""Planning a list that is larger than memory: a plan for each of its pieces, and what they come to together.

Row by row the plans are what `make_plan` makes of the whole list: a text that goes already is found across pieces.
"""

from __future__ import annotations

import warnings
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd

from gcbulk.campaign.firsts import Firsts
from gcbulk.campaign.plan import Plan, make_plan, new_hash, other_texts
from gcbulk.campaign.preview import Shown
from gcbulk.campaign.views import facts
from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import GcbulkWarning, RecipientsError
from gcbulk.messages.findings import add_up
from gcbulk.recipients.columns import in_place
from gcbulk.recipients.optouts import opt_out_numbers
from gcbulk.recipients.schema import repeat_details

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from types import TracebackType

    from gcbulk.messages.findings import Finding
    from gcbulk.messages.options import TextOptions
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Objects = np.ndarray[Any, np.dtype[np.object_]]

_FIRST: Final = 3  # texts that are shown of those at the list's beginning


class _RepeatsInPieces:
    """Finds the texts that go to the same number already, in this piece or an earlier one."""

    def __init__(self, firsts: Firsts) -> None:
        self._firsts = firsts
        self.start = 0
        self.others: list[int] = []  # the first positions of texts left out that differ from the one that goes
        self.other_count = 0

    def among(
        self, positions: _Numbers, addresses: _Objects, texts: _Objects, *, one_per_number: bool
    ) -> tuple[_Numbers, list[str]]:
        """As `Repeats.among` of a list that is planned whole."""
        at = (positions + self.start).astype(np.int64)
        numbers, words = addresses.tolist(), texts.tolist()
        if one_per_number:
            first = self._firsts.first_of(numbers, at, words)
        else:
            first = self._firsts.first_of([f"{n}\x1f{w}" for n, w in zip(numbers, words, strict=True)], at)
        again = np.flatnonzero(first != at)
        if one_per_number and len(again):
            differ = self._firsts.differ([numbers[row] for row in again], [words[row] for row in again])
            self.other_count += int(differ.sum())
            self.others += at[again[differ]].tolist()[: 10 - len(self.others)]
        named = pd.RangeIndex(int(at[-1]) + 1 if len(at) else 0)
        return again, repeat_details(named, first[again].tolist(), one_per_number=one_per_number)


class Planner:
    """Plans a list piece by piece; when it is through, it knows what a plan of the whole list would.

    A context manager: what it keeps of the rows that went before is on scratch space that it gives back.
    Raises TemplateError or RecipientsError as `make_plan` does.
    """

    def __init__(self, message: str, intake: IntakeOptions, texts: TextOptions) -> None:
        if intake.opt_outs is not None:  # read once, not for each piece
            given = sorted(opt_out_numbers(intake.opt_outs, international=True))
            intake = replace(intake, opt_outs=given)
        self._message, self._intake, self._texts = message, intake, texts
        self._open = ExitStack()
        self._repeats = _RepeatsInPieces(self._open.enter_context(Firsts()))
        self._recipients, self._written = new_hash(), new_hash()
        self.findings: list[Finding] = []
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.__exit__(kind, error, at)

    def plans(self, pieces: Pieces) -> Iterator[tuple[int, Plan]]:
        """Each piece's plan, with the position in the whole list at which the piece begins."""
        for piece in pieces:
            start = self._repeats.start = self.rows
            plan = make_plan(
                in_place(piece, start), self._message, intake=self._intake, texts=self._texts, repeats=self._repeats
            )
            plan.add_recipients(self._recipients)
            plan.add_texts(self._written)
            self.findings = add_up(self.findings, plan.findings, from_row=start)
            self.rows += len(plan.frame)
            yield start, plan
        if not self.rows:
            raise RecipientsError("There are no recipients: the list has no piece with a row.")
        self._warn_of_other_texts()

    def recipients_hash(self) -> str:
        """As of a plan of the whole list."""
        return self._recipients.hexdigest()

    def texts_hash(self) -> str:
        """As of a plan of the whole list."""
        return self._written.hexdigest()

    def _warn_of_other_texts(self) -> None:
        found = self._repeats
        if found.other_count:
            named = [f"row {row + 1}" for row in found.others]
            warnings.warn(other_texts(found.other_count, named), GcbulkWarning, stacklevel=4)


@dataclass(slots=True, repr=False)
class Survey(Shown):
    """What a send would do with a list that is larger than memory: what a preview tells, without its frame.

    `summary()` is that of a Preview; of the rows that a finding concerns it lists the first hundred, and `total`.
    """

    texts: TextOptions
    send_at: datetime | None = None
    show_numbers: bool = False
    findings: tuple[Finding, ...] = ()
    hashes: tuple[str, str] | None = None  # of the recipients and the texts: what was looked at
    _counts: Counter[str] = field(default_factory=Counter)
    _by: dict[str, Counter[Any]] = field(default_factory=dict)
    _problems: dict[str, facts.Problem] = field(default_factory=dict)
    _first_rows: dict[str, list[int]] = field(default_factory=dict)
    _reading: Plan | None = None  # the texts worth reading

    @property
    def ready(self) -> int:
        """How many texts would go."""
        return self._counts["texts"]

    def take(self, start: int, plan: Plan, numbers: Firsts) -> None:
        """Add what there is to tell of a piece's plan, and its numbers to those of the pieces before."""
        told = facts.summary(plan, None)
        for name in ("rows", "repaired", "texts", "parts"):
            self._counts[name] += told[name]
        for name in ("statuses", "error_codes", "parts_histogram", "encodings", "replaced_characters"):
            self._by.setdefault(name, Counter()).update(told[name])
        ready = plan.ready.nonzero()[0]
        addresses = plan.frame["SentTo"].to_numpy(dtype=object)[ready].tolist()
        numbers.first_of(addresses, (ready + start).astype(np.int64))
        for problem in facts.problems(plan.frame):
            self._add_problem(problem, plan, start)
        self._keep_worth_reading(plan)

    def _add_problem(self, problem: facts.Problem, plan: Plan, start: int) -> None:
        rows = self._first_rows.setdefault(problem.code, [])
        if len(rows) < facts.EXAMPLE_ROWS:
            here = (plan.frame["ErrorCode"] == problem.code).to_numpy(dtype=bool).nonzero()[0]
            rows += (here[: facts.EXAMPLE_ROWS - len(rows)] + start).tolist()
        known = self._problems.get(problem.code)
        count = problem.count + (known.count if known else 0)
        sentence = problem.sentence
        if known and known.sentence != sentence:  # some of them are only too soon
            sentence = SENTENCES[ErrorCode(problem.code)]
        named = facts.some_rows(pd.RangeIndex(max(rows) + 1), rows, count=count)
        self._problems[problem.code] = facts.Problem(problem.code, count, sentence, named)

    def _keep_worth_reading(self, plan: Plan) -> None:
        """Keep the first texts, the longest and the most expensive, of this piece and those before."""
        ready = plan.ready.nonzero()[0]
        if not len(ready):
            return
        parts = plan.frame["Parts"].to_numpy()[ready]
        lengths = plan.frame["Text"].iloc[ready].str.len().to_numpy()
        chosen = sorted(
            {*ready[:_FIRST], ready[int(np.argmax(lengths))], ready[int(np.lexsort((-lengths, -parts))[0])]}
        )
        kept = _only(plan, chosen)
        if self._reading is not None:
            both = replace(
                kept,
                frame=pd.concat([self._reading.frame, kept.frame]),
                encodings=pd.concat([self._reading.encodings, kept.encodings], ignore_index=True),
            )
            self._reading = None
            self._keep_worth_reading(both)
        else:
            self._reading = kept

    def worth_reading(self) -> Plan | None:
        """A plan of nothing but the texts worth reading: the first, the longest, the most expensive."""
        return self._reading

    def summary(self) -> dict[str, Any]:
        """Everything that is counted, as a dict: see `Preview.summary`."""
        price = self.texts.price
        return {
            "rows": self._counts["rows"],
            **{name: dict(self._of(name).most_common()) for name in ("statuses", "error_codes")},
            "repaired": self._counts["repaired"],
            **{name: self._counts[name] for name in ("texts", "numbers", "parts")},
            "parts_histogram": dict(sorted(self._of("parts_histogram").items())),
            "encodings": dict(self._of("encodings").most_common()),
            "price_per_part": price,
            "cost": None if price is None else self._counts["parts"] * price,
            "send_at": self.send_at.isoformat() if self.send_at else None,
            "replaced_characters": dict(self._of("replaced_characters").most_common()),
            "findings": [{**found.as_dict(), "total": found.count} for found in self.findings],
        }

    def _of(self, name: str) -> Counter[Any]:
        return self._by.get(name, Counter())

    def _facts(self, *, show_numbers: bool | None = None) -> facts.Facts:
        problems = sorted(self._problems.values(), key=lambda problem: -problem.count)
        reading = self._reading or Plan(_NOTHING, texts=self.texts)
        shown = self.show_numbers if show_numbers is None else show_numbers
        return facts.put_together(self.summary(), reading, found=self.findings, problems=problems, show_numbers=shown)

    def count_numbers(self, numbers: Firsts) -> None:
        """Note how many different numbers there are."""
        self._counts["numbers"] = len(numbers)


_NOTHING: Final = pd.DataFrame({name: pd.array([], dtype="str") for name in ("Status", "SentTo", "Text")}).assign(
    Parts=pd.array([], dtype="int64")
)


def survey(
    pieces: Pieces,
    planner: Planner,
    texts: TextOptions,
    *,
    adjust: Callable[[Plan], Plan] = lambda plan: plan,
) -> Survey:
    """Go over a list once, to tell what a send would do; `adjust` may leave rows out of what a piece's plan counts."""
    seen = Survey(texts)
    with Firsts() as numbers:
        for start, plan in planner.plans(pieces):
            seen.take(start, adjust(plan), numbers)
        seen.count_numbers(numbers)
    seen.findings = tuple(planner.findings)
    seen.hashes = planner.recipients_hash(), planner.texts_hash()
    return seen


def _only(plan: Plan, at: list[int]) -> Plan:
    """A plan of nothing but some rows."""
    return replace(
        plan, frame=plan.frame.iloc[at], encodings=plan.encodings.iloc[at].reset_index(drop=True), findings=()
    )
