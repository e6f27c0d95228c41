"""What validating costs: `gcbulk.validate` against a loop that asks phonenumbers about every row.

    python -m benchmarks.validating [--rows 1000000] [--rounds 3]

The list: mobiles as offices write them, one in twenty odd (a lost zero, a note, a landline, a blank, ...), some
numbers twice, and 1,000 opt-outs. The loop (parse, is_valid_number, format_number) runs over a part of it.
"""

from __future__ import annotations

import argparse
import random
import statistics
import threading
import time
import warnings
from typing import TYPE_CHECKING

import pandas as pd
import phonenumbers
import psutil

import gcbulk

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

ODD: tuple[Callable[[str], str], ...] = (
    lambda number: number[1:],
    lambda number: f"{number[1:]}.0",
    lambda number: f"+44 (0){number[1:]}",
    lambda number: f"00 44 {number[1:]}",
    lambda number: f"{number} (mum)",
    lambda number: f"{number[:5]}.{number[5:8]}.{number[8:]}",
    lambda number: f"\u202a{number}\u202c",
    lambda number: f"{number} court order",
    lambda number: number[:-1],
    lambda number: f"020 7946 0{number[-3:]}",
    lambda number: f"+33 6 39 98 {number[-4:-2]} {number[-2:]}",
    lambda _number: "n/a",
)
LOOPED = 50_000  # rows for the loop
TURN = 0.01  # seconds between looks at the memory


def people(count: int) -> pd.DataFrame:
    """A list such as a large trust's, made in memory."""
    draw = random.Random(2026)
    numbers: list[str] = []
    for _ in range(count):
        number = f"07{draw.choice('4578')}{draw.randrange(10**8):08d}"
        if draw.random() < 0.02 and numbers:
            number = draw.choice(numbers)  # a sibling
        elif draw.random() < 0.05:
            number = draw.choice(ODD)(number)
        elif draw.random() < 0.5:
            number = f"{number[:5]} {number[5:]}"
        numbers.append(number)
    columns = {
        "Forename": [f"Pupil {n}" for n in range(count)],
        "Year": [str(7 + n % 5) for n in range(count)],
        "Parent Mobile": numbers,
    }
    return pd.DataFrame(columns, dtype="str")


def looped(numbers: pd.Series[str]) -> list[str | None]:
    """The obvious way: one row after another."""
    found: list[str | None] = []
    for written in numbers:
        try:
            number = phonenumbers.parse(written, "GB")
        except phonenumbers.NumberParseException:
            found.append(None)
            continue
        valid = phonenumbers.is_valid_number(number)
        found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else None)
    return found


class Peak:
    """The most memory that this process held while the block ran, in bytes."""

    def __enter__(self) -> Peak:
        self.most, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        process = psutil.Process()
        while True:
            self.most = max(self.most, process.memory_info().rss)
            if self._done.wait(TURN):
                return


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Run both by turns, at several sizes, and print rows per second and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore", gcbulk.GcbulkWarning)
    recipients = people(given.rows)
    opt_outs = recipients["Parent Mobile"].iloc[:: max(1, given.rows // 1000)].tolist()
    part = recipients["Parent Mobile"].head(LOOPED)
    gcbulk.validate(recipients.head(1000), opt_outs=opt_outs), looped(part.head(100))  # what is loaded once
    sizes = [size for size in (10_000, 100_000, given.rows) if size <= given.rows]
    times: dict[int, list[float]] = {size: [] for size in sizes}
    loop: list[float] = []
    with Peak() as peak:
        for _ in range(given.rounds):
            loop.append(seconds(lambda: looped(part)))
            for size in sizes:
                head = recipients.head(size)
                times[size].append(seconds(lambda head=head: gcbulk.validate(head, opt_outs=opt_outs)))  # type: ignore[misc]
    base = len(part) / statistics.median(loop)
    print(f"{'':34}{'rows':>10}{'seconds':>9}{'rows/s':>12}{'ratio':>8}")
    print(f"{'loop over phonenumbers':34}{len(part):>10}{statistics.median(loop):>9.2f}{base:>12,.0f}{1:>8.1f}")
    for size, taken in times.items():
        middle = statistics.median(taken)
        print(f"{'gcbulk.validate':34}{size:>10}{middle:>9.2f}{size / middle:>12,.0f}{size / middle / base:>8.1f}")
    print(f"the most memory held, the list itself included: {peak.most / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
