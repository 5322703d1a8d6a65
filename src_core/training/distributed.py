"""Several processes at one training, as ``torchrun`` starts them; one process without it.

Every process holds the same weights, draws its own random points and takes the mean of all
gradients; the first one keeps checkpoints and logs.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed as torch_distributed
from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

LONGEST_WAIT = timedelta(days=2)
"""For the other processes: one may make for hours what all need."""

Item = TypeVar("Item")


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Number of processes."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join(device: torch.device) -> torch.device:
    """Meet the other processes, if there are any; call it once, first.

    Parameters
    ----------
    device : torch.device
        Wanted.

    Returns
    -------
    torch.device
        For this process: with CUDA each has a GPU of its own.
    """
    if size() > 1 and not torch_distributed.is_initialized():
        backend = "nccl" if device.type == "cuda" else "gloo"
        torch_distributed.init_process_group(backend, timeout=LONGEST_WAIT)
        # A process that ends while the group's threads still run is aborted now and then.
        atexit.register(torch_distributed.destroy_process_group)
    if device.type == "cuda" and size() > 1:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return device


def wait() -> None:
    """Go on when every process has come here."""
    if size() > 1:
        torch_distributed.barrier()


def own(items: Sequence[Item]) -> Sequence[Item]:
    """The part of this process in work that can be shared out."""
    return items[rank() :: size()]


def progress(scans: Sequence[Item], name: str) -> Iterable[Item]:
    """The same items, behind a bar that the first process shows."""
    bar: Iterable[Item] = tqdm(scans, desc=name, unit="scan", disable=rank() > 0)
    return bar


def average(tensors: Sequence[Tensor]) -> None:
    """Replace tensors by their means over all processes."""
    if size() == 1:
        return
    together = torch.cat([tensor.flatten() for tensor in tensors])
    torch_distributed.all_reduce(together)
    together /= size()
    pieces = together.split([tensor.numel() for tensor in tensors])
    for tensor, piece in zip(tensors, pieces, strict=True):
        tensor.copy_(piece.view_as(tensor))
