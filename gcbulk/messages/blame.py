"""Characters that cost: the texts that take another part because of them, and where in a message they come from."""

from __future__ import annotations

from dataclasses import dataclass
from operator import add
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.characters import plain
from gcbulk.messages.columns import to_arrow, to_pandas
from gcbulk.messages.findings import Batch, Finding, are, costing
from gcbulk.messages.parts import ESCAPED, GSM, GSM_RUN, OUTSIDE_GSM, UCS2, UNESCAPED_RUN, composed, count_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.messages.options import TextOptions

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]
    _Mask = np.ndarray[Any, np.dtype[np.bool_]]

THE_MESSAGE: Final = "the message itself"
_NAMED_CHARACTERS: Final = 8


@dataclass(frozen=True, slots=True)
class _Dear:
    """A kind of characters that take more room than others."""

    code: str
    encoding: str  # of the texts that hold them
    pattern: str  # one such character
    others: str  # a run of any others
    why: str


_KINDS: Final = (
    _Dear("dear_characters", UCS2, OUTSIDE_GSM, GSM_RUN, "such characters leave room for 70 in a part, not 160"),
    _Dear("double_characters", GSM, ESCAPED, UNESCAPED_RUN, "each such character counts as two"),
)


def tipped_by_characters(batch: Batch, at: _Numbers, options: TextOptions) -> tuple[list[Finding], _Mask]:
    """Name the texts, of those at these positions, that take more parts because of dear characters; and which they are.

    A text is tipped where it would take fewer parts with a plain letter in the place of each such character.
    """
    parts = batch.counts["Parts"].to_numpy()
    tipped: _Mask = np.zeros(len(at), dtype=bool)
    found: list[Finding] = []
    for kind in _KINDS:
        may_be = (batch.counts["Encoding"].to_numpy()[at] == kind.encoding) & (parts[at] > 1)
        some = at[may_be]
        if not len(some):
            continue
        words = pc.replace_substring_regex(to_arrow(batch.rendered.frame["Text"].iloc[some]), kind.pattern, "x")
        saved = parts[some] - count_parts(to_pandas(words), header_length=options.header_length)["Parts"].to_numpy()
        tipped[may_be] = saved > 0
        found += _blamed(batch, some[saved > 0], saved[saved > 0], kind, options)
    return found, tipped


def _blamed(batch: Batch, rows: _Numbers, saved: _Numbers, kind: _Dear, options: TextOptions) -> Iterator[Finding]:
    """One finding for each place, or each few places together, that the characters come from."""
    if not len(rows):
        return
    texts = to_arrow(batch.rendered.frame["Text"].iloc[rows])
    sources = _sources(batch, texts, pa.array(rows), kind, options)
    held = np.vstack([_holds(words, kind.pattern) for words in sources.values()])
    numbers = np.unique(held, axis=1, return_inverse=True)[1].reshape(-1)
    for number in dict.fromkeys(numbers.tolist()):
        places = numbers == number
        here = pa.array(places)
        characters = _characters(texts.filter(here), kind)
        where = {
            name: [one for one in characters if one.casefold() in theirs]  # a filter may have changed their case
            for (name, words), holds in zip(sources.items(), held, strict=True)
            if holds[places][0] and (theirs := {one.casefold() for one in _characters(words.filter(here), kind)})
        }
        of_nobody = [one for one in characters if not any(one in ones for ones in where.values())]
        if of_nobody:  # a default's words, or what was put together from two cells
            where = {THE_MESSAGE: [*where.pop(THE_MESSAGE, []), *of_nobody]} | where
        more = int(saved[places].sum())
        yield Finding.counted(
            kind.code,
            "note",
            tuple(rows[places].tolist()),
            lambda n, more, where: (
                f"{are(n, 'text')} with {' and '.join(_said(*one) for one in where.items() if one[1])} "
                f"take{'s' * (n == 1)} {are(more, 'part')} more{costing(more, options)} than without: {kind.why}."
            ),
            about=tuple(where),
            more=(more, add),
            where=(where, _both),
        )


def _sources(batch: Batch, texts: pa.Array, rows: pa.Array, kind: _Dear, options: TextOptions) -> dict[str, pa.Array]:
    """What the message itself, and each column that it prints, gave to these texts, as it is sent."""

    def sent(words: pa.Array) -> pa.Array:
        return composed(plain(words)[0] if options.smart_characters == "replace" else words)

    own = "".join(_characters(sent(pa.array(["".join(batch.template.reading.words)], pa.large_string())), kind))
    not_own = f"[^{own.translate(_IN_A_CLASS)}]+" if own else r"(?s).+"
    return {THE_MESSAGE: pc.replace_substring_regex(texts, not_own, "")} | {
        f"column {label}": pc.fill_null(sent(column.take(rows)), "")
        for name, label, column in zip(batch.cells.names, batch.cells.labels, batch.cells.columns, strict=True)
        if name in batch.template.reading.printed
    }


_IN_A_CLASS: Final = str.maketrans({one: f"\\{one}" for one in r"\]^-["})


def _holds(words: pa.Array, pattern: str) -> _Mask:
    found: _Mask = pc.match_substring_regex(words, pattern).to_numpy(zero_copy_only=False)
    return found


def _characters(words: pa.Array, kind: _Dear) -> list[str]:
    """The dear characters of some texts, each once, in their order."""
    return list(dict.fromkeys("".join(pc.unique(pc.replace_substring_regex(words, kind.others, "")).to_pylist())))


def _both(where: dict[str, list[str]], more: dict[str, list[str]]) -> dict[str, list[str]]:
    """The characters from each place, of two pieces of a list; no more than are named, and one that says so."""
    return {
        name: list(dict.fromkeys([*where.get(name, []), *more.get(name, [])]))[: _NAMED_CHARACTERS + 1]
        for name in {**where, **more}
    }


def _said(source: str, characters: list[str]) -> str:
    shown = " ".join(characters[:_NAMED_CHARACTERS]) + " ..." * (len(characters) > _NAMED_CHARACTERS)
    return f"{shown} from {source}"
