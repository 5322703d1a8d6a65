"""The scans of a study in the window, judged and corrected one after another."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_metaseg.review.reading import LABELS, MASK, SCAN
from src_core.cohort.records import Record, read_records
from src_core.cohort.review import read_review
from src_core.errors import InputError
from tests.helpers.study import write_phantoms, write_study

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_metaseg.review.panel import ReviewPanel

N = 4


@pytest.fixture(scope="module")
def made_study(model_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "out", write_phantoms(folder, N), model_file)
    return folder / "out"


@dataclass
class Reviewing:
    """A viewer with the panel in it."""

    viewer: Any
    panel: ReviewPanel
    output: Path
    qtbot: Any
    told: list[str]

    @property
    def shown(self) -> str:
        """Name of the scan on the screen."""
        (name,) = {layer.name.rpartition(" ")[0] for layer in self.viewer.layers}
        return name

    def layer(self, what: str) -> Any:
        return self.viewer.layers[f"{self.shown} {what}"]

    def press(self, title: str) -> None:
        from qtpy.QtWidgets import QPushButton

        buttons = self.panel.findChildren(QPushButton)
        (button,) = (one for one in buttons if one.text().partition(" (")[0] == title)
        assert button.isEnabled()
        button.click()
        self.wait()

    def wait(self) -> None:
        reviewer = self.panel.reviewer
        self.qtbot.waitUntil(lambda: reviewer.is_ready and not reviewer.fitting, timeout=60_000)

    def listed(self) -> list[tuple[str, str]]:
        """Names and verdicts."""
        scans = self.panel.reviewer.scans
        return [(scans.index(row, 0).data(), scans.index(row, 3).data()) for row in range(N)]

    def record(self, name: str) -> Record:
        """What the files tell of a scan, when all is written."""
        self.panel.reviewer.close()
        return next(one for one in read_records(self.output)[0] if one.name == name)


@pytest.fixture
def reviewing(made_study: Path, make_napari_viewer_proxy, qtbot) -> Iterator[Reviewing]:
    output = made_study.with_name("copy")
    shutil.copytree(made_study, output)
    told: list[str] = []
    listen = notification_manager.notification_ready.connect(lambda one: told.append(one.message))
    viewer = make_napari_viewer_proxy()
    _, panel = viewer.window.add_plugin_dock_widget("napari-metaseg", "Review a study")
    panel.open(output)
    found = Reviewing(viewer, panel, output, qtbot, told)
    found.wait()
    yield found
    notification_manager.notification_ready.disconnect(listen)
    panel.reviewer.close()
    shutil.rmtree(output)


def test_verdicts_are_written_at_once_and_lead_on_to_the_next_scan(reviewing) -> None:
    names = [name for name, _ in reviewing.listed()]
    assert reviewing.shown == names[0]
    first = np.array(reviewing.layer(SCAN).data)
    reviewing.panel._note.setText("blurred")
    reviewing.press("Reject")
    assert read_review(reviewing.output)[names[0]].verdict == "reject"
    assert reviewing.shown == names[1]
    assert (reviewing.layer(SCAN).data != first).any()
    assert len(reviewing.viewer.layers) == 3
    reviewing.viewer.dims.set_point(0, reviewing.viewer.dims.point[0] + 24.0)
    place = np.array(reviewing.viewer.dims.point)
    reviewing.press("Next")
    assert reviewing.shown == names[2]
    assert np.abs(np.array(reviewing.viewer.dims.point) - place).max() <= 6  # one voxel
    reviewing.press("Good")
    reviewing.press("Good")
    assert reviewing.shown == names[1]  # the one that was passed over
    reviewing.press("Previous")
    assert reviewing.shown == names[0]
    assert reviewing.panel._note.text() == "blurred"
    reviewing.press("No verdict")
    assert reviewing.shown == names[0]
    assert [verdict for _, verdict in reviewing.listed()] == ["", "", "good", "good"]
    assert read_review(reviewing.output).keys() == set(names[2:])


def test_what_is_painted_is_saved_when_one_goes_on_and_can_be_dropped(reviewing) -> None:
    name, labels = reviewing.shown, reviewing.layer(LABELS)
    made = reviewing.panel.reviewer.record.place.labels
    before = made.read_bytes()
    place = tuple(np.argwhere(labels.data == 1)[0])
    labels.data_setitem(tuple(np.array([at]) for at in place), 3)
    reviewing.press("Next")
    labels.undo()  # of the scan before
    assert reviewing.listed()[0] == (name, "correct")
    reviewing.press("Previous")
    assert reviewing.shown == name
    assert labels.data[place] == 3
    assert reviewing.listed()[0] == (f"{name} *", "correct")
    assert made.read_bytes() == before
    reviewing.press("Original labels")
    assert labels.data[place] == 1
    labels.data_setitem(tuple(np.array([at]) for at in place), 2)
    assert reviewing.record(name).is_corrected  # saved when the window closes


def test_opening_the_study_again_keeps_what_was_painted(reviewing) -> None:
    name, labels = reviewing.shown, reviewing.layer(LABELS)
    place = tuple(np.argwhere(labels.data == 1)[0])
    labels.data_setitem(tuple(np.array([at]) for at in place), 3)
    reviewing.panel.open(reviewing.output)
    reviewing.wait()
    assert (f"{name} *", "correct") in reviewing.listed()
    assert reviewing.record(name).is_corrected


def test_a_painted_mask_stays_when_it_cannot_be_fitted(reviewing, monkeypatch) -> None:
    mask = reviewing.layer(MASK)
    mask.data[: len(mask.data) // 2] = 0
    painted = mask.data.copy()

    def fail(*_: Any, **__: Any) -> None:
        raise InputError("the model is gone")

    monkeypatch.setattr("src_core.cohort.corrected.fit_again", fail)
    reviewing.press("Fit again")
    assert "the model is gone" in reviewing.told[-1]
    np.testing.assert_array_equal(reviewing.layer(MASK).data, painted)


def test_a_scan_is_fitted_again_with_the_mask_that_was_painted(reviewing) -> None:
    name, mask = reviewing.shown, reviewing.layer(MASK)
    reviewing.press("Fit again")
    assert "paint on the layer" in reviewing.told[-1]
    mask.data[: len(mask.data) // 2] = 0
    reviewing.press("Fit again")
    labels = reviewing.layer(LABELS).data
    assert not labels[: len(labels) // 2].any()
    assert labels.any()
    assert reviewing.record(name).report["corrected"] == "fitted"


def test_a_scan_that_cannot_be_read_is_said_and_can_be_rejected(reviewing) -> None:
    first, second = (name for name, _ in reviewing.listed()[:2])
    reviewing.press("Next")
    reviewing.panel.reviewer._ahead.want([])
    record = reviewing.panel.reviewer.scans.record(0)
    record.place.labels.write_bytes(b"nothing")
    reviewing.press("Previous")
    assert first in reviewing.told[-1]
    assert not any(layer.visible for layer in reviewing.viewer.layers)
    reviewing.press("Reject")
    assert reviewing.shown == second
    assert reviewing.layer(LABELS).visible
    assert read_review(reviewing.output)[first].verdict == "reject"
