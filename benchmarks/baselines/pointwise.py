"""The control that every network must beat: each voxel by itself, without any fit or warp.

A dense network reads where the voxel lies after the affine alignment and what is seen at and
around it, the same that the head of the `warped` family reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from benchmarks.baselines.data import SEED, LabelledPoints, Task
from benchmarks.baselines.method import Method
from benchmarks.baselines.train import count, judge, label_loss, logged_seconds, some
from src_core.networks.fourier import fourier_code
from src_core.networks.head import Head
from src_core.space.seen import SEEN
from src_core.training.loop import Descent
from src_core.training.settings import LoopSettings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan
    from src_core.space.points import Points

WAVELENGTHS = (256.0, 128.0, 64.0, 32.0, 16.0)
"""Of the sines and cosines of a position, mm; shorter ones than a brain differs from others by
would tell nothing."""
_PIECE = 16384


class PointwiseNetwork(nn.Module):
    """Fourier code of a position and what is seen there -> class scores.

    Parameters
    ----------
    classes : int
    hidden : tuple of int
    """

    def __init__(self, classes: int, hidden: tuple[int, ...] = (480, 480)):
        super().__init__()
        self.head = Head(6 * len(WAVELENGTHS) + SEEN, hidden, classes)

    def forward(self, points: Points) -> Tensor:
        """Class scores (N, classes)."""
        code = fourier_code(points.positions, WAVELENGTHS)
        scores: Tensor = self.head(torch.cat([code, points.seen], 1))
        return scores


class Pointwise(Method):
    """`PointwiseNetwork`, trained as the heads of this project's models are.

    Parameters
    ----------
    task : Task
    steps : int
    """

    title = "pointwise classifier (affine position and what is seen), no fit, no warp"

    def __init__(self, task: Task, steps: int = 4500):
        torch.manual_seed(SEED)
        self.task = task
        self.loop = LoopSettings(steps, rate=2e-3)
        self.variants = 6
        self.network = PointwiseNetwork(len(task.protocol.ids))

    @property
    @override
    def size(self) -> int:
        return count(self.network)

    @override
    def train(self, work: Path) -> float:
        train, val = self.task.examples("train", self.variants), self.task.examples("val")

        def logits(_: LabelledPoints, points: Points) -> Tensor:
            scores: Tensor = self.network(points)
            return scores

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            chosen = some(train, self.loop.scans, generator)
            return {"loss": label_loss(chosen, self.loop.points, generator, logits)}

        def score() -> dict[str, float]:
            return judge(val, len(self.task.protocol.ids), logits)

        parameters = list(self.network.parameters())
        Descent("pointwise", work, parameters, self.loop, SEED, losses, score).run()
        return logged_seconds(work / "pointwise.csv")

    @override
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        points = self.task.points(scan, brain).take(slice(None))
        with torch.no_grad():
            found = [self.network(piece).argmax(1) for piece in points.split(_PIECE)]
        return self.task.label_map(brain, torch.cat(found).numpy())
