"""The London day: what "once a day" means, and how a time is told to people."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
NEVER_WITHIN: Final = timedelta(hours=4).total_seconds()
"""The same text never goes twice within this many seconds, even across midnight."""


def london(seconds: float) -> datetime:
    """The London wall time of a moment given in seconds since 1970 UTC."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(LONDON)


def london_date(seconds: float) -> date:
    """The London calendar day of a moment given in seconds since 1970 UTC."""
    return london(seconds).date()


def same_day_window(seconds: float) -> tuple[float, float]:
    """From when until when (seconds) the same text counts as gone already, around one moment.

    >>> lower, upper = same_day_window(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
    >>> london(lower).isoformat(), london(upper).isoformat()
    ('2026-11-23T00:00:00+00:00', '2026-11-24T00:00:00+00:00')
    """
    midnight, next_midnight = _begins_and_ends(london_date(seconds))
    return min(midnight, seconds - NEVER_WITHIN), max(next_midnight, seconds + NEVER_WITHIN)


@lru_cache(maxsize=16)  # every call of a run asks
def _begins_and_ends(day: date) -> tuple[float, float]:
    midnight, next_midnight = (datetime.combine(day + timedelta(days=n), time(), LONDON) for n in (0, 1))
    return midnight.timestamp(), next_midnight.timestamp()


@lru_cache(maxsize=4096)  # rows of one call share their moment
def told(seconds: float) -> str:
    """A moment in words: `23 November 2026 at 08:31`, London time."""
    moment = london(seconds)
    return f"{moment.day} {moment:%B %Y} at {moment:%H:%M}"
