"""The results of a list that is larger than memory, read from the journal in pieces, each beside that of the list."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from gcbulk.campaign import journal as journals
from gcbulk.campaign.delivery import with_delivery
from gcbulk.campaign.journal import Journal
from gcbulk.campaign.results import (
    NOT_TOLD,
    Summary,
    check_same_list,
    results_frame,
    rows_with,
    summarise,
)
from gcbulk.errors import CampaignError
from gcbulk.recipients.pieces import PIECE_ROWS
from gcbulk.recipients.writing import writing_table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

    from gcbulk.campaign.journal import Campaign, Record
    from gcbulk.recipients.intake import IntakeOptions
    from gcbulk.recipients.pieces import Pieces


class Piece(NamedTuple):
    """The results of some rows, and these rows as they came, where the list is known."""

    results: pd.DataFrame
    recipients: pd.DataFrame | None


def result_pieces(
    journal: Journal,
    campaign: Campaign,
    recipients: Pieces | None,
    *,
    intake: IntakeOptions | None = None,
    names: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Piece]:
    """What came of every row, in the order of the list, piece by piece.

    With `intake` it is checked that the recipients are those of the campaign. Raises CampaignError where they are not.
    `names` are what a partner's customers are called, by id.
    """
    if campaign.callback_url is not None:
        journals.match_again(journal, campaign)
    records = journal.records(campaign)
    if recipients is None:
        start = 0
        while some := list(islice(records, PIECE_ROWS)):
            results = _results(journal, campaign, some, None, start, names)
            yield Piece(results.set_axis(pd.RangeIndex(start, start + len(some))), None)
            start += len(some)
        return
    start = 0
    for piece in recipients:
        some = list(islice(records, len(piece)))
        if len(some) < len(piece):
            raise _other_length(campaign)
        if intake is not None:
            check_same_list(campaign, some, piece, intake)
        yield Piece(_results(journal, campaign, some, piece, start, names), piece)
        start += len(some)
    if next(records, None) is not None:
        raise _other_length(campaign)


def _results(
    journal: Journal,
    campaign: Campaign,
    records: Iterable[Record],
    piece: pd.DataFrame | None,
    start: int,
    names: Mapping[str, str],
) -> pd.DataFrame:
    results = results_frame(campaign, records, piece, names=names)
    if campaign.callback_url is None:
        return results
    news = journals.news_of(journal, campaign, first=start, last=start + len(results) - 1)
    return with_delivery(results, (one._replace(position=one.position - start) for one in news))


def _other_length(campaign: Campaign) -> CampaignError:
    return CampaignError(
        f"Campaign {campaign.name!r} has {campaign.row_count:,} rows, and these recipients have another number. "
        "Give the list that the campaign was sent from."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where results are written as they pass: all of them, and in the user's own columns the rows of those not told."""

    out: Path | None = None
    not_told: Path | None = None
    byte_order_mark: bool = True

    def __bool__(self) -> bool:
        return self.out is not None or self.not_told is not None


def sum_up_pieces(pieces: Iterable[Piece], files: Files = Files()) -> Summary:
    """Count the results, and write them, as they pass.

    Raises InputError where the disk refuses; then no file takes the place of one that was there.
    """
    total = Summary(0, {}, {}, 0)
    with ExitStack() as stack:
        writers = [
            (stack.enter_context(writing_table(path, byte_order_mark=files.byte_order_mark)), path is files.not_told)
            for path in (files.out, files.not_told)
            if path is not None
        ]
        for results, recipients in pieces:
            total += summarise(results)
            for write, only_not_told in writers:
                write(rows_with(NOT_TOLD, results, recipients) if only_not_told else results)
    return total


@dataclass(frozen=True, slots=True)
class ResultPieces:
    """The results of a list that was sent in pieces: frames, one after the other, as often as they are gone over.

    Each is what `send_sms` returns of that piece: its rows, columns and index, and our annotations. `summary` has the
    counts. Of recipients that could be gone over only once the annotations come alone, under the rows' places (from 0).
    """

    campaign: str
    summary: Summary
    journal: str | os.PathLike[str] | None = None
    recipients: Pieces | None = None
    names: Mapping[str, str] = field(default_factory=dict, repr=False)  # of a partner's customers, by id

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for results, _ in self._pieces():
            yield results

    def save(
        self, out: str | os.PathLike[str] | None = None, *, not_told: str | os.PathLike[str] | None = None
    ) -> None:
        """Write the results as CSV, and as another, in the user's own columns, the rows of those not told.

        Where there are none of the user's, a column `Row` says which row of the list each of those is, from 1.
        """
        sum_up_pieces(self._pieces(), Files(out=_path(out), not_told=_path(not_told)))

    def _pieces(self) -> Iterator[Piece]:
        with Journal(self.journal) as book:
            yield from result_pieces(book, book.campaign(self.campaign), self.recipients, names=self.names)


def _path(file: str | os.PathLike[str] | None) -> Path | None:
    return None if file is None else Path(file)
