"""Planning: recipients and a message become rows that say what is to be sent, in which call, or why not."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np
import pandas as pd

from gcbulk.campaign.calls import Calls, client_refs, in_calls
from gcbulk.campaign.customers import RowsOfCustomers, all_rows_of, rows_of_customers
from gcbulk.campaign.enclosing import same_content, sizes_of, told_content
from gcbulk.campaign.journal import PlannedRow, Reason
from gcbulk.campaign.repeats import RepeatsInOne
from gcbulk.codes import ErrorCode, Status
from gcbulk.messages.findings import Batch
from gcbulk.messages.lint import lint
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import count_parts
from gcbulk.messages.savings import savings
from gcbulk.messages.template import Template
from gcbulk.recipients.columns import OF_CUSTOMERS, own_columns
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.schema import annotated, check

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.journal import Held
    from gcbulk.campaign.repeats import Repeats
    from gcbulk.messages.findings import Finding
    from gcbulk.messages.template import Cells, Rendered

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Objects = np.ndarray[Any, np.dtype[np.object_]]

_T = TypeVar("_T")

_STR: Final = "str"
_ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Plan:
    """What a campaign is to do. `frame` holds the user's columns, the annotations, `Text`, and `Cost` with a price.

    `frame` has the index and row order of the input; Status is `ready` where a row is to be sent. `findings` are what
    the lint and the savings found; `replaced` counts the texts in which each typographic character was made plain.
    A trial goes to the sender's own phone: no text of it counts as sent to anybody. Where a partner sends for many,
    `customers` says by position on whose behalf, by id, and `known` who they are.
    """

    frame: pd.DataFrame
    encodings: pd.Series[str] = field(default_factory=lambda: pd.Series(dtype=_STR))
    findings: tuple[Finding, ...] = ()
    replaced: Mapping[str, int] = field(default_factory=dict)
    texts: TextOptions = TextOptions()  # noqa: RUF009 - frozen
    trial: bool = False
    one_per_number: bool = False
    customers: pd.Series[str] | None = None
    known: Mapping[str, Customer] = field(default_factory=lambda: MappingProxyType({}))
    channel: str = "sms"
    contents: pd.Series[str] | None = None  # what each email holds beside its body, as the journal keeps it
    most_bytes_a_call: int | None = None  # of emails, their files included

    @property
    def ready(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows are to be sent, by position."""
        return (self.frame["Status"] == Status.READY).to_numpy(dtype=bool)

    @property
    def asked(self) -> list[str]:
        """The ids of the customers on whose behalf something is to be sent, in the order of the list."""
        return [] if self.customers is None else self.customers[self.ready].unique().tolist()

    @property
    def priced(self) -> bool:
        """Whether `frame` has a `Cost`: with a price for all, or with one of any customer's."""
        return self.texts.price is not None or any(one.price is not None for one in self.known.values())

    @property
    def cost(self) -> Decimal | None:
        """What the rows that are to be sent cost, in pounds; None where the price of any of them is not known."""
        if not self.priced:
            return None
        costs = self.frame["Cost"].to_numpy(dtype=object)[self.ready].tolist()
        return None if None in costs else sum(costs, Decimal(0))

    def recipients_hash(self) -> str:
        """A hash of all addresses in order, and of whose they are: equal for the same list of people."""
        digest = ListHash()
        digest.add_recipients(self)
        return digest.recipients()

    def texts_hash(self) -> str:
        """A hash of all that is to be sent, in order."""
        digest = ListHash()
        digest.add_texts(self)
        return digest.texts()

    def same(self) -> list[str | None]:
        """For each row what makes two messages the same: the text; of an email its subject and files too."""
        return self._texts_and(same_content)

    def told(self) -> list[str | None]:
        """For each row what goes to its recipient once a day: as `same`, but whatever an email's files hold."""
        return self._texts_and(told_content)

    def _texts_and(self, part: Callable[[str], str]) -> list[str | None]:
        texts = _values(self.frame["Text"])
        if self.contents is None:
            return texts
        return [
            text if content is None else f"{text}\x1f{part(content)}"
            for text, content in zip(texts, _values(self.contents), strict=True)
        ]

    def rows(self, calls: Calls, *, base_url: str, customer_id: str, start: int = 0) -> Iterator[PlannedRow]:
        """Every row as the journal keeps it, in the order of the input, where `start` rows come before."""
        refs = client_refs(calls.messages)
        seeds = _Seeds(base_url, customer_id, self.channel)
        told, customers = self.told(), self._whose()
        for first in range(0, len(told), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            frame = self.frame.iloc[part]
            sent = (calls.numbers[part] >= 0).tolist()
            addresses, codes = _values(frame["SentTo"]), _values(frame["ErrorCode"])
            whose = customers[part]
            keys: list[bytes | None] = [None] * len(frame)
            if not self.trial:
                of_each = zip(sent, whose, addresses, told[part], strict=True)
                keys = [_content_key(seeds[one], address, key) if goes else None for goes, one, address, key in of_each]
            columns = (
                range(start + first, start + first + len(frame)),
                _only(sent, calls.numbers[part].tolist()),
                addresses,
                _values(frame["Repair"]),
                _only(sent, _values(frame["Text"])),
                [parts or None for parts in _only(sent, frame["Parts"].tolist())],
                [refs[message] if message >= 0 else None for message in calls.messages[part].tolist()],
                keys,
                _values(frame["Status"]),
                codes,
                _only(codes, _values(frame["ErrorDetail"])),
                whose,
                [None] * len(frame) if self.contents is None else _only(sent, _values(self.contents.iloc[part])),
            )
            yield from map(PlannedRow._make, zip(*columns, strict=True))

    def _whose(self) -> list[str | None]:
        """The customer of each row; None stands for the campaign's own."""
        return [None] * len(self.frame) if self.customers is None else _values(self.customers)

    def content_keys(self, *, base_url: str, customer_id: str) -> list[bytes]:
        """The content keys of the rows that are to be sent, in order."""
        seeds = _Seeds(base_url, customer_id, self.channel)
        of_each = zip(self.ready, self._whose(), _values(self.frame["SentTo"]), self.told(), strict=True)
        return [_content_key(seeds[whose], address, key) for ready, whose, address, key in of_each if ready]

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
        if self.priced:
            frame["Cost"] = frame["Cost"].where(frame["Status"] == Status.READY, None)
        return replace(self, frame=frame)

    def reasons(self) -> list[Reason]:
        """Why the invalid rows are, as the journal keeps it."""
        invalid = (self.frame["Status"] == Status.INVALID).to_numpy(dtype=bool).nonzero()[0]
        codes, details = (self.frame[name].iloc[invalid] for name in ("ErrorCode", "ErrorDetail"))
        return [*map(Reason, invalid.tolist(), codes, details)]

    def calls(self, chunk_size: int, *, share_identical: bool) -> Calls:
        """Which call and which message object each row goes with: every call one customer's, and not too large."""
        positions = np.flatnonzero(self.ready)
        whose, groups = np.zeros(len(positions), dtype=np.int64), np.arange(len(positions))
        if self.customers is not None:
            whose = pd.factorize(self.customers.iloc[positions])[0]
        if share_identical:
            same = self.same()
            groups = pd.factorize(pd.Series([same[position] for position in positions], dtype=_STR))[0]
        return self._with_calls(
            positions,
            *in_calls(whose, groups, chunk_size=chunk_size, sizes=self.sizes(), most_bytes=self.most_bytes_a_call),
        )

    def one_by_one(self, chunk_size: int, *, sent: int) -> Calls:
        """The same where every row has a message of its own and calls are filled in order, after so many rows."""
        positions = np.flatnonzero(self.ready)
        order = np.arange(len(positions))
        return self._with_calls(positions, (sent + order) // chunk_size, order)

    def _with_calls(self, positions: _Numbers, numbers: _Numbers, messages: _Numbers) -> Calls:
        calls = Calls(*np.full((2, len(self.frame)), -1, dtype=np.int64))
        calls.numbers[positions], calls.messages[positions] = numbers, messages
        return calls

    def sizes(self) -> _Numbers | None:
        """The bytes of the email of each row that is to be sent, in order; None of texts, which are all small."""
        if self.contents is None:
            return None
        ready = self.ready
        return sizes_of(self.frame["Text"][ready], self.contents[ready])

    def sizes_by_row(self) -> dict[int, int]:
        """The same, by position; nothing of texts."""
        sizes = self.sizes()
        return {} if sizes is None else dict(zip(self.ready.nonzero()[0].tolist(), sizes.tolist(), strict=True))


class Draft(Protocol):
    """A message filled in for every row. `frame`: Text, ErrorCode, ErrorDetail, under a RangeIndex."""

    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def contents(self) -> pd.Series[str] | None: ...

    def planned(self, frame: pd.DataFrame, sent: Any, columns: pd.Index, whose: RowsOfCustomers | None) -> Plan:
        """The plan, once it is known which rows go; `columns` are the user's, `whose` on whose behalf they go."""
        ...


def make_plan(
    recipients: pd.DataFrame,
    message: str,
    *,
    intake: IntakeOptions | None = None,
    texts: TextOptions = TextOptions(),  # noqa: B008 - frozen
    repeats: Repeats | None = None,
    customers: Mapping[str, Customer] | None = None,
) -> Plan:
    """Validate the recipients, render the message for each, and leave out what must not be sent.

    `repeats` finds the texts that go already, where the recipients are a piece of a larger list. `customers` are those
    that a partner may send for, by id, where the intake's `customer_column` says whose a row is.
    Raises TemplateError or RecipientsError, before anything is sent, for what stops the whole campaign.
    """
    intake = intake or IntakeOptions()
    template = Template(message)

    def drafted(fields: pd.DataFrame, _ready: Any) -> TextDraft:
        cells = template.cells(fields)
        written = template.write(cells, texts)
        return TextDraft(written.frame, template, cells, written, texts)

    fields, whose = fields_of(recipients, template.fields, intake, customers)
    template.check(fields.columns)
    template.check_characters(texts)
    return plan_of(recipients, fields, drafted, intake, whose, repeats)


def fields_of(
    recipients: pd.DataFrame,
    wanted: Collection[str],
    intake: IntakeOptions,
    customers: Mapping[str, Customer] | None,
) -> tuple[pd.DataFrame, RowsOfCustomers | None]:
    """What a message can say of each row, and whose the rows are where a partner sends for many.

    `wanted` are the fields of the message: those that speak of a customer are added where no column provides them.
    """
    fields = own_columns(recipients)
    if (whose := _whose_rows(recipients, intake, customers or {})) is None:
        return fields, None
    return whose.fields(wanted, fields), whose


def _whose_rows(
    recipients: pd.DataFrame, intake: IntakeOptions, customers: Mapping[str, Customer]
) -> RowsOfCustomers | None:
    if intake.customer is not None:
        return all_rows_of(recipients, intake.customer, customers)
    if intake.customer_column is not None:
        return rows_of_customers(recipients, intake.customer_column, customers)
    return None


def check_list(
    recipients: pd.DataFrame, intake: IntakeOptions, customers: Mapping[str, Customer] | None = None
) -> pd.DataFrame:
    """What `validate` says of a list; for a partner also whose each row is, nobody's being invalid."""
    whose = _whose_rows(recipients, intake, customers or {})
    frame = check(recipients, intake)
    _mark_unknown(frame, whose)
    _add_customers(frame, whose)
    return frame


def plan_of(
    recipients: pd.DataFrame,
    fields: pd.DataFrame,
    drafted: Callable[[pd.DataFrame, Any], Draft],
    intake: IntakeOptions,
    whose: RowsOfCustomers | None = None,
    repeats: Repeats | None = None,
) -> Plan:
    """A plan of a list and of what is drafted for its rows, whatever the channel.

    `drafted` is given the user's columns, and which rows can be contacted, those who opted out included.
    """
    # which row of a number goes, and which rows are alike, is told by the texts: one may be lacking a field
    frame = annotated(recipients, intake)
    _mark_unknown(frame, whose)
    ready = (frame["Status"] == Status.READY).to_numpy(dtype=bool)
    # who has opted out by now may be back when the campaign is gone on with, and it is the same campaign then
    draft = drafted(fields, ready | (frame["Status"] == Status.OPTED_OUT).to_numpy(dtype=bool))
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
    if whose is not None:
        compared["customer"] = whose.ids.to_numpy(dtype=object)[positions]
    again, details = (repeats or RepeatsInOne(frame.index)).among(positions, compared, text[positions], intake)
    doubled = positions[again]
    status[doubled] = Status.DUPLICATE.value
    code[doubled] = ErrorCode.DUPLICATE.value
    detail[doubled] = details
    frame["Status"] = pd.array(status, dtype=_STR)
    frame["ErrorCode"] = pd.array(code, dtype=_STR)
    frame["ErrorDetail"] = pd.array(detail, dtype=_STR)
    _add_customers(frame, whose)
    sent = status == Status.READY.value
    plan = draft.planned(frame, sent, fields.columns, whose)
    plan = replace(plan, one_per_number=intake.one_per_number)
    if whose is None:
        return plan
    # fields that speak of a customer are blank where there is none: its row says so itself
    told = [one for one in plan.findings if one.code != "blank_field" or not whose.missing[list(one.rows)].all()]
    return replace(plan, customers=whose.ids, known=whose.present, findings=(*whose.findings(sent), *told))


def _mark_unknown(frame: pd.DataFrame, whose: RowsOfCustomers | None) -> None:
    """Rows that belong to no customer are never sent, under whatever name."""
    if whose is None or not whose.missing.any():
        return
    rows = whose.missing & (frame["Status"] == Status.READY).to_numpy(dtype=bool)
    for name, values in (
        ("Status", Status.INVALID.value),
        ("ErrorCode", ErrorCode.CUSTOMER_UNKNOWN.value),
        ("ErrorDetail", whose.details.to_numpy(dtype=object)[rows]),
    ):
        column = frame[name].to_numpy(dtype=object).copy()
        column[rows] = values
        frame[name] = pd.array(column, dtype=_STR)


def _add_customers(frame: pd.DataFrame, whose: RowsOfCustomers | None) -> None:
    """Say on whose behalf each row goes, in columns of its own."""
    if whose is None:
        return
    make_room(frame, OF_CUSTOMERS)
    for name, values in zip(OF_CUSTOMERS, (whose.ids, whose.names()), strict=True):
        frame[name] = pd.array(values.to_numpy(dtype=object), dtype=_STR)


@dataclass(frozen=True, slots=True)
class TextDraft:
    """A text filled in for every row."""

    frame: pd.DataFrame
    template: Template
    cells: Cells
    written: Rendered
    texts: TextOptions
    contents: None = None

    def planned(self, frame: pd.DataFrame, sent: Any, columns: pd.Index, whose: RowsOfCustomers | None) -> Plan:
        """The plan, once it is known which rows go: their parts counted, the lint and the savings looked for."""
        rendered, texts = self.frame, self.texts
        counts = count_parts(rendered["Text"].where(sent), header_length=texts.header_length)
        people = frame["SentTo"].reset_index(drop=True)
        if whose is not None:  # two customers' texts to one number are no slip
            people = people + " " + whose.ids.fillna("")
        batch = Batch(self.template, self.cells, self.written, counts, people, sent)
        frame = _with_texts(frame, rendered["Text"], counts["Parts"], texts, whose)
        found = (*lint(batch, columns, texts), *savings(batch, texts))
        return Plan(frame, counts["Encoding"], found, _replaced(self.written.replaced[sent]), texts)


def _costs(parts: pd.Series[int], options: TextOptions, whose: RowsOfCustomers | None) -> list[Decimal | None] | None:
    """What each text costs, by its customer's price or else the one for all; None where no price is known."""
    own = {} if whose is None else {one.id: one.price for one in whose.present.values() if one.price is not None}
    if options.price is None and not own:
        return None
    most = int(parts.max()) + 1 if len(parts) else 0
    costs: dict[Decimal | None, list[Decimal | None]] = {}
    for price in {options.price, *own.values()}:
        costs[price] = [None if price is None or not n else price * n for n in range(most)]
    of_each = [options.price] * len(parts) if whose is None else [own.get(one, options.price) for one in whose.ids]
    return [costs[price][n] for price, n in zip(of_each, parts, strict=True)]


def _with_texts(
    frame: pd.DataFrame,
    text: pd.Series[str],
    parts: pd.Series[int],
    options: TextOptions,
    whose: RowsOfCustomers | None,
) -> pd.DataFrame:
    """The frame with the columns that only a plan has; a user's own of the same name is kept as `<name>_input`."""
    added: dict[str, Any] = {"Text": text.to_numpy(dtype=object)}
    if (costs := _costs(parts, options, whose)) is not None:
        added["Cost"] = costs
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


def _only(those: Iterable[object], values: Iterable[_T]) -> list[_T | None]:
    """These values, None where `those` is nothing."""
    return [value if one else None for one, value in zip(those, values, strict=True)]


def _values(column: pd.Series[Any]) -> list[str | None]:
    """A string column as Python strings, None where it is missing."""
    return column.astype(object).where(column.notna(), None).tolist()


class ListHash:
    """What a list and its messages are known by again; its plan is added whole, or piece by piece in their order."""

    def __init__(self) -> None:
        self._recipients, self._texts = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        self._told: hashlib.blake2b | None = None
        self._customers: list[pd.Series[Any]] = []

    def add_recipients(self, plan: Plan) -> None:
        """Add the people of a plan, and whose they are."""
        _add_to(self._recipients, plan.frame["SentTo"])
        if plan.customers is not None:  # they come after all addresses: kept until then, each name once
            self._customers.append(plan.customers.astype("category"))

    def add_texts(self, plan: Plan) -> None:
        """Add what a plan sends."""
        if plan.contents is None:
            _add_to(self._texts, plan.frame["Text"])
            return
        _add_to(self._texts, pd.Series(plan.same(), dtype=_STR))
        self._told = self._told or hashlib.blake2b(digest_size=16)
        _add_to(self._told, pd.Series(plan.told(), dtype=_STR))

    def recipients(self) -> str:
        """Equal for the same list of people, and of whose they are."""
        digest = self._recipients.copy()
        for customers in self._customers:
            _add_to(digest, customers)
        return digest.hexdigest()

    def texts(self) -> str:
        """Equal for the same messages; of emails `told:same`, so that it can be said where only files differ."""
        same = self._texts.hexdigest()
        return same if self._told is None else f"{self._told.hexdigest()}:{same}"


def _add_to(digest: hashlib.blake2b, column: pd.Series[Any]) -> None:
    for start in range(0, len(column), 10_000):
        piece = "\x1e".join(value or "" for value in _values(column.iloc[start : start + 10_000]))
        digest.update(piece.encode("utf-8", "surrogatepass") + b"\x1e")


class _Seeds(dict[str | None, "hashlib.blake2b"]):
    """What each customer's content keys begin with; None stands for the campaign's own."""

    def __init__(self, base_url: str, customer_id: str, channel: str) -> None:
        self._base_url, self._customer_id, self._channel = base_url, customer_id, channel

    def __missing__(self, whose: str | None) -> hashlib.blake2b:
        words = "\x1f".join((self._base_url, whose or self._customer_id, self._channel, ""))
        self[whose] = hashlib.blake2b(words.encode(), digest_size=16)
        return self[whose]


def _content_key(seed: hashlib.blake2b, address: str | None, text: str | None) -> bytes:
    digest = seed.copy()
    digest.update(f"{address}\x1f{text}".encode("utf-8", "surrogatepass"))
    return digest.digest()
