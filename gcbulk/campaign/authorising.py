"""Taking the authorisations of a partner's customers: who may bring one, what of it is kept, what the officer is told.

They come from the open internet, to an address that nobody else knows, and bring a key: nobody is answered "yes"
before customer and key are on disk, and no word of theirs but the customer's id and name is repeated.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from gcbulk.api.authorisation import MalformedError, read_authorisation
from gcbulk.api.customers import ENDPOINT, Customers, address_of_endpoint, folded
from gcbulk.api.key_store import keeps_unasked
from gcbulk.campaign.receiving import Answer, Cap
from gcbulk.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gcbulk.api.authorisation import Authorisation

logger = logging.getLogger("gcbulk")

TRIES_PER_SECOND: Final = 50.0
"""Requests to an authorisation address, right or wrong, together: each is looked up in a file."""


class Authoriser:
    """Takes authorisations for every API address that has an endpoint; safe to share between threads."""

    def __init__(self, *, tries_per_second: float = TRIES_PER_SECOND, clock: Callable[[], float] = time.monotonic):
        self._tries = Cap(tries_per_second)
        self._clock = clock
        self._lock = threading.Lock()
        self._books: dict[str, Customers] = {}

    def admits(self, token: str) -> Customers | Answer | None:
        """Whose customers are told of at this token; an Answer where there are too many tries, None where nobody's."""
        if not token.startswith(ENDPOINT):
            return None
        with self._lock:
            if not self._tries.lets(self._clock()):
                return Answer.TOO_FAST
        address = address_of_endpoint(token)
        if address is None:
            return None
        with self._lock:
            return self._books.setdefault(address, Customers(address, ask=_nobody_to_ask))

    def take(self, customers: Customers, body: bytes) -> Answer:
        """Keep what an authorisation says, on disk on return. Raises GcbulkError where that cannot be."""
        try:
            told = read_authorisation(body)
        except MalformedError as error:
            logger.warning("An authorisation was refused, and nothing of it kept. %s", error)
            return Answer.NO_AUTHORISATION
        new = customers.take(told)
        if new != "nothing":
            logger.info("Customer %s (%s) has authorised you: %s new", told.customer_id, told.name, _IS[new])
            self._warn_of_twins(customers, told)
        return Answer.WRITTEN

    def _warn_of_twins(self, customers: Customers, told: Authorisation) -> None:
        """Rows that call two customers by one name are sent for neither."""
        names = {folded(name) for name in (told.name, told.code) if name}
        for other in customers.all().values():
            if other.id != told.customer_id and names & {folded(name) for name in other.called}:
                logger.warning(
                    "Customers %s and %s have a name or code in common: rows that give it are not sent. Give ids, or "
                    "another name: gcbulk partner customers rename",
                    told.customer_id,
                    other.id,
                )


def warn_where_keys_cannot_be_kept() -> None:
    """Say before the first customer authorises that its key would be refused; delivery news is received anyway."""
    if not keeps_unasked():
        logger.warning(
            "Authorisations of a partner's customers cannot be kept: there is no keyring here, and GCBULK_STORE_KEY is "
            "not set. If you send for others, set it to the passphrase of the key store and start this again. Delivery "
            "news is received as ever."
        )


def _nobody_to_ask(_question: str) -> str:
    raise CredentialsError(
        "Set GCBULK_STORE_KEY to the passphrase of the key store before gcbulk callbacks is started."
    )


_IS: Final = {"a customer": "the customer is", "a key": "the key is", "details": "what is known of it is"}
