"""The intensity rule."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.space.intensity import HIGHEST, IntensityRule, scale_by_means


@pytest.fixture
def values(brain) -> np.ndarray:
    return brain.scan.voxels[brain.mask]


def normalised(rule: IntensityRule, values: np.ndarray) -> np.ndarray:
    return rule.fit(values).normalise(values)


def test_the_quantiles_go_where_the_rule_says(rule, values) -> None:
    found = np.quantile(normalised(rule, values), (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98))
    np.testing.assert_allclose(found, rule.goals, atol=0.015)


@pytest.mark.parametrize(("gain", "offset"), [(37.0, 0), (1e-3, 0), (2.5, -400), (1e4, 1e6)])
def test_another_scale_changes_nothing(rule, values, gain, offset) -> None:
    found = normalised(rule, values.astype(np.float64) * gain + offset)
    np.testing.assert_allclose(found, normalised(rule, values), atol=1e-4)


@pytest.mark.parametrize("gamma", [0.7, 1.5])
def test_gamma_hardly_changes_anything(rule, values, gamma) -> None:
    change = np.abs(normalised(rule, values**gamma) - normalised(rule, values))
    assert change.mean() < 0.01
    assert np.quantile(change, 0.99) < 0.06


def test_brighter_stays_brighter(rule, values) -> None:
    scale = rule.fit(values)
    found = scale.normalise(np.linspace(values.min() - 50, values.max() + 50, 500))
    assert (np.diff(found) >= 0).all()
    assert found.min() == 0
    assert found.max() <= HIGHEST
    assert found.dtype == np.float32


def test_a_bright_vessel_is_cut_off(rule, values) -> None:
    scale = rule.fit(values)
    assert scale.normalise(np.array([100 * values.max()])) == HIGHEST


def test_restoring_leads_back(rule, values) -> None:
    scale = rule.fit(values)
    middle = values[(values > scale.knots[0]) & (values < scale.knots[-1])]
    np.testing.assert_allclose(scale.restore(scale.normalise(middle)), middle, rtol=1e-4)


@pytest.mark.parametrize("levels", [1, 2, 3, 16])
def test_scans_of_few_different_values_can_be_used(rule, values, levels) -> None:
    coarse = np.floor(values / values.max() * (levels - 1e-3))
    found = normalised(rule, coarse)
    assert np.isfinite(found).all()
    # Equal values stay equal and the order is kept.
    by_value = [np.unique(found[coarse == value]) for value in np.unique(coarse)]
    assert all(len(same) == 1 for same in by_value)
    assert (np.diff(np.concatenate(by_value)) > 0).all()


def test_means_lead_back_where_two_intensities_became_one() -> None:
    values = np.linspace(0, 1, 2000)
    own = np.where(np.arange(2000) % 2, 300, 100) + 50 * np.abs(values - 0.5)
    scale = scale_by_means(values, own)
    middles = scale.restore(np.array([0.1, 0.5, 0.9]))
    np.testing.assert_allclose(middles, [220, 200, 220], atol=2)
    np.testing.assert_allclose(scale.restore(np.array([-1.0, 2.0])), 224, atol=3)
