"""The preview: what a send would do, in a terminal, in a notebook, as data."""

from __future__ import annotations

import html as html_module
import io
import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import pandas as pd
import pytest

import gcbulk
from gcbulk.campaign.preview import check_report, mask_number
from gcbulk.campaign.samples import samples

PARENTS = pd.DataFrame(
    {
        "name": ["Ann", "<b>Bob</b>", "Cy", ""],
        "mobile": ["07700 900123", "07700 900124", "020 7946 0123", "07700 900125"],
    }
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def words_of(html: str) -> str:
    return html_module.unescape(re.sub(r"<[^>]*>", " ", html))


def test_it_counts_what_a_send_would_do(platform: object) -> None:
    counts = gcbulk.preview(PARENTS, "Dear {{ name }}").summary()
    assert (counts["rows"], counts["texts"], counts["numbers"], counts["parts"]) == (4, 2, 2, 2)
    assert counts["error_codes"] == {"NUMBER_NOT_MOBILE": 1, "FIELD_MISSING": 1}
    results = gcbulk.send_sms(PARENTS, "Dear {{ name }}", progress=False)
    assert int((results["Status"] == "accepted").sum()) == counts["texts"]


def test_frame_has_every_row_with_its_text() -> None:
    frame = gcbulk.preview(PARENTS, "Dear {{ name }}").frame
    assert frame["Text"].tolist()[:2] == ["Dear Ann", "Dear <b>Bob</b>"]
    assert frame["Status"].tolist() == ["ready", "ready", "invalid", "invalid"]
    assert list(frame["mobile"]) == list(PARENTS["mobile"])
    assert list(frame.columns) == [
        "name", "mobile", "SentTo", "Repair", "Status", "ErrorCode", "ErrorDetail", "Text", "Parts",
    ]  # fmt: skip


def test_terminal_and_notebook_show_texts_and_reasons_and_mask_numbers() -> None:
    preview = gcbulk.preview(PARENTS, "Dear {{ name }}")
    for shown in (str(preview), repr(preview), preview._repr_html_()):
        assert "Sends 2 texts (2 SMS parts) to 2 numbers. 2 of the 4 rows would not be sent." in shown
        assert "Dear Ann" in shown
        assert "NUMBER_NOT_MOBILE" in shown
        assert "row 3" in shown
        assert "900123" not in shown
        assert "•••123" in shown
        assert "The API tells no balance" in shown


def test_numbers_are_shown_on_request() -> None:
    preview = gcbulk.preview(PARENTS, "Dear {{ name }}", show_numbers=True)
    assert "+447700900123" in str(preview)
    assert "+447700900123" in preview.to_html()
    assert "+447700900123" not in preview.to_html(show_numbers=False)
    assert "+447700900123" in gcbulk.preview(PARENTS, "Dear {{ name }}").to_html(show_numbers=True)


def test_html_shows_hostile_text_as_text() -> None:
    hostile = PARENTS.rename(columns={"name": "<i>name</i>"}).set_index("<i>name</i>", drop=False)
    html = gcbulk.preview(hostile, "Dear {{ i_name_i }} <script>x</script>").to_html()
    for tag in ("<b>Bob", "<script", "<i>name"):
        assert tag not in html
    assert "&lt;b&gt;Bob&lt;/b&gt;" in html


def test_costs_are_exact_pounds_by_row_and_in_total() -> None:
    names = PARENTS.assign(name=["Ann", "ł" * 71, "Cy", "Di"], Cost="theirs", Text="own")
    preview = gcbulk.preview(names, "{{ name }} {{ text }}", price_per_part="0.035", number_column="mobile")
    assert preview.frame["Cost"].tolist() == [Decimal("0.035"), Decimal("0.070"), None, Decimal("0.035")]
    assert preview.frame["Cost"].dropna().sum() == preview.summary()["cost"] == Decimal("0.140")
    assert preview.frame["Cost_input"].tolist() == ["theirs"] * 4
    assert preview.frame["Text_input"].tolist() == ["own"] * 4
    assert "Sends 3 texts (4 SMS parts) to 3 numbers for £0.14." in str(preview)
    assert "£0.035 a part" in words_of(preview.to_html())
    without = gcbulk.preview(names, "{{ name }}", number_column="mobile")
    assert without.frame["Cost"].tolist() == ["theirs"] * 4
    assert without.summary()["cost"] is None


def test_a_preview_fed_back_in_is_previewed_as_before() -> None:
    once = gcbulk.preview(PARENTS, "Dear {{ name }}", price_per_part="0.04")
    again = gcbulk.preview(once.frame, "Dear {{ name }}", price_per_part="0.04")
    pd.testing.assert_frame_equal(once.frame, again.frame)


def test_the_texts_worth_reading() -> None:
    names = pd.DataFrame(
        {
            "name": ["Ann", "Bob", "Cy", "Di", "Maximilian " * 13, "ł" * 71, "Ann"],
            "mobile": [f"07700 90010{n}" for n in range(7)],
        }
    )
    preview = gcbulk.preview(names, "{{ name }}")
    assert samples(preview.plan) == [(("first",), 0), (("longest",), 4), (("most expensive",), 5)]
    shown = str(preview)
    for why in ("first text (row 1", "third text (row 3", "longest text (row 5", "most expensive text (row 6"):
        assert f"The {why}" in shown
    same = gcbulk.preview(names, "School is closed.")
    assert str(same).count("School is closed.") == 1
    assert "The first, longest and most expensive text (row 1" in str(same)


def test_the_histogram_of_parts() -> None:
    frame = pd.DataFrame({"n": ["x" * 10] * 3 + ["x" * 200], "mobile": [f"07700 90010{n}" for n in range(4)]})
    preview = gcbulk.preview(frame, "{{ n }}")
    assert preview.summary()["parts_histogram"] == {1: 3, 2: 1}
    assert re.search(r"^1 part +#{30} 3$", str(preview), re.MULTILINE)
    assert re.search(r"^2 parts +#{10} 1$", str(preview), re.MULTILINE)
    assert re.search(r"2 parts\s+1\b", words_of(preview.to_html()))


def test_the_summary_can_be_written_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcbulk.campaign.schedule.now", lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))  # not by night
    summary = gcbulk.preview(PARENTS, "Dear ((x)) {{ name }}").summary()
    written = json.loads(json.dumps(summary, default=str))
    assert [one["code"] for one in written["findings"]] == ["stray_mark", "blank_field"]
    assert written["findings"][0]["rows"] == [0, 1]
    assert written["encodings"] == {"GSM-7": 2}


@pytest.mark.parametrize("columns", [80, 60])
def test_at_a_terminal_it_is_as_wide_as_the_terminal_and_says_everything_without_colour(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    preview = gcbulk.preview(PARENTS, "Dear [bold]{{ name }}[/bold] :smile: ((name))")
    preview.show(terminal)
    preview.show(file)
    coloured = terminal.getvalue()
    assert "\x1b[" in coloured
    shown = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert max(map(len, shown.splitlines())) <= columns
    assert "Look" in shown
    assert "\x1b[" not in file.getvalue()
    assert file.getvalue() == f"{preview}\n"
    assert " ".join(shown.split()) == " ".join(str(preview).split())
    assert "[bold]Ann[/bold] :smile:" in shown


def test_in_a_notebook_the_text_is_still_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert "Sends 2 texts" in str(gcbulk.preview(PARENTS, "Dear {{ name }}"))


def test_a_schedule_is_shown_with_what_cannot_be_undone() -> None:
    preview = gcbulk.preview(PARENTS, "Dear {{ name }}", send_at=pd.Timestamp.now("UTC") + pd.Timedelta(days=2))
    for shown in (str(preview), words_of(preview.to_html())):
        assert "A scheduled text cannot be called back" in shown
    assert preview.summary()["send_at"].endswith("+00:00")


@pytest.mark.parametrize("frame", [PARENTS.head(0), PARENTS.tail(1), PARENTS.iloc[2:3]])
def test_lists_of_nobody(frame: pd.DataFrame) -> None:
    preview = gcbulk.preview(frame, "Dear {{ name }}", price_per_part=1)
    assert "Sends 0 texts (0 SMS parts) to 0 numbers" in str(preview)
    assert "Sends 0 texts" in preview.to_html()
    assert preview.summary()["cost"] == 0


def test_rows_with_labels_are_called_by_them() -> None:
    preview = gcbulk.preview(PARENTS.set_axis(["a", "b", "c", "d"]), "Dear {{ name }}")
    assert "the row labelled c" in str(preview)


def test_check_report_says_what_was_mended_and_what_is_wrong() -> None:
    report = check_report(gcbulk.validate(pd.DataFrame({"mobile": ["7700900123", "0770090012"]})))
    assert "1 of 2 rows can be texted; 1 number was mended." in report
    assert "NUMBER_TOO_SHORT" in report


def test_masking() -> None:
    assert mask_number("+447700900123") == "+44 7700 •••123"
    assert "98001" not in mask_number("+33639980012")
