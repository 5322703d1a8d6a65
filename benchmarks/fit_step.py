"""How much of the machine's matrix product rate a fit step reaches.

Run ``python -m benchmarks.fit_step``. Each round measures everything once, one after the other, so
that whatever else the machine does falls on all alike. The rate of a step counts the
floating-point operations of its matrix products only: sines, look-ups and Adam are overhead.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from src_core.fitting.fit import ASKING_SHARE, Fit
from src_core.fitting.settings import FitSettings
from src_core.io.sample import phantom
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.points import BrainPoints, brain_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.networks.base import CoordinateNetwork

POINTS = 12288
"""Points of our steps: the default of a fit."""
PLAIN_POINTS = 65536
"""Points of the plain step: a part of a full batch, large enough to leave every cache."""
MATRIX = 1024


class PlainSiren(nn.Module):
    """The sine network as it is usually written: 3 -> width -> ... -> width -> 1."""

    def __init__(self, width: int, depth: int, omega: float = 30.0):
        super().__init__()
        self.omega = omega
        sizes = [3] + depth * [width]
        self.hidden = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.last = nn.Linear(width, 1)

    def forward(self, positions: Tensor) -> Tensor:
        """Intensities (N, 1) at positions (N, 3)."""
        for layer in self.hidden:
            positions = torch.sin(self.omega * layer(positions))
        intensities: Tensor = self.last(positions)
        return intensities


class PlainFit:
    """Full-batch steps of the plain network with torch's Adam, as in the paper.

    Parameters
    ----------
    points : int
        Size of the batch; positions and intensities are random.
    """

    def __init__(self, points: int, width: int = 256, depth: int = 5):
        self.network = PlainSiren(width, depth)
        self._adam = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        self._positions = torch.rand(points, 3) * 2 - 1
        self._intensities = torch.rand(points, 1)

    def step(self) -> None:
        """Forward, backward, Adam."""
        self._adam.zero_grad()
        error = self.network(self._positions) - self._intensities
        error.square().mean().backward()
        self._adam.step()


@dataclass
class Contestant:
    """Something that is timed, and the operations of its matrix products."""

    name: str
    run: Callable[[], object]
    operations: float
    seconds: list[float]

    def time_once(self) -> None:
        """Run it, and note how long that took."""
        started = time.perf_counter()
        self.run()
        self.seconds.append(time.perf_counter() - started)

    def rate(self, of: Callable[[list[float]], float] = min) -> float:
        """Operations per second in the best round, or in the median one."""
        return self.operations / of(self.seconds)


def step_operations(
    points: int, width: int, depth: int, outputs: int, *, weights: bool, positions: bool
) -> float:
    """Floating-point operations of one step's matrix products.

    Parameters
    ----------
    points, width, depth, outputs : int
        Points per step, units per layer, sine layers, outputs of the last linear layer.
    weights, positions : bool
        Whether the gradients of the weights and of the input positions are needed.
    """
    hidden = (depth - 1) * width * width + width * outputs
    entrance = 3 * width
    forward = hidden + entrance
    backward = hidden + weights * forward + positions * entrance
    return 2.0 * points * (forward + backward)


def matrix_product() -> Contestant:
    """One single-precision matrix product, by whose rate machines are compared."""
    matrix = torch.rand(MATRIX, MATRIX)
    return Contestant("matrix product", lambda: matrix @ matrix, 2.0 * MATRIX**3, [])


def contestants() -> list[Contestant]:
    """The matrix product, the plain step, and a step of each of our networks."""
    torch.manual_seed(0)
    plain = PlainFit(PLAIN_POINTS)
    points = _points()
    siren, warped = SirenSettings(classes=5), WarpedSettings(classes=5)
    n_blurs = 4

    def of_warped(*, weights: bool) -> float:
        return step_operations(
            POINTS, warped.width, warped.depth, n_blurs, weights=weights, positions=True
        )

    def of_siren(n_points: int) -> float:
        return step_operations(n_points, siren.width, siren.depth, 1, weights=True, positions=False)

    # The weights of the warped network follow once the warp is done.
    following = replace(warped, warp_iterations=1)
    return [
        matrix_product(),
        Contestant("plain PyTorch, siren 256 x 5", plain.step, of_siren(PLAIN_POINTS), []),
        Contestant("siren 256 x 5", _steps(SirenNetwork(siren), points), of_siren(POINTS), []),
        Contestant(
            f"warped {warped.width} x {warped.depth}, warp",
            _steps(WarpedNetwork(warped), points),
            of_warped(weights=False),
            [],
        ),
        Contestant(
            f"warped {warped.width} x {warped.depth}, warp and weights",
            _steps(WarpedNetwork(following), points, round(POINTS / ASKING_SHARE), skip=2),
            of_warped(weights=True),
            [],
        ),
    ]


def _points() -> BrainPoints:
    scan, _ = phantom(2.0)
    rule = IntensityRule(tuple(np.linspace(0.1, 0.95, len(LEVELS)).tolist()))
    return brain_points(scan, scan.voxels > 0, np.eye(4), rule)


def _steps(
    network: CoordinateNetwork, points: BrainPoints, drawn: int = POINTS, skip: int = 0
) -> Callable[[], object]:
    fit = Fit(network, points, FitSettings(iterations=10**9, points=drawn, look_every=0))
    for _ in range(skip):
        next(fit)
    return lambda: next(fit)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    measured = contestants()
    for warm_up in measured:
        warm_up.run()
    for _ in range(args.rounds):
        for contestant in measured:
            contestant.time_once()

    sgemm = measured[0]
    print(f"{args.threads} threads, {args.rounds} rounds, torch {torch.__version__}\n")
    print("| step | ms, min | ms, median | GFLOP/s | of sgemm, min | of sgemm, median |")
    print("|---|---:|---:|---:|---:|---:|")
    for contestant in measured:
        best, usual = min(contestant.seconds), median(contestant.seconds)
        print(
            f"| {contestant.name} | {best * 1e3:.1f} | {usual * 1e3:.1f} "
            f"| {contestant.rate() / 1e9:.0f} | {contestant.rate() / sgemm.rate():.2f} "
            f"| {contestant.rate(median) / sgemm.rate(median):.2f} |"
        )


if __name__ == "__main__":
    main()
