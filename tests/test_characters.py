"""Characters: what is made plain, what never changes, and what no text can carry."""

from __future__ import annotations

import unicodedata

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.messages import columns, parts, template
from gcbulk.messages.characters import CONTROL, PLAIN_TWINS, character_name, plain
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import count_parts
from gcbulk.messages.template import Template

SCALARS = st.characters(exclude_categories=["Cs"])


def made_plain(*texts: str) -> list[str]:
    return plain(pa.array(texts, pa.large_string()))[0].to_pylist()


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("‘a’ “b” ‚c‛ „d‟", "'a' 'b' 'c' 'd'".replace("'b'", '"b"').replace("'d'", '"d"')),
        ("1–2 — 3‑4 −5", "1-2 - 3-4 -5"),
        ("wait…", "wait..."),
        ("a\u00a0b\u2009c\u202fd", "a b c d"),
        ("ﬁve ﬂoors oﬀer aﬃx", "five floors offer affix"),
        ("Kha\u200bn Mül\u00adler \ufeffx\u2060y", "Khan Müller xy"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("Name:\tAnn", "Name: Ann"),
        ("Ann\u200e\u200d", "Ann"),  # marks that say nothing among Latin letters
    ],
)
def test_typographic_characters_have_a_plain_twin(typed, sent):
    assert made_plain(typed) == [sent]
    assert count_parts(pd.Series([sent]))["Encoding"].tolist() == ["GSM-7"]


@pytest.mark.parametrize(
    "text",
    [
        "Mae'r ysgol ar gau oherwydd yr eira: ŵyl, tŷ, Siân",
        "Szkoła jest dziś zamknięta. Dziękuję",
        "المدرسة مغلقة اليوم",
        "می\u200cروم",  # the joiner's absence would be another word
        "Школа сьогодні зачинена, п'ять днів, ґанок",
        "👨\u200d👩\u200d👧 ❤\ufe0f 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "«Non», 5′ is no quote here: 5 ft, 日本語　テスト".replace("′", ""),
        "€5 {a} [b] ~ \\ | ^",
    ],
)
def test_languages_and_emoji_are_sent_as_they_are(text):
    assert made_plain(text) == [text]


@given(st.lists(st.text(st.one_of(SCALARS, st.sampled_from("".join(PLAIN_TWINS))), max_size=30), max_size=6))
@settings(deadline=None, derandomize=True)
def test_only_what_has_a_twin_changes_and_nothing_becomes_a_question_mark(texts):
    after, replaced = plain(pa.array(texts, pa.large_string()))
    for before, sent, characters in zip(texts, after.to_pylist(), replaced.to_pylist(), strict=True):
        assert sent.count("?") == before.count("?")
        assert not set(sent) & set(PLAIN_TWINS)
        assert set(characters) <= set(before)
        kept = [c for c in before if unicodedata.category(c) not in {"Cf", "Mn"} and c not in PLAIN_TWINS]
        assert [c for c in kept if c not in sent] == []
        if sent != before.replace("\r\n", "\n").replace("\r", "\n"):
            assert characters
    assert made_plain(*after.to_pylist()) == after.to_pylist()


def test_what_is_kept_is_sent_as_it_was_typed_but_in_nfc():
    frame = pd.DataFrame({"name": ["O’Neill", "Jose\u0301"], "mobile": ["07700 900123", "07700 900124"]})
    kept = gcbulk.preview(frame, "Dear {{ name }} – hello", smart_characters="keep")
    assert kept.frame["Text"].tolist() == ["Dear O’Neill – hello", "Dear José – hello"]
    assert kept.summary()["replaced_characters"] == {}
    replaced = gcbulk.preview(frame, "Dear {{ name }} – hello")
    assert replaced.frame["Text"].tolist() == ["Dear O'Neill - hello", "Dear José - hello"]
    assert replaced.summary()["replaced_characters"] == {"–": 2, "’": 1}
    assert "– (U+2013 en dash) becomes - in 2 texts" in str(replaced)
    assert "– (U+2013 en dash) becomes - in 2 texts" in replaced.to_html()


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x0b", "\x0c", "\x7f", "\x85", "\x92"])
def test_control_characters_are_refused(character):
    frame = pd.DataFrame({"name": ["Ann", f"B{character}b"], "mobile": ["07700 900123", "07700 900124"]})
    seen = gcbulk.preview(frame, "Dear {{ name }}").frame
    assert seen["Status"].tolist() == ["ready", "invalid"]
    assert seen["ErrorCode"].tolist()[1] == "INVALID_CHARACTERS"
    assert f"U+{ord(character):04X}" in seen["ErrorDetail"].tolist()[1]
    with pytest.raises(gcbulk.TemplateError, match=r"^Line 2, column 3: .*U\+"):
        gcbulk.preview(frame, f"Dear\nab{character} {{{{ name }}}}")


@pytest.mark.parametrize(
    ("character", "field"),
    [
        *((character, "{{ name }}") for character in ["\x07", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85"]),
        *((character, "{{ name | trim }}") for character in ["\x0b", "\x1c", "\x85"]),
        ("\x1f", "{{ name | default('Parent') }}"),
    ],
)
def test_control_characters_at_the_edge_of_a_cell_are_no_white_space(character, field):
    names = [f"{character}Bob", f"Bob {character}", character, " Bob\t"]
    for cells in (names, pd.Series(names, dtype=object), pd.Categorical(names)):
        frame = pd.DataFrame({"name": cells, "mobile": [f"07700 90012{n}" for n in range(4)]})
        seen = gcbulk.preview(frame, f"Dear {field}").frame
        assert seen["ErrorCode"].tolist()[:3] == ["INVALID_CHARACTERS"] * 3
        assert seen["Text"].tolist()[3] == "Dear Bob"


def test_a_tab_is_white_space_unless_it_is_kept():
    frame = pd.DataFrame({"name": ["a\tb"], "mobile": ["07700 900123"]})
    assert gcbulk.preview(frame, "{{ name }}\tc").frame["Text"].tolist() == ["a b c"]
    with pytest.raises(gcbulk.TemplateError, match="Line 1, column 11"):
        gcbulk.preview(frame, "{{ name }}\tc", smart_characters="keep")
    assert gcbulk.preview(frame, "{{ name }}", smart_characters="keep").frame["ErrorCode"].tolist() == [
        "INVALID_CHARACTERS"
    ]


def test_every_control_character_is_one():
    found = [chr(code) for code in range(0x110) if pd.Series([chr(code)]).str.contains(CONTROL).item()]
    assert found == [chr(c) for c in range(0x110) if unicodedata.category(chr(c)) == "Cc" and chr(c) not in "\n\r"]


def test_names_of_characters_say_even_what_is_not_seen():
    assert character_name("\u200b") == "U+200B zero width space"
    assert character_name("ŵ") == "ŵ (U+0175 latin small letter w with circumflex)"


@pytest.mark.parametrize("message", ["Dear {{ a }} – “{{ b }}”", "{% if a %}Dear {{ a }}{% endif %} – “{{ b }}”"])
def test_pieces_of_a_long_list_are_put_together_again(message, monkeypatch):
    frame = pd.DataFrame(
        {"A": [f"x{n}" if n % 5 else "" for n in range(23)], "B": ["ę€" * n for n in range(23)]}, index=range(23, 0, -1)
    )
    options = TextOptions()
    made = Template(message)
    whole = made.write(made.cells(frame), options)
    counted = count_parts(whole.frame["Text"])
    for module in (columns, parts, template):
        monkeypatch.setattr(module, "CHUNK", 4)
    pieces = made.write(made.cells(frame), options)
    pd.testing.assert_frame_equal(pieces.frame, whole.frame)
    pd.testing.assert_series_equal(pieces.replaced.fillna(""), whole.replaced.fillna(""))
    pd.testing.assert_frame_equal(count_parts(pieces.frame["Text"]), counted)


CELLS = st.one_of(
    st.text(SCALARS, max_size=8), st.sampled_from(["", "O’Neill", "a\x07", "\u200d", "Łukasz…", "x" * 900])
)
LITERALS = st.text(st.characters(exclude_characters="{}%#", exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.one_of(LITERALS, st.sampled_from(["{{ a }}", "{{ b }}", "– “x”"])), max_size=6),
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    st.sampled_from([TextOptions(), TextOptions(smart_characters="keep"), TextOptions(header_length=30)]),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_texts_are_written_the_same_column_by_column_and_row_by_row(pieces, rows, options):
    frame = pd.DataFrame(rows, columns=["A", "B"])
    message = "".join(pieces) + "."
    joined, by_row = Template(message), Template(f"{{% if 1 %}}{message}{{% endif %}}")
    assert by_row.reading.pieces is None
    one, other = (made.write(made.cells(frame), options) for made in (joined, by_row))
    pd.testing.assert_frame_equal(one.frame, other.frame)
    pd.testing.assert_series_equal(one.replaced.fillna(""), other.replaced.fillna(""))
