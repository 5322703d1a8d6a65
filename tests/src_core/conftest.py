"""A small brain, seen in several ways, and a model, for tests that must be quick."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine

from src_core.datasets.settings import DataSettings
from src_core.fitting.settings import FitSettings
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.segment import segment
from src_core.space.intensity import IntensityRule
from src_core.space.points import BrainPoints, brain_points
from src_core.space.template import TemplateImage
from src_core.training.settings import (
    ExampleSettings,
    LoopSettings,
    NetworkSettings,
    TrainingSettings,
)
from src_core.training.train import train
from tests.helpers.small_models import write_small_model

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.scan import Scan
    from src_core.results.segmentation import Segmentation

VOXEL_SIZE = 4.0


@dataclass(frozen=True, eq=False)
class Brain:
    """A phantom: the scan, its label map, its mask, and where its brain voxels are in mm."""

    scan: Scan
    labels: np.ndarray
    mask: np.ndarray

    @property
    def positions(self) -> np.ndarray:
        return apply_affine(self.scan.affine, np.argwhere(self.mask))


def make_brain(seed: int) -> Brain:
    scan, labels = phantom(VOXEL_SIZE, seed)
    return Brain(scan, labels, scan.voxels > 0)


@pytest.fixture(scope="session")
def brain() -> Brain:
    return make_brain(seed=0)


@pytest.fixture(scope="session")
def other_brain() -> Brain:
    """The same shape with other folds, another bias field and other noise."""
    return make_brain(seed=1)


@pytest.fixture(scope="session")
def template(other_brain: Brain) -> TemplateImage:
    """A picture to align to, made from the other brain; its world is template space."""
    scan = other_brain.scan
    values = np.where(other_brain.mask, scan.voxels / scan.voxels.max() + 0.1, 0)
    origin = tuple(scan.affine[:3, 3].tolist())
    return TemplateImage(torch.from_numpy(values.astype(np.float32))[None], origin, VOXEL_SIZE)


@pytest.fixture(scope="session")
def rule() -> IntensityRule:
    return IntensityRule((0.1, 0.35, 0.5, 0.65, 0.8, 0.88, 0.95))


@pytest.fixture(scope="session")
def points(brain: Brain, rule: IntensityRule) -> BrainPoints:
    """The brain in template space as it is."""
    return brain_points(brain.scan, brain.mask, np.eye(4), rule)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model file of a small random network for the protocol tissue4: quick, and knows nothing."""
    return _small_model("tissue4", tmp_path_factory.mktemp("models") / "tiny.safetensors")


@pytest.fixture(scope="session")
def structures_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for the protocol fs32, whose structures can be merged to tissues."""
    return _small_model("fs32", tmp_path_factory.mktemp("models") / "structures.safetensors")


@pytest.fixture(scope="session")
def parcels_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for the 134 structures of the protocol nm134."""
    return _small_model("nm134", tmp_path_factory.mktemp("models") / "parcels.safetensors")


def _small_model(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    settings = WarpedSettings(
        classes=len(protocol(name).ids),
        width=16,
        depth=2,
        hidden=(16,),
        spacings=(48.0,),
        warp_iterations=4,
    )
    return write_small_model(WarpedNetwork(settings), 6, path, name)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms with label maps, as training wants them: two to train on, one to validate on."""
    folder = tmp_path_factory.mktemp("data")
    rows = [("scan", "subject", "split")]
    for seed, split in enumerate(("train", "train", "val")):
        scan, labels = phantom(VOXEL_SIZE, seed + 10)
        for what, image in (("T1w", scan.voxels), ("labels", labels)):
            path = folder / f"s{seed}_{what}.nii.gz"
            nib.save(nib.Nifti1Image(image, scan.affine), path)
        rows.append((f"s{seed}", f"person{seed}", split))
    with (folder / "subjects.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="session")
def training(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """A short training that was run: its output is a model that knows the phantom."""
    output = tmp_path_factory.mktemp("trained") / "phantoms.safetensors"
    loop = LoopSettings(steps=400, scans=2, points=512, judge_every=200)
    settings = TrainingSettings(
        DataSettings(data_folder),
        output,
        licence="none",
        network=NetworkSettings(width=32, depth=3, hidden=(32,), warp_iterations=10),
        examples=ExampleSettings(variants=3),
        fit=FitSettings(iterations=12, points=2048),
        rounds=1,
        start=loop,
        head=loop,
    )
    train(settings)
    return settings


@pytest.fixture(scope="session")
def result(brain: Brain, training: TrainingSettings) -> Segmentation:
    """The phantom, segmented by the model that knows it."""
    return segment(brain.scan, model=training.output, reference=brain.labels)
