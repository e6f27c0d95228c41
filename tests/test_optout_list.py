"""The user's own opt-out list: kept, readable by its owner alone, applied to everything."""

from __future__ import annotations

import stat
import sys
import threading
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import gcbulk
from gcbulk.errors import InputError, OptionError
from gcbulk.recipients.optout_list import kept_opt_outs, opt_outs_file
from gcbulk.recipients.schema import validate

if TYPE_CHECKING:
    from pathlib import Path

    from gcbulk.sandbox import Sandbox

PEOPLE = pd.DataFrame({"Mobile": ["07700 900123", "07700 900124"]})
TEXT = "School is closed."


def test_it_is_kept_from_one_day_to_the_next(home: Path) -> None:
    assert gcbulk.add_opt_outs(["07700 900124", "07700-900-123"], today="2026-11-23") == 2
    assert gcbulk.add_opt_outs(["+44 (0)7700 900123", "+61 491 570 156"], today="2026-11-24") == 1
    listed = gcbulk.list_opt_outs()
    assert listed.to_dict("list") == {
        "Mobile": ["+447700900123", "+447700900124", "+61491570156"],
        "Added": ["2026-11-23", "2026-11-23", "2026-11-24"],
    }
    assert gcbulk.remove_opt_outs(["7700900124", "07700 900199"]) == 1
    assert kept_opt_outs() == {"+447700900123", "+61491570156"}
    assert gcbulk.remove_opt_outs(kept_opt_outs()) == 2
    assert kept_opt_outs() == frozenset()
    assert [path.name for path in home.iterdir() if path.suffix != ".lock"] == ["opt-outs.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_it_is_readable_by_its_owner_alone() -> None:
    gcbulk.add_opt_outs(["07700 900123"])
    assert stat.S_IMODE(opt_outs_file().stat().st_mode) == 0o600
    assert stat.S_IMODE(opt_outs_file().parent.stat().st_mode) == 0o700


def test_it_is_applied_to_everything(platform: Sandbox) -> None:
    gcbulk.add_opt_outs(["07700 900123"])
    assert validate(PEOPLE)["Status"].tolist() == ["opted_out", "ready"]
    assert validate(PEOPLE, opt_outs=["07700 900124"])["Status"].tolist() == ["opted_out"] * 2
    assert gcbulk.preview(PEOPLE, TEXT).summary()["statuses"] == {"opted_out": 1, "ready": 1}
    results = gcbulk.send_sms(PEOPLE, TEXT, progress=False)
    assert results["Status"].tolist() == ["opted_out", "accepted"]
    assert [entry.recipient for entry in platform.queued] == ["+447700900124"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
def test_entries_by_hand_count(encoding: str, home: Path) -> None:
    home.mkdir()
    opt_outs_file().write_bytes("Mobile;Added;Who\r\n07700 900123;;Zoë\r\n\r\n".encode(encoding))
    assert validate(PEOPLE)["Status"].tolist() == ["opted_out", "ready"]


@pytest.mark.parametrize("entry", ["0770", "4.477E+11", '"+447700900124;2026"', "Mrs Bell"])
def test_an_entry_that_is_no_number_stops_everything(entry: str, home: Path, platform: Sandbox) -> None:
    home.mkdir()
    opt_outs_file().write_text(f"Mobile,Added\n07700900123,\n{entry},\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"opt-outs\.csv holds in line 3 what is no mobile number.* text editor"):
        gcbulk.send_sms(PEOPLE, TEXT, progress=False)
    assert platform.queued == []


@pytest.mark.parametrize(
    "content",
    [
        *(b"%PDF-1.7", b"\0\0\0\0\0\0", b"Name,Note\nAl,x\n"),
        *(b"", b"\n", b"\xff\xfe\x00", b"\xff\xfe\x00\x91garbage", b"+447700900123,2026-11-24\n"),
    ],
)
def test_a_list_that_cannot_be_read_stops_everything(content: bytes, home: Path, platform: Sandbox) -> None:
    home.mkdir()
    opt_outs_file().write_bytes(content)
    with pytest.raises(InputError, match=r"opt-outs\.csv was damaged .* nothing is sent\. .* copy"):
        gcbulk.send_sms(PEOPLE, TEXT, progress=False)
    with pytest.raises(InputError):
        gcbulk.add_opt_outs(["07700 900123"])
    assert opt_outs_file().read_bytes() == content
    assert platform.queued == []


@pytest.mark.parametrize("numbers", [[], ["nobody"], ["020 7946 0123", ""]])
@pytest.mark.filterwarnings("ignore::gcbulk.errors.GcbulkWarning")
def test_no_number_at_all_is_a_mistake(numbers: list[str]) -> None:
    with pytest.raises(OptionError, match="None of these is a number"):
        gcbulk.add_opt_outs(numbers)


def test_a_list_of_a_header_alone_is_one_of_nobody() -> None:
    gcbulk.add_opt_outs(["07700 900123"])
    gcbulk.remove_opt_outs(["07700 900123"])
    assert opt_outs_file().stat().st_size
    assert gcbulk.list_opt_outs().empty
    assert validate(PEOPLE)["Status"].tolist() == ["ready", "ready"]


def test_a_place_that_cannot_be_written(home: Path) -> None:
    home.write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(OptionError, match=r"opt-out list .* cannot be"):
        gcbulk.add_opt_outs(["07700 900123"])


def test_two_at_once_lose_nothing() -> None:
    numbers = [f"07700 900{n:03d}" for n in range(100, 116)]
    threads = [threading.Thread(target=gcbulk.add_opt_outs, args=([number],)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept_opt_outs()) == len(numbers)
