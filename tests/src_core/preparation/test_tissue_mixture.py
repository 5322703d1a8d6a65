"""Intensities of another contrast become those of the template."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.preparation.tissue_mixture import TISSUES, find_tissue_mixture

FLUID, GREY, WHITE = TISSUES
CONTRASTS = {
    "T1": (0.2, 0.5, 0.8),
    "T2": (0.9, 0.5, 0.3),
    "FLAIR": (0.2, 0.7, 0.5),
    "fluid like white matter": (0.5, 0.8, 0.5),
}


def voxels(contrast: tuple[float, ...]) -> tuple[np.ndarray, ...]:
    """Tissues (N,), the scan's intensities, and those of a template that knows the place badly."""
    random = np.random.default_rng(0)
    tissues = random.choice(3, size=20_000, p=(0.2, 0.4, 0.4))
    values = np.array(contrast)[tissues] + 0.04 * random.standard_normal(20_000)
    template = np.array(TISSUES)[tissues] + 0.1 * random.standard_normal(20_000)
    return tissues, values.astype(np.float32), template.astype(np.float32)


@pytest.mark.parametrize("contrast", CONTRASTS.values(), ids=CONTRASTS)
def test_each_tissue_gets_the_template_s_intensity(contrast) -> None:
    tissues, values, template = voxels(contrast)
    found = find_tissue_mixture(values, template).template_like(values, template)
    for tissue, intensity in enumerate(TISSUES):
        assert np.median(found[tissues == tissue]) == pytest.approx(intensity, abs=0.06)
    # More is known than the template alone tells.
    truth = np.array(TISSUES)[tissues]
    assert np.abs(found - truth).mean() < 0.7 * np.abs(template - truth).mean()


@pytest.mark.parametrize("contrast", [CONTRASTS["T1"], CONTRASTS["T2"], CONTRASTS["FLAIR"]])
def test_intensities_alone_do_where_each_is_of_one_tissue(contrast) -> None:
    tissues, values, template = voxels(contrast)
    found = find_tissue_mixture(values, template).by_intensity(values)
    means = [found[tissues == tissue].mean() for tissue in range(3)]
    np.testing.assert_allclose(means, TISSUES, atol=0.07)


def test_without_a_contrast_the_template_is_all_there_is() -> None:
    _, _, template = voxels(CONTRASTS["T1"])
    values = np.full(len(template), 0.5, np.float32)
    found = find_tissue_mixture(values, template).template_like(values, template)
    assert np.isfinite(found).all()
    assert np.corrcoef(found, template)[0, 1] > 0.9


def test_intensities_beyond_all_that_were_drawn_are_mapped_too() -> None:
    _, values, template = voxels(CONTRASTS["T2"])
    mixture = find_tissue_mixture(values, template)
    far = np.array([-1.0, 3.0], np.float32)
    found = mixture.template_like(far, np.array([GREY, GREY], np.float32))
    assert found[0] > found[1]  # dark is white matter, bright is fluid
    assert found.min() >= FLUID
    assert found.max() <= WHITE
