"""What starting costs: `import gcbulk` and `gcbulk --help` against the libraries under them.

    python -m benchmarks.importing [--runs 9]

Each figure is the median of whole processes, by turns.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

PAIRS = (
    (
        "import gcbulk",
        ["-c", "import gcbulk"],
        "import pandas, pandera.pandas",
        ["-c", "import pandas, pandera.pandas"],
    ),
    (
        "import gcbulk and use it",
        ["-c", "import gcbulk; gcbulk.send_sms, gcbulk.validate"],
        "import pandas, pandera.pandas",
        ["-c", "import pandas, pandera.pandas"],
    ),
    ("gcbulk --help", ["-m", "gcbulk", "--help"], "import click", ["-c", "import click"]),
)


def seconds(arguments: list[str]) -> float:
    """How long one whole process takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Run each pair by turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print(f"{'':28}{'seconds':>9}  {'against':32}{'seconds':>9}{'ratio':>8}")
    for ours, our_arguments, theirs, their_arguments in PAIRS:
        seconds(our_arguments), seconds(their_arguments)
        pairs = [(seconds(our_arguments), seconds(their_arguments)) for _ in range(runs)]
        one, other = (statistics.median(times) for times in zip(*pairs, strict=True))
        print(f"{ours:28}{one:>9.3f}  {theirs:32}{other:>9.3f}{one / other:>8.2f}")


if __name__ == "__main__":
    main()
