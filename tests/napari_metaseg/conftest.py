"""A small head that differs in all directions, and a small brain with a model that is quick."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from napari.components import ViewerModel
from nibabel.affines import apply_affine

from napari_metaseg import preferences
from napari_metaseg.run.session import Session
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.io.scan import Scan, scan_from_array
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.preparation.prepare import Preparation, prepare
from src_core.request import Request
from src_core.space.intensity import IntensityRule
from src_core.space.points import brain_points
from tests.helpers.small_models import GOALS, write_small_model

if TYPE_CHECKING:
    from pathlib import Path

    from napari.layers import Labels

VOXEL_SIZE = 4.0
ITERATIONS = 12

SPOTS = {
    "left": (-8.0, 0.0, 0.0),
    "anterior": (0.0, 9.0, 0.0),
    "superior": (0.0, 0.0, 10.0),
}
"""Centres of the bright spots in world mm; the centre of the head is at 0."""
INTENSITIES = {"left": 200.0, "anterior": 300.0, "superior": 400.0}


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's user has chosen is not there in the next."""
    monkeypatch.setattr(preferences, "_this_session", preferences.Preferences())


@pytest.fixture(scope="session")
def head() -> Scan:
    """(27, 29, 31) voxels of 1 mm, RAS: a ball of 100 with spots of other intensities."""
    affine = np.eye(4)
    affine[:3, 3] = (-13, -14, -15)
    position = apply_affine(affine, np.moveaxis(np.indices((27, 29, 31)), 0, -1))
    voxels = np.where(np.linalg.norm(position, axis=-1) < 13, 100.0, 0.0)
    for name, centre in SPOTS.items():
        voxels[np.linalg.norm(position - centre, axis=-1) < 3.2] = INTENSITIES[name]
    return scan_from_array(voxels, affine)


def status_at(layer: Labels, label: int) -> str:
    """What the status bar says where the mouse is on a label."""
    viewer = ViewerModel()
    viewer.add_layer(layer)
    position = layer.data_to_world(np.argwhere(layer.data == label)[0])
    viewer.dims.point = position
    return layer.get_status(position, world=True)["coordinates"]


@dataclasses.dataclass(frozen=True, eq=False)
class Brain:
    """A phantom: the scan and its label map."""

    scan: Scan
    labels: np.ndarray


@pytest.fixture(scope="session")
def brain() -> Brain:
    """About 31,000 brain voxels of 4 mm, labelled in the protocol tissue4."""
    return Brain(*phantom(VOXEL_SIZE))


def random_network(name: str) -> WarpedNetwork:
    """A small network for a protocol, always with the same random weights."""
    torch.manual_seed(0)
    settings = WarpedSettings(
        classes=len(protocol(name).ids),
        width=16,
        depth=2,
        hidden=(32,),
        spacings=(24.0,),
        warp_iterations=8,
    )
    return WarpedNetwork(settings)


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model of a small random network whose head has seen another phantom: quick, and fair."""
    network = random_network("tissue4")
    scan, labels = phantom(VOXEL_SIZE, seed=1)
    mask = scan.voxels > 0
    points = brain_points(scan, mask, np.eye(4), IntensityRule(GOALS)).take(slice(None))
    hidden: list[torch.Tensor] = []
    last = network.head.layers[-1]
    hook = last.register_forward_hook(lambda module, inputs, output: hidden.append(inputs[0]))
    with torch.no_grad():
        network.logits(points)
        hook.remove()
        known = torch.cat([hidden[0], torch.ones(len(points), 1)], 1)
        classes = labels[mask]
        wanted = torch.from_numpy(np.eye(5, dtype=np.float32)[classes])
        rare = torch.from_numpy(np.bincount(classes) ** -0.5).float()[classes.astype(int), None]
        solution = torch.linalg.lstsq(rare * known, rare * wanted).solution
        last.weight.copy_(10 * solution[:-1].T)
        last.bias.copy_(10 * solution[-1])
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    return write_small_model(network, ITERATIONS, path)


@pytest.fixture
def prepared(brain: Brain, model_file: Path) -> Preparation:
    """The brain before the first step, where it is, and with its labels to compare with."""
    return prepare(Request(brain.scan, model=model_file, reference=brain.labels, align=False))


@pytest.fixture
def session(prepared: Preparation) -> Session:
    """The brain's session before the first step."""
    return Session(prepared, iterations=ITERATIONS, seed=0, budget=2**27)


@pytest.fixture(scope="session")
def structures_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model of a random network for the protocol fs32, whose structures merge to tissues."""
    path = tmp_path_factory.mktemp("models") / "structures.safetensors"
    return write_small_model(random_network("fs32"), ITERATIONS, path, "fs32")
