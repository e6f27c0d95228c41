"""From the journal back to the user: the results frame, its summary, and the list of who has not been told."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.api.customers import Customers
from gcbulk.campaign.file_problems import by_reason
from gcbulk.campaign.journal import KIND, TEST, Record
from gcbulk.codes import SENTENCES, DeliveryStatus, ErrorCode, Status
from gcbulk.errors import CampaignError, OptionError
from gcbulk.messages.findings import are
from gcbulk.recipients.choosing import are_numbers_of
from gcbulk.recipients.columns import OF_CUSTOMERS, own_columns, user_columns
from gcbulk.recipients.kinds import KINDS, NUMBER, kind_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from gcbulk.api.customers import Directory
    from gcbulk.campaign.journal import Campaign
    from gcbulk.recipients.intake import IntakeOptions

logger = logging.getLogger("gcbulk")

ROW: Final = "Row"
NOT_TOLD: Final = (Status.INVALID, Status.REJECTED, Status.NOT_SENT, Status.UNKNOWN)
"""The statuses of people who were to be told and, as far as is known, were not."""

_ROWS_AT_ONCE: Final = 50_000
_TURNED_AT_ONCE: Final = 500  # rows: each takes an object on its way into columns, and Python's collector counts them
CUSTOMERS_SHOWN: Final = 20
_HELD_SHOWN: Final = 3  # reasons
NO_CUSTOMER: Final = "no known customer"

_IN_FLIGHT: Final = "Another run is sending this at this moment. Look again when it has ended."
_TEXT_COLUMNS: Final = {
    "SentTo": "address",
    "Repair": "repair",
    "Status": "state",
    "MessageId": "message_id",
    "ErrorCode": "error_code",
    "ErrorDetail": "error_detail",
}


def results_frame(
    campaign: Campaign,
    records: Iterable[Record],
    recipients: pd.DataFrame | None,
    *,
    names: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """The same rows, in the same order, under the same index, each with its MessageId or an error code.

    Adds SentTo, Repair, Status, MessageId, ErrorCode, ErrorDetail, ClientRef (`str`), Parts (`Int64`) and
    AcceptedAt (`datetime64[us, UTC]`); in a partner's campaign CustomerId and CustomerName (`str`), by `names` of
    customers. Without `recipients` the annotations come alone, under a RangeIndex.
    """
    known = _annotations(records, campaign, names or {})
    if recipients is None:
        frame = pd.DataFrame(index=pd.RangeIndex(len(known)))
    else:
        frame = user_columns(recipients, of_customers=campaign.of_a_partner)
        if len(frame) != len(known):
            raise CampaignError(
                f"Campaign {campaign.name!r} has {len(known)} rows, but these recipients are {len(frame)}. "
                "Give the list that the campaign was sent from."
            )
    for name in known.columns:
        frame[name] = known[name].array
    frame.attrs["campaign"] = campaign.name
    if campaign.options.get(KIND) == TEST:
        frame.attrs["trial"] = True
    return frame


def _annotations(records: Iterable[Record], campaign: Campaign, names: Mapping[str, str]) -> pd.DataFrame:
    """What is said of each row, under a RangeIndex; never all of it as Python's objects at once."""
    each = map(tuple, records)
    stretches = [_annotated([], campaign, names)]
    while some := list(islice(each, _ROWS_AT_ONCE)):
        stretches.append(_annotated(some, campaign, names))
    return pd.concat(stretches, ignore_index=True)


def _annotated(some: list[tuple[Any, ...]], campaign: Campaign, names: Mapping[str, str]) -> pd.DataFrame:
    columns: list[list[Any]] = [[] for _ in Record._fields]
    for start in range(0, len(some), _TURNED_AT_ONCE):
        for column, values in zip(columns, zip(*some[start : start + _TURNED_AT_ONCE], strict=True), strict=True):
            column.extend(values)
    known = pd.DataFrame(dict(zip(Record._fields, columns, strict=True)), dtype=object)
    _say_why_not_sent(known, campaign)
    told = {name: pd.array(known[source].to_numpy(), dtype="str") for name, source in _TEXT_COLUMNS.items()}
    frame = pd.DataFrame(told)
    frame["Parts"] = pd.array(known["parts"].to_numpy(), dtype="Int64")
    frame["ClientRef"] = pd.array(known["client_ref"].to_numpy(), dtype="str")
    seconds = known["accepted_at"].to_numpy(dtype=float, na_value=np.nan)
    microseconds = pd.array(np.rint(seconds * 1e6), dtype="Int64").to_numpy(
        "datetime64[us]", na_value=np.datetime64("NaT")
    )
    frame["AcceptedAt"] = pd.DatetimeIndex(microseconds, tz="UTC")  # of any year, which to_datetime refuses
    if campaign.of_a_partner:
        frame["CustomerId"] = pd.array(known["customer_id"].to_numpy(), dtype="str")
        frame["CustomerName"] = pd.array(known["customer_id"].map(dict(names)).to_numpy(dtype=object), dtype="str")
    return frame


def customer_names(campaign: Campaign, directory: Directory | None = None) -> dict[str, str]:
    """What a partner's customers are called, by id; where the table cannot be read, results come without names."""
    if not campaign.of_a_partner:
        return {}
    try:
        return {one.id: one.name for one in (directory or Customers(campaign.base_url)).all().values()}
    except OptionError as error:
        logger.warning("%s Results are given without the customers' names.", error)
        return {}


def _say_why_not_sent(known: pd.DataFrame, campaign: Campaign) -> None:
    """Turn the journal's two passing states into words for people."""
    stop = ErrorCode(campaign.stop_code or ErrorCode.STOPPED)
    untried = (known["state"] == Status.READY) & known["error_code"].isna()
    known.loc[untried, ["error_code", "error_detail"]] = [stop.value, campaign.stop_detail or SENTENCES[stop]]
    known.loc[known["state"] == Status.READY, "state"] = Status.NOT_SENT.value
    moving = known["state"] == "in_flight"
    known.loc[moving, ["state", "error_code", "error_detail"]] = [
        Status.UNKNOWN.value,
        ErrorCode.OUTCOME_UNKNOWN.value,
        _IN_FLIGHT,
    ]


def check_same_list(
    campaign: Campaign, records: Iterable[Record], recipients: pd.DataFrame, intake: IntakeOptions
) -> None:
    """Raise CampaignError where a list of recipients is not the one that the campaign was sent from."""
    theirs = [record.address for record in records]
    intake = replace(intake, kind=KINDS[campaign.channel])
    if len(theirs) != len(recipients) or not are_numbers_of(recipients, theirs, intake):
        raise CampaignError(
            f"These recipients are not the list that campaign {campaign.name!r} was sent from. "
            "Give that list, in the same order, or leave it out."
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a results frame: rows by status, rows by error code, and SMS parts that were accepted."""

    total: int
    statuses: dict[str, int]
    codes: dict[str, int]
    parts: int
    delivery: dict[str, int] = field(default_factory=dict)  # rows by DeliveryStatus, where news is known
    trial: bool = False  # of texts to the sender's own phone alone
    sent_earlier: str | None = None  # of the first row whose text went already: when, and in which campaign
    message: str = "text"  # what one row was sent
    customers: dict[str, dict[str, int]] = field(default_factory=dict)  # a partner's: rows, accepted, not_told of each
    held_by: tuple[str, ...] = ()  # what holds rows back, in sentences
    files: tuple[str, ...] = ()  # why files cannot go, in sentences

    def __add__(self, other: Summary) -> Summary:
        """The counts of two pieces of a list together."""
        statuses, delivery = Counter(self.statuses), Counter(self.delivery)
        statuses.update(other.statuses)
        delivery.update(other.delivery)
        codes = Counter(self.codes)
        codes.update(other.codes)
        return Summary(
            total=self.total + other.total,
            statuses={status.value: statuses[status] for status in Status if status in statuses},
            codes=dict(codes.most_common()),
            parts=self.parts + other.parts,
            delivery={status.value: delivery[status] for status in DeliveryStatus if status in delivery},
            trial=self.trial or other.trial,
            sent_earlier=self.sent_earlier if self.sent_earlier is not None else other.sent_earlier,
            message=min(self.message, other.message),  # "email", of whatever piece shows that it is
            customers=_added(self.customers, other.customers),
            held_by=tuple(dict.fromkeys((*self.held_by, *other.held_by))),
            files=tuple(dict.fromkeys((*self.files, *other.files))),
        )

    @property
    def accepted(self) -> int:
        """Rows that the API queued, wholly or in part."""
        return self.statuses.get(Status.ACCEPTED, 0) + self.statuses.get(Status.PARTLY_ACCEPTED, 0)

    @property
    def not_told(self) -> int:
        """People who have not been told, as far as is known."""
        return sum(self.statuses.get(status, 0) for status in NOT_TOLD)

    @property
    def undelivered(self) -> int:
        """Texts or emails that did not arrive, and will not, as far as delivery news says."""
        return sum(self.delivery.get(status, 0) for status in (DeliveryStatus.FAILED, DeliveryStatus.EXPIRED))

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        return {
            "rows": self.total,
            "statuses": self.statuses,
            "error_codes": self.codes,
            **({"parts_accepted": self.parts} if self.message == NUMBER.message else {}),
            "not_told": self.not_told,
            **({"delivery": self.delivery} if self.delivery else {}),
            **({"customers": self.customers} if self.customers else {}),
        }

    def _by_customer(self) -> list[str]:
        """A line for each customer; of many, those who have somebody not told, the first of them."""
        chosen = list(self.customers.items())
        if len(chosen) > CUSTOMERS_SHOWN:
            chosen = [(name, n) for name, n in chosen if n["not_told"]][:CUSTOMERS_SHOWN]
        lines = [f"{n['accepted']:>7} of {n['rows']} accepted for {name}" for name, n in chosen]
        more = len(self.customers) - len(chosen)
        return [*lines, *([f"{'':>7} and {more} more customers"] if more else [])]

    def __str__(self) -> str:
        return self.told()

    def told(self, *, explained: Collection[str] = ()) -> str:
        """The summary in words; of codes that the user was told about just before, only what they mean.

        >>> print(Summary(1, {"opted_out": 1}, {"OPTED_OUT": 1}, 0).told())
              1 row
              1 opted_out
                  1 OPTED_OUT: This recipient is on the opt-out list and was not contacted.
        Everybody who was to be told was told, as far as the platform has answered.
        """
        rows = "row" if self.total == 1 else "rows"
        lines = [f"{self.total:>7} {rows}", *(f"{n:>7} {status}" for status, n in self.statuses.items())]
        for code, n in self.codes.items():
            reasons = {ErrorCode.HELD_BACK: self.held_by, ErrorCode.ATTACHMENT_MISSING: self.files}
            sentence = what_is_meant(code, reasons.get(ErrorCode(code), ()))
            lines.append(f"{'':>7}   {n} {code}: {_first_sentence(sentence) if code in explained else sentence}")
        lines += self._by_customer()
        if self.delivery:
            lines.append(f"Delivery: {', '.join(f'{n} {status}' for status, n in self.delivery.items())}")
        if self.not_told:
            lines.append(f"Not told: {self.not_told} of {self.total} {rows} (invalid, rejected, not sent or unknown).")
        if self.undelivered:
            did = "was" if self.undelivered == 1 else "were"
            lines.append(
                f"Did not arrive: {are(self.undelivered, self.message)} {did} accepted but failed or expired, "
                "by the delivery news."
            )
        if not (self.not_told or self.undelivered or self.trial):
            lines.append("Everybody who was to be told was told, as far as the platform has answered.")
        return "\n".join(lines)


def _added(some: dict[str, dict[str, int]], more: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """The counts of each customer in two pieces of a list."""
    none = dict.fromkeys(("rows", "accepted", "not_told"), 0)
    return {
        name: {count: some.get(name, none)[count] + more.get(name, none)[count] for count in none}
        for name in {**some, **more}
    }


def _counted_by_customer(results: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Rows, accepted and not told of each customer of a partner's campaign, in the order of the list."""
    if not {*OF_CUSTOMERS} <= {*results.columns}:
        return {}
    named = results["CustomerName"].fillna("") + " (" + results["CustomerId"] + ")"
    counts = pd.DataFrame(
        {
            "customer": named.fillna(NO_CUSTOMER).str.strip(),
            "rows": 1,
            "accepted": results["Status"].isin([Status.ACCEPTED.value, Status.PARTLY_ACCEPTED.value]).astype(int),
            "not_told": results["Status"].isin([status.value for status in NOT_TOLD]).astype(int),
        }
    )
    by_customer = counts.groupby("customer", sort=False).sum()
    return {str(name): {str(k): int(n) for k, n in row.items()} for name, row in by_customer.to_dict("index").items()}


def held_by(results: pd.DataFrame) -> tuple[str, ...]:
    """What holds back rows of a results frame, each reason once: the limit that was asked for, a school's hours."""
    return tuple(results.loc[results["ErrorCode"] == ErrorCode.HELD_BACK, "ErrorDetail"].dropna().unique().tolist())


def reasons_of(code: str, results: pd.DataFrame) -> tuple[str, ...]:
    """The sentences of its rows that say more than the code's own: what holds them back, what is wrong with files."""
    if code == ErrorCode.HELD_BACK:
        return held_by(results)
    return why_not_enclosed(results) if code == ErrorCode.ATTACHMENT_MISSING else ()


def why_not_enclosed(results: pd.DataFrame) -> tuple[str, ...]:
    """Why files of rows cannot go, each reason once, with the names of two of them."""
    details = results.loc[results["ErrorCode"] == ErrorCode.ATTACHMENT_MISSING, "ErrorDetail"].dropna()
    return tuple([sentence for _, _, sentence in by_reason(details)])


def what_is_meant(code: str, reasons: Sequence[str]) -> str:
    """What a code means, in a sentence; what holds rows back, or is wrong with files, is told by `reasons` alone.

    >>> what_is_meant("HELD_BACK", ["Oak Primary: It is 22:30 in the UK."])
    'Oak Primary: It is 22:30 in the UK.'
    """
    if not reasons:
        return SENTENCES[ErrorCode(code)]
    more = len(reasons) - _HELD_SHOWN
    return " ".join([*reasons[:_HELD_SHOWN], *([f"And {are(more, 'reason')} more like these."] if more > 0 else [])])


def _first_sentence(words: str) -> str:
    """What a code means, without what to do."""
    meaning, full_stop, _ = words.partition(". ")
    return meaning + full_stop.strip()


def summarise(results: pd.DataFrame) -> Summary:
    """Count a results frame by status (in the order of Status) and by error code."""
    statuses = results["Status"].value_counts()
    codes = results["ErrorCode"].dropna().value_counts()
    taken = results["Status"].isin([Status.ACCEPTED.value, Status.PARTLY_ACCEPTED.value])
    news = results["DeliveryStatus"].value_counts().to_dict() if "DeliveryStatus" in results.columns else {}
    earlier = results.loc[results["ErrorCode"] == ErrorCode.ALREADY_SENT, "ErrorDetail"]
    return Summary(
        total=len(results),
        statuses={status.value: int(statuses[status.value]) for status in Status if status.value in statuses.index},
        codes={str(code): int(n) for code, n in codes.items()},
        parts=int(results.loc[taken, "Parts"].sum()),
        trial=bool(results.attrs.get("trial")),
        sent_earlier=str(earlier.iloc[0]) if len(earlier) else None,
        customers=_counted_by_customer(results),
        held_by=held_by(results),
        files=why_not_enclosed(results),
        message=kind_in(results["SentTo"]).message,
        delivery={status.value: int(news[status.value]) for status in DeliveryStatus if status.value in news},
    )


def with_places(results: pd.DataFrame) -> pd.DataFrame:
    """Results without the user's own columns, with what says who each row is: `Row`, its place in the list, from 1.

    >>> later = pd.DataFrame({"Status": ["accepted", "unknown"]}, index=pd.RangeIndex(70_000, 70_002))
    >>> with_places(later).values.tolist()
    [[70001, 'accepted'], [70002, 'unknown']]
    """
    placed = results.copy(deep=False)
    placed.insert(0, ROW, results.index + 1)
    return placed


def rows_with(statuses: Iterable[Status], results: pd.DataFrame, recipients: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of these statuses (`NOT_TOLD`, say) in the user's own columns, to mend or to phone.

    Annotations of an earlier run are no columns of the user's. Without `recipients` the results' own are given, under
    their places.
    """
    own = with_places(results) if recipients is None else own_columns(recipients)
    return own.loc[results["Status"].isin([status.value for status in statuses]).to_numpy(dtype=bool)].copy()
