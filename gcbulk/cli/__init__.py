"""The command line. It asks, shows and writes files; what is done is done in the wings, imported when needed."""

from __future__ import annotations

import io
import os
import signal
import sys
from typing import Final, NoReturn

import click

from gcbulk.cli.commands import (
    callbacks,
    campaigns,
    check_credentials,
    form,
    history,
    login,
    opt_outs,
    partner,
    preview,
    purge,
    results,
    resume,
    retry_undelivered,
    sandbox,
    send,
    settle,
    validate,
)
from gcbulk.cli.ending import DONE, sentences_for_errors


class _InOrder(click.Group):
    """Lists its commands in the order of a day's work, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gcbulk", prog_name="gcbulk")
def cli() -> None:
    """Text parents in bulk through Groupcall's Communications API.

    \b
    Try it without an account:
      gcbulk send sample_data/recipients.csv --message-file sample_data/message.txt --sandbox
    """


_A_DAYS_WORK: Final[tuple[click.Command, ...]] = (
    validate.validate,
    preview.preview,
    send.send,
    resume.resume,
    results.results,
    campaigns.campaigns,
    history.history,
    retry_undelivered.retry_undelivered,
    settle.settle,
    purge.purge,
    opt_outs.opt_outs,
    login.login,
    check_credentials.check_credentials,
    form.form,
    partner.partner,
    callbacks.callbacks,
    sandbox.sandbox,
)
for _command in _A_DAYS_WORK:
    cli.add_command(_command)


def _terminate(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def main() -> NoReturn:
    """Run the command line; SIGTERM ends a run as cleanly as Ctrl-C."""
    import logging
    import warnings

    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if sys.platform == "win32" and "PYTHONIOENCODING" not in os.environ:
                stream.reconfigure(encoding="utf-8")
            stream.reconfigure(errors="replace")
    logging.getLogger("gcbulk").addHandler(logging.NullHandler())
    warnings.showwarning = lambda message, *_rest, **_options: click.echo(f"Warning: {message}", err=True)
    with sentences_for_errors():
        cli.main(prog_name="gcbulk", standalone_mode=False)
    raise SystemExit(DONE)
