"""A run's calls handed to an executor, and what is made of one that breaks, loses a call or is silent."""

from __future__ import annotations

import math
import time
from concurrent.futures import wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Final

import gcbulk
from gcbulk.campaign.journal import journal_token
from gcbulk.campaign.working import Ticket, call_at_worker, whereabouts, work_here, work_here_no_more
from gcbulk.errors import GcbulkError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor, Future

    from gcbulk.api.client import CommunicationsClient
    from gcbulk.campaign.calling import Called, Manner, Order
    from gcbulk.campaign.journal import Run
    from gcbulk.campaign.working import Answer

POLL: Final = 0.5
"""Seconds between looks whether an executor that says nothing is to be waited for any longer."""
LOST_SECONDS: Final = 5.0
"""Seconds for which an answer is waited for once the engine behind an executor has been seen out of reach."""
WHERE_SECONDS: Final = 60.0
"""Seconds for which a worker is waited for that is to say where it is."""
_REVIVALS: Final = 3


class WorkersError(GcbulkError):
    """Raised where the executor, or a worker, can make no call of the run. The run stops; nothing is lost."""


def check_takes_calls(executor: Executor | None, *, sandbox: bool) -> None:
    """Raise OptionError, before there is a campaign, for an executor that was shut down; with `sandbox`, for processes.

    Where workers are, one of them is asked: engines of many kinds run threads of this process as well as others.
    """
    if executor is None:
        return
    try:
        future = executor.submit(whereabouts)
        elsewhere = sandbox and future.result(WHERE_SECONDS) != whereabouts()
    except Exception as error:  # noqa: BLE001 - what an executor raises is its own; it was told of nobody yet
        raise OptionError(
            f"The executor takes no calls ({': '.join(filter(None, (type(error).__name__, str(error))))}). "
            "Make a new one. Nothing was sent."
        ) from None
    if elsewhere:
        raise OptionError(
            "sandbox=True works with threads of this process: others have no way to its journal. Give "
            "executor=ThreadPoolExecutor(8). Or leave sandbox out, start gcbulk sandbox, and set what it prints, and "
            "GCBULK_JOURNAL, where the workers are."
        )


def at_workers(executor: Executor | None, run: Run, client: CommunicationsClient, manner: Manner) -> Dispatcher | None:
    """What hands a run's calls to an executor; None where there is none, and this process makes them."""
    return None if executor is None else Dispatcher(executor, run, client, manner)


class Dispatcher:
    """Makes the calls of a run at the workers of an executor; `calls` counts those that were handed to it.

    `meanwhile` is entered while an answer is waited for. An executor that has not answered anything for `patience`
    seconds is taken for gone: twice the run's lease, which is longer than any call. Where its engine is seen to be
    gone, it has LOST_SECONDS.
    """

    def __init__(
        self,
        executor: Executor,
        run: Run,
        client: CommunicationsClient,
        manner: Manner,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.calls = 0
        self.meanwhile: Callable[[], AbstractContextManager[object]] = nullcontext
        self.patience = 2 * run.lease
        self._executor = executor
        self._run = run
        self._client = client
        self._clock = clock
        self._heard_at = clock()
        self._serial = count()
        self._under_way: set[Future[Answer]] = set()
        self._ticket = Ticket(
            version=gcbulk.__version__,
            journal=run.journal.address,
            journal_token=journal_token(run.journal),
            run_id=run.id,
            base_url=client.base_url,
            customer_id=client.customer_id,
            many=client.customers is not None,
            by_partner=client.partner is not None,
            timeout=client.timeout,
            concurrency=manner.concurrency,
            send_at=manner.send_at,
            reported=manner.callback_url is not None,
        )
        work_here(self._ticket, run, client)

    def close(self) -> None:
        """Take back what no worker has begun."""
        for future in list(self._under_way):
            future.cancel()
        work_here_no_more(self._ticket)

    def call(self, order: Order, _following: Callable[[Called], Order | None] | None = None) -> Called:
        """Have a worker claim, call and settle. Raises WorkersError, with a sentence, where none can.

        Each call is claimed by itself: the next may be another worker's.
        """
        key = self._client.key_of(order.customer_id)  # before the worker looks: one that is newer by then is noticed
        self.calls += 1
        for _ in range(_REVIVALS):
            with self.meanwhile():
                answer = self._answer(order)
            if "called" in answer:
                return replace(answer["called"], key=key)
            if "refusal" in answer:
                raise WorkersError(f"A worker ({answer['worker']}) cannot make the calls. {answer['refusal']}")
            self._run.heartbeat()  # somebody took this run for dead
        raise WorkersError("The workers take this run for one that is over, though it is not: their clocks differ.")

    def _answer(self, order: Order) -> Answer:
        try:
            future = self._executor.submit(call_at_worker, self._ticket.as_dict(), tuple(order), next(self._serial))
        except Exception as error:  # noqa: BLE001 - what an executor raises is its own
            raise WorkersError(_broken(error)) from None
        self._under_way.add(future)
        try:
            self._wait(future)
            failure = None if future.cancelled() else future.exception()
            if failure is not None:
                raise WorkersError(_broken(failure)) from None
            if future.cancelled():
                raise WorkersError("The executor gave up a call. Is its scheduler gone? Then resume.")
            return future.result()
        finally:
            self._under_way.discard(future)

    def _wait(self, future: Future[Answer]) -> None:
        began, ends = self._clock(), math.inf
        while not future.done():
            wait([future], timeout=POLL)
            now = self._clock()
            if not _is_in_reach(self._executor):
                ends = min(ends, now + LOST_SECONDS)
            silent = now - max(began, self._heard_at)
            if (silent > self.patience or now > ends) and not future.done():
                future.cancel()
                raise WorkersError(
                    f"The executor has not answered for {silent:.0f} s. Has it any workers left? Then resume."
                    if now <= ends
                    else "The executor has lost its scheduler. See to it, then resume."
                )
        self._heard_at = self._clock()


def _is_in_reach(executor: Executor) -> bool:
    """Whether an executor's engine can be reached, as far as it says: Dask's client does, others are taken for it.

    A Dask future of which the answer was being fetched when its scheduler went away is never told so
    (`distributed.cfexecutor`: what fetches it ends with an exception).
    """
    return getattr(getattr(executor, "_client", None), "status", "running") == "running"


def _broken(error: BaseException) -> str:
    """A sentence for what an executor raised: by its type, for its words may hold anything."""
    if isinstance(error, ImportError | AttributeError):
        return (
            f"A worker has no gcbulk {gcbulk.__version__}, or cannot load it. Install it on every worker, then resume."
        )
    kind = type(error).__name__
    return f"The executor failed ({kind}): a worker died, or its scheduler is gone. See to it, then resume."
