"""What a sandbox keeps for those who look: the calls, whom they would have reached, and what was reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Queued:
    """One recipient whom the platform would have contacted; `recipient` is the number or address as sent."""

    message_id: str
    recipient: str
    text: str
    client_ref: str | None
    customer_id: str
    sender: str | None
    send_at: str | None
    callback_url: str | None
    call: int
    at: datetime
    subject: str | None = None
    attachments: tuple[tuple[str, int, str], ...] = ()  # name, size and SHA-256 of each


@dataclass(frozen=True, slots=True)
class Call:
    """One API call, its keys removed; `fault` shaped the answer, `status` is None where none came."""

    number: int
    at: datetime
    path: str
    messages: list[dict[str, Any]]
    fault: str | None = None
    status: int | None = None
    style_class: str | None = None  # of the partner who made it


@dataclass(frozen=True, slots=True)
class Reported:
    """One piece of delivery news that a callback was to bring; `times` 0 means that it was lost on purpose."""

    message_id: str
    recipient: str
    client_ref: str | None
    status: str
    times: int
    early: bool


@dataclass(frozen=True, slots=True)
class CallbackPlan:
    """How delivery news is reported: shares of it from 0 to 1, `delay` in seconds, evenly between the two.

    `early` news comes before its own call is answered. `shape` is a POST with JSON, a GET with parameters, or "both"
    by turns. `connections` are open at one time.
    """

    delay: tuple[float, float] = (0.0, 0.0)
    lost: float = 0.0
    doubled: float = 0.0
    early: float = 0.0
    shape: Literal["json", "parameters", "both"] = "json"
    connections: int = 1
    seed: int = 0
