"""`gcbulk form`."""

from __future__ import annotations

import click


@click.command(short_help="The form, as a page in your browser.")
@click.option("--sandbox", is_flag=True, help="Send to a stand-in on this machine, with a throwaway journal.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="The port to listen on. Default: a free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def form(*, sandbox: bool, port: int, no_browser: bool) -> None:
    """Send without writing code: the form as a page in your browser, on this machine alone.

    The address that is printed holds a token: whoever has it can send, so keep it to yourself.
    """
    from gcbulk.form.page import FormPage, open_browser, serve

    def ready(page: FormPage) -> None:
        click.echo(f"The form is at {page.address}\nStop it with Ctrl-C.")
        if not no_browser:
            open_browser(page)

    serve(port=port, sandbox=sandbox, ready=ready)
