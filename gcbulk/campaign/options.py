"""The sending options: one name each, everywhere, checked before anything else happens."""

from __future__ import annotations

import math
import re
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from gcbulk.campaign.callback_url import callback_base
from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.schedule import QUIET_HOURS, check_ahead, now, quiet_hours, uk_moment
from gcbulk.errors import OptionError, QuietHoursError
from gcbulk.recipients.kinds import own_address_as_written

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

Delivery = Literal["at_most_once", "at_least_once"]
DELIVERIES: Final[tuple[Delivery, ...]] = ("at_most_once", "at_least_once")


OF_CHANNEL: Final = {"sms": ("sender",), "email": ("sent_from_name", "sent_from_address", "reply_to")}
"""By channel, the options that only it has, and that are part of its messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a campaign is sent. Raises OptionError, naming the option, for a value that cannot be used."""

    chunk_size: int = 20  # recipients a call: a small call leaves few people in doubt when it goes wrong
    concurrency: int = 4  # calls at once
    calls_per_second: float | None = None
    timeout: float = 30.0  # seconds for a whole answer
    max_attempts: int = 6
    delivery: Delivery = "at_most_once"
    repeat: bool = False
    share_identical: bool = False
    journal: str | os.PathLike[str] | None = None
    sandbox: bool = False
    progress: bool = True
    sender: str | None = None
    send_at: datetime | str | None = None
    callback_url: str | None = None
    quiet_hours: str | Sequence[str] | None = None  # None: the usual ones, for calls that reach people
    urgent: bool = False
    late: bool = False  # go on with a campaign that was begun on an earlier day
    limit: int | None = None
    test_to: str | None = None
    sent_from_name: str | None = None  # of emails, as is what follows
    sent_from_address: str | None = None
    reply_to: str | None = None
    executor: Executor | None = None  # makes the calls; without one, threads of this process do

    def __post_init__(self) -> None:
        for name, most in (("chunk_size", 10_000), ("concurrency", 64), ("max_attempts", 100), ("limit", 10_000_000)):
            value = getattr(self, name)
            if value is None and name == "limit":
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise OptionError(f"{name} must be a whole number from 1 to {most}, not {value!r}.")
        for name in ("timeout", "calls_per_second"):
            value = getattr(self, name)
            if value is None and name == "calls_per_second":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise OptionError(f"{name} must be a number above 0, not {value!r}.")
        if self.delivery not in DELIVERIES:
            raise OptionError(f"delivery must be {' or '.join(map(repr, DELIVERIES))}, not {self.delivery!r}.")
        if self.sender is not None:
            check_sender(self.sender)
        _check_envelope(self)
        check_executor(self.executor)
        if self.quiet_hours is not None:
            quiet_hours(self.quiet_hours)
        self.scheduled()
        self.callback_base()

    def callback_base(self) -> str | None:
        """Where delivery news is to come: `callback_url`, or GCBULK_CALLBACK_URL; None where neither is given."""
        return callback_base(self.callback_url)

    def of_channel(self, channel: str) -> dict[str, str | None]:
        """From whom a channel's messages are said to be. Raises OptionError for an option of another channel's."""
        for names in (names for other, names in OF_CHANNEL.items() if other != channel):
            if given := [name for name in names if getattr(self, name) is not None]:
                raise OptionError(f"{given[0]} is no option of {'emails' if channel == 'email' else 'texts'}.")
        return {name: getattr(self, name) for name in OF_CHANNEL[channel]}

    def for_channel(self, channel: str) -> SendOptions:
        """These options without those that only other channels have."""
        others: list[str] = [name for other, names in OF_CHANNEL.items() if other != channel for name in names]
        nothing: dict[str, Any] = dict.fromkeys(others)
        return replace(self, **nothing)

    def slips(self) -> Iterator[tuple[str, str]]:
        """The options that hold an address of the user's own that looks mistyped, each with a question about it."""
        for option in _OWN_ADDRESSES:
            question = own_address_as_written(getattr(self, option) or "")[1]
            if question:
                yield option, question

    @property
    def again(self) -> bool:
        """Whether what is unknown is tried again."""
        return self.delivery == "at_least_once"

    def scheduled(self) -> datetime | None:
        """`send_at` as an aware UTC datetime; None where the texts go now."""
        return None if self.send_at is None else uk_moment(self.send_at)

    def check_time(self) -> None:
        """Raise OptionError where `send_at` is past, or more than a year ahead."""
        if (moment := self.scheduled()) is not None:
            check_ahead(moment, now())

    def refusal(
        self, at: datetime, moment: datetime | None, *, reaches_people: bool, own_hours: str = ""
    ) -> OptionError | None:
        """Why nothing may be sent: a moment that cannot be scheduled, or quiet hours; None where it may.

        `moment` is when the texts would reach people, None for now, which is `at`. The usual quiet hours are kept
        where calls reach people; hours that were asked for, or are a customer's own, everywhere, a try-out included.
        """
        if moment is not None:
            try:
                check_ahead(moment, at)
            except OptionError as error:
                return error
        hours = quiet_hours(self.quiet_hours or own_hours or (QUIET_HOURS if reaches_people else "off"))
        if self.urgent or hours is None or not hours.holds(moment or at):
            return None
        return QuietHoursError(
            f"{'send_at' if moment else 'It'} is {(moment or at).astimezone(LONDON):%H:%M} in the UK, within the quiet "
            f"hours ({hours}). Send later, schedule it with send_at= (--send-at), or, if it cannot wait, use "
            "urgent=True (--urgent)."
        )


def check_executor(executor: Executor | None) -> None:
    """Raise OptionError unless calls can be handed to it."""
    if executor is None or isinstance(executor, Executor):
        return
    way = "client.get_executor()" if hasattr(executor, "get_executor") else "ThreadPoolExecutor(8)"
    raise OptionError(
        f"executor must be a concurrent.futures.Executor, such as {way}, not a {type(executor).__name__}."
    )


_SENDER: Final = re.compile(r"(?=[0-9]*[A-Za-z])[A-Za-z0-9]{1,11}|\+?[0-9]{3,15}")


def check_sender(sender: str) -> None:
    """Raise OptionError unless handsets can show the sender: up to 11 letters and digits, or a number.

    Letters without accents, and no spaces or signs: the networks drop or refuse the rest (3GPP TS 23.040, 9.1.2.5,
    leaves an alphanumeric address eleven characters).
    """
    if not isinstance(sender, str) or not _SENDER.fullmatch(sender):
        raise OptionError(
            f"sender must be up to 11 letters (A to Z) and digits, such as OakSchool, or a number, not {sender!r}."
        )


_OWN_ADDRESSES: Final = ("sent_from_address", "reply_to")
_MOST_NAME: Final = 100  # characters of a sender's name: the API's pages name no limit, mail programs show fewer


def _check_envelope(options: SendOptions) -> None:
    """Raise OptionError where an email cannot say that it is from there: a second line would be a header of its own."""
    name = options.sent_from_name
    if name is not None:
        if not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise OptionError("sent_from_name must be a name in a single line, such as Oak School.")
        if len(name) > _MOST_NAME:
            length = f"up to {_MOST_NAME} characters, such as Oak School, not of {len(name)}"
            raise OptionError(f"sent_from_name must be a name of {length}.")
        if "{{" in name or "{%" in name:
            raise OptionError(
                "sent_from_name must be one name for all emails, such as Oak School: fields are not filled in there. "
                "Put {{ ... }} into the subject or the body."
            )
    for option in _OWN_ADDRESSES:
        given = getattr(options, option)
        if given is not None and own_address_as_written(given)[0] is None:
            raise OptionError(f"{option} must be one email address, such as office@example.org, not {given!r}.")


def take(given: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Take those of `names` that are given out of the options, under the names that they have inside."""
    return {inside: given.pop(name) for name, inside in names.items() if name in given}
