"""What a list larger than memory costs: `gcbulk send big.csv`, planned, sent and written in pieces.

    python -m benchmarks.large [--rows 1000000 3000000] [--chunk 1000]

Each size is sent by a process of its own, whose peak memory is measured, to `benchmarks.stand_in`, which accepts
everything at once; the journal is on disk. The named alternative is the same list in one piece (`--whole-rows`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.reading import write_list

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "Dear {{ parent_name }}, {{ forename }} is not in school today. Please call us."
POLL = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a command, and the most memory that it had at any time, in MiB."""

    seconds: float
    peak: float


def peak_of(process: psutil.Process, ended: threading.Event) -> float:
    """The most memory that a process has, until it has ended, in bytes."""
    peak = 0
    while not ended.wait(POLL):
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.Error:
            break
    return peak / 2**20


@contextmanager
def stand_in() -> Iterator[str]:
    """The address of a server that accepts everything, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.stand_in"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def send(folder: Path, rows: int, chunk: int, *, whole: bool) -> Cost:
    """Send a list of so many rows with the command, and write its results."""
    big = folder / "big.csv"
    write_list(big, rows)
    command = "import gcbulk.recipients.pieces as p; from gcbulk.cli import main; p.LARGE_FILE = {}; main()"
    with stand_in() as url:
        began = time.perf_counter()
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", command.format(1 << 60 if whole else 0), "send", str(big), "--yes"),
                *("--message", TEXT, "--number-column", "Parent Mobile", "--chunk-size", str(chunk)),
                *("--journal", str(folder / "journal.sqlite3"), "--out", str(folder / "results.csv")),
                *("--not-told", str(folder / "phone-these.csv"), "--concurrency", "8"),
            ],
            env={
                **os.environ,
                "GCBULK_BASE_URL": url,
                "GCBULK_CUSTOMER_ID": "1",
                "GCBULK_API_KEY": "none",
                "GCBULK_HOME": str(folder),
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ended, found = threading.Event(), [0.0]
        watching = threading.Thread(target=lambda: found.append(peak_of(psutil.Process(process.pid), ended)))
        watching.start()
        _, said = process.communicate()
        seconds = time.perf_counter() - began
        ended.set()
        watching.join()
    # numbers of chance: some are no mobiles, some come twice
    assert process.returncode == 0, said
    with (folder / "results.csv").open("rb") as results:
        assert sum(1 for _ in results) == rows + 1
    return Cost(seconds, max(found))


def main() -> None:
    """Send each size and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 3_000_000])
    parser.add_argument("--whole-rows", type=int, default=200_000, help="Rows of the same in one piece; 0 for none.")
    parser.add_argument("--chunk", type=int, default=1_000)
    given = parser.parse_args()
    print(f"{'':>12}{'rows':>12}{'MB of CSV':>12}{'seconds':>10}{'rows/s':>10}{'peak, MiB':>12}")
    sizes = [(given.whole_rows, True), (given.whole_rows, False), *((rows, False) for rows in given.rows)]
    for rows, whole in sizes:
        if not rows:
            continue
        with tempfile.TemporaryDirectory() as name:
            cost = send(Path(name), rows, given.chunk, whole=whole)
            size = (Path(name) / "big.csv").stat().st_size / 1e6
        how = "in one piece" if whole else "in pieces"
        print(f"{how:>12}{rows:>12,}{size:>12.0f}{cost.seconds:>10.0f}{rows / cost.seconds:>10.0f}{cost.peak:>12.0f}")


if __name__ == "__main__":
    main()
