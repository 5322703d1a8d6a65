"""Several cores at once, without waiting for each other at every operation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that each run torch on one core.

    torch itself shares every single operation among the cores, and for pieces that fit into
    the cache the meeting after each one costs more than it brings. Here each core takes whole
    pieces. The threads end with the object.

    Parameters
    ----------
    device : torch.device
        On the CPU there is a worker per thread that torch may use; elsewhere the calling thread
        does everything.

    Attributes
    ----------
    count : int
        Items worked on at once.
    """

    def __init__(self, device: torch.device):
        self.count = count = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None
        if count > 1:
            self._pool = ThreadPoolExecutor(count, initializer=_use_one_core)
            # What a worker sets would also hold for every thread begun later, so all begin now.
            everybody = Barrier(count)
            list(self._pool.map(lambda _: everybody.wait(), range(count)))
            torch.set_num_threads(count)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """Results of a function, in the order of the items; errors are raised as they come."""
        return map(function, items) if self._pool is None else self._pool.map(function, items)


def _use_one_core() -> None:
    torch.get_num_threads()  # makes torch ready in this thread; later that would undo the limit
    torch.set_num_threads(1)
