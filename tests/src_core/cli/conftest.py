"""Files for commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from src_core.io import export, sample


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small scan, its labels, the same with an error, and an empty label map."""
    folder = tmp_path_factory.mktemp("files")
    image, labels = sample.phantom(voxel_size=6.0)
    shifted = np.roll(labels, 1, axis=0)
    paths = {"scan": folder / "sub-01_T1w.nii.gz"}
    export.write_scalar_map(image.voxels, image, paths["scan"])
    for name, values in (("labels", labels), ("shifted", shifted), ("empty", 0 * labels)):
        paths[name] = folder / f"{name}.nii.gz"
        export.write_scalar_map(values, image, paths[name])
    return paths


@pytest.fixture
def scan_file(files: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(files["scan"], tmp_path))
