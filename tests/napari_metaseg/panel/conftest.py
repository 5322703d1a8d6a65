"""napari's window with the panel, and a small scan."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtWidgets import QSpinBox

from napari_metaseg.preferences import Preferences, save_preferences
from napari_metaseg.run.status import State
from src_core.io.export import write_scalar_map
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from napari_metaseg.panel.panel import SegmentPanel
    from src_core.io.scan import Scan

ITERATIONS = 12
VOXEL_SIZE = 4.0


@pytest.fixture(scope="session")
def phantom_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scan, np.ndarray]:
    """A small scan in a file, in memory, and its labels."""
    scan, labels = phantom(VOXEL_SIZE)
    path = tmp_path_factory.mktemp("scans") / "sub-01_T1w.nii.gz"
    write_scalar_map(scan.voxels, scan, path)
    return path, scan, labels


@dataclass
class Window:
    """A viewer with the panel in it, and ways to wait."""

    viewer: Any
    panel: SegmentPanel
    dock: Any
    qtbot: Any
    told: list[Notification]

    @property
    def job(self) -> Any:
        return self.panel.controller.job

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        self.qtbot.waitUntil(condition, timeout=int(1000 * seconds))

    def layer(self, ending: str) -> Any:
        (found,) = [layer for layer in self.viewer.layers if layer.name.endswith(ending)]
        return found

    def ask_for(self, iterations: int) -> None:
        """Choose how long the next fit is."""
        boxes = self.panel.inputs.findChildren(QSpinBox)
        (box,) = [box for box in boxes if box.accessibleName() == "Iterations"]
        box.setValue(iterations)

    def segment(self) -> None:
        """Click Segment, and wait for the first picture."""
        before = len(self.viewer.layers)
        self.panel.segment()
        self.until(lambda: len(self.viewer.layers) == before + 2 or not self.job.state.running)

    def finish(self) -> None:
        self.until(lambda: not self.job.state.running)
        assert self.job.state is State.DONE, self.job.failure

    def messages(self) -> str:
        return "\n".join(str(notification.message) for notification in self.told)


@pytest.fixture
def window(make_napari_viewer_proxy, qtbot, phantom_file, lively):
    # The quick one: what is tested is the panel.
    quick = Preferences(model="brain3d-tissue", preset="Custom", iterations=ITERATIONS)
    save_preferences(quick)
    told: list[Notification] = []
    notification_manager.notification_ready.connect(told.append)
    viewer = make_napari_viewer_proxy()
    viewer.open(phantom_file[0], plugin="napari-metaseg")
    dock, panel = viewer.window.add_plugin_dock_widget("napari-metaseg", "Segment brain MRI")
    yield Window(viewer, panel, dock, qtbot, told)
    notification_manager.notification_ready.disconnect(told.append)
    panel.controller.abort()
    save_preferences(Preferences())


@pytest.fixture
def lively(monkeypatch):
    """Live pictures come often, and whole ones soon; nothing starves the engine."""
    monkeypatch.setattr("napari_metaseg.run.engine_thread._lower_priority", lambda: None)
    monkeypatch.setattr("napari_metaseg.run.pace.REST_ON_CPU", 0.05)
    monkeypatch.setattr("napari_metaseg.run.pace.LIVE_SHARE", 10.0)
    monkeypatch.setattr("napari_metaseg.run.pace.LIVE_PICTURE", 0.0)
    monkeypatch.setattr("napari_metaseg.run.pace.REST_BEFORE_WHOLE", 0.1)


@pytest.fixture
def slow_steps(monkeypatch):
    """Make every step of a fit take a while, so that things can happen in between."""
    from src_core.fitting.fit import Fit

    step, rest = Fit.__next__, threading.Event()

    def slowly(fit):
        rest.wait(0.1)
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", slowly)
