"""The sending options: one name each, everywhere, checked before anything else happens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

from gcbulk.errors import OptionError

if TYPE_CHECKING:
    import os

Delivery = Literal["at_most_once", "at_least_once"]
DELIVERIES: Final[tuple[Delivery, ...]] = ("at_most_once", "at_least_once")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOptions:
    """How a campaign is sent. Raises OptionError, naming the option, for a value that cannot be used."""

    chunk_size: int = 20  # recipients a call: a small call leaves few people in doubt when it goes wrong
    concurrency: int = 4  # calls at once
    calls_per_second: float | None = None
    timeout: float = 30.0  # seconds for a whole answer
    max_attempts: int = 6
    delivery: Delivery = "at_most_once"
    repeat: bool = False
    share_identical: bool = False
    journal: str | os.PathLike[str] | None = None
    sandbox: bool = False
    progress: bool = True
    sender: str | None = None
    send_at: datetime | str | None = None
    callback_url: str | None = None

    def __post_init__(self) -> None:
        for name, most in (("chunk_size", 10_000), ("concurrency", 64), ("max_attempts", 100)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                raise OptionError(f"{name} must be a whole number from 1 to {most}, not {value!r}.")
        for name in ("timeout", "calls_per_second"):
            value = getattr(self, name)
            if value is None and name == "calls_per_second":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise OptionError(f"{name} must be a number above 0, not {value!r}.")
        if self.delivery not in DELIVERIES:
            raise OptionError(f"delivery must be {' or '.join(map(repr, DELIVERIES))}, not {self.delivery!r}.")
        self.scheduled()

    def scheduled(self) -> datetime | None:
        """`send_at` as an aware UTC datetime; None where the texts go now."""
        if self.send_at is None:
            return None
        moment = self.send_at
        if isinstance(moment, str):
            try:
                moment = datetime.fromisoformat(moment.strip())
            except ValueError:
                raise OptionError(
                    f"send_at must be a time such as 2026-11-24T08:30+00:00, not {self.send_at!r}."
                ) from None
        if moment.tzinfo is None:
            raise OptionError("send_at needs its offset from UTC, such as 2026-11-24T08:30+00:00.")
        return moment.astimezone(UTC)
