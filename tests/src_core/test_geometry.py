"""However a scan is stored, the labels lie where the brain is and on the grid of the file."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from src_core.io.sample import mni152_t1
from src_core.segment import segment
from tests.helpers.geometry import Variant, centroids, variants, write_variant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Centroids = dict[int, np.ndarray]

FAR_MM = 1.0
MODEL = "brain3d-tissue"
# Every value of every factor at least once.
A_FEW = (
    Variant("RAS", "sheared", (1, 1, 3), "sform", "int16 with slope"),
    Variant("PSR", "oblique", (1, 1, 3), "qform", "float64 with NaN"),
    Variant("LIA", "straight", (1, 1, 3), "both", "trailing axis"),
)
ANOTHER_FEW = (
    Variant("LAS", "oblique", (1, 1, 1), "both", "int16 with slope"),
    Variant("LPI", "sheared", (1, 1, 1), "both", "float64 with NaN"),
)


def by_default(few: tuple[Variant, ...]) -> list:
    """All variants; the few are for every run, the others are slow."""
    assert set(few) <= set(variants())
    return [v if v in few else pytest.param(v, marks=pytest.mark.slow) for v in variants()]


@pytest.mark.parametrize("variant", by_default(A_FEW + ANOTHER_FEW), ids=str)
def test_the_label_map_has_the_geometry_of_the_file(
    brain, tiny_model: Path, tmp_path: Path, variant: Variant
) -> None:
    # Half as large, so that it is quick; forced, because no brain is as small.
    affine = brain.scan.affine @ np.diag([0.5, 0.5, 0.5, 1])
    path = write_variant(brain.scan.voxels, affine, variant, tmp_path / "scan.nii.gz")
    result = segment(path, model=tiny_model, align=False, iterations=0, force=True)
    result.save(tmp_path / "labels.nii.gz")
    stored, labels = nib.load(path), nib.load(tmp_path / "labels.nii.gz")
    assert labels.shape == stored.shape
    np.testing.assert_allclose(labels.affine, stored.affine, atol=1e-5)
    for code in ("sform_code", "qform_code"):
        assert labels.header[code] == stored.header[code]
    for form in ("get_sform", "get_qform"):
        np.testing.assert_allclose(
            getattr(labels.header, form)(), getattr(stored.header, form)(), atol=1e-4
        )


@pytest.fixture(scope="module")
def centroids_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant], Centroids]:
    """Segments the MNI152 sample stored as a variant, once each."""
    path = tmp_path_factory.mktemp("variants") / "scan.nii"
    scan = mni152_t1()

    @cache
    def segmented(variant: Variant) -> Centroids:
        file = write_variant(scan.voxels, scan.affine, variant, path)
        result = segment(file, model=MODEL, iterations=30)
        return centroids(result.labels, result.scan.affine)

    return segmented


@pytest.mark.parametrize("variant", by_default(A_FEW), ids=str)
def test_every_structure_stays_in_place(
    centroids_in: Callable[[Variant], Centroids], variant: Variant
) -> None:
    # Thick slices blur the tissues, so each size of voxels has its own comparison.
    plain = Variant("RAS", "straight", variant.voxel_size, "both", "trailing axis")
    found = centroids_in(variant)
    for label, place in centroids_in(plain).items():
        assert np.linalg.norm(found[label] - place) < FAR_MM
