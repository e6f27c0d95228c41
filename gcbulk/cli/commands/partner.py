"""`gcbulk partner`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gcbulk.cli.ending import DONE, HELD
from gcbulk.cli.flags import PATH
from gcbulk.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path


class _Listing(click.Group):
    """Lists its commands in the order of use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        return list(self.commands)


@click.group(cls=_Listing, short_help="Send for many customers, as a partner.")
def partner() -> None:
    """Keep the customers that you send for as a partner. Their keys are never shown.

    Keys are kept in the system's keyring; where there is none, or GCBULK_STORE_KEY is set, in an encrypted file.
    """


def _key_given(customer_id: str) -> str:
    """The key, from a question at a terminal or from standard input; never from an argument, which others may see."""
    if sys.stdin.isatty():
        return str(click.prompt(f"API key of customer {customer_id} (it is not shown)", hide_input=True, err=True))
    key = sys.stdin.read().strip()
    if not key:
        raise OptionError("Give the key on standard input: it is never taken as an argument, which others may see.")
    if len(key.splitlines()) > 1:
        raise OptionError("Standard input holds several lines, and a key is one. Give the key alone: none was kept.")
    return key


@partner.command("endpoint", short_help="Where customers' authorisations come to.")
@click.option("--public-url", metavar="URL", help="Where gcbulk callbacks is reached. Default: GCBULK_CALLBACK_URL.")
@click.option("--new", is_flag=True, help="Make another address: the old one is void.")
def endpoint(*, public_url: str | None, new: bool) -> None:
    """Print the address to register with the platform: gcbulk callbacks takes authorisations there.

    Whoever knows it can bring keys, so keep it to yourself.
    """
    from gcbulk.api.customers import Customers
    from gcbulk.campaign.callback_url import callback_base

    base = callback_base(public_url, option="--public-url")
    if base is None:
        raise OptionError("Give --public-url, or set GCBULK_CALLBACK_URL: where gcbulk callbacks is reached (https).")
    click.echo(f"{base.rstrip('/')}/{Customers().endpoint(new=new)}")


@partner.command("add", short_help="Add a customer by hand.")
@click.argument("customer_id", metavar="ID")
@click.option("--name", required=True, metavar="NAME", help="What the customer is called in your lists.")
@click.option("--code", default="", metavar="CODE", help="Another way to name it, such as its DfE number.")
def add(customer_id: str, *, name: str, code: str) -> None:
    """Add customer ID. Its key is asked for, or read from standard input."""
    from gcbulk.api.customers import Customers

    one = Customers().add(customer_id, _key_given(customer_id), name=name, code=code)
    click.echo(f"Customer {one.id} ({one.name}) added.")


@partner.group("customers", cls=_Listing, invoke_without_command=True, short_help="List, edit and check customers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@click.pass_context
def customers(context: click.Context, *, as_json: bool) -> None:
    """List the customers that you send for, or change them."""
    if context.invoked_subcommand is None:
        _list(as_json=as_json)


def _list(*, as_json: bool) -> None:
    from gcbulk.api.customers import customers_file
    from gcbulk.campaign.customer_table import customers_frame

    frame = customers_frame()
    if as_json:
        click.echo(frame.to_json(orient="records", force_ascii=False))
    elif len(frame):
        click.echo(frame.loc[:, (frame != "").any()].to_string(index=False))
    else:
        click.echo("There are no customers yet.")
    click.echo(f"The list is in {customers_file()}; keys are kept apart from it", err=True)


@customers.command("list", short_help="Show them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
def listed(*, as_json: bool) -> None:
    """List the customers that you send for. Keys are never shown."""
    _list(as_json=as_json)


@customers.command("remove", short_help="Forget a customer and its key.")
@click.argument("customer_id", metavar="ID")
def remove(customer_id: str) -> None:
    """Forget customer ID, and its key."""
    from gcbulk.api.customers import Customers

    Customers().remove(customer_id)
    click.echo(f"Customer {customer_id} and its key are forgotten.")


@customers.command("rename", short_help="Call a customer by another name.")
@click.argument("customer_id", metavar="ID")
@click.argument("name")
def rename(customer_id: str, name: str) -> None:
    """Call customer ID by NAME in your lists; the platform's own name for it is understood as well."""
    from gcbulk.api.customers import Customers

    if not name.strip():
        raise OptionError("The name must not be blank.")
    Customers().change(customer_id, name=" ".join(name.split()))
    click.echo(f"Customer {customer_id} is called {name!r} now.")


@customers.command("change", short_help="Its own sender, price, quiet hours.")
@click.argument("customer_id", metavar="ID")
@click.option("--sender", metavar="NAME", help="Shown on the handset for its texts; '' takes it away.")
@click.option("--price-per-part", metavar="POUNDS", help="What one SMS part costs it.")
@click.option("--quiet-hours", metavar="HOURS", help="When its people are not texted: 19:00-07:00.")
def change(customer_id: str, **changes: str | None) -> None:
    """Give customer ID a sender, a price or quiet hours of its own."""
    from gcbulk.api.customers import Customers
    from gcbulk.campaign.customer_table import checked

    given = {name: value for name, value in changes.items() if value is not None}
    if not given:
        raise OptionError("Say what to change: --sender, --price-per-part or --quiet-hours.")
    Customers().change(customer_id, **checked(given))
    click.echo(f"Customer {customer_id}: changed.")


@customers.command("rotate", short_help="Give a customer a new key.")
@click.argument("customer_id", metavar="ID")
def rotate(customer_id: str) -> None:
    """Replace the key of customer ID; the old one is forgotten. It is asked for, or read from standard input."""
    from gcbulk.api.customers import Customers

    Customers().rotate(customer_id, _key_given(customer_id))
    click.echo(f"Customer {customer_id} has a new key.")


@customers.command("check", short_help="Do all keys work? Nobody is texted.")
def check() -> None:
    """Ask the platform of every customer whether its key works. Exits 3 where one does not."""
    from gcbulk.campaign.customer_table import check_keys

    frame = check_keys()
    click.echo(frame.to_string(index=False) if len(frame) else "There are no customers yet.")
    raise SystemExit(DONE if (frame["Result"] == "valid").all() else HELD)


@customers.command("import", short_help="Add or change customers from a CSV without keys.")
@click.argument("file", type=PATH)
def import_(file: Path) -> None:
    """Add the customers in FILE, or change what is known of them: CustomerId, Name, Code, Sender, ... No keys."""
    from gcbulk.campaign.customer_table import import_customers
    from gcbulk.recipients.reading import read_recipients

    click.echo(f"{import_customers(read_recipients(file))} customers read. Keys stay as they were.")


@customers.command("export", short_help="Write a CSV without keys.")
@click.argument("file", type=PATH)
def export(file: Path) -> None:
    """Write the customers into FILE, without their keys."""
    from gcbulk.api.customers import customers_file
    from gcbulk.campaign.customer_table import COLUMNS, customers_frame
    from gcbulk.recipients.writing import check_writable, write_table

    check_writable(file, option="FILE", others={customers_file(): "the customers table itself"})
    frame = customers_frame()[list(COLUMNS)]
    write_table(frame, file, byte_order_mark=True)
    click.echo(f"{len(frame)} customers written to {file}, without their keys.")
