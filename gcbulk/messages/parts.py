"""How a text travels as SMS: its alphabet, the units it takes, and the parts it is sent and billed in.

Sources: 3GPP TS 23.038, 6.2.1 and 6.2.1.1 (GSM 7 bit default alphabet and its extension table, UCS-2), and
3GPP TS 23.040, 9.2.3.24.1 (a text of several parts gives six octets of each to the concatenation header).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from gcbulk.messages.columns import CHUNK, STR, chunks, to_arrow, to_pandas

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 918
"""The longest text the API takes, in characters (its documentation: 6 parts of 153)."""

# TS 23.038, 6.2.1, in the order of the codes; ESC (0x1B) leads to the extension table and is no character.
_GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# TS 23.038, 6.2.1.1: each is sent as ESC and a second septet.
_GSM_EXTENSION = "\f^{}\\[~]|€"

GSM = "GSM-7"
UCS2 = "UCS-2"
_SINGLE = {GSM: 160, UCS2: 70}  # septets or UTF-16 code units in a text of one part
_MULTIPLE = {GSM: 153, UCS2: 67}  # and in each part of a longer one
# The characters that take two units: escaped ones, and those outside the Basic Multilingual Plane.
_WIDE = {GSM: f"[{re.escape(_GSM_EXTENSION)}]", UCS2: "[\U00010000-\U0010ffff]"}
ESCAPED, UNESCAPED_RUN = _WIDE[GSM], f"[^{re.escape(_GSM_EXTENSION)}]+"
OUTSIDE_GSM, GSM_RUN = (f"[{no}{re.escape(_GSM_BASIC + _GSM_EXTENSION)}]{run}" for no, run in (("^", ""), ("", "+")))
# All but characters that NFC leaves alone unless one of these follows them: Latin, Cyrillic, Arabic and Chinese
# letters, dashes and quotes, currency, emoji.
_MAY_COMPOSE = (
    "[^\x00-\u02ff\u0400-\u0482\u048a-\u052f\u060c-\u060f\u061b-\u064a\u0660-\u066f\u0671-\u06d5\u1e00-\u1eff"
    "\u2010-\u2027\u20a0-\u20bf\u4e00-\u9fff\U0001f300-\U0001faff]"
)


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
    names = pa.array([UCS2, GSM], pa.large_string()).take(pa.array(gsm.astype("int8"), mask=missing))
    return pd.DataFrame({"Encoding": to_pandas(names, texts.index), "Parts": parts, "Units": units}, index=texts.index)


def room(encoding: np.ndarray[Any, Any], parts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how many units that many parts hold at most, text by text.

    >>> room(np.array(["GSM-7", "GSM-7", "UCS-2"]), np.array([1, 2, 2]))
    array([160, 306, 134])
    """
    gsm = encoding == GSM
    single = np.where(gsm, _SINGLE[GSM], _SINGLE[UCS2])
    multiple = np.where(gsm, _MULTIPLE[GSM], _MULTIPLE[UCS2])
    held: np.ndarray[Any, Any] = np.where(parts <= 1, single, multiple) * parts
    return held


def holds_wide(words: pa.Array, encodings: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which texts hold a character that takes two units of their encoding."""
    gsm, ucs2 = (pc.match_substring_regex(words, _WIDE[name]).to_numpy(zero_copy_only=False) for name in (GSM, UCS2))
    wide: np.ndarray[Any, np.dtype[np.bool_]] = np.where(encodings == GSM, gsm, ucs2)
    return wide


def units_in_a_part(encoding: str) -> int:
    """Return how many units each part of a text of several holds."""
    return _MULTIPLE[encoding]


def _count(words: pa.Array, header_length: int) -> tuple[np.ndarray[Any, Any], ...]:
    """Return for each text whether it is in GSM-7, its parts and its units."""
    missing = pc.is_null(words).to_numpy(zero_copy_only=False)
    words = pc.fill_null(words, "")
    gsm = pc.invert(pc.match_substring_regex(words, OUTSIDE_GSM)).to_numpy(zero_copy_only=False)
    wide = np.where(gsm, *(pc.count_substring_regex(words, _WIDE[name]).to_numpy() for name in (GSM, UCS2)))
    units = (pc.utf8_length(words).to_numpy() + wide).astype("int64") + header_length
    single = np.where(gsm, _SINGLE[GSM], _SINGLE[UCS2])
    multiple = np.where(gsm, _MULTIPLE[GSM], _MULTIPLE[UCS2])
    parts = np.where(units <= single, 1, -(-units // multiple)).astype("int64")

    # Only in these can a character fall astride the end of a part, which then stays one unit short.
    for encoding, chosen in ((GSM, gsm), (UCS2, ~gsm)):
        astride = np.flatnonzero(chosen & (units > single) & (wide > 0))
        some = words.take(pa.array(astride))
        parts[astride] = [len(ends) + 1 for _, ends in part_ends(some, encoding, header_length)]
    parts[missing] = units[missing] = 0
    return gsm, parts, units


def outside_gsm(texts: pd.Series[str]) -> pd.Series[str]:
    """Return the characters that force each text into UCS-2, each once, in order; "" where none does.

    texts: str dtype, NaN allowed (and given back). Same index and length; str dtype.

    >>> outside_gsm(pd.Series(["Dziękuję", "Thank you"])).tolist()
    ['ę', '']
    """
    left = pc.replace_substring_regex(to_arrow(compose(texts)), GSM_RUN, "")
    once = {text: "".join(dict.fromkeys(text)) for text in pc.unique(left).to_pylist() if text is not None}
    return to_pandas(left, texts.index).map(once).astype(STR)


def part_ends(words: pa.Array, encoding: str, header_length: int = 0) -> Iterator[tuple[str, list[int]]]:
    """Yield each text of several parts with one place a unit, a wide character in its second; and where parts end.

    words: texts of that encoding that fill more than one part, as they are sent, without nulls.

    >>> [ends for _, ends in part_ends(pa.array(["x" * 400, "x" * 152 + "€" + "x" * 9], pa.large_string()), "GSM-7")]
    [[153, 306], [152]]
    """
    header = "_" * header_length
    is_second = re.compile(_WIDE[encoding]).match
    size = _MULTIPLE[encoding]
    for text in pc.replace_substring_regex(words, _WIDE[encoding], r"_\0").to_pylist():
        places = header + text
        ends, last = [], len(places) - size
        end = 0
        while end < last:
            # a wide character that begins in the last place would be cut: it goes into the next part
            end += size - 1 if is_second(places, end + size) else size
            ends.append(end)
        yield places, ends
