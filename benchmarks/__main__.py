"""Every stage of a campaign, at several sizes, against a named alternative: one command, one table.

    python -m benchmarks [--full] [--only STAGE] [--write]

Less than ten minutes on a quiet machine with two cores; `--full` goes to more rows where the default stops early. Each
stage and size has a process of its own, so that its peak of memory is its own. `growth` is the exponent with which the
time grows with the rows, from 10,000 of them on; `its growth` that of the alternative's. `--write` puts the table into
docs/performance.md, the plot beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks.stages import STAGES, Measured, Stage

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
PLOT: Final = PAGE.parent / "images" / "stages.svg"
BEGIN, END = "<!-- python -m benchmarks: begin -->", "<!-- python -m benchmarks: end -->"
GROWS_FROM: Final = 10_000
PROFILED_AT: Final = 100_000
FEW_ROUNDS_FROM: Final = 1_000_000
HEADER: Final = ("stage", "rows", "rows/s", "peak MB", "against", "its rows/s", "ratio", "growth", "its growth")
LINE: Final = "{:22}{:>11}{:>12}{:>9}  {:38}{:>12}{:>8}{:>8}{:>12}"


def measured(stage: Stage, rows: int, *, profiled: bool) -> Measured:
    """One stage at one size, in a process of its own."""
    rounds = "1" if rows >= FEW_ROUNDS_FROM else "3"
    command = [sys.executable, "-m", "benchmarks.stages", stage.name, str(rows), "--rounds", rounds]
    done = subprocess.run(
        [*command, *(["--profile"] if profiled else [])],
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def growth(times: list[tuple[int, float]]) -> float | None:
    """The exponent of the time's growth: the slope of its logarithm against that of the rows, by least squares."""
    points = [(math.log(rows), math.log(seconds)) for rows, seconds in times if rows >= GROWS_FROM]
    if len({x for x, _ in points}) < 2:
        return None
    middle_x, middle_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    together = sum((x - middle_x) * (y - middle_y) for x, y in points)
    return float(together / sum((x - middle_x) ** 2 for x, _ in points))


def line(stage: Stage, one: Measured, known: list[Measured]) -> tuple[str, ...]:
    """A line of the table; with the growth of both where `known` has all sizes of the stage."""
    ours = growth([(each.rows, each.seconds) for each in known])
    theirs = growth([(each.their_rows, each.their_seconds) for each in known])
    return (
        stage.name,
        f"{one.rows:,}",
        f"{one.rows / one.seconds:,.0f}",
        f"{one.peak / 1e6:,.0f}",
        stage.alternative,
        f"{one.their_rows / one.their_seconds:,.0f}",
        f"{one.ratio:.2f}",
        "" if ours is None else f"{ours:.2f}",
        "" if theirs is None else f"{theirs:.2f}",
    )


def run_all(stages: list[Stage], *, full: bool) -> dict[str, list[Measured]]:
    """Measure everything, printing as it comes."""
    print(LINE.format(*HEADER), flush=True)
    found: dict[str, list[Measured]] = {}
    for stage in stages:
        ours = found[stage.name] = []
        for rows in (*stage.sizes, *(stage.full if full else ())):
            ours.append(measured(stage, rows, profiled=rows == min(PROFILED_AT, stage.sizes[-1])))
            last = rows == (*stage.sizes, *(stage.full if full else ()))[-1]
            print(LINE.format(*line(stage, ours[-1], ours if last else [])), flush=True)
    return found


def where_time_goes(found: dict[str, list[Measured]]) -> list[str]:
    """For each stage the functions in which its threads spent most."""
    return [
        f"{name}, {one.rows:,} rows: " + ", ".join(f"`{where}` {share:.0%}" for where, share in one.profile)
        for name, ours in found.items()
        for one in ours
        if one.profile
    ]


def page(found: dict[str, list[Measured]], minutes: float) -> str:
    """What is written into docs/performance.md."""
    rows = [line(STAGES[name], one, ours if one is ours[-1] else []) for name, ours in found.items() for one in ours]
    system = f"{platform.system()}, Python {platform.python_version()}"
    lines = [
        f"`python -m benchmarks`, {time.strftime('%d %B %Y').lstrip('0')}: {system}, {minutes:.0f} minutes. Medians of",
        "three rounds (a million rows: of one); slow alternatives run on a part. The ratio is of rows a second.",
        "",
        f"| {' | '.join(HEADER)} |",
        "|" + " --- |" * len(HEADER),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"![Seconds by rows, for each stage](images/{PLOT.name})",
        "",
        "Where the processor's time goes, of all our threads, by own time:",
        "",
        *(f"- {one}" for one in where_time_goes(found)),
    ]
    return "\n".join(lines)


def draw(found: dict[str, list[Measured]], file: Path) -> None:
    """Seconds by rows, for each stage, both as logarithms: a straight line at 45 degrees grows as the rows do."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for name, ours in found.items():
        axes.loglog([one.rows for one in ours], [one.seconds for one in ours], marker="o", label=name)
    axes.set(xlabel="rows", ylabel="seconds", title="Every stage grows as the rows do")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(file, metadata={"Date": None})


def write(text: str) -> None:
    """Put it between its marks in docs/performance.md."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run every stage and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="More rows where the default stops early.")
    parser.add_argument("--only", choices=STAGES, action="append", help="Only this stage (give it again for more).")
    parser.add_argument("--write", action="store_true", help="Write docs/performance.md and its plot.")
    given = parser.parse_args()
    began = time.monotonic()
    found = run_all([STAGES[name] for name in given.only or STAGES], full=given.full)
    print("\nWhere the processor's time goes (own time, of all our threads):", *where_time_goes(found), sep="\n  ")
    if given.write:
        draw(found, PLOT)
        write(page(found, (time.monotonic() - began) / 60))


if __name__ == "__main__":
    main()
