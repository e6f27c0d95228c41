"""Step 3: what will happen, who is sending, and the tick without which nothing goes."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, Final

import ipywidgets as widgets

from gcbulk.campaign.journal.days import LONDON
from gcbulk.campaign.looking_ahead import preview_plan
from gcbulk.campaign.views.facts import files_in_words
from gcbulk.form.browser import PrivateField
from gcbulk.form.controls import Notice, Step, button, html, in_words, row, show
from gcbulk.form.trial import Trial
from gcbulk.form.words import URGENT, for_officers
from gcbulk.messages.findings import are, pounds_and_pence
from gcbulk.recipients.kinds import KINDS, NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.either import Leg
    from gcbulk.campaign.preview import Preview
    from gcbulk.form.background import Helper
    from gcbulk.form.desk import Desk

KEYS_CHECKED: Final = 20
"""Schools whose keys are asked about before a send; the others' show when their turn comes."""
QUIET: Final = "quiet_hours"
"""The finding that a send would refuse because of the time of the day."""


class Credentials(widgets.VBox):
    """Who is sending. The key goes straight into the client; no widget holds it."""

    def __init__(self, desk: Desk, helper: Helper, changed: Callable[[], None]) -> None:
        self._desk, self._helper, self._changed = desk, helper, changed
        self.works = False
        self._asked: tuple[object, ...] = ()  # about whom the platform was asked
        self._words = html("", "gcb-who-sends", "gcb-live")
        self._notice = Notice("gcb-key-notice")
        self._customer = widgets.Text(description="Customer id", placeholder="such as 1469")
        self._customer.add_class("gcb-customer")
        self._customer.add_class("gcb-labelled")
        self._key = PrivateField("API key", kind="password", entered=self._entered)
        for name in ("gcb-key", "gcb-labelled"):
            self._key.add_class(name)
        self._fields = row(self._customer, self._key)
        self._change = button("Send as another customer", "gcb-change-key", lambda: show(self._fields, True))
        super().__init__([row(self._words, self._change), self._fields, self._notice])
        self._show()

    def check(self) -> None:
        """Ask the platform, once, whether the key works, or those of the schools that are asked for."""
        wanted = (self._desk.client, *self._schools())
        if self._desk.client is not None and wanted != self._asked:
            self._asked, self.works = wanted, False
            self._show()
            self._helper.ask("credentials", self._check)

    def _entered(self, key: str) -> None:
        self._notice.clear()
        customer = self._customer.value.strip()
        if not customer:
            self._notice.error("Give the customer id too, then the key again: it was not kept.")
            return
        with in_words(self._notice):
            self._desk.use(customer, key)
            self._asked, self.works = (), False
            self._show()
            self._changed()
            self.check()

    def _check(self) -> None:
        client = self._desk.client
        if client is None:
            return
        with in_words(self._notice):
            schools = self._schools()
            found = [client.check_credentials(one) for one in (schools[:KEYS_CHECKED] if schools else [None])]
            wrong = [one.detail for one in found if one.result == "invalid"]
            self.works = len(wrong) < len(found)  # one school's holds up no other
            self._notice.clear()
            if wrong:
                (self._notice.hint if self.works else self._notice.error)(" ".join(wrong))
            elif doubts := [one.detail for one in found if one.result == "cannot tell"]:
                self._notice.hint(f"The key could not be checked. {doubts[0]}")
        self._show()
        self._changed()

    def _schools(self) -> list[str]:
        """The schools that something is to be sent for; of a partner alone."""
        return list(dict.fromkeys(one for leg in self._desk.legs or () for one in leg.plan.asked))

    def _show(self) -> None:
        client = self._desk.client
        if client is None:
            self._words.value = (
                "<span>Who is sending? Your customer id and API key, as Groupcall gave them to you.</span>"
            )
        elif client.customers is not None:
            schools = [self._desk.schools[one] for one in self._schools() if one in self._desk.schools]
            works = " The keys were checked." if self.works and not self._notice.value else ""
            self._words.value = f"<span>Sending for <b>{escape(in_short(schools))}</b>.{works}</span>"
        else:
            works = " The key works." if self.works else ""
            self._words.value = f"<span>Sending as customer <b>{escape(client.customer_id)}</b>.{works}</span>"
        show(self._fields, client is None or (client.customers is None and not self.works and bool(self._notice.value)))
        show(self._change, client is not None and client.customers is None)


class Urgency(widgets.VBox):
    """Quiet hours: why nothing goes now, and the tick that sends all the same. Out of sight where they do not apply."""

    def __init__(self, desk: Desk, name: str, ticked: Callable[[], None]) -> None:
        self._desk = desk
        self._notice = Notice(f"{name}-notice")
        self._tick = widgets.Checkbox(desk.options.urgent, description=URGENT, indent=False)
        self._tick.add_class(name)
        self._tick.observe(lambda change: self._ticked(bool(change["new"]), ticked), "value")
        super().__init__([self._notice, self._tick])
        self.tell("")

    def tell(self, why: str) -> None:
        """Say why nothing goes at this time; "" where it may."""
        self._notice.error(why)
        show(self, bool(why) or self._tick.value)

    def _ticked(self, urgent: bool, ticked: Callable[[], None]) -> None:
        self._desk.shape(urgent=urgent)
        ticked()


def _but_for_stops(view: Preview) -> Preview:
    """A preview without what stops a send: that stands beside the tick or the field that can do something about it."""
    findings = tuple(found for found in view.plan.findings if found.severity != "stop")
    return replace(view, plan=replace(view.plan, findings=findings))


def _in_full(view: Preview, *, alone: bool) -> str:
    """A preview as it stands on the form, under the name of its way where it is not the only one."""
    heading = "" if alone else f"<h3>{KINDS[view.plan.channel].message.capitalize()}s</h3>"
    return heading + _but_for_stops(view).to_html()


def _messages(views: Sequence[Preview], counts: Sequence[dict[str, Any]]) -> list[str]:
    """How many messages go each way that any goes."""
    ways = zip(views, counts, strict=True)
    return [are(one["texts"], KINDS[view.plan.channel].message) for view, one in ways if one["texts"]]


def _what(view: Preview, counts: dict[str, Any]) -> str:
    """What goes one way, what it amounts to, and to how many."""
    kind = KINDS[view.plan.channel]
    amounts = [are(counts["texts"], kind.message)]
    if kind is NUMBER:
        amounts.append(are(counts["parts"], "part"))
        amounts += [] if counts["cost"] is None else [pounds_and_pence(counts["cost"])]
    else:
        amounts += [f"with {files}"] if (files := files_in_words(view.plan)) else []
    return f"{', '.join(amounts)}{',' if amounts[1:] else ''} to {are(counts['numbers'], kind.noun)}"


def in_short(schools: Sequence[Customer]) -> str:
    """One school by name and id, several by their number."""
    return f"{schools[0].name} ({schools[0].id})" if len(schools) == 1 else are(len(schools), "school")


class CheckStep(Step):
    """What will happen, in one sentence and in full; `send` is called once it is confirmed."""

    def __init__(self, desk: Desk, helper: Helper, credentials: Credentials, send: Callable[[], None]) -> None:
        super().__init__(3, "Check", "Read what will happen. Nothing has been sent so far.")
        self._desk, self._helper, self.credentials, self._send_it = desk, helper, credentials, send
        self._trials: dict[str, Trial] = {}  # by channel, each once it is asked for
        self.messages = 0
        self._shown: tuple[Leg, ...] | None = None
        self._stopped = False
        self._notice = Notice("gcb-check-notice")
        self._urgency = Urgency(desk, "gcb-urgent", self._again)
        self._sentence = html("", "gcb-sentence", "gcb-live")
        self._view = html("", "gcb-scroll")
        self._confirm = widgets.Checkbox(False, description="I have read this, and it is right", indent=False)
        self._confirm.add_class("gcb-confirm")
        self._confirm.observe(lambda _change: self.allow(), "value")
        self._button = button("Send", "gcb-send", self._clicked, main=True)
        self._above = (self._sentence, self._notice, self._urgency, self._view, credentials)
        self._below = (row(self._confirm), row(self._button))
        self.arrange()
        self.allow()

    def arrange(self) -> None:
        """Offer a test of each way that the list is told."""
        ways = self._desk.way.channels
        for channel in ways:
            if channel not in self._trials:
                self._trials[channel] = Trial(channel, self._desk, self._helper)
        self.fill(*self._above, *(self._trials[channel] for channel in ways), *self._below)

    def look(self) -> None:
        """Another plan, or none yet: the tick is taken back, and what will happen is worked out anew."""
        legs = self._desk.legs
        if legs is self._shown and legs is not None:
            self.allow()
            return
        self._shown, self.messages, self._stopped = None, 0, False
        self._confirm.value = False
        self.allow()
        for trial in self._trials.values():
            trial.clear()
        if legs is not None:
            self._helper.ask("preview", lambda: self._preview(legs))

    def _again(self) -> None:
        """The same plan, to be sent in another way."""
        self._shown = None
        self.look()

    def _preview(self, legs: tuple[Leg, ...]) -> None:
        desk = self._desk
        self._notice.clear()
        with in_words(self._notice):
            options = [desk.options.for_channel(leg.plan.channel) for leg in legs]
            views = [preview_plan(leg.plan, of, client=desk.client) for leg, of in zip(legs, options, strict=True)]
            if desk.legs is not legs:
                return
            counts = [view.summary() for view in views]
            self._shown, self.messages = legs, sum(one["texts"] for one in counts)
            self._tell_stops(views)
            not_real = f" <i>This is the sandbox: nobody is really {desk.way.done}.</i>"
            rehearsal = not_real if desk.nobody_is_texted else ""
            self._sentence.value = f"<p>{escape(self._in_one_sentence(views, counts))}{rehearsal}</p>"
            self._view.value = for_officers("".join(_in_full(view, alone=not legs[1:]) for view in views))
            self._button.description = f"Send {' and '.join(_messages(views, counts)) or are(0, 'text')}"
        self.allow()

    def _tell_stops(self, views: Sequence[Preview]) -> None:
        """What a send would refuse as things are: the time of the day, or a time that is past by now."""
        findings = [found for view in views for found in view.plan.findings]
        stops = {found.code: found.sentence for found in findings if found.severity == "stop"}
        self._stopped = bool(stops)
        self._urgency.tell(stops.pop(QUIET, ""))
        if stops:
            self._notice.error(" ".join(stops.values()))

    def _in_one_sentence(self, views: Sequence[Preview], counts: Sequence[dict[str, Any]]) -> str:
        desk = self._desk
        if not any(one["texts"] for one in counts):
            return "There is nobody to send this to: see below why."
        when = "now"
        if (scheduled := desk.options.scheduled()) is not None:
            at = scheduled.astimezone(LONDON)
            when = f"at {at:%H:%M} on {at.day} {at:%B %Y}"
        who = f" from school {desk.client.customer_id}" if desk.client is not None else ""
        known = [one for of_way in counts for one in of_way.get("customers", []) if one["texts"]]
        if schools := [desk.schools[one] for one in dict.fromkeys(one["id"] for one in known)]:
            who = f" from {in_short(schools)}"
        what = [_what(view, one) for view, one in zip(views, counts, strict=True) if one["texts"]]
        return f"Sends {', and '.join(what)}{who} {when}."

    def allow(self) -> None:
        """Send can be clicked only for what is on the screen, ticked, with a key that is not known to be wrong."""
        ready = self.messages > 0 and self._desk.client is not None and self.credentials.works
        self._confirm.disabled = self.messages == 0
        self._button.disabled = not (ready and self._confirm.value and not self._stopped)
        for channel, trial in self._trials.items():
            trial.allow(ready and any(leg.plan.channel == channel for leg in self._shown or ()))

    def _clicked(self) -> None:
        if self._button.disabled or self._shown is None or self._shown is not self._desk.legs:
            return
        self._button.disabled = True
        self._confirm.value = False
        self._send_it()
