"""`gcbulk sandbox`."""

from __future__ import annotations

from typing import Any, Final

import click

from gcbulk.errors import OptionError

_SHARE: Final = click.FloatRange(0, 1)


@click.command(short_help="A stand-in for the API, to try with.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on. Default: a free one.")
@click.option(
    "--latency-ms",
    type=click.FloatRange(min=0),
    default=0,
    show_default=True,
    help="Wait before each answer.",
)
@click.option("--callback-delay", type=click.FloatRange(min=0), default=0, metavar="SECONDS", help="Up to so late.")
@click.option("--callback-lost", type=_SHARE, default=0, metavar="SHARE", help="So many callbacks never come (0.02).")
@click.option("--callback-doubled", type=_SHARE, default=0, metavar="SHARE", help="So many callbacks come twice.")
@click.option(
    "--callback-early", type=_SHARE, default=0, metavar="SHARE", help="So many come before the call's answer."
)
@click.option(
    "--callback-shape",
    type=click.Choice(["json", "parameters", "both"]),
    default="json",
    show_default=True,
    help="POST with JSON, GET with parameters, or by turns.",
)
@click.option("--numbers", is_flag=True, help="Show the magic numbers, and stop.")
def sandbox(*, port: int, latency_ms: float, numbers: bool, callback_delay: float, **callbacks: Any) -> None:
    """Run a stand-in for the API on this machine, to try things with: it texts nobody.

    Numbers from 07700 900900 on are magic: each brings about an answer (refused, rate limited, no answer, ...).
    """
    from gcbulk.sandbox import CallbackPlan, Sandbox, describe_numbers

    if numbers:
        click.echo(describe_numbers())
        return
    try:
        shares = {name.removeprefix("callback_"): value for name, value in callbacks.items()}
        plan = CallbackPlan(delay=(0.0, callback_delay), connections=8, **shares)
        with Sandbox(port=port, latency=latency_ms / 1000, callback_plan=plan) as server:
            click.echo(
                f"Sandbox at {server.url} (stop it with Ctrl-C). In another terminal, set:\n"
                f"  GCBULK_BASE_URL={server.url}\n"
                f"  GCBULK_CUSTOMER_ID={server.customer_id}\n"
                f"  GCBULK_API_KEY={server.api_key}\n"
                f"As a partner, instead of the last two (schools authorise you at {server.url}/sandbox/authorise):\n"
                f"  GCBULK_PARTNER_KEY={server.partner_key}\n"
                f"  GCBULK_STYLE_CLASS={server.style_class}\n"
                "Magic numbers: gcbulk sandbox --numbers"
            )
            server.serve_forever()
    except OSError as error:
        raise OptionError(f"Port {port} cannot be used: {error.strerror}. Choose another --port.") from None
