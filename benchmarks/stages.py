"""Each stage of a campaign against a named alternative: what is measured, on how many rows, against what.

    python -m benchmarks.stages STAGE ROWS [--rounds 3] [--profile]

One stage at one size, in a process of its own, the contestants by turns; prints one JSON object. `python -m benchmarks`
runs them all and makes a table of it.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import sqlite3
import statistics
import tempfile
import threading
import time
import warnings
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import requests

import gcbulk
from benchmarks import receiving, rendering, sending, validating
from benchmarks.journalling import half_sent
from benchmarks.planned import planned
from benchmarks.reading import write_list
from gcbulk.api.client import CommunicationsClient
from gcbulk.campaign.callback_url import campaign_url
from gcbulk.campaign.journal import Journal, callback_token, go_on
from gcbulk.campaign.plan import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    Contest = tuple[Callable[[], object], Callable[[], object], int]
    """What we do, what the alternative does, and on how many rows the alternative does it."""

SLOW_ROWS: Final = 20_000
"""Rows for an alternative that goes row by row."""
VENDORS_ROWS: Final = 100
PROFILED: Final = 6
CHUNK, CONCURRENCY = 100, 8


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: `prepare` makes the contest for a number of rows; its own seconds, where it tells them, count."""

    name: str
    alternative: str
    prepare: Callable[[int, ExitStack], Contest]
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    full: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a stage at one size: medians in seconds, the most memory held in bytes, where the time went."""

    rows: int
    seconds: float
    their_rows: int
    their_seconds: float
    peak: int
    profile: tuple[tuple[str, float], ...] = ()

    @property
    def ratio(self) -> float:
        """Our rows a second, of the alternative's."""
        return (self.rows / self.seconds) / (self.their_rows / self.their_seconds)


def reading(rows: int, stack: ExitStack) -> Contest:
    """A CSV of 11 columns."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "pupils.csv"
    write_list(path, rows)
    return partial(gcbulk.read_recipients, path), lambda: pd.read_csv(path, dtype=str), rows


def validate(rows: int, _stack: ExitStack) -> Contest:
    """Mobiles as offices write them."""
    people = validating.people(rows)
    part = people["Parent Mobile"].head(SLOW_ROWS)
    return partial(gcbulk.validate, people), lambda: validating.looped(part), len(part)


def render(rows: int, _stack: ExitStack) -> Contest:
    """Texts of two plain fields, rendered and counted."""
    people = rendering.people(rows)
    part = people.head(SLOW_ROWS)
    return partial(rendering.ours, people), partial(rendering.row_by_row, part), len(part)


def plan(rows: int, _stack: ExitStack) -> Contest:
    """Numbers checked, texts rendered and looked through, calls made of them."""
    people = sending.recipients(rows).join(rendering.people(rows))
    part = people.head(SLOW_ROWS)

    def row_by_row() -> None:
        validating.looped(part["mobile"])
        rendering.row_by_row(part)

    return partial(make_plan, people, rendering.TEXT), row_by_row, len(part)


def journal(rows: int, stack: ExitStack) -> Contest:
    """A plan written to a journal in a file."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    plan = make_plan(sending.recipients(rows), sending.TEXT)
    numbers = iter(range(1_000))

    def ours() -> None:
        with Journal(folder / f"{next(numbers)}.sqlite3") as book:
            planned(book, plan, "campaign").end()

    def theirs() -> None:
        pairs = zip(plan.frame["SentTo"].tolist(), plan.frame["Text"].tolist(), strict=True)
        with closing(sqlite3.connect(folder / f"{next(numbers)}.bare")) as bare, bare:
            bare.execute("CREATE TABLE texts (address, text)")
            bare.executemany("INSERT INTO texts VALUES (?, ?)", pairs)

    return ours, theirs, rows


def send(rows: int, stack: ExitStack, *, latency_ms: float) -> Contest:
    """Claims, calls and settlements, the rows in the journal already."""
    url, customer_id, key = stack.enter_context(sending.server(latency_ms))
    client = stack.enter_context(CommunicationsClient(customer_id, key, base_url=url))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    planned = make_plan(sending.recipients(rows), sending.TEXT)
    bodies = sending.bodies_of(planned, CHUNK, customer_id, key)
    numbers = iter(range(1_000))

    def forgotten(seconds: float) -> float:
        requests.post(f"{url}/sandbox/reset", timeout=60).raise_for_status()
        return seconds

    def ours() -> float:
        file = str(folder / f"{next(numbers)}.sqlite3")
        return forgotten(sending.ours(planned, file, client, CHUNK, CONCURRENCY))

    return ours, lambda: forgotten(sending.bare_loop(url, bodies, CONCURRENCY)), rows


def vendor(rows: int, stack: ExitStack) -> Contest:
    """The same against the vendor's published pattern: one call after another, one recipient each."""
    ours, _, _ = send(rows, stack, latency_ms=50)
    url, customer_id, key = stack.enter_context(sending.server(50))
    singles = sending.bodies_of(make_plan(sending.recipients(VENDORS_ROWS), sending.TEXT), 1, customer_id, key)
    return ours, lambda: sending.bare_loop(url, singles, 1), len(singles)


def resume(rows: int, stack: ExitStack) -> Contest:
    """A campaign of which half is sent, up to the first call."""
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal.sqlite3"
    book = stack.enter_context(Journal(file))
    half_sent(book, planned(book, make_plan(sending.recipients(rows), sending.TEXT), "campaign"))

    def ours() -> None:
        run = go_on(book, book.campaign("campaign"), lease=90.0)
        run.recall()
        book.batches_with(run.campaign, ["ready"])
        run.end()

    def theirs() -> None:
        with closing(sqlite3.connect(file)) as bare:
            bare.execute("SELECT position, address, text FROM recipients WHERE state = 'ready'").fetchall()

    return ours, theirs, rows


def receive(rows: int, stack: ExitStack) -> Contest:
    """Callbacks over HTTP as fast as they can be made, each in the journal before it is answered."""
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal.sqlite3"
    with Journal(file) as book:
        run = planned(book, make_plan(sending.recipients(1_000), sending.TEXT), "campaign")
        half_sent(book, run)
        refs = [str(record.client_ref) for record in book.records(run.campaign) if record.state == "accepted"]
        token = callback_token(book, run.campaign, "http://127.0.0.1:9")
    path = campaign_url("http://127.0.0.1:9/news", token).removeprefix("http://127.0.0.1:9")
    address = ["--port", "0", "--journal", str(file), "--public-url", "http://127.0.0.1:9/news"]
    ours = stack.enter_context(receiving.listening(["-m", "gcbulk", "callbacks", *address]))
    theirs = stack.enter_context(receiving.listening(["-c", receiving.DISCARD]))
    told: SimpleQueue[receiving.Load] = SimpleQueue()

    def made(port: int) -> float:
        receiving.report(port, path, refs, 2**20, rows / 2**20, told)  # faster than anybody can
        load = told.get()
        assert load.answers == {200: rows}, load.answers
        return load.seconds

    return partial(made, ours), partial(made, theirs), rows


def results(rows: int, stack: ExitStack) -> Contest:
    """A finished campaign back as a DataFrame."""
    file = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "journal.sqlite3"
    with Journal(file) as book:
        half_sent(book, planned(book, make_plan(sending.recipients(rows), sending.TEXT), "campaign"))

    def theirs() -> None:
        with closing(sqlite3.connect(file)) as bare:
            pd.read_sql("SELECT position, address, state, message_id, error_code FROM recipients", bare)

    return partial(gcbulk.campaign_results, "campaign", journal=file), theirs, rows


_TO_A_HUNDRED_THOUSAND: Final = (1_000, 10_000, 100_000)
STAGES: Final = {
    stage.name: stage
    for stage in (
        Stage("reading", "pandas.read_csv", reading),
        Stage("validating", "phonenumbers, row by row", validate),
        Stage("rendering", "jinja2, row by row", render),
        Stage("planning", "phonenumbers and jinja2, row by row", plan),
        Stage("journalling", "sqlite3, numbers and texts alone", journal),
        Stage("sending, 0 ms", "bare requests pool", partial(send, latency_ms=0), _TO_A_HUNDRED_THOUSAND, (10**6,)),
        Stage("sending, 50 ms", "bare requests pool", partial(send, latency_ms=50), _TO_A_HUNDRED_THOUSAND, (10**6,)),
        Stage("sending, 200 ms", "bare requests pool", partial(send, latency_ms=200), (1_000, 10_000), (100_000,)),
        Stage("sending, 50 ms, 2", "the vendor's pattern", vendor, (10_000,)),
        Stage("resuming", "sqlite3, the rows that are left", resume),
        Stage("receiving callbacks", "a server that throws them away", receive, (1_000, 10_000), (100_000,)),
        Stage("results", "pandas.read_sql", results),
    )
}


def measure(stage: Stage, rows: int, *, rounds: int, profiled: bool) -> Measured:
    """Run both by turns; then, if it is asked for, ours once more to see where its time goes."""
    warnings.simplefilter("ignore", gcbulk.GcbulkWarning)
    with ExitStack() as stack:
        ours, theirs, their_rows = stage.prepare(rows, stack)
        times: list[float] = []
        others: list[float] = []
        peaks: list[int] = []
        for number in range(rounds + (rows <= SLOW_ROWS)):
            with validating.Peak() as peak:
                took = _seconds(ours)
            other = _seconds(theirs)
            if number or rows > SLOW_ROWS:  # the first small one loads what is loaded once
                times.append(took)
                others.append(other)
                peaks.append(peak.most)
        where = _profile(ours) if profiled else ()
    return Measured(rows, statistics.median(times), their_rows, statistics.median(others), max(peaks), where)


def _seconds(work: Callable[[], object]) -> float:
    """How long it takes; what tells its own seconds knows better than the clock around it."""
    told: list[object] = []
    around = validating.seconds(lambda: told.append(work()))
    return told[0] if isinstance(told[0], float) else around


def _profile(work: Callable[[], object]) -> tuple[tuple[str, float], ...]:
    """The functions in which all threads spent most, by own processor time, each with its share: waiting is none."""
    profiles = [cProfile.Profile(time.thread_time)]

    def begin(*_event: object) -> None:
        profiles.append(cProfile.Profile(time.thread_time))
        profiles[-1].enable()

    threading.setprofile(begin)  # called once in each thread that begins: the profile takes its place there
    try:
        profiles[0].runcall(work)
    finally:
        threading.setprofile(None)
    own: Counter[tuple[str, int, str]] = Counter()
    for profile in profiles:
        stats: Any = pstats.Stats(profile)
        own.update({where: took[2] for where, took in stats.stats.items()})
    total = own.total() or 1.0
    return tuple((_told(where), seconds / total) for where, seconds in own.most_common(PROFILED))


def _told(where: tuple[str, int, str]) -> str:
    file, _, name = where
    return name if file == "~" else f"{Path(file).parent.name}/{Path(file).name} {name}"


def main() -> None:
    """Measure one stage at one size and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("rows", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    found = measure(STAGES[given.stage], given.rows, rounds=given.rounds, profiled=given.profile)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
