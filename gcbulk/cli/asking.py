"""Asking at the terminal before something goes."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import click

from gcbulk.errors import LateError, OptionError, QuietHoursError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.campaign.options import SendOptions


_Ran = TypeVar("_Ran")


def ask(question: str) -> None:
    """Go on only where somebody says yes."""
    if not sys.stdin.isatty():
        raise OptionError("There is no terminal to ask at. Add --yes to send without asking.")
    if not click.confirm(question, err=True):
        raise OptionError("Nothing was sent.")


def send_question(texts: int, settings: SendOptions, channel: str) -> str:
    """The question before so many texts or emails are sent."""
    noun = "email" if channel == "email" else "text"
    if settings.test_to is not None:
        return f"\nSend these {noun}s to {settings.test_to}, and to nobody else?"
    return f"\nSend {f'these {texts} {noun}s' if texts != 1 else f'this {noun}'}?"


def ask_if_refused(settings: SendOptions, go: Callable[[SendOptions], _Ran]) -> _Ran:
    """Send, or where that is refused unless somebody says so, ask; where there is nobody to ask, nothing is sent."""
    try:
        return go(settings)
    except (QuietHoursError, LateError) as refusal:
        if not sys.stdin.isatty():
            raise
        if isinstance(refusal, QuietHoursError):
            ask(f"\n{refusal}\nIs it urgent?")
            return ask_if_refused(replace(settings, urgent=True), go)
        ask(f"\n{refusal}\nGo on with it?")
        return ask_if_refused(replace(settings, late=True), go)
