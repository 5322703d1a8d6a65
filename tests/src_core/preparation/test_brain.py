"""The brain of a stripped scan is found; a scan with its skull is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.scan import Scan, scan_from_array
from src_core.preparation.brain import brain_mask, with_surroundings

VOXEL_MM = 4
SHAPE = (60, 64, 60)
BRAIN_RADII_MM = (68, 84, 66)
HEAD_RADII_MM = (88, 108, 118)


def ellipsoid(radii: tuple[float, ...], centre: tuple[float, ...] = (0, 0, 0)) -> np.ndarray:
    """A filled ellipsoid around a point given in mm from the middle of the grid."""
    position = (np.indices(SHAPE).T - np.divide(SHAPE, 2)) * VOXEL_MM - centre
    return (np.square(position / radii).sum(axis=-1) < 1).T


def textured(mask: np.ndarray, mean: float = 100, spread: float = 20) -> np.ndarray:
    """Smoothly varied intensities inside the mask, exactly 0 outside."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 1.5)
    return np.where(mask, mean + spread * noise / noise.std(), 0).astype(np.float32)


def scan_of(voxels: np.ndarray) -> Scan:
    return scan_from_array(voxels, np.diag([-VOXEL_MM, VOXEL_MM, VOXEL_MM, 1]))


BRAIN = ellipsoid(BRAIN_RADII_MM)
HEAD = ellipsoid(HEAD_RADII_MM)


def assert_refused(voxels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"not skull-stripped .*SynthStrip or HD-BET.*brain mask"):
        brain_mask(scan_of(voxels))


def test_brain_of_a_stripped_scan_is_what_differs_from_zero() -> None:
    mask = brain_mask(scan_of(textured(BRAIN)))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, BRAIN)


@pytest.mark.parametrize("background", [-1024, 0.18, 1000])
def test_background_may_have_another_constant_value(background: float) -> None:
    voxels = np.where(BRAIN, textured(BRAIN), background)
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), BRAIN)


def test_standardised_intensities_around_zero_are_brain() -> None:
    mask = brain_mask(scan_of(textured(BRAIN, mean=0, spread=1)))
    # on the rim, a voxel that happens to be nearly 0 cannot be told from background
    assert np.count_nonzero(mask != BRAIN) < 0.005 * np.count_nonzero(BRAIN)


def test_ventricles_left_at_zero_belong_to_the_brain() -> None:
    ventricle = ellipsoid((12, 30, 10))
    voxels = np.where(ventricle, 0, textured(BRAIN))
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), BRAIN)


def test_specks_are_dropped_and_large_parts_kept() -> None:
    cerebellum = ellipsoid((40, 16, 22), (0, -104, 0))
    voxels = textured(BRAIN | cerebellum)
    voxels[2, 2, 2] = voxels[4, 50, 5] = 90
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), BRAIN | cerebellum)


def test_one_hot_voxel_does_not_hide_the_brain() -> None:
    voxels = textured(BRAIN)
    voxels[30, 30, 30] = 1e6
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), BRAIN)


@pytest.mark.parametrize("order", [1, 3])
def test_stripped_scan_may_have_been_resampled(order: int) -> None:
    voxels = ndimage.rotate(textured(BRAIN), 17, order=order, reshape=False)
    size = np.count_nonzero(brain_mask(scan_of(voxels)))
    # interpolation smears the rim by up to a voxel on either side
    assert 0.97 < size / np.count_nonzero(BRAIN) < 1.3


@pytest.mark.parametrize("axis", range(3))
def test_slice_of_a_stripped_scan(axis: int) -> None:
    voxels = textured(BRAIN).take([30], axis)
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), voxels > 0)


def test_stripped_scan_may_be_cropped_to_the_brain() -> None:
    box = ndimage.find_objects(BRAIN.astype(int))[0]
    voxels = textured(BRAIN)[box]
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), voxels > 0)


def test_stripped_scan_may_be_a_slab() -> None:
    voxels = textured(BRAIN)[:, :, 26:36]
    np.testing.assert_array_equal(brain_mask(scan_of(voxels)), voxels > 0)


def test_head_in_clean_air_is_refused() -> None:
    assert_refused(textured(HEAD))


@pytest.mark.parametrize("noise", [3, 10])
def test_head_in_noisy_air_is_refused(noise: float) -> None:
    rng = np.random.default_rng(1)
    real, imaginary = rng.normal(scale=noise, size=(2, *SHAPE))
    assert_refused(np.hypot(textured(HEAD) + real, imaginary))


def test_noise_inside_an_empty_rim_is_refused() -> None:
    noise = np.random.default_rng(1).uniform(50, 150, SHAPE)
    voxels = np.zeros(SHAPE)
    voxels[4:-4, 4:-4, 4:-4] = noise[4:-4, 4:-4, 4:-4]
    assert_refused(voxels)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("n_slices", [1, 8])
def test_slice_or_slab_of_a_head_is_refused(axis: int, n_slices: int) -> None:
    assert_refused(textured(HEAD).take(range(28, 28 + n_slices), axis))


def test_given_mask_is_taken_as_it_is() -> None:
    mask = ellipsoid((20, 20, 20)).astype(np.int32) * 5
    np.testing.assert_array_equal(brain_mask(scan_of(textured(HEAD)), mask), mask > 0)


def test_empty_mask_is_refused() -> None:
    with pytest.raises(InputError, match="mask is empty"):
        brain_mask(scan_of(textured(BRAIN)), np.zeros(SHAPE, int))


def test_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="mask has shape"):
        brain_mask(scan_of(textured(BRAIN)), np.ones((3, 3, 3), int))


def test_template_of_nilearn_is_stripped() -> None:
    datasets = pytest.importorskip("nilearn.datasets")
    template = datasets.load_mni152_template(resolution=2)
    scan = scan_from_array(template.get_fdata(), template.affine)
    litres = np.count_nonzero(brain_mask(scan)) * scan.voxel_volume / 1e6
    assert 1.7 < litres < 2


def test_a_mask_grows_by_voxels_and_3_mm_around_them() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[0, 0, 0] = True
    grown = with_surroundings(mask, np.array([[10, 10, 19]]), np.array([1.0, 1.0, 2.0]))
    assert grown[0, 0, 0]
    assert grown[10, 10, 19]
    assert grown[13, 10, 19]
    assert not grown[14, 10, 19]
    assert grown[10, 10, 18]
    assert not grown[10, 10, 17]
    assert mask.sum() == 1
