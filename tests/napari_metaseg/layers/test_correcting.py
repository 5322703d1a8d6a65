"""The live labels painted on with napari's tools, without a window."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.interactions import (
    mouse_move_callbacks,
    mouse_press_callbacks,
    mouse_release_callbacks,
)

from napari_metaseg.controller import Controller
from napari_metaseg.layers.scan_layers import scan_layer
from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.status import State
from src_core.correction.corrections_file import read_corrections, write_corrections
from src_core.correction.stroke import Stroke
from src_core.io.labels import Structure
from src_core.preparation.alignment import Alignment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

ITERATIONS = 4
CSF, WHITE_MATTER, LESION = 1, 3, 7


class Desk:
    """A controller that has fitted a scan, and a brush."""

    def __init__(self, viewer: ViewerModel, controller: Controller, qtbot: Any):
        self.viewer, self.controller, self.qtbot = viewer, controller, qtbot
        self.job, self.correcting = controller.job, controller.correcting
        self.before = np.zeros(0)
        self.choices: dict[str, Any] = {}

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=60_000)

    @property
    def live(self) -> Labels:
        return self.viewer.layers["head labels"]

    @property
    def labels(self) -> np.ndarray:
        self.until(lambda: not self.job.session.lacks(self.job.shown, WHOLE))
        return np.asarray(self.live.data)

    def middle(self, label: int) -> tuple[int, ...]:
        """A place amid a structure, where it is largest; the viewer looks there."""
        plane = int((self.labels == label).sum((1, 2)).argmax())
        self.viewer.dims.set_current_step(0, plane)
        places = np.argwhere(self.labels[plane] == label)
        row, column = places[np.square(places - places.mean(0)).sum(1).argmin()]
        return plane, int(row), int(column)

    def dab(self, place: tuple[int, ...], label: int, size: int = 4) -> np.ndarray:
        """Paint with napari's brush; the places that it has painted."""
        self.before = before = self.labels
        self.live.brush_size = size
        self.live.paint(place, label)
        return np.argwhere(before != self.labels)

    def drag(self, *way: tuple[int, ...]) -> None:
        """Move the mouse over the labels with its left button pressed."""
        event = SimpleNamespace(
            button=1,
            is_dragging=True,
            dims_displayed=[1, 2],
            dims_point=[],
            view_direction=None,
            modifiers=(),
        )
        tell = mouse_press_callbacks
        for number, place in enumerate(way):
            event.type = "mouse_move" if number else "mouse_press"
            event.position = event.dims_point = self.live.data_to_world(place)
            tell(self.live, event)
            tell = mouse_move_callbacks
        event.type = "mouse_release"
        mouse_release_callbacks(self.live, event)

    def at(self, places: np.ndarray) -> set[int]:
        return {int(label) for label in self.labels[tuple(places.T)]}

    def is_as_before(self, places: np.ndarray) -> bool:
        """Whether what stood at some places before the last dab stands there."""
        at = tuple(places.T)
        return np.array_equal(self.labels[at], self.before[at])

    def learned(self, count: int) -> None:
        strokes = self.job.strokes
        self.until(lambda: len(strokes.iterations) == count and not strokes.waiting)
        self.whole()

    def whole(self) -> None:
        self.until(lambda: self.job.table is not None and self.job.table.exact)


@pytest.fixture
def desk(qtbot, brain, model_file, monkeypatch) -> Iterator[Desk]:
    monkeypatch.setattr(
        "src_core.preparation.prepare.align", lambda *_: Alignment(np.eye(4), "none", np.nan)
    )
    monkeypatch.setattr("napari_metaseg.run.pace.REST_BEFORE_WHOLE", 0.1)
    viewer = ViewerModel()
    layer = viewer.add_layer(Layer.create(*scan_layer(brain.scan, "head")))
    controller = Controller(viewer)
    choices = {"model": str(model_file), "iterations": ITERATIONS, "device": "cpu"}
    assert controller.segment(layer, None, None, choices)
    desk = Desk(viewer, controller, qtbot)
    desk.choices = choices
    desk.until(lambda: desk.job.state is State.DONE and len(viewer.layers) == 3)
    desk.whole()
    yield desk
    controller.abort(60)


def test_the_labels_can_be_painted_on_only_while_they_are_corrected(desk) -> None:
    assert desk.correcting.possible
    assert not desk.live.editable
    desk.correcting.begin()
    assert desk.live.editable
    assert desk.live.mode == "paint"
    assert desk.viewer.layers.selection.active == desk.live
    desk.job.show(1)  # strokes go on from the last iteration of the fit
    desk.until(lambda: desk.job.shown == 1)
    assert not desk.live.editable
    desk.job.follow()
    desk.until(lambda: desk.job.shown == ITERATIONS)
    assert desk.live.editable
    desk.correcting.end()
    assert not desk.live.editable


def test_the_brush_begins_with_a_structure_that_there_is(desk) -> None:
    desk.live.selected_label = LESION
    desk.correcting.begin()
    rows = desk.job.table.rows
    largest = max(rows, key=lambda row: row.volume)
    assert desk.live.selected_label == largest.id
    assert desk.correcting.painting == largest.name
    desk.correcting.end()
    (chosen,) = (row for row in rows if row.id == CSF)
    desk.correcting.paint_with(chosen)  # in the table, before there is a brush
    desk.correcting.begin()
    assert desk.live.selected_label == CSF


def test_a_stroke_is_taken_up_when_the_mouse_is_released(desk) -> None:
    desk.correcting.begin()
    place = desk.middle(CSF)
    desk.controller._timer.stop()  # the test says when
    places = desk.dab(place, WHITE_MATTER)
    desk.correcting.tick(drawing=True)
    assert not desk.job.strokes.waiting
    desk.correcting.tick(drawing=False)
    (stroke,) = desk.job.strokes.waiting
    assert len(stroke.voxels) == len(places)
    assert desk.at(places) == {WHITE_MATTER}  # it is seen while it waits
    desk.controller._timer.start()
    desk.learned(1)
    assert desk.at(places) == {WHITE_MATTER}
    desk.job.strokes.undo()
    desk.until(lambda: desk.job.shown == ITERATIONS)
    assert desk.is_as_before(places)


def test_napari_s_keys_take_strokes_back(desk) -> None:
    desk.correcting.begin()
    undo, redo = (
        next(do for key, do in desk.live.keymap.items() if str(key) == name)
        for name in ("Ctrl+Z", "Ctrl+Shift+Z")
    )
    places = desk.dab(desk.middle(CSF), WHITE_MATTER)
    desk.learned(1)
    undo(desk.live)
    desk.until(lambda: desk.job.shown == ITERATIONS)
    assert desk.is_as_before(places)
    redo(desk.live)
    desk.until(lambda: desk.job.shown > ITERATIONS)
    assert desk.at(places) == {WHITE_MATTER}
    desk.correcting.end()
    assert not desk.live.keymap


def test_what_has_changed_is_outlined_for_a_moment(desk, monkeypatch) -> None:
    monkeypatch.setattr("napari_metaseg.layers.followed.SECONDS", 60.0)
    desk.correcting.begin()
    place = desk.middle(CSF)
    before = desk.labels
    outlines = desk.viewer.layers["head followed"]
    assert not outlines.visible
    desk.dab(place, WHITE_MATTER)
    desk.learned(1)
    assert outlines.visible
    np.testing.assert_array_equal(np.asarray(outlines.data), before != desk.labels)
    desk.controller.correcting._followed._until = 0.0
    desk.until(lambda: not outlines.visible)


def test_what_is_painted_as_it_stands_is_a_stroke_too(desk) -> None:
    desk.correcting.begin()
    desk.live.selected_label, desk.live.brush_size = WHITE_MATTER, 4
    plane, row, column = desk.middle(WHITE_MATTER)
    desk.drag((plane, row, column), (plane, row, column + 2))
    desk.learned(1)
    (stroke,) = desk.job.strokes.in_force
    assert len(stroke.voxels) > 12
    assert set(stroke.labels.tolist()) == {WHITE_MATTER}
    desk.live.mode = "erase"
    desk.drag((plane, 1, 1), (plane, 1, 3))  # nothing is held fast outside the brain
    desk.correcting.take_up()
    assert len(desk.job.strokes.in_force) == 1


def test_another_plane_is_painted_on_as_well(desk) -> None:
    desk.controller.show_planes(True)
    desk.correcting.begin()
    place = desk.middle(CSF)
    (view, _) = desk.controller.views.others
    (copy,) = view.copies_of(desk.live)
    assert copy.editable
    before = desk.labels
    copy.paint(place, WHITE_MATTER)
    places = np.argwhere(desk.labels != before)
    assert len({*places[:, 0]}) > 1  # the plane goes through several of the viewer's
    desk.learned(1)
    assert desk.at(places) == {WHITE_MATTER}
    assert copy.keymap
    desk.controller.show_planes(False)


def test_what_is_painted_outside_the_brain_stays_until_the_mask_grows(desk) -> None:
    desk.correcting.begin()
    growth = desk.controller.mask_growth
    places = desk.dab((2, 2, 2), WHITE_MATTER)
    assert not len(growth.outside)  # is not taken up yet
    desk.learned(1)
    assert len(growth.outside) == len(places)
    assert desk.at(places) == {WHITE_MATTER}
    desk.job.strokes.undo()
    desk.until(lambda: desk.job.shown == ITERATIONS)
    assert desk.at(places) == {0}
    assert not len(growth.outside)
    desk.job.strokes.redo()
    voxels, before = growth.outside, desk.job.session
    assert len(voxels) == len(places)
    desk.controller.grow_mask()
    mask = desk.viewer.layers["head brain"]
    assert desk.controller.segment(desk.viewer.layers["head"], mask, None, desk.choices)
    desk.until(lambda: desk.job.session not in (None, before) and desk.job.state is State.DONE)
    desk.learned(1)
    assert desk.job.session.prepared.mask[tuple(voxels.T)].all()
    assert not len(growth.outside)
    assert set(desk.job.session.label_map(desk.job.shown)[tuple(voxels.T)]) == {WHITE_MATTER}


def test_a_label_without_a_structure_waits_for_a_name_or_goes(desk) -> None:
    asked: list[int] = []
    desk.correcting.unknown.connect(asked.append)
    desk.correcting.begin()
    places = desk.dab(desk.middle(WHITE_MATTER), LESION)
    desk.until(lambda: asked == [LESION])
    assert not desk.job.strokes.waiting
    desk.correcting.refuse(LESION)
    assert desk.is_as_before(places)
    desk.dab(desk.middle(WHITE_MATTER), LESION)
    desk.until(lambda: asked == [LESION, LESION])
    desk.correcting.add_structure(Structure(LESION, "Lesion", (255, 0, 0)))
    desk.learned(1)
    assert desk.at(places) == {LESION}
    assert desk.live.selected_label == LESION
    (row,) = [row for row in desk.job.table.rows if row.id == LESION]
    assert row.name == "Lesion"
    assert row.volume > 0
    more = desk.dab(desk.middle(CSF), LESION)
    desk.learned(2)
    assert desk.at(more) == {LESION}


def test_corrections_are_saved_beside_the_labels_and_restored(desk, brain, tmp_path) -> None:
    from napari_metaseg.layers.exports import EXPORTS

    desk.correcting.begin()
    erased = desk.dab(desk.middle(CSF), 0)
    desk.learned(1)
    path = tmp_path / "sub_dseg.nii.gz"
    desk.viewer.layers.selection.active = desk.live
    desk.controller.export(EXPORTS[0], path)
    corrections = tmp_path / "sub_dseg_corrections.nii.gz"
    desk.until(corrections.exists)
    stroke, _ = read_corrections(corrections, brain.scan)
    assert len(stroke.voxels) == len(erased)
    desk.job.strokes.undo()
    desk.until(lambda: desk.job.shown == ITERATIONS)
    desk.correcting.restore(corrections)
    desk.until(lambda: desk.job.shown > ITERATIONS)
    assert desk.at(erased) == {0}
    desk.controller.keep()
    desk.until(lambda: desk.viewer.layers[-1].name == "head labels, stroke 1")
    again = tmp_path / "again.nii.gz"
    desk.controller.export(EXPORTS[0], again)  # of the kept layer, which is selected
    desk.until((tmp_path / "again_corrections.nii.gz").exists)


def test_corrections_of_other_labels_are_not_painted(desk, brain, tmp_path) -> None:
    desk.correcting.begin()
    path = tmp_path / "corrections.nii.gz"
    other = Structure(WHITE_MATTER, "Left-Pallidum", (1, 2, 3))
    stroke = Stroke(np.argwhere(brain.labels)[:5], np.full(5, WHITE_MATTER))
    write_corrections(stroke, brain.scan, path, [other], overwrite=False)
    failures: list[Exception] = []
    desk.job.failed.connect(failures.append)
    desk.correcting.restore(path)
    desk.until(lambda: bool(failures))
    assert "painted on other labels" in str(failures[0])
    assert not desk.job.strokes.waiting
    assert not desk.job.strokes.iterations


def test_nothing_that_was_painted_is_lost_by_closing(desk) -> None:
    desk.correcting.begin()
    live = desk.live
    places = desk.dab(desk.middle(CSF), WHITE_MATTER)
    desk.controller.close()
    desk.until(lambda: isinstance(live.data, np.ndarray))
    assert {int(label) for label in live.data[tuple(places.T)]} == {WHITE_MATTER}


def test_labels_are_read_once_when_another_iteration_is_shown(desk) -> None:
    desk.whole()
    desk.job.show(1)
    desk.until(lambda: desk.job.shown == 1)
    desk.whole()
    read: list[None] = []
    desk.live.events.set_data.connect(lambda _event: read.append(None))
    desk.job.show(ITERATIONS)
    assert desk.job.shown == ITERATIONS
    desk.until(lambda: bool(read))
    desk.qtbot.wait(100)
    assert len(read) == 1
