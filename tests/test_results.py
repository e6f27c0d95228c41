"""Results: the journal's rows as the user's own, their summary, and who has not been told."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from gcbulk.campaign import results
from gcbulk.campaign.journal import Campaign, Record
from gcbulk.campaign.results import NOT_TOLD, results_frame, rows_with, summarise
from gcbulk.errors import CampaignError


def campaign(**changes: Any) -> Campaign:
    values: dict[str, Any] = {
        "id": 1,
        "name": "trip",
        "created_at": 0.0,
        "base_url": "http://127.0.0.1:1",
        "customer_id": "1469",
        "channel": "sms",
        "send_at": None,
        "recipients_hash": "",
        "texts_hash": "",
        "row_count": 2,
        "repeat": False,
        "planned": True,
        "planner": None,
        "stop_code": None,
        "stop_detail": None,
        "purged_at": None,
        "counts": None,
    }
    return Campaign(**{**values, **changes})


def record(position: int, state: str, **changes: Any) -> Record:
    values: dict[str, Any] = dict.fromkeys(Record._fields)
    return Record(**{**values, "position": position, "state": state, **changes})


STATES = [
    record(0, "accepted", message_id="m0", parts=2, accepted_at=1_795_435_200.5),
    record(1, "partly_accepted", message_id="m1", parts=1, error_detail="3 of 5"),
    record(2, "invalid", error_code="NUMBER_MISSING", error_detail="none"),
    record(3, "duplicate", error_code="ALREADY_SENT", error_detail="gone"),
    record(4, "opted_out", error_code="OPTED_OUT", error_detail="out"),
    record(5, "rejected", error_code="INVALID_RECIPIENTS", error_detail="no"),
    record(6, "ready"),
    record(7, "ready", error_code="RATE_LIMITED", error_detail="slow"),
    record(8, "in_flight"),
    record(9, "unknown", error_code="OUTCOME_UNKNOWN", error_detail="?"),
]


def test_every_state_keeps_the_invariant_and_its_dtypes() -> None:
    frame = results_frame(campaign(), STATES, None)
    assert (frame["MessageId"].notna() ^ frame["ErrorCode"].notna()).all()
    assert frame["Status"].tolist()[6:] == ["not_sent", "not_sent", "unknown", "unknown"]
    assert frame["ErrorCode"].tolist()[6:9] == ["STOPPED", "RATE_LIMITED", "OUTCOME_UNKNOWN"]
    assert str(frame["Parts"].dtype) == "Int64"
    assert str(frame["AcceptedAt"].dtype) == "datetime64[us, UTC]"
    assert frame["AcceptedAt"].iloc[0].isoformat() == "2026-11-23T12:00:00.500000+00:00"
    assert frame.attrs == {"campaign": "trip"}


def test_rows_never_tried_say_why_the_run_stopped() -> None:
    frame = results_frame(campaign(stop_code="AUTH_INVALID", stop_detail="wrong key"), STATES[6:8], None)
    assert frame["ErrorCode"].tolist() == ["AUTH_INVALID", "RATE_LIMITED"]
    assert frame["ErrorDetail"].tolist() == ["wrong key", "slow"]


def test_no_rows_and_other_lengths() -> None:
    assert len(results_frame(campaign(), [], None)) == 0
    with pytest.raises(CampaignError, match="has 10 rows, but these recipients are 1"):
        results_frame(campaign(), STATES, pd.DataFrame({"mobile": ["07700 900123"]}))


def test_summary_adds_up_and_says_who_was_not_told() -> None:
    summary = summarise(results_frame(campaign(), STATES, None))
    assert sum(summary.statuses.values()) == summary.total == 10
    assert (summary.accepted, summary.not_told, summary.parts) == (2, 6, 3)
    assert "Not told: 6 of 10 rows" in str(summary)
    assert summary.as_dict()["statuses"]["not_sent"] == 2


def test_a_test_tells_nobody_but_the_sender() -> None:
    told = "Everybody who was to be told was told"
    assert told in str(summarise(results_frame(campaign(), STATES[:1], None)))
    trial = summarise(results_frame(campaign(options={"kind": "test"}), STATES[:1], None))
    assert str(trial) == "      1 row\n      1 accepted"


def test_not_told_are_the_user_s_own_rows() -> None:
    parents = pd.DataFrame({"Status": list("abcdefghij"), "mobile": "x"}, index=list("aabbccddee"))
    rows = rows_with(NOT_TOLD, results_frame(campaign(), STATES, parents), parents)
    assert list(rows.columns) == ["Status", "mobile"]
    assert rows["Status"].tolist() == ["c", "f", "g", "h", "i", "j"]


def test_results_made_in_stretches_are_those_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    states = ["accepted", "ready", "in_flight", "invalid", "unknown"] * 3
    records = [record(n, state) for n, state in enumerate(states)]
    whole = results_frame(campaign(), records, None)
    monkeypatch.setattr(results, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(results, "_TURNED_AT_ONCE", 2)
    pd.testing.assert_frame_equal(results_frame(campaign(), iter(records), None), whole)
    assert whole["Status"].tolist() == ["accepted", "not_sent", "unknown", "invalid", "unknown"] * 3


def test_a_moment_of_any_year_is_shown() -> None:
    seconds = (-62_135_596_800.0, 1_795_435_200.5, 253_402_300_799.0, None)
    found = results_frame(campaign(), [record(n, "accepted", accepted_at=s) for n, s in enumerate(seconds)], None)
    assert found["AcceptedAt"].dtype == "datetime64[us, UTC]"
    assert found["AcceptedAt"].dt.year.tolist()[:3] == [1, 2026, 9999]
    assert pd.isna(found["AcceptedAt"].iloc[3])
    assert found["AcceptedAt"].iloc[1].microsecond == 500_000
