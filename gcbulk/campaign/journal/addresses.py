"""Where a journal is: the address that a user gives, read with care, and as it may be shown or passed on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from gcbulk.errors import OptionError
from gcbulk.settings import home

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

# A file of that name would be a second journal beside the one that was meant. C:/ and C:\ are drives.
_NEARLY_A_URL: Final = re.compile(
    r"""^[a-z][\w+.-]+:/(?!/)    # one slash too few
      | ^postgres(?:ql)?(?:\+\w+)?(?::(?!//)|//)    # two, or no colon
      | ^[^/\\]+:(?![/\\])[^@]*@[^/\\]+/    # no scheme
      | ^[^/?]*\b(?:host|dbname|password)\s*=    # as libpq takes it
    """,
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES: Final = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
_WHERE_AN_AT_IS: Final = re.compile(r"[^:/?@]*(?::[^@]*)?@[^@]*|[^@]*")
"""What follows ://, where the only @ stands between a password and the host: else part of one is taken for a host."""
_SCHEMES: Final = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql",
    "postgresql": "postgresql",
    "postgresql+psycopg": "postgresql",
}
_POSTGRESQL: Final = "postgresql://USER:PASSWORD@HOST/DATABASE"


def journal_url(journal: str | os.PathLike[str] | None = None) -> URL:
    """The database URL of a journal: the argument, GCBULK_JOURNAL, or `journal.sqlite3` in `home()`.

    Raises OptionError, in which nothing of the address stands, for one that cannot be read or cannot keep the promises.
    """
    if not isinstance(journal, str | os.PathLike | None):
        raise OptionError(f"journal must be a path or a database URL, not a {type(journal).__name__}.")
    given = (os.fspath(one).strip() for one in (journal, os.environ.get("GCBULK_JOURNAL")) if one is not None)
    source = next(filter(None, given), None) or os.fspath(home() / "journal.sqlite3")
    if source[0] in _QUOTES or source[-1] in _QUOTES:
        raise OptionError("The journal's address stands in quotation marks. Leave them out.")
    if _NEARLY_A_URL.search(source):
        raise OptionError(
            f"The journal's address looks like that of a database, but is none. Write {_POSTGRESQL}, or give a path."
        )
    if "://" not in source:
        return sa.URL.create("sqlite", database=str(Path(source).expanduser().absolute()))
    return _url(*source.split("://", 1))


def _url(given: str, rest: str) -> URL:
    scheme = _SCHEMES.get(given.lower())
    if scheme is None and given.lower().startswith("postgres"):
        raise OptionError(
            f"A journal in PostgreSQL is reached through psycopg. Write {_POSTGRESQL}, and no other driver."
        )
    if scheme == "postgresql" and not _WHERE_AN_AT_IS.fullmatch(rest):
        raise OptionError(
            "The journal's address has an @ too many, or a / in its user name. Write such signs of a user name, a "
            f"password or an option percent-encoded, %40 for @ and %2F for /: {_POSTGRESQL}"
        )
    try:
        url = sa.make_url(f"{scheme or given}://{rest}")
    except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is no number, with what it is
        raise OptionError(
            "The journal's address is not a path or a database URL. Give a path, sqlite:///PATH or postgresql://..."
        ) from None
    if scheme is None:
        raise OptionError(
            f"A journal can be kept in SQLite or PostgreSQL, not in {url.get_backend_name()}. "
            "Give a path, sqlite:///PATH or postgresql://..."
        )
    return url


def journal_file(journal: str | os.PathLike[str] | None = None) -> Path | None:
    """The file that the journal is in; None where it is in memory or on a database server."""
    url = journal_url(journal)
    in_a_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if in_a_file else None


def journal_exists(journal: str | os.PathLike[str] | None = None) -> bool:
    """Whether there may be a journal to look into: a file that is there, or a database server."""
    file = journal_file(journal)
    return journal_url(journal).get_backend_name() != "sqlite" or (file is not None and file.is_file())


def masked(url: URL) -> str:
    """The journal's address as it may be shown: a path, or a URL without its password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "memory"
    return url.set(query={}).render_as_string(hide_password=True)  # a query may hold a password too


def without_password(url: URL) -> str:
    """The journal's address as another machine may be told it: no password, and of the query what leads to it."""
    query = {name: value for name, value in url.query.items() if name in _LEADS_TO_IT}
    # hide_password=False: hiding what is not there would put three stars in its place
    return url._replace(password=None, query=sa.util.immutabledict(query)).render_as_string(hide_password=False)


_LEADS_TO_IT: Final = frozenset({"host", "port", "service", "sslmode", "sslrootcert", "target_session_attrs"})
