"""Views of the same layers in other planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_metaseg.layers.plane_view import PlaneView

if TYPE_CHECKING:
    from napari.layers import Labels

SHAPE = (12, 14, 16)
ORIGIN = (-70.0, -130.0, -90.0)


@pytest.fixture
def viewer() -> ViewerModel:
    """Scan and labels far from the origin, axes superior, anterior, right."""
    viewer = ViewerModel()
    viewer.scene.camera.orientation2d = ("up", "right")
    viewer.add_image(np.arange(np.prod(SHAPE)).reshape(SHAPE), name="scan", translate=ORIGIN)
    viewer.add_labels(np.zeros(SHAPE, np.uint8), name="labels", translate=ORIGIN)
    viewer.dims.point = (-65.0, -128.0, -80.0)
    return viewer


@pytest.fixture
def views(viewer: ViewerModel) -> tuple[PlaneView, PlaneView]:
    return PlaneView(viewer, 0), PlaneView(viewer, 1)


def redrawn(layer: Labels) -> list[None]:
    """Grows whenever a layer is read again."""
    times: list[None] = []
    layer.events.set_data.connect(lambda _event: times.append(None))
    return times


@pytest.mark.parametrize(
    ("order", "others"),
    [
        ((0, 1, 2), [(1, 0, 2), (2, 0, 1)]),
        ((1, 0, 2), [(0, 1, 2), (2, 0, 1)]),
        ((2, 0, 1), [(0, 1, 2), (1, 0, 2)]),
    ],
)
def test_the_two_others_are_cut_across_the_other_axes_and_upright(
    viewer, views, order, others
) -> None:
    viewer.dims.order = order
    assert [view.model.dims.order for view in views] == others


def test_superior_and_anterior_are_up_and_from_the_side_anterior_is_at_the_left(
    viewer, views
) -> None:
    coronal, sagittal = (view.model.scene.camera.orientation2d for view in views)
    assert [str(way) for way in coronal] == ["up", "right"]
    assert [str(way) for way in sagittal] == ["up", "left"]


def test_all_are_cut_at_the_same_place_whoever_moves(viewer, views) -> None:
    models = (viewer, views[0].model, views[1].model)
    for place in ((-60.0, -120.0, -85.0), (-69.0, -117.0, -75.0)):
        for mover in models:
            axis = mover.dims.order[0]
            mover.dims.set_point(axis, place[axis])
        assert viewer.dims.point == place
        assert [model.dims.point[model.dims.order[0]] for model in models] == list(place)


def test_a_view_shows_the_plane_of_the_array(viewer, views) -> None:
    viewer.dims.point = (-65.0, -126.0, -80.0)
    shown = viewer.layers["scan"].data[:, 4, :]
    position = (-62.0, -126.0, -79.0)
    value = views[0].model.layers["scan"].get_value(position, world=True)
    assert value == shown[8, 11]


def test_layers_come_go_and_move_in_all(viewer, views) -> None:
    def names(model: ViewerModel) -> list[str]:
        return [layer.name for layer in model.layers]

    points = viewer.add_points(np.array([[-65.0, -128.0, -80.0]]), name="points")
    viewer.layers.move(0, 3)
    viewer.layers.remove("labels")
    assert names(viewer) == ["points", "scan"]
    for view in views:
        assert names(view.model) == ["points", "scan"]
    viewer.layers.selection.active = points
    assert {view.model.layers.selection.active.name for view in views} == {"points"}


@pytest.mark.parametrize("where", ["viewer", "view"])
def test_what_is_changed_of_one_is_changed_of_all(viewer, views, where) -> None:
    changed = (viewer if where == "viewer" else views[1].model).layers["labels"]
    changed.opacity = 0.3
    changed.brush_size = 7
    changed.selected_label = 5
    changed.mode = "paint"
    changed.visible = False
    for model in (viewer, *(view.model for view in views)):
        labels = model.layers["labels"]
        assert (labels.opacity, labels.brush_size, labels.selected_label) == (0.3, 7, 5)
        assert not labels.visible
    changed.visible = True
    assert all(view.model.layers["labels"].visible for view in views)


def test_painting_in_one_shows_in_all(viewer, views) -> None:
    layers = [model.layers["labels"] for model in (viewer, views[0].model, views[1].model)]
    for painted in layers:
        others = [redrawn(layer) for layer in layers if layer is not painted]
        painted.paint((5, 2, 10), 3)
        assert all(others)
        assert all(layer.data[5, 2, 10] == 3 for layer in layers)
        others = [redrawn(layer) for layer in layers if layer is not painted]
        painted.undo()
        assert all(others)
        assert not layers[0].data.any()


def test_a_new_array_and_what_is_read_again_show_in_all(viewer, views) -> None:
    labels = viewer.layers["labels"]
    copies = [view.model.layers["labels"] for view in views]
    times = [redrawn(copy) for copy in copies]
    labels.data[:] = 2
    labels.refresh()
    assert all(times)
    labels.data = np.full(SHAPE, 4, np.uint8)
    assert all(copy.data is labels.data for copy in copies)


def test_scrolling_reads_the_other_planes_only_where_they_have_moved(viewer, views) -> None:
    times = redrawn(views[0].model.layers["labels"])
    viewer.dims.set_point(0, -63.0)
    assert times == []
    viewer.dims.set_point(1, -120.0)
    assert len(times) == 1


def test_a_closed_one_follows_no_more_and_is_not_followed(viewer, views) -> None:
    for view in views:
        view.close()
    model = views[0].model
    viewer.layers["labels"].opacity = 0.2
    viewer.dims.set_point(0, -60.0)
    viewer.add_image(np.zeros(SHAPE))
    assert model.layers["labels"].opacity != 0.2
    assert model.dims.point[0] == -65.0
    assert len(model.layers) == 2
    model.layers["labels"].visible = False
    assert viewer.layers["labels"].visible
