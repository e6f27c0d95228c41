"""When a text may reach people: UK time as it is written, quiet hours, bank holidays. Clocks are passed in."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Final

from gcbulk.campaign.journal.days import LONDON
from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET_HOURS: Final = ("21:00", "06:00")
"""UK time within which nobody is texted unless it is urgent. A snow closure goes out at 06:45."""
_EXAMPLE: Final = "2026-11-24T08:30"
_UK_ORDER: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})[ T]+(\d{1,2}:\d{2}(?::\d{2})?)")
# The kingdom's parts, whose bank holidays differ, as the holidays package calls them.
_PARTS_OF_THE_UK: Final = {"ENG": "England and Wales", "SCT": "Scotland", "NIR": "Northern Ireland"}


def now() -> datetime:
    """The time by this machine's clock. What depends on it is given it as an argument."""
    return datetime.now(UTC)


def uk_moment(given: datetime | str) -> datetime:
    """A moment as it was given for `send_at`, in UTC: with an offset of its own, or else by the UK's clocks.

    Raises OptionError for what is no time, and for one that the UK's clocks skip in March or show twice in October.

    >>> uk_moment("2026-07-01T08:30").isoformat(), uk_moment("24/11/2026 08:30").isoformat()
    ('2026-07-01T07:30:00+00:00', '2026-11-24T08:30:00+00:00')
    """
    moment = _read(given) if isinstance(given, str) else given
    if not isinstance(moment, datetime) or moment != moment:
        raise OptionError(f"send_at must be a time such as {_EXAMPLE}, not {given!r}.")
    if moment.tzinfo is not None and moment.utcoffset() is not None:
        return moment.astimezone(UTC)
    readings = [moment.replace(tzinfo=LONDON, fold=fold) for fold in (0, 1)]
    if readings[0].utcoffset() == readings[1].utcoffset():
        return readings[0].astimezone(UTC)
    first, second = sorted(reading.astimezone(UTC) for reading in readings)
    skipped = first.astimezone(LONDON).replace(tzinfo=None) != moment.replace(fold=0, tzinfo=None)
    raise OptionError(
        f"send_at {moment:%Y-%m-%d %H:%M} {'is skipped by' if skipped else 'comes twice on'} the UK's clocks on the "
        f"day that they change. Give it with its offset: {_both_ways(first)}, or {_both_ways(second)}."
    )


def _both_ways(moment: datetime) -> str:
    local = moment.astimezone(LONDON)
    return f"{local.isoformat(timespec='minutes')} ({local:%H:%M} {local.tzname()})"


def _read(words: str) -> datetime | None:
    words = words.strip()
    if match := _UK_ORDER.fullmatch(words):
        day, month, year, clock = match.groups()
        words = f"{year}-{month:0>2}-{day:0>2}T{clock:0>5}"
    try:
        # a day alone would be midnight
        return datetime.fromisoformat(words) if ":" in words or "T" in words else None
    except ValueError:
        return None


def check_ahead(moment: datetime, at: datetime) -> None:
    """Raise OptionError unless a moment is ahead of `at`, and by no more than a year."""
    shown = f"{moment.astimezone(LONDON):%d/%m/%Y %H:%M} UK time"
    if moment <= at:
        raise OptionError(
            f"send_at {shown} is past. Give a time that is to come, or leave it out to send now. "
            "What was begun already goes on with resume."
        )
    if moment > _a_year_after(at):
        raise OptionError(f"send_at {shown} is more than a year ahead. Give an earlier time.")


def _a_year_after(moment: datetime) -> datetime:
    local = moment.astimezone(LONDON)
    leaps = (local.month, local.day) == (2, 29)
    return local.replace(year=local.year + 1, day=28 if leaps else local.day)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A stretch of each UK day, its beginning in it and its end not; it may go over midnight."""

    begins: time
    ends: time

    def __str__(self) -> str:
        return f"{self.begins:%H:%M} to {self.ends:%H:%M}"

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is within them.

        >>> QuietHours(time(21), time(6)).holds(datetime(2026, 11, 24, 6, 45, tzinfo=UTC))
        False
        """
        clock = moment.astimezone(LONDON).time()
        if self.begins < self.ends:
            return self.begins <= clock < self.ends
        return clock >= self.begins or clock < self.ends


def quiet_hours(given: str | Sequence[str]) -> QuietHours | None:
    """Quiet hours as they were given: ("21:00", "06:00") or "21:00-06:00"; None for "off".

    Raises OptionError, which names the option, for anything else.
    """
    if given == "off":
        return None
    try:
        begins, ends = given.split("-") if isinstance(given, str) else given
        hours = QuietHours(time.fromisoformat(_padded(begins)), time.fromisoformat(_padded(ends)))
    except (ValueError, TypeError, AttributeError):
        hours = None
    if hours is None or hours.begins == hours.ends or hours.begins.tzinfo or hours.ends.tzinfo:
        raise OptionError(
            f"quiet_hours must be two times of the day, such as 21:00-06:00, or off, not {_as_given(given)}."
        )
    return hours


def _padded(clock: str) -> str:
    clock = clock.strip()
    if not re.fullmatch(r"\d{1,2}:\d{2}", clock):
        raise ValueError(clock)
    return clock.zfill(5)


def _as_given(given: object) -> str:
    return given if isinstance(given, str) else repr(given)


@functools.lru_cache(maxsize=64)
def bank_holiday(day: date) -> str:
    """The name of a UK bank holiday, with where it is kept; "" for any other day.

    >>> bank_holiday(date(2026, 12, 25)), bank_holiday(date(2026, 11, 24))
    ('Christmas Day', '')
    """
    import holidays

    kept = {
        place: name
        for code, place in _PARTS_OF_THE_UK.items()
        if (name := holidays.country_holidays("GB", subdiv=code, years=day.year).get(day))
    }
    if not kept:
        return ""
    name = next(iter(kept.values()))
    return name if len(kept) == len(_PARTS_OF_THE_UK) else f"{name} in {' and '.join(kept)}"
