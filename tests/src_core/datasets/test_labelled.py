"""Checking and reading labelled scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from src_core.datasets.labelled import LabelledScan, check, read_example, read_mask
from src_core.datasets.mapping import IGNORED, UNKNOWN, read_mapping
from src_core.datasets.settings import DataSettings
from tests.helpers.datasets import TISSUES, refused

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def labelled(brain, tmp_path: Path) -> LabelledScan:
    paths = {what: tmp_path / f"{what}.nii.gz" for what in ("scan", "labels", "mask")}
    values = {"scan": brain.scan.voxels, "labels": brain.labels, "mask": brain.mask}
    for what, path in paths.items():
        save(values[what], brain.scan.affine, path)
    return LabelledScan("s", "p", "train", **paths)


def save(values: np.ndarray, affine: np.ndarray, path: Path) -> None:
    if values.dtype == bool:
        values = values.astype(np.uint8)
    nib.save(nib.Nifti1Image(values, affine), path)


def test_scans_that_can_be_used_pass_the_check(labelled: LabelledScan, brain) -> None:
    mapping = read_mapping(DataSettings(Path("data")), TISSUES)
    check([labelled], mapping)
    mask = read_mask(labelled, brain.scan)
    assert mask is not None
    np.testing.assert_array_equal(mask > 0, brain.mask)
    assert read_mask(replace(labelled, mask=None), brain.scan) is None


def test_a_fourth_axis_of_one_volume_counts_for_nothing(labelled: LabelledScan, brain) -> None:
    save(brain.scan.voxels[..., None], brain.scan.affine, labelled.scan)
    check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


@pytest.mark.parametrize(("unit", "length"), [("meter", 1e-3), ("micron", 1e3)])
def test_a_scan_in_metres_or_microns_passes_the_check(
    labelled: LabelledScan, brain, unit: str, length: float
) -> None:
    image = nib.Nifti1Image(
        brain.scan.voxels, np.diag([length, length, length, 1]) @ brain.scan.affine
    )
    image.header.set_xyzt_units(unit)
    nib.save(image, labelled.scan)
    check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


def test_a_packed_scan_whose_name_does_not_say_so_passes_the_check(
    labelled: LabelledScan, tmp_path: Path
) -> None:
    path = labelled.scan.rename(tmp_path / "scan.nii")
    check([replace(labelled, scan=path)], read_mapping(DataSettings(Path("data")), TISSUES))


def test_what_files_hold_is_known_by_the_fingerprint(labelled: LabelledScan, brain) -> None:
    before = labelled.fingerprint
    save(np.roll(brain.labels, 1, 0), brain.scan.affine, labelled.labels)
    assert labelled.fingerprint != before


def moved(affine: np.ndarray) -> np.ndarray:
    return affine + np.array([[0, 0, 0, 1.5], *[[0, 0, 0, 0]] * 3])


def turned(affine: np.ndarray) -> np.ndarray:
    return affine @ np.diag([1, 1, 1.01, 1])


@pytest.mark.parametrize("what", ["labels", "mask"])
@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (lambda values: values[1:], lambda affine: affine, "has shape"),
        (lambda values: values, moved, "lies up to 1.5 mm off its scan's voxels"),
        (lambda values: values, turned, "off its scan's voxels"),
    ],
    ids=["shape", "moved", "stretched"],
)
def test_another_grid_is_refused(
    labelled: LabelledScan, brain, what: str, change: Callable, place: Callable, said: str
) -> None:
    save(change(brain.labels), place(brain.scan.affine), getattr(labelled, what))
    with refused(said) as refusal:
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))
    assert str(refusal.value).startswith(str(getattr(labelled, what)))


def test_label_ids_outside_the_mapping_are_named_with_their_file(
    labelled: LabelledScan, brain
) -> None:
    mapping = read_mapping(DataSettings(Path("data"), mapping={"1": 1, "4": "ignore"}), TISSUES)
    said = f"{labelled.labels}: label ids 2, 3 are not in the mapping"
    with refused(said):
        check([labelled], mapping)
    with refused(said):
        read_example(labelled, mapping)
    save(brain.labels.astype(np.int16) - 1, brain.scan.affine, labelled.labels)
    with refused("label ids -1, 2, 3 are not"):
        check([replace(labelled, mask=None)], mapping)


def test_ids_above_the_mapping_are_named_too(labelled: LabelledScan, brain) -> None:
    save(brain.labels.astype(np.int16) * 1000, brain.scan.affine, labelled.labels)
    with refused("label ids 1000, 2000, 3000, 4000 are not in the mapping"):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


@pytest.mark.parametrize("what", ["scan", "labels", "mask"])
def test_a_damaged_file_is_named(labelled: LabelledScan, what: str) -> None:
    path: Path = getattr(labelled, what)
    path.write_bytes(path.read_bytes()[:100])
    with refused(str(path)):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


def test_fractions_are_no_labels(labelled: LabelledScan, brain) -> None:
    save(brain.labels * np.float32(0.3), brain.scan.affine, labelled.labels)
    with refused("does not hold whole numbers"):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


def test_an_example_is_the_scan_and_its_classes(labelled: LabelledScan, brain) -> None:
    save(brain.labels * 10, brain.scan.affine, labelled.labels)
    mapping = np.full(41, UNKNOWN, np.uint8)
    mapping[[0, 10, 20, 30, 40]] = 0, 1, 2, 3, IGNORED
    scan, classes = read_example(labelled, mapping)
    np.testing.assert_array_equal(scan.voxels, brain.scan.voxels)
    np.testing.assert_array_equal(classes, np.where(brain.labels == 4, IGNORED, brain.labels))
    assert classes.dtype == np.uint8
