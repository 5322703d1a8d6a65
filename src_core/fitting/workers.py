"""Several cores at once, without waiting for each other at every operation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, TypeVar

import torch

from src_core.errors import InputError, is_out_of_memory
from src_core.networks.sine import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LARGE_PIECE = 65536
"""Points per call on a graphics card: enough to keep it busy."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that each run torch on one core.

    torch itself shares every single operation among the cores, and for pieces that fit into
    the cache the meeting after each one costs more than it brings. Here each core takes whole
    pieces. The threads end with the object.

    torch's own threads wait for the next operation that is shared by spinning, for some 16 ms, on
    the cores that the workers need. So what is done between the pieces is better done `alone`.

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
        self._device = device
        self._piece = CHUNK if device.type == "cpu" else LARGE_PIECE
        self.count = count = torch.get_num_threads() if device.type == "cpu" else 1
        self._pool: ThreadPoolExecutor | None = None
        self._single: ThreadPoolExecutor | None = None
        if count > 1:
            self._pool = ThreadPoolExecutor(count, initializer=_use_one_core)
            # What a worker sets would also hold for every thread begun later, so all begin now.
            everybody = Barrier(count)
            list(self._pool.map(lambda _: everybody.wait(), range(count)))
            torch.set_num_threads(count)

    def alone(self, function: Callable[[], Result]) -> Result:
        """Result of a function that runs on one core, but may give pieces to all workers."""
        if self._pool is None:
            return function()
        if self._single is None:
            # Begun where it is needed alone: glibc keeps memory apart for each thread.
            self._single = ThreadPoolExecutor(1, initializer=_use_one_core)
            self._single.submit(torch.get_num_threads).result()
            torch.set_num_threads(self.count)
        return self._single.submit(function).result()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterable[Result]:
        """Results of a function, in the order of the items; errors are raised as they come."""
        return map(function, items) if self._pool is None else self._pool.map(function, items)

    def in_pieces(self, work: Callable[[int], Result]) -> Result:
        """Do some work in pieces as large as suits the device.

        Where they do not fit into the memory of a graphics card the work is done once more in small
        ones, and so is all that follows.

        Parameters
        ----------
        work : callable
            Takes the most points of a piece; done twice it must be as if done once.

        Raises
        ------
        InputError
            Small pieces do not fit into the memory of a graphics card either.
        """
        try:
            return work(self._piece)
        except RuntimeError as error:
            if self._device.type == "cpu" or not is_out_of_memory(error):
                raise
            if self._piece == CHUNK:
                raise InputError(
                    "the memory of the graphics card is full: close other programs that use it,"
                    " give a smaller scan (crop the background away), or compute on the CPU",
                    option="device cpu",
                ) from error
        # Outside of the except clause, so that nothing of the first attempt is kept.
        self._piece = CHUNK
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return self.in_pieces(work)


def _use_one_core() -> None:
    torch.get_num_threads()  # makes torch ready in this thread; later that would undo the limit
    torch.set_num_threads(1)
