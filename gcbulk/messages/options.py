"""The options that shape the texts themselves: one name each, everywhere, checked before anything else happens."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, Literal

from gcbulk.errors import OptionError
from gcbulk.messages.characters import CONTROL
from gcbulk.messages.parts import MAX_CHARACTERS

SmartCharacters = Literal["replace", "keep"]
_SMART_CHARACTERS: Final[tuple[SmartCharacters, ...]] = ("replace", "keep")
_DEAREST: Final = Decimal(100)  # pounds for one part: whoever gives more has given pence, or a total


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a template's words are written, and what they may be, whatever becomes of them.

    most: characters that there is room for, None where there is no limit. refused: a pattern of characters that must
    not be in them; `why` ends the sentence that says so. too_long: what is said where there are more, `{n}` characters.
    """

    smart_characters: SmartCharacters = "keep"
    most: int | None = MAX_CHARACTERS
    header_length: int = 0
    refused: str = CONTROL
    why: str = "that no phone shows"
    too_long: str = f"This text has {{n}}; {MAX_CHARACTERS} (6 parts) can be sent. Shorten it."


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How texts are written and what they cost. Raises OptionError, naming the option, for what cannot be used.

    smart_characters: "replace" puts plain characters in the place of typographic ones, "keep" leaves them.
    max_parts: as many SMS parts in one text, or more, bring a warning.
    header_length: characters that the platform puts before every text (a school's name), which count with it.
    price_per_part: pounds, as a Decimal or what makes an exact one ("0.035"); None where it is not known.

    >>> TextOptions(price_per_part="0.035").price
    Decimal('0.035')
    """

    smart_characters: SmartCharacters = "replace"
    max_parts: int = 3
    header_length: int = 0
    price_per_part: Decimal | str | float | None = None

    def __post_init__(self) -> None:
        if self.smart_characters not in _SMART_CHARACTERS:
            words = " or ".join(map(repr, _SMART_CHARACTERS))
            raise OptionError(f"smart_characters must be {words}, not {self.smart_characters!r}.")
        for name, least, most in (("max_parts", 1, 100), ("header_length", 0, MAX_CHARACTERS - 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise OptionError(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
        _ = self.price

    @property
    def writing(self) -> Writing:
        """Return how a text is written."""
        return Writing(smart_characters=self.smart_characters, header_length=self.header_length)

    @property
    def price(self) -> Decimal | None:
        """Return the price of one part in pounds, exactly as it was written."""
        given = self.price_per_part
        if given is None:
            return None
        try:
            price = Decimal(str(given).strip().removeprefix("£")) if not isinstance(given, bool) else None
        except InvalidOperation:
            price = None
        if price is None or not price.is_finite() or not 0 <= price <= _DEAREST:
            raise OptionError(
                f"price_per_part must be pounds for one SMS part, from 0 to {_DEAREST}, such as 0.035, not {given!r}."
            )
        return price
