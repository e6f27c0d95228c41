"""A partner of the platform, who sends on behalf of customers: its key, and the brand that it sends as."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from gcbulk.api.credentials import Secret
from gcbulk.errors import OptionError

PARTNER_ID: Final = "partner:"
"""What stands before the style class where a campaign is named by its partner, and not by one customer."""


@dataclass(frozen=True, slots=True, init=False)
class Partner:
    """Who sends for others: the partner's key, and its `styleClass`, the brand by which the platform knows it.

    Raises OptionError where either is blank.

    >>> Partner("not-a-key", "OakTrust")
    Partner(key=Secret('***'), style_class='OakTrust')
    """

    key: Secret
    style_class: str

    def __init__(self, key: str | Secret, style_class: str) -> None:
        given = key.reveal() if isinstance(key, Secret) else key
        for name, value in (("partner key", given), ("style class", style_class)):
            if not isinstance(value, str) or not value.strip() or not value.strip().isprintable():
                raise OptionError(f"The {name} must be a text, as the platform gave it to you.")
        object.__setattr__(self, "key", Secret(given.strip()))
        object.__setattr__(self, "style_class", style_class.strip())

    @property
    def campaign_id(self) -> str:
        """How a campaign names this partner; never by its key."""
        return f"{PARTNER_ID}{self.style_class}"


def resolve_partner(partner: Partner | None = None) -> Partner | None:
    """The partner: the argument, or GCBULK_PARTNER_KEY with GCBULK_STYLE_CLASS; None where neither is there.

    Raises OptionError where one of the two is set without the other.
    """
    if partner is not None:
        if not isinstance(partner, Partner):
            raise OptionError("partner must be a Partner: gcbulk.Partner(key, style_class).")
        return partner
    names = ("GCBULK_PARTNER_KEY", "GCBULK_STYLE_CLASS")
    found = [os.environ.get(name, "").strip() for name in names]
    if not any(found):
        return None
    for name, value in zip(names, found, strict=True):
        if not value:
            raise OptionError(f"{name} is not set. A partner needs both: {' and '.join(names)}.")
    return Partner(*found)
