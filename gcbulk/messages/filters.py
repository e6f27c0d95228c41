"""The filters of our own: names in the case of names, dates and amounts as they are written in the UK."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Small words inside a name: "Jan van der Berg", "Rhys ap Gruffydd". At the start of a cell they are names themselves
# ("De Souza", "Van"), but for those that only stand before another: "van der Berg", "de la Cruz".
_PARTICLE: Final = re.compile(
    r"af|al|and|ap|ab|bin|binti|bint|da|das|de|del|della|den|der|des|di|do|dos|du|el|ferch|ibn|la|le|los|och|of|"
    r"ten|ter|und|van|von|y|zu|zum|zur"
)
_BEFORE_OTHERS: Final = frozenset({"van", "von", "de"})
_ALWAYS_CAPITALS: Final = frozenset({"II", "III", "IV", "VI", "VII", "VIII"})
# Names in Mac that take a second capital. Most words in Mac do not: Mace, Macey, Machin, Mack, Maccabee.
_MAC: Final = re.compile(
    r"mac(alister|allister|arthur|askill|aulay|bean|beth|callum|cartney|cormack|cormick|coll|corquodale|cuish|"
    r"culloch|diarmid|donald|dougall|duff|elroy|ewan|ewen|fadyen|farlane|gillivray|gregor|guire|innes|intosh|"
    r"intyre|iver|ivor|kay|kendrick|kenna|kenzie|kinlay|kinley|kinnon|lachlan|laren|laughlin|lean|leay|lellan|"
    r"lennan|leod|mahon|manus|master|millan|nab|nair|naughton|neil|neill|niven|phail|phee|pherson|quarrie|"
    r"queen|rae|ritchie|rory|sween|sweeney|taggart|tavish|vicar|whirter|william)"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:[’'ʼ][^\W\d_]+)*")
_APOSTROPHE: Final = re.compile(r"([’'ʼ])")


def name_case(name: str) -> str:
    """Write a name that an MIS exported in capitals, or in small letters, as its bearer would.

    Words in mixed case are left as they are, as are initials of two letters beside such words ("AJ Smith").

    >>> [name_case(name) for name in ("O'NEILL", "mcdonald-smith", "JAN VAN DER BERG", "DeShawn")]
    ["O'Neill", 'McDonald-Smith', 'Jan van der Berg', 'DeShawn']
    """
    words = [match[0] for match in _WORD.finditer(name)]
    mixed = any(not (word.isupper() or word.islower()) for word in words)
    written = iter(_cased(words, initials_stay=mixed))
    return _WORD.sub(lambda _: next(written), name)


def _cased(words: list[str], *, initials_stay: bool) -> Iterator[str]:
    lower = [word.lower() for word in words]
    for place, (word, small) in enumerate(zip(words, lower, strict=True)):
        leads_on = small in _BEFORE_OTHERS and place + 2 < len(words) and _PARTICLE.fullmatch(lower[place + 1])
        if not (word.isupper() or word.islower()) or (initials_stay and word.isupper() and len(word) <= 2):
            yield word
        elif _PARTICLE.fullmatch(small) and place + 1 < len(words) and (place or leads_on):
            yield small
        elif word.upper() in _ALWAYS_CAPITALS and place:
            yield word.upper()
        else:
            yield "".join(map(_capital, _APOSTROPHE.split(small)))


def _capital(word: str) -> str:
    """Give a word of small letters, or a piece between apostrophes, the capitals of a name."""
    if len(word) > 3 and word.startswith("mc"):
        return f"Mc{word[2:].capitalize()}"
    if mac := _MAC.fullmatch(word):
        return f"Mac{mac[1].capitalize()}"
    return word.capitalize()


_DATE_FORMATS: Final = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d/%m/%y",
    "%d-%m-%y",
    "%d.%m.%y",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%Y/%m/%d",
    "%Y%m%d",
)
_TIME_OF_DAY: Final = re.compile(r"[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?$")


def uk_date(text: str) -> str | None:
    """Write a date as day/month/year; a time of day behind it is left out. None for what is no date.

    >>> uk_date("2026-11-24"), uk_date("24-Nov-26"), uk_date("2026-11-24 00:00:00"), uk_date("11/24/2026")
    ('24/11/2026', '24/11/2026', '24/11/2026', None)
    """
    day = _TIME_OF_DAY.sub("", " ".join(text.split()))
    for form in _DATE_FORMATS:
        try:
            found: date = datetime.strptime(day, form).date()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
        return f"{found:%d/%m}/{found.year:04}"
    return None


_AMOUNT: Final = re.compile(r"(-?)£?(-?)(\d+|\d{1,3}(?:,\d{3})+)?(\.\d+)?")


def pounds(text: str) -> str | None:
    """Write an amount in pounds and pence, halves of a penny rounded up. None for what is no amount.

    >>> pounds("1234.5"), pounds("-£3"), pounds("GBP 5")
    ('£1,234.50', '-£3.00', None)
    """
    match = _AMOUNT.fullmatch(text.replace(" ", ""))
    if not match or not (match[3] or match[4]) or (match[1] and match[2]):
        return None
    try:
        amount = Decimal(f"{match[3] or 0}{match[4] or ''}".replace(",", "")).quantize(Decimal("0.01"), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    sign = "-" if (match[1] or match[2]) and amount else ""
    return f"{sign}£{amount:,.2f}"


UNREADABLE: Final[dict[Callable[[str], str | None], str]] = {
    uk_date: "the message writes this cell as a date, and it is none (day before month). Correct it in this row.",
    pounds: "the message writes this cell as an amount in pounds, and it is none. Correct it in this row.",
}
"""For each filter that cannot write every cell, what is wrong with one that it cannot."""
