"""The lint and the savings: each mistake is found in its rows, said in a sentence, and nothing else is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.campaign.plan import make_plan
from gcbulk.messages.options import TextOptions
from gcbulk.messages.parts import count_parts

if TYPE_CHECKING:
    from gcbulk.messages.findings import Finding


def found(
    message: str, *, options: TextOptions | None = None, numbers: list[str] | None = None, **columns: Any
) -> list:
    frame = pd.DataFrame(columns or {"name": ["Ann", "Bob"]})
    frame["mobile"] = numbers or [f"07700 9001{n:02}" for n in range(len(frame))]
    return list(make_plan(frame, message, texts=options or TextOptions()).findings)


def only(findings: list[Finding], code: str) -> Finding:
    (finding,) = [one for one in findings if one.code == code]
    return finding


def test_a_good_message_brings_no_finding() -> None:
    people = {"Parent Name": ["Ms Khan", "Mr O'Neill", "AJ Smith", "李明"], "Reg": ["7A", "8B", "7A", "7A"]}
    assert found("Dear {{ parent_name }}, form {{ reg }} (all) is at home: it costs $5. [Example] <3", **people) == []


@pytest.mark.parametrize(
    ("message", "words", "offer"),
    [
        ("Dear {name}, hello", "{name}", "{{ name }}"),
        ("Dear ((name)), hello", "((name))", "{{ name }}"),
        ("Dear <<Name>>, hello", "<<Name>>", "{{ name }}"),
        ("Dear «nmae», hello", "«nmae»", "{{ name }}"),
        ("Dear [[ name ]], hello", "[[ name ]]", "{{ name }}"),
        ("Dear $name$, hello", "$name$", "{{ name }}"),
        ("Dear {{ name }}} hello", "}", "{{ parent_name }}"),
        ("{% raw %}Dear {{ name }}{% endraw %}", "{{ name }}", "{{ name }}"),
    ],
)
def test_stray_marks_are_found_with_the_nearest_column(message: str, words: str, offer: str) -> None:
    finding = only(found(message), "stray_mark")
    assert finding.severity == "warning"
    assert f"says {words} outside a field" in finding.sentence
    assert offer in finding.sentence
    assert finding.rows == (0, 1)


def test_marks_of_another_program_in_a_cell() -> None:
    finding = only(found("Dear {{ name }}", name=["Ann", "((forename))"]), "stray_mark")
    assert finding.rows == (1,)
    assert "forename" not in finding.sentence


def test_the_platform_s_own_tokens_are_a_note() -> None:
    finding = only(found("Dear $Firstname$, {{ name }}"), "platform_token")
    assert (finding.severity, finding.rows) == ("note", ())


def test_a_field_without_its_braces() -> None:
    people = {"Parent Name": ["Ms Khan"], "Year": ["7"]}
    finding = only(found("Dear parent_name, year 7", **people), "unused_field")
    assert "{{ parent_name }}" in finding.sentence


def test_a_misspelt_field_is_an_error_with_the_nearest_column() -> None:
    with pytest.raises(gcbulk.TemplateError, match=r"did you mean \{\{ name \}\}"):
        found("Dear {{ nmae }}")


def test_blank_cells_are_counted_by_column() -> None:
    findings = found("Dear {{ name }}, {{ note | default('-') }}", name=["Ann", "", "Cy"], note=["a", "b", ""])
    blank = only(findings, "blank_field")
    assert blank.rows == (1,)
    assert '"name" is blank in 1 row' in blank.sentence
    assert only(findings, "default_used").rows == (2,)


@pytest.mark.parametrize("filters", ["", " | default('Parent')", " | trim"])
def test_names_in_one_case_are_offered_the_filter(filters: str) -> None:
    names = {"Parent Name": ["MS KHAN", "Mr O'Neill", "ann smith", "AJ", "李明", "7A RED"]}
    finding = only(found("Dear {{ parent_name" + filters + " }}", **names), "name_case")
    assert finding.rows == (0, 2)
    assert "{{ parent_name | name_case }}" in finding.sentence


@pytest.mark.parametrize("field", ["{{ parent_name | name_case }}", "{{ parent_name | upper }}", "{{ house }}"])
def test_names_that_are_cased_and_columns_that_are_no_names_are_left_alone(field: str) -> None:
    assert found(f"Dear {field}", **{"Parent Name": ["MS KHAN"], "House": ["RED"]}) == []


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "NaT", "<NA>", "01/01/1900", "1900-01-01", "#REF!"])
def test_words_that_programs_write_for_a_blank(word: str) -> None:
    finding = only(found("Dear {{ name }}", name=["Ann", word, "Nan Smith", "Nan"]), "spreadsheet_word")
    assert finding.rows == (1,)
    assert word in finding.sentence


@pytest.mark.parametrize(
    "cell",
    [
        "Ms nan",
        "nan nan",
        "NaN Khan",
        "Mr None",
        "None Khan",
        "None, None",
        "Mr None de Souza",
        "<NA> Khan",
        "due NaT.",
        "Ms Lee-nan",
    ],
)
def test_words_that_programs_write_for_a_blank_among_others(cell: str) -> None:
    names = ["Nan Smith", "Fernanda Nanette", "None of them", "Tea. None for me", "Ms Nonesuch", cell]
    finding = only(found("Dear {{ name }}: None of you, nan", name=names), "spreadsheet_word")
    assert finding.rows == (5,)
    word = next(word for word in ("nan", "NaN", "None", "<NA>", "NaT") if word in cell)
    assert f"says {word} in 1 row" in finding.sentence


def test_a_word_for_a_blank_is_no_name_in_small_letters() -> None:
    findings = found("Dear {{ name }}", name=["Ann", "ms nan"])
    assert [one.code for one in findings] == ["spreadsheet_word"]


def test_a_blank_date_of_a_spreadsheet() -> None:
    dates = pd.Series(pd.to_datetime(["2026-11-24", "1900-01-01"]))
    assert only(found("Due {{ due | uk_date }}", due=dates), "spreadsheet_word").rows == (1,)


def test_a_link_over_two_parts() -> None:
    link = "https://example.com/a/rather/long/path"
    whole, cut = f"{'x' * 110}{{{{ name }}}} {link} now please", f"{'x' * 130}{{{{ name }}}} {link}"
    assert [one.code for one in found(whole, name=["Ann"]) if one.code == "broken_link"] == []
    assert only(found(cut, name=["Ann", "Bob"]), "broken_link").rows == (0, 1)
    assert "broken_link" in {one.code for one in found(whole, name=["Ann"], options=TextOptions(header_length=20))}


def test_texts_that_differ_only_in_white_space() -> None:
    numbers = ["07700 900123", "07700 900123", "07700 900124"]
    findings = found("Dear {{ name }}", name=["Ann Smith", "Ann  Smith", "Ann Smith"], numbers=numbers)
    assert only(findings, "white_space").rows == (1,)


def test_long_texts_bring_a_warning_from_max_parts_on() -> None:
    words = {"word": ["x" * 160, "x" * 306, "x" * 307]}
    assert only(found("{{ word }}", **words), "many_parts").rows == (2,)
    assert "3 parts or more, the longest 3" in only(found("{{ word }}", **words), "many_parts").sentence
    assert only(found("{{ word }}", options=TextOptions(max_parts=2), **words), "many_parts").rows == (1, 2)
    assert only(found("{{ word }}", options=TextOptions(header_length=1), **words), "many_parts").rows == (1, 2)
    assert not [one for one in found("{{ word }}", options=TextOptions(max_parts=4), **words) if "many" in one.code]


def test_characters_that_were_lost() -> None:
    assert only(found("Dear {{ name }}", name=["Ann", "Zo\ufffd"]), "lost_character").rows == (1,)


# ------------------------------------------------------------------------------------------------- savings


def test_rows_that_tip_by_a_character_and_where_it_comes_from() -> None:
    names = {"Parent Name": ["Ms Khan", "Pani Wójcikiewicz ł", "Ms Ray"]}
    priced = TextOptions(price_per_part="0.04")
    finding = only(found("x" * 80 + "{{ parent_name }}", options=priced, **names), "dear_characters")
    assert finding.rows == (1,)
    assert 'ó ł from column "Parent Name" takes 1 part more (£0.04)' in finding.sentence
    everywhere = [one for one in found("x" * 80 + "ł {{ parent_name }}", **names) if one.code == "dear_characters"]
    assert [one.rows for one in everywhere] == [(0, 2), (1,)]
    assert all("ł from the message itself" in one.sentence for one in everywhere)


def test_characters_of_the_message_and_of_a_column_are_told_apart() -> None:
    names = {"name": ["Łukasz", "Zoë", "Ann", "Siân"], "unprinted": ["Ž"] * 4}
    message = "x" * 80 + "ŵ{% if unprinted %}{{ name | upper }}{% endif %}"
    findings = [one for one in found(message, **names) if one.code == "dear_characters"]
    assert {one.rows: one.sentence.partition(" more")[0] for one in findings} == {
        (0, 1, 3): '3 texts with ŵ from the message itself and Ł Ë Â from column "name" take 3 parts',
        (2,): "1 text with ŵ from the message itself takes 1 part",
    }
    default = found("x" * 80 + "{{ name | default('Ŵ') }}", name=["", "Łu"])
    assert any("Ŵ from the message itself takes" in one.sentence and one.rows == (0,) for one in default)


@pytest.mark.parametrize(
    ("message", "names", "words", "rows"),
    [
        ("x" * 157 + "[{{ name }}", ["Al", "Bo"], "2 texts with [ from MESSAGE take 2 parts", (0, 1)),
        ("x" * 158 + "{{ name }}", ["Al", "B€", "€{"], "2 texts with € { from COLUMN take 2 parts", (1, 2)),
        ("x" * 156 + "[{{ name }}", ["Al", "A€"], "1 text with [ from MESSAGE and € from COLUMN takes 1 part", (1,)),
        ("x" * 154 + "[]{{ name }}", ["Al", "A^"], "1 text with [ ] from MESSAGE and ^ from COLUMN takes", (1,)),
        ("x" * 151 + "€" + "x" * 152 + "{{ name }}", ["A", "Al"], "1 text with € from MESSAGE takes 1 part", (1,)),
    ],
)  # fmt: skip
def test_rows_that_tip_by_a_character_that_counts_two(
    message: str, names: list[str], words: str, rows: tuple[int, ...]
) -> None:
    finding = only(found(message, options=TextOptions(price_per_part="0.04"), name=names), "double_characters")
    words = words.replace("MESSAGE", "the message itself").replace("COLUMN", 'column "name"')
    assert finding.sentence.startswith(words)
    assert "counts as two" in finding.sentence
    assert "£0.0" in finding.sentence
    assert finding.rows == rows


def test_characters_that_count_two_are_not_blamed_where_they_cost_nothing() -> None:
    codes = {one.code for one in found("[{{ name }}]" + "x" * 170, name=["Al", "Bo"])}
    assert "double_characters" not in codes


def test_characters_that_are_made_plain_are_not_blamed() -> None:
    names = {"parent_name": ["Ms O’Neill"], "forename": ["Łukasz"]}
    blamed = only(found("x" * 80 + " – {{ parent_name }} {{ forename }}", **names), "dear_characters")
    assert 'Ł from column "forename" takes' in blamed.sentence
    kept = TextOptions(smart_characters="keep")
    blamed = only(found("x" * 80 + "{{ parent_name }} {{ forename }}", options=kept, **names), "dear_characters")
    assert '’ from column "parent_name" and Ł from column "forename" takes' in blamed.sentence


def test_rows_that_tip_by_the_length_of_a_field() -> None:
    names = {"forename": ["Al", "Bo", "Maximilian"], "reg": ["7A", "7B", "7C"]}
    finding = only(found("x" * 150 + "{{ forename }}{{ reg }}", **names), "long_field")
    assert finding.rows == (2,)
    assert 'by the length of column "forename": 1 part more than the usual 1' in finding.sentence
    assert "2 characters too long" in finding.sentence


def test_what_shortening_saves() -> None:
    names = {"forename": ["Al", "Bobby", "Maximilian"]}
    priced = TextOptions(price_per_part="0.04")
    finding = only(found("x" * 157 + "{{ forename }}", options=priced, **names), "shorten")
    assert "by 7 characters would save 2 parts (£0.08)" in finding.sentence
    assert finding.rows == (1, 2)
    shorter = pd.DataFrame(names).assign(mobile=[f"07700 90012{n}" for n in range(3)])
    before = gcbulk.preview(shorter, "x" * 157 + "{{ forename }}").summary()["parts"]
    after = gcbulk.preview(shorter, "x" * 150 + "{{ forename }}").summary()["parts"]
    assert before - after == 2


def test_nothing_is_said_of_rows_that_are_not_sent() -> None:
    assert found("Dear {{ name }}", name=["nan", "((x))"], numbers=["bad", "worse"]) == []


WORDS = st.lists(
    st.sampled_from(["x" * 20, "€", "ł", "\U0001f600", " ", "y", "https://a.example/" + "p" * 30, "www.b.example"]),
    max_size=25,
)


def edges_of(text: str, encoding: str) -> list[int]:
    """Where parts end, as places between characters, by counting one character after the other."""
    single, multiple = (160, 153) if encoding == "GSM-7" else (70, 67)
    wide = "^{}\\[~]|€\f" if encoding == "GSM-7" else "\U0001f600"
    units = [2 if one in wide else 1 for one in text]
    ends, filled = [], 0
    for place, unit in enumerate(units if sum(units) > single else []):
        if filled + unit > multiple:
            ends.append(place)
            filled = 0
        filled += unit
    return ends


@given(st.lists(WORDS.map("".join), min_size=1, max_size=4), st.sampled_from([0, 7]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_links_are_broken_where_a_part_ends_in_them(texts: list[str], header: int) -> None:
    """Against a walk through each text: where do the parts end, and is it inside a link?"""
    findings = found("{{ word }}.", options=TextOptions(header_length=header), word=[f"a{text}" for text in texts])
    cut = []
    for row, text in enumerate(texts):
        whole = f"{'_' * header}a{text}."
        if len(whole) - header > 918 - header:
            continue
        (encoding,) = count_parts(pd.Series([whole]))["Encoding"]
        edges = edges_of(whole, encoding)
        links = [match.span() for match in re.finditer(r"(?:https?://|www\.)\S+", whole)]
        if any(begin < edge < end for begin, end in links for edge in edges):
            cut.append(row)
    assert [one.rows for one in findings if one.code == "broken_link"] == ([tuple(cut)] if cut else [])
