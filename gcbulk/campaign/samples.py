"""The texts of a plan that are worth reading: the first, the longest, the most expensive; and a test of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from gcbulk.codes import ErrorCode, Status
from gcbulk.errors import OptionError
from gcbulk.recipients.columns import row_name
from gcbulk.recipients.kinds import own_address
from gcbulk.recipients.numbers import to_e164

if TYPE_CHECKING:
    from gcbulk.campaign.plan import Plan


_NO: Final = "no such number can exist"
# What is wrong with the officer's own number: the sentences of the codes speak of rows and families.
_WRONG: Final = {
    ErrorCode.NUMBER_MISSING: "it holds no number",
    ErrorCode.NUMBER_TOO_SHORT: "it has too few digits",
    ErrorCode.NUMBER_TOO_LONG: "it has too many digits",
    ErrorCode.NUMBER_BAD_CHARACTERS: "it holds letters or signs that are no part of a phone number",
    ErrorCode.NUMBER_NOT_MOBILE: "it is not a mobile number",
    ErrorCode.NUMBER_DIGITS_LOST: "a spreadsheet has rounded it, and its last digits are lost",
    ErrorCode.NUMBER_AMBIGUOUS: "it holds more than one plain number",
}


class Sample(NamedTuple):
    """One text that is worth reading, and why: "first", "longest", "most expensive", ..."""

    why: tuple[str, ...]
    position: int


_FIRST: Final = ("first", "second", "third")


def samples(plan: Plan, *, first: int = 1) -> list[Sample]:
    """The first (or the first few), the longest and the most expensive of the texts that would go, each text once."""
    frame = plan.frame
    ready = np.flatnonzero(plan.ready)
    if not len(ready):
        return []
    lengths = frame["Text"].iloc[ready].str.len().to_numpy()
    parts = frame["Parts"].to_numpy()[ready]
    chosen = [*zip(_FIRST, ready[:first], strict=False), ("longest", ready[int(np.argmax(lengths))])]
    if plan.channel == "sms":
        chosen.append(("most expensive", ready[int(np.lexsort((-lengths, -parts))[0])]))
    by_text: dict[str, tuple[list[str], int]] = {}
    for why, position in chosen:
        reasons, _ = by_text.setdefault(str(frame["Text"].iloc[position]), ([], int(position)))
        if not (reasons and why in _FIRST):  # the second of the same texts is no news
            reasons.append(why)
    return [Sample(tuple(why), position) for why, position in by_text.values()]


def trial(plan: Plan, test_to: str) -> tuple[Plan, pd.DataFrame]:
    """A plan that sends a plan's samples to the sender's own phone or address; and the rows that it is made of.

    Raises OptionError where there is no text to try, or the number cannot be texted.
    """
    found = samples(plan)
    if not found:
        raise OptionError("There is no text to test: no row of the list can be sent.")
    rows = pd.DataFrame(
        {
            "Sample": pd.array([", ".join(sample.why) for sample in found], dtype="str"),
            "Row": pd.array([row_name(plan.frame.index, sample.position) for sample in found], dtype="str"),
        }
    )
    number = own_contact(test_to, plan.channel)
    at = [sample.position for sample in found]
    frame = rows.assign(
        SentTo=pd.array([number] * len(at), dtype="str"),
        **{
            name: pd.array([value] * len(at), dtype="str")
            for name, value in (("Repair", None), ("Status", Status.READY.value), ("ErrorCode", None))
        },
        ErrorDetail=pd.array([None] * len(at), dtype="str"),
        **{
            name: plan.frame[name].iloc[at].to_numpy()
            for name in ("EmailSubject", "Text", "EmailFiles", "Parts")
            if name in plan.frame.columns
        },
    )
    contents = None if plan.contents is None else plan.contents.iloc[at]
    whose = None if plan.customers is None else plan.customers.iloc[at].reset_index(drop=True)
    trial = replace(
        plan,
        frame=frame,
        encodings=plan.encodings.iloc[at],
        contents=contents,
        findings=(),
        trial=True,
        customers=whose,
    )
    return trial, rows


def own_contact(test_to: str, channel: str) -> str:
    """The number, or for emails the address, that `test_to` means. Raises OptionError where it is none."""
    if channel == "sms":
        return own_number(test_to)
    address = own_address(test_to)
    if address is None:
        raise OptionError("test_to (--test-to) is no email address. Give your own, such as office@example.org.")
    return address


def own_number(test_to: str) -> str:
    """The number that `test_to` means, in E.164. Raises OptionError where it cannot be texted.

    >>> own_number("07700 900123")
    '+447700900123'
    """
    checked = to_e164(pd.Series([test_to], dtype=object), international=True)
    code = checked["ErrorCode"].iloc[0]
    if isinstance(code, str):
        raise OptionError(
            f"test_to (--test-to) cannot be texted: {_WRONG.get(ErrorCode(code), _NO)}. "
            "Give your own mobile number, such as 07700 900123."
        )
    return str(checked["SentTo"].iloc[0])
