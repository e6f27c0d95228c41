"""Rendering and part counting of a whole column against a per-row jinja2 render and a per-character count; previews.

    python -m benchmarks.rendering [--rows 1000000] [--rounds 3] [--preview-rows 100000]

The contestants go by turns on the same frame, each on every row. The memory is the peak of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

import jinja2
import pandas as pd
import psutil

import gcbulk
from benchmarks.sending import recipients
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import count_parts
from gcbulk.messages.template import Template

TEXT = (
    "Dear {{ parent_name }}, {{ forename }} is not in school today. Please call the office on 01632 960001 "
    "as soon as you can. Example School"
)
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")


def people(count: int) -> pd.DataFrame:
    """Invented parents and children, every text another one."""
    return pd.DataFrame(
        {"parent_name": [f"Ms Parent {n}" for n in range(count)], "forename": [f"Child {n}" for n in range(count)]}
    )


def ours(frame: pd.DataFrame) -> int:
    """Parts of all texts, column by column, as a plan renders and counts them."""
    template = Template(TEXT)
    written = template.write(template.cells(frame), TextOptions())
    return int(count_parts(written.frame["Text"])["Parts"].sum())


def row_by_row(frame: pd.DataFrame) -> int:
    """Parts of all texts: a jinja2 render for each row, and a look at each of its characters."""
    template = jinja2.Environment(autoescape=False).from_string(TEXT)
    total = 0
    for parent_name, forename in zip(frame["parent_name"], frame["forename"], strict=True):
        total += parts_of(template.render(parent_name=parent_name, forename=forename))
    return total


def parts_of(text: str) -> int:
    """The parts of one text, from the standard, a character at a time."""
    if all(character in BASIC or character in EXTENSION for character in text):
        sizes, single, multiple = [1 + (character in EXTENSION) for character in text], 160, 153
    else:
        sizes, single, multiple = [1 + (character > "\uffff") for character in text], 70, 67
    if sum(sizes) <= single:
        return 1
    parts, room = 1, multiple
    for size in sizes:
        if size > room:
            parts, room = parts + 1, multiple
        room -= size
    return parts


def peak_in_texts(rows: int) -> tuple[float, int]:
    """The peak of memory that rendering and counting take, above what the frame took: in texts' sizes, and bytes."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.rendering", "--rows", str(rows), "--memory"],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
    )
    peak, texts = json.loads(done.stdout)
    return peak / texts, texts


def measure_memory(rows: int) -> None:
    """Render and count once, and print the peak above the start, and the bytes of the texts."""
    import threading

    frame = people(rows)
    ours(people(1000))  # what the libraries load is no part of it
    process, samples, done = psutil.Process(), [0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.002):
            samples.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    template = Template(TEXT)
    written = template.write(template.cells(frame), TextOptions())
    counted = count_parts(written.frame["Text"])
    done.set()
    watcher.join()
    assert len(counted) == rows
    texts = int(written.frame["Text"].str.len().sum())  # one byte a character here
    print(json.dumps([max(samples) - before, texts]))


def preview_seconds(rows: int) -> float:
    """How long the whole preview takes in a warm process: validate, plan, lint, and both views."""
    frame = recipients(rows).join(people(rows))
    began = time.perf_counter()
    view = gcbulk.preview(frame, TEXT, price_per_part="0.035", sandbox=True)
    str(view), view.to_html(), view.summary()
    return time.perf_counter() - began


def main() -> None:
    """Run the contestants by turns and print rates, ratios and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--preview-rows", type=int, default=100_000)
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory:
        measure_memory(given.rows)
        return
    frame = people(given.rows)
    contestants = {"ours, whole columns": ours, "jinja2 and characters, row by row": row_by_row}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    totals = set()
    for _ in range(given.rounds):
        for name, contestant in contestants.items():
            began = time.perf_counter()
            totals.add(contestant(frame))
            seconds[name].append(time.perf_counter() - began)
    assert len(totals) == 1, totals
    slow = statistics.median(seconds["jinja2 and characters, row by row"])
    print(f"{given.rows} texts of two plain fields, median of {given.rounds} rounds")
    for name, times in seconds.items():
        middle = statistics.median(times)
        print(f"{name:36}{given.rows / middle:>12.0f} rows/s{slow / middle:>8.1f} times")
    peak, texts = peak_in_texts(given.rows)
    print(f"peak memory of ours: {peak:.2f} times the texts ({texts / 1e6:.0f} MB)")
    preview_seconds(1000)
    times = [preview_seconds(given.preview_rows) for _ in range(given.rounds)]
    print(f"preview of {given.preview_rows} rows, both views: {statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
