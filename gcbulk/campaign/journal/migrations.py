"""Bringing a journal that an older gcbulk wrote up to this version's schema, within one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gcbulk.campaign.journal.tables import IN_THE_AIR, paces, recipients

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection

ADDED: Final[dict[int, tuple[sa.Column[str], ...]]] = {
    2: (recipients.c.customer_id, recipients.c.content),
}
"""Schema version -> the columns that it added, each of them empty in every older row."""

MADE: Final[dict[int, tuple[sa.Table | sa.Index, ...]]] = {
    3: (paces, IN_THE_AIR),
}
"""Schema version -> the tables and indexes that it made."""


def migrate(connection: Connection, *, found: int) -> None:
    """Add what the versions after `found` have added. Rows stay as they are; so does whoever reads them."""
    dialect = connection.dialect
    for version, columns in sorted(ADDED.items()):
        if version <= found:
            continue
        for column in columns:
            kind = column.type.compile(dialect=dialect)
            connection.exec_driver_sql(f"ALTER TABLE {column.table.name} ADD COLUMN {column.name} {kind}")
    for version, made in sorted(MADE.items()):
        if version > found:
            for one in made:
                one.create(connection, checkfirst=True)
