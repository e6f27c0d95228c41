"""Trying first: a test on one's own phone, a limit, and quiet hours; none of them weakens a promise."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import sqlalchemy as sa

import gcbulk
from gcbulk.campaign import connecting, schedule, sending
from gcbulk.campaign.journal import Journal
from gcbulk.campaign.journal.tables import campaigns, recipients
from gcbulk.campaign.schedule import bank_holiday
from gcbulk.sandbox import Sandbox

if TYPE_CHECKING:
    from gcbulk.sandbox import Call

MESSAGE = "Dear {{ name }}, school is closed today."
OWN = "+447700900555"
NIGHT = datetime(2026, 11, 24, 22, 10, tzinfo=UTC)


def people(count: int) -> pd.DataFrame:
    names = ["Ann", "Maximilian", "Łukasz " + "x" * 40, *[f"Parent {n}" for n in range(count)]][:count]
    return pd.DataFrame({"name": names, "mobile": [f"07700 9001{n:02}" for n in range(count)]})


def send(frame: pd.DataFrame, **options: Any) -> pd.DataFrame:
    return gcbulk.send_sms(frame, MESSAGE, progress=False, **options)


def at_night(monkeypatch: pytest.MonkeyPatch, moment: datetime = NIGHT) -> None:
    """A night at which the sandbox counts as the platform itself."""
    monkeypatch.setattr(schedule, "now", lambda: moment)
    monkeypatch.setattr(connecting, "reaches_people", lambda _url: True)


# -- a test on one's own phone


def test_a_test_sends_the_texts_worth_reading_to_one_s_own_phone_alone(platform: Sandbox) -> None:
    results = send(people(6), test_to="07700 900555", campaign="snow")
    assert results["Sample"].tolist() == ["first", "longest, most expensive"]
    assert results["Row"].tolist() == ["row 1", "row 3"]
    assert results["Status"].unique().tolist() == ["accepted"]
    assert {entry.recipient for entry in platform.queued} == {OWN}
    assert sorted(entry.text for entry in platform.queued) == sorted(
        f"Dear {people(6)['name'][row]}, school is closed today." for row in (0, 2)
    )
    assert results.attrs["campaign"].startswith("test ")


def test_a_test_is_never_held_up_by_what_went_and_holds_up_nothing(platform: Sandbox) -> None:
    parents = people(3).assign(mobile=["07700 900555", "07700 900101", "07700 900102"])  # the officer is a parent too
    first, second = (send(parents, test_to=OWN) for _ in range(2))
    assert first.attrs["campaign"] != second.attrs["campaign"]
    for results in (first, second, send(parents, campaign="snow"), send(parents, test_to=OWN)):
        assert results["Status"].unique().tolist() == ["accepted"]
    assert len(platform.queued) == 2 + 2 + 3 + 2


def test_a_test_leaves_the_campaign_s_name_free_and_says_nothing_of_it(platform: Sandbox) -> None:
    send(people(3), test_to=OWN, campaign="snow")
    assert not gcbulk.campaigns()["Campaign"].eq("snow").any()
    results = send(people(3), campaign="snow")
    assert results["Status"].unique().tolist() == ["accepted"]
    assert gcbulk.preview(people(3), MESSAGE).summary()["error_codes"] == {"ALREADY_SENT": 3}


def test_what_a_test_sent_is_remembered_for_no_number(platform: Sandbox) -> None:
    send(people(3), test_to=OWN)
    with Journal() as book, book.reading() as connection:
        keys = connection.execute(sa.select(recipients.c.content_key)).scalars().all()
        options = connection.execute(sa.select(campaigns.c.options)).scalars().all()
    assert keys == [None, None]
    assert options == [{"kind": "test"}]


def test_a_test_that_was_stopped_goes_on_when_it_is_asked_for_again(platform: Sandbox) -> None:
    down = platform.url
    platform.stop()
    with gcbulk.CommunicationsClient(base_url=down, max_attempts=1) as client:
        stopped = send(people(3), test_to=OWN, client=client, max_attempts=1)
    assert stopped["ErrorCode"].unique().tolist() == ["NETWORK_ERROR"]
    platform.start()
    again = send(people(3), test_to=OWN)
    assert again.attrs["campaign"] == stopped.attrs["campaign"]
    assert again["Status"].unique().tolist() == ["accepted"]
    assert len(platform.queued) == 2


def test_a_test_is_sent_at_once_and_at_any_hour(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    at_night(monkeypatch)
    results = send(people(3), test_to=OWN, send_at=NIGHT + timedelta(hours=10), sender="OakSchool", limit=1)
    assert results["Status"].unique().tolist() == ["accepted"]
    assert {(entry.send_at, entry.sender) for entry in platform.queued} == {(None, "OakSchool")}
    assert len(results) == 2


@pytest.mark.parametrize(
    ("frame", "number", "words"),
    [
        (people(3), "n/a", r"test_to \(--test-to\) cannot be texted"),
        (
            people(3),
            "020 7946 0123",
            r"test_to \(--test-to\) cannot be texted: it is not a mobile number. Give your own",
        ),
        (people(3), "", r"test_to \(--test-to\) cannot be texted: it holds no number. Give your own"),
        (people(3), "07700 9005", "too few digits"),
        (people(3), "+44 0000 000000", r"test_to \(--test-to\) cannot be texted: "),
        (people(3).assign(mobile="bad"), OWN, "There is no text to test"),
    ],
)
def test_a_test_that_cannot_be_sent(frame: pd.DataFrame, number: str, words: str, platform: Sandbox) -> None:
    with pytest.raises(gcbulk.OptionError, match=words):
        send(frame, test_to=number)
    assert platform.calls == []
    assert gcbulk.campaigns().empty


def test_a_test_in_the_sandbox_needs_nothing() -> None:
    assert send(people(3), test_to=OWN, sandbox=True)["Status"].unique().tolist() == ["accepted"]


# -- a limit


def statuses(results: pd.DataFrame) -> list[str]:
    return results["Status"].tolist()


def test_a_limit_sends_the_first_and_resume_the_rest(platform: Sandbox) -> None:
    parents = people(7)
    parents.loc[1, "mobile"] = "bad"
    results = send(parents, campaign="snow", limit=3, chunk_size=2)
    assert statuses(results) == ["accepted", "invalid", "accepted", "accepted", "not_sent", "not_sent", "not_sent"]
    assert results["ErrorCode"].tolist()[4:] == ["HELD_BACK"] * 3
    assert len(platform.queued) == 3
    rest = gcbulk.resume("snow", recipients=parents, progress=False)
    assert statuses(rest) == ["accepted", "invalid", *["accepted"] * 5]
    pd.testing.assert_frame_equal(rest.head(4), results.head(4))
    assert len(platform.queued) == 6
    assert len({entry.recipient for entry in platform.queued}) == 6


@pytest.mark.parametrize("name", ["snow", None])
def test_the_same_limit_again_sends_nobody_else(name: str | None, platform: Sandbox) -> None:
    first = send(people(6), campaign=name, limit=2)
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left to send within the limit"):
        second = send(people(6), campaign=name, limit=2)
    pd.testing.assert_frame_equal(first, second)
    assert len(platform.queued) == 2
    assert statuses(send(people(6), campaign=name, limit=4)) == ["accepted"] * 4 + ["not_sent"] * 2
    assert statuses(send(people(6), campaign=name)) == ["accepted"] * 6
    assert len(platform.queued) == 6


def test_rows_that_another_campaign_sent_do_not_use_up_the_limit(platform: Sandbox) -> None:
    send(people(6).head(2))
    results = send(people(6), limit=2)
    assert statuses(results) == ["duplicate"] * 2 + ["accepted"] * 2 + ["not_sent"] * 2
    assert len(platform.queued) == 4
    assert statuses(gcbulk.resume(results.attrs["campaign"], progress=False))[4:] == ["accepted"] * 2


def test_rows_that_were_tried_use_up_the_limit(platform: Sandbox) -> None:
    parents = people(5)
    parents.loc[0, "mobile"] = "07700 900000"  # which the platform always rejects
    results = send(parents, campaign="snow", limit=2, chunk_size=1)
    assert statuses(results) == ["rejected", "accepted", "not_sent", "not_sent", "not_sent"]
    calls = len(platform.calls)
    with pytest.warns(gcbulk.GcbulkWarning, match="within the limit"):
        send(parents, campaign="snow", limit=2, chunk_size=1)
    assert len(platform.calls) == calls


def test_a_limit_holds_with_shared_messages(platform: Sandbox) -> None:
    parents = people(6).assign(name=["a", "b"] * 3)
    results = send(parents, campaign="snow", limit=3, share_identical=True)
    assert statuses(results) == ["accepted"] * 3 + ["not_sent"] * 3
    assert statuses(gcbulk.resume("snow", progress=False)) == ["accepted"] * 6
    assert sorted(entry.recipient for entry in platform.queued) == [f"+4477009001{n:02}" for n in range(6)]


def test_a_preview_with_a_limit_counts_what_would_go(platform: Sandbox) -> None:
    view = gcbulk.preview(people(6), MESSAGE, limit=2, price_per_part="0.04")
    assert view.summary()["texts"] == 2
    assert view.frame["ErrorCode"].tolist()[2:] == ["HELD_BACK"] * 4
    assert str(view.frame["Cost"].sum()) == str(view.summary()["cost"]) == "0.08"


# -- quiet hours


def test_within_quiet_hours_a_function_refuses_and_leaves_no_trace(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_night(monkeypatch)
    with pytest.raises(gcbulk.QuietHoursError, match="It is 22:10 in the UK"):
        send(people(3), campaign="snow")
    assert platform.calls == []
    assert gcbulk.campaigns().empty
    assert statuses(send(people(3), campaign="snow", urgent=True)) == ["accepted"] * 3
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):  # nothing would be sent: nothing to refuse
        assert statuses(send(people(3), campaign="snow")) == ["accepted"] * 3


def test_within_quiet_hours_resume_refuses_what_is_left(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    send(people(4), campaign="snow", limit=2)
    at_night(monkeypatch)
    with pytest.raises(gcbulk.QuietHoursError):
        gcbulk.resume("snow", progress=False)
    assert len(platform.queued) == 2
    assert statuses(gcbulk.resume("snow", progress=False, quiet_hours="off")) == ["accepted"] * 4


def test_a_stand_in_on_this_machine_knows_no_night_unless_it_is_asked_to(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "now", lambda: NIGHT)
    assert statuses(send(people(2), sandbox=True)) == ["accepted"] * 2
    assert statuses(send(people(2))) == ["accepted"] * 2
    for options in ({"sandbox": True}, {}):
        with pytest.raises(gcbulk.QuietHoursError):
            send(people(3), quiet_hours=("21:00", "06:00"), **options)


def test_a_text_is_scheduled_at_night_for_the_morning(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    at_night(monkeypatch)
    morning = NIGHT + timedelta(hours=10)
    assert statuses(send(people(2), send_at=morning)) == ["accepted"] * 2
    assert {entry.send_at for entry in platform.queued} == {morning.isoformat()}
    with pytest.raises(gcbulk.QuietHoursError, match="send_at is 23:10"):
        send(people(2), send_at=NIGHT + timedelta(hours=1))


# -- a schedule


def test_the_same_schedule_again_when_its_time_is_past_gives_its_results(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    first = send(people(2), campaign="snow", send_at=soon)
    monkeypatch.setattr(schedule, "now", lambda: soon + timedelta(minutes=1))
    with pytest.warns(gcbulk.GcbulkWarning, match="Nothing was left"):
        pd.testing.assert_frame_equal(send(people(2), campaign="snow", send_at=soon), first)
    with pytest.raises(gcbulk.OptionError, match="is past"):
        send(people(2), campaign="sleet", send_at=soon)
    assert len(platform.queued) == 2
    assert gcbulk.campaigns()["Campaign"].tolist() == ["snow"]


def test_what_was_left_of_a_schedule_goes_at_once_when_its_time_is_past(
    platform: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    send(people(3), campaign="snow", send_at=soon, limit=1)
    monkeypatch.setattr(schedule, "now", lambda: soon + timedelta(minutes=1))
    with pytest.raises(gcbulk.OptionError, match="goes on with resume"):
        send(people(3), campaign="snow", send_at=soon)
    assert statuses(gcbulk.resume("snow", progress=False)) == ["accepted"] * 3
    assert [entry.send_at for entry in platform.queued] == [soon.isoformat(), None, None]
    assert "it goes at once" in caplog.text


def test_bank_holidays_bring_a_warning(platform: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "bank_holiday", bank_holiday)
    christmas = datetime(2026, 12, 25, 9, tzinfo=UTC)
    at_night(monkeypatch, christmas)
    with pytest.warns(gcbulk.GcbulkWarning, match="25 December 2026 is a bank holiday: Christmas Day"):
        send(people(1))
    assert "Christmas Day" in str(gcbulk.preview(people(2), MESSAGE))
    monkeypatch.setattr(connecting, "reaches_people", lambda _url: False)
    assert "Christmas Day" not in str(gcbulk.preview(people(2), MESSAGE))
    assert len(platform.queued) == 1


def test_the_lint_speaks_before_anything_is_sent(platform: Sandbox) -> None:
    shouted = people(2).assign(name=["ANN KHAN", "Bob"])
    with pytest.warns(gcbulk.GcbulkWarning, match=r"\{\{ name \| name_case \}\}") as caught:
        send(shouted)
    assert "ANN" not in str(caught[0].message)
    assert len(platform.queued) == 2


def test_a_limit_holds_while_another_run_has_one_of_its_rows_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run's only call is refused, but not before the second has met it: then it is the second's to send."""
    monkeypatch.setattr(sending, "ELSEWHERE_POLL", 0.02)
    second: dict[str, pd.DataFrame] = {}

    def send_second() -> None:
        second["results"] = send(people(4), client=client, campaign="second", limit=1)

    def on_call(_call: Call) -> str | None:
        if other.ident is not None:
            return None
        other.start()
        for _ in range(500):
            with Journal() as book, book.reading() as connection:
                codes = connection.execute(sa.select(recipients.c.error_code)).scalars().all()
            if "IN_FLIGHT_ELSEWHERE" in codes:
                return "http-503-once"
            met.wait(0.02)
        return None

    met, other = threading.Event(), threading.Thread(target=send_second)
    with (
        Sandbox(on_call=on_call) as platform,
        gcbulk.CommunicationsClient(platform.customer_id, platform.api_key, base_url=platform.url) as client,
    ):
        first = send(people(1), client=client, campaign="first", max_attempts=1)
        other.join()
        assert statuses(first) == ["not_sent"]
        assert statuses(second["results"]) == ["accepted", "not_sent", "not_sent", "not_sent"]
        assert [entry.recipient for entry in platform.queued] == ["+447700900100"]


@pytest.mark.parametrize("fault", ["http-429-once", "data-invalid", "http-500", "rate-limited-once", "html", "cut-off"])
def test_a_limit_holds_through_trouble(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.api.retry.FIRST_WAIT", 0.002)
    monkeypatch.setattr("gcbulk.api.retry.MOST_WAIT", 0.01)
    faults = iter([None, fault])
    with (
        Sandbox(on_call=lambda _call: next(faults, None)) as platform,
        gcbulk.CommunicationsClient(platform.customer_id, platform.api_key, base_url=platform.url) as client,
    ):
        results = send(people(12), client=client, limit=7, chunk_size=3, max_attempts=3)
        first = {f"+4477009001{n:02}" for n in range(7)}
        texts = [entry.recipient for entry in platform.queued]
        assert set(texts) <= first
        assert len(set(texts)) == len(texts)
        assert statuses(results)[7:] == ["not_sent"] * 5
        rest = gcbulk.resume(results.attrs["campaign"], client=client, progress=False)
        assert statuses(rest)[7:] == ["accepted"] * 5
        assert len({entry.recipient for entry in platform.queued}) == len(platform.queued)
