from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from gcbulk.errors import GcbulkWarning, RecipientsError
from gcbulk.recipients.optouts import opt_out_numbers

if TYPE_CHECKING:
    from pathlib import Path

BOTH = frozenset({"+447700900123", "+447700900124"})

FILES = {
    "one a line": "07700 900123\n07700 900124\n",
    "with a header": "Mobile\n07700 900123\n07700 900124\n",
    "with a header of another name": "Who opted out\n07700 900123\n07700 900124\n",
    "with blank lines": "\n07700 900123\n\n\n07700 900124",
    "with other columns": "Name,Mobile,Asked on\nAl,07700 900123,2026-09-01\nBo,+44 (0)7700 900124,\n",
    "with other columns, no header": "Al,07700 900123\nBo,07700 900124\n",
    "separated by semicolons": "Name;Mobile\nAl;7700900123\nBo;00447700900124\n",
    "with words": "07700 900123 asked by phone\nMrs Jones 07700 900124\n",
    "with a title": "People who opted out\nAs of:,24/11/2026\nName,Mobile,Asked on\nA,07700 900123,\nB,07700900124,x\n",
    "words above words": "07700 900123 asked by phone,\n07700 900124 (Mrs Jones),by letter\n",
    "twice": "07700 900123\n07700900123\n07700 900124\n",
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES.keys())
def test_files(tmp_path: Path, content: str) -> None:
    path = tmp_path / "opt-outs.csv"
    path.write_text(content, encoding="utf-8-sig", newline="\r\n")
    assert opt_out_numbers(path) == BOTH
    assert opt_out_numbers(str(path)) == BOTH
    assert opt_out_numbers(io.BytesIO(content.encode())) == BOTH


@pytest.mark.parametrize(
    "source",
    [
        ["07700 900123", "+447700900124"],
        {"07700 900123", "07700 900124"},
        BOTH,
        (number for number in BOTH),
        pd.Series(["07700 900123", None, "07700 900124"], index=["a", "a", "b"]),
        pd.Series([7700900123.0, 7700900124.0, np.nan]),
        pd.DataFrame({"anything": ["07700 900123", "07700 900124"]}),
        pd.DataFrame({"Name": ["Al", "Bo"], "Mobile": ["07700 900123", "07700 900124"]}),
        ["07700 900123", "", "n/a", "07700 900124"],
    ],
)
def test_other_sources(source: object) -> None:
    assert opt_out_numbers(source) == BOTH  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [[], pd.Series([], dtype="str"), frozenset(), pd.DataFrame({"Mobile": []})])
def test_nobody(source: object) -> None:
    assert opt_out_numbers(source) == frozenset()  # type: ignore[arg-type]


def test_invalid_entries_are_counted_and_placed_but_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "opt-outs.txt"
    path.write_text("Mobile\n07700 900123\n07700 90012\n\nnobody\n07700 900124\n", encoding="utf-8")
    with pytest.warns(GcbulkWarning) as caught:
        assert opt_out_numbers(path) == BOTH
    (warning,) = caught
    assert "2 of 4 entries" in str(warning.message)
    assert "lines 3, 5" in str(warning.message)
    assert "90012" not in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize(
    "entry",
    [
        *("07700900123 07700900124", "07700 900123 / 07700 900124", "07700900123,+447700900124"),
        *("mum 07700 900123, dad 07700 900124", "07700 900123 (24/11/2026) and 07700 900124 asked by phone"),
    ],
)
def test_of_several_numbers_in_one_entry_all_are_opted_out(entry: str) -> None:
    assert opt_out_numbers({entry}) == BOTH
    assert opt_out_numbers(f'Mobile\n"{entry}"\n'.encode()) == BOTH


def test_numbers_of_two_countries_in_one_entry() -> None:
    assert opt_out_numbers(["+447700900123 +353851234567"], international=True) == {"+447700900123", "+353851234567"}


@pytest.mark.parametrize("entry", ["07700 900124 / 0770", "07700 900124;4.477E+11"])
def test_what_cannot_be_read_beside_a_number_is_reported(entry: str) -> None:
    with pytest.warns(GcbulkWarning, match=r"1 of 2 entries in the opt-out list is no mobile number.* row 2\."):
        assert opt_out_numbers(["07700 900123", entry]) == BOTH


def test_half_a_character_is_only_reported() -> None:
    with pytest.warns(GcbulkWarning, match="The only entry"):
        assert opt_out_numbers(["\ud800 asked"]) == frozenset()


def test_the_only_entry_is_called_so() -> None:
    with pytest.warns(GcbulkWarning, match="The only entry in the opt-out list is no mobile number"):
        assert opt_out_numbers(["077009001234"]) == frozenset()


def test_long_warnings_are_cut() -> None:
    with pytest.warns(GcbulkWarning, match=r"25 of 25 .* rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, \.\.\."):
        opt_out_numbers(["12"] * 25)


def test_numbers_of_other_countries_where_wanted() -> None:
    with pytest.warns(GcbulkWarning):
        assert opt_out_numbers(["+61 491 570 156"]) == frozenset()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert opt_out_numbers(["+61 491 570 156"], international=True) == {"+61491570156"}


def test_sources_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(RecipientsError, match="There is no file"):
        opt_out_numbers(tmp_path / "gone.csv")
    with pytest.raises(RecipientsError, match="called mobile or phone"):
        opt_out_numbers(b"Name,Note\nAl,x\n")
    with pytest.raises(RecipientsError, match="no header and more than one"):
        opt_out_numbers(b"07700 900123,07700 900124\n")
