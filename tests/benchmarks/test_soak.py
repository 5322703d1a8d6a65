"""One round of the soak, and that it sees what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Layer

from benchmarks.soak import MOST_GROWTH, Findings, differences
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import labels_layer
from src_core.io.scan import Scan, read_scan

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="tells its memory on Linux only")
def test_a_round_ends_without_a_fault() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.soak", "--rounds", "1"]
    # One short fit that is paused, scrubbed, kept, painted on and saved.
    command += ["--seed", "205"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 x window opened" in done.stdout
    assert done.stdout.splitlines()[-1] == "no fault"


@pytest.mark.parametrize(("end", "grew"), [(1000, False), (1100, True)])
def test_the_warm_up_does_not_count_as_growth(end: float, grew: bool) -> None:
    findings = Findings(memory=[500, 800, *[1000] * 4, *[end] * 3])
    assert (findings.growth > MOST_GROWTH) == grew


@pytest.fixture
def saved(image: nib.Nifti1Image, tmp_path: Path) -> tuple[Layer, Path, Path]:
    """A layer of labels, the scan that it is of, and a file that says the same."""
    image.to_filename(file := tmp_path / "scan.nii")
    scan: Scan = read_scan(file)
    labels = (scan.voxels > 0).astype(np.uint8)
    orientation = orientation_of(scan.affine, scan.shape)
    layer = Layer.create(*labels_layer(labels, scan, orientation, None, "labels"))
    nib.save(nib.Nifti1Image(labels, scan.affine), path := tmp_path / "labels.nii")
    return layer, file, path


def test_a_file_that_says_what_the_layer_shows_is_right(saved: tuple[Layer, Path, Path]) -> None:
    assert differences(*saved) == []


def test_a_file_that_says_something_else_is_noticed(saved: tuple[Layer, Path, Path]) -> None:
    layer, scan, path = saved
    labels = nib.load(path)
    voxels, affine = np.asarray(labels.dataobj).copy(), labels.affine
    for other, said in (
        (nib.Nifti1Image(1 - voxels, affine), "other labels"),
        (nib.Nifti1Image(voxels, affine + np.eye(4, k=3)), "another affine"),
        (nib.Nifti1Image(voxels[1:], affine), "another shape"),
    ):
        nib.save(other, path)
        (fault,) = differences(layer, scan, path)
        assert said in fault
