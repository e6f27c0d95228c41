"""How a command ends: its exit code, and a sentence whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from gcbulk.errors import GcbulkError, JournalLostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gcbulk.campaign.results import Summary


DONE, FAILED, BAD_INPUT, HELD, UNKNOWN, NOTHING_LEFT, NOTHING_ACCEPTED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 130
"""Exit codes. Where several fit, the first of 1, 130, 2, 4, 3, 5, 6 is given."""


EXIT_CODES: Final = """\b
Exit codes:
  0  done
  1  unexpected failure
  2  bad usage or input; nothing was sent
  3  stopped or held (credentials, permission, rate limit, network): rows were not sent
  4  rows with an unknown outcome
  5  nothing was left to send
  6  nothing was accepted though there were rows;
     with --fail-on-errors, a row was invalid or rejected
  130  interrupted
"""


def exit_code(summary: Summary, *, fail_on_errors: bool) -> int:
    """The exit code that a summary calls for by itself."""
    count = summary.statuses.get
    if count("unknown"):
        return UNKNOWN
    if count("not_sent"):
        return HELD
    if summary.total and not summary.accepted:
        return NOTHING_ACCEPTED
    if fail_on_errors and (count("invalid") or count("rejected")):
        return NOTHING_ACCEPTED
    return DONE


_INTERRUPTED: Final = "Interrupted. What was sent, if anything, is in the journal: gcbulk campaigns"


@contextmanager
def sentences_for_errors() -> Iterator[None]:
    """End with a sentence and an exit code whatever happens; never with a traceback, which could show a key."""
    try:
        yield
    except JournalLostError as error:
        stop(str(error), FAILED)
    except GcbulkError as error:
        stop(str(error), BAD_INPUT)
    except click.Abort as error:
        # click makes one of an interrupt at any moment; only at a question is it sure that nothing has left
        at_work = isinstance(error.__cause__, KeyboardInterrupt)
        stop(_INTERRUPTED if at_work else "Interrupted; nothing was sent.", INTERRUPTED)
    except KeyboardInterrupt:
        stop(_INTERRUPTED, INTERRUPTED)
    except click.ClickException as error:
        error.show()
        raise SystemExit(BAD_INPUT) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its own words could hold a number or a key
        stop(
            f"Unexpected failure ({_where(error)}). What went before is in the journal: gcbulk campaigns",
            FAILED,
        )


def _where(error: BaseException) -> str:
    """The kind of an error and the line it came from, without its words: they could hold a number or a key."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else ""
    return f"{type(error).__name__}{place}"


def stop(sentence: str, code: int) -> NoReturn:
    """End the command with one sentence on stderr."""
    click.echo(f"Error: {sentence}", err=True)
    raise SystemExit(code)
