"""Parts against a plain reference written from the standard: 3GPP TS 23.038, 6.2.1, and TS 23.040, 9.2.3.24.1."""

from __future__ import annotations

import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.messages.parts import MAX_CHARACTERS, compose, count_parts, outside_gsm

# The basic table as the standard prints it: a row for b4-b1, a column for b7-b5. "\x1b" is the escape.
TABLE = [
    ["@", "Δ", " ", "0", "¡", "P", "¿", "p"],
    ["£", "_", "!", "1", "A", "Q", "a", "q"],
    ["$", "Φ", '"', "2", "B", "R", "b", "r"],
    ["¥", "Γ", "#", "3", "C", "S", "c", "s"],
    ["è", "Λ", "¤", "4", "D", "T", "d", "t"],
    ["é", "Ω", "%", "5", "E", "U", "e", "u"],
    ["ù", "Π", "&", "6", "F", "V", "f", "v"],
    ["ì", "Ψ", "'", "7", "G", "W", "g", "w"],
    ["ò", "Σ", "(", "8", "H", "X", "h", "x"],
    ["Ç", "Θ", ")", "9", "I", "Y", "i", "y"],
    ["\n", "Ξ", "*", ":", "J", "Z", "j", "z"],
    ["Ø", "\x1b", "+", ";", "K", "Ä", "k", "ä"],
    ["ø", "Æ", ",", "<", "L", "Ö", "l", "ö"],
    ["\r", "æ", "-", "=", "M", "Ñ", "m", "ñ"],
    ["Å", "ß", ".", ">", "N", "Ü", "n", "ü"],
    ["å", "É", "/", "?", "O", "§", "o", "à"],
]
BASIC = {character for row in TABLE for character in row} - {"\x1b"}
EXTENSION = {"\f", "^", "{", "}", "\\", "[", "~", "]", "|", "€"}
EMOJI = "\U0001f600"
UNICODE = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF]


def reference(text: str) -> tuple[str, int, int]:
    text = unicodedata.normalize("NFC", text)
    if set(text) <= BASIC | EXTENSION:
        encoding, single, multiple = "GSM-7", 160, 153
        sizes = [2 if character in EXTENSION else 1 for character in text]
    else:
        encoding, single, multiple = "UCS-2", 70, 67
        sizes = [len(character.encode("utf-16-le")) // 2 for character in text]
    if sum(sizes) <= single:
        return encoding, 1, sum(sizes)
    parts, room = 1, multiple
    for size in sizes:
        if size > room:
            parts, room = parts + 1, multiple
        room -= size
    return encoding, parts, sum(sizes)


def counted(texts: list[str]) -> list[tuple[str, int, int]]:
    frame = count_parts(pd.Series(texts, dtype="str"))
    return list(frame.itertuples(index=False, name=None))


SCALARS = st.characters(exclude_categories=["Cs"])
ALPHABETS = [SCALARS, st.sampled_from(sorted(BASIC)), st.sampled_from(sorted(EXTENSION)), st.just(EMOJI)]
RUNS = st.lists(st.tuples(st.one_of(ALPHABETS), st.integers(1, 160)), max_size=12)
LONG = RUNS.map(lambda runs: "".join(character * length for character, length in runs))
MIXED = st.one_of(*(st.text(st.one_of(ALPHABETS[1:until]), min_size=60, max_size=400) for until in (3, 4)))


@given(st.lists(st.one_of(st.text(SCALARS), LONG, MIXED), max_size=8))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_parts_equal_the_reference(texts):
    assert counted(texts) == [reference(text) for text in texts]


def test_every_character_of_the_basic_plane_and_many_beyond_by_themselves():
    characters = [character for character in UNICODE if character < "\U00010000" or ord(character) % 97 == 0]
    assert counted(characters) == [reference(character) for character in characters]
    ours = pd.Series(characters, dtype="str")
    assert len(BASIC) == 127
    assert set(ours[count_parts(ours)["Encoding"] == "GSM-7"]) >= BASIC | EXTENSION


@pytest.mark.parametrize(
    ("text", "encoding", "parts", "units"),
    [
        ("", "GSM-7", 1, 0),
        ("x" * 160, "GSM-7", 1, 160),
        ("x" * 161, "GSM-7", 2, 161),
        ("x" * 306, "GSM-7", 2, 306),
        ("x" * 307, "GSM-7", 3, 307),
        ("x" * MAX_CHARACTERS, "GSM-7", 6, 918),
        ("x" * 158 + "€", "GSM-7", 1, 160),
        ("x" * 159 + "€", "GSM-7", 2, 161),
        ("x" * 152 + "€" + "x" * 152, "GSM-7", 3, 306),  # the € is astride the end of the first part
        ("x" * 152 + "€" + "x" * 151, "GSM-7", 2, 305),
        ("x" * 151 + "€" + "x" * 153, "GSM-7", 2, 306),
        ("€" * 80, "GSM-7", 1, 160),
        ("€" * 152, "GSM-7", 2, 304),
        ("€" * 153, "GSM-7", 3, 306),  # 76 in a part, with a septet to spare
        ("ę" * 70, "UCS-2", 1, 70),
        ("ę" * 71, "UCS-2", 2, 71),
        ("ę" * 134, "UCS-2", 2, 134),
        ("ę" * 135, "UCS-2", 3, 135),
        ("x" * 68 + EMOJI, "UCS-2", 1, 70),
        ("x" * 69 + EMOJI, "UCS-2", 2, 71),
        ("x" * 66 + EMOJI + "x" * 66, "UCS-2", 3, 134),  # the emoji is astride the end of the first part
        ("x" * 66 + EMOJI + "x" * 65, "UCS-2", 2, 133),
        ("x" * 65 + EMOJI + "x" * 67, "UCS-2", 2, 134),
        (EMOJI * 35, "UCS-2", 1, 70),
        (EMOJI * 66, "UCS-2", 2, 132),
        (EMOJI * 67, "UCS-2", 3, 134),
        ("ę" + "€" * 69, "UCS-2", 1, 70),  # no escape in UCS-2
        ("\x00", "UCS-2", 1, 1),
        ("ç", "UCS-2", 1, 1),  # the table has only the capital
    ],
)
def test_boundaries(text, encoding, parts, units):
    assert counted([text]) == [(encoding, parts, units)]


@pytest.mark.parametrize(
    ("typed", "encoding", "units"),
    [("cafe\u0301", "GSM-7", 4), ("A\u030angstrom", "GSM-7", 8), ("\u2126", "GSM-7", 1), ("e\u0302\u0301", "UCS-2", 1)],
)
def test_texts_are_counted_in_nfc(typed, encoding, units):
    assert counted([typed]) == [(encoding, 1, units)]


@given(st.lists(st.text(SCALARS), max_size=8))
@settings(deadline=None, derandomize=True)
def test_compose_is_nfc(texts):
    expected = [unicodedata.normalize("NFC", text) for text in texts]
    assert compose(pd.Series(texts, dtype="str")).tolist() == expected


def test_compose_knows_every_character_that_nfc_can_change():
    decomposed = [unicodedata.normalize("NFD", character) for character in UNICODE]
    marks = [f"e{mark}\u0323" for mark in UNICODE if unicodedata.combining(mark)]
    texts = [text for text in (*UNICODE, *decomposed, *marks) if not unicodedata.is_normalized("NFC", text)]
    assert len(texts) > 12_000
    assert compose(pd.Series(texts, dtype="str")).tolist() == [unicodedata.normalize("NFC", text) for text in texts]


@pytest.mark.parametrize("index", [[7, 7, 3], pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)]), list("abc")])
def test_index_and_missing_texts(index):
    texts = pd.Series(["Hello", None, "Dziękuję"], index=index, dtype="str")
    before = texts.copy()
    frame = count_parts(texts)
    expected = pd.DataFrame(
        {
            "Encoding": pd.Series(["GSM-7", np.nan, "UCS-2"], dtype="str"),
            "Parts": np.array([1, 0, 1], dtype="int64"),
            "Units": np.array([5, 0, 8], dtype="int64"),
        }
    ).set_axis(texts.index)
    pd.testing.assert_frame_equal(frame, expected)
    pd.testing.assert_series_equal(texts, before)


@pytest.mark.parametrize("dtype", ["str", "object", "string"])
def test_no_texts_and_other_dtypes(dtype):
    empty = count_parts(pd.Series([], dtype=dtype))
    assert empty.dtypes.astype(str).to_dict() == {"Encoding": "str", "Parts": "int64", "Units": "int64"}
    assert count_parts(pd.Series([None, "€"], dtype=dtype))["Units"].tolist() == [0, 2]
    assert count_parts(pd.Series([None, None], dtype=dtype))["Encoding"].isna().all()


def test_characters_that_force_ucs2():
    texts = pd.Series(["Dziękuję, Łukasz", "fine {€}", None, f"ŵ{EMOJI}ŵ", "cafe\u0301"], index=[4, 4, 5, 6, 7])
    found = outside_gsm(texts)
    assert found.index.equals(texts.index)
    assert found.fillna("missing").tolist() == ["ęŁ", "", "missing", f"ŵ{EMOJI}", ""]
