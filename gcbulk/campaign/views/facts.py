"""What a preview tells, counted and put into words once: every view shows the same facts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.attachments import size_in_words
from gcbulk.campaign.enclosing import parsed
from gcbulk.campaign.file_problems import by_reason
from gcbulk.campaign.journal.memory import NO_OTHER_EMAIL, TOO_SOON
from gcbulk.campaign.samples import samples
from gcbulk.codes import SENTENCES, ErrorCode, Status
from gcbulk.messages.characters import PLAIN_TWINS, character_name
from gcbulk.messages.findings import are, pounds_and_pence
from gcbulk.messages.markup import plain_words
from gcbulk.recipients.columns import row_name
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from gcbulk.campaign.plan import Plan
    from gcbulk.messages.findings import Finding, Severity

EXAMPLE_ROWS: Final = 3
FIRST_TEXTS: Final = 3
CUSTOMERS_SHOWN: Final = 20
BY_CUSTOMER: Final = "By customer:"
NO_BALANCE: Final = "The API tells no balance: see on the platform that there is credit for {parts}."
NOT_SENT: Final = "Rows that would not be sent (row 1 is the first below the header):"
REPLACED: Final = 'Typographic characters, made plain (smart_characters="keep" leaves them):'
TO_LOOK_AT: Final = "Before you send:"


LIKE_AN_ADDRESS: Final = r"([^\s@<>(),;:\"'])[^\s@<>(),;:\"']*(@[^\s@<>(),;:\"']*\w)"
"""What stands in a text as an email address does: its first letter, and what follows from the @ on."""


def mask_number(number: str) -> str:
    """A number or an address with its middle hidden, for screens that others may see.

    >>> mask_number("+447700900123"), mask_number("office@example.sch.uk")
    ('+44 7700 •••123', 'o•••@example.sch.uk')
    """
    if "@" in number:
        return f"{number[:1]}•••{number[number.rindex('@') :]}"
    return (
        f"{number[:3]} {number[3:7]} •••{number[-3:]}" if number.startswith("+44") else f"{number[:4]} •••{number[-2:]}"
    )


def count_rows(checked: pd.DataFrame) -> dict[str, Any]:
    """Counts of a validated frame: rows, rows by status and by error code, numbers mended."""
    return {
        "rows": len(checked),
        "statuses": {str(name): int(n) for name, n in checked["Status"].value_counts().items()},
        "error_codes": {str(name): int(n) for name, n in checked["ErrorCode"].value_counts().items()},
        "repaired": int(checked["Repair"].notna().sum()),
    }


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why rows are not sent: how many, what it means, and the first such rows, in words and by position.

    `kind` tells one reason from others of the same code.
    """

    code: str
    count: int
    sentence: str
    rows: str
    first: tuple[int, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding in words, with the first of its rows."""

    severity: Severity
    sentence: str
    rows: str


@dataclass(frozen=True, slots=True)
class Text:
    """One of the texts worth reading, and why it is."""

    why: str
    row: str
    number: str
    text: str
    size: str
    subject: str = ""
    html: str = ""  # of an email


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the views of a preview show."""

    headline: str
    counts: dict[str, str]
    histogram: dict[int, int]  # texts by their parts
    texts: list[Text]
    remarks: list[Remark]
    problems: list[Problem]
    replaced: list[str] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)  # a partner's: a line each


def facts(plan: Plan, send_at: datetime | None, *, show_numbers: bool) -> Facts:
    """Gather what the views show of a plan."""
    frame, numbers = plan.frame, summary(plan, send_at)
    return put_together(numbers, plan, found=plan.findings, problems=problems(frame), show_numbers=show_numbers)


def put_together(
    numbers: dict[str, Any],
    worth_reading: Plan,
    *,
    found: Sequence[Finding],
    problems: list[Problem],
    show_numbers: bool,
) -> Facts:
    """What the views show, of what was counted and found; and of a plan that holds the texts worth reading."""
    texts = worth_reading.channel == "sms"
    paid = numbers["texts"] and texts
    balance = [Remark("note", NO_BALANCE.format(parts=are(numbers["parts"], "part")), "")] if paid else []
    return Facts(
        headline=_headline(numbers, worth_reading.channel),
        customers=_customer_lines(numbers.get("customers", [])),
        counts=_counts(numbers, worth_reading),
        histogram=numbers["parts_histogram"] if texts else {},
        texts=_texts(worth_reading, show_numbers=show_numbers),
        remarks=[*_said(found, worth_reading.frame.index, numbers["texts"]), *balance],
        problems=problems,
        replaced=[
            f"{character_name(one)} becomes {_twin(one)} in {are(n, 'text')}"
            for one, n in numbers["replaced_characters"].items()
        ],
    )


def remarks(plan: Plan) -> list[Remark]:
    """What was found in a plan's texts, in words, the gravest first."""
    return _said(plan.findings, plan.frame.index, int(plan.ready.sum()))


def _said(found: Sequence[Finding], index: pd.Index, everybody: int) -> list[Remark]:
    said = [Remark(one.severity, one.sentence, _which(one, index, everybody)) for one in found]
    return sorted(said, key=lambda remark: ("stop", "warning", "note").index(remark.severity))


def summary(plan: Plan, send_at: datetime | None) -> dict[str, Any]:
    """What a preview counts, as a dict: see `Preview.summary`."""
    frame = plan.frame
    ready = plan.ready
    parts = frame["Parts"].to_numpy()[ready]
    total = int(parts.sum())
    encodings = plan.encodings.iloc[ready.nonzero()[0]].value_counts()
    price = plan.texts.price
    return {
        **count_rows(frame),
        **_files(plan),
        "texts": int(ready.sum()),
        "numbers": int(frame["SentTo"].iloc[ready.nonzero()[0]].nunique()),
        "parts": total,
        "parts_histogram": {n: count for n, count in enumerate(np.bincount(parts).tolist()) if count},
        "encodings": {str(name): int(count) for name, count in encodings.items()},
        "price_per_part": price,
        "cost": plan.cost,
        "send_at": send_at.isoformat() if send_at else None,
        "replaced_characters": dict(plan.replaced),
        "findings": [found.as_dict() for found in plan.findings],
        **({} if plan.customers is None else {"customers": _by_customer(plan)}),
    }


def _by_customer(plan: Plan) -> list[dict[str, Any]]:
    """Of each customer of a partner, in the order of the list: id, name, rows, texts, parts, and cost with a price."""
    ready = plan.ready
    counts = pd.DataFrame(
        {
            "id": plan.customers.to_numpy(dtype=object) if plan.customers is not None else [],
            "rows": 1,
            "texts": ready.astype(int),
            "parts": np.where(ready, plan.frame["Parts"].to_numpy(), 0),
        }
    )
    by_id = counts.groupby("id", sort=False).sum().to_dict("index")
    found: list[dict[str, Any]] = []
    for one, row in by_id.items():
        customer = plan.known[str(one)]
        price = customer.price if customer.price is not None else plan.texts.price
        numbers = {str(name): int(n) for name, n in row.items()}
        cost = None if price is None else numbers["parts"] * price
        found.append({"id": customer.id, "name": customer.name, **numbers, "cost": cost})
    return found


def _customer_lines(customers: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for one in customers[:CUSTOMERS_SHOWN]:
        cost = "" if one["cost"] is None else f", {pounds_and_pence(one['cost'])}"
        lines.append(f"{one['name']} ({one['id']}): {are(one['texts'], 'text')}, {are(one['parts'], 'part')}{cost}")
    more = len(customers) - CUSTOMERS_SHOWN
    return [*lines, *([f"and {more:,} more customers"] if more > 0 else [])]


def problems(frame: pd.DataFrame) -> list[Problem]:
    """For each reason why rows are not sent: code, how many, what it means, the first such rows."""
    found = []
    for code in count_rows(frame)["error_codes"]:
        at = (frame["ErrorCode"] == code).to_numpy(dtype=bool).nonzero()[0]
        details = frame["ErrorDetail"].iloc[at]
        if code == ErrorCode.ATTACHMENT_MISSING:
            found += [_problem(frame, code, at[of_it], sentence, why) for why, of_it, sentence in by_reason(details)]
            continue
        changed = details.str.contains(NO_OTHER_EMAIL, regex=False, na=False).to_numpy(dtype=bool)
        if changed.any():
            sentence = f"Its files have changed since it went{NO_OTHER_EMAIL} {SENTENCES[ErrorCode(code)]}"
            found.append(_problem(frame, code, at[changed], sentence, "changed"))
            at, details = at[~changed], details[~changed]
        if not len(at):
            continue
        # who repeats on purpose already is not told to, but to wait
        soon = details.str.endswith(TOO_SOON, na=False).all()
        found.append(_problem(frame, code, at, TOO_SOON if soon else SENTENCES[ErrorCode(code)]))
    return found


def _problem(frame: pd.DataFrame, code: str, at: np.ndarray[Any, Any], sentence: str, kind: str = "") -> Problem:
    rows = at.tolist()
    return Problem(code, len(rows), sentence, some_rows(frame.index, rows), tuple(rows[:EXAMPLE_ROWS]), kind)


def _which(finding: Finding, index: pd.Index, everybody: int) -> str:
    if finding.count == everybody > EXAMPLE_ROWS:
        return "every text"
    if finding.total is not None:  # of a list in pieces: rows are known by their places alone
        index = pd.RangeIndex(max(finding.rows, default=0) + 1)
    return some_rows(index, finding.rows, count=finding.count) if finding.rows else ""


def some_rows(index: pd.Index, at: Sequence[int], *, count: int | None = None) -> str:
    """The first of some rows by name, and how many more there are, of so many in all."""
    more = (len(at) if count is None else count) - EXAMPLE_ROWS
    named = ", ".join(row_name(index, row) for row in at[:EXAMPLE_ROWS])
    return f"{named} and {more:,} more" if more > 0 else named


def _files(plan: Plan) -> dict[str, Any]:
    """Of emails, how many files would go, and how many bytes they have."""
    if plan.contents is None:
        return {}
    files = [file for content in plan.contents[plan.ready] for file in parsed(content)[1]]
    return {"channel": plan.channel, "files": len(files), "bytes": sum(file.size for file in files)}


def files_in_words(plan: Plan) -> str:
    """The files that would go with a plan's emails, and their size; "" where none would."""
    counted = _files(plan)
    return _size(counted) if counted.get("files") else ""


def _headline(numbers: dict[str, Any], channel: str) -> str:
    left_out = numbers["rows"] - numbers["texts"]
    cost = "" if numbers["cost"] is None else f" for {pounds_and_pence(numbers['cost'])}"
    rest = f" {left_out:,} of the {are(numbers['rows'], 'row')} would not be sent." if left_out else ""
    kind = KINDS[channel]
    parts = f" ({are(numbers['parts'], 'SMS part')})" if channel == "sms" else ""
    files = f", with {_size(numbers)}" if numbers.get("files") else ""
    sends = f"Sends {are(numbers['texts'], kind.message)}{parts}"
    return f"{sends} to {are(numbers['numbers'], kind.noun)}{files}{cost}.{rest}"


def _size(numbers: dict[str, Any]) -> str:
    return f"{are(numbers['files'], 'file')} ({size_in_words(numbers['bytes'])})"


def _counts(numbers: dict[str, Any], plan: Plan) -> dict[str, str]:
    left_out = {name: n for name, n in numbers["statuses"].items() if name != Status.READY}
    email, noun = plan.channel == "email", KINDS[plan.channel].noun
    plural = f"{noun.capitalize()}{'es' if noun.endswith('s') else 's'}"
    shown = {
        "Rows": f"{numbers['rows']:,}",
        f"{KINDS[plan.channel].message.capitalize()}s to send": f"{numbers['texts']:,}",
        "Not sent": ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in left_out.items()),
        f"{plural} mended": f"{numbers['repaired']:,}" if numbers["repaired"] else "",
        "Files": _size(numbers) if numbers.get("files") else "",
        "SMS parts": "" if email else f"{numbers['parts']:,}",
        "Alphabets": ", ".join(f"{n:,} {name}" for name, n in numbers["encodings"].items()),
        "Header": f"{are(plan.texts.header_length, 'character')} before each text" if plan.texts.header_length else "",
        "Cost": ""
        if email
        else _cost(
            numbers["cost"], plan.texts.price, own_prices=any(one.price_per_part for one in plan.known.values())
        ),
    }
    return {name: words for name, words in shown.items() if words}


def _cost(cost: Decimal | None, price: Decimal | None, *, own_prices: bool = False) -> str:
    if cost is None:
        return "not known: give price_per_part (--price-per-part)"
    at = "each customer's price" if own_prices or price is None else f"{pounds_and_pence(price)} a part"
    return f"{pounds_and_pence(cost)}, at {at}"


def _texts(plan: Plan, *, show_numbers: bool) -> list[Text]:
    found = []
    for sample in samples(plan, first=FIRST_TEXTS):
        row = plan.frame.iloc[sample.position]
        about = Text(
            why=" and ".join([", ".join(sample.why[:-1]), sample.why[-1]] if sample.why[1:] else sample.why),
            row=row_name(plan.frame.index, sample.position),
            number=row["SentTo"] if show_numbers else mask_number(row["SentTo"]),
            text=row["Text"],
            size="",
        )
        if plan.contents is not None:
            found.append(_email(about, row))
            continue
        parts = int(row["Parts"])
        size = f"{are(len(row['Text']), 'character')}, {plan.encodings.iloc[sample.position]}, {are(parts, 'part')}"
        size = f"{size}, {pounds_and_pence(row['Cost'])}" if plan.priced and pd.notna(row["Cost"]) else size
        found.append(replace(about, size=size))
    return found


def _email(about: Text, row: pd.Series[Any]) -> Text:
    files = row["EmailFiles"] if isinstance(row["EmailFiles"], str) else "no file"
    return replace(
        about, subject=row["EmailSubject"], html=row["Text"], text=plain_words(row["Text"]), size=f"with {files}"
    )


def _twin(character: str) -> str:
    twin = PLAIN_TWINS.get(character, "")
    return {"": "nothing", " ": "a space", "\n": "a line end"}.get(twin, twin)
