"""Corrected scans of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.adaptation.own_scans import add_own_scan
from src_core.io.protocols import protocol
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from pathlib import Path

VOXEL_SIZE = 6.0
WHITE_MATTER = 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder of two own scans whose user calls the white matter subcortical grey matter."""
    folder = tmp_path / "own"
    for seed in range(2):
        scan, labels = phantom(VOXEL_SIZE, seed + 20)
        labels[labels == WHITE_MATTER] = 2
        add_own_scan(
            folder,
            f"p{seed}",
            scan,
            scan.voxels > 0,
            labels,
            protocol("tissue4").structures,
            {"protocol": "tissue4"},
        )
    return folder
