"""Planning: recipients and a message become rows that say what is to be sent, in which call, or why not."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pandas as pd

from gcbulk.campaign.enclosing import same_content, size_of
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
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gcbulk.campaign.journal import Held
    from gcbulk.messages.findings import Finding
    from gcbulk.messages.template import Cells, Rendered

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
    channel: str = "sms"
    contents: pd.Series[str] | None = None  # what each email holds beside its body, as the journal keeps it
    most_bytes_a_call: int | None = None  # of files

    @property
    def ready(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows are to be sent, by position."""
        return (self.frame["Status"] == Status.READY).to_numpy(dtype=bool)

    def recipients_hash(self) -> str:
        """A hash of all addresses in order: equal for the same list of people."""
        return _hash_of(self.frame["SentTo"])

    def texts_hash(self) -> str:
        """A hash of all that is to be sent, in order."""
        return _hash_of(pd.Series(self._same(), dtype=_STR) if self.contents is not None else self.frame["Text"])

    def _same(self) -> list[str | None]:
        """For each row what makes two messages the same: the text; of an email its subject and files too."""
        texts = _values(self.frame["Text"])
        if self.contents is None:
            return texts
        return [
            text if content is None else f"{text}\x1f{same_content(content)}"
            for text, content in zip(texts, _values(self.contents), strict=True)
        ]

    def rows(
        self, *, base_url: str, customer_id: str, chunk_size: int, share_identical: bool
    ) -> Iterator[dict[str, Any]]:
        """Every row as the journal keeps it, in the order of the input."""
        same = self._same()
        numbers, messages = self._calls(chunk_size, share_identical, same)
        refs = _client_refs(messages)
        seed = _seed(base_url, customer_id, self.channel)
        contents = [None] * len(same) if self.contents is None else _values(self.contents)
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
                same[part],
                contents[part],
                strict=True,
            )
            for position, (number, address, repair, text, parts, state, code, detail, key, content) in enumerate(
                columns, start
            ):
                sendable = number >= 0
                yield {
                    "position": position,
                    "batch_number": number if sendable else None,
                    "address": address,
                    "repair": repair,
                    "text": text if sendable else None,
                    "parts": (parts or None) if sendable else None,
                    "client_ref": refs[messages[position]] if sendable else None,
                    "content_key": _content_key(seed, address, key) if sendable and not self.trial else None,
                    "state": state,
                    "error_code": code,
                    "error_detail": detail if code else None,
                    "content": content if sendable else None,
                }

    def content_keys(self, *, base_url: str, customer_id: str) -> list[bytes]:
        """The content keys of the rows that are to be sent, in order."""
        seed = _seed(base_url, customer_id, self.channel)
        ready = self.ready
        pairs = zip(_values(self.frame["SentTo"][ready]), compress(self._same(), ready), strict=True)
        return [_content_key(seed, *pair) for pair in pairs]

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

    def _calls(
        self, chunk_size: int, share_identical: bool, same: list[str | None]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """For each row the number of its call and of its message object; -1 where it is not sent."""
        positions = np.flatnonzero(self.ready)
        numbers = np.full(len(self.frame), -1, dtype=np.int64)
        messages = np.full(len(self.frame), -1, dtype=np.int64)
        groups = np.arange(len(positions))
        if share_identical:
            groups = pd.factorize(pd.Series([same[position] for position in positions], dtype=_STR))[0]
            by_group = np.argsort(groups, kind="stable")
            positions, groups = positions[by_group], groups[by_group]
        calls = np.arange(len(positions)) // chunk_size
        if self.contents is not None and self.most_bytes_a_call is not None:
            sizes = [size_of(content) for content in self.contents.iloc[positions]]
            calls = _calls_by_size(groups, sizes, chunk_size, self.most_bytes_a_call)
        numbers[positions] = calls
        begins = np.ones(len(positions), dtype=bool)
        begins[1:] = (groups[1:] != groups[:-1]) | (calls[1:] != calls[:-1])
        messages[positions] = np.cumsum(begins) - 1
        return numbers, messages


def _calls_by_size(
    groups: np.ndarray[Any, Any], sizes: list[int], chunk_size: int, most: int
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The call of each email: no more than so many, and no more bytes than that; a message that is shared once."""
    calls = np.zeros(len(sizes), dtype=np.int64)
    call = held = count = 0
    before = -1
    for place, (group, size) in enumerate(zip(groups.tolist(), sizes, strict=True)):
        more = 0 if group == before and count else size
        if count and (count >= chunk_size or held + more > most):
            call, held, count, more = call + 1, 0, 0, size
        held, count, before = held + more, count + 1, group
        calls[place] = call
    return calls


class Draft(Protocol):
    """A message filled in for every row. `frame`: Text, ErrorCode, ErrorDetail, under a RangeIndex."""

    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def contents(self) -> pd.Series[str] | None: ...

    def planned(self, frame: pd.DataFrame, sent: Any, columns: pd.Index) -> Plan:
        """The plan, once it is known which rows go; `columns` are the user's."""
        ...


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
    template = Template(message)

    def drafted(fields: pd.DataFrame, _ready: Any) -> TextDraft:
        cells = template.cells(fields)
        written = template.write(cells, texts)
        return TextDraft(written.frame, template, cells, written, texts)

    fields = own_columns(recipients)
    template.check(fields.columns)
    template.check_characters(texts)
    return plan_of(recipients, fields, drafted, intake or IntakeOptions())


def plan_of(
    recipients: pd.DataFrame,
    fields: pd.DataFrame,
    drafted: Callable[[pd.DataFrame, Any], Draft],
    intake: IntakeOptions,
) -> Plan:
    """A plan of a list and of what is drafted for its rows, whatever the channel.

    `drafted` is given the user's columns, and which rows can be contacted.
    """
    # which row of a number goes is not known before the texts are: one of them may be lacking a field
    frame = check(recipients, replace(intake, one_per_number=False))
    ready = (frame["Status"] == Status.READY).to_numpy(dtype=bool)
    draft = drafted(fields, ready)
    rendered = draft.frame
    text = rendered["Text"].to_numpy(dtype=object)
    broken = ready & rendered["ErrorCode"].notna().to_numpy(dtype=bool)
    status = frame["Status"].to_numpy(dtype=object).copy()
    code = frame["ErrorCode"].to_numpy(dtype=object).copy()
    detail = frame["ErrorDetail"].to_numpy(dtype=object).copy()
    status[broken] = Status.INVALID.value
    code[broken] = rendered["ErrorCode"].to_numpy(dtype=object)[broken]
    detail[broken] = rendered["ErrorDetail"].to_numpy(dtype=object)[broken]
    positions = np.flatnonzero(ready & ~broken)
    compared = {"address": frame["SentTo"].to_numpy(dtype=object)[positions]}
    if not intake.one_per_number:
        compared["text"] = text[positions]
        if draft.contents is not None:
            compared["content"] = np.array([same_content(one) for one in draft.contents.iloc[positions]], dtype=object)
    again, first = _repeated(compared)
    doubled, kept = positions[again], positions[first]
    if intake.one_per_number:
        _warn_of_other_texts(frame.index, doubled[text[doubled] != text[kept]], intake)
    status[doubled] = Status.DUPLICATE.value
    code[doubled] = ErrorCode.DUPLICATE.value
    detail[doubled] = repeat_details(frame.index, kept, intake)
    frame["Status"] = pd.array(status, dtype=_STR)
    frame["ErrorCode"] = pd.array(code, dtype=_STR)
    frame["ErrorDetail"] = pd.array(detail, dtype=_STR)
    plan = draft.planned(frame, status == Status.READY.value, fields.columns)
    return replace(plan, one_per_number=intake.one_per_number)


@dataclass(frozen=True, slots=True)
class TextDraft:
    """A text filled in for every row."""

    frame: pd.DataFrame
    template: Template
    cells: Cells
    written: Rendered
    texts: TextOptions
    contents: None = None

    def planned(self, frame: pd.DataFrame, sent: Any, columns: pd.Index) -> Plan:
        """The plan, once it is known which rows go: their parts counted, the lint and the savings looked for."""
        rendered, texts = self.frame, self.texts
        counts = count_parts(rendered["Text"].where(sent), header_length=texts.header_length)
        batch = Batch(self.template, self.cells, self.written, counts, frame["SentTo"].reset_index(drop=True), sent)
        frame = _with_texts(frame, rendered["Text"], counts["Parts"], texts)
        found = (*lint(batch, columns, texts), *savings(batch, texts))
        return Plan(frame, counts["Encoding"], found, _replaced(self.written.replaced[sent]), texts)


def _with_texts(frame: pd.DataFrame, text: pd.Series[str], parts: pd.Series[int], options: TextOptions) -> pd.DataFrame:
    """The frame with the columns that only a plan has; a user's own of the same name is kept as `<name>_input`."""
    added: dict[str, Any] = {"Text": text.to_numpy(dtype=object)}
    if options.price is not None:
        costs = [options.price * n for n in range(int(parts.max()) + 1)] if len(parts) else []
        added["Cost"] = [costs[n] if n else None for n in parts]
    make_room(frame, added)
    for name, values in added.items():
        frame[name] = pd.array(values, dtype=_STR) if name == "Text" else pd.Series(values, frame.index, dtype=object)
    frame["Parts"] = parts.to_numpy()
    return frame


def make_room(frame: pd.DataFrame, added: Iterable[str]) -> None:
    """Rename the user's own columns of these names, in place: each is kept as `<name>_input`."""
    labels = list(frame.columns)
    for name in added:
        while name in labels:
            labels[labels.index(name)] = next(
                kept for kept in (f"{name}{'_input' * n}" for n in range(1, len(labels) + 2)) if kept not in labels
            )
    frame.columns = pd.Index(labels, name=frame.columns.name, tupleize_cols=False)


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


def _warn_of_other_texts(index: pd.Index, rows: np.ndarray[Any, Any], intake: IntakeOptions) -> None:
    """Say that texts are left out which differ from the one that goes: each may be about another child."""
    if not len(rows):
        return
    named = ", ".join(row_name(index, row) for row in rows[:_NAMED_ROWS]) + ", ..." * (len(rows) > _NAMED_ROWS)
    warnings.warn(
        f"{len(rows)} {intake.kind.message}{'s' * (len(rows) > 1)} that differ from the one that goes to the same "
        f"{intake.kind.noun} are left out "
        f"({named}): siblings, perhaps. To send each of them, leave out one_per_number (--one-per-number).",
        GcbulkWarning,
        stacklevel=5,
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
