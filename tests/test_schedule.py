"""When texts may reach people: UK time, the days on which the clocks change, quiet hours, bank holidays, senders."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.campaign.options import SendOptions
from gcbulk.campaign.schedule import bank_holiday, check_ahead, quiet_hours, uk_moment
from gcbulk.messages.options import TextOptions

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given_time", "utc"),
    [
        ("2026-11-24T08:30", "2026-11-24T08:30"),
        ("2026-07-01 08:30", "2026-07-01T07:30"),
        ("24/11/2026 8:30", "2026-11-24T08:30"),
        ("1/7/2026 08:30", "2026-07-01T07:30"),
        ("2026-11-24T08:30+05:30", "2026-11-24T03:00"),
        ("2026-11-24T08:30Z", "2026-11-24T08:30"),
        ("2026-10-25T01:30+01:00", "2026-10-25T00:30"),
        (datetime(2026, 7, 1, 8, 30), "2026-07-01T07:30"),  # noqa: DTZ001
        (datetime(2026, 7, 1, 8, 30, tzinfo=timezone(timedelta(hours=2))), "2026-07-01T06:30"),
        (pd.Timestamp("2026-07-01 08:30"), "2026-07-01T07:30"),
        (pd.Timestamp("2026-07-01 08:30", tz="Europe/London"), "2026-07-01T07:30"),
    ],
)
def test_times_are_the_uk_s_unless_they_say_otherwise(given_time: Any, utc: str) -> None:
    assert uk_moment(given_time) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "bad", ["tomorrow", "08:30", "2026-11-24", "", "2026-13-01T08:30", 5, date(2026, 1, 1), pd.NaT]
)
def test_what_is_no_time(bad: Any) -> None:
    with pytest.raises(gcbulk.OptionError, match="send_at must be a time such as"):
        uk_moment(bad)


@pytest.mark.parametrize(
    ("local", "how", "readings"),
    [
        (
            "2027-03-28T01:30",
            "is skipped by",
            ["2027-03-28T00:30+00:00 (00:30 GMT)", "2027-03-28T02:30+01:00 (02:30 BST)"],
        ),
        (
            "2026-10-25T01:30",
            "comes twice on",
            ["2026-10-25T01:30+01:00 (01:30 BST)", "2026-10-25T01:30+00:00 (01:30 GMT)"],
        ),
    ],
)
def test_the_days_on_which_the_clocks_change(local: str, how: str, readings: list[str]) -> None:
    with pytest.raises(gcbulk.OptionError) as caught:
        uk_moment(local)
    assert how in str(caught.value)
    for reading in readings:
        assert reading in str(caught.value)
        assert uk_moment(reading.split()[0])


@given(st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)))  # noqa: DTZ001
@settings(deadline=None, derandomize=True)
def test_a_uk_time_is_read_back_from_the_clock_or_refused(local: datetime) -> None:
    try:
        moment = uk_moment(local)
    except gcbulk.OptionError:
        assert local.hour == 1
        assert local.month in {3, 10}
        return
    assert moment.astimezone(ZoneInfo("Europe/London")).replace(tzinfo=None) == local


def test_past_and_far_times_are_refused() -> None:
    check_ahead(NOON + timedelta(seconds=1), NOON)
    check_ahead(NOON.replace(year=NOON.year + 1), NOON)
    for moment, words in (
        (NOON, "is past"),
        (NOON - timedelta(days=1), "is past"),
        (NOON.replace(year=2028), "a year"),
        (NOON.replace(year=NOON.year + 1) + timedelta(days=1), "a year"),
    ):
        with pytest.raises(gcbulk.OptionError, match=words):
            check_ahead(moment, NOON)


def test_a_year_is_a_calendar_year() -> None:
    leap, year = datetime(2028, 2, 29, 12, tzinfo=UTC), datetime(2027, 12, 1, 12, tzinfo=UTC)
    check_ahead(year.replace(year=2028), year)  # 366 days
    check_ahead(datetime(2029, 2, 28, 12, tzinfo=UTC), leap)
    with pytest.raises(gcbulk.OptionError, match="more than a year ahead"):
        check_ahead(datetime(2029, 3, 1, 12, tzinfo=UTC), leap)


@pytest.mark.parametrize("hours", ["21:00-06:00", ("21:00", "06:00"), ["21:00", " 6:00 "]])
def test_quiet_hours_go_over_midnight_their_beginning_in_them_their_end_not(hours: Any) -> None:
    quiet = quiet_hours(hours)
    assert quiet is not None

    def at(clock: str) -> bool:
        return quiet.holds(datetime.fromisoformat(f"2026-11-24T{clock}+00:00"))

    assert [at(clock) for clock in ("20:59:59", "21:00", "00:00", "05:59:59", "06:00", "06:45", "12:00")] == [
        False,
        True,
        True,
        True,
        False,
        False,
        False,
    ]
    assert quiet.holds(datetime(2026, 7, 1, 20, 30, tzinfo=UTC))  # 21:30 by the UK's clocks


def test_quiet_hours_within_a_day() -> None:
    quiet = quiet_hours("12:00-13:30")
    assert quiet is not None
    assert (quiet.holds(NOON), quiet.holds(NOON.replace(hour=13, minute=30))) == (True, False)
    assert quiet_hours("off") is None


@pytest.mark.parametrize(
    "bad", ["", "21:00", "21-6", "25:00-06:00", "21:00-21:00", ("21:00",), 5, ("21:00", None), "none"]
)
def test_what_is_no_pair_of_hours(bad: Any) -> None:
    with pytest.raises(gcbulk.OptionError, match="quiet_hours must be two times of the day, such as"):
        SendOptions(quiet_hours=bad)


def refusal(at: datetime, *, real: bool = True, moment: datetime | None = None, **options: Any) -> str:
    return str(SendOptions(**options).refusal(at, moment, reaches_people=real) or "")


def test_who_is_refused_at_night() -> None:
    night, morning = NOON.replace(hour=22), NOON.replace(hour=8)
    assert "It is 22:00 in the UK, within the quiet hours (21:00 to 06:00)" in refusal(night)
    assert refusal(night, urgent=True) == ""
    assert refusal(night, quiet_hours="off") == ""
    assert refusal(night, real=False) == ""  # a stand-in reaches nobody
    assert "22:00" in refusal(night, real=False, quiet_hours="21:00-06:00")  # but what was asked for is kept
    assert refusal(morning) == ""
    assert refusal(night, moment=morning + timedelta(days=1)) == ""  # scheduled at night, for the morning
    assert "send_at is 22:00 in the UK" in refusal(morning, moment=night)
    assert "is past" in refusal(night, moment=morning, urgent=True)


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2026, 12, 25), "Christmas Day"),
        (date(2026, 12, 28), "Boxing Day"),
        (date(2026, 4, 6), "Easter Monday in England and Wales and Northern Ireland"),
        (date(2027, 7, 12), "Battle of the Boyne in Northern Ireland"),
        (date(2026, 11, 24), ""),
    ],
)
def test_bank_holidays(day: date, name: str) -> None:
    words = bank_holiday(day)
    assert words.replace(" (observed)", "") == name


@pytest.mark.parametrize(
    "sender", ["OakSchool", "a", "Oak2School1", "1OakSchool", "+447700900123", "07700900123", "60300"]
)
def test_senders(sender: str) -> None:
    assert SendOptions(sender=sender).sender == sender


@pytest.mark.parametrize(
    "sender",
    ["St Mary's", "O'Neill", "OakSchool123", "Oak School", "Ysgol Tŷ", "", "12", "+44 7700", "1" * 16, "Oak\n", 5],
)
def test_senders_that_no_handset_shows(sender: Any) -> None:
    with pytest.raises(gcbulk.OptionError, match="sender must be up to 11 letters"):
        SendOptions(sender=sender)


@pytest.mark.parametrize(
    ("given_price", "price"),
    [("0.035", "0.035"), ("£0.04", "0.04"), (0.035, "0.035"), (0, "0"), (Decimal("0.1"), "0.1")],
)
def test_prices_are_exact(given_price: Any, price: str) -> None:
    assert TextOptions(price_per_part=given_price).price == Decimal(price)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"price_per_part": -0.01}, "price_per_part must be pounds"),
        ({"price_per_part": "free"}, "price_per_part must be pounds"),
        ({"price_per_part": "nan"}, "price_per_part must be pounds"),
        ({"price_per_part": True}, "price_per_part must be pounds"),
        ({"price_per_part": float("inf")}, "price_per_part must be pounds"),
        ({"smart_characters": "drop"}, "smart_characters must be 'replace' or 'keep'"),
        ({"max_parts": 0}, "max_parts must be a whole number"),
        ({"header_length": -1}, "header_length must be a whole number"),
        ({"header_length": 1.5}, "header_length must be a whole number"),
        ({"limit": 0}, "limit must be a whole number"),
        ({"limit": True}, "limit must be a whole number"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], words: str) -> None:
    kind: Any = SendOptions if "limit" in options else TextOptions
    with pytest.raises(gcbulk.OptionError, match=words):
        kind(**options)
