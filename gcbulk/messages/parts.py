"""How a text travels as SMS: its alphabet, the units it takes, and the parts it is sent and billed in.

Sources: 3GPP TS 23.038, 6.2.1 and 6.2.1.1 (GSM 7 bit default alphabet and its extension table, UCS-2), and
3GPP TS 23.040, 9.2.3.24.1 (a text of several parts gives six octets of each to the concatenation header).
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
_OUTSIDE_GSM = f"[^{re.escape(_GSM_BASIC + _GSM_EXTENSION)}]"
_GSM_RUN = f"[{re.escape(_GSM_BASIC + _GSM_EXTENSION)}]+"
# All but characters that NFC leaves alone whatever follows them: Latin letters, dashes and quotes, currency, emoji.
_MAY_COMPOSE = "[^\x00-\u02ff\u2010-\u2027\u20a0-\u20bf\U0001f300-\U0001faff]"

_STR = pd.StringDtype(na_value=np.nan)


def compose(texts: pd.Series[str]) -> pd.Series[str]:
    """Return the texts in NFC, as they are counted and sent: a Mac's two-character `é` becomes one.

    texts: str dtype, NaN allowed. Same index and length.

    >>> compose(pd.Series(["cafe\\u0301"])).str.len().tolist()
    [4]
    """
    words = _to_arrow(texts)
    suspects = pc.fill_null(pc.match_substring_regex(words, _MAY_COMPOSE), False)
    if not pc.any(suspects).as_py():
        return texts.astype(_STR)
    composed = [unicodedata.normalize("NFC", text) for text in words.filter(suspects).to_pylist()]
    return _to_pandas(pc.replace_with_mask(words, suspects, pa.array(composed, pa.large_string())), texts.index)


def count_parts(texts: pd.Series[str]) -> pd.DataFrame:
    """Count the SMS parts of each text, as the networks send and bill them, after NFC.

    texts: str dtype, NaN allowed. Returns a frame of the same index and length:
    Encoding (str) "GSM-7", or "UCS-2" where one character is in neither GSM table, NaN where the text is;
    Parts (int64), 0 where the text is NaN; Units (int64), septets or UTF-16 code units, 0 where it is NaN.
    A character of two units is never split over two parts. Source: 3GPP TS 23.038 and 23.040 (see above).

    >>> count_parts(pd.Series(["x" * 160, "x" * 159 + "€", "Dziękuję"]))
      Encoding  Parts  Units
    0    GSM-7      1    160
    1    GSM-7      2    161
    2    UCS-2      1      8
    """
    words = _to_arrow(compose(texts))
    missing = pc.is_null(words).to_numpy(zero_copy_only=False)
    words = pc.fill_null(words, "")
    gsm = pc.invert(pc.match_substring_regex(words, _OUTSIDE_GSM)).to_numpy(zero_copy_only=False)
    wide = np.where(gsm, *(pc.count_substring_regex(words, _WIDE[name]).to_numpy() for name in (_GSM, _UCS2)))
    units = (pc.utf8_length(words).to_numpy() + wide).astype("int64")
    single = np.where(gsm, _SINGLE[_GSM], _SINGLE[_UCS2])
    multiple = np.where(gsm, _MULTIPLE[_GSM], _MULTIPLE[_UCS2])
    parts = np.where(units <= single, 1, -(-units // multiple)).astype("int64")

    # Only in these can a character fall astride the end of a part, which then stays one unit short.
    for encoding, chosen in ((_GSM, gsm), (_UCS2, ~gsm)):
        astride = np.flatnonzero(chosen & (units > single) & (wide > 0))
        parts[astride] = _pack(words.take(pa.array(astride)), encoding)

    parts[missing] = 0
    encodings = pd.Series(np.where(gsm, _GSM, _UCS2), index=texts.index, dtype=_STR).mask(missing)
    return pd.DataFrame({"Encoding": encodings, "Parts": parts, "Units": units}, index=texts.index)


def outside_gsm(texts: pd.Series[str]) -> pd.Series[str]:
    """Return the characters that force each text into UCS-2, each once, in order; "" where none does.

    texts: str dtype, NaN allowed (and given back). Same index and length; str dtype.

    >>> outside_gsm(pd.Series(["Dziękuję", "Thank you"])).tolist()
    ['ę', '']
    """
    left = pc.replace_substring_regex(_to_arrow(compose(texts)), _GSM_RUN, "")
    once = {text: "".join(dict.fromkeys(text)) for text in pc.unique(left).to_pylist() if text is not None}
    return _to_pandas(left, texts.index).map(once).astype(_STR)


def _pack(words: pa.Array, encoding: str) -> list[int]:
    """Count the parts of texts that fill more than one and hold characters of two units."""
    # One place a unit, a wide character in its second: one found where a part would begin would be cut.
    places = pc.replace_substring_regex(words, _WIDE[encoding], r"_\0").to_pylist()
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


def _to_arrow(texts: pd.Series[str]) -> pa.Array:
    arrow = pa.array(texts.astype(_STR), pa.large_string(), from_pandas=True)
    return arrow.combine_chunks() if isinstance(arrow, pa.ChunkedArray) else arrow


def _to_pandas(words: pa.Array, index: pd.Index) -> pd.Series[str]:
    series: pd.Series[str] = words.to_pandas(types_mapper={pa.large_string(): _STR}.get)
    return series.set_axis(index)
