"""U-Nets (MONAI's) on coronal slices and on patches of the volume.

Trained as is usual for few scans: random patches with affine, elastic and intensity changes,
cross-entropy and Dice; inference by overlapping windows. How many weights and steps there are is
chosen so that a training takes 60 to 90 minutes on two CPU cores, which is far below what such
networks are given on graphics cards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor
from typing_extensions import override

from benchmarks.baselines.data import SEED, Task
from benchmarks.baselines.grids import Grid
from benchmarks.baselines.method import Method
from benchmarks.baselines.patches import ChangeSettings, LabelledVolume, cut
from benchmarks.baselines.train import count, logged_seconds
from src_core.datasets.labelled import LabelledScan, read_example, read_mask
from src_core.datasets.mapping import IGNORED
from src_core.preparation.brain import brain_mask
from src_core.training.changes.mirroring import mirrored_classes
from src_core.training.loop import Descent
from src_core.training.losses import dice_per_class, nan_mean, segmentation_loss
from src_core.training.settings import LoopSettings

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.scan import Scan


class UNet3d(Method):
    """U-Net on patches of 64 mm.

    Parameters
    ----------
    task : Task
    steps : int
    """

    title = "3D U-Net, patches of 64 mm"
    dimensions = 3
    features = (16, 16, 32, 64, 128, 16)
    shape = (64, 64, 64)
    """Of a patch: right, anterior, superior; 1 mm."""
    batch = 2
    judged = 4
    """Patches of each validation scan that are looked at."""

    def __init__(self, task: Task, steps: int = 2500):
        torch.manual_seed(SEED)
        self.task = task
        self.loop = LoopSettings(steps, rate=1e-3, scans=self.batch)
        classes = len(task.protocol.ids)
        self.network = BasicUNet(self.dimensions, 1, classes, self.features)
        self._mirrored = torch.full((256,), IGNORED, dtype=torch.uint8)
        partners = mirrored_classes(task.protocol)
        assert partners is not None, "the package's protocols have both sides"
        self._mirrored[:classes] = torch.from_numpy(partners)

    @property
    @override
    def size(self) -> int:
        return count(self.network)

    @override
    def train(self, work: Path) -> float:
        train = [self._volume(scan) for scan in self.task.of_split("train")]
        val = self._judged_patches()

        def losses(generator: torch.Generator) -> dict[str, Tensor]:
            seed = int(torch.randint(2**62, (1,), generator=generator))
            random = np.random.default_rng(seed)
            chosen = random.integers(len(train), size=self.batch)
            patches = [
                cut(train[n], self.shape, self._mirrored, random, ChangeSettings()) for n in chosen
            ]
            classes = torch.stack([classes for _, classes in patches]).flatten()
            scores = self._scores(torch.stack([image for image, _ in patches]))
            return {"loss": segmentation_loss(scores.movedim(1, -1).flatten(0, -2), classes)}

        @torch.no_grad()
        def judge() -> dict[str, float]:
            means = {}
            for name, patches in val.items():
                found = torch.cat([self._scores(image[None]).argmax(1) for image, _ in patches])
                truth = torch.stack([classes for _, classes in patches])
                number = len(self.task.protocol.ids)
                means[name] = nan_mean(dice_per_class(found, truth, number))
            return means | {"mean": nan_mean(means.values())}

        name = f"unet{self.dimensions}d"
        Descent(name, work, list(self.network.parameters()), self.loop, SEED, losses, judge).run()
        return logged_seconds(work / f"{name}.csv")

    def _volume(self, labelled: LabelledScan) -> LabelledVolume:
        scan, classes = read_example(labelled, self.task.mapping)
        grid = Grid.of(scan, brain_mask(scan, read_mask(labelled, scan)))
        return LabelledVolume.of(grid.image(scan), grid.classes(classes, IGNORED))

    def _judged_patches(self) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """The same unchanged patches of the validation scans each time."""
        random = np.random.default_rng(SEED)
        found = {}
        for labelled in self.task.of_split("val"):
            volume = self._volume(labelled)
            found[labelled.name] = [
                cut(volume, self.shape, self._mirrored, random, None) for _ in range(self.judged)
            ]
        return found

    def _scores(self, images: Tensor) -> Tensor:
        """Class scores (B, classes, X, Y, Z) of patches (B, 1, X, Y, Z)."""
        scores: Tensor = self.network(images)
        return scores

    @torch.no_grad()
    @override
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        grid = Grid.of(scan, brain)
        return self.task.protocol.to_ids(grid.back(self._whole(grid.image(scan))))

    def _whole(self, image: Tensor) -> Tensor:
        """Class scores (classes, X, Y, Z) of a whole image (1, X, Y, Z)."""
        scores = sliding_window_inference(
            image[None], self.shape, 2, self._scores, overlap=0.5, mode="gaussian"
        )
        assert isinstance(scores, Tensor)  # the network has one output, so not a tuple
        return scores[0]


class UNet2d(UNet3d):
    """U-Net on whole coronal slices of 192 mm.

    Parameters
    ----------
    task : Task
    steps : int
    """

    title = "2D U-Net, coronal slices"
    dimensions = 2
    features = (32, 32, 64, 128, 256, 32)
    shape = (192, 1, 192)
    batch = 8
    judged = 12

    def __init__(self, task: Task, steps: int = 3000):
        super().__init__(task, steps)

    def _scores(self, images: Tensor) -> Tensor:
        scores: Tensor = self.network(images[..., 0, :])
        return scores[..., None, :]

    def _whole(self, image: Tensor) -> Tensor:
        slices = image.permute(2, 0, 1, 3)
        roi = (self.shape[0], self.shape[2])
        scores = sliding_window_inference(slices, roi, 8, self.network, overlap=0.5)
        assert isinstance(scores, Tensor)  # the network has one output, so not a tuple
        return scores.permute(1, 2, 0, 3)
