"""What is segmented, with which model, how long and where."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QFormLayout, QToolButton, QWidget

from napari_metaseg.layers.scan_layers import LIVE
from napari_metaseg.panel.choice_boxes import LayerBox, ModelBox
from napari_metaseg.panel.option_row import OptionRow, option_row
from napari_metaseg.panel.quality_box import QualityBox
from napari_metaseg.preferences import CUSTOM, load_preferences, remember
from src_core.options import options_of
from src_core.request import BRAIN_WORDS, Request

if TYPE_CHECKING:
    from pathlib import Path

_WITH_A_WIDGET_OF_THEIR_OWN = ("model", "iterations")


class Inputs(QWidget):
    """A form of the layers and the choices that a segmentation starts from.

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
        Whose layers are offered, except those that the plugin itself makes.
    parent : QWidget, optional
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._locked = False
        self._scan_chosen_by_hand = False
        preferences = load_preferences()

        self._scan = LayerBox(placeholder="Open a scan first")
        self._scan.setToolTip("The T1-weighted image to segment, with its skull or without.")
        self._mask = LayerBox(BRAIN_WORDS)
        self._mask.setToolTip(
            "Where the brain is: a Labels layer whose voxels other than 0 are the brain, or<br>"
            "found by itself if the scan shows its skull. What was found can be painted on<br>"
            "and is taken for the next fit."
        )
        self._found: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._reference = LayerBox({"none": "None"})
        self._reference.setToolTip(
            "A Labels layer to compare with: Dice is shown while the fit runs.<br>"
            "It never influences the fit."
        )
        self._model = ModelBox(preferences.model)
        self._quality = QualityBox(preferences, self._model.card)
        self._more = QToolButton(text="More", checkable=True, autoRaise=True)
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.setToolTip("Device, number of iterations, and what to do about grave faults.")
        self._rows = [
            option_row(one, getattr(preferences, one.name, one.default))
            for one in options_of(Request).values()
            if one.title and one.name not in _WITH_A_WIDGET_OF_THEIR_OWN
        ]

        self._lay_out(
            [
                ("Scan", self._scan),
                ("Model", self._model),
                ("Brain mask", self._mask),
                ("Reference", self._reference),
                ("Quality", self._quality),
                ("", self._more),
            ],
            [
                *((row.option.title, row.widget) for row in self._rows),
                ("Iterations", self._quality.iterations_box),
            ],
        )
        self._show_more(preferences.preset == CUSTOM)
        self._listen()
        active = viewer.layers.selection.active
        if active is not None:
            self._scan.choose(active)

    def _lay_out(
        self, shown: list[tuple[str, QWidget]], hidden_at_first: list[tuple[str, QWidget]]
    ) -> None:
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for title, field in (*shown, *hidden_at_first):
            form.addRow(title, field)
            field.setAccessibleName(title or "More settings")
        self._hidden_at_first = [
            widget for _, field in hidden_at_first for widget in (field, form.labelForField(field))
        ]

    def _listen(self) -> None:
        self._scan.activated.connect(self._choose_scan)
        self._mask.activated.connect(self.changed)
        self._reference.activated.connect(self.changed)
        self._model.chosen.connect(self._choose_model)
        self._quality.chosen.connect(self._choose_quality)
        for row in self._rows:
            row.chosen.connect(partial(self._choose_option, row))
        self._more.toggled.connect(self._show_more)
        layers = self._viewer.layers.events
        layers.inserted.connect(self._on_inserted)
        for event in (layers.removed, layers.reordered, layers.renamed):
            event.connect(self._update_layers)
        self._update_layers()

    @property
    def scan_layer(self) -> Any:
        """The Image layer to segment, or None."""
        return self._scan.layer

    @property
    def mask_layer(self) -> Any:
        """The Labels layer that says where the brain is, or None."""
        return self._mask.layer

    @property
    def reference_layer(self) -> Any:
        """The Labels layer to compare with, or None."""
        return self._reference.layer

    @property
    def choices(self) -> dict[str, Any]:
        """How to segment: options of a request by name."""
        return {
            "model": self._model.selected,
            "iterations": self._quality.iterations,
            "brain": self._mask.word or "auto",
            **{row.option.name: row.read() for row in self._rows},
        }

    def choose_mask(self, layer: Any) -> None:
        """Take a Labels layer of the viewer for the brain mask."""
        if self._mask.choose(layer):
            self.changed.emit()

    def choose_found_mask(self, scan_layer: Any, layer: Any) -> None:
        """Take the mask that was found for a scan, whenever that scan is chosen."""
        self._found[scan_layer] = layer
        if scan_layer is self.scan_layer:
            self.choose_mask(layer)

    def choose_reference(self, layer: Any) -> None:
        """Take a Labels layer of the viewer for the reference."""
        if self._reference.choose(layer):
            self.changed.emit()

    def choose_model(self, file: Path) -> None:
        """Have one more file of a model in the list, and choose it."""
        self._model.choose_file(file)

    def set_locked(self, locked: bool) -> None:
        """Disable everything, as while a fit runs, or enable it again."""
        self._locked = locked
        self.setEnabled(not locked)

    def _choose_scan(self) -> None:
        self._scan_chosen_by_hand = True
        self._follow_scan()
        self.changed.emit()

    def _follow_scan(self) -> None:
        """Leave a mask that was found for another scan."""
        scan = self.scan_layer
        known = None if scan is None else self._found.get(scan)
        if known is not None or self.mask_layer in self._found.values():
            self._mask.choose(known or "auto")

    def _choose_model(self) -> None:
        self._quality.set_card(self._model.card)
        remember(model=self._model.selected)
        self.changed.emit()

    def _choose_quality(self) -> None:
        if self._quality.preset == CUSTOM:
            self._more.setChecked(True)
            remember(iterations=self._quality.iterations)
        remember(preset=self._quality.preset)
        self.changed.emit()

    def _choose_option(self, row: OptionRow, *_: object) -> None:
        if row.option.remembered:
            remember(**{row.option.name: row.read()})
        self.changed.emit()

    def _show_more(self, shown: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if shown else Qt.ArrowType.RightArrow
        self._more.setArrowType(arrow)
        with QSignalBlocker(self._more):
            self._more.setChecked(shown)
        for widget in self._hidden_at_first:
            widget.setVisible(shown)

    def _on_inserted(self, event: Any) -> None:
        if not isalive(self):
            return
        self._update_layers()
        if not self._locked and not self._scan_chosen_by_hand and self._scan.choose(event.value):
            self._follow_scan()
            self.changed.emit()

    def _update_layers(self) -> None:
        # napari may call once more after Qt has deleted the widget with its dock
        if not isalive(self):
            return
        from napari.layers import Image, Labels

        offered = [layer for layer in self._viewer.layers if not layer.metadata.get(LIVE)]
        images = [layer for layer in offered if isinstance(layer, Image)]
        labels = [layer for layer in offered if isinstance(layer, Labels)]
        before = self.scan_layer, self.mask_layer, self.reference_layer
        if before[0] not in images:
            self._scan_chosen_by_hand = False
        self._scan.set_layers(images)
        self._mask.set_layers(labels)
        self._reference.set_layers(labels)
        if before[0] is not self.scan_layer:
            self._follow_scan()
        if before != (self.scan_layer, self.mask_layer, self.reference_layer):
            self.changed.emit()
