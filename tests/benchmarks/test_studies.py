"""Coarser scans, and how the studies keep what they measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from nibabel.affines import apply_affine

from benchmarks.common import kept
from benchmarks.studies.coarse import block_means, every_second, interpolated, repeated
from benchmarks.studies.common import Case, averaged, mean_dice
from src_core.io.protocols import protocol
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def case() -> Case:
    scan, labels = phantom(3.0)
    return Case("phantom", scan, scan.voxels > 0, labels.astype(np.uint8))


def centre(case: Case) -> np.ndarray:
    return apply_affine(case.scan.affine, np.argwhere(case.classes == 3)).mean(axis=0)


def test_coarser_scans_show_the_same_place(case: Case) -> None:
    for coarse in (every_second(case), block_means(case, 2), block_means(case, 3)):
        np.testing.assert_allclose(centre(coarse), centre(case), atol=1.5)
        assert coarse.scan.shape == coarse.brain.shape == coarse.classes.shape


def test_a_block_has_the_label_of_most_of_its_voxels(case: Case) -> None:
    coarse = block_means(case, 2)
    back = repeated(coarse.classes, 2, case.scan.shape)
    assert back.shape == case.scan.shape
    tissue4 = protocol("tissue4")
    assert 0.7 < mean_dice(tissue4.to_ids(back), case.classes, tissue4) < 1


def test_interpolation_keeps_the_voxels_that_are_there(case: Case) -> None:
    coarse = every_second(case)
    fine = interpolated(coarse.scan.voxels, coarse.scan, case.scan)
    np.testing.assert_allclose(fine[::2, ::2, ::2], coarse.scan.voxels, rtol=1e-3, atol=0.5)


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    assert kept(tmp_path / "x.json", lambda: [1, 2]) == [1, 2]
    assert kept(tmp_path / "x.json", lambda: pytest.fail("measured again")) == [1, 2]


def test_numbers_are_averaged_over_scans() -> None:
    rows = [{"model": "m", "scan": scan, "dice": dice} for scan, dice in (("a", 0.5), ("b", 0.7))]
    assert list(averaged(rows, ("model",))) == [{"model": "m", "dice": pytest.approx(0.6)}]
