"""A test to the sender's own phone or address: the messages worth reading go there and to nobody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import ipywidgets as widgets

from gcbulk.campaign.delivering import send_plan
from gcbulk.campaign.preview import mask_number
from gcbulk.codes import Status
from gcbulk.form.browser import PrivateField
from gcbulk.form.controls import Notice, button, in_words, quiet_log, row
from gcbulk.messages.findings import are
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from gcbulk.campaign.delivering import Sent
    from gcbulk.campaign.either import Leg
    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

_ACCEPTED: Final = (Status.ACCEPTED.value, Status.PARTLY_ACCEPTED.value)


class _Asked(NamedTuple):
    """What is asked of the sender for a test by one channel."""

    label: str
    kind: str
    hint: str
    send: str
    name: str


_ASKED: Final = {
    "sms": _Asked("Your own phone", "tel", "07...", "Send a test to my phone", "gcb-test"),
    "email": _Asked("Your own address", "email", "you@...", "Send a test to my address", "gcb-test-email"),
}


class Trial(widgets.VBox):
    """A field for a number or an address, a button, and what came of it. It sends the plan that is on the screen."""

    def __init__(self, channel: str, desk: Desk, helper: Helper) -> None:
        self._channel, self._desk, self._helper = channel, desk, helper
        asked = _ASKED[channel]
        self._ready = self._under_way = False
        # here alone: a person's number is no widget's state
        self._to = desk.test_to if ("@" in desk.test_to) == (channel == "email") else ""
        hint = f"given: {_hidden(self._to)}" if self._to else asked.hint
        field = PrivateField(asked.label, kind=asked.kind, entered=self._entered, hint=hint)
        for name in (f"{asked.name}-to", "gcb-labelled"):
            field.add_class(name)
        self._button = button(asked.send, asked.name, self._clicked)
        self._notice = Notice(f"{asked.name}-notice")
        beside = row(field, self._button)
        beside.add_class("gcb-low")
        super().__init__([beside, self._notice])
        self._show()

    def allow(self, ready: bool) -> None:
        """Whether there is something to test, and a key that works."""
        self._ready = ready
        self._show()

    def clear(self) -> None:
        """Another message: what came of a test was about the one before."""
        self._notice.clear()

    def _entered(self, number: str) -> None:
        self._to = number
        self._show()

    def _show(self) -> None:
        self._button.disabled = not (self._ready and self._to) or self._under_way

    def _clicked(self) -> None:
        leg = next((leg for leg in self._desk.legs or () if leg.plan.channel == self._channel), None)
        if self._button.disabled or leg is None:
            return
        self._under_way = True
        self._show()
        self._notice.hint("Sending the test ...")
        self._helper.ask(f"test {self._channel}", lambda: self._try(leg))

    def _try(self, leg: Leg) -> None:
        desk = self._desk
        try:
            with in_words(self._notice):
                options = replace(desk.options.for_channel(self._channel), test_to=self._to)
                with quiet_log():
                    sent = send_plan(leg.plan, leg.recipients, options, client=desk.client)
                self._tell(sent)
        finally:
            self._under_way = False
            self._show()

    def _tell(self, sent: Sent) -> None:
        results, message = sent.results, KINDS[self._channel].message
        accepted = int(results["Status"].isin(_ACCEPTED).sum())
        if accepted == len(results):
            of = "; ".join(results["Sample"])
            whom = mask_number(results["SentTo"].iloc[0])
            self._notice.good(
                f"{are(accepted, message)} ({of}) accepted for {whom}, and for nobody else. Read what comes before you "
                "send to everybody."
            )
            return
        why = sent.report.stop_detail or results["ErrorDetail"].dropna().iloc[0]
        self._notice.error(f"Of {are(len(results), f'test {message}')}, {accepted} accepted. {why}")


def _hidden(contact: str) -> str:
    """A number or an address that was handed in, so that its owner knows it and nobody else does."""
    return mask_number(contact) if "@" in contact else f"•••{contact[-3:]}"
