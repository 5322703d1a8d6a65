"""The command `sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.io import scan
from tests.helpers.command_line import run

if TYPE_CHECKING:
    from pathlib import Path


def test_the_sample_is_written_as_a_scan(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    assert run("sample", tmp_path / "mni.nii.gz") == 0
    assert scan.read_scan(tmp_path / "mni.nii.gz").shape == (197, 233, 189)
