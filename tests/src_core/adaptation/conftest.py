"""Corrected scans of a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.adaptation.own_scans import add_own_scan
from src_core.adaptation.stand_in import StandIn
from src_core.io.protocols import protocol
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from pathlib import Path

VOXEL_SIZE = 6.0
WHITE_MATTER = 3


@pytest.fixture(autouse=True)
def small_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """A brain that is quick to fit stands in for the scans that a model was trained on."""
    monkeypatch.setattr(
        StandIn, "of", lambda model: StandIn(model, phantom(8.0)[0], "small", True, 1)
    )


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
