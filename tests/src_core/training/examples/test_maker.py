"""Labelled scans as points with classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine

from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.io.scan import read_on_grid, read_scan
from src_core.space.seen import BLURS
from src_core.space.slices import SliceRange
from src_core.training.changes.settings import SliceSettings

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.training.examples.example import Example

CORONAL = SliceSettings(SliceRange("y", (-40.0, 20.0)), count=3)


def test_points_carry_the_labels_of_their_voxels(maker, scans) -> None:
    (example,) = maker.make(scans[0], 0)
    scan = read_scan(scans[0].scan)
    labels = read_on_grid(scans[0].labels, scan, "reference")
    assert len(example.points) == 5000
    assert (example.name, example.split, example.variant) == ("s0-0", "train", 0)
    indices = example.points.indices.numpy()
    np.testing.assert_array_equal(example.labels, labels[tuple(indices.T)])


def test_the_mirrored_scan_lies_on_the_other_side(maker, scans) -> None:
    (plain,), (mirrored,) = (maker.make(scans[0], variant) for variant in (0, 1))
    voxel = np.array([[0, 0, 0], [10, 0, 0]])
    along = [
        np.diff(apply_affine(example.points.to_template.numpy(), voxel)[:, 0])[0]
        for example in (plain, mirrored)
    ]
    assert along[0] * along[1] < 0
    assert (plain.mirrored, mirrored.mirrored) == (False, True)


def test_nothing_is_mirrored_where_sides_have_no_partners(maker, scans) -> None:
    one_sided = replace(maker, mirrors=False)
    assert one_sided.variants(4) == [0, 2, 3]
    mirrored = next(v for v in range(2, 9) if maker.make(scans[0], v)[0].mirrored)
    assert not one_sided.make(scans[0], mirrored)[0].mirrored


def same(one: Example, other: Example) -> bool:
    return torch.equal(one.points.seen, other.points.seen)


def test_changed_scans_differ_and_can_be_made_again(maker, scans) -> None:
    (two,), (three,), (again,) = (maker.make(scans[0], variant) for variant in (2, 3, 2))
    (other,) = replace(maker, seed=1).make(scans[0], 2)
    assert same(two, again)
    assert not same(two, three)
    assert not same(two, other)


def test_slices_are_cut_and_put_where_they_belong(maker, scans) -> None:
    maker = replace(maker, settings=replace(maker.settings, slices=CORONAL))
    examples = maker.make(scans[0], 0)
    assert len({example.name for example in examples}) == len(examples) == 3
    for example in examples:
        taken = example.points.take(slice(None))
        assert len(np.unique(example.points.indices[:, 1])) == 1
        assert -55 < taken.positions[:, 1].median() < 35
        differences = taken.seen[:, len(BLURS) :]
        assert (differences != 0).any()


def test_scans_are_made_up_for_label_maps_alone(maker, tmp_path: Path) -> None:
    """The phantom's tissues under FreeSurfer's ids: cortex, thalamus, white matter, ventricle."""
    scan, labels = phantom(4.0, seed=3)
    freesurfer = np.array([0, 3, 10, 2, 4], np.int16)
    path = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(freesurfer[labels], scan.affine), path)
    (example,), (other,) = (maker.synthesise(path, variant) for variant in (2, 3))
    assert (example.name, example.split, example.synthetic) == ("head-2", "train", True)
    classes = example.classes(np.zeros(0, np.uint8), protocol("tissue4"))
    assert set(np.unique(classes)) >= {1, 2, 3, 4}
    white, fluid = (example.points.seen[classes == c, 0].median() for c in (3, 4))
    assert white > fluid + 0.2
    assert not same(example, other)

    nib.save(nib.Nifti1Image(freesurfer[labels] + 600, scan.affine), path)
    with pytest.raises(InputError, match=r"head\.nii\.gz: label 600 is not one"):
        maker.synthesise(path, 2)
