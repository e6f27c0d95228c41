"""A frame at a glance: what is counted, what is masked, and that the frame stays what it was."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign.overview import html_table, masked, on_screen, summary
from gcbulk.codes import REASONS, ErrorCode

PEOPLE = pd.DataFrame(
    {
        "Name": ["Ann", "Bob", "<b>Cy</b>", "Di", "Ed"],
        "Mobile": ["07700 900101", "", "020 7946 0123", "07700 900102", "07700 900101"],
        "Note": ["or 07700 900199", "", "", "", "or 07700 900199"],
    }
)


@pytest.fixture
def results() -> pd.DataFrame:
    return gcbulk.send_sms(PEOPLE, "School is closed.", sandbox=True, progress=False)


def test_counts_are_by_status_and_reason_in_the_order_of_status(results: pd.DataFrame) -> None:
    counts = summary(results).counts()
    assert counts.fillna("").values.tolist() == [
        ["accepted", "", 2],
        ["invalid", "NUMBER_MISSING", 1],
        ["invalid", "NUMBER_NOT_MOBILE", 1],
        ["duplicate", "DUPLICATE", 1],
    ]
    assert counts["Rows"].sum() == len(results)


def test_the_view_masks_numbers_and_escapes_values(results: pd.DataFrame) -> None:
    view = summary(results)
    for shown in (view._repr_html_(), str(view), repr(view)):
        assert "900101" not in shown
        assert "900199" not in shown
        assert "7946 0123" not in shown
    assert "&lt;b&gt;Cy&lt;/b&gt;" in view._repr_html_()
    assert "5 rows: 2 accepted, 2 invalid, 1 duplicate" in view._repr_html_()


def test_the_frame_stays_an_ordinary_frame(results: pd.DataFrame) -> None:
    before = results.copy()
    view = summary(results)
    view.to_html()
    assert type(results) is pd.DataFrame
    pd.testing.assert_frame_equal(results, before)
    assert view.frame is results


def test_rows_to_mend_are_named_as_users_find_them() -> None:
    checked = gcbulk.validate(PEOPLE.set_axis(list("abcde")))
    assert summary(checked).to_mend()["Row"].tolist() == ["the row labelled b", "the row labelled c"]
    assert summary(gcbulk.validate(PEOPLE)).to_mend(1)["Row"].tolist() == ["2"]


def test_a_frame_of_nobody_and_columns_of_one_name() -> None:
    checked = gcbulk.validate(PEOPLE.head(0))
    assert summary(checked).first_line() == "0 rows: "
    twice = gcbulk.validate(pd.concat([PEOPLE[["Name"]], PEOPLE], axis=1))
    assert on_screen(twice, [0]).shape[0] == 1
    assert "Ann" in summary(twice).frame.to_string()


def test_what_is_no_results_frame_is_refused_in_a_sentence() -> None:
    with pytest.raises(gcbulk.RecipientsError, match="nothing to sum up"):
        summary(PEOPLE)
    with pytest.raises(gcbulk.RecipientsError, match="nothing to sum up"):
        summary("results.csv")  # type: ignore[arg-type]


def test_masking_hides_numbers_and_nothing_else() -> None:
    numbers = ["+447700900123", "07700 900 123", "(07700) 900-123", "7700900123", "0044 7700 900123"]
    assert masked(pd.Series(numbers)).tolist() == ["•••123"] * 5
    others = ["004387", "7A", "Year 7, set 12", "2026-11-24", "24/11/2026", "07-11-2026 08:30"]
    others += ["£1,250.00", "1469.20261124.17"]
    assert masked(pd.Series(others)).tolist() == others
    assert masked(pd.Series([7700900123, None, 3.5], dtype=object)).tolist() == ["•••123", "", "3.5"]


def test_tables_break_codes_but_not_words() -> None:
    assert html_table(["A"], [["NUMBER_MISSING"]]).count("<wbr>") == 1
    assert "<wbr>" not in html_table(["A"], [["not_sent"]])


def test_reasons_are_told_in_words_and_codes_come_last(results: pd.DataFrame) -> None:
    view = summary(results)
    shown = re.sub(r"<[^>]+>", "|", view.counts_html())
    assert re.search(r"invalid\|+no number\|+There is no number.*?\|+NUMBER_\|MISSING\|", shown)
    mend = html_table(list(view.to_mend().columns), view.to_mend().itertuples(index=False))
    assert "no number" in mend
    for told in (mend, str(view.plot().axes[0].get_yticklabels()), on_screen(results, range(5)).to_string()):
        assert not re.search(r"[A-Z]{3,}_|[a-z]_[a-z]", told)


def test_every_code_has_its_few_words() -> None:
    assert set(REASONS) == set(ErrorCode)
    assert all(0 < len(words) <= 32 and "_" not in words for words in REASONS.values())


def test_the_chart_has_a_bar_and_a_label_for_each_reason(results: pd.DataFrame) -> None:
    (axes,) = summary(results).plot().axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "accepted",
        "invalid: no number",
        "invalid: not a mobile",
        "duplicate: the same message in another row",
    ]
    assert [patch.get_width() for patch in axes.patches] == [2, 1, 1, 1]
