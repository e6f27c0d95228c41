"""Merge fields: names, the small language, what each cell becomes, and what is wrong with a row."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gcbulk
from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.errors import TemplateError
from gcbulk.messages.template import Template, field_name

PARENTS = pd.DataFrame(
    {
        "Parent Name": ["Ms Khan", " Mr O'Neill ", "", None],
        "Forename": ["Aisha", "Liam", "Zoë", "Tom"],
        "Year": ["7", "10", "", "Reception"],
        "Balance": [-3.5, 0.0, np.nan, 12.0],
    }
)


def texts(message: str, frame: pd.DataFrame = PARENTS) -> list[str]:
    return Template(message).render(frame)["Text"].fillna("<none>").tolist()


def one(message: str, value: object) -> pd.Series:
    return Template(message).render(pd.DataFrame({"X": pd.Series([value], dtype=object)})).iloc[0]


# ------------------------------------------------------------------------------------------------- field names


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Parent Name", "parent_name"),
        ("Parent 1 Mobile", "parent_1_mobile"),
        ("Reg.", "reg"),
        ("Parent\xa0Name", "parent_name"),
        ("Parent\r\nName", "parent_name"),
        ("Parent-Name / Title", "parent_name_title"),
        ("  PARENT   NAME  ", "parent_name"),
        ("parent__name_", "parent_name"),
        ("Parent's Name", "parents_name"),
        ("Pupil’s Name", "pupils_name"),
        ("D.O.B.", "d_o_b"),
        ("Amount (£)", "amount"),
        ("1st contact", "_1st_contact"),
        ("Prénom", "prénom"),
        ("Pre\u0301nom", "prénom"),
        ("Enw’r plentyn", "enwr_plentyn"),
        ("नाम", "नाम"),
        ("Class", "class"),
        ("In", "_in"),
        ("True", "_true"),
        (2024, "_2024"),
        (("Parent", "Mobile No."), "parent_mobile_no"),
        (("Parent", 1), "parent_1"),
        ("***", ""),
        ("", ""),
    ],
)
def test_field_names(column, name):
    assert field_name(column) == name
    assert field_name(name) == name


@given(st.text())
@settings(deadline=None, derandomize=True)
def test_every_field_name_can_be_used(label):
    name = field_name(label)
    assert field_name(name) == name
    if name:
        frame = pd.DataFrame([["Ms Khan"]], columns=[label])
        assert Template(f"Dear {{{{ {name} }}}}").render(frame)["Text"].tolist() == ["Dear Ms Khan"]


# ------------------------------------------------------------------------------------------------- the language


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("School is closed.", "School is closed."),
        ("Dear {{ parent_name }}", "Dear Ms Khan"),
        ("Dear {{ Parent_Name }}, {{FORENAME}}", "Dear Ms Khan, Aisha"),
        ("Dear {{ parent_name | default('Parent') }}", "Dear Ms Khan"),
        ("{{ parent_name | upper }} {{ forename | lower }}", "MS KHAN aisha"),
        ("{{ forename | upper | capitalize | trim }} {{ forename | lower | title }}", "Aisha Aisha"),
        ("{% if year == '7' %}a{% elif year == '8' %}b{% else %}c{% endif %}", "a"),
        ("{% if year == '8' %}a{% elif year == '7' %}b{% else %}c{% endif %}", "b"),
        ("{% if year != '7' %}a{% elif not year %}b{% else %}c{% endif %}", "c"),
        ("{% if year == 7 and (balance < 0 or year > 9) %}a{% endif %}!", "a!"),
        ("{% if balance == -3.5 and year >= 7 and 7 <= year %}a{% endif %}!", "a!"),
        ("{% if year is defined and year is not undefined %}a{% endif %}!", "a!"),
        ("Hi{# a note: {{ nobody }} #}!", "Hi!"),
        ("{% raw %}{{ parent_name }}{% endraw %}", "{{ parent_name }}"),
        ("{{ 'a' }}{{ 5 }} {{- ' b' }}", "a5 b"),
        ("{% if 1 %}  {%- if year -%}  a  {%- endif %}{% endif %}", "a"),
        ("$Firstname$ $Name$ $Date$ {{ forename }}", "$Firstname$ $Name$ $Date$ Aisha"),
        ("50% off {a} } %} }} # ## ((x)) <<y>> {{ forename }}", "50% off {a} } %} }} # ## ((x)) <<y>> Aisha"),
        ("a\r\nb\rc\n", "a\nb\nc"),
        ("a\n\n", "a\n"),
        ("{{ forename }}\n", "Aisha"),
        ("  {{ forename }}  ", "  Aisha  "),
        ("cafe\u0301", "café"),
    ],
)
def test_what_a_message_can_have(message, expected):
    assert texts(message)[0] == expected


UNUSABLE = [
    # message, where, and words that must be in the sentence
    ("Dear {{ parent_name", "Line 1, column 6", "not closed with }}"),
    ("Dear\n {{ parent_name }, hello", "Line 2, column 2", "not closed with }}"),
    ("Hi {{ name, see {{ other }} bye", "Line 1, column 4", "not closed with }}"),
    ("Hi {# note", "Line 1, column 4", "not closed with #}"),
    ("Hi {% if a", "Line 1, column 4", "not closed with %}"),
    ("Hi {% raw %} x", "Line 1, column 4", "end of raw"),
    ("a\n\n{% if a %}x", "Line 3, column 1", "no {% endif %}"),
    ("{% if a %}{% else %}x", "Line 1, column 11", "no {% endif %}"),
    ("x{% endif %}", "Line 1, column 2", "no {% if %}"),
    ("{% else %}", "Line 1, column 1", "no {% if %}"),
    ("{% if a %}{% else %}{% else %}{% endif %}", "Line 1, column 21", "after {% else %}"),
    ("{% if a %}{% else %}{% elif b %}{% endif %}", "Line 1, column 21", "after {% else %}"),
    ("{% if a %}{% else if b %}{% endif %}", "Line 1, column 11", "got 'if'"),
    ("{% if a = 1 %}x{% endif %}", "Line 1, column 1", "got '='"),
    ("{{ }}", "Line 1, column 1", "Expected an expression"),
    ("Dear {{ Parent Name }}", "Line 1, column 6", 'For the column "Parent Name" write {{ parent_name }}.'),
    ("{{ Parent Name | default('x') }}", "Line 1, column 1", "write {{ parent_name }}."),
    ("{{ Parent-Name }}", "Line 1, column 1", "write {{ parent_name }}."),
    ("{{ Reg. }}", "Line 1, column 1", "write {{ reg }}."),
    ("{{ 1st contact }}", "Line 1, column 1", "write {{ _1st_contact }}."),
    ("{{ Parent's Name }}", "Line 1, column 1", "write {{ parents_name }}."),
    ("{{ Mother and Father }}", "Line 1, column 1", "write {{ mother_and_father }}."),
    ("{{ Parents' Mobile }}", "Line 1, column 1", "write {{ parents_mobile }}."),
    ("{{ a | default(‘Parent’) }}", "Line 1, column 1", "must be straight"),
    ("Hi {{ a }} {{ b | shout }}", "Line 1, column 12", "no filter 'shout'"),
    ("{{ a | default }}", "Line 1, column 1", "default takes one value"),
    ("{{ a | default('x', true) }}", "Line 1, column 1", "default takes one value"),
    ("{{ a | default(value='x') }}", "Line 1, column 1", "default takes one value"),
    ("{{ a | default(*b) }}", "Line 1, column 1", "default takes one value"),
    ("{{ a | upper('x') }}", "Line 1, column 1", "the other filters take none"),
    ("{{ 'a' | upper }}", "Line 1, column 1", "a filter needs a field"),
    ("{% for x in a %}{{ x }}{% endfor %}", "Line 1, column 1", "no tag {% for %}"),
    ("{% set a = 1 %}", "Line 1, column 1", "no tag {% set %}"),
    ("{% macro m() %}{% endmacro %}", "Line 1, column 1", "no tag {% macro %}"),
    ("{% include 'secrets' %}", "Line 1, column 1", "no tag {% include %}"),
    ("{% import 'os' as os %}", "Line 1, column 1", "no tag {% import %}"),
    ("{% filter upper %}a{% endfilter %}", "Line 1, column 1", "no tag {% filter %}"),
    ("{{ a() }}", "Line 1, column 1", "a call"),
    ("{{ range(9) }}", "Line 1, column 1", "a call"),
    ("{{ a.__class__ }}", "Line 1, column 1", "a dot"),
    ("{{ a['b'] }}", "Line 1, column 1", "square brackets"),
    ("{{ [a] }}", "Line 1, column 1", "a list"),
    ("{{ a, b }}", "Line 1, column 1", "a list"),
    ("{{ 'a' * 10**8 }}", "Line 1, column 1", "arithmetic"),
    ("Hi\n{{ a\n + b }}", "Line 2, column 1", "arithmetic"),
    ("{{ -a }}", "Line 1, column 1", "arithmetic"),
    ("{{ -'a' }}", "Line 1, column 1", "a minus"),
    ("{{ a ~ b }}", "Line 1, column 1", "joining with ~"),
    ("{{ a if b else c }}", "Line 1, column 1", "an if inside"),
    ("{{ a == b }}", "Line 1, column 1", "a condition inside {{ }}"),
    ("{{ a or 'Parent' }}", "Line 1, column 1", "a condition inside {{ }}"),
    ("{% if a.b %}x{% endif %}", "Line 1, column 1", "a dot"),
    ("{% if a %}x{% elif f() %}y{% endif %}", "Line 1, column 12", "a call"),
    ("{% if a in b %}x{% endif %}", "Line 1, column 1", "the comparisons are"),
    ("{% if a < 'x' %}x{% endif %}", "Line 1, column 1", "compare numbers"),
    ("{% if a is odd %}x{% endif %}", "Line 1, column 1", "no test 'is odd'"),
    (r"{{ '\ud800' }}", "Line 1, column 1", "no character"),
    ("{{ true }}", "Line 1, column 1", "no text and no number"),
    ("{{ " + "(" * 600 + "a" + ")" * 600 + " }}", "", "nested too deeply"),
    ("{% if " + "not " * 300 + "a %}x{% endif %}", "Line 1, column 1", "nested too deeply"),
    ("{% if a %}" * 11 + "{% endif %}" * 11, "Line 1, column 101", "10 deep"),
    ("{{ " + "9" * 5000 + " }}", "", "too long"),
    ("", "", "empty"),
    (" \n\t\xa0\u200b", "", "empty"),
    ("Hello \udcff", "", "Save it as UTF-8"),
    (None, "", "must be a text"),
]


@pytest.mark.parametrize(("message", "where", "words"), UNUSABLE)
def test_what_a_message_cannot_have(message, where, words):
    with pytest.raises(TemplateError) as caught:
        Template(message)
    sentence = str(caught.value)
    assert sentence.startswith(f"{where}:" if where else "The message")
    assert words in sentence
    assert "\n" not in sentence


FRAGMENTS = "{{ }} {% %} {# #} {%- -%} if elif else endif raw endraw a Parent_Name default upper is defined not and or"
FRAGMENTS += " == < - | ( ) ' 1 1.5 . , for set {{a}} {%if(a)%} {%endif%} {%else%} 'x'"


@given(st.lists(st.sampled_from([*FRAGMENTS.split(), " ", "\n", "{"]), max_size=25).map(" ".join))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_is_written_is_refused_in_a_sentence_or_rendered(message):
    frame = pd.DataFrame({"A": ["1", "", "x"], "Parent Name": ["", "2", "y"]})
    try:
        template = Template(message)
    except TemplateError:
        return
    if template.fields <= {"a", "parent_name"}:
        rendered = template.render(frame)
        assert (rendered["ErrorCode"].isna() == rendered["Text"].notna()).all()


def test_fields():
    message = Template("{{ A }} {% if b == c %}{{ a | default(D) }}{% endif %} {# e #} {% raw %}{{ f }}{% endraw %}")
    assert message.fields == {"a", "b", "c", "d"}
    assert Template("none").fields == frozenset()


@pytest.mark.parametrize(
    "name", ["self", "range", "loop", "context", "environment", "class", "field_0", "l_0_name", "true_"]
)
def test_words_of_python_and_jinja_are_names_like_others(name):
    frame = pd.DataFrame({name: ["a"], "Name": ["b"]})
    assert texts(f"{{{{ name | trim }}}}{{{{ {name} }}}}", frame) == ["ba"]


def test_names_that_python_takes_for_one_are_one_column():
    with pytest.raises(TemplateError, match='"ﬁrst" and "first"'):
        Template("{{ ﬁrst }}").check(["ﬁrst", "first"])


# ------------------------------------------------------------------------------------------------- the columns


def test_unknown_fields_are_named_with_those_that_can_be_used():
    with pytest.raises(TemplateError) as caught:
        Template("{{ parnt_name }} {{ zzz | default('x') }} {{ forename }}").check(PARENTS.columns)
    assert str(caught.value) == (
        "No column provides {{ parnt_name }} (did you mean {{ parent_name }}?) or {{ zzz }}. "
        "The fields that can be used: {{ parent_name }}, {{ forename }}, {{ year }}, {{ balance }}."
    )
    with pytest.raises(TemplateError, match="The fields that can be used: none"):
        Template("{{ a }}").render(pd.DataFrame(index=[0]))


@pytest.mark.parametrize("columns", [["Name", "Name"], ["Name", "NAME "], [("Na", "me"), "na.me"]])
def test_two_columns_for_one_field(columns):
    frame = pd.DataFrame([["a", "b"]], columns=pd.Index(columns, tupleize_cols=False))
    field = field_name(columns[0])
    with pytest.raises(TemplateError) as caught:
        Template(f"{{{{ {field} }}}}").render(frame)
    assert all(str(label).strip() in str(caught.value) for label in columns if isinstance(label, str))
    assert texts("Hello", frame) == ["Hello"]


def test_columns_of_several_levels():
    frame = pd.DataFrame([["Ms Khan", ""]], columns=pd.MultiIndex.from_product([["Parent"], ["Name", "Title"]]))
    assert texts("{{ parent_name }}", frame) == ["Ms Khan"]
    assert '"Parent / Title"' in Template("{{ parent_title }}").render(frame)["ErrorDetail"].iloc[0]


# ------------------------------------------------------------------------------------------------- the cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("  Ms Khan\t", "Ms Khan"),
        ("\xa0Ms Khan\u200b", "Ms Khan"),
        (5.0, "5"),
        (12.5, "12.5"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e16, "10000000000000000"),
        (1e-7, "0.0000001"),
        (np.float32(0.1), "0.1"),
        (7, "7"),
        (np.int64(7), "7"),
        (True, "True"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+2"), "100"),
        (dt.date(2026, 11, 23), "2026-11-23"),
        (dt.datetime(2026, 11, 23), "2026-11-23"),  # noqa: DTZ001
        (pd.Timestamp("2026-11-23"), "2026-11-23"),
        (pd.Timestamp("2026-11-23 08:30"), "2026-11-23 08:30"),
        (pd.Timestamp("2026-11-23 08:30:15", tz="Europe/London"), "2026-11-23 08:30:15"),
        (np.datetime64("2026-11-23"), "2026-11-23"),
        (dt.time(8, 30), "08:30"),
        ("{{ forename }}{% if %}", "{{ forename }}{% if %}"),
    ],
)
def test_how_cells_are_written(value, text):
    for message in ("{{ x }}", "{{ x | trim }}", "{{ x | default('none') }}"):
        assert one(message, value)["Text"] == text


BLANKS = ["", "  ", "\xa0", "\u200b", "\n", None, np.nan, pd.NA, pd.NaT, Decimal("NaN"), np.inf]


@pytest.mark.parametrize("value", BLANKS, ids=repr)
def test_blank_cells(value):
    for message in ("{{ x }}", "Dear {{ x }},", "Dear {{ x | upper }}", "{% if not x %}{{ x }}{% endif %}"):
        row = one(message, value)
        assert pd.isna(row["Text"])
        assert row["ErrorCode"] == ErrorCode.FIELD_MISSING
        assert row["ErrorDetail"] == f'Column "X": {SENTENCES[ErrorCode.FIELD_MISSING]}'
    assert one("Dear {{ x | default('Parent') }}", value)["Text"] == "Dear Parent"
    assert one("Dear {{ x | default('parent') | title }}", value)["Text"] == "Dear Parent"
    assert one("Dear{{ x | default('') }}", value)["Text"] == "Dear"
    assert one("{% if x %}a{% elif x is defined %}b{% else %}c{% endif %}", value)["Text"] == "c"
    assert one("{% if x == '' and x is undefined and x != 'a' %}a{% endif %}", value)["Text"] == "a"


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.0, np.nan]),
        pd.Series([1.0, np.nan], dtype="float32"),
        pd.Series(["1", ""], dtype="str"),
        pd.Series(["1", None], dtype="string"),
        pd.Series(["1", None], dtype="category"),
        pd.Series([1, None], dtype="category"),
        pd.Series([1, None], dtype="int64[pyarrow]"),
        pd.Series(["1", None], dtype="string[pyarrow]"),
        pd.Series([Decimal(1), None], dtype=object),
        pd.Series([1.0, np.nan], dtype="Sparse[float64]"),
    ],
    ids=lambda column: str(column.dtype),
)
@pytest.mark.parametrize("message", ["No {{ x }}", "No {{ x | trim }}"])
def test_dtypes(column, message):
    rendered = Template(message).render(pd.DataFrame({"X": column}))
    assert rendered["Text"].fillna("<none>").tolist() == ["No 1", "<none>"]
    assert rendered["ErrorCode"].fillna("").tolist() == ["", "FIELD_MISSING"]
    assert set(map(str, rendered.dtypes)) == {"str"}


def test_small_floats_and_values_that_are_equal_keep_their_own_words():
    assert texts("{{ x }}", pd.DataFrame({"X": pd.Series([0.1, 3], dtype="float32")})) == ["0.1", "3"]
    assert texts("{{ x }}", pd.DataFrame({"X": pd.Series([True, 1, Decimal("1.0")], dtype=object)})) == [
        "True",
        "1",
        "1.0",
    ]


@pytest.mark.parametrize(
    "value",
    [["a"], ("a",), {"a": 1}, {"a"}, b"a", 1j, object(), pd.Timedelta(1), np.array([1, 2])],
    ids=lambda v: type(v).__name__,
)
def test_cells_that_are_no_text(value):
    frame = pd.DataFrame({"Odd One": pd.Series(["fine", value], dtype=object), "Name": "a"})
    with pytest.raises(TemplateError, match=rf'The column "Odd One" holds a value of the type {type(value).__name__}'):
        Template("{{ odd_one }}").render(frame)
    assert texts("{{ name }}", frame) == ["a", "a"]


# ------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("x == 7", ["7", 7, 7.0, "7.0", "07"]),
        ("x == '7'", ["7", 7, 7.0]),
        ("x > 9", ["10", 10.5, "1,200.50", "£12"]),
        ("x < 9", ["7", "-12.50", "-£3", 7, 7.0, "7.0", "07"]),
        ("x", ["7", "10", 7, 7.0, 10.5, "7.0", "07", "1,200.50", "£12", "-12.50", "-£3", "n/a", "True", True]),
        ("not x", ["False", "FALSE", False, "", None]),
        ("x is defined", ["7", "False", False, True, "n/a"]),
    ],
)
def test_conditions(condition, chosen):
    values = ["7", 7, 7.0, "7.0", "07", "10", 10.5, "1,200.50", "£12", "-12.50", "-£3", "n/a", "True", True]
    values += ["False", "FALSE", False, "", None]
    message = f"{{% if {condition} %}}yes{{% else %}}no{{% endif %}}"
    for value in values:
        expected = any(value == other and type(value) is type(other) for other in chosen)
        row = one(message, value)
        if row["ErrorCode"] == ErrorCode.FIELD_MISSING:
            assert not expected
            assert condition in {"x > 9", "x < 9"}
        elif condition != "x is defined" or expected:
            assert (row["Text"] == "yes") == expected, value


@pytest.mark.parametrize("value", ["n/a", "", None, "12,50", "1.2.3", "nan", "inf"])
@pytest.mark.parametrize("condition", ["x > 0", "0 < x", "x >= y", "y <= x", "x | lower < 1"])
def test_comparing_with_what_is_no_number_never_chooses_words(condition, value):
    frame = pd.DataFrame({"Days X": [value, "4"], "Y": ["3", "3"]})
    message = f"{{% if {condition.replace('x', 'days_x')} %}}yes{{% else %}}no{{% endif %}}"
    rendered = Template(message).render(frame)
    assert rendered["ErrorCode"].fillna("").tolist() == ["FIELD_MISSING", ""]
    assert rendered["ErrorDetail"].iloc[0].startswith('Column "Days X": ')
    assert one("{% if x | default(0) > 1 %}yes{% else %}no{% endif %}", None)["Text"] == "no"


def test_default_from_another_column():
    message = "Hi {{ parent_name | default(year) }}"
    assert texts(message) == ["Hi Ms Khan", "Hi Mr O'Neill", "<none>", "Hi Reception"]
    assert Template(message).render(PARENTS)["ErrorDetail"].iloc[2].startswith('Column "Year": ')


# ------------------------------------------------------------------------------------------------- the rows


def test_rows_are_rendered_in_order_and_named_by_the_first_blank():
    for message in ("{{ parent_name }} {{ year }}", "{{ parent_name }}{% if 1 %} {{ year }}{% endif %}"):
        rendered = Template(message).render(PARENTS)
        assert rendered["Text"].fillna("<none>").tolist() == ["Ms Khan 7", "Mr O'Neill 10", "<none>", "<none>"]
        assert rendered["ErrorCode"].fillna("").tolist() == ["", "", "FIELD_MISSING", "FIELD_MISSING"]
        assert rendered["ErrorDetail"].dropna().str.startswith('Column "Parent Name": ').all()


def test_empty_and_long_texts():
    frame = pd.DataFrame({"X": ["", "a" * 917, "a" * 918, "b"]})
    rendered = Template("{% if x %}{{ x }}{% if x != 'b' %}!{% endif %}{% endif %} ").render(frame)
    assert rendered["ErrorCode"].fillna("").tolist() == ["MESSAGE_EMPTY", "MESSAGE_TOO_LONG", "MESSAGE_TOO_LONG", ""]
    assert rendered["Text"].str.len().fillna(0).tolist() == [0, 919, 920, 2]
    details = [
        SENTENCES[ErrorCode.MESSAGE_EMPTY],
        "This text has 919 characters; 918 (6 parts) can be sent. Shorten it.",
    ]
    assert rendered["ErrorDetail"].iloc[:2].tolist() == details
    at_the_limit = Template("{{ x }}").render(pd.DataFrame({"X": ["a" * 918, "e\u0301" * 918, "a" * 919]}))
    assert at_the_limit["ErrorCode"].fillna("").tolist() == ["", "", "MESSAGE_TOO_LONG"]
    assert Template("x" * 919).render(PARENTS)["ErrorCode"].tolist() == ["MESSAGE_TOO_LONG"] * 4
    assert Template("{# nothing #}").render(PARENTS)["ErrorCode"].tolist() == ["MESSAGE_EMPTY"] * 4


INDEXES = [[7, 7, 3, 3], list("abca"), pd.MultiIndex.from_tuples([(1, 1), (1, 1), (2, 1), (2, 2)]), [None, 1, None, 2]]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize(
    "message", ["{{ forename }}", "{{ forename | upper }}", "closed", "{% if year %}a{% endif %}b"]
)
def test_any_index_is_kept_and_nothing_modified(index, message):
    frame = PARENTS.set_axis(index)
    before = frame.copy()
    rendered = Template(message).render(frame)
    assert rendered.index.equals(frame.index)
    assert rendered.columns.tolist() == ["Text", "ErrorCode", "ErrorDetail"]
    assert set(map(str, rendered.dtypes)) == {"str"}
    assert rendered["Text"].tolist() == Template(message).render(PARENTS)["Text"].tolist()
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("message", ["{{ forename }}", "{{ forename | upper }}", "closed"])
def test_no_rows(message):
    rendered = Template(message).render(PARENTS.iloc[:0])
    assert rendered.shape == (0, 3)
    assert set(map(str, rendered.dtypes)) == {"str"}


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "{{ a }}", None, np.nan, pd.NaT, pd.NA]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.decimals(places=2, allow_nan=True),
    st.dates(),
    st.datetimes(),
)
PIECES = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="{}%#", exclude_categories=["Cs"]), max_size=12),
        st.sampled_from(["{{ a }}", "{{ B }}", "{{b}}", "{{ 'c' }}", "{{ 1.5 }}", "{# d #}"]),
    ),
    max_size=8,
)


@given(PIECES, st.lists(st.tuples(CELLS, CELLS), max_size=6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_joining_columns_gives_what_jinja_gives_row_by_row(pieces, rows):
    frame = pd.DataFrame(
        {"A": pd.Series([a for a, _ in rows], dtype=object), "B": pd.Series([b for _, b in rows], dtype=object)}
    )
    plain = "".join(pieces) + "."
    joined = Template(plain).render(frame)
    by_row = Template(f"{{% if 1 %}}{plain}{{% endif %}}").render(frame)
    pd.testing.assert_frame_equal(joined, by_row)


@given(st.text(st.characters(exclude_characters="{\r", exclude_categories=["Cs"])), st.text("abcXYZ", min_size=1))
@settings(deadline=None, derandomize=True)
def test_plain_messages_are_the_words_themselves(words, name):
    rendered = Template(f"{words}{{{{ name }}}}.").render(pd.DataFrame({"Name": [name]}))
    assert rendered["Text"].tolist() == [unicodedata.normalize("NFC", f"{words}{name}.")]


@pytest.mark.parametrize(
    "tag", ["a if b else 'x'", "not a", "a and b", "a or 'x'", "a is defined", "a.__class__", "a == 'x'", "a in b"]
)
def test_what_can_be_no_column_is_not_taken_for_one(tag):
    with pytest.raises(TemplateError, match="cannot be used") as caught:
        Template(f"{{{{ {tag} }}}}")
    assert "For the column" not in str(caught.value)
    assert "A message is plain text with" in str(caught.value)


@pytest.mark.parametrize("cells", [["Ann", "A\ud83dB"], [1, "A\ud83dB"]])
def test_half_of_a_character_in_a_cell_is_told_by_its_column_and_row(cells: list[object]) -> None:
    people = pd.DataFrame({"mobile": ["07700 900123", "07700 900124"], "name": pd.Series(cells, dtype=object)})
    with pytest.raises(TemplateError, match='"name" holds half of a character in row 2') as caught:
        gcbulk.preview(people, "Dear {{ name }}")
    assert "\ud83d" not in str(caught.value)
