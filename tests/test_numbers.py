from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.recipients.numbers import to_e164

steady = settings(deadline=None, derandomize=True, max_examples=40)

# Every way of writing +447700900123 that we take, with what Repair says of it.
SAME_NUMBER = {
    "07700900123": None,
    "07700 900123": None,
    " 0 7700 900 123 ": None,
    "07700\u00a0900123": None,
    "07700 900\n123": None,
    "+447700900123": None,
    "+44 7700 900123": None,
    "07700-900-123": "removed punctuation",
    "07700–900—123": "removed punctuation",
    "07700.900.123": "removed punctuation",
    "07700/900123": "removed punctuation",
    "(07700) 900123": "removed punctuation",
    "07700_900123": "removed punctuation",
    "7700900123": "restored the lost zero",
    "7700 900123": "restored the lost zero",
    "447700900123": "read 44 as +44",
    "00447700900123": "read 00 as +",
    "0044 7700 900123": "read 00 as +",
    "+44 (0)7700 900123": "removed (0)",
    "+44(0) 7700 900123": "removed (0)",
    "0044 (0)7700 900123": "removed (0); read 00 as +",
    "+44 07700 900123": "removed 0 after +44",
    "+07700900123": "read +0 as +44",
    "0+447700900123": "removed what stood before the +",
    "7700900123.0": "removed .0; restored the lost zero",
    "447700900123.0": "removed .0; read 44 as +44",
    "4.47700900123E+11": "wrote out the scientific notation; read 44 as +44",
    "7.700900123e9": "wrote out the scientific notation; restored the lost zero",
    "'07700900123": "removed quotation marks",
    "“07700 900123”": "removed quotation marks",
    '="07700900123"': 'removed ="..."',
    "\u202d07700900123\u202c": "removed invisible marks",
    "０７７００９００１２３": "rewrote digits of another script",
    "٠٧٧٠٠٩٠٠١٢٣": "rewrote digits of another script",
    "O77OO 9oo123": "read letter O as zero",
    "07700 900l23": "read letter l as one",
    "07700 900123 (mum)": "removed a note",
    "Mum 07700 900123": "removed a note",
    "mum's mobile: 07700 900123": "removed a note",
    "07700 900123 - dad": "removed a note",
    "tel:+447700900123": "removed a note",
    "Mob. 07700 900123": "removed a note",
    "Phone no: 07700 900123": "removed a note",
    "07700 900123 home/work": "removed a note",
    "07700 900123 gran": "removed a note",
    "07700 900123 mobile number": "removed a note",
    "mum contact no: 07700 900123": "removed a note",
    "Tel. No. 07700 900123": "removed a note",
    "Ph: 07700 900123": "removed a note",
    "mum and dad 07700 900123": "removed a note",
    "07700 900123 (husband)": "removed a note",
    "07700 900l23 (dad)": "removed a note; read letter l as one",
    "0770O 900I23 mum": "removed a note; read letter O as zero; read letter l as one",
    "+447700900123 +447700900123": "removed a second copy of the number",
    "07700 900123;": None,
    "mum 07700 900123 dad 07700 900123": "removed a note; removed punctuation; removed a second copy of the number",
    "07700 900123 / +447700900123": "removed punctuation; removed a second copy of the number",
}

REFUSED = {
    ErrorCode.NUMBER_MISSING: [
        *("", "   ", "\t", "-", "--", "?", ".", "n/a", "N/A", "na", "none", "None", "NONE", "nil", "null", "NaN", "0"),
        *("unknown", "Unknown.", "tbc", "TBC", "tba", "not known", "no mobile", "mobile", "x", "0.0", "<NA>", "+"),
    ],
    ErrorCode.NUMBER_TOO_SHORT: ["0770090012", "077009", "999", "60777", "960001", "4477009001", "+44 7700 90012"],
    ErrorCode.NUMBER_TOO_LONG: [
        "07700900123077009001",
        "077009001234",
        "77009001234",
        "+44 7700 9001234",
        "4477009001234",
        "1" * 40,
    ],
    ErrorCode.NUMBER_BAD_CHARACTERS: [
        "hello",
        "do not contact",
        "07700 900123?",
        "07700 90012³",
        "#REF!",
        "£5",
        "a@b.c",
    ],
    ErrorCode.NUMBER_AMBIGUOUS: [
        *("07700 900123 do not contact", "court order 07700 900123", "07700 900123 Sarah", "no contact 07700900123"),
        *("07707700900123900123", "077000 home 07700", "44 mum 07700 900123", "0770 | 0900123"),
        *("07700 900123 ext 2", "07700 900123 (not mum)", "07700 900123 or 07700 900124"),
        *("07700 900111 / 07700 900112", "07700900111 07700900112", "07700900111, +447700900112"),
        *(
            "07700900123 phone NO",
            "07700900123 - mum contact no",
            "07700 900123 mobile no.",
            "no contact no 07700900123",
        ),
        *("contact NO, dad 07700900123", "07700 900123 or not", "mum and Sarah 07700 900123"),
        *("+447700900123 +353851234567", "+353 85 1234567 do not contact", "Mum: 07700900123, Dad: 07700900124"),
        *("07700 900111 mum 07700 900112 dad", "01632 960001 / 07700 900123", "+46 70 174 06 05 / 07700 900123"),
    ],
    ErrorCode.NUMBER_NOT_MOBILE: [
        *("020 7946 0123", "2079460123", "+44 20 7946 0123", "01632 960123", "0113 496 0123", "01534 456789"),
        *(
            "070 1234 5678",
            "07640 123456",
            "0909 879 0123",
            "0808 157 0123",
            "0800 1111",
            "03069 990123",
            "056 1234 5678",
        ),
    ],
    ErrorCode.NUMBER_NOT_UK: ["+33 6 39 98 00 12", "+61 491 570 156", "0061 491 570 156", "+1 202 555 0143"],
    ErrorCode.NUMBER_INVALID: ["07700 912345", "07700901000", "0400 123 4567", "+999 123456", "07700+900123"],
    ErrorCode.NUMBER_DIGITS_LOST: ["4.477E+11", "4.47701E+11", "4,477e+11", "7.7E+09", "447701000000.0", "1e22"],
}


def one(cell: object, *, international: bool = False) -> pd.Series:
    return to_e164(pd.Series([cell], dtype=object), international=international).iloc[0]


def libphonenumber_accepts(number: str) -> bool:
    parsed = phonenumbers.parse(number, "GB")
    mobile = phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.MOBILE
    return mobile and phonenumbers.is_valid_number(parsed)


def drama(national: int) -> bool:
    return 7700_900000 <= national <= 7700_900999


@pytest.mark.parametrize(("cell", "repair"), SAME_NUMBER.items())
def test_one_number_in_many_forms(cell: str, repair: str | None) -> None:
    verdict = one(cell)
    assert verdict["SentTo"] == "+447700900123"
    assert pd.isna(verdict["ErrorCode"])
    assert pd.isna(verdict["ErrorDetail"])
    assert verdict["Repair"] == repair if repair else pd.isna(verdict["Repair"])


@pytest.mark.parametrize(("code", "cell"), [(code, cell) for code, cells in REFUSED.items() for cell in cells])
def test_refused_with_its_code_and_sentence(code: ErrorCode, cell: str) -> None:
    verdict = one(cell)
    assert verdict["ErrorCode"] == code
    assert verdict["ErrorDetail"].endswith(SENTENCES[code])
    assert pd.isna(verdict["SentTo"])
    assert pd.isna(verdict["Repair"])


@pytest.mark.parametrize(
    ("cell", "specifics"),
    [
        ("07700 900111 / +447700900112", "It holds 07700900111 and 07700900112."),
        ("+447700900123 +353851234567", "It holds 07700900123 and +353851234567."),
        ("Mum: 07700900111, Dad: 07700900112", "It holds 07700900111 and 07700900112."),
        ("07700 900123 court order", "There are words beside the number."),
        ("0770090012", "It has 10 digits, the leading zero included; a UK mobile has 11."),
        ("020 7946 0123", "It is a landline."),
        ("07640 123456", "It is a pager."),
        ("070 1234 5678", "It is an 070 personal number."),
        ("+61 491 570 156", "It begins with +61."),
    ],
)
def test_details_say_what_was_found(cell: str, specifics: str) -> None:
    assert one(cell)["ErrorDetail"].startswith(specifics)


@pytest.mark.parametrize("number", ["07797 712345", "07781 123456", "07924 123456", "07624 012345"])
def test_channel_islands_and_isle_of_man_are_british(number: str) -> None:
    assert libphonenumber_accepts(number)
    assert one(number)["SentTo"] == "+44" + number.replace(" ", "")[1:]


@pytest.mark.parametrize(
    ("cell", "result"),
    [
        ("+61 491 570 156", "+61491570156"),
        ("0061 491 570 156", "+61491570156"),
        ("+46 (0)70 174 06 05", "+46701740605"),
        ("+1 202 555 0143", "+12025550143"),
        ("07700 900123", "+447700900123"),
        ("+353851234567;+353851234567", "+353851234567"),
        ("+353851234567 +353851234568", ErrorCode.NUMBER_AMBIGUOUS),
        ("+61 2 5550 0123", ErrorCode.NUMBER_NOT_MOBILE),
        ("+33 6 39 98 00 12", ErrorCode.NUMBER_INVALID),
        ("+61 491", ErrorCode.NUMBER_TOO_SHORT),
        ("+61 491 570 156 000 000", ErrorCode.NUMBER_TOO_LONG),
        ("77009001234", ErrorCode.NUMBER_TOO_LONG),  # without + it is British, never Russian
        ("61491570156", ErrorCode.NUMBER_TOO_LONG),
    ],
)
def test_international(cell: str, result: str) -> None:
    verdict = one(cell, international=True)
    assert result in (verdict["SentTo"], verdict["ErrorCode"])


def test_drama_range_to_the_number() -> None:
    national = range(7700_899000, 7700_902000)
    verdicts = to_e164(pd.Series([f"0{number}" for number in national]))["SentTo"].notna()
    assert verdicts.tolist() == [drama(n) or libphonenumber_accepts(f"0{n}") for n in national]
    assert not libphonenumber_accepts("07700900123")
    assert not verdicts[2000:].any()


@steady
@given(st.lists(st.from_regex(r"(\+44|0044|44|0|)[1-9][0-9]{7,10}", fullmatch=True), min_size=20))
def test_agrees_with_libphonenumber_on_plain_forms(numbers: list[str]) -> None:
    for number, sent_to in zip(numbers, to_e164(pd.Series(numbers))["SentTo"], strict=True):
        if pd.isna(sent_to):
            assert not libphonenumber_accepts(number)
        elif not drama(int(sent_to[3:])):
            assert libphonenumber_accepts(number)
            parsed = phonenumbers.parse(number, "GB")
            assert sent_to == phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


@st.composite
def written_numbers(draw: st.DrawFn) -> tuple[str, str]:
    """A drama number in E.164, and as somebody might write it."""
    digits = f"7700900{draw(st.integers(0, 999)):03d}"
    prefix = draw(st.sampled_from(["0", "", "+44", "44", "0044", "+44 (0)", "+44 0", "0044 (0)"]))
    gaps = st.sampled_from(["", " ", "-", ".", "\u00a0", " - ", "\u200b"])
    written = prefix + digits[0] + "".join(draw(gaps) + digit for digit in digits[1:])
    setting = draw(st.sampled_from(["{}", "'{}", "{} (mum)", "Dad: {}", " {} ", "{} mobile", "tel {}"]))
    return f"+44{digits}", setting.format(written)


@steady
@given(st.lists(written_numbers(), min_size=10))
def test_formats_do_not_change_the_number(numbers: list[tuple[str, str]]) -> None:
    expected, written = zip(*numbers, strict=True)
    assert to_e164(pd.Series(written))["SentTo"].tolist() == list(expected)


anything = st.one_of(
    st.text(),
    st.text("0123456789+() .-/eEoOlmu'", max_size=20),
    st.floats(),
    st.integers(),
    st.decimals(),
    st.booleans(),
    st.sampled_from(
        [None, np.nan, pd.NA, pd.NaT, np.float32(7.7), 10**5000, b"07700", [1], ("a",), "\ud800", "1E+99999"]
    ),
)


@steady
@given(st.lists(anything, max_size=20), st.booleans())
def test_never_raises_and_always_says_one_of_two_things(cells: list[object], international: bool) -> None:
    numbers = pd.Series(cells, dtype=object, index=range(5, 5 + len(cells)))
    verdicts = to_e164(numbers, international=international)
    assert list(verdicts) == ["SentTo", "Repair", "ErrorCode", "ErrorDetail"]
    assert verdicts.index.equals(numbers.index)
    assert set(verdicts.dtypes) == {pd.Series(["a"]).dtype}
    assert (verdicts["SentTo"].notna() ^ verdicts["ErrorCode"].notna()).all()
    assert (verdicts["ErrorDetail"].notna() == verdicts["ErrorCode"].notna()).all()
    assert not (verdicts["Repair"].notna() & verdicts["SentTo"].isna()).any()
    again = to_e164(verdicts["SentTo"].dropna(), international=international)
    assert again["SentTo"].tolist() == verdicts["SentTo"].dropna().tolist()
    assert again["Repair"].isna().all()


@pytest.mark.parametrize(
    "numbers",
    [
        pd.Series([7700900123.0, np.nan]),
        pd.Series([7700900123, None], dtype="Int64"),
        pd.Series([447700900123.0, None], dtype="Float64"),
        pd.Series([447700900123, None], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series([447700900123.0, None], dtype=pd.ArrowDtype(pa.float64())),
        pd.Series(["07700900123", None], dtype="category"),
        pd.Series([7700900123, None], dtype="category"),
        pd.Series(["07700900123", None], dtype="string"),
        pd.Series(["07700900123", None], dtype=pd.ArrowDtype(pa.string())),
        pd.Series([Decimal("7700900123"), Decimal("NaN")]),
        pd.Series([Decimal("4.47700900123E+11"), None]),
        pd.concat([pd.Series(["07700900123"]), pd.Series([""])]),
    ],
    ids=lambda numbers: str(numbers.dtype),
)
def test_every_dtype(numbers: pd.Series) -> None:
    before = numbers.copy()
    verdicts = to_e164(numbers)
    assert verdicts["SentTo"].iloc[0] == "+447700900123"
    assert verdicts["ErrorCode"].iloc[1] == ErrorCode.NUMBER_MISSING
    pd.testing.assert_series_equal(numbers, before)


def test_floats_that_lost_digits_are_not_guessed() -> None:
    assert to_e164(pd.Series([4.477e11]))["ErrorCode"].tolist() == [ErrorCode.NUMBER_DIGITS_LOST]
    assert to_e164(pd.Series([7700900123], dtype="float32"))["ErrorCode"].tolist() == [ErrorCode.NUMBER_DIGITS_LOST]


@pytest.mark.parametrize("dtype", ["int64", "Int64", "object", "float64"])
def test_integers_that_pandas_made_of_rounded_floats_are_not_guessed(dtype: str) -> None:
    codes = to_e164(pd.Series([447700000000, 7700000000, 7700900123], dtype=dtype))["ErrorCode"]
    assert codes.fillna("").tolist() == [ErrorCode.NUMBER_DIGITS_LOST, ErrorCode.NUMBER_DIGITS_LOST, ""]
    assert one("07700 000000")["SentTo"] == "+447700000000"  # a text is what somebody typed


class Unprintable:
    def __repr__(self) -> str:
        raise OSError


def test_an_object_that_cannot_be_printed_is_no_number() -> None:
    assert one(Unprintable())["ErrorCode"] == ErrorCode.NUMBER_BAD_CHARACTERS


def test_index_is_kept_with_duplicates_and_levels() -> None:
    for index in (pd.Index(["a", "a"]), pd.MultiIndex.from_tuples([(1, "x"), (1, "x")])):
        verdicts = to_e164(pd.Series(["07700900123", "n/a"], index=index))
        assert verdicts.index.equals(index)
        assert verdicts["SentTo"].notna().tolist() == [True, False]


@pytest.mark.parametrize("dtype", ["str", "object", "float64", "int64", "category"])
def test_no_numbers_at_all(dtype: str) -> None:
    assert to_e164(pd.Series([], dtype=dtype)).shape == (0, 4)
