"""`gcbulk callbacks`."""

from __future__ import annotations

import click

from gcbulk.cli.flags import journal_flag


@click.command(short_help="Receive delivery news from the platform.")
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="The port to listen on; 0 for a free one.")
@click.option("--public-url", metavar="URL", required=True, help="Where the platform reaches it: https://...")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@journal_flag
def callbacks(*, port: int, public_url: str, host: str, journal: str | None) -> None:
    """Receive delivery news until Ctrl-C, and write it into the journal that the texts are sent with.

    A partner's customers are received there too: gcbulk partner endpoint prints the address.

    It speaks plain HTTP on this machine: put what provides https:// (IIS, nginx, a tunnel) in front of it, and send
    with --callback-url, or GCBULK_CALLBACK_URL, set to the same public URL.
    """
    import logging

    from gcbulk.callbacks import serve

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("gcbulk").addHandler(handler)
    logging.getLogger("gcbulk").setLevel(logging.INFO)
    serve(
        journal,
        port=port,
        public_url=public_url,
        host=host,
        ready=lambda where: click.echo(
            f"{where}. Stop it with Ctrl-C. Send with: --callback-url {public_url}", err=True
        ),
    )
