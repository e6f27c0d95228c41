"""Planning emails: a letter and files become what is to be sent to each row, or why not."""

from __future__ import annotations

import operator
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.attachments import Attachments, Enclosed, File, enclose, problem_now
from gcbulk.campaign.enclosing import content_of, parsed
from gcbulk.campaign.plan import Plan, fields_of, make_room, plan_of
from gcbulk.codes import ErrorCode
from gcbulk.messages.findings import Batch, Finding, are, positions
from gcbulk.messages.lint import lint_letter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.customers import RowsOfCustomers
    from gcbulk.campaign.repeats import Repeats
    from gcbulk.messages.letter import Letter, WrittenLetters
    from gcbulk.recipients.intake import IntakeOptions


def make_email_plan(
    recipients: pd.DataFrame,
    letter: Letter,
    *,
    intake: IntakeOptions,
    attachments: Attachments = Attachments(),  # noqa: B008 - frozen
    repeats: Repeats | None = None,
    customers: Mapping[str, Customer] | None = None,
) -> Plan:
    """Validate the recipients, write the email for each, look at its files, and leave out what must not be sent.

    `repeats` and `customers` are those of `make_plan`.
    Raises TemplateError, RecipientsError or OptionError, before anything is sent, for what stops the whole campaign.
    """
    fields, whose = fields_of(recipients, letter.fields | attachments.fields, intake, customers)
    letter.check(fields.columns)

    def drafted(fields: pd.DataFrame, known: Any) -> EmailDraft:
        written = letter.write(fields)
        frame = written.frame
        wanted = known & frame["ErrorCode"].isna().to_numpy(dtype=bool)
        enclosed = enclose(fields, attachments, wanted=wanted)
        problems = pd.Series(enclosed.problems, dtype="str")
        bad = problems != ""
        frame["ErrorCode"] = frame["ErrorCode"].mask(bad, ErrorCode.ATTACHMENT_MISSING.value)
        frame["ErrorDetail"] = frame["ErrorDetail"].mask(bad, problems)
        contents = [
            content_of(subject, files) if goes else None
            for subject, files, goes in zip(
                frame["EmailSubject"], enclosed.files, wanted & ~bad.to_numpy(), strict=True
            )
        ]
        return EmailDraft(frame, pd.Series(contents, dtype="str"), letter, written, enclosed, attachments)

    return plan_of(recipients, fields, drafted, intake, whose, repeats)


PUT_IT_BACK: Final = (
    "Put it back as it was, and give the same command again (gcbulk retry-undelivered). Or send this row, with the "
    "file as it is now, as a list of its own."
)
"""What to do about a row that cannot go again as it went."""


@dataclass(frozen=True, slots=True)
class EmailDraft:
    """An email written for every row."""

    frame: pd.DataFrame
    contents: pd.Series[str]
    letter: Letter
    written: WrittenLetters
    enclosed: Enclosed
    attachments: Attachments

    def planned(self, frame: pd.DataFrame, sent: Any, columns: pd.Index, whose: RowsOfCustomers | None) -> Plan:
        """The plan, once it is known which rows go, with what looks like a mistake in it."""
        _show(frame, self.frame, self.enclosed.files)
        counts = pd.DataFrame({"Parts": frame["Parts"].to_numpy()})
        addresses = frame["SentTo"].reset_index(drop=True)
        if whose is not None:  # two customers' emails to one address are no slip
            addresses = addresses + " " + whose.ids.fillna("")
        written = self.written
        batches = [
            Batch(template, cells, rendered, counts, addresses, sent, "email")
            for template, cells, rendered in (
                (self.letter.html, written.cells, written.body),
                (self.letter.subject, written.subject_cells, written.subject),
            )
        ]
        found = (*_slips(frame, sent), *lint_letter(batches, columns))
        plan = _plan(frame, found, self.contents, self.attachments.most_bytes_a_call)
        return replace(plan, findings=(*found, *_too_large(plan, self.attachments.max_call_mb)))


def make_again_plan(
    kept: pd.DataFrame, *, intake: IntakeOptions, customers: Mapping[str, Customer] | None = None
) -> Plan:
    """A plan of emails exactly as they were once planned: `kept` has an address, `text` and `content` in each row.

    A row whose file is gone or changed since is left out, ATTACHMENT_MISSING.
    """
    fields, whose = fields_of(kept, (), intake, customers)

    def drafted(fields: pd.DataFrame, _known: Any) -> EmailAgain:
        letters = [parsed(content) for content in fields["content"]]
        now = [problem_now(files) for _, files in letters]
        problems = pd.Series([problem and f"{problem} {PUT_IT_BACK}" for problem in now], dtype="str")
        frame = pd.DataFrame(
            {
                "EmailSubject": pd.array([subject for subject, _ in letters], dtype="str"),
                "Text": pd.array(fields["text"].to_numpy(dtype=object), dtype="str"),
                "ErrorCode": problems.where(problems.isna(), ErrorCode.ATTACHMENT_MISSING.value),
                "ErrorDetail": problems,
            }
        )
        contents = pd.Series(fields["content"].to_numpy(), dtype="str")
        return EmailAgain(frame, contents, [tuple(files) for _, files in letters])

    return plan_of(kept, fields, drafted, intake, whose)


@dataclass(frozen=True, slots=True)
class EmailAgain:
    """An email for every row as it once was planned."""

    frame: pd.DataFrame
    contents: pd.Series[str]
    files: list[tuple[File, ...]]

    def planned(self, frame: pd.DataFrame, _sent: Any, _columns: pd.Index, _whose: RowsOfCustomers | None) -> Plan:
        """The plan; what was to be said of these emails was said when they were sent first."""
        _show(frame, self.frame, self.files)
        return _plan(frame, (), self.contents, Attachments().most_bytes_a_call)


def _show(frame: pd.DataFrame, emails: pd.DataFrame, files: Iterable[Iterable[File]]) -> None:
    """Give a frame the columns that only a plan of emails has."""
    shown = {
        "EmailSubject": emails["EmailSubject"],
        "Text": emails["Text"],
        "EmailFiles": ["; ".join(file.name for file in of_row) or None for of_row in files],
    }
    make_room(frame, shown)
    for name, values in shown.items():
        frame[name] = pd.array(np.asarray(values, dtype=object), dtype="str")
    frame["Parts"] = np.zeros(len(frame), dtype=np.int64)


def _plan(frame: pd.DataFrame, found: tuple[Finding, ...], contents: pd.Series[str], most: int) -> Plan:
    no_parts = pd.Series([None] * len(frame), dtype="str")
    return Plan(frame, no_parts, findings=found, channel="email", contents=contents, most_bytes_a_call=most)


def _too_large(plan: Plan, most_mb: float) -> tuple[Finding, ...]:
    """Emails that are more than a call may have by themselves: their files have been looked at, so by their bodies."""
    sizes, most = plan.sizes(), plan.most_bytes_a_call
    if sizes is None or most is None or not (large := sizes > most).any():
        return ()

    def say(count: int) -> str:
        return (
            f"{are(count, 'email')} of more than {most_mb:g} MB, by the body alone or with the files, would go "
            f"{'in a call alone' if count == 1 else 'in a call each'} (max_call_mb, --max-call-mb). Many mail servers "
            "refuse such an email: are there pictures in the body itself that could be smaller?"
        )

    return (Finding.counted("large_email", "warning", tuple(plan.ready.nonzero()[0][large].tolist()), say),)


def _slips(frame: pd.DataFrame, sent: Any) -> tuple[Finding, ...]:
    """Addresses at domains that are near to a well-known provider's, which are sent to all the same."""
    asked = sent & frame["ErrorDetail"].notna().to_numpy(dtype=bool)
    if not asked.any():
        return ()
    kinds = Counter(frame.loc[asked, "ErrorDetail"].tolist())

    def say(count: int, kinds: Counter[str]) -> str:
        questions = " ".join(question for question, _ in kinds.most_common(3))
        return f"{are(count, 'address')} may be mistyped, and would be sent to as written. {questions}"

    return (Finding.counted("address_slip", "warning", positions(asked), say, kinds=(kinds, operator.add)),)
