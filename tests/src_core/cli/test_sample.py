"""The command `sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from src_core.io import sample, sample_head, scan
from tests.helpers.command_line import run

if TYPE_CHECKING:
    from pathlib import Path


def test_the_sample_is_written_as_a_scan(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    assert run("sample", tmp_path / "mni.nii.gz") == 0
    assert scan.read_scan(tmp_path / "mni.nii.gz").shape == (197, 233, 189)


def test_the_sample_with_skull_is_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brain, _ = sample.phantom(voxel_size=6.0)
    monkeypatch.setattr(sample_head, "mni152_t1", lambda: brain)
    assert run("sample", "--head", tmp_path / "head.nii.gz") == 0
    head = scan.read_scan(tmp_path / "head.nii.gz")
    assert (head.shape > np.array(brain.shape)).all()
