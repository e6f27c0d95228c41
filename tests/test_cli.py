"""The command line, as people and scripts meet it: what it prints and writes, its exit codes, its refusals."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import logging
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import warnings
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import jinja2
import keyring.core
import pytest
from keyring.backend import KeyringBackend

import gcbulk
from gcbulk import cli
from gcbulk.api import retry
from gcbulk.campaign import connecting, schedule
from gcbulk.campaign import plan as plan_module
from gcbulk.campaign.journal import memory, opening
from gcbulk.sandbox import Sandbox
from tests.workbooks import xlsx

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.sandbox import Call

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = README + "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))
MESSAGE = "Dear {{ name }}, school is closed today."
ADDED = ["SentTo", "Repair", "Status", "MessageId", "ErrorCode", "ErrorDetail", "Parts", "ClientRef", "AcceptedAt"]
SECONDS = 60
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The one JSON value on stdout."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line that says what was wrong, which comes last."""
        lines = self.err.splitlines()
        assert [line for line in lines if line.startswith("Error: ")] == lines[-1:], self.err
        assert "Traceback" not in self.err
        return lines[-1]


class Keyboard(io.StringIO):
    """A terminal at which these words are typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Ended]:
    """Runs a command in this process, in `tmp_path`; `typed` are the words typed at its terminal, if it has one."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object, typed: str | None = None) -> Ended:
        monkeypatch.setattr(sys, "argv", ["gcbulk", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO() if typed is None else Keyboard(typed))
        handler, handlers = signal.getsignal(signal.SIGTERM), list(logging.getLogger("gcbulk").handlers)
        capsys.readouterr()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", gcbulk.GcbulkWarning)
                with pytest.raises(SystemExit) as ended:
                    cli.main()
        finally:
            signal.signal(signal.SIGTERM, handler)
            logging.getLogger("gcbulk").handlers[:] = handlers
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *capsys.readouterr())

    return command


def process(*arguments: object, cwd: Path) -> Ended:
    """Run a command in a process of its own, without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "gcbulk", *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def started(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """A command started in a process of its own, for signals."""
    return subprocess.Popen(
        [sys.executable, "-m", "gcbulk", *arguments],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def use(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name this sandbox in the environment as the platform."""
    monkeypatch.setenv("GCBULK_BASE_URL", sandbox.url)
    monkeypatch.setenv("GCBULK_CUSTOMER_ID", sandbox.customer_id)
    monkeypatch.setenv("GCBULK_API_KEY", sandbox.api_key)


def write(path: Path, *numbers: str) -> Path:
    """A list of people with these numbers."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(f"Parent {n}", number) for n, number in enumerate(numbers)]
        csv.writer(file).writerows([("Name", "Parent Mobile"), *rows])
    return path


def ordinary(count: int, first: int = 100) -> list[str]:
    """Numbers to which nothing happens."""
    return [f"07700 900{n}" for n in range(first, first + count)]


def table(path: Path) -> list[list[str]]:
    """Every cell of a file as it stands there, the header first."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def column(path: Path, name: str) -> list[str]:
    header, *rows = table(path)
    return [row[header.index(name)] for row in rows]


def statuses(ended: Ended) -> dict[str, int]:
    """The counts by status in the summary on stderr."""
    found = re.findall(r"^ {2,6}(\d+) (\w+)$", ended.err, re.MULTILINE)
    return {"rows" if name == "row" else name: int(n) for n, name in found}


def keeps_the_input(results: Path, given: list[list[str]]) -> bool:
    """Whether the results file has the input's cells, and one of MessageId and ErrorCode in each row."""
    found = table(results)
    width = len(given[0])
    exactly_one = all(
        bool(message_id) != bool(code)
        for message_id, code in zip(column(results, "MessageId"), column(results, "ErrorCode"), strict=True)
    )
    return [row[:width] for row in found] == given and found[0][width:] == ADDED and exactly_one


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of two people whom nothing keeps from being told."""
    return write(tmp_path / "people.csv", *ordinary(2))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries that take no time."""
    monkeypatch.setattr(retry, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(retry, "MOST_WAIT", 0.001)


# -- the README's command


def readme_command() -> list[str]:
    found = re.search(r"^## Run it$.*?^```sh\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
    assert found
    program, *arguments = shlex.split(found[1].partition("&&")[2])
    assert program == "gcbulk"
    return arguments


def test_the_readme_s_command_runs_as_often_as_one_likes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    given = table(tmp_path / "sample_data" / "recipients.csv")
    for _ in range(2):
        ended = process(*readme_command(), cwd=tmp_path)
        assert ended.code == 0, ended.err
        assert ended.out == ""
        assert keeps_the_input(tmp_path / "results.csv", given)
        counts = statuses(ended)
        assert counts.pop("rows") == len(given) - 1 == sum(counts.values())
        assert counts == Counter(column(tmp_path / "results.csv", "Status"))
        assert f"Not told: {counts['invalid']} of {len(given) - 1} rows" in ended.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "sample_data"]


# -- bad input


@dataclass(frozen=True, slots=True)
class Bad:
    """A mistake: arguments of `send` beside FILE and a message, and words that the complaint must have."""

    says: str
    options: tuple[str, ...] = ()
    content: bytes | None = b"Name,Parent Mobile\nParent 0,07700 900100\nParent 1,07700 900101\n"
    file: str = "people.csv"
    message: tuple[str, ...] = ("--message", MESSAGE)


BAD = {
    "missing file": Bad("no file absent.csv", content=None, file="absent.csv"),
    "a directory": Bad("folder is a folder", file="folder"),
    "empty file": Bad("people.csv is empty", content=b""),
    "blank file": Bad("people.csv is empty", content=b" \r\n\r\n"),
    "header only": Bad("people.csv has a header but no rows", content=b"Name,Parent Mobile\n"),
    "no header": Bad("people.csv begins with a row that looks like a recipient", content=b"Ann,07700 900100\n"),
    "no number column": Bad('"Name", "Form".*--number-column', content=b"Name,Form\nAnn,7A\n"),
    "two number columns": Bad(
        '"Mother Mobile", "Father Mobile".*--number-column',
        content=b"Name,Mother Mobile,Father Mobile\nAnn,07700 900100,07700 900101\n",
    ),
    "another number column": Bad('no column "Phone".*"Parent Mobile"', ("--number-column", "Phone")),
    "no encoding we know": Bad("people.csv is no text", content=b"Name,Mobile\nZo\x81\xff,07700 900100\n"),
    "no workbook": Bad("people.xlsx is no workbook", file="people.xlsx"),
    "a workbook cut off": Bad("people.csv is no workbook .* or it is damaged", content=b"PK\x03\x04 and so on"),
    "a PDF": Bad("people.csv is a PDF", content=b"%PDF-1.7 and so on"),
    "a field of a header twice": Bad("name_1", content=b"Name,Name,Mobile\nAnn,B,07700 900100\n"),
    "numbers of a header twice": Bad(
        '"Mobile .1.", "Mobile .2."', content=b"Name,Mobile,Mobile\nAnn,07700 900100,07700 900101\n"
    ),
    "a header twice, named": Bad(
        'no column "Mobile".*Did you mean "Mobile .1."',
        ("--number-column", "Mobile"),
        content=b"Name,Mobile,Mobile\nAnn,07700 900100,07700 900101\n",
    ),
    "a sheet of a text": Bad("people.csv has no sheets", ("--sheet", "Year 7")),
    "row per number of which": Bad("--row-per-number needs", ("--row-per-number",)),
    "one column and several": Bad("not both", ("--number-column", "Name", "--number-columns", "Name")),
    "--out of another kind": Bad("--out r.ods cannot be written as .ods", ("--out", "r.ods")),
    "too many cells": Bad("people.csv has 3 cells in line 2", content=b"Name,Mobile\nAnn,07700 900100,more\n"),
    "an open quotation mark": Bad("line 2 that is never closed", content=b'Name,Mobile\n"Ann,07700 900100\n'),
    "unknown field": Bad("forename.*parent_mobile", message=("--message", "Dear {{ forename }}")),
    "syntax error": Bad("Line 2", message=("--message", "Dear {{ name }},\n{% if %}")),
    "an open field": Bad("Line 1", message=("--message", "Dear {{ name")),
    "empty message": Bad("[Mm]essage.*empty|no text", message=("--message", "")),
    "blank message": Bad("[Mm]essage.*empty|no text", message=("--message", " \n")),
    "no message": Bad("--message or --message-file", message=()),
    "two messages": Bad("--message or --message-file", ("--message-file", "text.txt")),
    "missing message file": Bad("--message-file absent.txt", message=("--message-file", "absent.txt")),
    "a folder of messages": Bad("--message-file folder", message=("--message-file", "folder")),
    "message not UTF-8": Bad("--message-file latin.txt is not UTF-8", message=("--message-file", "latin.txt")),
    "missing opt-outs": Bad("no file absent.csv", ("--opt-outs", "absent.csv")),
    "no folder for --out": Bad("--out .*nowhere does not exist", ("--out", "nowhere/results.csv")),
    "--out a folder": Bad("--out folder is a folder", ("--out", "folder")),
    "--out the input": Bad("--out people.csv is the input", ("--out", "people.csv")),
    "--out the input, spelt otherwise": Bad("--out .* is the input", ("--out", "folder/../people.csv")),
    "--out the opt-outs": Bad("--out text.txt is the input", ("--opt-outs", "text.txt", "--out", "text.txt")),
    "--not-told the input": Bad("--not-told people.csv is the input", ("--not-told", "./people.csv")),
    "--not-told the same as --out": Bad("--not-told", ("--out", "r.csv", "--not-told", "./r.csv")),
    "--chunk-size 0": Bad("chunk_size.*0", ("--chunk-size", "0")),
    "--chunk-size in words": Bad("--chunk-size.*twenty", ("--chunk-size", "twenty")),
    "--concurrency 1000": Bad("concurrency.*1000", ("--concurrency", "1000")),
    "--timeout nan": Bad("timeout.*nan", ("--timeout", "nan")),
    "--calls-per-second 0": Bad("calls_per_second.*0", ("--calls-per-second", "0")),
    "--delivery otherwise": Bad("--delivery.*at_most_once", ("--delivery", "exactly_once")),
    "--send-at in words": Bad("send_at.*'tomorrow'", ("--send-at", "tomorrow")),
    "--send-at in the past": Bad("send_at 24/11/2020 08:30 UK time is past", ("--send-at", "2020-11-24T08:30")),
    "--send-at too far ahead": Bad("is more than a year ahead", ("--send-at", "2099-11-24T08:30")),
    "--send-at skipped by the clocks": Bad(r"02:30\+01:00 \(02:30 BST\)", ("--send-at", "2027-03-28T01:30")),
    "--send-at in the past, tried": Bad("is past", ("--send-at", "2020-11-24T08:30", "--dry-run")),
    "--sender with an apostrophe": Bad("sender must be up to 11 letters.*St Mary's", ("--sender", "St Mary's")),
    "--quiet-hours in words": Bad("quiet_hours must be two times.*night", ("--quiet-hours", "night")),
    "--limit 0": Bad("limit.*0", ("--limit", "0")),
    "--test-to a landline": Bad(r"test_to \(--test-to\) cannot be texted", ("--test-to", "020 7946 0123")),
    "--price-per-part below zero": Bad("price_per_part must be pounds.*-0.01", ("--price-per-part", "-0.01")),
    "--header-length below zero": Bad("header_length.*-1", ("--header-length", "-1")),
    "--max-parts 0": Bad("max_parts.*0", ("--max-parts", "0")),
    "a filter that is none": Bad(
        "Line 1, column 6: .*no filter 'shout'", message=("--message", "Dear {{ name|shout }}")
    ),
    "a tag that is not closed": Bad("Line 2, column 4: .*not closed", message=("--message", "Hi\nxx {{ name")),
    "a loop": Bad("no tag {% for %}", message=("--message", "{% for x in name %}{{ x }}{% endfor %}")),
    "a call": Bad("a message cannot have a call", message=("--message", "{{ name() }}")),
    "a multiplication": Bad("cannot have arithmetic", message=("--message", "{{ 'a' * 10**8 }}")),
    "a control character": Bad(r"Line 1, column 3: .*U\+0007", message=("--message", "Hi\x07 {{ name }}")),
    "no such option": Bad("No such option.*--massage", ("--massage", "x")),
    "no terminal": Bad("no terminal to ask at. Add --yes", ("--concurrency", "2")),
    "--journal a folder": Bad("journal .*folder is a folder", ("--journal", "folder", "--yes")),
    "--journal no database": Bad("journal .*text.txt .*not a database", ("--journal", "text.txt", "--yes")),
    "--journal inside a file": Bad("journal .*cannot be written", ("--journal", "text.txt/j.sqlite3", "--yes")),
    "--journal of another kind": Bad("not in mysql", ("--journal", "mysql://localhost/x", "--yes")),
    "--journal no address": Bad("path or a database URL", ("--journal", "://", "--yes")),
}


@pytest.fixture
def oddments(tmp_path: Path) -> None:
    """Files that the bad commands name."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("07700 900100\nand more words than a database begins with\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes("Dear Zoë".encode("cp1252"))


@pytest.mark.usefixtures("oddments")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused_in_one_sentence(bad: Bad, run: Any, platform: Sandbox, tmp_path: Path) -> None:
    if bad.content is not None and not (tmp_path / bad.file).exists():
        (tmp_path / bad.file).write_bytes(bad.content)
    before = {path.name for path in tmp_path.iterdir()}
    yes = () if "terminal" in bad.says else ("--yes",)
    out = () if "--out" in bad.options else ("--out", "results.csv")
    ended = run("send", bad.file, *bad.message, *yes, *out, *bad.options)
    assert (ended.code, ended.out) == (2, "")
    assert re.search(bad.says, ended.complaint), ended.complaint
    assert platform.calls == []
    assert {path.name for path in tmp_path.iterdir()} - before <= {"home"}


@pytest.mark.usefixtures("platform")
def test_what_only_not_told_and_out_share_is_called_no_input(run: Any, people: Path) -> None:
    ended = run("send", people, "--message", MESSAGE, "--yes", "--out", "r.csv", "--not-told", "./r.csv")
    assert ended.code == 2
    assert "--out" in ended.complaint


@posix_only
@pytest.mark.parametrize("option", ["--out", "--not-told"])
def test_a_link_to_the_input_is_the_input(option: str, run: Any, platform: Sandbox, people: Path) -> None:
    content = people.read_bytes()
    (people.parent / "link.csv").symlink_to(people)
    ended = run("send", people, "--message", MESSAGE, "--yes", option, "link.csv")
    assert ended.code == 2
    assert f"{option} link.csv is the input" in ended.complaint
    assert people.read_bytes() == content
    assert platform.calls == []


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "No customer id and no API key .* gcbulk login"),
        ({"GCBULK_CUSTOMER_ID": "1469"}, "No API key"),
        ({"GCBULK_BASE_URL": "http://api.example"}, "http://api.example is refused"),
        ({"GCBULK_BASE_URL": "ftp://127.0.0.1"}, "must look like https://"),
        ({"GCBULK_BASE_URL": "https://me:secret-word@127.0.0.1"}, "without a user name"),
    ],
    ids=["no credentials", "no key", "http to elsewhere", "ftp", "a user name"],
)
def test_settings_that_cannot_be_used_are_refused(
    settings: dict[str, str], says: str, run: Any, people: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for arguments in (["send", people, "--message", MESSAGE, "--yes", "--out", "results.csv"], ["check-credentials"]):
        ended = run(*arguments)
        assert (ended.code, ended.out) == (2, "")
        assert re.search(says, ended.complaint)
        assert "secret-word" not in ended.err
    assert not home.exists()
    assert not (people.parent / "results.csv").exists()


@pytest.mark.parametrize("command", [["resume"], ["results"], ["settle", "--sent"], ["purge", "--campaign"]])
def test_an_unknown_campaign_brings_the_nearest_names(
    command: list[str], run: Any, platform: Sandbox, people: Path
) -> None:
    assert "holds none yet" in run(*command, "trip to Kew").complaint
    run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip to Kew")
    ended = run(*command, "trip to Q")
    assert (ended.code, ended.out) == (2, "")
    assert "'trip to Q'" in ended.complaint
    assert "'trip to Kew'" in ended.complaint
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    ("numbers", "message", "options", "says"),
    [
        (ordinary(2), "Another text", [], "the text"),
        (ordinary(3), MESSAGE, [], "the recipients and the text"),
        (ordinary(2), MESSAGE, ["--sender", "Example"], "the sending options"),
    ],
)
def test_a_name_belongs_to_one_campaign(
    numbers: list[str], message: str, options: list[str], says: str, run: Any, platform: Sandbox, people: Path
) -> None:
    assert run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip").code == 0
    other = write(people.parent / "other.csv", *numbers)
    ended = run("send", other, "--message", message, "--yes", "--campaign", "trip", "--out", "r.csv", *options)
    assert ended.code == 2
    assert "'trip' already" in ended.complaint
    assert f"other content: {says} differ" in ended.complaint
    assert len(platform.calls) == 1
    assert not (people.parent / "r.csv").exists()


def journal_of(home: Path) -> Path:
    return home / "journal.sqlite3"


@pytest.mark.parametrize("command", [["send"], ["campaigns"]])
def test_a_newer_journal_is_left_alone(
    command: list[str], run: Any, platform: Sandbox, people: Path, home: Path
) -> None:
    run("campaigns")
    with closing(sqlite3.connect(journal_of(home))) as database, database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    ended = run(*command, *([people, "--message", MESSAGE, "--yes"] if command == ["send"] else []))
    assert (ended.code, ended.out) == (2, "")
    assert "newer gcbulk (schema 99" in ended.complaint
    assert "Upgrade" in ended.complaint
    assert platform.calls == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="file modes do not bind this user")
def test_a_read_only_folder_for_the_journal(run: Any, platform: Sandbox, people: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    ended = run("send", people, "--message", MESSAGE, "--yes", "--journal", "locked/journal.sqlite3")
    assert ended.code == 2
    assert "journal" in ended.complaint
    assert "cannot be written" in ended.complaint
    assert platform.calls == []


def test_a_journal_that_another_program_holds(
    run: Any, platform: Sandbox, people: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.1)
    run("campaigns")
    with closing(sqlite3.connect(journal_of(home), isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        ended = run("send", people, "--message", MESSAGE, "--yes", "--out", "results.csv")
        database.execute("ROLLBACK")
    assert ended.code == 2
    assert "another program has held it for too long" in ended.complaint
    assert platform.calls == []
    assert not (people.parent / "results.csv").exists()
    assert run("send", people, "--message", MESSAGE, "--yes").code == 0


def test_mistakes_in_a_process_of_its_own(platform: Sandbox, people: Path) -> None:
    for arguments, says in [
        (["send", "absent.csv", "--message", MESSAGE, "--yes"], "no file absent.csv"),
        (["send", people, "--message", MESSAGE, "--out", "results.csv"], "no terminal"),
    ]:
        ended = process(*arguments, cwd=people.parent)
        assert (ended.code, ended.out) == (2, "")
        assert says in ended.complaint
    assert platform.calls == []
    assert not (people.parent / "results.csv").exists()


# -- asking


@pytest.mark.parametrize(("typed", "code", "calls"), [("y\n", 0, 1), ("n\n", 2, 0), ("\n", 2, 0), ("", 130, 0)])
def test_at_a_terminal_it_asks(
    typed: str, code: int, calls: int, run: Any, platform: Sandbox, people: Path, home: Path
) -> None:
    ended = run("send", people, "--message", MESSAGE, "--out", "results.csv", typed=typed)
    assert ended.code == code
    assert ended.out == ""
    assert "Send these 2 texts?" in ended.err
    assert len(platform.calls) == calls
    assert (people.parent / "results.csv").exists() == home.exists() == bool(calls)
    assert ("othing was sent." in ended.err) == (calls == 0)


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night at which the sandbox counts as the platform itself."""
    monkeypatch.setattr(schedule, "now", lambda: datetime(2026, 11, 24, 22, 10, tzinfo=UTC))
    monkeypatch.setattr(connecting, "reaches_people", lambda _url: True)


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize(("typed", "code", "calls"), [("y\ny\n", 0, 1), ("y\nn\n", 2, 0), ("n\n", 2, 0)])
def test_within_quiet_hours_it_asks_once_more(
    typed: str, code: int, calls: int, run: Any, platform: Sandbox, people: Path
) -> None:
    ended = run("send", people, "--message", MESSAGE, typed=typed)
    assert ended.code == code
    assert ("Is it urgent?" in ended.err) == (typed != "n\n")
    assert len(platform.calls) == calls
    assert run("campaigns").out.startswith("There are no campaigns") == (not calls)


@pytest.mark.usefixtures("night")
def test_within_quiet_hours_nothing_goes_by_itself(run: Any, platform: Sandbox, people: Path) -> None:
    command = ("send", people, "--message", MESSAGE, "--yes", "--campaign", "snow")
    refused = run(*command)
    assert refused.code == 2
    assert "It is 22:10 in the UK, within the quiet hours (21:00 to 06:00)." in refused.complaint
    assert "STOP It is 22:10" in refused.err
    assert platform.calls == []
    assert run(*command, "--sandbox").code == 0
    assert run(*command, "--limit", "1", "--urgent").code == 3
    assert run("resume", "snow").code == 2
    assert run("resume", "snow", typed="y\n").code == 0
    assert len(platform.queued) == 2


def test_a_test_goes_to_one_s_own_phone_and_writes_no_file(run: Any, platform: Sandbox, people: Path) -> None:
    options = ("--message", MESSAGE, "--test-to", "07700 900555", "--out", "results.csv", "--not-told", "phone.csv")
    ended = run("send", people, *options, "--json", typed="y\n")
    assert ended.code == 0
    assert "Send these texts to 07700 900555, and to nobody else?" in ended.err
    assert "Only your own phone was texted" in ended.err
    assert "Everybody who was to be told" not in ended.err
    assert ended.data["statuses"] == {"accepted": 1}
    assert {entry.recipient for entry in platform.queued} == {"+447700900555"}
    assert sorted(path.name for path in people.parent.iterdir()) == ["home", "people.csv"]
    assert run("send", people, "--message", MESSAGE, "--yes").code == 0
    assert len(platform.queued) == 3


def test_a_limit_holds_the_rest_back(run: Any, platform: Sandbox, people: Path) -> None:
    ended = run("send", people, "--message", MESSAGE, "--yes", "--limit", "1", "--campaign", "snow", "--json")
    assert (ended.code, ended.data["error_codes"]) == (3, {"HELD_BACK": 1})
    assert run("resume", "snow").code == 0
    assert len(platform.queued) == 2


# -- exit codes

PERMISSION, UNAUTHORISED, RATE, UNKNOWN, REFUSED = (f"07700 900{n}" for n in (930, 934, 911, 944, 901))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("numbers", "options", "code", "counts"),
    [
        (ordinary(2), [], 0, {"accepted": 2}),
        ([*ordinary(2), "bad", REFUSED], [], 0, {"accepted": 2, "invalid": 1, "rejected": 1}),
        ([PERMISSION, *ordinary(2)], [], 3, {"not_sent": 3}),
        ([UNAUTHORISED, *ordinary(2)], [], 3, {"not_sent": 3}),
        ([*ordinary(1), RATE], ["--max-attempts", "2"], 3, {"accepted": 1, "not_sent": 1}),
        ([UNKNOWN, *ordinary(1)], [], 4, {"accepted": 1, "unknown": 1}),
        ([*ordinary(1), UNKNOWN, PERMISSION], [], 4, {"accepted": 1, "not_sent": 1, "unknown": 1}),
        (["bad", UNKNOWN], ["--fail-on-errors"], 4, {"invalid": 1, "unknown": 1}),
        (["bad", PERMISSION], ["--fail-on-errors"], 3, {"invalid": 1, "not_sent": 1}),
        (["bad", "worse"], [], 6, {"invalid": 2}),
        ([REFUSED], [], 6, {"rejected": 1}),
        (["bad", *ordinary(1)], ["--fail-on-errors"], 6, {"accepted": 1, "invalid": 1}),
        ([REFUSED, *ordinary(1)], ["--fail-on-errors"], 6, {"accepted": 1, "rejected": 1}),
    ],
    ids=lambda value: None if isinstance(value, list) else str(value),
)
def test_exit_codes(
    numbers: list[str],
    options: list[str],
    code: int,
    counts: dict[str, int],
    run: Any,
    platform: Sandbox,
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "people.csv", *numbers)
    one_by_one = ["--chunk-size", 1, "--concurrency", 1]
    ended = run("send", file, "--message", MESSAGE, "--yes", "--out", "results.csv", *one_by_one, *options)
    assert ended.code == code, ended.err
    assert statuses(ended) == {"rows": len(numbers), **counts}
    assert keeps_the_input(tmp_path / "results.csv", table(file))
    assert Counter(column(tmp_path / "results.csv", "Status")) == counts
    if "not_sent" in counts and "07700 900911" not in numbers:  # which is put off alone, and stops nobody
        assert "The run stopped early: " in ended.err
    (name,) = gcbulk.campaigns()["Campaign"]
    looked = run("results", name, *[option for option in options if option == "--fail-on-errors"])
    assert looked.code == code
    assert statuses(looked) == statuses(ended)


def test_a_wrong_key_stops_at_once(run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCBULK_API_KEY", "mistyped")
    ended = run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip", "--chunk-size", 1)
    assert ended.code == 3
    assert statuses(ended) == {"rows": 2, "not_sent": 2}
    assert "refused the customer id or API key" in ended.err
    monkeypatch.setenv("GCBULK_API_KEY", platform.api_key)
    assert run("resume", "trip").code == 0
    assert len(platform.queued) == 2


def test_a_platform_that_cannot_be_reached(run: Any, platform: Sandbox, people: Path) -> None:
    platform.stop()
    ended = run("send", people, "--message", MESSAGE, "--yes", "--max-attempts", 1, "--campaign", "trip")
    assert ended.code == 3
    assert "NETWORK_ERROR" in ended.err
    platform.start()
    assert run("resume", "trip").code == 0
    assert len(platform.queued) == 2


@pytest.mark.parametrize("name", [[], ["--campaign", "trip {date}"]], ids=["unnamed", "named"])
def test_the_same_command_again_has_nothing_left(name: list[str], run: Any, platform: Sandbox, people: Path) -> None:
    command = ["send", people, "--message", MESSAGE, "--yes", "--out", "results.csv", *name]
    assert run(*command).code == 0
    first = (people.parent / "results.csv").read_bytes()
    (people.parent / "results.csv").unlink()
    ended = run(*command)
    assert ended.code == 5
    assert re.search(r"Nothing was left to send: .* was sent on \S.*\d\d:\d\d", ended.err)
    assert "--repeat" in ended.err
    assert (people.parent / "results.csv").read_bytes() == first
    assert len(platform.calls) == 1
    (campaign,) = gcbulk.campaigns()["Campaign"]
    assert run("resume", campaign).code == 5
    assert len(platform.calls) == 1


@pytest.mark.usefixtures("platform")
def test_nothing_left_beside_unknown_rows_is_still_4(run: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", UNKNOWN)
    for _ in range(2):
        ended = run("send", file, "--message", MESSAGE, "--yes")
        assert ended.code == 4
    assert "Nothing was left to send" in ended.err


def test_a_results_file_can_be_sent_again(run: Any, platform: Sandbox, people: Path) -> None:
    command = ["--message", MESSAGE, "--yes", "--out"]
    assert run("send", people, *command, "first.csv").code == 0
    assert run("send", "first.csv", *command, "second.csv").code == 5
    assert table(people.parent / "second.csv")[0] == table(people.parent / "first.csv")[0]
    assert len(platform.queued) == 2


# -- repeating


def test_repeat_is_refused_within_ten_minutes(run: Any, platform: Sandbox, people: Path) -> None:
    command = ["send", people, "--message", MESSAGE, "--yes"]
    run(*command)
    ended = run(*command, "--repeat")
    assert ended.code == 5
    assert statuses(ended) == {"rows": 2, "duplicate": 2}
    assert len(platform.queued) == 2


def test_a_repeat_that_came_too_soon_is_told_why(run: Any, platform: Sandbox, people: Path) -> None:
    command = ["send", people, "--message", MESSAGE, "--yes"]
    run(*command)
    ended = run(*command, "--repeat")
    assert re.search("ten minutes|10 minutes", ended.err)


def test_repeat_sends_again_after_ten_minutes(
    run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["send", people, "--message", MESSAGE, "--yes"]
    run(*command)
    monkeypatch.setattr(memory, "REPEAT_SECONDS", 0.0)
    assert run("preview", people, "--message", MESSAGE, "--repeat", "--json").data["texts"] == 2
    assert run("preview", people, "--message", MESSAGE, "--json").data["texts"] == 0
    assert run(*command, "--repeat").code == 0
    assert len(platform.queued) == 4


# -- stopping


def test_a_journal_that_is_lost_in_mid_run(run: Any, people: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.1)
    run("campaigns")
    with closing(sqlite3.connect(journal_of(home), isolation_level=None, check_same_thread=False)) as other:
        with Sandbox(on_call=lambda _call: other.execute("BEGIN IMMEDIATE") and None) as sandbox:
            use(sandbox, monkeypatch)
            command = ["send", people, "--message", MESSAGE, "--yes", "--campaign", "trip", "--chunk-size", 1]
            ended = run(*command)
        other.execute("ROLLBACK")
    assert ended.code == 1
    assert "journal" in ended.complaint
    assert "'trip' knows what went before: resume it" in ended.complaint
    assert len(sandbox.calls) == 1


@posix_only
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly(
    how: signal.Signals, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "people.csv", *ordinary(40))
    under_way = threading.Event()

    def seen(call: Call) -> None:
        if call.number >= 3:
            under_way.set()

    with Sandbox(latency=0.5, on_call=seen) as sandbox:
        use(sandbox, monkeypatch)
        command = ["send", str(file), "--message", MESSAGE, "--yes", "--out", "results.csv", "--campaign", "trip"]
        sender = started(*command, "--chunk-size", "1", "--concurrency", "2", "--json", cwd=tmp_path)
        with sender:
            try:
                assert under_way.wait(SECONDS)
                sender.send_signal(how)
                out, err = sender.communicate(timeout=SECONDS)
            finally:
                sender.kill()
        ended = Ended(sender.returncode, out, err)
        assert ended.code == 130, err
        assert "Traceback" not in err
        assert "The run was interrupted" in err
        assert keeps_the_input(tmp_path / "results.csv", table(file))
        counts = Counter(column(tmp_path / "results.csv", "Status"))
        assert counts.keys() == {"accepted", "not_sent"}
        assert ended.data["statuses"] == counts
        assert counts["accepted"] == len(sandbox.queued) >= 3
        sandbox.latency = 0.0
        assert run("resume", "trip", "--recipients", file, "--out", "results.csv").code == 0
        assert keeps_the_input(tmp_path / "results.csv", table(file))
        assert set(column(tmp_path / "results.csv", "Status")) == {"accepted"}
        assert sorted(entry.recipient for entry in sandbox.queued) == sorted(column(tmp_path / "results.csv", "SentTo"))


@posix_only
def test_a_second_signal_does_not_wait(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "people.csv", *ordinary(3))
    under_way = threading.Event()
    with Sandbox(latency=SECONDS, on_call=lambda _call: under_way.set()) as sandbox:
        use(sandbox, monkeypatch)
        command = ["send", str(file), "--message", MESSAGE, "--yes", "--campaign", "trip", "--chunk-size", "1"]
        sender = started(*command, "--timeout", str(2 * SECONDS), cwd=tmp_path)
        with sender:
            try:
                assert under_way.wait(SECONDS)
                for patience in (2, 20, 20):  # the third only where the first two came as one
                    if sender.poll() is None:
                        sender.send_signal(signal.SIGINT)
                        with contextlib.suppress(subprocess.TimeoutExpired):
                            sender.wait(patience)
                assert sender.poll() == 130
            finally:
                sender.kill()
            assert "Traceback" not in sender.communicate(timeout=SECONDS)[1]
        ended = run("results", "trip")
        assert ended.code == 4
        assert statuses(ended) == {"rows": 3, "unknown": 1, "not_sent": 2}


# -- what is printed, and where


def test_json_is_all_there_is_on_stdout(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", *ordinary(1), "bad", *ordinary(1))
    message = ["--message", "School is closed."]
    checked = run("validate", file, "--json")
    assert (checked.code, checked.err) == (0, "")
    assert checked.data["rows"] == 3
    assert checked.data["statuses"] == {"ready": 2, "invalid": 1}
    for command in (["preview", file, *message, "--json"], ["send", file, *message, "--dry-run", "--json"]):
        seen = run(*command)
        assert seen.code == 0
        assert (seen.data["rows"], seen.data["texts"], seen.data["numbers"], seen.data["parts"]) == (3, 1, 1, 1)
        assert seen.data["statuses"] == {"ready": 1, "invalid": 1, "duplicate": 1}
        assert sum(seen.data["error_codes"].values()) == 2
    assert platform.calls == []
    sent = run("send", file, *message, "--yes", "--json", "--campaign", "trip")
    assert sent.code == 0
    assert sent.data["campaign"] == "trip"
    assert (sent.data["rows"], sent.data["not_told"], sent.data["parts_accepted"]) == (3, 1, 1)
    assert sent.data["statuses"] == {"accepted": 1, "invalid": 1, "duplicate": 1}
    assert "Sends 1 text (1 SMS part) to 1 number." in sent.err
    for command in (["results", "trip"], ["resume", "trip"], ["send", file, *message, "--yes"]):
        assert run(*command, "--json").data == sent.data
    (listed,) = run("campaigns", "--json").data
    assert (listed["Campaign"], listed["CustomerId"], listed["Rows"], listed["accepted"]) == ("trip", "1469", 3, 1)
    assert len(platform.calls) == 1


def test_what_the_preview_explained_is_only_named_after_the_send(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "07700 900123", "")
    sent = run("send", file, "--message", MESSAGE, "--yes", "--campaign", "trip")
    advice = "Find one, or phone or write instead."
    assert sent.err.count("There is no number in this row.") == 2
    assert sent.err.count(advice) == 1
    assert "1 NUMBER_MISSING: There is no number in this row.\n" in sent.err
    assert "      2 rows\n" in sent.err
    assert advice in run("results", "trip").err


def test_without_json_stdout_stays_empty_but_for_what_was_asked(run: Any, platform: Sandbox, people: Path) -> None:
    assert run("send", people, "--message", MESSAGE, "--dry-run").out == ""
    assert run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip").out == ""
    for command in ("results", "resume"):
        ended = run(command, "trip")
        assert ended.out == ""
        assert "Everybody who was to be told was told" in ended.err
    listed = run("campaigns")
    assert listed.err == ""
    assert re.search(r"\btrip +1469 .* 2 +2$", listed.out.strip())
    assert len(platform.calls) == 1


def test_no_campaigns_yet(run: Any) -> None:
    assert run("campaigns") == Ended(0, "There are no campaigns in this journal yet.\n", "")
    assert run("campaigns", "--json").data == []


@pytest.mark.usefixtures("platform")
def test_a_dry_run_writes_and_sends_nothing(run: Any, platform: Sandbox, people: Path, home: Path) -> None:
    ended = run("send", people, "--message", MESSAGE, "--dry-run", "--out", "results.csv", "--not-told", "phone.csv")
    assert ended.code == 0
    assert "Sends 2 texts" in ended.err
    assert "Dear Parent 0, school is closed today." in ended.err
    assert "7700900100" not in ended.err.replace(" ", "")
    assert platform.calls == []
    assert not home.exists()
    assert sorted(path.name for path in people.parent.iterdir()) == ["people.csv"]


def test_preview_and_validate_need_no_credentials_and_send_nothing(run: Any, people: Path, home: Path) -> None:
    seen = run("preview", people, "--message", "Dear {{ name }}")
    assert (seen.code, seen.err) == (0, "")
    assert "Sends 2 texts (2 SMS parts) to 2 numbers." in seen.out
    assert "Dear Parent 1" in seen.out
    assert "\x1b[" not in seen.out  # no colours where nobody sees them
    counted = run("preview", people, "--message", "Dear {{ name }}", "--price-per-part", "0.035", "--json").data
    assert (counted["cost"], counted["parts_histogram"]) == ("0.070", {"1": 2})
    assert "+447700900100" in run("preview", people, "--message", "Dear {{ name }}", "--show-numbers").out
    checked = run("validate", people)
    assert (checked.code, checked.err) == (0, "")
    assert "2 of 2 rows can be texted; 0 numbers were mended." in checked.out
    assert not home.exists()


def test_validate_writes_what_it_found(run: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "7700900100", "020 7946 0123", "07700 900101")
    (tmp_path / "no.txt").write_text("+44 7700 900101\n", encoding="utf-8")
    ended = run("validate", file, "--opt-outs", "no.txt", "--out", "checked.csv", "--fail-on-errors")
    assert ended.code == 6
    assert "1 of 3 rows can be texted; 1 number was mended." in ended.out
    assert "NUMBER_NOT_MOBILE  (row 2)" in ended.out
    assert [row[:2] for row in table(tmp_path / "checked.csv")] == table(file)
    assert column(tmp_path / "checked.csv", "Status") == ["ready", "invalid", "opted_out"]
    assert run("validate", file).code == 0
    refused = run("validate", file, "--out", file)
    assert refused.code == 2
    assert "--out" in refused.complaint


def test_a_preview_shows_what_went_already(run: Any, platform: Sandbox, people: Path) -> None:
    run("send", people, "--message", MESSAGE, "--yes")
    ended = run("preview", people, "--message", MESSAGE)
    assert "Sends 0 texts" in ended.out
    assert "ALREADY_SENT  (row 1, row 2)" in ended.out
    assert len(platform.calls) == 1


def test_those_not_told_are_listed_in_the_user_s_own_columns(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    header = ["Status", "Mobile", "Note"]
    numbers = ["bad", *ordinary(1), REFUSED, UNKNOWN, PERMISSION, *ordinary(2, first=101)]
    rows = [[f"on roll {n}", number, 'say "hello", Ann'] for n, number in enumerate(numbers)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([header, *rows])
    (tmp_path / "no.txt").write_text(numbers[-1], encoding="utf-8")
    one_by_one = ["--chunk-size", 1, "--concurrency", 1]
    ended = run(
        *("send", file, "--message", "{{ status }}", "--yes", "--out", "r.csv", "--not-told", "phone.csv"),
        *("--opt-outs", "no.txt", "--campaign", "trip", *one_by_one),
    )
    assert ended.code == 4
    left_out = [rows[0], rows[2], rows[3], rows[4], rows[5]]
    told = ["invalid", "accepted", "rejected", "unknown", "not_sent", "not_sent", "opted_out"]
    assert column(tmp_path / "r.csv", "Status") == told
    assert column(tmp_path / "r.csv", "Status_input") == [row[0] for row in rows]
    assert table(tmp_path / "phone.csv") == [header, *left_out]
    assert "Not told: phone.csv" in ended.err
    assert "Not told: 5 of 7 rows" in ended.err
    run("results", "trip", "--recipients", file, "--not-told", "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "phone.csv").read_bytes()
    run("results", "trip", "--not-told", "bare.csv")
    assert column(tmp_path / "bare.csv", "Status") == [
        status for status in told if status not in ("accepted", "opted_out")
    ]
    assert len(platform.queued) == 2


@pytest.mark.usefixtures("platform")
def test_those_not_told_of_a_results_file_come_without_its_annotations(run: Any, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "bad", *ordinary(1))
    command = ["--message", MESSAGE, "--yes"]
    run("send", file, *command, "--out", "results.csv")
    run("send", "results.csv", *command, "--not-told", "phone.csv")
    assert table(tmp_path / "phone.csv") == table(file)[:2]


# -- the sandbox for one command


def test_the_sandbox_leaves_the_platform_and_the_journal_alone(
    run: Any, platform: Sandbox, people: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCBULK_JOURNAL", str(people.parent / "journal.sqlite3"))
    for _ in range(2):
        assert run("send", people, "--message", MESSAGE, "--yes", "--sandbox").code == 0
    assert platform.calls == []
    assert sorted(path.name for path in people.parent.iterdir()) == ["people.csv"]
    assert run("send", people, "--message", MESSAGE, "--yes", "--sandbox", "--journal", "mine.sqlite3").code == 0
    assert run("campaigns", "--journal", "mine.sqlite3", "--json").data[0]["accepted"] == 2


# -- looking back


def test_results_with_the_list_s_own_columns(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("Name,Mother Mobile,Father Mobile\nAnn,07700 900100,x\nBob,bad,y\n", encoding="utf-8")
    numbers = ["--number-column", "mother mobile"]
    sent = run("send", file, *numbers, "--message", MESSAGE, "--yes", "--out", "sent.csv", "--campaign", "trip")
    assert sent.code == 0
    looked = run("results", "trip", "--recipients", file, *numbers, "--out", "looked.csv")
    assert looked.code == 0
    assert (tmp_path / "looked.csv").read_bytes() == (tmp_path / "sent.csv").read_bytes()
    run("results", "trip", "--out", "bare.csv")
    assert table(tmp_path / "bare.csv") == [row[3:] for row in table(tmp_path / "sent.csv")]
    other = run("results", "trip", "--recipients", write(tmp_path / "o.csv", *ordinary(2, first=200)), "--out", "o.csv")
    assert other.code == 2
    assert "--out o.csv is the input" in other.complaint
    other = run("results", "trip", "--recipients", "o.csv", "--out", "other.csv")
    assert other.code == 2
    assert "not the list" in other.complaint
    assert not (tmp_path / "other.csv").exists()
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    ("command", "says", "code", "later"),
    [
        (["--sent"], "3 rows settled as sent.", 0, ["settled", "settled", "1469", "settled"]),
        (["--not-sent"], "3 rows settled as not sent. Send them with: gcbulk resume 'trip'", 3, ["", "", "1469", ""]),
        (["--sent", "--rows", "rows.csv"], "2 rows settled as sent.", 4, ["settled", "", "1469", "settled"]),
    ],
)
def test_settle(
    command: list[str], says: str, code: int, later: list[str], run: Any, platform: Sandbox, tmp_path: Path
) -> None:
    file = write(tmp_path / "people.csv", UNKNOWN, "07700 900940", "07700 900100", "07700 900968")
    send = ["send", file, "--message", MESSAGE, "--yes", "--chunk-size", 1, "--campaign", "trip"]
    assert run(*send, "--out", "results.csv", "--concurrency", 1).code == 4
    before = table(tmp_path / "results.csv")
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, delimiter=";").writerows([before[0], before[1], before[3], before[4]])
    settled = run("settle", "trip", *command)
    assert (settled.code, settled.err) == (0, "")
    assert settled.out.strip() == says
    assert run("results", "trip", "--out", "after.csv").code == code
    ids = column(tmp_path / "after.csv", "MessageId")
    refs = column(tmp_path / "results.csv", "ClientRef")
    assert [found.partition(".")[0].partition(":")[0] for found in ids] == later
    assert all(found == f"settled:{ref}" for found, ref in zip(ids, refs, strict=True) if "settled" in found)
    assert "nothing to settle" in run("settle", "trip", *command).out
    calls = len(platform.calls)
    if code == 3:
        assert run("resume", "trip", "--max-attempts", 1).code == 4
        assert len(platform.calls) > calls


@pytest.mark.usefixtures("platform")
def test_settle_needs_to_know_which_and_how(run: Any, people: Path) -> None:
    run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip")
    for options, says in [
        (["--sent", "--rows", people], "no column ClientRef"),
        (["--sent", "--rows", "absent.csv"], "no file absent.csv"),
    ]:
        ended = run("settle", "trip", *options)
        assert ended.code == 2
        assert says in ended.complaint


def test_settle_does_not_guess(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", UNKNOWN)
    assert run("send", file, "--message", MESSAGE, "--yes", "--campaign", "trip").code == 4
    ended = run("settle", "trip")
    run("resume", "trip")
    assert len(platform.calls) == 1
    assert ended.code == 2
    assert "--sent" in ended.complaint


def test_settle_takes_one_of_the_two(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", UNKNOWN)
    run("send", file, "--message", MESSAGE, "--yes", "--campaign", "trip")
    for flags in (["--sent", "--not-sent"], ["--not-sent", "--sent"]):
        ended = run("settle", "trip", *flags)
        assert ended.code == 2
        assert "one of the two" in ended.complaint
    run("resume", "trip")
    assert len(platform.calls) == 1


def test_purge(run: Any, platform: Sandbox, people: Path, home: Path) -> None:
    assert run("purge").out == "There was nothing to purge.\n"
    run("send", people, "--message", "Dear {{ name }}, a very telling text", "--yes", "--campaign", "trip")
    assert run("purge").out == "There was nothing to purge.\n"
    assert run("purge", "--campaign", "trip") == Ended(0, "Purged: trip\n", "")
    assert all(b"telling" not in path.read_bytes() for path in home.iterdir())
    assert all(b"7700900100" not in path.read_bytes() for path in home.iterdir())
    assert run("campaigns", "--json").data[0]["accepted"] == 2
    for command in ("results", "resume"):
        ended = run(command, "trip")
        assert ended.code == 2
        assert "was purged" in ended.complaint
    assert len(platform.calls) == 1


def test_an_age_below_nothing_is_refused(run: Any, platform: Sandbox, people: Path) -> None:
    run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip")
    ended = run("purge", "--older-than-days", "-1")
    assert ended.code == 2
    assert len(platform.calls) == 1


def begun_days_ago(home: Path, days: int) -> None:
    with closing(sqlite3.connect(journal_of(home))) as database, database:
        database.execute("UPDATE campaigns SET created_at = created_at - ?", (days * 86_400,))


@pytest.mark.parametrize(
    ("options", "typed", "code"),
    [([], None, 2), ([], "n\n", 2), ([], "y\n", 0), (["--late"], None, 0), (["--late"], "", 0)],
)
@pytest.mark.parametrize("command", ["resume", "send"])
def test_going_on_on_a_later_day_asks_first(
    command: str,
    options: list[str],
    typed: str | None,
    code: int,
    run: Any,
    platform: Sandbox,
    people: Path,
    home: Path,
) -> None:
    send = ["send", people, "--message", MESSAGE, "--yes", "--max-attempts", 1]
    platform.stop()
    run(*send, "--campaign", "trip")
    platform.start()
    begun_days_ago(home, 3)
    ended = run(*(["resume", "trip"] if command == "resume" else send), *options, typed=typed)
    assert ended.code == code
    assert ("still true?" in ended.err) == (not options)
    assert ("--late" in ended.err) == (not options)
    assert len(platform.queued) == (2 if code == 0 else 0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GCBULK_CUSTOMER_ID", "7", "belongs to customer 1469, not 7"),
        ("GCBULK_BASE_URL", "http://127.0.0.1:9", "was begun at"),
    ],
)
def test_a_campaign_is_resumed_where_it_was_begun(
    name: str, value: str, says: str, run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip")
    monkeypatch.setenv(name, value)
    ended = run("resume", "trip")
    assert ended.code == 2
    assert says in ended.complaint
    assert len(platform.calls) == 1


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("07700 900100", id="UK"),
        pytest.param("+353 85 012 3456", id="Ireland"),
    ],
)
def test_whoever_has_opted_out_meanwhile_is_not_sent_to(
    number: str, run: Any, platform: Sandbox, tmp_path: Path
) -> None:
    file = write(tmp_path / "people.csv", number, "07700 900101")
    (tmp_path / "no.csv").write_text(f"Mobile\n{number}\n", encoding="utf-8")
    platform.stop()
    send = ["send", file, "--message", MESSAGE, "--yes", "--campaign", "trip", "--max-attempts", 1, "--international"]
    assert run(*send).code == 3
    platform.start()
    run("resume", "trip", "--opt-outs", "no.csv", "--recipients", file, "--out", "results.csv")
    assert column(tmp_path / "results.csv", "Status") == ["opted_out", "accepted"]
    assert [entry.recipient for entry in platform.queued] == ["+447700900101"]


# -- credentials


@pytest.mark.parametrize(
    ("key", "fault", "code", "word"),
    [(None, None, 0, "valid"), ("mistyped", None, 3, "invalid"), (None, "http-500", 3, "cannot tell")],
)
def test_check_credentials(
    key: str | None, fault: str | None, code: int, word: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(on_call=lambda _call: fault) as sandbox:
        use(sandbox, monkeypatch)
        if key:
            monkeypatch.setenv("GCBULK_API_KEY", key)
        ended = run("check-credentials")
        assert ended.code == code
        assert ended.out.startswith(f"{word}: ")
        assert ended.out.count("\n") == 1
        assert sandbox.queued == []


class Drawer(KeyringBackend):
    """A keyring in memory."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


def test_login_keeps_the_key_for_its_address_alone(
    run: Any, sandbox: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawer = Drawer()
    monkeypatch.setattr(keyring.core, "_keyring_backend", drawer)
    monkeypatch.setattr("getpass.getpass", lambda *_prompt: sandbox.api_key)
    monkeypatch.setenv("GCBULK_BASE_URL", sandbox.url)
    stored = run("login", "--customer-id", "1469")
    assert stored.code == 0
    assert sandbox.url in stored.out
    assert sandbox.api_key not in stored.out + stored.err
    assert run("check-credentials").code == 0
    assert run("send", people, "--message", MESSAGE, "--yes").code == 0
    monkeypatch.setenv("GCBULK_BASE_URL", "http://127.0.0.1:9")
    assert run("check-credentials").code == 2
    monkeypatch.setenv("GCBULK_BASE_URL", sandbox.url)
    assert "is stored now" in run("login", "--customer-id", "1469", "--forget").out
    assert drawer.kept == {}
    assert run("check-credentials").code == 2


@posix_only
def test_login_without_a_keyring(people: Path) -> None:
    for option in ([], ["--forget"]):
        ended = subprocess.run(
            [sys.executable, "-m", "gcbulk", "login", "--customer-id", "1469", *option],
            env=os.environ | {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
            input="a-very-secret-key\n",
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
            check=False,
            start_new_session=True,
        )
        assert ended.returncode == 2
        assert "no keyring" in Ended(2, ended.stdout, ended.stderr).complaint
        assert "a-very-secret-key" not in ended.stdout + ended.stderr


# -- the sandbox


def test_the_magic_numbers_are_listed(run: Any) -> None:
    ended = run("sandbox", "--numbers")
    assert (ended.code, ended.err) == (0, "")
    numbers = [line[:12] for line in ended.out.splitlines()]
    assert len(set(numbers)) == len(numbers) > 20
    assert all(re.fullmatch(r"07700 900\d{3}", number) for number in numbers)
    assert {PERMISSION, UNAUTHORISED, RATE, UNKNOWN, REFUSED} <= set(numbers)


@posix_only
def test_the_sandbox_serves_until_ctrl_c(run: Any, people: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "gcbulk", "sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with server:
        try:
            assert server.stdout is not None
            lines = [server.stdout.readline() for _ in range(5)]
            settings = dict(re.findall(r"^  (GCBULK_\w+)=(\S+)$", "".join(lines), re.MULTILINE))
            assert settings.keys() == {"GCBULK_BASE_URL", "GCBULK_CUSTOMER_ID", "GCBULK_API_KEY"}
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
            assert run("check-credentials").code == 0
            assert run("send", people, "--message", MESSAGE, "--yes").code == 0
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=SECONDS)
        finally:
            server.kill()
    assert (server.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken(run: Any, sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    ended = run("sandbox", "--port", port)
    assert ended.code == 2
    assert f"Port {port} cannot be used" in ended.complaint
    assert "--port" in ended.complaint


def test_a_port_that_cannot_be(tmp_path: Path) -> None:
    ended = process("sandbox", "--port", 70000, cwd=tmp_path)
    assert (ended.code, ended.out) == (2, "")
    assert "ort" in ended.complaint
    assert "70000" in ended.complaint


# -- files as they come

ROWS = [
    ["Name", "Parent Mobile", "Note", "Reg"],
    ["Zoë O’Neill", "07700 900100", "café", "007"],
    ["  Ann ", "bad", "", "1e5"],
    ["NA", "07700 900101", "£5; 6,7\t8", "NULL"],
    ["Søren", "07700 900102", 'says "hi"', "=1+1"],
]
FORMS = {
    "UTF-8": ("utf-8", ",", "\n"),
    "UTF-8 with mark": ("utf-8-sig", ",", "\r\n"),
    "Windows-1252": ("cp1252", ",", "\r\n"),
    "UTF-16": ("utf-16", "\t", "\r\n"),
    "semicolons": ("utf-8-sig", ";", "\r\n"),
    "tabs": ("utf-8", "\t", "\n"),
    "pipes": ("cp1252", "|", "\r\n"),
}


@pytest.mark.parametrize(("encoding", "delimiter", "end"), FORMS.values(), ids=FORMS.keys())
def test_every_cell_of_the_input_is_in_the_results(
    encoding: str, delimiter: str, end: str, run: Any, platform: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "people.txt"
    with file.open("w", encoding=encoding, newline="") as opened:
        csv.writer(opened, delimiter=delimiter, lineterminator=end).writerows(ROWS)
    ended = run("send", file, "--message", "Dear {{ name }}, {{ reg }}", "--yes", "--out", "results.csv")
    assert ended.code == 0
    assert keeps_the_input(tmp_path / "results.csv", ROWS)
    texts = {entry.text for entry in platform.queued}
    assert texts == {"Dear Zoë O'Neill, 007", "Dear NA, NULL", "Dear Søren, =1+1"}
    has_mark = (tmp_path / "results.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert has_mark == (encoding != "utf-8")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_cell_of_several_lines_is_kept(end: str, run: Any, platform: Sandbox, tmp_path: Path) -> None:
    rows = [["Name", "Address", "Mobile"], ["Ann", f"1 High Street{end}Anytown", "07700 900100"], ["Bob", "", "bad"]]
    with (tmp_path / "people.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, lineterminator=end).writerows(rows)
    assert run("send", "people.csv", "--message", "Hello {{ name }}", "--yes", "--out", "results.csv").code == 0
    assert keeps_the_input(tmp_path / "results.csv", rows)
    assert len(platform.queued) == 1


def test_a_message_file_is_the_text_itself(run: Any, platform: Sandbox, people: Path) -> None:
    (people.parent / "text.txt").write_bytes("\ufeffDear {{ name }},\r\nschool is closed – sorry.\r\n".encode())
    assert run("send", people, "--message-file", "text.txt", "--yes").code == 0
    assert platform.queued[0].text.splitlines() == ["Dear Parent 0,", "school is closed - sorry."]


# -- nothing secret is shown

KEY = "a-very-secret-key"


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("faults", "code"), [({"http-500"}, 4), ({"permission-denied"}, 3), ({"http-401"}, 3), ({"html"}, 4)]
)
def test_the_key_is_nowhere(
    faults: set[str], code: int, run: Any, people: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (fault,) = faults
    with Sandbox(api_key=KEY, on_call=lambda _call: fault) as sandbox:
        use(sandbox, monkeypatch)
        command = ["send", people, "--message", MESSAGE, "--yes", "--out", "results.csv", "--not-told", "phone.csv"]
        ended = run(*command, "--json", "--campaign", "trip", "--max-attempts", 1)
    assert ended.code == code
    assert (home / "journal.sqlite3").exists()
    assert KEY not in ended.out + ended.err
    assert KEY.encode() not in everything_in(people.parent)


def test_the_key_is_nowhere_after_a_crash(people: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With -wal and all: the process is killed, so that nothing is tidied up."""
    under_way = threading.Event()
    with Sandbox(api_key=KEY, latency=SECONDS, on_call=lambda _call: under_way.set()) as sandbox:
        use(sandbox, monkeypatch)
        with started("send", str(people), "--message", MESSAGE, "--yes", cwd=people.parent) as sender:
            try:
                assert under_way.wait(SECONDS)
            finally:
                sender.kill()
            out, err = sender.communicate(timeout=SECONDS)
    assert (home / "journal.sqlite3-wal").exists()
    assert KEY not in out + err
    assert KEY.encode() not in everything_in(people.parent)
    assert b"7700900100" in everything_in(home)


@pytest.mark.parametrize("kind", [ValueError, KeyError, OSError, RecursionError, NotImplementedError])
def test_an_unexpected_failure_shows_neither_numbers_nor_keys(
    kind: type[Exception], run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in_planning(monkeypatch, kind)
    ended = run("send", people, "--message", MESSAGE, "--yes", "--out", "results.csv")
    assert (ended.code, ended.out) == (1, "")
    assert kind.__name__ in ended.complaint
    assert "900123" not in ended.err
    assert KEY not in ended.err
    assert platform.calls == []


@pytest.mark.parametrize("kind", [AssertionError, ImportError, MemoryError, UserWarning, jinja2.TemplateError])
def test_no_failure_at_all_shows_numbers_or_keys(
    kind: type[Exception], run: Any, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_in_planning(monkeypatch, kind)
    ended = run("send", people, "--message", MESSAGE, "--sandbox", "--yes")
    assert ended.code == 1
    assert kind.__name__ in ended.complaint
    assert "900123" not in ended.err
    assert KEY not in ended.err


def fail_in_planning(monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise kind(f"+447700900123 {KEY}")

    monkeypatch.setattr(plan_module, "annotated", fail)


FAILS_IN_A_THREAD = f"""
import gcbulk.api.client, gcbulk.cli

def fail(*arguments, **options):
    raise ValueError("+447700900123 {KEY}")

gcbulk.api.client.interpret = fail
gcbulk.cli.main()
"""


def test_a_failure_in_a_sending_thread_shows_neither_numbers_nor_keys(people: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAILS_IN_A_THREAD, "send", people, "--message", MESSAGE, "--yes", "--sandbox"],
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert "ValueError" in ended.stderr
    assert "900123" not in ended.stderr
    assert KEY not in ended.stderr


# -- files that are not to be harmed


@pytest.mark.usefixtures("platform")
@pytest.mark.parametrize("option", ["--out", "--not-told"])
def test_the_results_never_replace_the_journal(option: str, run: Any, people: Path) -> None:
    run("send", people, "--message", MESSAGE, "--yes", "--journal", "mine.sqlite3", option, "mine.sqlite3")
    assert run("campaigns", "--journal", "mine.sqlite3").code == 0


@posix_only
@pytest.mark.usefixtures("platform")
def test_a_file_that_is_no_journal_is_left_as_it_was(run: Any, people: Path) -> None:
    people.chmod(0o644)
    before = people.read_bytes()
    assert run("send", people, "--message", MESSAGE, "--yes", "--journal", people).code == 2
    assert people.read_bytes() == before
    assert people.stat().st_mode & 0o777 == 0o644


def test_results_that_cannot_be_written_are_not_called_bad_input(
    run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gcbulk.recipients.writing.os.fsync", full)
    ended = run("send", people, "--message", MESSAGE, "--yes", "--out", "results.csv", "--campaign", "trip")
    assert len(platform.queued) == 2
    assert "results.csv" in ended.complaint
    assert "No space left" in ended.complaint
    assert sorted(path.name for path in people.parent.iterdir()) == ["home", "people.csv"]
    assert ended.code != 2


def test_a_list_that_is_moved_away_in_mid_run_is_not_needed(
    run: Any, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = table(people)
    with Sandbox(on_call=lambda _call: people.unlink()) as sandbox:
        use(sandbox, monkeypatch)
        ended = run("send", people, "--message", MESSAGE, "--yes", "--out", "results.csv")
    assert ended.code == 0
    assert keeps_the_input(people.parent / "results.csv", given)


def test_an_opt_out_that_is_no_number_brings_a_warning(run: Any, platform: Sandbox, people: Path) -> None:
    (people.parent / "no.txt").write_text("07700 900100\nask Mrs Bell\n", encoding="utf-8")
    ended = run("send", people, "--message", MESSAGE, "--yes", "--opt-outs", "no.txt", "--json")
    assert ended.code == 0
    assert ended.data["statuses"] == {"accepted": 1, "opted_out": 1}
    assert len(re.findall(r"^Warning: 1 of 2 entries in the opt-out list .* line 2\.$", ended.err, re.MULTILINE)) == 1
    assert [entry.recipient for entry in platform.queued] == ["+447700900101"]


@pytest.mark.usefixtures("platform")
def test_a_name_that_no_database_can_hold_is_refused(run: Any, people: Path) -> None:
    ended = run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip \udcff")
    assert ended.code == 2
    assert "campaign" in ended.complaint


# -- lists and workbooks


def test_a_workbook_in_and_workbooks_out(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    rows = [["Name", "Parent Mobile"], ["Ann", 7700900100], ["Bob", "020 7946 0123"], ["Col", "07700 900101"]]
    (tmp_path / "people.xlsx").write_bytes(xlsx({"Cover": [["Example School"], ["x"]], "Year 7": rows}))
    lost = run("send", "people.xlsx", "--message", MESSAGE, "--yes", "--sheet", "Year 9")
    assert lost.code == 2
    assert 'no sheet "Year 9". Its sheets are: "Cover", "Year 7"' in lost.complaint
    command = ["send", "people.xlsx", "--sheet", "year 7", "--message", MESSAGE, "--yes", "--campaign", "trip"]
    ended = run(*command, "--out", "results.xlsx", "--not-told", "phone.xlsx")
    assert ended.code == 0
    assert 'people.xlsx: Read the sheet "Year 7".' in ended.err
    results = gcbulk.read_recipients(tmp_path / "results.xlsx")
    assert results["Parent Mobile"].tolist() == ["7700900100", "020 7946 0123", "07700 900101"]
    assert results["SentTo"].tolist() == ["+447700900100", "", "+447700900101"]
    assert [entry.recipient for entry in platform.queued] == ["+447700900100", "+447700900101"]
    phone = gcbulk.read_recipients(tmp_path / "phone.xlsx")
    assert phone.to_dict("list") == {"Name": ["Bob"], "Parent Mobile": ["020 7946 0123"]}
    again = run("results", "trip", "--recipients", "people.xlsx", "--sheet", "Year 7", "--out", "again.xlsx")
    assert again.code == 0
    assert gcbulk.read_recipients(tmp_path / "again.xlsx").equals(results)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_rows_to_mend_go_back_to_the_office_and_come_in_again(suffix: str, run: Any, tmp_path: Path) -> None:
    write(tmp_path / "people.csv", "07700 900100", "020 7946 0123", "0770 court order", "7700900101")
    ended = run("validate", "people.csv", "--invalid-out", f"mend.{suffix}", "--out", f"checked.{suffix}")
    assert ended.code == 0
    assert f"To mend: mend.{suffix}" in ended.err
    mend = gcbulk.read_recipients(tmp_path / f"mend.{suffix}")
    assert mend.to_numpy().tolist() == [["Parent 1", "020 7946 0123"], ["Parent 2", "0770 court order"]]
    assert run("validate", f"mend.{suffix}", "--json").data["statuses"] == {"invalid": 2}
    checked = run("validate", f"checked.{suffix}", "--json")
    assert checked.data["statuses"] == {"ready": 2, "invalid": 2}
    same = run("validate", "people.csv", "--out", "x.csv", "--invalid-out", "./x.csv")
    assert (same.code, "--invalid-out" in same.complaint) == (2, True)


def test_several_columns_of_numbers(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(
        "Name,Mother Mobile,Father Mobile\nAnn,n/a,07700 900101\nBob,07700 900102,07700 900103\n", encoding="utf-8"
    )
    several = ["--number-columns", "Mother Mobile", "--number-columns", "father mobile"]
    assert "--number-columns" in run("validate", "people.csv").complaint
    command = ["people.csv", *several, "--message", MESSAGE]
    assert "Sends 2 texts" in run("preview", *command).out
    sent = run("send", *command, "--yes", "--out", "first.csv")
    assert sent.code == 0
    assert column(tmp_path / "first.csv", "SentTo") == ["+447700900101", "+447700900102"]
    each = run("send", *command, "--row-per-number", "--yes", "--campaign", "each", "--out", "each.csv")
    assert each.code == 0
    assert column(tmp_path / "each.csv", "Number") == ["07700 900101", "07700 900102", "07700 900103"]
    assert column(tmp_path / "each.csv", "Status") == ["duplicate", "duplicate", "accepted"]
    assert len(platform.queued) == 3
    again = run(*("results", "each", "--recipients", "people.csv", *several, "--row-per-number", "--out", "again.csv"))
    assert again.code == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "each.csv").read_bytes()


def test_one_text_a_number(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    write(tmp_path / "people.csv", "07700 900100", "+447700900100")
    command = ["send", "people.csv", "--message", MESSAGE, "--yes"]
    ended = run(*command, "--one-per-number")
    assert ended.code == 0
    assert "Warning: 1 text that differ" in ended.err
    assert statuses(ended) == {"rows": 2, "accepted": 1, "duplicate": 1}
    assert statuses(run(*command)) == {"rows": 2, "accepted": 1, "duplicate": 1}
    assert len(platform.queued) == 2


def test_how_a_list_was_read_is_said(run: Any, tmp_path: Path) -> None:
    content = "Absent today\r\n\r\nYear,Name,Mobile,Name\r\n7,Zoë,07700 900100\r\n".encode("cp1252")
    (tmp_path / "people.csv").write_bytes(content)
    ended = run("validate", "people.csv")
    assert ended.code == 0
    assert ended.err.splitlines() == [
        "Warning: people.csv is not UTF-8, and was read as Windows-1252. Check the letters with accents in line 4.",
        "Warning: people.csv has fewer cells in line 4 than in its header. The missing ones were left blank.",
        'Warning: people.csv has more than one column called "Name". They were numbered: (1), (2).',
        "people.csv: Read as Windows-1252 text.",
        "people.csv: Left out line 1, above the header.",
    ]


def test_an_opt_out_list_of_one_s_own(run: Any, platform: Sandbox, people: Path, tmp_path: Path) -> None:
    assert run("opt-outs", "list").out == "Nobody is on the list.\n"
    (tmp_path / "more.txt").write_text("07700 900199\nnobody\n", encoding="utf-8")
    assert run("opt-outs", "add", "7700900100", "+44 7700 900198").out == "2 added. 2 on the list.\n"
    added = run("opt-outs", "add", "--file", "more.txt")
    assert added.out == "1 added. 3 on the list.\n"
    assert "Warning: 1 of 2 entries in the opt-out list is no mobile number" in added.err
    listed = run("opt-outs", "list", "--json").data
    assert [row["Mobile"] for row in listed] == ["+447700900100", "+447700900198", "+447700900199"]
    assert "+447700900198" in run("opt-outs", "list").out
    assert run("validate", people, "--json").data["statuses"] == {"opted_out": 1, "ready": 1}
    assert run("preview", people, "--message", MESSAGE, "--json").data["statuses"] == {"opted_out": 1, "ready": 1}
    assert statuses(run("send", people, "--message", MESSAGE, "--yes")) == {"rows": 2, "accepted": 1, "opted_out": 1}
    assert run("opt-outs", "remove", "07700 900100", "07700 900100").out == "1 removed. 2 on the list.\n"
    assert "None of these was on the list" in run("opt-outs", "remove", "07700 900100").out
    assert [entry.recipient for entry in platform.queued] == ["+447700900101"]
    for wrong in ([], ["07700 900100", "--file", "more.txt"]):
        assert "one of the two" in run("opt-outs", "add", *wrong).complaint


def test_the_list_of_one_s_own_holds_for_what_is_resumed(run: Any, platform: Sandbox, people: Path) -> None:
    platform.stop()
    assert run("send", people, "--message", MESSAGE, "--yes", "--campaign", "trip", "--max-attempts", 1).code == 3
    platform.start()
    run("opt-outs", "add", "07700 900100")
    assert statuses(run("resume", "trip")) == {"rows": 2, "accepted": 1, "opted_out": 1}
    assert [entry.recipient for entry in platform.queued] == ["+447700900101"]


# -- what is written about it

COMMANDS = sorted(cli.cli.commands)


def test_every_command_is_in_the_help_and_in_the_readme(run: Any) -> None:
    ended = run("--help")
    assert ended.code == 0
    assert sorted(re.findall(r"^  ([a-z-]+)  +\S", ended.out.partition("Commands:")[2], re.MULTILINE)) == COMMANDS
    block = README.partition("## On the command line")[2].split("```")[1]
    assert sorted(re.findall(r"^gcbulk ([a-z-]+)", block, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize(
    "command",
    ["", *COMMANDS],
)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_fits_the_page(command: str, option: str, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ended = run(*command.split(), option)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: gcbulk {command}".rstrip())
    assert [line for line in ended.out.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    silent = [
        parameter.opts
        for parameter in cli.cli.commands[name].params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert silent == []


def test_what_the_docs_and_the_sentences_name_is_there() -> None:
    groups = [group for group in cli.cli.commands.values() if isinstance(group, click.Group)]
    options = {
        option
        for command in (
            *cli.cli.commands.values(),
            *(command for group in groups for command in group.commands.values()),
        )
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    benchmarks = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "benchmarks").glob("*.py"))
    options |= set(re.findall(r'"(--[a-z-]+)"', benchmarks))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", DOCS)) - options <= {"--help"}
    assert set(re.findall(r"\bgcbulk ([a-z-]+)\b(?= [A-Z-])", DOCS)) <= set(COMMANDS)


def test_the_readme_s_exit_codes_are_the_help_s(run: Any) -> None:
    told = dict(re.findall(r"^\| (\d+) \| ([^|;]+?) *[|;]", README, re.MULTILINE))
    helped = dict(re.findall(r"^  +(\d+)  (.+)$", run("send", "--help").out, re.MULTILINE))
    assert told.keys() == helped.keys() == {"0", "1", "2", "3", "4", "5", "6", "130"}
    assert all(helped[code].startswith(words) for code, words in told.items())


def test_the_program_is_this_command_line() -> None:
    (program,) = entry_points(group="console_scripts", name="gcbulk")
    assert program.load() is cli.main


def test_version_and_no_command(run: Any) -> None:
    assert run("--version").out == f"gcbulk, version {gcbulk.__version__}\n"
    ended = run("sned", "people.csv")
    assert ended.code == 2
    assert "sned" in ended.complaint


def test_an_interrupt_after_texts_went_does_not_say_that_nothing_was_sent(
    run: Any, platform: Sandbox, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gcbulk.campaign.delivering.known_results", interrupted)
    ended = run("send", people, "--message", MESSAGE, "--yes")
    assert platform.queued
    assert ended.code == 130
    assert ended.complaint == "Error: Interrupted. What was sent, if anything, is in the journal: gcbulk campaigns"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.usefixtures("platform")
def test_results_are_written_where_nobody_listens_any_more(people: Path, tmp_path: Path) -> None:
    arguments = ["send", str(people), "--message", MESSAGE, "--yes", "--json", "--out", "r.csv", "--not-told", "n.csv"]
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gcbulk", *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert set(column(tmp_path / "r.csv", "Status")) == {"accepted"}
    assert (tmp_path / "n.csv").exists()


def test_where_nothing_is_to_be_sent_nothing_is_asked(run: Any, platform: Sandbox, tmp_path: Path) -> None:
    file = write(tmp_path / "people.csv", "n/a")
    ended = run("send", file, "--message", MESSAGE)
    assert ended.code == 6
    assert not platform.calls
