"""What is done off the kernel's thread: sending, going on, looking on at another's run; and how each has ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign.delivering import resume_campaign
from gcbulk.campaign.either import divide, joined, part_of, send_each
from gcbulk.campaign.history import ask_to_stop, campaign_results, whereabouts
from gcbulk.codes import Status
from gcbulk.errors import CredentialsError
from gcbulk.form.desk import Errand
from gcbulk.progress import Progress
from gcbulk.recipients.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gcbulk.campaign.either import Leg
    from gcbulk.campaign.history import Whereabouts
    from gcbulk.form.desk import Desk
    from gcbulk.progress import Watch

FOLLOW_POLL: Final = 0.5
"""Seconds between looks at a run in another process."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: `stopped` before everything was tried, and then `by_hand` where it is known that a user did.

    What is held back row by row, its file being another by now, say, is not `done` either.
    """

    results: pd.DataFrame
    errands: list[Errand]
    words: str
    stopped: bool
    by_hand: bool = False

    def word(self, *, stopped_by_hand: bool) -> str:
        """The status word."""
        if not self.stopped:
            return "stopped" if (self.results["Status"] == Status.NOT_SENT).any() else "done"
        return "stopped" if self.by_hand or stopped_by_hand else "failed"


def sending(desk: Desk, legs: Sequence[Leg]) -> Callable[[Watch], Ended]:
    """What sends these plans as things stand on the desk now."""
    options, names, client, recipients = desk.options, desk.names, desk.client, desk.recipients

    def work(watch: Watch) -> Ended:
        done = send_each(legs, options, names=names, client=client, watch=watch)
        both = len(names) > 1
        errands = [
            Errand(one.sent.campaign, one.channel, one.rows if both else None) for one in done if one.sent is not None
        ]
        parts = [(one.channel, one.rows, one.results) for one in done]
        results = joined(parts, recipients.index) if both and recipients is not None else done[0].results
        told = [one.why or (one.sent and (one.sent.nothing_left or one.sent.report.stop_detail)) or "" for one in done]
        stopped = any(one.sent is None or one.sent.report.stop_code is not None for one in done)
        return Ended(results, errands, in_words(results, _once(told)), stopped=stopped)

    return work


def going_on(desk: Desk, *, late: bool) -> Callable[[Watch], Ended]:
    """What sends the rest of the campaigns on the desk. Raises CredentialsError where nobody is known to send it."""
    errands, recipients, intake = desk.errands, desk.recipients, desk.intake
    options = replace(desk.options, late=late)
    known = [one for errand in errands for one in whereabouts(errand.campaign, journal=options.journal)]
    client = desk.client_of(known[0].customer_id) if known else desk.client
    if client is None:
        raise CredentialsError("Who is sending? Give your customer id and API key first.")
    waiting = {one.campaign for one in known if one.to_send} or {errand.campaign for errand in errands}

    def work(watch: Watch) -> Ended:
        frames, whys, stopped = [], [], False
        for errand in errands:
            if errand.campaign not in waiting:
                frames.append(_read(desk, errand))
                continue
            part = _rows_of(recipients, errand)
            sent = resume_campaign(errand.campaign, options, recipients=part, intake=intake, client=client, watch=watch)
            frames.append(sent.results)
            whys.append(sent.nothing_left or sent.report.stop_detail)
            stopped = stopped or sent.report.stop_code is not None
        results = _together(errands, frames, recipients)
        return Ended(results, errands, in_words(results, _once(whys)), stopped=stopped)

    return work


def following(desk: Desk, known: Whereabouts) -> Callable[[Watch], Ended]:
    """What looks on at a run in another process until it has ended."""
    name, journal = known.campaign, desk.options.journal

    def work(watch: Watch) -> Ended:
        watch.on_stop(lambda: ask_to_stop(name, journal=journal))
        now, went = known, sum(known.answered.values())
        what = f"{KINDS[known.channel].message.capitalize()}s"
        with Progress(went + known.to_send, what, enabled=False, watch=watch, before=went) as bar:
            bar.add(0, **known.answered)
            while now.at_work:
                time.sleep(FOLLOW_POLL)
                before, (now,) = now, whereabouts(name, journal=journal)
                more = {kind: n - before.answered[kind] for kind, n in now.answered.items()}
                bar.add(sum(more.values()), **more)
        results = read_results(desk)
        return Ended(results, desk.errands, in_words(results, ""), stopped=bool(now.to_send), by_hand=True)

    return work


def errands_known(desk: Desk) -> tuple[list[Errand], list[Whereabouts]]:
    """The campaigns of the name on the desk that the journal knows, and where they stand."""
    names = {way: name for way, name in desk.names.items() if name is not None}
    rows: dict[str, Any] = {}
    if len(names) > 1 and desk.recipients is not None:
        rows = divide(desk.recipients, desk.intakes)
    found = {way: whereabouts(name, journal=desk.options.journal) for way, name in names.items()}
    known = {way: one for way, ones in found.items() for one in ones}
    return [Errand(one.campaign, way, rows.get(way)) for way, one in known.items()], list(known.values())


def read_results(desk: Desk) -> pd.DataFrame:
    """The results of the campaigns on the desk, as the journal knows them now."""
    return _together(desk.errands, [_read(desk, errand) for errand in desk.errands], desk.recipients)


def _read(desk: Desk, errand: Errand) -> pd.DataFrame:
    return campaign_results(
        errand.campaign,
        recipients=_rows_of(desk.recipients, errand),
        number_column=desk.number_column,
        number_columns=desk.number_columns,
        email_column=desk.email_column,
        journal=desk.options.journal,
    )


def _rows_of(recipients: pd.DataFrame | None, errand: Errand) -> pd.DataFrame | None:
    return recipients if recipients is None or errand.rows is None else part_of(recipients, errand.rows)


def _together(
    errands: Sequence[Errand], frames: Sequence[pd.DataFrame], recipients: pd.DataFrame | None
) -> pd.DataFrame:
    """The results of one campaign or of two, in the order of the list where it is known."""
    if len(frames) == 1:
        return frames[0]
    rows, begins = [], 0
    for errand, frame in zip(errands, frames, strict=True):
        rows.append(np.arange(begins, begins + len(frame)) if errand.rows is None else errand.rows)
        begins += len(frame)
    index = pd.RangeIndex(begins) if recipients is None else recipients.index
    ways = [errand.channel for errand in errands]
    return joined(zip(ways, rows, frames, strict=True), index)


def _once(whys: Iterable[str]) -> str:
    """Sentences, each once."""
    return " ".join(dict.fromkeys(filter(None, whys)))


def in_words(results: pd.DataFrame | None, why: str) -> str:
    """How many rows were accepted, and why the others were not tried."""
    if results is None:
        return why
    counts = results["Status"].value_counts()
    accepted = int(counts.get(Status.ACCEPTED.value, 0) + counts.get(Status.PARTLY_ACCEPTED.value, 0))
    waiting, unknown = (int(counts.get(status.value, 0)) for status in (Status.NOT_SENT, Status.UNKNOWN))
    parts = [f"{accepted:,} of {len(results):,} rows accepted"]
    parts += [f"{waiting:,} not sent yet"] if waiting else []
    parts += [f"{unknown:,} unknown"] if unknown else []
    return f"{', '.join(parts)}.{' ' if why else ''}{why}"
