"""What a callback proves: its own row, whatever state it is in, and nothing about the others; every word of it kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from gcbulk.campaign.journal import (
    Event,
    Fate,
    Journal,
    Settlement,
    count_unmatched,
    go_on,
    match_again,
    news_of,
    note_receiver,
    purge,
    settle,
    take,
)
from gcbulk.campaign.journal import events as events_module
from gcbulk.campaign.journal.tables import events
from gcbulk.codes import Status
from tests.test_journal import NOON, Clock, accept, clock, journal, start, states
from tests.test_journal import take as claim_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.campaign.journal import Claim, Record, Run, Taken

__all__ = ["clock", "journal"]  # fixtures

TAIL = "e0684dbcb71f402ab39d4d6b86d44cbb"


def said(run: Run, ref: str | None = "ref-0-a", **more: Any) -> Event:
    news: dict[str, Any] = {"status": "Delivered", "delivery": "delivered", "client_ref": ref, **more}
    return Event(run.campaign.id, **news)


def told(journal: Journal, *news: Event) -> list[Taken]:
    return take(journal, news)


def row(journal: Journal, run: Run, position: int = 0) -> Record:
    return list(journal.records(run.campaign))[position]


def answer(run: Run, claim: Claim, state: str, message_id: str | None = None, **more: Any) -> None:
    settled = Settlement([(r.position, message_id) for r in claim.rows], state, **more)
    run.settle(claim, [settled], http_status=200)


def gone(journal: Journal, run: Run, clock: Clock) -> None:
    claim_of(run)
    run.end()


def given_back(journal: Journal, run: Run, clock: Clock) -> None:
    answer(run, claim_of(run), Status.READY, error_code="RATE_LIMITED", error_detail="Wait.")


def rejected(journal: Journal, run: Run, clock: Clock) -> None:
    answer(run, claim_of(run), Status.REJECTED, error_code="INVALID_RECIPIENTS", error_detail="No.")


def unknown(journal: Journal, run: Run, clock: Clock) -> None:
    answer(run, claim_of(run), Status.UNKNOWN, error_code="OUTCOME_UNKNOWN", error_detail="Who knows.")


def partly(journal: Journal, run: Run, clock: Clock) -> None:
    answer(run, claim_of(run), Status.PARTLY_ACCEPTED, message_id="1469.1", error_detail="1 of 2")


def settled_as_not_sent(journal: Journal, run: Run, clock: Clock) -> None:
    unknown(journal, run, clock)
    settle(journal, run.campaign, sent=False)


def settled_as_sent(journal: Journal, run: Run, clock: Clock) -> None:
    unknown(journal, run, clock)
    settle(journal, run.campaign, sent=True)


def opted_out(journal: Journal, run: Run, clock: Clock) -> None:
    given_back(journal, run, clock)
    run.opt_out(["+447700900100", "+447700900101"])


def untouched(journal: Journal, run: Run, clock: Clock) -> None:
    """Nothing was tried yet."""


def gone_elsewhere(journal: Journal, run: Run, clock: Clock) -> None:
    given_back(journal, run, clock)
    other = start(journal, ["a", "b", "z"])
    accept(other, claim_of(other))
    run.recall()


FORMER_STATES: dict[Callable[..., None], tuple[str, bool]] = {
    # what happened before, the state of the row then, and whether it is told loudly
    gone: ("unknown", False),
    given_back: ("ready", True),
    rejected: ("rejected", True),
    unknown: ("unknown", False),
    partly: ("partly_accepted", False),
    settled_as_not_sent: ("ready", True),
    opted_out: ("opted_out", True),
    untouched: ("ready", True),
    gone_elsewhere: ("duplicate", True),
}


@pytest.mark.parametrize("before", FORMER_STATES, ids=lambda before: before.__name__)
def test_a_callback_proves_its_own_row_and_no_other(before: Any, journal: Journal, clock: Clock) -> None:
    was, loud = FORMER_STATES[before]
    run = start(journal, ["a", "b"], name="trip")
    before(journal, run, clock)
    other = row(journal, run, 1)
    clock.now += 60
    assert told(journal, said(run, message_id=f"1469.1-{TAIL}", happened_at=clock.now - 5)) == [
        (Fate.MATCHED, "trip", 0, was)
    ]
    now = row(journal, run)
    assert (now.state, now.message_id) == ("accepted", "1469.1" + f"-{TAIL}")
    assert now.error_code is None
    assert bool(now.error_detail) == loud == (was in events_module.LOUD)
    assert now.accepted_at is not None
    assert NOON <= now.accepted_at <= clock.now
    assert row(journal, run, 1) == other
    # it is not sent by a resumed run, and it is the memory that its text went
    run.end()
    again = go_on(journal, journal.campaign("trip"), lease=90.0, late=True)
    again.recall()
    claim = again.claim(0, None, states=("ready", "unknown"))
    assert 0 not in [r.position for r in (claim.rows if claim else ())]
    fresh = start(journal, ["a", "c"], name="other")
    fresh.recall()
    assert states(journal, fresh)[0] == "duplicate"


@pytest.mark.parametrize("state", ["ready", "rejected", "unknown", "partly_accepted"])
def test_a_callback_before_the_answer_is_not_undone_by_it(
    state: str, journal: Journal, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(journal, ["a", "b"], name="trip")
    claim = claim_of(run)
    assert told(journal, said(run, message_id="1469.1"))[0].was == "in_flight"
    code = None if state == "partly_accepted" else "OUTCOME_UNKNOWN"
    answer(run, claim, state, error_code=code, message_id=None if code else "1469.9")
    assert states(journal, run) == ["accepted", state]
    now = row(journal, run)
    assert (now.message_id, now.error_code) == ("1469.1", None)
    # as loud as where the answer came first
    loud = state in events_module.LOUD
    assert now.error_detail == events_module.NOTES.get(Status(state))
    assert row(journal, run, 1).error_detail is None
    said_so = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(said_so) == loud
    if loud:
        called = "not_sent" if state == "ready" else state
        assert f"'trip', row 1: the answer says {called}, but the platform had reported on it" in said_so[0]
    run.end()
    fresh = start(journal, ["a", "c"], name="other")
    fresh.recall()
    assert states(journal, fresh)[0] == "duplicate"


def test_the_answer_that_comes_after_a_callback_tells_the_whole_message_id(journal: Journal) -> None:
    run = start(journal, ["a", "b"])
    claim = claim_of(run)
    told(journal, said(run, message_id="1469.1"))
    answer(run, claim, "accepted", message_id=f"1469.1-{TAIL}", accepted_at=NOON + 1)
    now = row(journal, run)
    assert (now.state, now.message_id, now.accepted_at) == ("accepted", f"1469.1-{TAIL}", NOON + 1)


def test_the_first_time_counts_of_what_is_settled_by_hand(journal: Journal, clock: Clock) -> None:
    run = start(journal, ["a", "b"], name="trip")
    settled_as_sent(journal, run, clock)
    assert row(journal, run).message_id == "settled:ref-0-a"
    assert told(journal, said(run, message_id=f"1469.1-{TAIL}"))[0].was is None
    assert row(journal, run).message_id == f"1469.1-{TAIL}"
    # and with nothing but our reference, there is a MessageId of ours
    told(journal, said(run, "ref-1-b"))
    assert row(journal, run, 1).message_id == "settled:ref-1-b"


def test_a_callback_without_any_message_id_gets_one_of_ours(journal: Journal, clock: Clock) -> None:
    run = start(journal, ["a"])
    unknown(journal, run, clock)
    told(journal, said(run))
    assert row(journal, run).message_id == "callback:ref-0-a"
    told(journal, said(run, message_id="1469.7"))
    assert row(journal, run).message_id == "1469.7"
    told(journal, said(run, message_id=f"1469.7-{TAIL}"))
    told(journal, said(run, message_id="1469.8"))
    assert row(journal, run).message_id == f"1469.7-{TAIL}"


STEM = "1469.20250704.02516506506657265717"


@pytest.fixture
def call(journal: Journal) -> Run:
    """A call of two rows whose MessageIds differ in their tails only."""
    run = start(journal, ["a", "b"], name="trip")
    claim = claim_of(run)
    ids = [f"{STEM}-{TAIL}", f"{STEM}-{TAIL[::-1]}"]
    run.settle(
        claim,
        [Settlement([(r.position, ids[r.position]) for r in claim.rows], "accepted")],
        http_status=200,
    )
    return run


MATCHES: dict[str, tuple[dict[str, Any], int | None]] = {
    "the whole id": ({"message_id": f"{STEM}-{TAIL[::-1]}"}, 1),
    "the whole id and its recipient": ({"message_id": f"{STEM}-{TAIL}", "address": "+447700900100"}, 0),
    "the whole id and another recipient": ({"message_id": f"{STEM}-{TAIL}", "address": "+447700900101"}, None),
    "without its tail, two fit": ({"message_id": STEM}, None),
    "without its tail, and the recipient": ({"message_id": STEM, "address": "+447700900101"}, 1),
    "without its tail, and the reference": ({"message_id": STEM, "client_ref": "ref-1-b"}, 1),
    "half a stem": ({"message_id": STEM[:-1]}, None),
    "another tail": ({"message_id": f"{STEM}-00"}, None),
    "the reference of one and the recipient of another": ({"client_ref": "ref-1-b", "address": "+447700900100"}, None),
    "a reference that is nobody's": ({"client_ref": "ref-9-z"}, None),
    "a reference that is nobody's, and the id": ({"client_ref": "ref-9-z", "message_id": f"{STEM}-{TAIL}"}, 0),
    "a reference that is nobody's, the id, and another recipient": (
        {"client_ref": "ref-9-z", "message_id": f"{STEM}-{TAIL}", "address": "+447700900101"},
        None,
    ),
    "the reference of one, the id and the recipient of another": (
        {"client_ref": "ref-1-b", "message_id": f"{STEM}-{TAIL}", "address": "+447700900100"},
        None,
    ),
    "the reference alone": ({"client_ref": "ref-0-a"}, 0),
}


@pytest.mark.parametrize("name", MATCHES)
def test_matching(name: str, call: Run, journal: Journal) -> None:
    says, position = MATCHES[name]
    before = list(journal.records(call.campaign))
    ref = says.get("client_ref")
    (taken,) = told(journal, said(call, ref, **{k: v for k, v in says.items() if k != "client_ref"}))
    assert taken.position == position
    assert taken.fate is (Fate.KEPT if position is None else Fate.MATCHED)
    assert [news.position for news in news_of(journal, call.campaign)] == ([] if position is None else [position])
    assert count_unmatched(journal, call.campaign) == (position is None)
    assert list(journal.records(call.campaign)) == before


def test_a_campaign_s_news_cannot_speak_of_another_s_rows(call: Run, journal: Journal) -> None:
    other = start(journal, ["x", "y"], name="other")
    assert (
        told(journal, said(other, "ref-0-a"), said(other, None, message_id=f"{STEM}-{TAIL}"))
        == [(Fate.KEPT, "other", None, None)] * 2
    )


def test_a_message_id_that_came_before_the_answer_is_matched_afterwards(journal: Journal) -> None:
    run = start(journal, ["a", "b"], name="trip")
    claim = claim_of(run)
    assert told(journal, said(run, None, message_id=f"{STEM}-{TAIL}"))[0].fate is Fate.KEPT
    assert match_again(journal, run.campaign) == []
    answer(run, claim, "accepted", message_id=f"{STEM}-{TAIL}")  # the same for both: it stays ambiguous
    assert match_again(journal, run.campaign) == []
    with journal.writing() as connection:
        connection.execute(sa.text("update recipients set message_id = 'other' where position = 1"))
    assert match_again(journal, run.campaign) == [(Fate.MATCHED, "trip", 0, None)]
    assert [news.position for news in news_of(journal, run.campaign)] == [0]
    assert match_again(journal, run.campaign) == []


@pytest.mark.parametrize("ref", [None, "ref-9-z"])
def test_a_reference_that_is_nobody_s_does_not_keep_news_from_its_row(ref: str | None, journal: Journal) -> None:
    run = start(journal, ["a", "b"], name="trip")
    claim = claim_of(run)
    told(journal, *[said(run, ref, message_id=f"{STEM}-{TAIL}")] * 3, said(run, ref, message_id="1469.9"))
    answer(run, claim, "accepted", message_id=f"{STEM}-{TAIL[::-1]}")
    assert match_again(journal, run.campaign) == []
    with journal.writing() as connection:
        set_id = sa.text("update recipients set message_id = :id where position = 1")
        connection.execute(set_id, {"id": f"{STEM}-{TAIL}"})
    assert match_again(journal, run.campaign) == [(Fate.MATCHED, "trip", 1, None)] * 3
    assert count_unmatched(journal, run.campaign) == 1


def test_the_whole_id_tells_the_rows_of_one_reference_apart(journal: Journal, call: Run) -> None:
    with journal.writing() as connection:
        connection.execute(sa.text("update recipients set client_ref = 'ref-0-a'"))
    (whole, other, half) = told(
        journal,
        said(call, message_id=f"{STEM}-{TAIL[::-1]}"),
        said(call, message_id="1469.7-1"),
        said(call, message_id=STEM),
    )
    assert (whole.position, other.position, half.position) == (1, None, None)


@pytest.mark.parametrize(
    ("at", "kept"),
    [
        (None, NOON + 60),
        (NOON + 30.5, NOON + 30.5),
        (NOON - 200, NOON - 200),
        (NOON - 4_000, NOON + 60),
        (NOON + 4_000, NOON + 60),
        (1e300, NOON + 60),
    ],
)
def test_a_time_that_cannot_be_is_when_it_came(at: float | None, kept: float, journal: Journal, clock: Clock) -> None:
    run = start(journal, ["a"])
    unknown(journal, run, clock)
    clock.now += 60
    told(journal, said(run, happened_at=at))
    (news,) = news_of(journal, run.campaign)
    assert news.happened_at == kept
    accepted_at = row(journal, run).accepted_at
    assert accepted_at is not None
    assert NOON <= accepted_at <= NOON + 60


def test_news_that_fits_no_row_is_kept_within_reason(
    journal: Journal, call: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert events_module.UNMATCHED_A_ROW >= 10
    assert events_module.MOST_UNMATCHED >= 10_000
    monkeypatch.setattr(events_module, "UNMATCHED_A_ROW", 1)
    monkeypatch.setattr(events_module, "MOST_UNMATCHED", 3)
    fates = [taken.fate for taken in told(journal, *[said(call, None, message_id=f"1469.{n}") for n in range(7)])]
    assert fates == [Fate.KEPT] * 5 + [Fate.TOO_MANY] * 2  # as many as rows, and three
    assert told(journal, said(call, None, message_id="1469.8"), said(call)) == [
        (Fate.TOO_MANY, "trip", None, None),
        (Fate.MATCHED, "trip", 0, None),
    ]
    assert count_unmatched(journal, call.campaign) == 5


def test_a_purge_takes_the_news_and_later_news_is_refused(journal: Journal, call: Run) -> None:
    told(journal, said(call, address="+447700900100", error="Absent subscriber"))
    call.end()
    assert purge(journal, campaign="trip") == ["trip"]
    assert told(journal, said(call)) == [(Fate.PURGED, "trip", None, None)]
    with journal.reading() as connection:
        assert connection.execute(sa.select(events)).all() == []


def test_matching_uses_the_indexes_that_a_receiver_makes(journal: Journal) -> None:
    note_receiver(journal, "https://news.example")
    note_receiver(journal, "https://news.example")
    for statement, index in (
        (events_module._BY_REF, "recipients_ref"),
        (events_module._BY_ID, "recipients_message"),
        (events_module._BY_STEM, "recipients_message"),
    ):
        text, _ = journal._prepared(statement)
        with journal.reading() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (1,) * text.count("?")).all()
        assert [step for step in plan if f"USING INDEX {index} (campaign_id=? AND" in step[3]], plan
