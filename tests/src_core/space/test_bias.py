"""Strong bias fields are found and weakened; weak ones, and what is none, stay."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.space.bias import BiasField, find_bias_field

SHAPE = (40, 50, 30)
TISSUES = np.array([0.4, 0.68, 1.0])


def brain(shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of a box and their intensities: three tissues in blocks, and noise."""
    random = np.random.default_rng(0)
    indices = np.argwhere(np.ones(shape, bool))
    blocks = random.integers(0, 3, [size // 2 + 1 for size in shape])
    values = TISSUES[blocks[tuple(indices.T // 2)]]
    return indices.astype(np.int16), values * random.normal(1, 0.04, len(values)) * 500


def bowl(indices: np.ndarray, amplitude: float) -> np.ndarray:
    """Factors between 1 - amplitude and 1 + amplitude, bright in the middle and to one side."""
    x, y, z = (2 * indices / indices.max(0).clip(1) - 1).T
    field = x + 0.7 * y - x**2 - y**2 - z**2
    field = 2 * (field - field.min()) / np.ptp(field) - 1
    return 1 + amplitude * field


@pytest.mark.parametrize(
    ("amplitude", "left"),
    [
        pytest.param(0.25, 0.07, id="as it may be in a scan that was learned from"),
        pytest.param(0.5, 0.04, id="as only a coil makes it"),
        pytest.param(0.6, 0.04, id="very strong"),
    ],
)
def test_a_strong_field_is_taken_out_but_for_what_is_usual(amplitude, left) -> None:
    indices, values = brain()
    factors = bowl(indices, amplitude)
    found = find_bias_field(indices, values * factors)
    wanted = np.log(factors) - np.log(factors).mean()
    removed = np.log(found.at(indices))
    assert np.corrcoef(removed, wanted)[0, 1] > 0.99
    assert (wanted - removed).std() == pytest.approx(left, abs=0.01)
    assert found.strength == pytest.approx(removed.std(), abs=1e-3)


@pytest.mark.parametrize("amplitude", [0.0, 0.05])
def test_a_scan_with_a_weak_field_stays_as_it_is(amplitude) -> None:
    indices, values = brain()
    found = find_bias_field(indices, values * bowl(indices, amplitude))
    assert (found.at(indices) == 1).all()
    assert found.strength == 0


def test_a_little_more_of_a_field_never_changes_much() -> None:
    indices, values = brain()
    amplitudes = np.linspace(0.1, 0.6, 51)
    found = [find_bias_field(indices, values * bowl(indices, one)).strength for one in amplitudes]
    steps = np.diff(found)
    assert steps.min() >= 0
    assert steps.max() < 0.015


def test_the_gain_of_the_scan_does_not_matter() -> None:
    indices, values = brain()
    values *= bowl(indices, 0.3)
    expected = find_bias_field(indices, values).at(indices)
    np.testing.assert_allclose(
        find_bias_field(indices, 1e-3 * values).at(indices), expected, rtol=1e-3
    )


def test_a_single_slice_has_a_field_in_its_plane() -> None:
    indices, values = brain((120, 1, 100))
    factors = bowl(indices, 0.4)
    found = np.log(find_bias_field(indices, values * factors).at(indices))
    assert np.corrcoef(found, np.log(factors))[0, 1] > 0.98


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.linspace(-1, 1, 27), id="no zero that a factor leaves in place"),
        pytest.param(np.ones(27), id="all alike"),
        pytest.param(np.r_[np.zeros(26), 1.0], id="nearly empty"),
    ],
)
def test_intensities_that_tell_nothing_of_a_field_stay(values) -> None:
    indices = np.argwhere(np.ones((3, 3, 3), bool))
    assert (find_bias_field(indices, values).at(indices) == 1).all()


def test_one_voxel_is_a_brain_too() -> None:
    found: BiasField = find_bias_field(np.array([[5, 6, 7]]), np.array([3.0]))
    assert found.at(np.array([[5, 6, 7]])) == 1
