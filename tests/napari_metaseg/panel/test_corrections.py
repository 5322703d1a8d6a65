"""Labels painted on in the window: the network learns, and what was painted stays."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QDialog, QLabel, QPushButton

from napari_metaseg.panel.layer_list import is_listed
from napari_metaseg.panel.structure_dialog import StructureDialog

WHITE_MATTER, VENTRICLE = 3, 1


class Painter:
    """Corrects the labels of a window that has fitted its scan."""

    def __init__(self, window):
        self.window = window
        self.job = window.job
        self.correcting = window.panel.controller.correcting
        self.live = window.layer(" labels")

    def begin(self) -> None:
        self.button("Correct").click()
        assert self.live.editable

    def button(self, text: str) -> QPushButton:
        buttons = self.window.panel.corrections.findChildren(QPushButton)
        (found,) = (button for button in buttons if button.text() == text)
        return found

    def says(self, text: str) -> bool:
        return any(text in label.text() for label in self.window.panel.findChildren(QLabel))

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.live.data)

    def paint(self, place, label: int = WHITE_MATTER, size: int = 4) -> np.ndarray:
        """A dab of napari's brush; where it painted."""
        before = np.asarray(self.live.data[place[0]])
        self.live.brush_size = size
        self.live.paint(place, label)
        after = np.asarray(self.live.data[place[0]])
        return np.array([(place[0], *at) for at in np.argwhere(before != after)])

    def learned(self, count: int) -> None:
        self.window.until(lambda: len(self.job.strokes.iterations) == count)
        self.whole()

    def whole(self) -> None:
        self.window.until(lambda: self.job.table is not None and self.job.table.exact)

    def at(self, places: np.ndarray) -> set[int]:
        return {int(label) for label in self.labels[tuple(places.T)]}


@pytest.fixture
def painter(window) -> Painter:
    window.segment()
    window.finish()
    painter = Painter(window)
    painter.whole()
    return painter


def middle(labels: np.ndarray, label: int) -> tuple[int, ...]:
    """A voxel in the middle of a structure's largest plane."""
    plane = int((labels == label).sum((1, 2)).argmax())
    places = np.argwhere(labels[plane] == label)
    nearest = places[np.square(places - places.mean(0)).sum(1).argmin()]
    return (plane, *map(int, nearest))


def test_what_is_painted_stays_and_the_network_follows(painter, window) -> None:
    fitted = painter.labels
    assert not painter.live.editable
    painter.begin()
    places = painter.paint(middle(fitted, 1), WHITE_MATTER, size=6)
    assert len(places)
    painter.learned(1)
    assert painter.job.shown == painter.job.iterations[-1] > window.job.session.fit.iteration
    assert painter.at(places) == {WHITE_MATTER}
    assert painter.says("Stroke 1 (suggested)")
    assert painter.says("1 stroke learned")
    painted = np.zeros(fitted.shape, bool)
    painted[tuple(places.T)] = True
    assert ((painter.labels != fitted) & ~painted).any()
    (row,) = [row for row in painter.job.table.rows if row.id == WHITE_MATTER]
    assert row.change > 0


def test_outlines_are_no_layer_of_the_user_s(painter, window) -> None:
    painter.begin()
    assert not is_listed(window.layer(" followed"))
    window.viewer.add_points(np.zeros((1, 3)), name="more")
    window.viewer.layers.move(len(window.viewer.layers) - 1, 0)
    assert not is_listed(window.layer(" followed"))
    assert is_listed(window.layer(" labels"))
    assert is_listed(window.layer("more"))


def test_the_structure_that_is_painted_is_named(painter) -> None:
    painter.begin()
    painter.live.selected_label = WHITE_MATTER
    assert painter.says("Painting White-Matter.")
    painter.live.selected_label = 9
    assert painter.says("Painting label 9, a new structure.")


def test_undo_takes_a_stroke_back_and_redo_does_not(painter, window) -> None:
    fitted = painter.labels
    painter.begin()
    places = painter.paint(middle(fitted, 1), WHITE_MATTER)
    painter.learned(1)
    corrected = painter.labels
    assert not painter.button("Redo").isEnabled()
    painter.button("Undo").click()
    window.until(lambda: painter.job.shown == painter.job.session.fit.iteration)
    np.testing.assert_array_equal(painter.labels, fitted)
    assert painter.live.editable
    assert not painter.button("Undo").isEnabled()
    painter.button("Redo").click()
    window.until(lambda: painter.job.shown == painter.job.iterations[-1])
    np.testing.assert_array_equal(painter.labels, corrected)
    assert painter.at(places) == {WHITE_MATTER}


def test_a_new_structure_gets_a_name_and_the_brush(painter, monkeypatch) -> None:
    def accept(dialog: StructureDialog) -> int:
        dialog.name.setText("Lesion")
        return QDialog.DialogCode.Accepted

    monkeypatch.setattr(StructureDialog, "exec", accept)
    painter.begin()
    painter.button("New structure…").click()
    label = painter.live.selected_label
    assert painter.job.table.rows[-1].name == "Lesion"
    assert painter.job.table.rows[-1].id == label
    places = painter.paint(middle(painter.labels, WHITE_MATTER), label)
    painter.learned(1)
    assert painter.at(places) == {label}
    assert painter.job.table.rows[-1].volume > 0


def test_the_mask_grows_where_it_is_asked_to(painter, window) -> None:
    painter.begin()
    grow = painter.button("Grow the mask there, and fit again")
    assert not grow.isVisibleTo(window.panel)
    painter.paint((2, 2, 2))
    painter.learned(1)
    assert painter.says("painted voxels lie outside the brain mask")
    assert grow.isVisibleTo(window.panel)
    before = painter.job.session
    grow.click()
    window.until(lambda: painter.job.session not in (None, before))
    window.until(lambda: len(painter.job.strokes.iterations) == 1)
    assert window.panel.inputs.mask_layer == window.layer(" brain")
    assert painter.job.session.prepared.mask.sum() > before.prepared.mask.sum()
