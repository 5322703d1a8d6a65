"""File > Open Sample opens something to try, or says what is missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from napari.layers import Layer

from napari_metaseg.layers import sample_data
from napari_metaseg.layers.geometry import labels_on_grid, scan_of
from src_core.errors import InputError
from src_core.io import sample_head
from src_core.io.sample import phantom
from tests.napari_metaseg.conftest import status_at


def test_the_phantom_has_its_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    small = phantom(4.0)
    monkeypatch.setattr(sample_data, "phantom", lambda: small)
    image, labels = (Layer.create(*layer) for layer in sample_data.phantom_with_labels())
    assert scan_of(image)[0] is small[0]
    np.testing.assert_array_equal(labels_on_grid(labels, image, "reference"), small[1])
    assert "White-Matter" in status_at(labels, 3)


def test_the_template_is_shown_upright() -> None:
    pytest.importorskip("nilearn")
    (layer,) = (Layer.create(*layer) for layer in sample_data.mni152())
    assert layer.data.shape == (189, 233, 197)
    assert layer.axis_labels == ("S", "A", "R")


def test_the_head_is_one_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_head, "mni152_t1", lambda: phantom(6.0)[0])
    (layer,) = (Layer.create(*layer) for layer in sample_data.head())
    assert layer.name == "Head T1"
    assert scan_of(layer)[0].voxels.min() >= 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nilearn.datasets", None)
    with pytest.raises(InputError, match="nilearn, which is not installed"):
        sample_data.mni152()
    with pytest.raises(InputError, match="nilearn, which is not installed"):
        sample_data.head()
