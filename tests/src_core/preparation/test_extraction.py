"""The brain is found in a whole head, by a program that may be missing or fail."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine

from src_core.errors import InputError
from src_core.io.sample import phantom
from src_core.io.sample_head import head_around
from src_core.io.scan import Scan, scan_from_array, slice_of
from src_core.preparation.extraction import DeepBet, extract_brain, installed
from tests.helpers.extractors import FakeExtractor


def bright(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return voxels > 0.5


def box(voxel_size: tuple[float, ...], shape: tuple[int, ...] = (40, 44, 48)) -> Scan:
    """A bright box, off the middle, in a turned grid."""
    voxels = np.zeros(shape, np.float32)
    voxels[8:20, 12:28, 16:40] = 1
    affine = np.diag([-voxel_size[0], voxel_size[1], voxel_size[2], 1.0])[:, [2, 0, 1, 3]]
    affine[:3, 3] = (7, -11, 13)
    return scan_from_array(voxels, affine)


def test_the_brain_is_what_was_found_and_by_whom() -> None:
    scan, extractor = box((1, 1, 1)), FakeExtractor(bright)
    brain = extract_brain(scan, extractor)
    np.testing.assert_array_equal(brain.mask, scan.voxels > 0)
    assert brain.origin == "fake 1.0"
    assert brain.found
    assert extractor.heads == [scan.shape]


@pytest.mark.parametrize(
    ("voxel_size", "seen"),
    [
        ((0.5, 0.5, 0.5), (20, 22, 24)),
        ((0.5, 0.5, 1.0), (20, 22, 48)),
        ((0.3, 0.3, 3.0), (13, 15, 48)),
        ((0.8, 0.8, 0.8), (40, 44, 48)),
    ],
)
def test_fine_voxels_are_thinned_and_the_brain_lies_where_it_was(voxel_size, seen) -> None:
    shape = (40, 44, 48)
    voxels = box((1, 1, 1)).voxels
    scan = scan_from_array(voxels, np.diag([*voxel_size, 1.0]))
    extractor = FakeExtractor(bright)
    brain = extract_brain(scan, extractor)
    assert extractor.heads == [seen]
    assert brain.mask.shape == shape
    thickness = [max(1, round(1 / size)) for size in voxel_size]
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        found, truth = (np.flatnonzero(m.any(axis=others)) for m in (brain.mask, voxels > 0))
        assert abs(found[0] - truth[0]) < thickness[axis]
        assert abs(found[-1] - truth[-1]) < thickness[axis]


def test_a_thinned_head_is_shown_where_it_lies() -> None:
    scan = box((0.5, 0.5, 1))

    def lies_right(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
        index = np.argwhere(voxels > 0)
        middle = index.mean(0) @ affine[:3, :3].T + affine[:3, 3]
        truth = np.argwhere(scan.voxels > 0).mean(0) @ scan.affine[:3, :3].T + scan.affine[:3, 3]
        np.testing.assert_allclose(middle, truth, atol=0.51)
        return voxels > 0

    extract_brain(scan, FakeExtractor(lies_right))


def nothing(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    return np.zeros(voxels.shape, bool)


def refuses(voxels: np.ndarray, affine: np.ndarray) -> np.ndarray:
    raise ValueError("too dark")


@pytest.mark.parametrize(("find", "words"), [(nothing, "no brain"), (refuses, "too dark")])
def test_a_head_without_a_brain_is_refused_with_advice(find, words) -> None:
    with pytest.raises(InputError, match=f"deepbet found no brain.*{words}|{words}.*brain mask"):
        extract_brain(box((1, 1, 1)), FakeExtractor(find))


def test_no_brain_is_looked_for_in_a_slice() -> None:
    with pytest.raises(InputError, match="single slice"):
        extract_brain(slice_of(box((1, 1, 1)), 1, 20), FakeExtractor(bright))


def test_a_missing_program_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(InputError, match=r'pip install "napari-metaseg\[strip\]"'):
        installed("deepbet")


def test_deepbet_finds_the_brain_of_a_head() -> None:
    pytest.importorskip("deepbet")
    scan, _ = phantom(3.0)
    head = head_around(scan)
    found = extract_brain(head, DeepBet()).mask
    to_head = np.linalg.inv(head.affine) @ scan.affine
    inside = np.round(apply_affine(to_head, np.argwhere(scan.voxels > 0))).astype(int)
    truth = np.zeros(head.shape, bool)
    truth[tuple(inside.T)] = True
    assert 2 * np.count_nonzero(found & truth) / (found.sum() + truth.sum()) > 0.9
