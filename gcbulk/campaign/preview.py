"""What a send would do, shown before anything is sent: in a notebook, in a terminal, as data."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from gcbulk.campaign.overview import questions
from gcbulk.campaign.views import facts
from gcbulk.campaign.views.facts import mask_number
from gcbulk.codes import Status
from gcbulk.messages.findings import are
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd

    from gcbulk.campaign.plan import Plan

__all__ = ["Preview", "check_report", "check_summary", "mask_number"]


def check_summary(checked: pd.DataFrame) -> dict[str, Any]:
    """Counts of a validated frame: rows, rows by status and by error code, numbers mended."""
    return facts.count_rows(checked)


def check_report(checked: pd.DataFrame, *, channel: str = "sms") -> str:
    """What a validated frame shows, in words for a terminal."""
    kind = KINDS[channel]
    counts = check_summary(checked)
    ready = counts["statuses"].get(Status.READY, 0)
    mended = counts["repaired"]
    were = "was" if mended == 1 else "were"
    lines = [
        f"{ready} of {are(counts['rows'], 'row')} can be {kind.contacted}; {are(mended, kind.noun)} {were} mended."
    ]
    problems = _problem_lines(checked)
    asked = [
        f"  {at.size:>5}  {question}  ({facts.some_rows(checked.index, at.tolist())})"
        for question, at in questions(checked)
    ]
    return "\n".join(
        [
            *lines,
            *(["", "Rows to look at (row 1 is the first below the header):"] if problems else []),
            *problems,
            *(["", "May be mistyped, and would be sent to as written:"] if asked else []),
            *asked,
        ]
    )


def _problem_lines(frame: pd.DataFrame) -> list[str]:
    lines = []
    for problem in facts.problems(frame):
        lines += [f"  {problem.count:>5}  {problem.code}  ({problem.rows})", f"         {problem.sentence}"]
    return lines


class Shown:
    """What shows itself: in a notebook, as plain text, and by `show()` laid out for a terminal."""

    __slots__ = ()

    def _facts(self, *, show_numbers: bool | None = None) -> facts.Facts:
        """What is shown; `show_numbers` overrides what it was made with."""
        raise NotImplementedError

    def show(self, stream: TextIO | None = None) -> None:
        """Print the preview, to stdout or another stream: laid out at a terminal, plain in a file or a pipe."""
        from gcbulk.campaign.views.terminal import show

        show(self._facts(), stream or sys.stdout)

    def __str__(self) -> str:
        from gcbulk.campaign.views.terminal import plain_text

        return plain_text(self._facts())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self, *, show_numbers: bool | None = None) -> str:
        """The preview as a piece of HTML, every value escaped; `show_numbers` overrides what the preview was given."""
        from gcbulk.campaign.views.page import to_html

        return to_html(self._facts(show_numbers=show_numbers))


@dataclass(frozen=True, slots=True, repr=False)
class Preview(Shown):
    """What a send would do. `frame` is row by row: the user's columns, the annotations, `Text`, and `Cost`.

    In a notebook it shows itself; `str(preview)` is the same as plain text; `show()` lays it out for a terminal.
    Numbers are masked unless `show_numbers`.
    """

    plan: Plan
    send_at: datetime | None = None
    show_numbers: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """Every row of the list, in its order, under its index, with what would be sent or why not."""
        return self.plan.frame

    def summary(self) -> dict[str, Any]:
        """Everything that is counted, as a dict.

        rows, statuses, error_codes, repaired: as of `validate`. texts, numbers, parts (int): what would go.
        parts_histogram (texts by parts), encodings (texts by alphabet), price_per_part and cost (Decimal, pounds;
        None where no price was given), send_at (ISO 8601, UTC), replaced_characters (texts by character), findings:
        a list of dicts with code, severity ("stop", "warning", "note"), sentence, and rows (positions, from 0).
        """
        return facts.summary(self.plan, self.send_at)

    def _facts(self, *, show_numbers: bool | None = None) -> facts.Facts:
        """What is shown; `show_numbers` overrides what the preview was given."""
        shown = self.show_numbers if show_numbers is None else show_numbers
        return facts.facts(self.plan, self.send_at, show_numbers=shown)
