"""Random smooth fields."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.training.changes.random_fields import smooth_field


@pytest.mark.parametrize("shape", [(40, 48, 41), (16, 17, 200), (64, 1, 64)])
def test_a_smooth_field_is_smooth_and_has_the_shape_asked_for(shape) -> None:
    spacing = np.array([16, 12, 20])
    fields = [smooth_field(shape, spacing, np.random.default_rng(seed)) for seed in range(40)]
    assert fields[0].shape == shape
    assert fields[0].dtype == np.float32
    assert np.mean(fields) == pytest.approx(0, abs=0.15)
    assert np.std(fields, axis=0).mean() == pytest.approx(1, abs=0.1)
    if shape[1] > 1:
        assert np.abs(np.diff(fields, axis=2)).mean() < 0.15
