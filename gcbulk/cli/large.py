"""Commands on lists larger than memory: the same questions, words and exit codes, piece by piece."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from gcbulk.cli.asking import ask, ask_if_refused, send_question
from gcbulk.cli.outputs import Outputs, finish, nothing_written, tell_dry_run
from gcbulk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gcbulk.api.customers import Customer
    from gcbulk.campaign.in_pieces import RanInPieces
    from gcbulk.campaign.options import SendOptions
    from gcbulk.campaign.results import Summary
    from gcbulk.campaign.survey import MakesPlans
    from gcbulk.cli.flags import Intake, Mail
    from gcbulk.recipients.intake import IntakeOptions


def send_large(
    file: Path,
    intake: Intake,
    mail: Mail,
    make: MakesPlans,
    settings: SendOptions,
    outputs: Outputs,
    *,
    customers: Mapping[str, Customer] | None,
    campaign: str | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    fail_on_errors: bool,
) -> None:
    """`gcbulk send` of a large list: looked at in one pass, sent in another, its results written in a third."""
    from gcbulk.campaign.connecting import client_for
    from gcbulk.campaign.delivering import send_plan
    from gcbulk.campaign.in_pieces import preview_in_pieces, send_in_pieces

    files = outputs.as_pieces_pass()
    pieces, taking = intake.read_in_pieces(file)
    taking = mail.intake(taking)
    view = preview_in_pieces(pieces, make, taking, settings)
    view.show(sys.stderr)
    if dry_run:
        tell_dry_run(view, settings, as_json=as_json)
        return
    with client_for(settings, many=customers is not None) as client:
        if not yes and view.ready:
            ask(send_question(view.ready, settings, mail.channel))
        if settings.test_to is not None:
            reading = view.worth_reading
            sent = send_plan(reading, reading.frame, settings, client=client)
            finish(sent, lambda: None, nothing_written(mail.channel), as_json=as_json, fail_on_errors=fail_on_errors)
        ran = ask_if_refused(
            settings,
            lambda settings: send_in_pieces(
                pieces,
                make,
                taking,
                settings,
                customers=customers,
                campaign=campaign,
                client=client,
                looked_at=view.hashes,
                files=files,
            ),
        )
    explained = view.summary()["error_codes"]
    finish(ran, written(ran), outputs, as_json=as_json, fail_on_errors=fail_on_errors, explained=explained)


def is_large_campaign(name: str, journal: str | None) -> bool:
    """Whether a campaign in the journal has so many rows that it is read back in pieces."""
    from gcbulk.campaign.journal import Journal
    from gcbulk.recipients.pieces import LARGE_ROWS

    with Journal(journal) as book:
        return book.campaign(name).row_count > LARGE_ROWS


def resume_large(
    campaign: str,
    file: Path | None,
    intake: Intake,
    taking: IntakeOptions,
    settings: SendOptions,
    outputs: Outputs,
    *,
    as_json: bool,
    fail_on_errors: bool,
) -> NoReturn:
    """`gcbulk resume` of a large campaign."""
    from gcbulk.campaign.in_pieces import resume_in_pieces

    files = outputs.as_pieces_pass()
    pieces = None if file is None else intake.read_in_pieces(file)[0]
    ran = ask_if_refused(
        settings,
        lambda settings: resume_in_pieces(campaign, settings, recipients=pieces, intake=taking, files=files),
    )
    finish(ran, written(ran), outputs, as_json=as_json, fail_on_errors=fail_on_errors)


def results_large(
    campaign: str, file: Path | None, intake: Intake, taking: IntakeOptions, outputs: Outputs, *, journal: str | None
) -> Summary:
    """What is known of a large campaign, written piece by piece."""
    from gcbulk.campaign.history import campaign_results_in_pieces
    from gcbulk.campaign.result_pieces import sum_up_pieces

    files = outputs.as_pieces_pass()
    pieces = None if file is None else intake.read_in_pieces(file)[0]
    with campaign_results_in_pieces(campaign, pieces, taking, journal=journal) as found:
        return sum_up_pieces(found, files)


def written(ran: RanInPieces) -> Callable[[], None]:
    """What raises the trouble that there was with writing the files."""

    def check() -> None:
        if ran.unwritten:
            raise InputError(ran.unwritten)

    return check
