"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from src_core.adaptation.stand_in import StandIn
from src_core.io.sample import phantom
from src_core.io.scan import Scan, scan_from_array
from src_core.preparation.extraction import DeepBet

if TYPE_CHECKING:
    from collections.abc import Iterator

# Tests with a viewer reset the settings: let them never be those of the user. napari looks once.
_settings = TemporaryDirectory(prefix="napari-metaseg-")
os.environ["NAPARI_CONFIG"] = str(Path(_settings.name) / "settings.yaml")

# Nor are the user's own models and scans there.
os.environ["NAPARI_METASEG_HOME"] = str(Path(_settings.name) / "home")

ENGINE_THREAD = "metaseg"
_THREAD_MAY_TAKE = 20.0


@pytest.fixture(autouse=True)
def engine_threads_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test whose engine thread outlives its viewer."""
    yield
    if "make_napari_viewer" not in request.fixturenames:
        return
    from qtpy.QtWidgets import QApplication

    deadline = time.monotonic() + _THREAD_MAY_TAKE
    for thread in threading.enumerate():
        while thread.name == ENGINE_THREAD and thread.is_alive():
            if time.monotonic() > deadline:
                pytest.fail(f"the thread of the engine still runs {_THREAD_MAY_TAKE:.0f} s later")
            QApplication.processEvents()  # the window may have to ask it to end
            thread.join(0.02)


@pytest.fixture(autouse=True)
def no_extractor(monkeypatch: pytest.MonkeyPatch) -> None:
    """No brain is looked for, which takes seconds, unless a test brings a program for that."""
    monkeypatch.setattr(DeepBet, "installed", lambda _: False)


@pytest.fixture(autouse=True)
def small_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A brain of few voxels stands in for what a model was trained on: the usual takes a minute."""
    monkeypatch.setattr(
        StandIn, "of", lambda model: StandIn(model, phantom(8.0)[0], least_variants=1)
    )


@pytest.fixture
def voxels() -> np.ndarray:
    """A small ball of varied intensities on a background of 0: (20, 22, 24) float32."""
    position = np.indices((20, 22, 24), dtype=np.float32)
    centre = np.array([9.5, 10.5, 11.5]).reshape(3, 1, 1, 1)
    inside = np.square(position - centre).sum(axis=0) < 7.5**2
    noise = np.random.default_rng(0).integers(100, 900, inside.shape)
    return np.where(inside, noise, 0).astype(np.float32)


@pytest.fixture
def affine() -> np.ndarray:
    """An oblique grid of 0.8 x 0.9 x 2 mm voxels whose first axis points to the left."""
    rotation = Rotation.from_euler("xyz", (10, -5, 17), degrees=True).as_matrix()
    return from_matvec(rotation @ np.diag([-0.8, 0.9, 2]), (31.3, -22.7, 9.9))


@pytest.fixture
def scan(voxels: np.ndarray, affine: np.ndarray) -> Scan:
    """The ball as a scan that was never a file."""
    return scan_from_array(voxels, affine)


@pytest.fixture
def image(voxels: np.ndarray, affine: np.ndarray) -> nib.Nifti1Image:
    """The ball as an int16 NIfTI image with slope, both forms, and text that must not travel."""
    image = nib.Nifti1Image((voxels / 2).astype(np.int16), affine)
    image.header.set_slope_inter(2, 0)
    image.set_sform(affine, 2)
    image.set_qform(affine, 1)
    image.header["descrip"] = b"Jane Doe"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    return image
