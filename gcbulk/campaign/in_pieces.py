"""Previewing, sending and resuming a list that is larger than memory: what the public functions and the faces share.

The list is gone over once to write its rows into the journal, and once more to read its results. Nothing of it is held
but the piece at work.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from gcbulk.api.client import CommunicationsClient
from gcbulk.campaign import journal as journals
from gcbulk.campaign import schedule
from gcbulk.campaign.connecting import (
    CHANNEL,
    at_the_platform,
    drama_numbers,
    lease,
    people_are_reached,
    refuse_other_platform,
    warn_of_drama_numbers,
)
from gcbulk.campaign.delivering import Ran, check_name, deliver, shape, still_ahead
from gcbulk.campaign.firsts import Firsts
from gcbulk.campaign.journal import KIND, TEST, Identity, begin, go_on
from gcbulk.campaign.looking_ahead import HELD_BACK, about_the_time, gone_already
from gcbulk.campaign.plan import client_refs
from gcbulk.campaign.result_pieces import Files, result_pieces, sum_up_pieces
from gcbulk.campaign.survey import Planner, Survey, survey
from gcbulk.errors import CampaignError, CredentialsError, InputError, RecipientsError
from gcbulk.progress import Progress, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gcbulk.campaign.journal import Campaign, Journal, Run
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan
    from gcbulk.campaign.results import Summary
    from gcbulk.messages.options import TextOptions
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RanInPieces(Ran):
    """How a run ended on a list in pieces."""

    unwritten: str = ""  # why the files could not be written


def preview_in_pieces(
    pieces: Pieces,
    message: str,
    intake: IntakeOptions,
    texts: TextOptions,
    options: SendOptions,
    *,
    client: CommunicationsClient | None = None,
    show_numbers: bool = False,
) -> Survey:
    """What a send would do with a list in pieces, with what the journal knows of its texts, where it can be asked."""
    with ExitStack() as stack:
        planner = stack.enter_context(Planner(message, intake, texts))
        api = client
        if not options.sandbox and journals.journal_exists(options.journal) and api is None:
            try:
                api = stack.enter_context(CommunicationsClient(timeout=options.timeout))
            except CredentialsError:
                api = None
        seen = survey(pieces, planner, texts, adjust=_as_it_would_go(options, api))
    seen.findings = (*about_the_time(options, client), *seen.findings)
    seen.send_at, seen.show_numbers = options.scheduled(), show_numbers
    return seen


def _as_it_would_go(options: SendOptions, api: CommunicationsClient | None) -> Callable[[Plan], Plan]:
    """What leaves out of each piece's plan the texts that went already, and those beyond the limit."""
    left = options.limit
    asks = api is not None and not options.sandbox and journals.journal_exists(options.journal)

    def adjust(plan: Plan) -> Plan:
        nonlocal left
        if asks and api is not None:
            plan = plan.leaving_out(gone_already(plan, options, api.base_url, api.customer_id))
        if left is not None:
            ready = plan.ready.nonzero()[0]
            plan = plan.leaving_out({int(row): HELD_BACK for row in ready[left:]})
            left = max(0, left - len(ready))
        return plan

    return adjust


def send_in_pieces(
    pieces: Pieces,
    message: str,
    intake: IntakeOptions,
    texts: TextOptions,
    options: SendOptions,
    *,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    watch: Watch | None = None,
    looked_at: tuple[str, str] | None = None,
    said: Callable[[Planner], None] | None = None,
    files: Files | None = None,
) -> RanInPieces:
    """Send a list in pieces; the results go into files, as far as they are asked for, and are counted.

    `looked_at` are the hashes of a survey: a list that has changed since is refused. `said` is told the planner when
    every piece is planned and before anything is sent.
    """
    check_name(campaign)
    watch = watch or Watch()
    with at_the_platform(options, client) as (api, journal), ExitStack() as stack:
        journals.purge(journal, older_than_days=journals.keep_days())
        planner = stack.enter_context(Planner(message, intake, texts))
        written = journals.draft(
            journal, base_url=api.base_url, customer_id=api.customer_id, channel=CHANNEL, lease=lease(api)
        )
        stack.enter_context(written.alive(on_stop=watch.stop))
        try:
            writing = _Writing(api, options)
            journal.add_rows(written.campaign, writing.rows(planner, pieces, watch))
            writing.share(journal, written)
            _refuse_changed(planner, looked_at)
            warn_of_drama_numbers(writing.drama, api)
            if said is not None:
                said(planner)
            begun = _begin(journal, planner, written, options, api, campaign, one_per_number=intake.one_per_number)
        except BaseException:
            journals.discard(journal, written.campaign)
            raise
        run = begun
        if run is not written:
            stack.enter_context(run.alive(on_stop=watch.stop))
            _follow_opt_outs(journal, run, written.campaign, options)
            journals.discard(journal, written.campaign)
        again = None if pieces.once else pieces
        return _deliver(run, api, options, again, files or Files(), wanted=writing.sent > 0, watch=watch)


def _refuse_changed(planner: Planner, looked_at: tuple[str, str] | None) -> None:
    if looked_at not in (None, (planner.recipients_hash(), planner.texts_hash())):
        raise RecipientsError("The list has changed since it was looked at. Nothing was sent: begin again.")


def _begin(
    journal: Journal,
    planner: Planner,
    written: Run,
    options: SendOptions,
    api: CommunicationsClient,
    name: str | None,
    *,
    one_per_number: bool,
) -> Run:
    """The run to go on with: that on the draft, or one on the campaign that this list is already."""
    scheduled = options.scheduled()
    identity = Identity(
        base_url=api.base_url,
        customer_id=api.customer_id,
        channel=CHANNEL,
        options=shape(options, trial=False, one_per_number=one_per_number),
        recipients_hash=planner.recipients_hash(),
        texts_hash=planner.texts_hash(),
        row_count=planner.rows,
    )
    return begin(
        journal,
        identity,
        name=name,
        send_at=scheduled.timestamp() if scheduled else None,
        repeat=options.repeat,
        lease=lease(api),
        late=options.late,
        again=options.again,
        refusal=options.refusal(schedule.now(), scheduled, reaches_people=people_are_reached(options, api)),
        written=written,
    ).run


class _Writing:
    """The rows of all pieces as the journal keeps them; with shared messages they are put into calls at the end."""

    def __init__(self, api: CommunicationsClient, options: SendOptions) -> None:
        self._api, self._options = api, options
        self._of_text: list[tuple[_Numbers, _Numbers]] = []  # positions, and where each row's text came first
        self.sent = 0
        self.drama = 0

    def rows(self, planner: Planner, pieces: Pieces, watch: Watch) -> Iterator[dict[str, Any]]:
        size, total = self._options.chunk_size, getattr(pieces, "row_count", None)
        with Firsts() as texts, Progress(total or 0, "Rows planned", enabled=self._options.progress) as bar:
            for start, plan in planner.plans(pieces):
                if watch.stop_asked:
                    raise KeyboardInterrupt
                self.drama += drama_numbers(plan)
                if self._options.share_identical:
                    ready = plan.ready.nonzero()[0]
                    words = plan.frame["Text"].to_numpy(dtype=object)[ready].tolist()
                    at = (ready + start).astype(np.int64)
                    self._of_text.append((at, texts.first_of(words, at)))
                for row in plan.rows(
                    base_url=self._api.base_url,
                    customer_id=self._api.customer_id,
                    channel=CHANNEL,
                    chunk_size=size,
                    share_identical=False,
                ):
                    row["position"] += start
                    if row["batch_number"] is not None:
                        row["batch_number"] = self.sent // size
                        self.sent += 1
                    yield row
                bar.add(len(plan.frame))

    def share(self, journal: Journal, written: Run) -> None:
        """Put the rows of one text into one message, and messages into calls, as a plan of the whole list would."""
        if not self._of_text:
            return
        positions, firsts = (np.concatenate(some) for some in zip(*self._of_text, strict=True))
        together = np.argsort(firsts, kind="stable")
        positions, firsts = positions[together], firsts[together]
        order = np.arange(len(positions))
        begins = (np.diff(firsts, prepend=-1) != 0) | (order % self._options.chunk_size == 0)
        messages = np.cumsum(begins) - 1
        refs = client_refs(messages)
        calls = order // self._options.chunk_size
        journals.renumber(
            journal,
            written,
            (
                (position, call, refs[message])
                for position, call, message in zip(positions.tolist(), calls.tolist(), messages.tolist(), strict=True)
            ),
        )


def _follow_opt_outs(journal: Journal, run: Run, planned: Campaign, options: SendOptions) -> None:
    """Go on with a campaign as the opt-out lists are by now: some have opted out since, some are back."""
    if out := journals.opted_out_addresses(journal, planned):
        run.opt_out(out, again=options.again)
    if back := sorted(run.opted_out()):
        rows = list(journals.planned_rows(journal, planned, back))
        run.take_in(rows, chunk_size=options.chunk_size)


def resume_in_pieces(
    name: str,
    options: SendOptions,
    *,
    recipients: Pieces | None = None,
    intake: IntakeOptions,
    client: CommunicationsClient | None = None,
    files: Files | None = None,
) -> RanInPieces:
    """Go on with a campaign that is larger than memory; the results go into files, and are counted."""
    watch = Watch()
    opted_out = intake.opted_out()
    with at_the_platform(options, client) as (api, journal):
        known = journal.campaign(name)
        refuse_other_platform(known, api)
        if recipients is not None:
            for _ in result_pieces(journal, known, recipients, intake=intake):
                pass
        at = schedule.now()
        refusal = options.refusal(at, still_ahead(known, at), reaches_people=people_are_reached(options, api))
        if known.options.get(KIND) == TEST:
            refusal = None
        run = go_on(journal, known, lease=lease(api), late=options.late, again=options.again, refusal=refusal)
        with run.alive(on_stop=watch.stop):
            if opted_out:
                run.opt_out(opted_out, again=options.again)
            return _deliver(run, api, options, recipients, files or Files(), wanted=True, watch=watch)


def _deliver(
    run: Run,
    api: CommunicationsClient,
    options: SendOptions,
    recipients: Pieces | None,
    files: Files,
    *,
    wanted: bool,
    watch: Watch,
) -> RanInPieces:
    """Send what is left, and write what came of it; what goes wrong with the files does not hide what went."""

    def read(known: Campaign) -> tuple[Summary, str]:
        try:
            return sum_up_pieces(result_pieces(run.journal, known, recipients if files else None), files), ""
        except (InputError, CampaignError) as error:
            return sum_up_pieces(result_pieces(run.journal, known, None)), str(error)

    (_, unwritten), ran = deliver(run, api, options, read, itemgetter(0), wanted=wanted, watch=watch)
    return RanInPieces(
        summary=ran.summary,
        campaign=ran.campaign,
        report=ran.report,
        nothing_left=ran.nothing_left,
        unwritten=unwritten,
    )
