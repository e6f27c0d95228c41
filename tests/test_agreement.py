"""Our verdicts against libphonenumber's own, on 300,000 numbers of every British prefix, whole and damaged."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pandas as pd
import phonenumbers
import pytest

from gcbulk.recipients.numbers import to_e164

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIXES = range(10_000, 100_000)  # the first five digits of a national number, without its zero
DRAMA = range(7700_900000, 7700_901000)


def in_other_digits(text: str, zero: int) -> str:
    return "".join(chr(zero + int(c)) if c.isdigit() else c for c in text)


# Ways of writing a number that libphonenumber reads too: the same verdict for all of them, 0 exceptions.
FORMS: dict[str, Callable[[str], str]] = {
    "+44": lambda n: f"+44{n}",
    "0044": lambda n: f"0044{n}",
    "44": lambda n: f"44{n}",
    "440": lambda n: f"440{n}",
    "lost zero": lambda n: n,
    "+44 0": lambda n: f"+44 0{n}",
    "+44 (0)": lambda n: f"+44 (0){n[:4]} {n[4:]}",
    "0044 (0)": lambda n: f"0044 (0) {n}",
    "space": lambda n: f"0{n[:4]} {n[4:]}",
    "NBSP": lambda n: f"0{n[:4]}\u00a0{n[4:]}",
    "zero width": lambda n: f"\u200b0{n[:4]}\u200b{n[4:]}",
    "dashes": lambda n: f"0{n[:4]}-{n[4:7]}-{n[7:]}",
    "long dashes": lambda n: f"0{n[:4]}–{n[4:7]}—{n[7:]}",
    "dots": lambda n: f"0{n[:4]}.{n[4:7]}.{n[7:]}",
    "slash": lambda n: f"0{n[:4]}/{n[4:]}",
    "brackets": lambda n: f"(0{n[:4]}) {n[4:]}",
    "full width": lambda n: in_other_digits(f"0{n}", 0xFF10),
    "Arabic-Indic": lambda n: in_other_digits(f"0{n}", 0x0660),
    "tel:": lambda n: f"tel:+44{n}",
    "apostrophe": lambda n: f"'0{n}",
    "quotation marks": lambda n: f'"0{n}"',
    "O for zero": lambda n: f"O{n}",
    "a digit too few": lambda n: f"0{n[:-1]}",
    "a digit too many": lambda n: f"0{n}7",
    "+44, a digit too few": lambda n: f"+44{n[:-1]}",
    "+44, a digit too many": lambda n: f"+44{n}7",
    "lost zero, a digit too few": lambda n: n[:-1],
    "lost zero, a digit too many": lambda n: f"{n}7",
}

# Intended: libphonenumber cannot read these, and there is one thing they can mean. The verdict is that of the number.
MENDED_BY_US_ALONE: dict[str, Callable[[str], str]] = {
    "+ put before the zero": lambda n: f"+0{n}",
    "0 put before the +": lambda n: f"0+44{n}",
    "a float": lambda n: f"{n}.0",
    "scientific notation": lambda n: f"{n[0]}.{n[1:]}E+9",
    "tab": lambda n: f"0{n[:4]}\t{n[4:]}",
    "underscore": lambda n: f"0{n[:4]}_{n[4:]}",
    "a note": lambda n: f"0{n} (mum)",
}

# Intended: libphonenumber takes these for a mobile, and we do not guess. Each with its reason.
REFUSED_BY_US_ALONE = {
    "07400 123456 /x 07400 123457": "libphonenumber takes the first of two numbers; we do not say which is meant",
    "07400 123456 ext 2": "an extension cannot be texted, and the digits after it may be anything",
    "07400 123456 x123": "likewise",
}


def libphonenumber(cell: str) -> str:
    """E.164 where libphonenumber finds a valid British mobile, or the number is kept for drama; else blank."""
    try:
        number = phonenumbers.parse(cell, "GB")
    except phonenumbers.NumberParseException:
        return ""
    mobile = (
        number.country_code == 44
        and phonenumbers.is_valid_number(number)
        and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
    )
    drama = number.country_code == 44 and number.national_number in DRAMA and len(str(number.national_number)) == 10
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if mobile or drama else ""


def ours(cells: list[str]) -> list[str]:
    return to_e164(pd.Series(cells))["SentTo"].fillna("").tolist()


def nationals(seed: int, *, step: int) -> list[str]:
    """One number of every prefix (or every so manieth), and of every 3-digit mobile prefix, with drama numbers."""
    draw = random.Random(seed)
    spread = [f"{prefix}{draw.randrange(10**5):05d}" for prefix in PREFIXES[seed % step :: step]]
    mobiles = [f"7{prefix:03d}{draw.randrange(10**6):06d}" for prefix in range(1000)]
    return [*spread, *mobiles, *(str(number) for number in DRAMA[seed % 50 :: 50])]


def disagreements(cells: list[str], expected: list[str]) -> list[tuple[str, str, str]]:
    return [case for case in zip(cells, ours(cells), expected, strict=True) if case[1] != case[2]]


@pytest.mark.parametrize("third", range(3))
def test_numbers_as_they_are_dialled(third: int) -> None:
    cells = [f"0{number}" for number in nationals(third, step=3)]
    expected = [libphonenumber(cell) for cell in cells]
    assert disagreements(cells, expected) == []
    assert sum(map(bool, expected)) > 3_000


@pytest.mark.parametrize(("seed", "form"), [*enumerate(FORMS.values())], ids=FORMS.keys())
def test_damaged_numbers(seed: int, form: Callable[[str], str]) -> None:
    cells = [form(number) for number in nationals(seed, step=14)]
    assert disagreements(cells, [libphonenumber(cell) for cell in cells]) == []


def test_there_were_enough_of_them() -> None:
    dialled = sum(len(nationals(third, step=3)) for third in range(3))
    assert dialled + sum(len(nationals(seed, step=14)) for seed in range(len(FORMS))) >= 300_000


@pytest.mark.parametrize(("seed", "form"), [*enumerate(MENDED_BY_US_ALONE.values())], ids=MENDED_BY_US_ALONE.keys())
def test_what_we_alone_mend_has_the_verdict_of_its_number(seed: int, form: Callable[[str], str]) -> None:
    numbers = nationals(seed, step=90)
    cells = [form(number) for number in numbers]
    assert disagreements(cells, [libphonenumber(f"0{number}") for number in numbers]) == []
    assert not any(libphonenumber(cell) for cell in cells)


@pytest.mark.parametrize("cell", REFUSED_BY_US_ALONE)
def test_what_we_alone_refuse(cell: str) -> None:
    assert libphonenumber(cell) == "+447400123456"
    assert ours([cell]) == [""]
