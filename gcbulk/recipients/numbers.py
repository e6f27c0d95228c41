"""Numbers as people write them -> E.164, whole columns at a time, agreeing with libphonenumber.

A column goes three ways. What is plainly a UK mobile is told by one pattern. The rest, each value once,
is mended by the tables of `mending` and judged by more patterns. Only numbers of other countries go
through `phonenumbers` one by one. The British patterns are taken at run time from the metadata of
`phonenumbers`, so an update of that package updates the verdicts.

Beyond libphonenumber we accept exactly the mobiles that Ofcom keeps for drama, 07700 900000 to 900999
(https://www.ofcom.org.uk, "Telephone numbers for use in TV and radio drama programmes").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import phonenumbers
import pyarrow as pa
import pyarrow.compute as pc
from phonenumbers import NumberParseException, PhoneNumberType, ValidationResult

from gcbulk.codes import SENTENCES, ErrorCode
from gcbulk.recipients.mending import (
    BRITISH,
    CELL_MENDS,
    LETTER,
    PREFIX_MENDS,
    ROUNDED,
    SCIENTIFIC,
    SEPARATED,
    SEPARATOR,
    SEVERAL,
    SEVERAL_WITH_PLUS,
    SPLIT,
    WHOLE_NUMBER,
    ZEROS_FOR_DIGITS,
    mended,
    noted,
)

_TEXT = pa.large_string()

COLUMNS = ("SentTo", "Repair", "ErrorCode", "ErrorDetail")

_DRAMA_MOBILES = r"7700900\d{3}"
_DRAMA_LANDLINES = r"1632960\d{3}"  # the one drama landline range that libphonenumber does not know

# Every kind of British number that is no mobile: its name in libphonenumber's metadata, and in words.
_OTHER_KINDS = {
    "fixed_line": "It is a landline. ",
    "personal_number": "It is an 070 personal number. ",
    "pager": "It is a pager. ",
    "premium_rate": "It is a premium rate number. ",
    "toll_free": "It is a freephone number. ",
    "shared_cost": "It is a service number. ",
    "uan": "It is a company's 03 or 055 number. ",
    "voip": "It is an internet telephone number. ",
}

# What cannot be mended, by the text that is left of the cell, with what is said before the code's sentence.
# The first that is found says why.
_REFUSALS: tuple[tuple[str, ErrorCode, str], ...] = (
    (rf"^[^{LETTER}\p{{N}}]*$", ErrorCode.NUMBER_MISSING, ""),
    (rf"{SCIENTIFIC}|{ZEROS_FOR_DIGITS}", ErrorCode.NUMBER_DIGITS_LOST, ""),
    (
        rf"(?s){LETTER}.*{WHOLE_NUMBER}|{WHOLE_NUMBER}.*{LETTER}",
        ErrorCode.NUMBER_AMBIGUOUS,
        "There are words beside the number. ",
    ),
    (r"[^\d+ ().,;/|&\\_\[\]\-]", ErrorCode.NUMBER_BAD_CHARACTERS, ""),
)

# Why libphonenumber cannot read a foreign number, and why it finds its length impossible, in our codes.
_UNREADABLE = {
    NumberParseException.TOO_SHORT_AFTER_IDD: ErrorCode.NUMBER_TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: ErrorCode.NUMBER_TOO_SHORT,
    NumberParseException.TOO_LONG: ErrorCode.NUMBER_TOO_LONG,
}
_IMPOSSIBLE = {
    ValidationResult.TOO_SHORT: ErrorCode.NUMBER_TOO_SHORT,
    ValidationResult.TOO_LONG: ErrorCode.NUMBER_TOO_LONG,
}


def to_e164(numbers: pd.Series, *, international: bool = False) -> pd.DataFrame:
    """Turn numbers as people write them into E.164, or say for each why that cannot be done.

    Args:
        numbers: any column: strings, ints, floats as Excel leaves them, Decimals, missing values, or a mix.
        international: accept mobiles of every country, written with `+` or `00`. Without those a number is
            British. (Where a country does not tell mobiles from landlines, as in America, both are accepted.)

    Returns:
        A frame of the same index and length with the columns `SentTo`, `Repair`, `ErrorCode` and `ErrorDetail`,
        all of dtype `str` with NaN where there is nothing to say. Each row has one of `SentTo` and `ErrorCode`.
        `Repair` names what was mended; spaces and the ordinary forms `07...` and `+44...` need no mending.

    Raises nothing, whatever the cells hold.

    Example:
        >>> import pandas as pd
        >>> to_e164(pd.Series(["07700 900123", 7700900123.0, "n/a"]))[["SentTo", "Repair", "ErrorCode"]]
                  SentTo                              Repair       ErrorCode
        0  +447700900123                                 NaN             NaN
        1  +447700900123  removed .0; restored the lost zero             NaN
        2            NaN                                 NaN  NUMBER_MISSING
    """
    texts = _texts(numbers)
    spaceless = pc.replace_substring(texts, " ", "")
    plain = pc.match_substring_regex(spaceless, _patterns().plain)
    odd = pc.invert(plain)
    once_each = texts.filter(odd).dictionary_encode()
    verdicts = _judged(once_each.dictionary.cast(_TEXT), international)
    e164 = _joined("+44", pc.utf8_slice_codeunits(spaceless, -10))
    columns = (pc.if_else(plain, e164, None), *[pa.nulls(len(texts), _TEXT)] * 3)
    return pd.DataFrame(
        {
            name: pd.Series(
                pc.replace_with_mask(column, odd, verdict.take(once_each.indices)).to_pandas().array,
                index=numbers.index,
                dtype="str",
            )
            for name, column, verdict in zip(COLUMNS, columns, verdicts, strict=True)
        },
    )


@dataclass(frozen=True, slots=True)
class _Patterns:
    """The British numbering plan as patterns of RE2."""

    plain: str  # a mobile as 07... or +44..., without spaces
    mobile: str  # a mobile in E.164
    other_kinds: tuple[tuple[str, str], ...]  # (a pattern in E.164, what kind it is in words)


@cache
def _patterns() -> _Patterns:
    regions = [
        phonenumbers.PhoneMetadata.metadata_for_region(region)
        for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[44]
    ]

    def national(kind: str, *more: str) -> str:
        known = (getattr(region, kind) for region in regions)
        found = {desc.national_number_pattern for desc in known if desc and desc.national_number_pattern}
        return "|".join((*sorted(found), *more))

    mobile = national("mobile", _DRAMA_MOBILES)
    other_kinds = {kind: national(kind) for kind in _OTHER_KINDS}
    other_kinds["fixed_line"] += f"|{_DRAMA_LANDLINES}"
    return _Patterns(
        plain=rf"^(?:0|\+44)(?:{mobile})$",
        mobile=rf"^\+44(?:{mobile})$",
        other_kinds=tuple(
            (rf"^\+44(?:{pattern})$", _OTHER_KINDS[kind]) for kind, pattern in other_kinds.items() if pattern
        ),
    )


def _texts(numbers: pd.Series) -> Any:
    """The cells as one arrow array of strings; what is missing is blank or among the missing words."""
    if pd.api.types.is_numeric_dtype(numbers.dtype) and not pd.api.types.is_bool_dtype(numbers.dtype):
        numbers = numbers.astype("str")
        numbers = numbers.mask(numbers.str.fullmatch(ROUNDED, na=False), numbers + ".0")
    try:
        if isinstance(numbers.dtype, pd.StringDtype):
            texts = pc.fill_null(pa.array(numbers, type=_TEXT, from_pandas=True), "")
            return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        return pa.array([as_text(cell) for cell in numbers.astype(object)], type=_TEXT)
    except UnicodeEncodeError:  # a lone surrogate, which no encoding can hold
        cells = (as_text(cell).encode("utf-8", "replace").decode() for cell in numbers.astype(object))
        return pa.array(cells, type=_TEXT)


def as_text(cell: object) -> str:
    """A cell as text; what stands for a missing value (`nan`, `None`, `<NA>`) is among the missing words."""
    if isinstance(cell, int) and cell.bit_length() > 128:
        return "9" * 40  # Python refuses to print integers of many digits; this one is as much too long
    try:
        text = str(cell)
    except Exception:  # noqa: BLE001 - an object of the user's own may raise anything; it is no number
        return type(cell).__name__
    return f"{text}.0" if isinstance(cell, (int, np.integer)) and re.fullmatch(ROUNDED, text) else text


def _judged(texts: Any, international: bool) -> tuple[Any, Any, Any, Any]:
    """`SentTo`, `Repair`, `ErrorCode` and `ErrorDetail` for texts that are not plainly a UK mobile."""
    text, notes = mended(texts, CELL_MENDS)
    squeezed = pc.replace_substring_regex(text, r"[^\d+]", "")
    digits, more_notes = mended(squeezed, PREFIX_MENDS)
    codes, specifics = _refused(text, squeezed, digits)
    sent_to = pc.if_else(pc.is_null(codes), digits, None)
    abroad = pc.and_(pc.is_null(codes), pc.invert(pc.starts_with(digits, "+44")))
    foreign = [_foreign(number, international) for number in digits.filter(abroad).to_pylist()]
    for_abroad = [pa.array(column, type=_TEXT) for column in zip(*foreign, strict=True)] or [pa.nulls(0, _TEXT)] * 3
    sent_to, codes, specifics = (
        pc.replace_with_mask(column, abroad, news)
        for column, news in zip((sent_to, codes, specifics), for_abroad, strict=True)
    )
    signs = noted(pc.match_substring_regex(text, r"[^\d+ ]"), "removed punctuation")
    repairs = pc.utf8_rtrim(_joined(*notes, signs, *more_notes), "; ")
    of_use = pc.and_(pc.is_valid(sent_to), pc.not_equal(repairs, ""))
    encoded = codes.dictionary_encode()
    sentences = pa.array([SENTENCES[ErrorCode(code)] for code in encoded.dictionary.to_pylist()], type=texts.type)
    details = _joined(specifics, sentences.take(encoded.indices))
    return sent_to, pc.if_else(of_use, repairs, None), codes, details


def _refused(text: Any, squeezed: Any, digits: Any) -> tuple[Any, Any]:
    """The code and the specifics for whatever is neither a UK mobile nor a foreign number; else null."""
    find = pc.match_substring_regex
    two_numbers = pc.or_(
        find(digits, rf"{SEVERAL}|{SEVERAL_WITH_PLUS}"),
        pc.and_(find(text, SEPARATED), find(digits, r"\d{18}|\d\+")),
    )
    # where copies of one number stood there, the note between them may stay
    split = pc.and_(find(text, SPLIT), pc.invert(find(squeezed, SEVERAL)))
    british = pc.starts_with(digits, "+44")
    count = pc.subtract(pc.utf8_length(digits), 2)  # counted as written at home, with the zero for the +44
    counted = _joined("It has ", pc.cast(count, _TEXT), " digits, the leading zero included; a UK mobile has 11. ")
    cases: list[tuple[Any, ErrorCode | None, object]] = [
        *((find(text, pattern), code, why) for pattern, code, why in _REFUSALS),
        (two_numbers, ErrorCode.NUMBER_AMBIGUOUS, _numbers_listed(text, two_numbers)),
        (split, ErrorCode.NUMBER_AMBIGUOUS, "There are words between the digits. "),
        (find(digits, _patterns().mobile), None, ""),
        *((find(digits, pattern), ErrorCode.NUMBER_NOT_MOBILE, kind) for pattern, kind in _patterns().other_kinds),
        (pc.and_(british, pc.less(count, 11)), ErrorCode.NUMBER_TOO_SHORT, counted),
        (pc.and_(british, pc.greater(count, 11)), ErrorCode.NUMBER_TOO_LONG, counted),
        (british, ErrorCode.NUMBER_INVALID, ""),
    ]
    masks = pc.make_struct(*(mask for mask, _, _ in cases), field_names=[str(i) for i in range(len(cases))])
    codes = (pa.scalar(code, _TEXT) for _, code, _ in cases)
    return pc.case_when(masks, *codes), pc.case_when(masks, *(_each(words) for _, _, words in cases))


def _numbers_listed(text: Any, here: Any) -> Any:
    """For the cells with several numbers, what they are; null for the others."""
    sentences = []
    for cell in text.filter(here).to_pylist():
        at_home = [re.sub(r"^(?:\+|00)?440?", "0", number) for number in numbers_in(cell)]
        sentences.append(f"It holds {' and '.join(at_home)}. ")
    return pc.replace_with_mask(pa.nulls(len(text), _TEXT), here, pa.array(sentences, _TEXT))


def numbers_in(text: str) -> list[str]:
    """What stands in a cell, one number or several, each as its digits and plus.

    >>> numbers_in("07700 900123 07700 900124"), numbers_in("+447700900123 +353 85 123 4567")
    (['07700900123', '07700900124'], ['+447700900123', '+353851234567'])
    """
    digits = _squeezed(text)
    found: list[str] = re.findall(BRITISH, digits)
    if "".join(found) != digits:
        found = [_squeezed(part) for part in re.split(rf"{SEPARATOR}|(?=\+)", text)]
    return [number for number in found if number]


def _squeezed(text: str) -> str:
    return re.sub(r"[^\d+]", "", text)


def _foreign(number: str, international: bool) -> tuple[str | None, ErrorCode | None, str]:
    """(E.164, None, "") for a mobile of another country that may be sent to, else (None, code, specifics)."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException as error:
        return None, _UNREADABLE.get(error.error_type, ErrorCode.NUMBER_INVALID), ""
    country = f"It begins with +{parsed.country_code}. "
    impossible = _IMPOSSIBLE.get(phonenumbers.is_possible_number_with_reason(parsed))
    if impossible:
        return None, impossible, country
    if not international:
        return None, ErrorCode.NUMBER_NOT_UK, country
    if not phonenumbers.is_valid_number(parsed):
        return None, ErrorCode.NUMBER_INVALID, country
    if phonenumbers.number_type(parsed) not in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE):
        return None, ErrorCode.NUMBER_NOT_MOBILE, country
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164), None, ""


def _joined(*parts: Any) -> Any:
    """The parts of each row as one text, null where one is null; a `str` stands for every row."""
    return pc.binary_join_element_wise(*map(_each, parts), _each(""))


def _each(part: Any) -> Any:
    return pa.scalar(part, _TEXT) if isinstance(part, str) else part
