"""Processes that do the tasks: of this machine, of a scheduler that runs, or of a queue."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from src_core import __version__
from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from distributed import Client

INSTALL = 'pip install "napari-metaseg[batch]"'
MEMORY_OF_A_WORKER = 2e9
"""Bytes of a process that segments a head of 1 mm: 1.3 GB at its peak were measured, 1.2 with
voxels of 2 mm, as finding the brain takes the most; and it must stay below 80 % to get more."""
SECONDS_TO_ANSWER = 10
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_DEATHS = 1
"""Workers that a scan may cost before it is given up, besides the last."""
_LOCAL = {
    # Without Dask's MALLOC_TRIM_THRESHOLD_, with which glibc asks the kernel for each tensor anew.
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": 1,
        "MKL_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
    },
    "distributed.scheduler.allowed-failures": _DEATHS,
    "distributed.scheduler.worker-ttl": "60s",
    "distributed.comm.timeouts.connect": f"{SECONDS_TO_ANSWER}s",
}


@dataclass(frozen=True)
class ClusterSettings:
    """Where the tasks are done; at most one of the last three is given.

    Attributes
    ----------
    workers : int or None
        Number of processes (of this machine) or jobs (of a queue).
    scheduler : str or None
        Address of a scheduler that runs, such as ``tcp://10.0.0.1:8786``.
    scheduler_file : Path or None
        File that it wrote.
    cluster : Path or None
        YAML file of a queue's settings for dask-jobqueue.
    """

    workers: int | None = None
    scheduler: str | None = None
    scheduler_file: Path | None = None
    cluster: Path | None = None


def require_dask() -> None:
    """Find out before anything else whether the extra is there.

    Raises
    ------
    InputError
        It is not.
    """
    if find_spec("distributed") is None:
        raise InputError(f"cohorts need Dask, which is not installed: {INSTALL}")


@contextmanager
def connected(settings: ClusterSettings, n_scans: int, device: str) -> Iterator[Client]:
    """A client of the processes, which end with it if they were started for it.

    Parameters
    ----------
    settings : ClusterSettings
    n_scans : int
        No more processes are started.
    device : str
        As in `Request`; each graphics card gets one process.

    Raises
    ------
    InputError
        The scheduler or the queue does not answer, or workers have another version.
    """
    import dask

    # Its own settings must be there before some are changed.
    from distributed.utils import silence_logging_cmgr

    with dask.config.set(_LOCAL), silence_logging_cmgr(logging.CRITICAL):
        if settings.cluster is not None:
            from src_core.cohort.jobs import queue_cluster

            with (
                queue_cluster(settings.cluster, settings.workers) as cluster,
                _client(cluster) as client,
            ):
                yield client
        elif settings.scheduler or settings.scheduler_file:
            with _joined(settings) as client:
                _check_workers(client)
                yield client
        else:
            with _local(settings.workers, n_scans, device) as cluster, _client(cluster) as client:
                yield client


def count_workers(asked: int | None, n_scans: int, memory: float, cores: int) -> int:
    """How many processes of this machine are used.

    Parameters
    ----------
    asked : int or None
    n_scans : int
    memory : float
        Bytes of the machine.
    cores : int

    Returns
    -------
    int
        No more than scans, than memory allows and, if none are asked for, than cores; at least 1.
    """
    wanted = cores if asked is None else asked
    return max(1, min(wanted, n_scans, int(memory // MEMORY_OF_A_WORKER)))


@contextmanager
def _local(asked: int | None, n_scans: int, device: str) -> Iterator[Any]:
    from dask.system import CPU_COUNT
    from distributed import Nanny, Scheduler, SpecCluster
    from distributed.system import MEMORY_LIMIT

    cards = _graphics_cards(device)
    n_workers = count_workers(asked, n_scans, MEMORY_LIMIT, len(cards) or CPU_COUNT)
    where = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    each = where | {
        "nthreads": 1,
        "memory_limit": int(MEMORY_LIMIT / n_workers),
        "silence_logs": logging.CRITICAL,
    }
    workers = {
        number: {"cls": Nanny, "options": each | {"env": _seen_card(cards, number)}}
        for number in range(n_workers)
    }
    scheduler = {"cls": Scheduler, "options": where | {"dashboard": True}}
    with SpecCluster(workers, scheduler, silence_logs=logging.CRITICAL) as cluster:
        yield cluster


def _graphics_cards(device: str) -> list[str]:
    """Names of those that may be used, as CUDA_VISIBLE_DEVICES has them."""
    if device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    allowed = os.environ.get(_VISIBLE, "").split(",")
    return allowed[:count] if allowed[0] else [str(number) for number in range(count)]


def _seen_card(cards: Sequence[str], worker: int) -> dict[str, str]:
    """Environment of a process that sees one card; more processes than cards share them."""
    return {_VISIBLE: cards[worker % len(cards)]} if cards else {}


def _client(cluster: Any) -> Client:
    from distributed import Client

    return Client(cluster)


@contextmanager
def _joined(settings: ClusterSettings) -> Iterator[Client]:
    from distributed import Client

    where = settings.scheduler or settings.scheduler_file
    if settings.scheduler_file is not None and not settings.scheduler_file.is_file():
        raise InputError(f"{where} does not exist; have `dask scheduler` write it at its start")
    try:
        client = Client(
            settings.scheduler,
            scheduler_file=settings.scheduler_file,
            timeout=SECONDS_TO_ANSWER,
        )
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no scheduler answers at {where} within {SECONDS_TO_ANSWER} s: check the address and"
            " that `dask scheduler` runs there"
        ) from error
    with client:
        yield client


def _check_workers(client: Client) -> None:
    """Refuse workers that would give other labels or take several scans at once."""
    threads = client.nthreads()
    versions = client.run(_version) if threads else {}
    for address, version in versions.items():
        if version != __version__:
            raise InputError(
                f"the worker {address} has version {version} of the package, not {__version__};"
                " install the same there"
            )
    for address, n in threads.items():
        if n != 1:
            raise InputError(
                f"the worker {address} has {n} threads; start workers of one thread each, as"
                " many of them as there are cores"
            )


def _version() -> str:
    return __version__
