"""A text or an email for each row: which it is, a plain campaign for each way, and one frame that says which it was."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.attachments import Attachments
from gcbulk.campaign.connecting import known_customers
from gcbulk.campaign.delivering import send_plan
from gcbulk.campaign.emailing import OF_FILES
from gcbulk.campaign.emails import make_email_plan
from gcbulk.campaign.lists import warn_of
from gcbulk.campaign.looking_ahead import about_the_sending
from gcbulk.campaign.options import SendOptions, take
from gcbulk.campaign.plan import check_list, make_plan
from gcbulk.codes import ErrorCode, Status
from gcbulk.errors import CampaignError, OptionError, warn
from gcbulk.messages.letter import Letter
from gcbulk.messages.options import TextOptions
from gcbulk.progress import Watch
from gcbulk.recipients.columns import ROW_NUMBER, SENT_AS, own_columns, row_name
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.kinds import EMAIL, NUMBER
from gcbulk.recipients.schema import check

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.api.customers import Customer
    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.plan import Plan

_WORDS: Final = {"sms": "sms", "text": "sms", "txt": "sms", "email": "email", "e-mail": "email", "mail": "email"}
_BEHIND_A_NAME: Final = {"sms": "(text)", "email": "(email)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said to everybody: as a text, as an email with its files, or as either."""

    sms: str = ""
    texts: TextOptions = TextOptions()  # noqa: RUF009 - frozen
    letter: Letter | None = None
    attachments: Attachments = Attachments()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Leg:
    """What goes one way: a plan, the rows of the list that it is made of, and at which positions they stand."""

    plan: Plan
    recipients: pd.DataFrame
    rows: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Gone:
    """What became of one way's rows; `sent` is None where it was refused before it was begun, and `why` says why."""

    channel: str
    rows: np.ndarray[Any, Any]
    results: pd.DataFrame
    sent: Sent | None
    why: str = ""


def divide(
    recipients: pd.DataFrame, intakes: Mapping[str, IntakeOptions], column: Hashable | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """By channel, the positions of the rows that go by it: of one channel all, of two as `send_message` says.

    `intakes` are how a list is taken in, by channel. A channel that no row goes by is left out, unless no row goes.
    """
    if len(intakes) == 1:
        return {channel: np.arange(len(recipients)) for channel in intakes}
    emailed = _as_email(recipients, intakes, column)
    found = {"sms": np.flatnonzero(~emailed), "email": np.flatnonzero(emailed)}
    return {channel: rows for channel, rows in found.items() if len(rows)} or {"sms": found["sms"]}


def part_of(recipients: pd.DataFrame, rows: np.ndarray[Any, Any]) -> pd.DataFrame:
    """The rows at these positions; sentences about them call them by their places in the whole list."""
    if len(rows) == len(recipients):
        return recipients
    part: pd.DataFrame = recipients.iloc[rows]
    if isinstance(recipients.index, pd.RangeIndex) and recipients.index.equals(pd.RangeIndex(len(recipients))):
        part = part.set_axis(pd.Index(rows + 1, name=ROW_NUMBER))
    return part


def joined(parts: Iterable[tuple[str, np.ndarray[Any, Any], pd.DataFrame]], index: pd.Index) -> pd.DataFrame:
    """Frames of each way's rows as one, in the order of the list and under its index, with `SentAs`.

    A column of the user's own that is called so is kept as `SentAs_input`, as `user_columns` does.
    """
    ways, places, frames = zip(*parts, strict=True)
    whole: pd.DataFrame = pd.concat(frames)
    if SENT_AS in whole.columns and not whole[SENT_AS].isin(list(_BEHIND_A_NAME)).all():
        whole = whole.rename(columns={SENT_AS: f"{SENT_AS}_input"})
    went = np.repeat(np.array(ways, dtype=object), [len(rows) for rows in places])
    whole = whole.assign(**{SENT_AS: pd.array(went, dtype="str")})
    return whole.iloc[np.argsort(np.concatenate(places), kind="stable")].set_axis(index)


def check_each(
    recipients: pd.DataFrame, intakes: Mapping[str, IntakeOptions], customers: Mapping[str, Customer] | None = None
) -> pd.DataFrame:
    """What `validate` says of a list, of each row by the way that it would go."""
    ways = divide(recipients, intakes)
    checked = []
    for way, rows in ways.items():
        part = part_of(recipients, rows)
        found = check_list(part, intakes[way], customers)
        checked.append((way, rows, _neither(found, part, intakes, None) if way == "sms" else found))
    return checked[0][2] if len(intakes) == 1 else joined(checked, recipients.index)


def plan_each(
    recipients: pd.DataFrame,
    message: Message,
    intakes: Mapping[str, IntakeOptions],
    *,
    customers: Mapping[str, Customer] | None = None,
    column: Hashable | None = None,
) -> tuple[Leg, ...]:
    """A plan for each way that rows go. Raises as `make_plan` and `make_email_plan` do."""
    legs = []
    for channel, rows in divide(recipients, intakes, column).items():
        part, intake = part_of(recipients, rows), intakes[channel]
        if channel == "sms":
            plan = make_plan(part, message.sms, intake=intake, texts=message.texts, customers=customers)
            plan = replace(plan, frame=_neither(plan.frame, part, intakes, column))
        else:
            letter = message.letter or Letter("", "")
            plan = make_email_plan(part, letter, intake=intake, attachments=message.attachments, customers=customers)
        legs.append(Leg(plan, part, rows))
    return tuple(legs)


def _neither(
    frame: pd.DataFrame, recipients: pd.DataFrame, intakes: Mapping[str, IntakeOptions], column: Hashable | None
) -> pd.DataFrame:
    """A frame of texts in which a row that can be told neither way says what is wrong with its address too."""
    numbers = frame["ErrorCode"].isin([code.value for code in ErrorCode if code.startswith("NUMBER_")])
    wrong = (numbers & (frame["Status"] == Status.INVALID)).to_numpy(dtype=bool)
    if len(intakes) == 1 or column is not None or not wrong.any():
        return frame
    of_addresses = check(recipients[wrong], replace(intakes["email"], opt_outs=None))["ErrorDetail"]
    details = frame["ErrorDetail"].to_numpy(dtype=object).copy()
    details[wrong] = [
        detail if pd.isna(why) else f"{detail} And by email: {why}"
        for detail, why in zip(details[wrong], of_addresses, strict=True)
    ]
    return frame.assign(ErrorDetail=pd.array(details, dtype="str"))


def names_of(campaign: str | None, channels: Iterable[str]) -> dict[str, str | None]:
    """What each way's campaign is called: where there are two, the name with the way behind it."""
    ways = list(channels)
    if campaign is None or len(ways) == 1:
        return dict.fromkeys(ways, campaign)
    return {way: f"{campaign} {_BEHIND_A_NAME[way]}" for way in ways}


def send_each(
    legs: Sequence[Leg],
    options: SendOptions,
    *,
    names: Mapping[str, str | None],
    client: CommunicationsClient | None = None,
    watch: Watch | None = None,
) -> list[Gone]:
    """Send each way's plan, one after the other. Whoever stops one has stopped them all: the rest is not sent.

    Raises as `send_plan` does where nothing was sent yet; a later way that is refused is told by its rows.
    """
    watch = watch or Watch()
    done: list[Gone] = []
    for leg in legs:
        channel = leg.plan.channel
        try:
            sent = send_plan(
                leg.plan,
                leg.recipients,
                options.for_channel(channel),
                campaign=names[channel],
                client=client,
                watch=watch,
            )
        except (CampaignError, OptionError) as error:  # both are raised before a call is made, and by nothing later
            if not done:
                raise
            done.append(Gone(channel, leg.rows, _refused(leg.plan, str(error)), None, str(error)))
            continue
        if sent.report.interrupted:
            watch.stop()
        done.append(Gone(channel, leg.rows, sent.results, sent))
    return done


def _refused(plan: Plan, why: str) -> pd.DataFrame:
    """The results of a plan that was not begun: in no journal, and nobody told."""
    frame = plan.frame
    frame = frame.drop(columns=[name for name in ("EmailSubject", "Text", "EmailFiles", "Cost") if name in frame])
    ready = plan.ready
    for name, value in (
        ("Status", Status.NOT_SENT.value),
        ("ErrorCode", ErrorCode.STOPPED.value),
        ("ErrorDetail", f"{why} Mend that, and send again: nobody is told twice."),
    ):
        frame[name] = frame[name].mask(ready, value)
    nothing = pd.Series([None] * len(frame), index=frame.index)
    return frame.assign(
        MessageId=nothing.astype("str"),
        Parts=nothing.astype("Int64"),
        ClientRef=nothing.astype("str"),
        AcceptedAt=pd.to_datetime(nothing, utc=True).dt.as_unit("us"),
    )


def send_message(
    recipients: pd.DataFrame,
    *,
    sms: str,
    subject: str,
    body: str | os.PathLike[str],
    channel_column: Hashable | None = None,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Text or email every recipient: a text where it can be, else an email; or as a column says.

    `channel_column` holds `sms` (or `text`) or `email` for each row; a blank cell is a row like any without it. Without
    it a row is texted whose number can be, and emailed where it cannot and the address can be written to. That is
    settled before anything is sent: a text that is refused or does not arrive is not sent as an email by itself, and
    who opted out of texts is not emailed instead. The two are campaigns of their own, `campaign` with "(text)" and
    "(email)" behind it, and tell nobody twice each by itself: who was emailed for want of a number, and has one when
    the list is run again, is texted too. Other options are those of `send_sms` and `send_email`.

    Returns the same rows, in the same order, under the same index, as `send_sms` does, and `SentAs`: `sms` or `email`.
    Raises as `send_sms` and `send_email` do, and OptionError for a word in `channel_column` that is neither. Where the
    texts have gone and the emails are refused before they are sent, their rows are `not_sent` and say why, with a
    GcbulkWarning: run it again with what was wrong mended, and no text goes twice. Ctrl-C stops both.

    >>> people = pd.DataFrame({"mobile": ["07700 900123", ""], "email": ["ann@example.org", "bob@example.org"]})
    >>> results = send_message(people, sms="Closed.", subject="News", body="Closed.", sandbox=True, progress=False)
    >>> results[["SentTo", "Status", "SentAs"]].values.tolist()
    [['+447700900123', 'accepted', 'sms'], ['bob@example.org', 'accepted', 'email']]
    """
    if options.get("limit") is not None or options.get("test_to") is not None:
        raise OptionError("limit and test_to are for one channel: use send_sms or send_email for them.")
    message = Message(
        sms=sms,
        texts=TextOptions(**take(options, {one.name: one.name for one in fields(TextOptions)})),
        letter=Letter(subject, body, body_format=options.pop("body_format", None)),
        attachments=Attachments(**take(options, OF_FILES)),
    )
    once = {"sms": options.pop("one_per_number", False), "email": options.pop("one_per_address", False)}
    intake = IntakeOptions(**take(options, {name: name for name in _OF_INTAKE}))
    intakes = {
        "sms": replace(intake, one_per_number=once["sms"], kind=NUMBER),
        "email": replace(intake, one_per_number=once["email"], kind=EMAIL),
    }
    settings = SendOptions(**options)
    legs = plan_each(
        recipients,
        message,
        intakes,
        customers=known_customers(intake, settings, client),
        column=channel_column,
    )
    warn_of((*about_the_sending(settings, client), *(found for leg in legs for found in leg.plan.findings)))
    done = send_each(legs, settings, names=names_of(campaign, intakes), client=client)
    for one in done:
        if why := one.why or (one.sent.nothing_left if one.sent is not None else ""):
            warn(why)
    results = joined(((one.channel, one.rows, one.results) for one in done), recipients.index)
    results.attrs = {"campaigns": [one.sent.campaign for one in done if one.sent is not None]}
    return results


_OF_INTAKE: Final = ("number_column", "number_columns", "email_column", "international", "opt_outs", "customer_column")


def _as_email(
    recipients: pd.DataFrame, intakes: Mapping[str, IntakeOptions], column: Hashable | None
) -> np.ndarray[Any, Any]:
    """Which rows are emailed, by position."""
    numbers, addresses = (
        check(recipients, replace(intakes[way], opt_outs=None))["Status"] == Status.INVALID for way in _BEHIND_A_NAME
    )
    by_validity: np.ndarray[Any, Any] = (numbers & ~addresses).to_numpy(dtype=bool)
    if column is None:
        return by_validity
    own = own_columns(recipients)
    if column not in own.columns:
        raise OptionError(f'channel_column: there is no column "{column}".')
    said = own[column].astype("str").str.strip().str.casefold()
    channels = said.map(_WORDS)
    unknown = (channels.isna() & said.notna() & (said != "")).to_numpy(dtype=bool)
    if unknown.any():
        row = row_name(own.index, int(np.flatnonzero(unknown)[0]))
        raise OptionError(f'channel_column: the cell of {row} in "{column}" is neither sms nor email. Mend it.')
    return np.where(channels.isna(), by_validity, channels == "email")
