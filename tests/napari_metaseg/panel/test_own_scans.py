"""The user's own scans in the panel: collected, trained on, and the model chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QInputDialog, QLabel, QListWidget, QPushButton, QToolButton

from src_core.adaptation.own_scans import list_own_scans, own_scans_folder
from src_core.models.bundled import bundled_model_files, own_models_folder

WHITE_MATTER = 3


class Pretended:
    """A training that tells what it is given, and then ends."""

    def __init__(self, told: list[dict[str, Any]]):
        self.told, self.stopped = told, False

    @property
    def running(self) -> bool:
        return bool(self.told) and not self.stopped

    def poll(self) -> list[dict[str, Any]]:
        return [self.told.pop(0)] if self.told else []

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def own(window, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_METASEG_HOME", str(tmp_path))
    widget = window.panel.own_scans
    widget._list()
    widget.findChild(QToolButton).click()
    return widget


def button(widget, text: str) -> QPushButton:
    (found,) = (one for one in widget.findChildren(QPushButton) if one.text() == text)
    return found


def says(widget, text: str) -> bool:
    return any(text in label.text() for label in widget.findChildren(QLabel))


def add(window, own, monkeypatch, name: str) -> None:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_, **__: (name, True))
    button(own, "Learn from this scan…").click()
    window.until(lambda: any(one.name == name for one in list_own_scans(own_scans_folder())))
    window.until(lambda: own.findChild(QListWidget).count() > 0)


def test_a_corrected_scan_is_collected_and_taken_out(window, own, monkeypatch) -> None:
    window.segment()
    window.finish()
    assert not button(own, "Learn from this scan…").isEnabled()
    assert not button(own, "Train on my scans").isEnabled()
    window.panel.controller.correcting.begin()
    live = window.layer(" labels")
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    place = np.argwhere(np.asarray(live.data) == 1)[0]
    live.paint(tuple(place), WHITE_MATTER)
    window.until(lambda: len(window.job.strokes.iterations) == 1)
    add(window, own, monkeypatch, "somebody")
    (scan,) = list_own_scans(own_scans_folder())
    assert scan.corrections is not None
    assert scan.protocol == "tissue4"
    assert button(own, "Train on my scans").isEnabled()
    own.findChild(QListWidget).setCurrentRow(0)
    button(own, "Remove").click()
    assert list_own_scans(own_scans_folder()) == []


def test_a_trained_model_is_listed_and_chosen(window, own, monkeypatch) -> None:
    file = own_models_folder() / "mine.safetensors"
    file.parent.mkdir()
    file.write_bytes(next(iter(bundled_model_files().values())).read_bytes())
    told = [
        {"progress": {"stage": "fits", "done": 1, "total": 4, "figures": {}}},
        {"progress": {"stage": "head", "done": 1, "total": 2, "figures": {"loss": 0.5}}},
        {
            "adapted": {
                "output": str(file),
                "scans": 2,
                "left_out": {"scan": "p1", "before": 0.5, "after": 0.75},
                "notes": ["a note"],
            }
        },
    ]
    training = Pretended(told)
    monkeypatch.setattr("napari_metaseg.panel.own_scans.OwnTraining", lambda *_: training)
    own._begin()
    assert button(own, "Stop").isEnabled()
    window.until(lambda: says(own, "Training on all"))
    window.until(lambda: not button(own, "Stop").isEnabled())
    assert says(own, "p1, left out: Dice 0.500 before, 0.750 after.")
    assert says(own, "a note")
    assert window.panel.inputs.choices["model"] == str(file)


def test_a_training_ends_with_the_panel(window, own, monkeypatch) -> None:
    training = Pretended([{"progress": {"stage": "fits", "done": 1, "total": 4, "figures": {}}}])
    monkeypatch.setattr("napari_metaseg.panel.own_scans.OwnTraining", lambda *_: training)
    own._begin()
    window.panel.end()
    assert training.stopped
