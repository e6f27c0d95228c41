"""Previewing, sending and resuming a list that is larger than memory: what the public functions and the faces share.

The list is gone over once to write its rows into the journal, and once more to read its results. Nothing of it is held
but the piece at work.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from gcbulk.campaign import journal as journals
from gcbulk.campaign.calls import client_refs, in_calls
from gcbulk.campaign.connecting import (
    at_the_platform,
    default_client,
    drama_numbers,
    lease,
    warn_of_drama_numbers,
)
from gcbulk.campaign.delivering import Ran, deliver
from gcbulk.campaign.doubts import about_doubts
from gcbulk.campaign.enclosing import size_of
from gcbulk.campaign.firsts import Firsts
from gcbulk.campaign.looking_ahead import HELD_BACK, about_the_sending, gone_already
from gcbulk.campaign.result_pieces import Files, result_pieces, sum_up_pieces
from gcbulk.campaign.results import customer_names
from gcbulk.campaign.samples import own_contact
from gcbulk.campaign.starting import Listed, begin_on, check_name, check_whose, going_on
from gcbulk.campaign.survey import Planner, survey
from gcbulk.errors import CampaignError, CredentialsError, InputError, RecipientsError
from gcbulk.progress import Progress, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.api.customers import Customer
    from gcbulk.campaign.journal import Campaign, Doubt, Journal, PlannedRow, Run
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.plan import Plan
    from gcbulk.campaign.results import Summary
    from gcbulk.campaign.survey import MakesPlans, Survey
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces

    _Numbers = np.ndarray[Any, np.dtype[np.int64]]

logger = logging.getLogger("gcbulk")

_AT_ONCE: Final = 20_000  # rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RanInPieces(Ran):
    """How a run ended on a list in pieces."""

    unwritten: str = ""  # why the files could not be written
    names: Mapping[str, str] = field(default_factory=dict, repr=False)  # of a partner's customers, by id


def preview_in_pieces(
    pieces: Pieces,
    make: MakesPlans,
    intake: IntakeOptions,
    options: SendOptions,
    *,
    client: CommunicationsClient | None = None,
    show_numbers: bool = False,
) -> Survey:
    """What a send would do with a list in pieces, with what the journal knows of its texts, where it can be asked."""
    if options.test_to is not None:
        own_contact(options.test_to, intake.kind.channel)
    with ExitStack() as stack:
        planner = stack.enter_context(Planner(make, intake))
        api = client
        if not options.sandbox and journals.journal_exists(options.journal) and api is None:
            try:
                api = stack.enter_context(default_client(options, many=intake.for_customers))
            except CredentialsError:
                logger.debug("No credentials: the journal cannot be asked what went already")
        doubts: dict[int, Doubt] = {}
        seen = survey(pieces, planner, adjust=_as_it_would_go(options, api, doubts))
    unknown = [replace(one, total=one.count) for one in about_doubts(doubts, intake.kind)]
    seen.findings = (*about_the_sending(options, client), *unknown, *seen.findings)
    seen.send_at, seen.show_numbers = options.scheduled(), show_numbers
    return seen


def _as_it_would_go(
    options: SendOptions, api: CommunicationsClient | None, doubts: dict[int, Doubt]
) -> Callable[[Plan], Plan]:
    """What leaves out of each piece's plan the texts that went already, and those beyond the limit.

    `doubts` is told by position what may have gone on an earlier day.
    """
    left, start = options.limit, 0
    asks = api is not None and not options.sandbox and journals.journal_exists(options.journal)

    def adjust(plan: Plan) -> Plan:
        nonlocal left, start
        found: dict[int, Doubt] = {}
        if asks and api is not None:
            plan, found = gone_already(plan, options, api)
        if left is not None:
            ready = plan.ready.nonzero()[0]
            plan = plan.leaving_out({int(row): HELD_BACK for row in ready[left:]})
            left = max(0, left - len(ready))
        goes = plan.ready
        doubts.update({row + start: doubt for row, doubt in found.items() if goes[row]})
        start += len(plan.frame)
        return plan

    return adjust


def send_in_pieces(
    pieces: Pieces,
    make: MakesPlans,
    intake: IntakeOptions,
    options: SendOptions,
    *,
    customers: Mapping[str, Customer] | None = None,
    campaign: str | None = None,
    client: CommunicationsClient | None = None,
    watch: Watch | None = None,
    looked_at: tuple[str, str] | None = None,
    said: Callable[[Planner], None] | None = None,
    files: Files | None = None,
) -> RanInPieces:
    """Send a list in pieces; the results go into files, as far as they are asked for, and are counted.

    `customers` are those that `make` makes plans with, by id, where a partner sends for many. `looked_at` are the
    hashes of a survey: a list that has changed since is refused. `said` is told the planner when every piece is planned
    and before anything is sent.
    """
    check_name(campaign)
    watch = watch or Watch()
    many, channel = intake.for_customers, intake.kind.channel
    with at_the_platform(options, client, customers=customers, many=many) as (api, journal), ExitStack() as stack:
        check_whose(() if many else None, api)
        options.of_channel(channel)
        journals.purge(journal, older_than_days=journals.keep_days())
        planner = stack.enter_context(Planner(make, intake))
        written = journals.draft(
            journal, base_url=api.base_url, customer_id=api.customer_id, channel=channel, lease=lease(api)
        )
        stack.enter_context(written.alive(on_stop=watch.stop))
        try:
            writing = _Writing(api, options)
            journal.add_rows(written.campaign, writing.rows(planner, pieces, watch))
            writing.renumber(journal, written)
            check_whose([*planner.asked] if many else None, api)
            _refuse_changed(planner, looked_at)
            warn_of_drama_numbers(writing.drama, api)
            if said is not None:
                said(planner)
            run = begin_on(_listed(planner), journal, api, options, name=campaign, written=written).run
        except BaseException:
            journals.discard(journal, written.campaign)
            raise
        if run is not written:
            stack.enter_context(run.alive(on_stop=watch.stop))
            journals.renew_reasons(journal, run.campaign, journals.reasons_of(journal, written.campaign))
            _follow_opt_outs(journal, run, written.campaign, options, most_bytes=writing.most_bytes)
            journals.discard(journal, written.campaign)
        again = None if pieces.once else pieces
        return _deliver(run, api, options, again, files or Files(), wanted=writing.sent > 0, watch=watch)


def _refuse_changed(planner: Planner, looked_at: tuple[str, str] | None) -> None:
    if looked_at not in (None, (planner.recipients_hash(), planner.texts_hash())):
        raise RecipientsError("The list has changed since it was looked at. Nothing was sent: begin again.")


def _listed(planner: Planner) -> Listed:
    return Listed(
        channel=planner.intake.kind.channel,
        asked=planner.asked if planner.intake.for_customers else None,
        one_per_number=planner.intake.one_per_number,
        recipients_hash=planner.recipients_hash(),
        texts_hash=planner.texts_hash(),
        row_count=planner.rows,
    )


class _Writing:
    """The rows of all pieces as the journal keeps them; what is not one text after the other is put into calls later.

    That is where rows stand together in calls by more than their order: by customer, by text, by the size of files.
    """

    def __init__(self, api: CommunicationsClient, options: SendOptions) -> None:
        self._api, self._options = api, options
        self._later: list[tuple[_Numbers, _Numbers, _Numbers, _Numbers]] = []  # as _to_number says
        self.most_bytes: int | None = None  # of files in a call
        self.sent = 0
        self.drama = 0

    def rows(self, planner: Planner, pieces: Pieces, watch: Watch) -> Iterator[PlannedRow]:
        size, total = self._options.chunk_size, getattr(pieces, "row_count", None)
        with Firsts() as texts, Progress(total or 0, "Rows planned", enabled=self._options.progress) as bar:
            for start, plan in planner.plans(pieces):
                if watch.stop_asked:
                    raise KeyboardInterrupt
                self.drama += drama_numbers(plan)
                self.most_bytes = plan.most_bytes_a_call
                if self._options.share_identical or plan.customers is not None or self.most_bytes is not None:
                    self._later.append(self._to_number(plan, start, planner, texts))
                calls = plan.one_by_one(size, sent=self.sent)
                yield from plan.rows(calls, base_url=self._api.base_url, customer_id=self._api.customer_id, start=start)
                self.sent += int(plan.ready.sum())
                bar.add(len(plan.frame))

    def _to_number(
        self, plan: Plan, start: int, planner: Planner, texts: Firsts
    ) -> tuple[_Numbers, _Numbers, _Numbers, _Numbers]:
        """Of each row to be sent its position, whose it is, where its message came first, the bytes of its files."""
        ready = plan.ready.nonzero()[0]
        at = groups = (ready + start).astype(np.int64)
        whose, sizes = np.zeros(len(at), dtype=np.int64), plan.sizes()
        if plan.customers is not None:
            whose = pd.Index([*planner.asked]).get_indexer(pd.Index(plan.customers.iloc[ready])).astype(np.int64)
        if self._options.share_identical:
            same = plan.same()
            groups = texts.first_of([str(same[row]) for row in ready.tolist()], at)
        return at, whose, groups, np.zeros(len(at), dtype=np.int64) if sizes is None else sizes

    def renumber(self, journal: Journal, written: Run) -> None:
        """Put the rows of one message together, and messages into calls, as a plan of the whole list would."""
        if not self._later:
            return
        positions, whose, groups, sizes = (np.concatenate(some) for some in zip(*self._later, strict=True))
        self._later.clear()
        calls, messages = in_calls(
            whose, groups, chunk_size=self._options.chunk_size, sizes=sizes, most_bytes=self.most_bytes
        )
        together = np.argsort(messages, kind="stable")
        journals.renumber(journal, written, _with_references(positions[together], calls[together], messages[together]))


def _with_references(positions: _Numbers, calls: _Numbers, messages: _Numbers) -> Iterator[tuple[int, int, str]]:
    """Each row's position, call and reference: one for each message, whose rows come one after the other."""
    last = ""
    for start in range(0, len(positions), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        message = messages[some] - messages[start]
        refs = client_refs(message)
        if start and messages[start] == messages[start - 1]:
            refs[0] = last
        last = refs[-1]
        of_row = (refs[one] for one in message.tolist())
        yield from zip(positions[some].tolist(), calls[some].tolist(), of_row, strict=True)


def _follow_opt_outs(
    journal: Journal, run: Run, planned: Campaign, options: SendOptions, *, most_bytes: int | None
) -> None:
    """Go on with a campaign as the opt-out lists are by now: some have opted out since, some are back."""
    if out := journals.opted_out_addresses(journal, planned):
        run.opt_out(out, again=options.again)
    if back := sorted(run.opted_out()):
        rows = list(journals.planned_rows(journal, planned, back))
        emails = [] if most_bytes is None else rows
        sizes = {row.position: size_of(row.text, row.content) for row in emails if row.text and row.content}
        run.take_in(rows, chunk_size=options.chunk_size, sizes=sizes, most_bytes=most_bytes)


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

    def check(journal: Journal, known: Campaign, intake: IntakeOptions) -> None:
        if recipients is not None:
            for _ in result_pieces(journal, known, recipients, intake=intake):
                pass

    with going_on(name, options, intake=intake, client=client, watch=watch, check=check) as (api, run):
        return _deliver(run, api, options, recipients, files or Files(), wanted=True, watch=watch)


def _deliver(
    run: Run,
    client: CommunicationsClient,
    options: SendOptions,
    recipients: Pieces | None,
    files: Files,
    *,
    wanted: bool,
    watch: Watch,
) -> RanInPieces:
    """Send what is left, and write what came of it; what goes wrong with the files does not hide what went."""

    names = customer_names(run.campaign, client.customers)

    def read(known: Campaign) -> tuple[Summary, str]:
        try:
            found = result_pieces(run.journal, known, recipients if files else None, names=names)
            return sum_up_pieces(found, files), ""
        except (InputError, CampaignError) as error:
            return sum_up_pieces(result_pieces(run.journal, known, None, names=names)), str(error)

    (_, unwritten), ran = deliver(run, client, options, read, itemgetter(0), wanted=wanted, watch=watch)
    return RanInPieces(
        summary=ran.summary,
        campaign=ran.campaign,
        report=ran.report,
        nothing_left=ran.nothing_left,
        unwritten=unwritten,
        names=names,
    )
