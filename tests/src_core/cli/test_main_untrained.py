"""What commands say to a model that was trained on nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import pytest

from tests.helpers.command_line import error_line, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.src_core.conftest import Brain


@pytest.fixture
def scans(brain: Brain, tmp_path: Path) -> list[Path]:
    (tmp_path / "scans").mkdir()
    paths = [tmp_path / "scans" / f"sub-0{number}_T1w.nii.gz" for number in (1, 2)]
    for path in paths:
        nib.save(nib.Nifti1Image(brain.scan.voxels, brain.scan.affine), path)
    return paths


@pytest.mark.parametrize("command", ["segment", "longitudinal", "batch", "evaluate"])
def test_commands_that_need_structures_say_so(
    command, scans, data_folder, tmp_path, capsys
) -> None:
    model, output = ("--model", "untrained"), tmp_path / "out"
    words = {
        "segment": (scans[0], *model),
        "longitudinal": (*scans, *model),
        "batch": (scans[0].parent, output, *model),
        "evaluate": ("untrained", data_folder, "-o", output),
    }[command]
    assert run(command, *words) != 0
    assert "untrained was not trained and has no structures" in error_line(capsys)
    assert not list(tmp_path.rglob("*_dseg*"))
