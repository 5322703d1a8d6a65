"""Files get proper names, and none is replaced unasked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtWidgets import QMenu, QPushButton

from napari_metaseg.layers import exports
from napari_metaseg.layers.exports import FitExport, LabelsExport, TableExport
from napari_metaseg.panel.export_menu import ExportMenu
from napari_metaseg.run.job import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Shown:
    """The menu, with a user who answers its dialogs."""

    def __init__(self, qtbot: Any) -> None:
        self.job = Job()
        self.widget = ExportMenu(self.job)
        qtbot.addWidget(self.widget)
        self.offered: list[Path] = []
        self.requests: list[tuple[str, Path]] = []
        self.answer: Callable[[Path], Path | None] = lambda path: path
        self.widget.export_requested.connect(self._note)
        self.widget._ask = self._ask  # type: ignore[method-assign]
        menu = self.widget.findChild(QMenu)
        self.commands = {action.text(): action.trigger for action in menu.actions()}
        for button in self.widget.findChildren(QPushButton):
            self.commands[button.text()] = button.click

    def _note(self, export: Any, path: Path) -> None:
        self.requests.append((export.title, path))

    def _ask(self, export: Any, path: Path) -> Path | None:
        self.offered.append(path)
        return self.answer(path)


@pytest.fixture
def shown(qtbot: Any, tmp_path: Path) -> Shown:
    shown = Shown(qtbot)
    assert not shown.widget.isEnabled()
    shown.job.shown = 3
    shown.job.shown_changed.emit()
    assert shown.widget.isEnabled()
    shown.widget.set_source(tmp_path, "sub-01_T1w")
    return shown


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("Save labels…", "sub-01_T1w_dseg.nii.gz"),
        ("Volumes (CSV)…", "sub-01_T1w_volumes.csv"),
        ("Table of structures (TSV)…", "sub-01_T1w_structures.tsv"),
        ("FreeSurfer colour table…", "sub-01_T1w_dseg_freesurfer.txt"),
        ("ITK-SNAP label descriptions…", "sub-01_T1w_dseg_itksnap.txt"),
        ("Probabilities (4D NIfTI)…", "sub-01_T1w_probseg.nii.gz"),
        ("Displacement field (ITK/ANTs)…", "sub-01_T1w_displacement.nii.gz"),
    ],
)
def test_each_export_begins_with_the_name_of_the_scan(
    shown: Shown, tmp_path: Path, command: str, name: str
) -> None:
    shown.commands[command]()
    assert shown.requests == [(command, tmp_path / name)]


def test_of_a_scan_with_a_bids_name_they_are_named_as_the_command_line_does(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = SimpleNamespace(protocol=SimpleNamespace(name="fs32"))
    monkeypatch.setattr(shown.job, "session", session)
    shown.commands["Save labels…"]()
    shown.widget.set_source(None, "sub-01_desc-x_T1w")
    shown.commands["Probabilities (4D NIfTI)…"]()
    shown.widget.set_source(None, "sub-01_T2w")
    shown.commands["Save labels…"]()
    shown.widget.set_source(None, "scan")
    shown.commands["Save labels…"]()
    assert [path.name for path in shown.offered] == [
        "sub-01_seg-fs32_dseg.nii.gz",
        "sub-01_seg-fs32_desc-x_probseg.nii.gz",
        "sub-01_seg-fs32_desc-T2w_dseg.nii.gz",
        "scan_dseg.nii.gz",
    ]


def test_nothing_is_written_when_the_dialog_is_cancelled(shown: Shown) -> None:
    shown.answer = lambda path: None
    shown.commands["Save labels…"]()
    assert shown.offered
    assert not shown.requests


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("mine", "mine.nii.gz"),
        ("mine.v2", "mine.v2.nii.gz"),
        ("mine.nii", "mine.nii"),
        ("mine.mgz", "mine.mgz"),
        ("MINE.NII.GZ", "MINE.NII.GZ"),
    ],
)
def test_a_missing_suffix_is_added(shown: Shown, tmp_path: Path, typed: str, written: str) -> None:
    shown.answer = lambda path: tmp_path / typed
    shown.commands["Save labels…"]()
    assert shown.requests == [("Save labels…", tmp_path / written)]


def test_the_user_is_asked_again_before_a_completed_name_replaces_a_file(
    shown: Shown, tmp_path: Path
) -> None:
    (tmp_path / "mine.nii.gz").touch()
    answers = iter([tmp_path / "mine", None])
    shown.answer = lambda path: next(answers)
    shown.commands["Save labels…"]()
    assert shown.offered[1] == tmp_path / "mine.nii.gz"
    assert not shown.requests


def test_the_next_dialog_begins_in_the_folder_used_last(shown: Shown, tmp_path: Path) -> None:
    shown.answer = lambda path: tmp_path / "derivatives" / path.name
    shown.commands["Save labels…"]()
    shown.commands["Volumes (CSV)…"]()
    assert shown.offered[1].parent == tmp_path / "derivatives"
    shown.widget.set_source(None, "phantom")
    shown.commands["Volumes (CSV)…"]()
    assert shown.offered[2] == tmp_path / "derivatives" / "phantom_volumes.csv"


@pytest.mark.parametrize("kind", [LabelsExport, FitExport, TableExport])
def test_an_entry_of_the_list_is_offered(
    qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    mine = kind("Names…", "Names of all structures.", "_names.txt", (".txt",), print)
    monkeypatch.setattr(exports, "EXPORTS", (*exports.EXPORTS, mine))
    shown = Shown(qtbot)
    shown.widget.set_source(tmp_path, "sub-01_T1w")
    shown.widget.set_labels("layer lesions")
    (action,) = (a for a in shown.widget.findChild(QMenu).actions() if a.text() == "Names…")
    assert action.isEnabled() == (kind is LabelsExport)  # of a layer, nothing that needs the fit
    assert action.toolTip().startswith(mine.help)
    shown.job.shown = 3
    shown.job.shown_changed.emit()
    shown.commands["Names…"]()
    assert shown.requests == [("Names…", tmp_path / "sub-01_T1w_names.txt")]
