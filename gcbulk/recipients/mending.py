"""What people write around and into a number, and how it is undone: tables of repairs, for whole columns.

A repair is made only where there is one thing it can mean; it is then noted, in words for the user's
`Repair` column. What is left is judged in `numbers`. The patterns are those of RE2, as pyarrow uses it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.recipients.notes import NOTE_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Cells that say there is no number. The last ones are what pandas and spreadsheets leave for an empty cell.
_MISSING_WORDS = (
    r"n[/.]?a|none|nil|no|unknown|not known|not given|not supplied|not provided|no (?:mobile|phone|number|tel)"
    r"|tb[ac]|withheld|ex[- ]?directory|blank|empty|missing|x+|null|s?nan|nat|<na>|#n/a|0+(?:\.0+)?"
)

# Plain notes are taken away (`notes`). Any other word casts doubt: it is for a person to decide.
# "No" is short for number only in a label right before the digits; anywhere else it may be somebody's answer.
_LABEL = r"(?:mobile|mob|cell|phone|ph|telephone|tel|contact)[. ] ?nos?"

LETTER = r"\p{L}"

_NOTE = rf"(?:{NOTE_WORDS})(?:['’]?s)?"
_BETWEEN_NOTES = rf"[^{LETTER}\d+]+(?:and[^{LETTER}\d+]+)?"
SCIENTIFIC = r"^\+?\d(?:[.,]\d+)?[eE]\+?\d{1,9}$"
ZEROS_FOR_DIGITS = r"^\+?\d{1,6}0{6}\.0+$"  # a float that was read from "4.477E+11": rounded before it came
ROUNDED = r"\d{1,6}0{6}"  # an integer that was such a float: pandas.read_excel makes them so

_GAP = r"[ ().\-/]*"  # what may stand between the digits of one number
WHOLE_NUMBER = rf"(?:(?:(?:\+|00)?44{_GAP}0?|0|7){_GAP}(?:\d{_GAP}){{9,10}}|(?:\+|00)(?:\d{_GAP}){{9,15}})"
_WITH_LETTERS = (  # a mobile that is complete once O and l are read as digits
    rf"^{_GAP}(?:(?:\+|[0oO]{{2}})?44{_GAP}[0oO]?|[0oO])?{_GAP}7(?:{_GAP}[\doOIl]){{9}}{_GAP}$"
)
BRITISH = r"(?:(?:\+|00)?440?[1-9]\d{8,9}|0[1-9]\d{8,9}|7\d{9})"  # a whole number without gaps
SEVERAL = rf"^{BRITISH}{BRITISH}+$"
SEVERAL_WITH_PLUS = r"^\+?\d{9,}(?:\+\d{9,})+$"  # of whichever country

SEPARATOR = r"[/,;|&]"  # what may stand between two numbers
SEPARATED = rf"(?:\d\D{{0,3}}){{9,}}{SEPARATOR}\D*(?:\d\D{{0,3}}){{9,}}"
SPLIT = r"\d\D*\|\D*\d"  # a note, or a bar, that stands between digits
_EDGE = r"[ :,;/.|\-]|\([ |]*\)|\[[ |]*\]"  # what a note leaves behind


@dataclass(frozen=True, slots=True)
class Mend:
    """One repair: `pattern` is replaced, in the values that `where` (or else `pattern`) finds."""

    note: str  # for Repair, in the past tense; "" for what is only a way of writing
    pattern: str
    replacement: str | Callable[[str], str] = ""
    where: str = ""


def _ascii_digits(text: str) -> str:
    """Arabic-Indic, full-width and other decimal digits as ASCII; no superscripts or fractions."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def _written_out(text: str) -> str:
    """4.47700900123E+11 as its digits; the text as it was where it does not show every digit."""
    number = Decimal(text.replace(",", "."))
    shows_every_digit = int(number.as_tuple().exponent) <= 0 and number == number.to_integral_value()
    return f"{number.to_integral_value():f}" if shows_every_digit else text


def _once(digits: str) -> str:
    """The number, where one number stands there several times; the digits as they were otherwise."""
    found: list[str] = re.findall(BRITISH, digits)
    if "".join(found) == digits:
        return found[0] if len({number[-10:] for number in found}) == 1 else digits
    before, *abroad = digits.split("+")
    return f"+{abroad[0]}" if not before and len(set(abroad)) == 1 else digits


# Applied in this order to the text of a cell.
CELL_MENDS: tuple[Mend, ...] = (
    Mend("", r"[\s\p{Z}]+", " "),
    Mend("removed invisible marks", r"[\p{Cf}\p{Cc}]+"),
    Mend("", r"^ | $"),
    Mend("", rf"(?i)^(?:{_MISSING_WORDS})\.?$"),
    Mend("", r"[\p{Pd}\x{2212}]", "-"),
    Mend("", r"\x{FF0B}", "+"),
    Mend("rewrote digits of another script", r"^.*$", _ascii_digits, where=r"[^\x00-\x7F]"),
    Mend('removed ="..."', r'^="(.*)"$', r"\1"),
    Mend("removed quotation marks", r"""^['"`´‘’“”]+|['"`´‘’“”]+$"""),
    Mend("wrote out the scientific notation", r"^.*$", _written_out, where=SCIENTIFIC),
    Mend("removed .0", r"^(\+?\d{3,}[1-9]\d{0,5})\.0+$", r"\1"),
    Mend("", rf"(?i)^((?:[^\d+]*[^{LETTER}\d+])?){_LABEL}([^{LETTER}\d]*\d)", r"\1phone\2"),
    Mend("removed a note", rf"(?i)(^|[^{LETTER}]){_NOTE}(?:{_BETWEEN_NOTES}{_NOTE})*:?([^{LETTER}]|$)", r"\1|\2"),
    Mend("", rf"^(?:{_EDGE})+|(?:{_EDGE})+$"),
    Mend("read letter O as zero", r"[oO]", "0", where=_WITH_LETTERS),
    Mend("read letter l as one", r"[Il]", "1", where=_WITH_LETTERS),
    Mend("removed (0)", r"^((?:\+|00)?44) ?\(0\)", r"\1"),
)

# Applied in this order to what is left of it: digits and plus signs.
PREFIX_MENDS: tuple[Mend, ...] = (
    Mend("removed a second copy of the number", r"^.*$", _once, where=rf"{SEVERAL}|{SEVERAL_WITH_PLUS}"),
    Mend("read 00 as +", r"^00", "+"),
    Mend("removed what stood before the +", r"^[0+]\+", "+"),
    Mend("read +0 as +44", r"^\+0(7\d{9})$", r"+44\1"),
    Mend("read 44 as +44", r"^0?44(\d{7,})$", r"+44\1"),
    Mend("removed 0 after +44", r"^\+440+", "+44"),
    Mend("", r"^0([1-9]\d*)$", r"+44\1"),
    Mend("restored the lost zero", r"^([1-9]\d*)$", r"+44\1"),
)


def mended(texts: Any, mends: Sequence[Mend]) -> tuple[Any, list[Any]]:
    """The texts after all mends, and for each mend that was of use an array of notes."""
    notes = []
    for mend in mends:
        here = pc.match_substring_regex(texts, mend.where or mend.pattern)
        if not pc.any(here).as_py():
            continue
        found = texts.filter(here)
        if callable(mend.replacement):
            after = pa.array([mend.replacement(text) for text in found.to_pylist()], type=texts.type)
        else:
            after = pc.replace_substring_regex(found, mend.pattern, mend.replacement)
        after = pc.replace_with_mask(texts, here, after)
        if mend.note:
            notes.append(noted(pc.not_equal(after, texts), mend.note))
        texts = after
    return texts, notes


def noted(made: Any, note: str) -> Any:
    """The note, ready to be joined to others, in the rows in which the repair was made; else blank."""
    return pc.if_else(made, pa.scalar(f"{note}; ", pa.large_string()), pa.scalar("", pa.large_string()))
