"""What a fit step and decoding cost in operations and bytes, and so at least on a graphics card.

Run ``python -m benchmarks.roofline``. Counted on the CPU, in pieces as a graphics card gets them:
the floating-point operations of matrix products, the bytes that each operation of torch reads and
writes (nothing is fused), and the number of these operations. A card can be no faster than each of
the three allows: its arithmetic, its memory, and the host that launches one kernel after the other.
Nothing here was measured on a graphics card.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from src_core.fitting.decode import decode
from src_core.fitting.fit import ASKING_SHARE, Fit
from src_core.fitting.settings import FitSettings
from src_core.fitting.workers import LARGE_PIECE
from src_core.io.sample import phantom
from src_core.models.model import load_model
from src_core.space.points import BrainPoints, brain_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.models.model import Model

MODELS = ("brain3d-parcels", "brain3d-tissue", "brain3d-fs32", "paper3d-tissue")
LAUNCH = 5e-6
"""Seconds that the host needs to launch an operation of torch; an assumption."""


@dataclass(frozen=True)
class Card:
    """A graphics card as its maker describes it.

    Attributes
    ----------
    name : str
    operations : float
        Single-precision floating-point operations per second, without tensor cores.
    bandwidth : float
        Bytes per second to and from its memory.
    """

    name: str
    operations: float
    bandwidth: float


CARDS = (
    Card("RTX A4000", 19.2e12, 448e9),
    Card("RTX 4090", 82.6e12, 1008e9),
    Card("H100 SXM", 67e12, 3350e9),
)


@dataclass(frozen=True)
class Cost:
    """What some work costs.

    Attributes
    ----------
    operations : int
        Floating-point operations of the matrix products.
    moved : int
        Bytes read and written.
    launches : int
        Operations of torch that compute or copy.
    """

    operations: int
    moved: int
    launches: int

    def bounds(self, card: Card) -> dict[str, float]:
        """Seconds that it takes at least, by what they are needed for."""
        return {
            "arithmetic": self.operations / card.operations,
            "memory": self.moved / card.bandwidth,
            "launches": self.launches * LAUNCH,
        }


class _Traffic(TorchDispatchMode):
    """Counts operations that are no views, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = self.launches = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if func is torch.ops.aten.index.Tensor:
            tensors = [result, result]  # of what it is given it reads only what it takes out
        if tensors and not _is_view(func):
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            self.launches += 1
        return result


def _is_view(func: Any) -> bool:
    """Whether what an operation returns shares the memory of what it was given."""
    returned = [one.alias_info for one in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in returned)


def cost_of(work: Callable[[], object]) -> Cost:
    """Count what some work costs, in this thread."""
    with FlopCounterMode(display=False) as counter, _Traffic() as traffic:
        work()
    return Cost(counter.get_total_flops(), traffic.moved, traffic.launches)


def costs() -> dict[str, Cost]:
    """Cost of a step and of decoding a piece, for models of the package."""
    found = {}
    with patch("src_core.fitting.workers.CHUNK", LARGE_PIECE):
        for name in MODELS:
            model = load_model(name)
            points = _points(model)
            for what, iteration in _phases(model).items():
                fit = Fit(model.network(), points, FitSettings(points=model.fit.points))
                fit.iteration = iteration
                next(fit)  # the state of Adam is made
                found[f"{name}: {what}"] = cost_of(partial(next, fit))
            which = torch.arange(min(len(points), LARGE_PIECE))
            work = partial(decode, model.network(), points, "classes", which)
            found[f"{name}: labels of {len(which)} voxels"] = cost_of(work)
    return found


def _phases(model: Model) -> dict[str, int]:
    """Iterations before typical steps of a fit, which is never looked at between 1 and 4."""
    warp = model.card.architecture.warp_iterations
    points = model.fit.points
    if not warp:
        return {f"step of {points} points": 0}
    return {
        f"step of {points} points, warp": warp // 2 + 1,
        f"step of {math.ceil(ASKING_SHARE * points)} points, warp and weights": warp + 11,
    }


def _points(model: Model) -> BrainPoints:
    scan, _ = phantom(2.0)
    return brain_points(scan, scan.voxels > 0, np.eye(4), model.rule)


def main() -> None:
    """Count, and print two Markdown tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    found = costs()
    print("| | GFLOP | MB | FLOP per byte | launches |")
    print("|---|---:|---:|---:|---:|")
    for name, cost in found.items():
        print(
            f"| {name} | {cost.operations / 1e9:.2f} | {cost.moved / 1e6:.0f} "
            f"| {cost.operations / cost.moved:.1f} | {cost.launches} |"
        )
    print(f"\nAt least, ms: arithmetic / memory / launches of {1e6 * LAUNCH:.0f} us\n")
    print("| | " + " | ".join(card.name for card in CARDS) + " |")
    print("|---|" + "---|" * len(CARDS))
    for name, cost in found.items():
        cells = [
            " / ".join(f"{1e3 * seconds:.2f}" for seconds in cost.bounds(card).values())
            for card in CARDS
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
