"""The command `longitudinal`: what it prints and writes of scans of one person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from tests.helpers.command_line import error_line, run

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = ("--iterations", 3, "--force")


@pytest.fixture
def scans(brain, tmp_path: Path) -> list[Path]:
    """One brain twice, the second time brighter, noisier and lying elsewhere."""
    paths = [tmp_path / f"sub-01_ses-{number}_T1w.nii.gz" for number in (1, 2)]
    noise = np.random.default_rng(0).normal(0, 3, brain.scan.shape)
    again = np.where(brain.mask, 1.3 * brain.scan.voxels + noise, 0).astype(np.float32)
    moved = brain.scan.affine.copy()
    moved[:3, 3] += (5, -4, 3)
    nib.save(nib.Nifti1Image(brain.scan.voxels, brain.scan.affine), paths[0])
    nib.save(nib.Nifti1Image(again, moved), paths[1])
    return paths


def test_labels_of_both_scans_and_the_change_of_their_volumes(
    scans: list[Path], tiny_model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("longitudinal", *scans, "--model", tiny_model, *OPTIONS) == 0
    printed = capsys.readouterr().out
    table = tmp_path / "sub-01_ses-1_T1w_changes.tsv"
    header, *rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert header[-3:] == ["volume_mm3_1", "volume_mm3_2", "change_percent_2"]
    assert [row[1] for row in rows] == [
        "Cortex", "Subcortical-Gray-Matter", "White-Matter", "CSF",
    ]  # fmt: skip
    for number, scan in enumerate(scans, 2):
        labels = nib.load(str(scan).replace("_T1w.nii.gz", "_seg-tissue4_dseg.nii.gz"))
        np.testing.assert_array_equal(labels.affine, nib.load(scan).affine)
        counts = np.bincount(np.asarray(labels.dataobj).astype(int).ravel(), minlength=5)
        voxel = abs(np.linalg.det(labels.affine[:3, :3]))
        assert [float(row[number]) for row in rows] == pytest.approx((counts[1:] * voxel).tolist())
    assert all(f"{float(row[-1]):+.1f}" in printed for row in rows)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a"], "one scan shows no change"),
        (["a", "a"], "give each scan once"),
        (["a", "gone"], "does not exist"),
    ],
)
def test_what_is_no_series_of_scans_is_refused(
    names: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.nii.gz").touch()
    assert run("longitudinal", *(tmp_path / f"{name}.nii.gz" for name in names)) == 2
    assert said in error_line(capsys)


def test_nothing_is_replaced_and_that_is_said_before_the_fits(
    scans: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub-01_ses-2_seg-nm134_dseg.tsv").touch()
    assert run("longitudinal", *scans) == 2
    assert "_dseg.tsv" in error_line(capsys)
