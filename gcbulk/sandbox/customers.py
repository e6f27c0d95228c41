"""The sandbox's customers of a partner: three invented schools, and what the platform tells when one authorises it.

Like the sandbox itself it is written from the API's description alone, and imports nothing of gcbulk.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import secrets
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Account = Literal["Customer", "Partner"]


@dataclass(slots=True)
class SandboxCustomer:
    """A customer of the stand-in; `authorised` says whether the partner may send for it."""

    id: str
    name: str
    code: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    api_key: str = field(default_factory=lambda: f"sandbox-key-{secrets.token_hex(12)}", repr=False)
    authorised: bool = False

    def told(self, account: Account, logo: str) -> dict[str, Any]:
        """The body of the authorisation callback."""
        return {
            "Customerid": int(self.id) if self.id.isdigit() else self.id,
            "CustomerCode": self.code,
            "Name": f"{account}: {self.name}",
            "ApiKey": self.api_key,
            "attributes": "|".join(f"{name}={value}" for name, value in self.attributes.items()),
            "Logo": logo,
        }


def example_schools() -> list[SandboxCustomer]:
    """Three invented schools, none of which has authorised the partner yet."""
    return [
        SandboxCustomer("2101", "Oak Primary", "3281001", {"region": "north", "type": "primary"}),
        SandboxCustomer("2102", "Elm Academy", "3281002", {"region": "south", "type": "secondary"}),
        SandboxCustomer("2103", "St Ash's High", "3281003", {"region": "north", "type": "secondary"}),
    ]


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine: nothing of the sandbox ever leaves it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def tell(endpoint: str, body: Mapping[str, Any]) -> int | None:
    """POST an authorisation to an endpoint on this machine; its HTTP status, None where nobody answered.

    Raises ValueError for an address that is not on this machine.
    """
    parts = urlsplit(endpoint)
    if parts.scheme != "http" or not is_loopback(parts.hostname):
        raise ValueError("The sandbox calls only addresses of this computer: http://127.0.0.1:PORT/...")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        try:
            connection.request("POST", target, json.dumps(body).encode(), {"Content-Type": "application/json"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox: authorise a partner</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}
td,th{{text-align:left;padding:.3rem 1rem .3rem 0}}input{{width:100%;font:inherit;padding:.3rem}}
.said{{background:#eef;padding:.5rem .8rem}}</style>
<h1>Authorise {style_class}</h1>
<p>You are the schools. Each of them lets the partner {style_class} send for it, and the platform tells the partner so,
at the address that <code>gcbulk partner endpoint</code> prints. Nothing leaves this computer.</p>
{said}<form method="post"><label>The partner's address
<input name="endpoint" value="{endpoint}" placeholder="http://127.0.0.1:PORT/partner-..."></label>
<table><tr><th>School<th>Id<th>Code<th>State<th></tr>{rows}</table></form></html>
"""


def authorise_page(customers: Iterable[SandboxCustomer], style_class: str, endpoint: str, said: str) -> str:
    """The page on which one is every school at once: authorise, authorise again with a new key, revoke."""
    rows = "".join(
        f"<tr><td>{escape(one.name)}<td>{escape(one.id)}<td>{escape(one.code)}"
        f"<td>{'authorised' if one.authorised else 'not authorised'}<td>"
        f"<button name='authorise' value='{escape(one.id)}'>{'New key' if one.authorised else 'Authorise'}</button> "
        + (f"<button name='revoke' value='{escape(one.id)}'>Revoke</button>" if one.authorised else "")
        for one in customers
    )
    shown = f"<p class='said'>{escape(said)}</p>" if said else ""
    return _PAGE.format(style_class=escape(style_class), endpoint=escape(endpoint), rows=rows, said=shown)
