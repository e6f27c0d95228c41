"""The preview: what a send would do, in a terminal, in a notebook, as data."""

from __future__ import annotations

import pandas as pd

import gcbulk
from gcbulk.campaign.preview import check_report, mask_number

PARENTS = pd.DataFrame(
    {
        "name": ["Ann", "<b>Bob</b>", "Cy", ""],
        "mobile": ["07700 900123", "07700 900124", "020 7946 0123", "07700 900125"],
    }
)


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


def test_terminal_and_notebook_show_texts_and_reasons_and_mask_numbers() -> None:
    preview = gcbulk.preview(PARENTS, "Dear {{ name }}")
    for shown in (str(preview), repr(preview), preview._repr_html_()):
        assert "Sends 2 texts (2 SMS parts) to 2 numbers. 2 of the 4 rows would not be sent." in shown
        assert "Dear Ann" in shown
        assert "NUMBER_NOT_MOBILE" in shown
        assert "row 3" in shown
        assert "900123" not in shown
        assert "•••123" in shown


def test_html_shows_hostile_text_as_text() -> None:
    html = gcbulk.preview(PARENTS, "Dear {{ name }}").to_html()
    assert "<b>Bob" not in html
    assert "&lt;b&gt;Bob&lt;/b&gt;" in html


def test_check_report_says_what_was_mended_and_what_is_wrong() -> None:
    report = check_report(gcbulk.validate(pd.DataFrame({"mobile": ["7700900123", "0770090012"]})))
    assert "1 of 2 rows can be texted; 1 number was mended." in report
    assert "NUMBER_TOO_SHORT" in report


def test_masking() -> None:
    assert mask_number("+447700900123") == "+44 7700 •••123"
    assert "98001" not in mask_number("+33639980012")
