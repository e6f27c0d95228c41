"""Planning: recipients and a message become rows that say what is to be sent, in which call, or why not."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.codes import ErrorCode, Status
from gcbulk.errors import GcbulkWarning
from gcbulk.messages.findings import Batch
from gcbulk.messages.lint import lint
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import count_parts
from gcbulk.messages.savings import savings
from gcbulk.messages.template import Template
from gcbulk.recipients.columns import own_columns, row_name
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.schema import check, repeat_details

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gcbulk.campaign.journal import Held
    from gcbulk.messages.findings import Finding

_STR: Final = "str"
_NAMED_ROWS: Final = 5  # in a warning


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is to do. `frame` holds the user's columns, the annotations, `Text`, and `Cost` with a price.

    `frame` has the index and row order of the input; Status is `ready` where a row is to be sent. `findings` are what
    the lint and the savings found; `replaced` counts the texts in which each typographic character was made plain.
    A trial goes to the sender's own phone: no text of it counts as sent to anybody.
    """

    frame: pd.DataFrame
    encodings: pd.Series[str] = field(default_factory=lambda: pd.Series(dtype=_STR))
    findings: tuple[Finding, ...] = ()
    replaced: Mapping[str, int] = field(default_factory=dict)
    texts: TextOptions = TextOptions()  # noqa: RUF009 - frozen
    trial: bool = False
    one_per_number: bool = False

    @property
    def ready(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows are to be sent, by position."""
        return (self.frame["Status"] == Status.READY).to_numpy(dtype=bool)

    def recipients_hash(self) -> str:
        """A hash of all addresses in order: equal for the same list of people."""
        return _hash_of(self.frame["SentTo"])

    def texts_hash(self) -> str:
        """A hash of all rendered texts in order."""
        return _hash_of(self.frame["Text"])

    def rows(
        self, *, base_url: str, customer_id: str, channel: str, chunk_size: int, share_identical: bool
    ) -> Iterator[dict[str, Any]]:
        """Every row as the journal keeps it, in the order of the input."""
        numbers, messages = self._calls(chunk_size, share_identical)
        refs = _client_refs(messages)
        seed = _seed(base_url, customer_id, channel)
        frame = self.frame
        for start in range(0, len(frame), 10_000):
            part = slice(start, start + 10_000)
            columns = zip(
                numbers[part].tolist(),
                _values(frame["SentTo"].iloc[part]),
                _values(frame["Repair"].iloc[part]),
                _values(frame["Text"].iloc[part]),
                frame["Parts"].iloc[part].tolist(),
                _values(frame["Status"].iloc[part]),
                _values(frame["ErrorCode"].iloc[part]),
                _values(frame["ErrorDetail"].iloc[part]),
                strict=True,
            )
            for position, (number, address, repair, text, parts, state, code, detail) in enumerate(columns, start):
                sendable = number >= 0
                yield {
                    "position": position,
                    "batch_number": number if sendable else None,
                    "address": address,
                    "repair": repair,
                    "text": text if sendable else None,
                    "parts": parts if sendable else None,
                    "client_ref": refs[messages[position]] if sendable else None,
                    "content_key": _content_key(seed, address, text) if sendable and not self.trial else None,
                    "state": state,
                    "error_code": code,
                    "error_detail": detail,
                }

    def content_keys(self, *, base_url: str, customer_id: str, channel: str) -> list[bytes]:
        """The content keys of the rows that are to be sent, in order."""
        seed = _seed(base_url, customer_id, channel)
        ready = self.frame[self.ready]
        return [
            _content_key(seed, *pair) for pair in zip(_values(ready["SentTo"]), _values(ready["Text"]), strict=True)
        ]

    def leaving_out(self, held: Mapping[int, Held]) -> Plan:
        """This plan with the rows at these positions marked as not to be sent, and why."""
        frame = self.frame.copy()
        for name, values in (
            ("Status", [why.state for why in held.values()]),
            ("ErrorCode", [why.code.value for why in held.values()]),
            ("ErrorDetail", [why.detail for why in held.values()]),
        ):
            column = frame[name].to_numpy(dtype=object).copy()
            column[list(held)] = values
            frame[name] = pd.array(column, dtype=_STR)
        if self.texts.price is not None:
            frame["Cost"] = frame["Cost"].where(frame["Status"] == Status.READY, None)
        return replace(self, frame=frame)

    def _calls(self, chunk_size: int, share_identical: bool) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For each row the number of its call and of its message object; -1 where it is not sent."""
        positions = np.flatnonzero(self.ready)
        numbers = np.full(len(self.frame), -1, dtype=np.int64)
        messages = np.full(len(self.frame), -1, dtype=np.int64)
        if share_identical:
            texts = pd.factorize(self.frame["Text"].iloc[positions])[0]
            by_text = np.argsort(texts, kind="stable")
            positions, texts = positions[by_text], texts[by_text]
        order = np.arange(len(positions))
        numbers[positions] = order // chunk_size
        if share_identical:
            begins = np.ones(len(positions), dtype=bool)
            begins[1:] = (texts[1:] != texts[:-1]) | (order[1:] % chunk_size == 0)
            order = np.cumsum(begins) - 1
        messages[positions] = order
        return numbers, messages


def make_plan(
    recipients: pd.DataFrame,
    message: str,
    *,
    intake: IntakeOptions | None = None,
    texts: TextOptions = TextOptions(),  # noqa: B008 - frozen
) -> Plan:
    """Validate the recipients, render the message for each, and leave out what must not be sent.

    Raises TemplateError or RecipientsError, before anything is sent, for what stops the whole campaign.
    """
    intake = intake or IntakeOptions()
    template = Template(message)
    fields = own_columns(recipients)
    template.check(fields.columns)
    template.check_characters(texts)
    # which row of a number goes is not known before the texts are: one of them may be lacking a field
    frame = check(recipients, replace(intake, one_per_number=False))
    ready = (frame["Status"] == Status.READY).to_numpy(dtype=bool)
    cells = template.cells(fields)
    written = template.write(cells, texts)
    rendered = written.frame
    text = rendered["Text"].to_numpy(dtype=object)
    broken = ready & rendered["ErrorCode"].notna().to_numpy(dtype=bool)
    status = frame["Status"].to_numpy(dtype=object).copy()
    code = frame["ErrorCode"].to_numpy(dtype=object).copy()
    detail = frame["ErrorDetail"].to_numpy(dtype=object).copy()
    status[broken] = Status.INVALID.value
    code[broken] = rendered["ErrorCode"].to_numpy(dtype=object)[broken]
    detail[broken] = rendered["ErrorDetail"].to_numpy(dtype=object)[broken]
    positions = np.flatnonzero(ready & ~broken)
    addresses = frame["SentTo"].to_numpy(dtype=object)[positions]
    again, first = _repeated({"address": addresses} | ({} if intake.one_per_number else {"text": text[positions]}))
    doubled, kept = positions[again], positions[first]
    if intake.one_per_number:
        _warn_of_other_texts(frame.index, doubled[text[doubled] != text[kept]])
    status[doubled] = Status.DUPLICATE.value
    code[doubled] = ErrorCode.DUPLICATE.value
    detail[doubled] = repeat_details(frame.index, kept, intake)
    frame["Status"] = pd.array(status, dtype=_STR)
    frame["ErrorCode"] = pd.array(code, dtype=_STR)
    frame["ErrorDetail"] = pd.array(detail, dtype=_STR)
    sent = status == Status.READY.value
    counts = count_parts(rendered["Text"].where(sent), header_length=texts.header_length)
    batch = Batch(template, cells, written, counts, frame["SentTo"].reset_index(drop=True), sent)
    frame = _with_texts(frame, rendered["Text"], counts["Parts"], texts)
    found = (*lint(batch, fields.columns, texts), *savings(batch, texts))
    return Plan(
        frame,
        counts["Encoding"],
        found,
        _replaced(written.replaced[sent]),
        texts,
        one_per_number=intake.one_per_number,
    )


def _with_texts(frame: pd.DataFrame, text: pd.Series[str], parts: pd.Series[int], options: TextOptions) -> pd.DataFrame:
    """The frame with the columns that only a plan has; a user's own of the same name is kept as `<name>_input`."""
    added: dict[str, Any] = {"Text": text.to_numpy(dtype=object)}
    if options.price is not None:
        costs = [options.price * n for n in range(int(parts.max()) + 1)] if len(parts) else []
        added["Cost"] = [costs[n] if n else None for n in parts]
    labels = list(frame.columns)
    for name in added:
        while name in labels:
            labels[labels.index(name)] = next(
                kept for kept in (f"{name}{'_input' * n}" for n in range(1, len(labels) + 2)) if kept not in labels
            )
    frame.columns = pd.Index(labels, name=frame.columns.name, tupleize_cols=False)
    for name, values in added.items():
        frame[name] = pd.array(values, dtype=_STR) if name == "Text" else pd.Series(values, frame.index, dtype=object)
    frame["Parts"] = parts.to_numpy()
    return frame


def _replaced(characters: pd.Series[str]) -> dict[str, int]:
    """In how many texts each character was replaced, the most frequent first."""
    by_set = characters[characters.fillna("") != ""].value_counts()
    counts: Counter[str] = Counter()
    for together, n in by_set.items():
        counts.update(dict.fromkeys(str(together), int(n)))
    return dict(counts.most_common())


def _repeated(keys: Mapping[str, np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Indices of the rows whose keys repeat those of an earlier one, and for each the index of that earlier one."""
    group = pd.DataFrame(keys).groupby(list(keys), sort=False).ngroup().to_numpy()
    later = pd.Series(group).duplicated().to_numpy()
    again, firsts = np.flatnonzero(later), np.flatnonzero(~later)
    return again, firsts[group[again]]


def _warn_of_other_texts(index: pd.Index, rows: np.ndarray[Any, Any]) -> None:
    """Say that texts are left out which differ from the one that goes: each may be about another child."""
    if not len(rows):
        return
    named = ", ".join(row_name(index, row) for row in rows[:_NAMED_ROWS]) + ", ..." * (len(rows) > _NAMED_ROWS)
    warnings.warn(
        f"{len(rows)} text{'s' * (len(rows) > 1)} that differ from the one that goes to the same number are left out "
        f"({named}): siblings, perhaps. To send each of them, leave out one_per_number (--one-per-number).",
        GcbulkWarning,
        stacklevel=4,
    )


def _values(column: pd.Series[Any]) -> list[str | None]:
    """A string column as Python strings, None where it is missing."""
    return column.astype(object).where(column.notna(), None).tolist()


def _hash_of(column: pd.Series[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(column), 10_000):
        piece = "\x1e".join(value or "" for value in _values(column.iloc[start : start + 10_000]))
        digest.update(piece.encode("utf-8", "surrogatepass") + b"\x1e")
    return digest.hexdigest()


def _seed(base_url: str, customer_id: str, channel: str) -> hashlib.blake2b:
    return hashlib.blake2b("\x1f".join((base_url, customer_id, channel, "")).encode(), digest_size=16)


def _content_key(seed: hashlib.blake2b, address: str | None, text: str | None) -> bytes:
    digest = seed.copy()
    digest.update(f"{address}\x1f{text}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def _client_refs(messages: np.ndarray[Any, Any]) -> list[str]:
    """A random reference for each message object, in the form of the vendor's example: a GUID."""
    total = int(messages.max(initial=-1)) + 1
    digits = os.urandom(16 * total).hex()
    refs = (digits[32 * n : 32 * n + 32] for n in range(total))
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in refs]
