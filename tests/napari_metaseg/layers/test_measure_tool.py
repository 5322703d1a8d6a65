"""Volumes and Dice of layers of labels, as napari's form gives them."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_metaseg.layers.measure_tool import measure_labels
from src_core.errors import InputError

DATA = np.zeros((10, 12, 14), np.uint8)
DATA[2:4, 3:6, 5:9] = 3  # 24 voxels


def test_volumes_are_those_of_the_voxels() -> None:
    layer = Labels(DATA, scale=(2, 1, 1))
    measure_labels(layer)
    row = layer.features.set_index("index").loc[3]
    assert row["volume (mL)"] == 0.048


def test_with_a_reference_overlap_is_measured_too() -> None:
    layer, reference = Labels(DATA), Labels(np.roll(DATA, 1, axis=0))
    measure_labels(layer, reference)
    assert layer.features.set_index("index").loc[3, "Dice"] == 0.5


@pytest.mark.parametrize("reference", [Labels(DATA[1:]), Labels(DATA, translate=(0, 3, 0))])
def test_a_reference_on_another_grid_is_refused(reference: Labels) -> None:
    with pytest.raises(InputError, match="grid"):
        measure_labels(Labels(DATA), reference)


def test_a_reference_in_another_protocol_is_refused() -> None:
    volumes = [np.where(DATA > 0, label, 0) for label in (4, 14)]
    parcels, structures = (
        Labels(volume, features={"index": [0, label], "name": ["Background", "3rd-Ventricle"]})
        for volume, label in zip(volumes, (4, 14), strict=True)
    )
    with pytest.raises(InputError, match="of protocol nm134, those of the reference of fs"):
        measure_labels(parcels, structures)
    measure_labels(parcels, Labels(volumes[0]))  # of which nothing is known
    assert parcels.features["Dice"][1] == 1


def test_napari_makes_a_form_of_it(make_napari_viewer_proxy) -> None:
    viewer = make_napari_viewer_proxy()
    layer = viewer.add_labels(DATA)
    _, form = viewer.window.add_plugin_dock_widget("napari-metaseg", "Measure labels")
    form()
    assert "volume (mL)" in layer.features
