"""Several columns of numbers: the first usable one, a row each, one text a number."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign.plan import make_plan
from gcbulk.errors import CampaignError, GcbulkWarning, OptionError, RecipientsError
from gcbulk.recipients.choosing import row_per_number
from gcbulk.recipients.intake import IntakeOptions
from gcbulk.recipients.schema import validate

if TYPE_CHECKING:
    from gcbulk.sandbox import Sandbox

BOTH = ["Parent 1 Mobile", "Parent 2 Mobile"]


def pupils(*pairs: tuple[object, object]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=BOTH).assign(Pupil=[f"P{i}" for i in range(len(pairs))])


@pytest.mark.parametrize(
    ("pair", "sent_to", "repair", "code", "detail"),
    [
        (("07700 900123", "07700 900124"), "+447700900123", None, None, None),
        (("n/a", "07700 900124"), "+447700900124", 'taken from "Parent 2 Mobile"', None, None),
        (
            ("020 7946 0123", "7700900124"),
            "+447700900124",
            'taken from "Parent 2 Mobile"; restored the lost zero',
            None,
            None,
        ),
        (("07700 900199", "07700 900124"), "+447700900124", 'taken from "Parent 2 Mobile"', None, None),
        (("07700 900199", "n/a"), "+447700900199", None, "OPTED_OUT", "This recipient is on the opt-out list"),
        (("n/a", "07700 900199"), "+447700900199", 'taken from "Parent 2 Mobile"', "OPTED_OUT", "This recipient is on"),
        (("", "020 7946 0123"), None, None, "NUMBER_NOT_MOBILE", 'In "Parent 2 Mobile": It is a landline.'),
        (("0770", "020 7946 0123"), None, None, "NUMBER_TOO_SHORT", 'In "Parent 1 Mobile": It has'),
        (("", None), None, None, "NUMBER_MISSING", "There is no number in this row."),
        ((7700900123.0, "x"), "+447700900123", "removed .0; restored the lost zero", None, None),
    ],
)
def test_the_first_usable_number_of_a_row(
    pair: tuple[object, object], sent_to: str | None, repair: str | None, code: str | None, detail: str | None
) -> None:
    frame = pupils(pair).set_index(pd.Index(["x"]))
    checked = validate(frame, number_columns=BOTH, opt_outs=["07700 900199"])
    assert checked.index.tolist() == ["x"]
    row = checked.astype(object).where(checked.notna(), None).iloc[0]
    assert (row["SentTo"], row["Repair"], row["ErrorCode"]) == (sent_to, repair, code)
    assert (row["ErrorDetail"] or "").startswith(detail or "")
    assert (row["ErrorDetail"] is None) == (detail is None)


def test_rows_are_equal_whichever_column_their_number_is_in() -> None:
    frame = pupils(("07700 900123", ""), ("", "07700900123")).assign(Pupil="P")
    assert validate(frame, number_columns=BOTH)["Status"].tolist() == ["ready", "duplicate"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"number_columns": "Parent 1 Mobile"}, OptionError, "must be a list of columns"),
        ({"number_columns": []}, OptionError, "must be a list of columns"),
        ({"number_columns": BOTH, "number_column": "Pupil"}, OptionError, "not both"),
        ({"number_columns": ["Parent 1 Mobile", "Parent 3 Mobile"]}, RecipientsError, 'Did you mean "Parent 1 Mobile"'),
    ],
)
def test_columns_that_cannot_be_used(options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        validate(pupils(("1", "2")), **options)  # type: ignore[arg-type]


def test_a_row_for_each_number() -> None:
    frame = pupils(("07700 900123", "07700 900124"), ("", "07700 900125"), ("n/a", None), ("020 7946 0123", ""))
    before = frame.copy()
    rows = row_per_number(frame, BOTH)
    pd.testing.assert_frame_equal(frame, before)
    assert rows["Pupil"].tolist() == ["P0", "P0", "P1", "P2", "P3"]
    assert rows.index.tolist() == [0, 0, 1, 2, 3]
    assert rows["Number"].tolist() == ["07700 900123", "07700 900124", "07700 900125", "", "020 7946 0123"]
    assert rows["Number From"].tolist() == [BOTH[0], BOTH[1], BOTH[1], BOTH[0], BOTH[0]]
    checked = validate(rows, number_column="Number")
    assert checked["Status"].tolist() == ["ready", "ready", "ready", "invalid", "invalid"]


@pytest.mark.parametrize("columns", [[], "Parent 1 Mobile"])
def test_a_row_for_each_number_of_which(columns: object) -> None:
    with pytest.raises(OptionError, match="must be a list"):
        row_per_number(pupils(("1", "2")), columns)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="a column 'Number' already"):
        row_per_number(pupils(("1", "2")).assign(Number=1), BOTH)


def test_one_per_number_takes_the_first_row_of_each() -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123", "7700900123", "07700 900124"], "Pupil": ["A", "B", "C"]})
    checked = validate(frame, one_per_number=True)
    assert checked["Status"].tolist() == ["ready", "duplicate", "ready"]
    assert checked["ErrorDetail"].iloc[1].startswith("The same number as row 1. One text a number was asked for")
    assert validate(frame)["Status"].tolist() == ["ready"] * 3


def test_one_per_number_warns_where_texts_differ() -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123"] * 3, "Pupil": ["A", "B", "A"], "x": [1, 2, 3]})
    intake = IntakeOptions(one_per_number=True)
    with pytest.warns(GcbulkWarning, match=r"1 text that differ.* left out \(row 2\)"):
        plan = make_plan(frame, "{{ pupil }} is absent", intake=intake)
    assert plan.frame["Status"].tolist() == ["ready", "duplicate", "duplicate"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_plan(frame, "School is closed", intake=intake)


def test_one_per_number_sends_the_first_text_that_can_be() -> None:
    frame = pd.DataFrame({"Mobile": ["07700 900123"] * 2, "Pupil": ["", "B"]})
    plan = make_plan(frame, "{{ pupil }} is absent", intake=IntakeOptions(one_per_number=True))
    assert plan.frame["Status"].tolist() == ["invalid", "ready"]


def test_both_ways_of_sending(platform: Sandbox) -> None:
    frame = pupils(("07700 900123", "07700 900124"), ("n/a", "07700 900125"))
    first = gcbulk.send_sms(frame, "School is closed.", number_columns=BOTH, progress=False, campaign="one")
    assert first["SentTo"].tolist() == ["+447700900123", "+447700900125"]
    assert first["Status"].tolist() == ["accepted"] * 2
    rows = row_per_number(frame, BOTH)
    each = gcbulk.send_sms(rows, "School is closed.", number_column="Number", progress=False)
    assert each["Status"].tolist() == ["duplicate", "accepted", "duplicate"]
    assert [entry.recipient for entry in platform.queued] == ["+447700900123", "+447700900125", "+447700900124"]


def test_a_list_is_known_again_though_other_numbers_would_be_taken_now(platform: Sandbox) -> None:
    frame = pupils(("07700 900123", "07700 900124"))
    gcbulk.send_sms(frame, "School is closed.", number_columns=BOTH, progress=False, campaign="one")
    gcbulk.add_opt_outs(["07700 900123"])
    again = gcbulk.campaign_results("one", recipients=frame, number_columns=BOTH)
    assert again["SentTo"].tolist() == ["+447700900123"]
    with pytest.raises(CampaignError, match="not the list"):
        gcbulk.campaign_results("one", recipients=frame, number_column=BOTH[1])
