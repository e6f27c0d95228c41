"""`gcbulk login`."""

from __future__ import annotations

import click


@click.command(short_help="Keep your key in the keyring.")
@click.option("--customer-id", metavar="ID", help="Your customer id, such as 1469.")
@click.option("--forget", is_flag=True, help="Remove the stored keys instead.")
def login(*, customer_id: str | None, forget: bool) -> None:
    """Store your API key in the system's keyring, for the API address in use. The key is asked for."""
    from gcbulk.api.credentials import check_keyring, forget_credentials, resolve_base_url, store_credentials

    address = resolve_base_url()
    if forget:
        forget_credentials(base_url=address)
        click.echo(f"No key for {address} is stored now.")
        return
    check_keyring()
    customer_id = customer_id or click.prompt("Customer id", err=True)
    key = click.prompt("API key (it is not shown)", hide_input=True, err=True)
    store_credentials(customer_id, key, base_url=address)
    click.echo(f"Stored for {address}. Try it with: gcbulk check-credentials")
