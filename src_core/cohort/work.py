"""Tasks handed to processes one by one, each to one that has nothing to do."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

from src_core.cohort.tasks import Outcome, ScanTask, run_task
from src_core.errors import InputError, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client, Future

_SECONDS_BETWEEN_LOOKS = 1.0
_GONE = "the scheduler is gone; give the same command again to do the rest"


def outcomes(
    client: Client, tasks: Sequence[ScanTask], do: Callable[[ScanTask], Outcome] = run_task
) -> Iterator[Outcome]:
    """Do tasks, and tell how each of them ended, in the order in which they do.

    No more tasks are handed out than there are workers: a scan that kills its worker then takes no
    other with it.

    Parameters
    ----------
    client : distributed.Client
    tasks : sequence of ScanTask
    do : callable
        What is done with each of them.

    Yields
    ------
    Outcome

    Raises
    ------
    InputError
        The scheduler is gone.
    """
    from distributed.client import FIRST_COMPLETED, wait

    pending = list(reversed(tasks))
    running: dict[Future[Outcome], ScanTask] = {}
    try:
        while pending or running:
            n_workers = len(client.scheduler_info(n_workers=-1)["workers"])
            while pending and len(running) < max(1, n_workers):
                task = pending.pop()
                running[client.submit(do, task, pure=False)] = task
            try:
                finished = wait(
                    list(running), timeout=_SECONDS_BETWEEN_LOOKS, return_when=FIRST_COMPLETED
                ).done
            except TimeoutError:  # look whether there are more workers by now
                continue
            except CancelledError as error:
                raise InputError(_GONE) from error
            for future in finished:
                yield _outcome(future, running.pop(future))
    finally:
        client.cancel(list(running), force=True)


def _outcome(future: Future[Outcome], task: ScanTask) -> Outcome:
    from distributed import KilledWorker

    if future.status in ("lost", "cancelled"):
        raise InputError(_GONE)
    error = future.exception()
    if error is None:
        outcome: Outcome = future.result()
        return outcome
    if isinstance(error, KilledWorker):
        return Outcome(
            task,
            "its process was killed each time: out of memory, or past the time limit; its log"
            " tells how far it came",
        )
    return Outcome(task, explain(error))
