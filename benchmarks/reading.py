"""What reading costs: `gcbulk.read_recipients` against pandas, on a large CSV and on a large workbook.

    python -m benchmarks.reading [--rows 1000000] [--rounds 3]

The CSV has 11 columns, accents, and commas in quotation marks. pandas reads it with `read_csv(dtype=str)`, and
the workbook, which has a tenth of the rows, with `read_excel(dtype=str, engine="calamine")`.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import gcbulk
from benchmarks.validating import Peak, seconds
from gcbulk.recipients.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = "Admission No,Forename,Surname,Year,Reg,Parent Name,Relationship,Parent Mobile,Home Phone,Address,Note"


def write_list(path: Path, rows: int) -> None:
    """A list of pupils as an MIS exports it."""
    draw = random.Random(2026)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(f"{HEADER}\r\n")
        for n in range(rows):
            address = f'"{draw.randrange(200)} Long Street, Exampleton"' if n % 3 else "The Old School House"
            file.write(
                f"{n:06d},Forename{n % 997},Surname{n % 1009},{7 + n % 5},{7 + n % 5}A,Mrs Zoë Surname{n % 1009},"
                f"Mother,07{draw.randrange(10**9):09d},01632 960{n % 1000:03d},{address},\r\n"
            )


def compare(what: str, ours: Callable[[], pd.DataFrame], theirs: Callable[[], pd.DataFrame], rounds: int) -> None:
    """Run both by turns and print the medians."""
    assert ours().shape == theirs().shape
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    one, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{what:40}{one:>9.2f} s{other:>9.2f} s{one / other:>8.2f}")


def main() -> None:
    """Read both files both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        text, book = Path(folder) / "pupils.csv", Path(folder) / "pupils.xlsx"
        write_list(text, given.rows)
        write_table(gcbulk.read_recipients(text).head(given.rows // 10), book)
        print(f"{'':40}{'gcbulk':>11}{'pandas':>11}{'ratio':>8}")
        with Peak() as peak:
            compare(
                f"CSV, {given.rows} rows, {text.stat().st_size / 1e6:.0f} MB",
                lambda: gcbulk.read_recipients(text),
                lambda: pd.read_csv(text, dtype=str),
                given.rounds,
            )
        print(f"{'':40}the most memory held: {peak.most / 1e6:,.0f} MB")
        compare(
            f"XLSX, {given.rows // 10} rows",
            lambda: gcbulk.read_recipients(book),
            lambda: pd.read_excel(book, dtype=str, engine="calamine"),
            given.rounds,
        )


if __name__ == "__main__":
    main()
