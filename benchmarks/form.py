"""How long a key typed into the form's message waits for its row on the screen, however long the list is.

    python -m benchmarks.form

The contestant is a list of 20,000 rows, the alternative one of 20, by turns, key by key, in one run. What is timed is
what the kernel does between the browser's message and its answer. The plan of the whole list, its lint included,
follows in a thread of its own, a moment after the last key. First the keys come as fast as they can; then, the worst
that can happen, each at the moment at which that plan has just begun.
"""

from __future__ import annotations

import statistics
import time

import pandas as pd

from gcbulk.form.message import PAUSE
from gcbulk.form.send_form import SendForm

ROWS, FEW, KEYS, SLOW_KEYS = 20_000, 20, 60, 10
TEXT = "Dear {{ name }}, school is closed today because of the snow. Please keep {{ forename }} at home."


def form_with(rows: int) -> SendForm:
    """A form with a list of so many people, all of them to be texted."""
    people = pd.DataFrame(
        {
            "Name": [f"Parent {n}" for n in range(rows)],
            "Forename": [f"Child {n}" for n in range(rows)],
            "Mobile": [f"07{700_000_000 + n}" for n in range(rows)],
        }
    )
    form = SendForm(people, TEXT, sandbox=True)
    form.wait()
    return form


def type_a_key(form: SendForm, key: str) -> float:
    """Milliseconds until the row on the screen has the key."""
    text = form._message._text
    began = time.perf_counter()
    text.value += key
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Print the medians, the slowest key, and the ratio."""
    many, few = form_with(ROWS), form_with(FEW)
    for words, keys, pause in (("as fast as can be", KEYS, 0.0), ("while planning", SLOW_KEYS, PAUSE + 0.05)):
        waits: dict[int, list[float]] = {ROWS: [], FEW: []}
        for n in range(keys):
            for rows, form in ((ROWS, many), (FEW, few)):
                if pause:  # a key that is not timed, and the plan that follows it has just begun
                    many.wait()
                    few.wait()
                    type_a_key(form, " ")
                    time.sleep(pause)
                waits[rows].append(type_a_key(form, "abcdefghij"[n % 10]))
        print(words)
        for rows, took in waits.items():
            print(f"{rows:>6} rows: median {statistics.median(took):6.1f} ms, slowest {max(took):6.1f} ms a key")
        print(f"ratio of the medians: {statistics.median(waits[ROWS]) / statistics.median(waits[FEW]):.2f}")
    for form in (many, few):
        form.close()


if __name__ == "__main__":
    main()
