"""The viewer with its other planes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from napari_metaseg.layers.scan_layers import METADATA_KEY, scan_layer
from napari_metaseg.layers.views import Views
from napari_metaseg.run.region import WHOLE, Region
from src_core.io.scan import scan_from_array

SHAPE = (20, 24, 28)


@pytest.fixture
def views() -> Views:
    """A scan in RAS far from the origin."""
    affine = np.eye(4)
    affine[:3, 3] = (-90, -120, -70)
    scan = scan_from_array(np.arange(np.prod(SHAPE)).reshape(SHAPE), affine)
    viewer = ViewerModel()
    viewer.add_layer(Layer.create(*scan_layer(scan, "scan")))
    viewer.dims.point = (-65.0, -110.0, -80.0)
    return Views(viewer)


def regions(views: Views) -> tuple[Region, ...]:
    layer = views.main.layers["scan"]
    return views.regions(layer, layer.metadata[METADATA_KEY]["orientation"], SHAPE)


def test_the_planes_on_the_screen_begin_with_that_of_the_viewer(views) -> None:
    assert regions(views) == (Region(2, 5),)
    views.open_others()
    assert regions(views) == (Region(2, 5), Region(1, 10), Region(0, 10))
    views.main.dims.order = (1, 0, 2)
    assert regions(views) == (Region(1, 10), Region(2, 5), Region(0, 10))
    views.main.dims.ndisplay = 3
    assert regions(views) == (WHOLE, Region(2, 5), Region(0, 10))
    views.close_others()
    assert regions(views) == (WHOLE,)


def test_another_layer_s_origin_does_not_change_which_plane_of_the_scan_is_shown(views) -> None:
    views.main.add_image(np.zeros((40, 24, 20)), translate=(-90, -120, -90))
    views.main.dims.set_point(0, -65.0)
    assert regions(views)[0] == Region(2, 5)


def test_the_mouse_is_over_one_of_them(views) -> None:
    views.open_others()
    assert views.under_mouse() is views.main
    views.others[1].model.mouse_over_canvas = True
    assert views.under_mouse() is views.others[1].model
    views.close_others()
    assert views.under_mouse() is views.main


@pytest.mark.parametrize("which", [0, 1, 2])
def test_shift_click_cuts_all_planes_there(views, which) -> None:
    before = list(views.main.mouse_drag_callbacks)
    views.open_others()
    models = (views.main, *(view.model for view in views.others))
    place = (-60.0, -100.0, -75.0)
    for modifiers, expected in (((), (-65.0, -110.0, -80.0)), (("Shift",), place)):
        event = SimpleNamespace(modifiers=modifiers, position=place)
        models[which].mouse_drag_callbacks[-1](models[which], event)
        assert views.main.dims.point == expected
        assert [model.dims.point[model.dims.order[0]] for model in models] == list(expected)
    views.close_others()
    assert list(views.main.mouse_drag_callbacks) == before
