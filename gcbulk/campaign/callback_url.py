"""The address that delivery news comes to: what the user gives, and what is added for one campaign."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from gcbulk.api.credentials import is_loopback
from gcbulk.errors import OptionError

PLACEHOLDERS: Final = {name: f"{{{name}}}" for name in ("sentid", "clientref", "status", "err", "units")}
"""What the platform fills in. `{recipient}`, `{contactid}` and `{externalid}` stay out: addresses end up in the logs
of proxies, and `{clientref}` finds the row."""


def callback_base(url: str | None, *, option: str = "callback_url (--callback-url)") -> str | None:
    """The address that the user gives, or else GCBULK_CALLBACK_URL, checked; None where neither is.

    Raises OptionError, naming `option`, for plain http:// to anywhere but this machine, and for what is no address.

    >>> callback_base("https://texts.example.sch.uk/gcbulk")
    'https://texts.example.sch.uk/gcbulk'
    """
    if url is None and (url := os.environ.get("GCBULK_CALLBACK_URL")):
        option = "GCBULK_CALLBACK_URL"
    if not url:
        return None
    try:
        parts = urlsplit(url.strip())
        host, _port = parts.hostname, parts.port
    except (ValueError, AttributeError):
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc or not url.isprintable() or " " in url:
        raise OptionError(f"{option} must be an address such as https://texts.example.sch.uk/gcbulk.")
    if parts.fragment or "{" in url or "}" in url:
        raise OptionError(
            f"{option} must be the address alone, without # or {{placeholders}}: what the platform is to fill in is "
            "added by gcbulk."
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise OptionError(
            f"{option} http://{host} is refused: delivery news would travel in the open. Use https://; a reverse "
            "proxy or a tunnel in front of gcbulk callbacks can provide it."
        )
    return url.strip()


def campaign_url(base: str, token: str) -> str:
    """The address for one campaign: its token at the end of the path, and the placeholders after the base's own query.

    >>> campaign_url("https://example.org/news?code=abc", "7-t0ken")
    'https://example.org/news/7-t0ken?code=abc&sentid={sentid}&clientref={clientref}&status={status}&err={err}&units={units}'
    """
    parts = urlsplit(base)
    query = "&".join([*filter(None, [parts.query]), *(f"{name}={filled}" for name, filled in PLACEHOLDERS.items())])
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{token}", query=query))
