"""Labelled scans that models are scored on."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from nibabel.affines import apply_affine

from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.evaluation.scans import (
    SLICES_MM,
    LabelledImage,
    coronal_slices,
    evaluation_scans,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_label_ids_outside_the_mapping_are_said_before_anything_is_segmented(
    data_folder: Path,
) -> None:
    with pytest.raises(InputError, match="are not in the mapping"):
        evaluation_scans(DataSettings(data_folder), ["val"], mappings=[np.zeros(2, np.uint8)])


@pytest.mark.parametrize("flip", [1, -1])
def test_slices_lie_in_front_of_and_behind_the_thalami(brain, flip: int) -> None:
    turned = np.ascontiguousarray(brain.scan.voxels.transpose(2, 0, 1)[:, :, ::flip])
    affine = brain.scan.affine[:, [2, 0, 1, 3]]
    if flip < 0:
        affine = affine @ np.diag([1, 1, -1, 1])
        affine[:3, 3] -= affine[:3, 2] * (turned.shape[2] - 1)
    scan = replace(brain.scan, voxels=turned, affine=affine)
    thalami = np.zeros(scan.shape, bool)
    thalami[5:8, 8:12, 20:25] = True
    centre = apply_affine(affine, (6, 10, 22))[1]

    images = coronal_slices(LabelledImage(scan, turned.astype(np.uint8)), thalami)
    assert [image.slice_mm for image in images] == list(SLICES_MM)
    for image in images:
        assert image.scan.is_slice
        (where,) = {
            round(float(y), 3) for y in apply_affine(image.scan.affine, _corners(image))[:, 1]
        }
        assert where == pytest.approx(centre + image.slice_mm, abs=2.001)  # half a voxel
        index = round((where - affine[1, 3]) / affine[1, 2])
        np.testing.assert_array_equal(image.scan.voxels[:, :, 0], turned[:, :, index])
        assert image.classes.shape == image.scan.shape


def test_slices_outside_the_volume_are_left_out(brain) -> None:
    front = replace(brain.scan, voxels=np.ascontiguousarray(brain.scan.voxels[:, 20:]))
    thalami = np.zeros(front.shape, bool)
    thalami[:, 1] = True
    images = coronal_slices(LabelledImage(front, brain.labels[:, 20:]), thalami)
    assert [image.slice_mm for image in images] == [-5.0, 0.0, 5.0, 10.0]


def _corners(image: LabelledImage) -> np.ndarray:
    return np.array([(0, 0, 0), np.array(image.scan.shape) - 1])


def test_a_split_without_scans_is_refused(data_folder: Path) -> None:
    with pytest.raises(
        InputError, match="no scan has the split test; choose others, there are: train, val"
    ):
        evaluation_scans(DataSettings(data_folder), ["test"])


def test_subjects_come_from_the_table(data_folder: Path) -> None:
    found = {
        scan.name: scan.subject
        for scan in evaluation_scans(DataSettings(data_folder), ["train", "val"])
    }
    with (data_folder / "subjects.csv").open(newline="") as file:
        assert found == {row["scan"]: row["subject"] for row in csv.DictReader(file)}
