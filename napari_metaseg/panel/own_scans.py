"""The user's own corrected scans: collected, listed, and trained on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QInputDialog,
    QLabel,
    QListWidget,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_metaseg.layers.named_labels import NamedLabels
from napari_metaseg.panel.loss_curve import LossCurve
from napari_metaseg.run.own_training import OwnTraining, output_for
from src_core.adaptation.own_scans import (
    add_own_scan,
    list_own_scans,
    own_scans_folder,
    remove_own_scan,
)
from src_core.errors import InputError
from src_core.io.export import image_stem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_metaseg.controller import Controller
    from napari_metaseg.run.session import Session

_POLL_MS = 200
_ROWS = 4
"""Most scans of the list that are seen at once."""
_STAGES = {
    "fits": "Fitting the scans",
    "left out": "Training without the last scan",
    "head": "Training on all",
}


class OwnScans(QWidget):
    """What the user's own scans are, and a training on them.

    Parameters
    ----------
    controller : Controller
    choices : callable
        Gives the model and the device that are chosen now, as options of a request.
    """

    trained = Signal(object)  # the file of a model

    def __init__(self, controller: Controller, choices: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__()
        self._controller = controller
        self._job = controller.job
        self._choices = choices
        self._training: OwnTraining | None = None
        self._stage = ""
        self._open = QToolButton(checkable=True, autoRaise=True)
        self._open.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._open.setToolTip("Scans that you have corrected, and models that learn from them.")
        self._learn = QPushButton("Learn from this scan…")
        self._learn.setToolTip(
            "Add the scan, with the labels on the screen and what you painted, to your own scans."
        )
        self._scans = QListWidget()
        self._scans.setAccessibleName("My scans")
        self._remove = QPushButton("Remove")
        self._remove.setToolTip("Take the selected scan out of your own scans.")
        self._train = QPushButton("Train on my scans")
        self._train.setToolTip(
            "Train the chosen model further on your own scans, in the background. With scans of "
            "two people or more, the last one is left out at first, to tell what is gained."
        )
        self._stop = QPushButton("Stop")
        self._stop.setToolTip("End the training; the same one goes on from there another time.")
        self._bar, self._curve, self._told = QProgressBar(), LossCurve(), QLabel()
        self._bar.setAccessibleName("Progress of the training")
        self._told.setWordWrap(True)
        self._told.setTextFormat(Qt.TextFormat.PlainText)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._lay_out()
        self._listen()
        self._list()
        self._show_open(False)

    def _lay_out(self) -> None:
        self._inside = QWidget()
        collect, train = QHBoxLayout(), QHBoxLayout()
        for row, first, second in (
            (collect, self._learn, self._remove),
            (train, self._train, self._stop),
        ):
            row.addWidget(first, stretch=2)
            row.addWidget(second, stretch=1)
        inside = QVBoxLayout(self._inside)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(4)
        inside.addWidget(self._scans)
        inside.addLayout(collect)
        inside.addLayout(train)
        for widget in (self._told, self._bar, self._curve):
            inside.addWidget(widget)
            widget.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self._open)
        column.addWidget(self._inside)

    def _listen(self) -> None:
        self._open.toggled.connect(self._show_open)
        self._learn.clicked.connect(self._ask_for_name)
        self._remove.clicked.connect(self._remove_selected)
        self._train.clicked.connect(self._begin)
        self._stop.clicked.connect(self.end)
        self._scans.itemSelectionChanged.connect(self._show_buttons)
        self._timer.timeout.connect(self._poll)
        self._job.strokes_changed.connect(self._show_buttons)
        self._job.shown_changed.connect(self._show_buttons)

    def end(self) -> None:
        """End the training that is under way, if there is one."""
        training, self._training = self._training, None
        if training is not None:
            self._timer.stop()
            training.stop()
            self._say("Stopped; the same training goes on from there.")
        self._show_buttons()

    # ------------------------------------------------------------------ the scans

    def _ask_for_name(self) -> None:
        session = self._job.session
        if session is None:
            return
        path = session.scan.path
        suggested = image_stem(path) if path is not None else "scan"
        text = "Name of the scan among your own:"
        name, given = QInputDialog.getText(self, "Learn from this scan", text, text=suggested)
        name = name.strip()
        if not given or not name:
            return
        taken = name in self._names()
        if taken:
            asked = f"There is a scan {name} already. Take this one in its place?"
            if QMessageBox.question(self, "My scans", asked) != QMessageBox.StandardButton.Yes:
                return
        self._controller.when_whole(partial(self._collect, name, taken))

    def _collect(self, name: str, overwrite: bool, session: Session, iteration: int) -> None:
        def add() -> None:
            labels = NamedLabels.of_iteration(session, iteration)
            painted = labels.painted
            add_own_scan(
                own_scans_folder(),
                name,
                session.scan,
                session.prepared.mask,
                labels.label_map,
                labels.structures,
                labels.details,
                painted=None if painted is None else (painted, labels.painted_as),
                overwrite=overwrite,
            )

        def then(_: object) -> None:
            self._list()
            show_info(f"{name} is one of your own scans now")

        self._job.run(add, then)

    def _remove_selected(self) -> None:
        for item in self._scans.selectedItems():
            try:
                remove_own_scan(own_scans_folder(), item.text())
            except InputError as error:
                show_error(str(error))
        self._list()

    def _names(self) -> list[str]:
        return [self._scans.item(row).text() for row in range(self._scans.count())]

    def _list(self) -> None:
        self._scans.clear()
        self._scans.addItems([scan.name for scan in list_own_scans(own_scans_folder())])
        count = self._scans.count()
        for widget in (self._scans, self._remove, self._train, self._stop):
            widget.setVisible(count > 0)
        self._scans.setFixedHeight(min(count, _ROWS) * (self.fontMetrics().height() + 4) + 6)
        self._open.setText(f"My scans ({count})" if count else "My scans")
        self._show_buttons()

    # ------------------------------------------------------------------ the training

    def _begin(self) -> None:
        choices = self._choices()
        model, self._stage = str(choices["model"]), ""
        self._training = OwnTraining(
            model, own_scans_folder(), output_for(model), str(choices["device"])
        )
        self._say("Starting …")
        self._bar.setRange(0, 0)
        self._curve.hide()
        self._timer.start()
        self._show_buttons()

    def _poll(self) -> None:
        training = self._training
        if training is None:
            return
        ended = not training.running
        for news in training.poll():
            if "progress" in news:
                self._show_progress(news["progress"])
            elif "adapted" in news:
                self._show_adapted(news["adapted"])
            else:
                self._say(news["failed"])
                show_error(news["failed"])
        if ended:
            self._training = None
            self._timer.stop()
            self._show_buttons()

    def _show_progress(self, progress: Mapping[str, Any]) -> None:
        stage, loss = progress["stage"], progress["figures"].get("loss")
        if stage != self._stage:
            self._stage = stage
            self._curve.begin(progress["total"])
            self._say(f"{_STAGES.get(stage, stage)} …")
        self._bar.setRange(0, progress["total"])
        self._bar.setValue(progress["done"])
        self._curve.setVisible(loss is not None)
        if loss is not None:
            self._curve.add(loss)

    def _show_adapted(self, adapted: Mapping[str, Any]) -> None:
        output, left_out = Path(adapted["output"]), adapted["left_out"]
        words = [f"{output.stem} is in the list of models, and chosen."]
        if left_out is not None:
            before, after = left_out["before"], left_out["after"]
            words.append(
                f"{left_out['scan']}, left out: Dice {before:.3f} before, {after:.3f} after."
            )
        self._say("\n".join([*words, *adapted["notes"]]))
        self.trained.emit(output)

    # ------------------------------------------------------------------ what is seen

    def _say(self, words: str) -> None:
        self._told.setText(words)
        self._told.show()

    def _show_open(self, shown: bool) -> None:
        self._open.setArrowType(Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow)
        self._inside.setVisible(shown)

    def _show_buttons(self) -> None:
        strokes, running = self._job.strokes, self._training is not None
        corrected = bool(strokes.position or strokes.waiting) and self._job.shown is not None
        self._learn.setEnabled(corrected)
        self._remove.setEnabled(bool(self._scans.selectedItems()))
        self._train.setEnabled(self._scans.count() > 0 and not running)
        self._stop.setEnabled(running)
        self._bar.setVisible(running)
