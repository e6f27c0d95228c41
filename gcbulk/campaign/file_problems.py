"""Why files cannot go, row for row, as the few reasons that there are: "not there" for some, "too large" for others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    import pandas as pd

# A row's sentence names its file; what comes behind the name is the reason.
_NAMED: Final = re.compile(
    r"(?:The file )?(?P<name>.+?) (?P<why>is not there|is empty|is of a kind|is no|has a character|has \d|"
    r"cannot be read|lies outside|is gone|has changed)"
)


def by_reason(details: pd.Series[str]) -> list[tuple[str, np.ndarray[Any, np.dtype[np.int64]], str]]:
    """Each reason, the rows it is of by their place, and a sentence that names two of the files; the most rows first.

    >>> import pandas as pd
    >>> one = pd.Series(["The file a.pdf is empty. Mend it.", "The file b.pdf is empty. Mend it."])
    >>> [(why, at.tolist(), sentence) for why, at, sentence in by_reason(one)]
    [('is empty', [0, 1], 'The file a.pdf is empty. Mend it. The same with b.pdf.')]
    """
    read = [_NAMED.match(detail) for detail in details]
    whys = np.array(
        [
            match["why"] if match else re.sub(r"\d[\d.,]*", "", detail.partition(". ")[0])
            for match, detail in zip(read, details, strict=True)
        ],
        dtype=object,
    )
    found = []
    for why in dict.fromkeys(whys):
        at = np.flatnonzero(whys == why)
        names = list(dict.fromkeys(match["name"] for match in (read[row] for row in at) if match))
        also = f" The same with {names[1]}{' and others' * (len(names) > 2)}." if len(names) > 1 else ""
        found.append((why, at, details.iloc[at[0]] + also))
    return sorted(found, key=lambda one: -len(one[1]))
