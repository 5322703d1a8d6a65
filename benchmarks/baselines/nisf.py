"""Neural implicit segmentation functions, after Stolt-Anso et al. 2023 (arXiv 2310.16803).

An auto-decoder: one network for all scans maps a position and the scan's code to intensity and
class scores; the training scans' codes are learned along. For a new scan the network stays as it
is and a code is found by which it reconstructs the intensities; no label is needed.

Own implementation of the idea, with sine layers and with the affine alignment of this project.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from benchmarks.baselines.data import SEED, LabelledPoints, Task
from benchmarks.baselines.method import Method
from benchmarks.baselines.train import count, logged_seconds
from src_core.fitting.adam import Adam
from src_core.networks.sine import SineLayers
from src_core.training.loop import Descent
from src_core.training.losses import segmentation_loss
from src_core.training.settings import LoopSettings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan
    from src_core.space.points import BrainPoints

CODE = 64
"""Numbers that describe a scan."""
IMAGE_WEIGHT = 10.0
"""Of the squared error of intensities beside the loss of labels."""
PRIOR_WEIGHT = 1e-3
"""Of a code's mean square: codes are thought to be normally distributed about zero."""
FIT_STEPS, FIT_POINTS, FIT_RATE = 300, 8192, 0.02
"""Adam steps, random points in each, and first step size with which a code is found."""
CODE_SHARE = 20.0
"""Step size of the codes over that of the network: each is seen in one of many steps."""
_PIECE = 4096


class CodedNetwork(nn.Module):
    """Position and code -> intensity and class scores.

    Parameters
    ----------
    classes : int
    width, depth : int
        Sine layers.
    scale : float
        Template mm that are 1 for the network.
    """

    def __init__(self, classes: int, width: int = 256, depth: int = 5, scale: float = 100.0):
        super().__init__()
        self.scale = scale
        self.sine = SineLayers(3 + CODE, width, depth, omega=30.0)
        # As large as without a code beside the position, or it would hold no fine detail.
        nn.init.uniform_(self.sine.weights[0][:, :3], -1 / 3, 1 / 3)
        self.read = nn.Linear(width, 1 + classes)

    def forward(self, positions: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Intensities (N,) and class scores (N, classes) at positions (N, 3), template mm."""
        codes = code.expand(len(positions), CODE)
        found = self.read(self.sine(torch.cat([positions / self.scale, codes], 1))[-1])
        return found[:, 0], found[:, 1:]


class Nisf(Method):
    """`CodedNetwork`, trained with the codes of the training scans.

    Parameters
    ----------
    task : Task
    steps : int
    """

    title = "NISF (auto-decoder; code fitted to the intensities)"

    def __init__(self, task: Task, steps: int = 8000):
        torch.manual_seed(SEED)
        self.task = task
        # 5e-4 is too much for sine layers: the loss jumps after some hundred steps and stays there.
        self.loop = LoopSettings(steps, rate=1.5e-4)
        self.variants = 6
        self.network = CodedNetwork(len(task.protocol.ids))

    @property
    @override
    def size(self) -> int:
        return count(self.network)

    @override
    def train(self, work: Path) -> float:
        train = self.task.examples("train", self.variants)
        codes = 0.01 * torch.randn(len(train), CODE)

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            chosen = torch.randint(len(train), (self.loop.scans,), generator=generator).tolist()
            errors = [self._errors(train[n], codes[n], generator) for n in chosen]
            squared, labels = torch.stack(errors).mean(0)
            loss = IMAGE_WEIGHT * squared + labels + PRIOR_WEIGHT * codes[chosen].square().mean()
            return {"loss": loss, "squared_error": squared, "labels": labels}

        network = list(self.network.parameters())
        shares = [1.0] * len(network) + [CODE_SHARE]
        Descent("nisf", work, [*network, codes], self.loop, SEED, losses, shares=shares).run()
        return logged_seconds(work / "nisf.csv")

    def _errors(self, example: LabelledPoints, code: Tensor, generator: torch.Generator) -> Tensor:
        """Squared error of the intensities, and loss of the labels, shape (2,)."""
        points, classes = example.draw(self.loop.points, generator)
        intensities, logits = self.network(points.positions, code)
        squared = (intensities - points.seen[:, 0]).square().mean()
        return torch.stack([squared, segmentation_loss(logits, classes)])

    def fit(self, points: BrainPoints) -> Tensor:
        """Code of a scan, shape (CODE,), from its intensities alone."""
        generator = torch.Generator().manual_seed(SEED)
        code = torch.zeros(CODE, requires_grad=True)
        adam = Adam([code])
        for step in range(FIT_STEPS):
            which = torch.randint(len(points), (FIT_POINTS,), generator=generator)
            drawn = points.take(which)
            adam.zero_grad()
            for piece in drawn.split(_PIECE):
                error = (self.network(piece.positions, code)[0] - piece.seen[:, 0]).square().sum()
                (IMAGE_WEIGHT * error / FIT_POINTS).backward()
            (PRIOR_WEIGHT * code.square().mean()).backward()
            adam.step(FIT_RATE * (0.505 + 0.495 * math.cos(math.pi * step / FIT_STEPS)))
        return code.detach()

    @override
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        points = self.task.points(scan, brain)
        code = self.fit(points)
        with torch.no_grad():
            found = [
                self.network(piece.positions, code)[1].argmax(1)
                for piece in points.take(slice(None)).split(_PIECE)
            ]
        return self.task.label_map(brain, torch.cat(found).numpy())
