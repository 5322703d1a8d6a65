"""A DICOM series opens as one layer; several are asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QComboBox, QDialog

from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.reader import read
from src_core.errors import InputError
from tests.helpers.dicom import write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari import Viewer

VOXELS = np.random.default_rng(0).integers(4096, size=(16, 20, 12))
AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])
PLUGIN = "napari-metaseg"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder of two series."""
    write_series(tmp_path / "study" / "a", VOXELS, AFFINE, number=2)
    write_series(tmp_path / "study" / "b", VOXELS[:, :, :9], AFFINE, number=5)
    return tmp_path / "study"


@pytest.fixture
def viewer(make_napari_viewer: Callable[[], Viewer]) -> Viewer:
    return make_napari_viewer()


def answer(accept: bool, seen: list[str]) -> QTimer:
    """Choose the last series in the dialog that is about to come up, or cancel it."""

    def look() -> None:
        for dialog in QApplication.topLevelWidgets():
            if isinstance(dialog, QDialog) and dialog.isVisible():
                box = dialog.findChild(QComboBox)
                seen.extend(box.itemText(row) for row in range(box.count()))
                box.setCurrentIndex(box.count() - 1)
                timer.stop()
                (dialog.accept if accept else dialog.reject)()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(10)
    return timer


def test_a_folder_opens_as_a_layer_of_its_name(viewer: Viewer, study: Path) -> None:
    (layer,) = viewer.open(study / "a", plugin=PLUGIN)
    assert layer.name == "a"
    assert layer.axis_labels == ("S", "A", "R")
    scan, _ = scan_of(layer)
    assert scan.path == study / "a"
    assert scan.shape == VOXELS.shape


def test_all_files_of_a_series_give_one_layer(study: Path) -> None:
    ((_, keywords, kind),) = read(sorted((study / "a").iterdir()))
    assert (keywords["name"], kind) == ("a", "image")


def test_the_user_chooses_among_several_series(viewer: Viewer, study: Path) -> None:
    seen: list[str] = []
    timer = answer(True, seen)
    (layer,) = viewer.open(study, plugin=PLUGIN)
    timer.stop()
    assert seen == ['2 "T1 MPRAGE" (12 files)', '5 "T1 MPRAGE" (9 files)']
    assert scan_of(layer)[0].shape == (16, 20, 9)


def test_nothing_opens_if_the_user_wants_none(viewer: Viewer, study: Path) -> None:
    timer = answer(False, [])
    assert viewer.open(study, plugin=PLUGIN) == []
    timer.stop()


def test_without_a_window_the_series_are_listed(study: Path) -> None:
    with pytest.raises(InputError, match=r"holds 2 series: 2 .* 5 "):
        read(study)


def test_the_window_answers_while_files_are_read(
    viewer: Viewer, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_metaseg.layers import dicom_reader

    answered: list[bool] = []

    def wait_for_the_window(*_: Any) -> Any:
        while not answered:
            pass
        return found(study / "a")

    found = dicom_reader.find_series
    monkeypatch.setattr(dicom_reader, "find_series", wait_for_the_window)
    QTimer.singleShot(0, lambda: answered.append(True))
    assert viewer.open(study / "a", plugin=PLUGIN)


@pytest.mark.parametrize(
    ("lacking", "said"), [([5], "lacks 1 or more slices"), (range(12), "no DICOM images")]
)
def test_what_cannot_be_read_says_why(tmp_path: Path, lacking: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Layer.create(*read(write_series(tmp_path / "T1", VOXELS, AFFINE, lacking=lacking))[0])
