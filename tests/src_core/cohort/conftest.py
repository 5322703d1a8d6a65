"""A small BIDS data set, and what is asked of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from src_core.io import export, sample
from src_core.request import Request

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = "participant_id\tage\tsex\nsub-01\t23\tF\nsub-02\t71\tM\nsub-03\tn/a\tF\n"


@pytest.fixture(scope="session")
def coarse_scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of three phantoms of 6 mm."""
    folder = tmp_path_factory.mktemp("coarse")
    files = []
    for seed in range(3):
        scan, _ = sample.phantom(voxel_size=6.0, seed=seed)
        files.append(folder / f"{seed}.nii.gz")
        export.write_scalar_map(scan.voxels, scan, files[-1])
    return files


@pytest.fixture
def data_set(coarse_scans: list[Path], tmp_path: Path) -> Path:
    """Three people, one of them with a session."""
    root = tmp_path / "bids"
    for name, file in zip(
        (
            "sub-01/anat/sub-01_T1w.nii.gz",
            "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
            "sub-03/anat/sub-03_run-1_T1w.nii.gz",
        ),
        coarse_scans,
        strict=True,
    ):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(file, root / name)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    (root / "participants.tsv").write_text(PEOPLE)
    return root


@pytest.fixture
def request_for_all(tiny_model: Path) -> Request:
    """Quick: a small model, no alignment, three iterations."""
    return Request("", model=tiny_model, align=False, iterations=3)
