"""Sine networks that are fitted to each scan from a start that knows no labels.

*From random weights*: the same ones for all scans. *Meta-learned for images only*: from where a
few steps reconstruct any scan well, found by Reptile (Nichol et al. 2018, arXiv 1803.02999). In
both, a head is then trained on the features of fitted networks, as in this project's own training.
"""

from __future__ import annotations

import time
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from benchmarks.baselines.data import SEED, LabelledPoints, Task
from benchmarks.baselines.method import Method
from benchmarks.baselines.train import judge, label_loss, logged_seconds, some
from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.models.card import Card
from src_core.models.model import Model, load_model, write_model
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork
from src_core.preparation.alignment import align
from src_core.segment import segment
from src_core.training.cache import load_or_make
from src_core.training.loop import Descent
from src_core.training.settings import LoopSettings

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan
    from src_core.space.points import Points

INNER = FitSettings(iterations=16, points=4096, look_every=0)
"""A fit between two steps of Reptile."""


class FittedFromRandom(Method):
    """Sine network fitted from random weights.

    Parameters
    ----------
    task : Task
    steps : int
        Training steps of the head.
    iterations : int
        Of each fit.
    """

    name: ClassVar[str] = "siren-random"
    title = "SIREN from random weights, head on its features"
    variants: ClassVar[int] = 2

    def __init__(self, task: Task, steps: int = 4500, iterations: int = 200):
        torch.manual_seed(SEED)
        self.task = task
        self.loop = LoopSettings(steps, rate=2e-3)
        self.fit = FitSettings(iterations, look_every=0)
        self.network = SirenNetwork(SirenSettings(len(task.protocol.ids), weight_rate=3e-4))
        self.model: Model | None = None

    @property
    @override
    def size(self) -> int:
        return sum(value.numel() for value in self.network.shared_state().values())

    @override
    def train(self, work: Path) -> float:
        train, val = self.task.examples("train", self.variants), self.task.examples("val")
        seconds = self.start(train, work)
        begin = self.network.fitted_vector()
        weights = {}
        for example in (*train, *val):
            path = work / "fits" / f"{example.name}.pt"
            fitted = load_or_make(path, partial(self._fitted, example))
            weights[example.name] = fitted["weights"]
            seconds += fitted["seconds"]
        self._train_head(train, val, weights, work)
        self.network.load_fitted(begin)
        path = work / "model.safetensors"
        write_model(self.network, self._card(), path)
        self.model = load_model(path)
        return seconds + logged_seconds(work / "head.csv")

    def start(self, train: list[LabelledPoints], work: Path) -> float:
        """Find the start of all fits; returns the seconds this took."""
        del train, work  # Random weights are found by no search.
        return 0.0

    def _fitted(self, example: LabelledPoints) -> dict[str, Any]:
        network = deepcopy(self.network)
        started = time.perf_counter()
        for _ in Fit(network, example.points, self.fit):
            pass
        return {"weights": network.fitted_vector(), "seconds": time.perf_counter() - started}

    def _train_head(
        self,
        train: list[LabelledPoints],
        val: list[LabelledPoints],
        weights: dict[str, Tensor],
        work: Path,
    ) -> None:
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)

        def logits(example: LabelledPoints, points: Points) -> Tensor:
            self.network.load_fitted(weights[example.name])
            return self.network.logits(points)

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            chosen = some(train, self.loop.scans, generator)
            return {"loss": label_loss(chosen, self.loop.points, generator, logits)}

        def score() -> dict[str, float]:
            return judge(val, len(self.task.protocol.ids), logits)

        head = list(self.network.head.parameters())
        Descent("head", work, head, self.loop, SEED + 1, losses, score).run()

    def _card(self) -> Card:
        return Card(
            name=self.name,
            description=self.title,
            architecture=self.network.settings,
            protocol=self.task.protocol,
            rule=self.task.rule,
            fit=FitSettings(self.fit.iterations, self.fit.points),
            training={"scans": {"train": [scan.name for scan in self.task.of_split("train")]}},
            scores={},
            licence="for comparison only",
        )

    @override
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        assert self.model is not None, "train comes first"
        # A start that knows no brain has no picture of the template to align to.
        transform = align(scan, brain, self.task.reference).matrix
        return segment(scan, model=self.model, mask=brain, transform=transform, device="cpu").labels


class FittedFromImages(FittedFromRandom):
    """Sine network fitted from a start that was meta-learned without labels.

    Parameters
    ----------
    task : Task
    steps, iterations
        As in `FittedFromRandom`.
    outer_steps : int
        Of Reptile.
    """

    name = "siren-images"
    title = "SIREN meta-learned for images only (Reptile), head on its features"

    def __init__(
        self, task: Task, steps: int = 4500, iterations: int = 100, outer_steps: int = 1500
    ):
        super().__init__(task, steps, iterations)
        self.outer = LoopSettings(outer_steps, rate=5e-4, scans=1)

    @override
    def start(self, train: list[LabelledPoints], work: Path) -> float:
        parameters = self.network.fitted_parameters()
        adapted = deepcopy(self.network)

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            (example,) = some(train, 1, generator)
            seed = int(torch.randint(2**31, (1,), generator=generator))
            adapted.load_fitted(self.network.fitted_vector())
            steps = list(Fit(adapted, example.points, replace(INNER, seed=seed)))
            # Its gradient is Reptile's: the way from the adapted weights back to the start.
            distances = [
                (own - other.detach()).square().sum()
                for own, other in zip(parameters, adapted.fitted_parameters(), strict=True)
            ]
            return {"loss": torch.stack(distances).sum() / 2, "psnr": torch.tensor(steps[-1].psnr)}

        Descent("reptile", work, parameters, self.outer, SEED, losses).run()
        return logged_seconds(work / "reptile.csv")
