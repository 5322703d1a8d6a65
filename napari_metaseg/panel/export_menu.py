"""Where results are written: a dialog for each kind of file, with a name to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QWidget

from napari_metaseg.layers import exports
from src_core.io.bids_names import is_bids_name, labels_name

if TYPE_CHECKING:
    from napari_metaseg.layers.exports import Export
    from napari_metaseg.run.job import Job


class ExportMenu(QWidget):
    """A button to save labels, and a menu of other files.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    export_requested : Signal(object, object)
        The `Export`, with the path. A file of that name, if there is one, may be replaced: the user
        was asked.
    """

    export_requested = Signal(object, object)

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._folder = Path.home()
        self._stem = "scan"
        self._labels = ""
        self._of_labels, *others = exports.EXPORTS
        self._save = QPushButton(self._of_labels.title)
        self._save.clicked.connect(lambda: self.offer(self._of_labels))
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self._actions = {export: QAction(export.title, menu) for export in others}
        for export, action in self._actions.items():
            action.triggered.connect(lambda _=False, export=export: self.offer(export))
            menu.addAction(action)
        more = QPushButton("More exports")
        more.setMenu(menu)
        more.setToolTip("Tables, probabilities and the warp.")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._save, stretch=1)
        row.addWidget(more, stretch=1)
        job.shown_changed.connect(self._update)
        self._update()

    def set_source(self, folder: Path | None, stem: str) -> None:
        """Take default names from a scan.

        Parameters
        ----------
        folder : Path or None
            Of the scan's file; None if it has none, then the folder used last stays.
        stem : str
            Name of the file without its ending, such as ``sub-01_T1w``.
        """
        self._folder = folder or self._folder
        self._stem = stem

    def set_labels(self, labels: str) -> None:
        """Say whose labels are written, such as "iteration 42"; empty if there are none."""
        self._labels = labels
        self._update()

    def offer(self, export: Export) -> None:
        """Let the user choose a file for an export, and request it."""
        path = self._folder / self._name(export)
        while chosen := self._ask(export, path):
            path = _with_suffix(chosen, export)
            # the dialog asks before a file is replaced, but it saw the name without the suffix
            if path == chosen or not path.exists():
                self._folder = path.parent
                self.export_requested.emit(export, path)
                return

    def _name(self, export: Export) -> str:
        """As the command line names files: by BIDS if the scan is named so."""
        session = self._job.session
        if session is None or not is_bids_name(self._stem):
            return self._stem + export.ending
        return labels_name(self._stem, export.ending[1:], session.protocol.name)

    def _ask(self, export: Export, path: Path) -> Path | None:
        """Let the user choose a file, beginning with this one; None if they did not."""
        patterns = " ".join(f"*{suffix}" for suffix in export.suffixes)
        title = export.title.rstrip("…")
        chosen, _ = QFileDialog.getSaveFileName(self, title, str(path), f"{title} ({patterns})")
        return Path(chosen) if chosen else None

    def _update(self) -> None:
        fitted = self._job.shown is not None
        self.setEnabled(fitted or bool(self._labels))
        whose = f"<br>Now: {self._labels}." if self._labels else ""
        self._save.setToolTip(self._of_labels.help + whose)
        for export, action in self._actions.items():
            of_fit = not isinstance(export, exports.LabelsExport)
            action.setEnabled(fitted or not of_fit)
            action.setToolTip(export.help + ("" if of_fit else whose))


def _with_suffix(path: Path, export: Export) -> Path:
    if path.name.lower().endswith(export.suffixes):
        return path
    suffix = next(suffix for suffix in export.suffixes if export.ending.endswith(suffix))
    return path.with_name(path.name + suffix)
