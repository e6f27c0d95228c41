"""Planning: recipients and a message become rows that say what is to be sent, in which call, or why not."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

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
from gcbulk.recipients.schema import annotated, repeat_details

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gcbulk.campaign.journal import Held
    from gcbulk.messages.findings import Finding

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Objects = np.ndarray[Any, np.dtype[np.object_]]

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
        digest = new_hash()
        self.add_recipients(digest)
        return digest.hexdigest()

    def texts_hash(self) -> str:
        """A hash of all rendered texts in order."""
        digest = new_hash()
        self.add_texts(digest)
        return digest.hexdigest()

    def add_recipients(self, digest: hashlib.blake2b) -> None:
        """Add all addresses to a hash that was begun with the pieces before."""
        _add_to(digest, self.frame["SentTo"])

    def add_texts(self, digest: hashlib.blake2b) -> None:
        """Add all rendered texts to such a hash."""
        _add_to(digest, self.frame["Text"])

    def rows(
        self, *, base_url: str, customer_id: str, channel: str, chunk_size: int, share_identical: bool
    ) -> Iterator[dict[str, Any]]:
        """Every row as the journal keeps it, in the order of the input."""
        numbers, messages = self._calls(chunk_size, share_identical)
        refs = client_refs(messages)
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
    repeats: Repeats | None = None,
) -> Plan:
    """Validate the recipients, render the message for each, and leave out what must not be sent.

    `repeats` finds the texts that go already, where the recipients are a piece of a larger list.
    Raises TemplateError or RecipientsError, before anything is sent, for what stops the whole campaign.
    """
    intake = intake or IntakeOptions()
    template = Template(message)
    fields = own_columns(recipients)
    template.check(fields.columns)
    template.check_characters(texts)
    # which row of a number goes, and which rows are alike, is told by the texts: one may be lacking a field
    frame = annotated(recipients, intake)
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
    repeats = repeats or _RepeatsInOne(frame.index)
    again, details = repeats.among(positions, addresses, text[positions], one_per_number=intake.one_per_number)
    doubled = positions[again]
    status[doubled] = Status.DUPLICATE.value
    code[doubled] = ErrorCode.DUPLICATE.value
    detail[doubled] = details
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


class Repeats(Protocol):
    """Finds the texts that go to the same number already."""

    def among(
        self, positions: _Numbers, addresses: _Objects, texts: _Objects, *, one_per_number: bool
    ) -> tuple[_Numbers, list[str]]:
        """Which of these rows, by their place among them, repeat an earlier one, and what is to be said of each.

        `positions` are the rows' own. With `one_per_number` other texts to the same number count too, with a warning.
        """
        ...


class _RepeatsInOne:
    """Finds them in a list that is planned in one piece."""

    def __init__(self, index: pd.Index) -> None:
        self._index = index

    def among(
        self, positions: _Numbers, addresses: _Objects, texts: _Objects, *, one_per_number: bool
    ) -> tuple[_Numbers, list[str]]:
        """As `Repeats` says."""
        again, first = _repeated({"address": addresses} | ({} if one_per_number else {"text": texts}))
        if one_per_number:
            _warn_of_other_texts(self._index, positions[again[texts[again] != texts[first]]])
        return again, repeat_details(self._index, positions[first], one_per_number=one_per_number)


def _repeated(keys: Mapping[str, _Objects]) -> tuple[_Numbers, _Numbers]:
    """Indices of the rows whose keys repeat those of an earlier one, and for each the index of that earlier one."""
    group = pd.DataFrame(keys).groupby(list(keys), sort=False).ngroup().to_numpy()
    later = pd.Series(group).duplicated().to_numpy()
    again, firsts = np.flatnonzero(later), np.flatnonzero(~later)
    return again, firsts[group[again]]


def _warn_of_other_texts(index: pd.Index, rows: _Numbers) -> None:
    if len(rows):
        named = [row_name(index, row) for row in rows[:_NAMED_ROWS]]
        warnings.warn(other_texts(len(rows), named), GcbulkWarning, stacklevel=5)


def other_texts(count: int, named: Sequence[str]) -> str:
    """Say that texts are left out which differ from the one that goes: each may be about another child."""
    return (
        f"{count} text{'s' * (count > 1)} that differ from the one that goes to the same number are left out "
        f"({', '.join(named[:_NAMED_ROWS])}{', ...' * (count > _NAMED_ROWS)}): siblings, perhaps. To send each of "
        "them, leave out one_per_number (--one-per-number)."
    )


def _values(column: pd.Series[Any]) -> list[str | None]:
    """A string column as Python strings, None where it is missing."""
    return column.astype(object).where(column.notna(), None).tolist()


def new_hash() -> hashlib.blake2b:
    """A hash to add the pieces of a list to, in their order."""
    return hashlib.blake2b(digest_size=16)


def _add_to(digest: hashlib.blake2b, column: pd.Series[Any]) -> None:
    for start in range(0, len(column), 10_000):
        piece = "\x1e".join(value or "" for value in _values(column.iloc[start : start + 10_000]))
        digest.update(piece.encode("utf-8", "surrogatepass") + b"\x1e")


def _seed(base_url: str, customer_id: str, channel: str) -> hashlib.blake2b:
    return hashlib.blake2b("\x1f".join((base_url, customer_id, channel, "")).encode(), digest_size=16)


def _content_key(seed: hashlib.blake2b, address: str | None, text: str | None) -> bytes:
    digest = seed.copy()
    digest.update(f"{address}\x1f{text}".encode("utf-8", "surrogatepass"))
    return digest.digest()


def client_refs(messages: np.ndarray[Any, Any]) -> list[str]:
    """A random reference for each message object, in the form of the vendor's example: a GUID."""
    total = int(messages.max(initial=-1)) + 1
    digits = os.urandom(16 * total).hex()
    refs = (digits[32 * n : 32 * n + 32] for n in range(total))
    return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in refs]
