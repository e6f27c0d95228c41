"""Characters: typographic ones that have an exact plain twin, and those that no text can carry.

A typographic character (a word processor's quote or dash) is in neither GSM table, so that one of them more than
halves what a part holds. Its twin says the same. Letters, whatever their language, and emoji are never touched.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.parts import OUTSIDE_GSM

if TYPE_CHECKING:
    from collections.abc import Collection

PLAIN_TWINS: Final[dict[str, str]] = {
    # quotation marks and apostrophes
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
    # hyphens, dashes, the minus sign
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    "\u2026": "...",
    # spaces of every width
    **dict.fromkeys("\t\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
    # line ends
    **dict.fromkeys("\r\u2028\u2029", "\n"),
    # ligatures that a PDF leaves behind
    "\ufb00": "ff",
    "\ufb01": "fi",
    "\ufb02": "fl",
    "\ufb03": "ffi",
    "\ufb04": "ffl",
    "\ufb05": "st",
    "\ufb06": "st",
    # marks that are not seen: soft hyphen, zero width space, word joiner, byte order mark
    **dict.fromkeys("\xad\u200b\u2060\ufeff", ""),
}
"""What is replaced, and by what: characters that mean the same and look the same on a phone."""

# They join letters, turn their direction or choose a picture: in an emoji, in Persian or Arabic they say something.
# Where all the rest is in the GSM tables they say nothing.
_SILENT_AMONG_LATIN: Final = "\u200c\u200d\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f"

_TWINS: Final = "".join(PLAIN_TWINS)
_REPLACED: Final = f"[{_TWINS}{_SILENT_AMONG_LATIN}]"
_KEPT: Final = f"[^{_TWINS}{_SILENT_AMONG_LATIN}]+"
_SILENT: Final = re.compile(f"[{_SILENT_AMONG_LATIN}]")
_OUTSIDE: Final = re.compile(OUTSIDE_GSM)

CONTROL: Final = "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f]"
"""Control characters, but for line ends: no phone shows them, and a platform may cut a text off at one."""


def plain(words: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Put the plain twin in the place of each typographic character.

    words: `large_string`, nulls allowed. Returns the texts, and for each those of its characters that were replaced
    ("" where none was; line ends are not named).

    >>> texts, replaced = plain(pa.array(["\u201cNo\u201d \u2026", "Łukasz"], pa.large_string()))
    >>> texts.to_pylist(), replaced.to_pylist()
    (['"No" ...', 'Łukasz'], ['“”…', ''])
    """
    string = pa.large_string()
    suspects = pc.fill_null(pc.match_substring_regex(words, _REPLACED), False)
    before = words.filter(suspects)
    left = pc.replace_substring_regex(before, _KEPT, "").dictionary_encode()
    present = set("".join(left.dictionary.to_pylist()))
    after = pc.replace_substring(before, "\r\n", "\n")
    for character in sorted(present & PLAIN_TWINS.keys()):  # a few passes over the column, not a walk through each text
        after = pc.replace_substring(after, character, PLAIN_TWINS[character])
    replaced = _named(left, PLAIN_TWINS.keys())
    if present - PLAIN_TWINS.keys():
        kept = pa.array([_silenced(text) for text in after.to_pylist()], string)
        everything = _named(left, present)
        replaced = pc.if_else(pc.equal(kept, after), replaced, everything)
        after = kept
    none = pa.array([""], string).take(pa.array([0] * len(words), pa.int8()))
    return pc.replace_with_mask(words, suspects, after), pc.replace_with_mask(none, suspects, replaced)


def _named(left: pa.DictionaryArray, those: Collection[str]) -> pa.Array:
    """Of the characters that are left of each text, those, each once; line ends are not named."""
    names = [
        "".join(dict.fromkeys(c for c in text if c in those and c != "\r")) for text in left.dictionary.to_pylist()
    ]
    return pa.array(names, pa.large_string()).take(left.indices)


def _silenced(text: str) -> str:
    """Take out marks that say nothing, unless they stand in a text that is not all in the GSM tables."""
    audible = _SILENT.sub("", text)
    return text if _OUTSIDE.search(unicodedata.normalize("NFC", audible)) else audible


def character_name(character: str) -> str:
    """Return what to call a character in a sentence, even one that is not seen.

    >>> character_name("\u2019"), character_name("\x07")
    ('’ (U+2019 right single quotation mark)', 'U+0007')
    """
    name = unicodedata.name(character, "").lower()
    code = f"U+{ord(character):04X}"
    seen = character.isprintable() and not character.isspace()
    said = f"{code} {name}".rstrip()
    return f"{character} ({said})" if seen and name else said
