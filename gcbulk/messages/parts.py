"""How a text travels as SMS: its alphabet, the units it takes, and the parts it is sent and billed in.

Sources: 3GPP TS 23.038, 6.2.1 and 6.2.1.1 (GSM 7 bit default alphabet and its extension table, UCS-2), and
3GPP TS 23.040, 9.2.3.24.1 (a text of several parts gives six octets of each to the concatenation header).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.columns import CHUNK, STR, chunks, to_arrow, to_pandas

MAX_CHARACTERS = 918
"""The longest text the API takes, in characters (its documentation: 6 parts of 153)."""

# TS 23.038, 6.2.1, in the order of the codes; ESC (0x1B) leads to the extension table and is no character.
_GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# TS 23.038, 6.2.1.1: each is sent as ESC and a second septet.
_GSM_EXTENSION = "\f^{}\\[~]|€"

_GSM = "GSM-7"
_UCS2 = "UCS-2"
_SINGLE = {_GSM: 160, _UCS2: 70}  # septets or UTF-16 code units in a text of one part
_MULTIPLE = {_GSM: 153, _UCS2: 67}  # and in each part of a longer one
# The characters that take two units: escaped ones, and those outside the Basic Multilingual Plane.
_WIDE = {_GSM: f"[{re.escape(_GSM_EXTENSION)}]", _UCS2: "[\U00010000-\U0010ffff]"}
OUTSIDE_GSM = f"[^{re.escape(_GSM_BASIC + _GSM_EXTENSION)}]"
_GSM_RUN = f"[{re.escape(_GSM_BASIC + _GSM_EXTENSION)}]+"
# All but characters that NFC leaves alone whatever follows them: Latin letters, dashes and quotes, currency, emoji.
_MAY_COMPOSE = "[^\x00-\u02ff\u2010-\u2027\u20a0-\u20bf\U0001f300-\U0001faff]"


def compose(texts: pd.Series[str]) -> pd.Series[str]:
    """Return the texts in NFC, as they are counted and sent: a Mac's two-character `é` becomes one.

    texts: str dtype, NaN allowed. Same index and length.

    >>> compose(pd.Series(["cafe\\u0301"])).str.len().tolist()
    [4]
    """
    return to_pandas(composed(to_arrow(texts)), texts.index)


def composed(words: pa.Array) -> pa.Array:
    """Return the texts of an Arrow array in NFC."""
    suspects = pc.fill_null(pc.match_substring_regex(words, _MAY_COMPOSE), False)
    if not pc.any(suspects).as_py():
        return words
    changed = [unicodedata.normalize("NFC", text) for text in words.filter(suspects).to_pylist()]
    return pc.replace_with_mask(words, suspects, pa.array(changed, pa.large_string()))


def count_parts(texts: pd.Series[str], *, header_length: int = 0) -> pd.DataFrame:
    """Count the SMS parts of each text, as the networks send and bill them, after NFC.

    texts: str dtype, NaN allowed. header_length: characters that the platform puts before every text, taken to be in
    the basic table. Returns a frame of the same index and length:
    Encoding (str) "GSM-7", or "UCS-2" where one character is in neither GSM table, NaN where the text is;
    Parts (int64), 0 where the text is NaN; Units (int64), septets or UTF-16 code units, 0 where it is NaN.
    A character of two units is never split over two parts. Source: 3GPP TS 23.038 and 23.040 (see above).

    >>> count_parts(pd.Series(["x" * 160, "x" * 159 + "€", "Dziękuję"]))
      Encoding  Parts  Units
    0    GSM-7      1    160
    1    GSM-7      2    161
    2    UCS-2      1      8
    """
    missing = texts.isna().to_numpy()
    gsm = np.empty(len(texts), dtype=bool)
    parts, units = (np.empty(len(texts), dtype="int64") for _ in range(2))
    for number, words in enumerate(chunks(texts)):
        here = slice(number * CHUNK, number * CHUNK + len(words))
        gsm[here], parts[here], units[here] = _count(composed(words), header_length)
    names = pa.array([_UCS2, _GSM], pa.large_string()).take(pa.array(gsm.astype("int8"), mask=missing))
    return pd.DataFrame({"Encoding": to_pandas(names, texts.index), "Parts": parts, "Units": units}, index=texts.index)


def room(encoding: np.ndarray[Any, Any], parts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how many units that many parts hold at most, text by text.

    >>> room(np.array(["GSM-7", "GSM-7", "UCS-2"]), np.array([1, 2, 2]))
    array([160, 306, 134])
    """
    gsm = encoding == _GSM
    single = np.where(gsm, _SINGLE[_GSM], _SINGLE[_UCS2])
    multiple = np.where(gsm, _MULTIPLE[_GSM], _MULTIPLE[_UCS2])
    held: np.ndarray[Any, Any] = np.where(parts <= 1, single, multiple) * parts
    return held


def holds_wide(words: pa.Array, encodings: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which texts hold a character that takes two units of their encoding."""
    gsm, ucs2 = (pc.match_substring_regex(words, _WIDE[name]).to_numpy(zero_copy_only=False) for name in (_GSM, _UCS2))
    wide: np.ndarray[Any, np.dtype[np.bool_]] = np.where(encodings == _GSM, gsm, ucs2)
    return wide


def units_in_a_part(encoding: str) -> int:
    """Return how many units each part of a text of several holds."""
    return _MULTIPLE[encoding]


def _count(words: pa.Array, header_length: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return for each text whether it is in GSM-7, its parts and its units."""
    missing = pc.is_null(words).to_numpy(zero_copy_only=False)
    words = pc.fill_null(words, "")
    gsm = pc.invert(pc.match_substring_regex(words, OUTSIDE_GSM)).to_numpy(zero_copy_only=False)
    wide = np.where(gsm, *(pc.count_substring_regex(words, _WIDE[name]).to_numpy() for name in (_GSM, _UCS2)))
    units = (pc.utf8_length(words).to_numpy() + wide).astype("int64") + header_length
    single = np.where(gsm, _SINGLE[_GSM], _SINGLE[_UCS2])
    multiple = np.where(gsm, _MULTIPLE[_GSM], _MULTIPLE[_UCS2])
    parts = np.where(units <= single, 1, -(-units // multiple)).astype("int64")

    # Only in these can a character fall astride the end of a part, which then stays one unit short.
    for encoding, chosen in ((_GSM, gsm), (_UCS2, ~gsm)):
        astride = np.flatnonzero(chosen & (units > single) & (wide > 0))
        parts[astride] = _pack(words.take(pa.array(astride)), encoding, header_length)
    parts[missing] = units[missing] = 0
    return gsm, parts, units


def outside_gsm(texts: pd.Series[str]) -> pd.Series[str]:
    """Return the characters that force each text into UCS-2, each once, in order; "" where none does.

    texts: str dtype, NaN allowed (and given back). Same index and length; str dtype.

    >>> outside_gsm(pd.Series(["Dziękuję", "Thank you"])).tolist()
    ['ę', '']
    """
    left = pc.replace_substring_regex(to_arrow(compose(texts)), _GSM_RUN, "")
    once = {text: "".join(dict.fromkeys(text)) for text in pc.unique(left).to_pylist() if text is not None}
    return to_pandas(left, texts.index).map(once).astype(STR)


def part_ends(text: str, encoding: str) -> list[int]:
    """Return where each part but the last of one text ends, as places between its characters.

    >>> part_ends("x" * 200, "GSM-7")
    [153]
    """
    wide = [found.start() for found in re.finditer(_WIDE[encoding], text)]
    if len(text) + len(wide) <= _SINGLE[encoding]:
        return []
    ends: list[int] = []
    begin, size = 0, _MULTIPLE[encoding]
    while True:
        end, taken = begin + size, sum(begin <= place < begin + size for place in wide)
        while end - begin + taken > size:  # each character of two units takes the place of another
            end -= 1
            taken = sum(begin <= place < end for place in wide)
        if end >= len(text):
            return ends
        ends.append(end)
        begin = end


def _pack(words: pa.Array, encoding: str, header_length: int) -> list[int]:
    """Count the parts of texts that fill more than one and hold characters of two units."""
    # One place a unit, a wide character in its second: one found where a part would begin would be cut.
    header = "_" * header_length
    places = [header + text for text in pc.replace_substring_regex(words, _WIDE[encoding], r"_\0").to_pylist()]
    is_second = re.compile(_WIDE[encoding]).match
    size = _MULTIPLE[encoding]
    counts = []
    for text in places:
        parts = position = 0
        while position < len(text):
            position += size - 1 if is_second(text, position + size) else size
            parts += 1
        counts.append(parts)
    return counts
