"""What is segmented, with which model, how long and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QWidget,
)

from napari_metaseg.layers.scan_layers import LIVE
from napari_metaseg.panel.model_card import ModelCard, read_card
from napari_metaseg.preferences import Preferences, load_preferences, save_preferences
from src_core.errors import InputError
from src_core.models.bundled import MODEL_SUFFIX, bundled_model_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QPaintEvent

_CUSTOM = "Custom"
# multiples of the iterations that the model's card recommends
_PRESETS = {"Fast": 0.4, "Balanced": 1.0, "Fine": 2.0}
_DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "CUDA (NVIDIA)", "mps": "MPS (Apple)"}
_MOST_ITERATIONS = 5000


@dataclass(frozen=True)
class Choices:
    """How to segment.

    Attributes
    ----------
    model : str
        Name of a bundled model, or the path of a model file.
    iterations : int or None
        None: as many as the model recommends, with its automatic stop.
    device : {"auto", "cpu", "cuda", "mps"}
    """

    model: str
    iterations: int | None
    device: str


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

        self._scan = _LayerBox(placeholder="Open a scan first")
        self._scan.setToolTip("The T1-weighted image to segment, with its skull stripped.")
        self._mask = _LayerBox(none="None: the scan is stripped")
        self._mask.setToolTip(
            "A Labels layer whose voxels other than 0 are the brain.<br>"
            "Needed only if the scan still shows the skull."
        )
        self._reference = _LayerBox(none="None")
        self._reference.setToolTip(
            "A Labels layer to compare with: Dice is shown while the fit runs.<br>"
            "It never influences the fit."
        )
        self._model = _ModelBox(preferences.model)
        self._quality = _QualityBox(preferences, self._model.card)
        self._more = QToolButton(text="More", checkable=True, autoRaise=True)
        self._more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._more.setToolTip("Device and number of iterations.")
        self._device = QComboBox()
        for device, title in _DEVICES.items():
            self._device.addItem(title, device)
        self._device.setCurrentIndex(max(0, self._device.findData(preferences.device)))
        self._device.setToolTip(
            "Where to compute. Automatic takes an NVIDIA graphics card if there is one,"
            " otherwise the processor."
        )

        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        for title, field in (
            ("Scan", self._scan),
            ("Model", self._model),
            ("Brain mask", self._mask),
            ("Reference", self._reference),
            ("Quality", self._quality),
            ("", self._more),
            ("Device", self._device),
            ("Iterations", self._quality.iterations_box),
        ):
            form.addRow(title, field)
            field.setAccessibleName(title or "More settings")
        self._hidden_at_first = [
            widget
            for field in (self._device, self._quality.iterations_box)
            for widget in (field, form.labelForField(field))
        ]
        self._show_more(preferences.preset == _CUSTOM)

        self._scan.activated.connect(self._choose_scan)
        self._mask.activated.connect(self.changed)
        self._reference.activated.connect(self.changed)
        self._model.chosen.connect(self._choose_model)
        self._quality.chosen.connect(self._choose_quality)
        self._device.activated.connect(self._choose_device)
        self._more.toggled.connect(self._show_more)
        layers = viewer.layers.events
        layers.inserted.connect(self._on_inserted)
        for event in (layers.removed, layers.reordered, layers.renamed):
            event.connect(self._update_layers)
        self._update_layers()
        active = viewer.layers.selection.active
        if active is not None:
            self._scan.choose(active)

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
    def choices(self) -> Choices:
        """How to segment."""
        return Choices(
            self._model.selected, self._quality.iterations, str(self._device.currentData())
        )

    def choose_mask(self, layer: Any) -> None:
        """Take a Labels layer of the viewer for the brain mask."""
        if self._mask.choose(layer):
            self.changed.emit()

    def choose_reference(self, layer: Any) -> None:
        """Take a Labels layer of the viewer for the reference."""
        if self._reference.choose(layer):
            self.changed.emit()

    def set_locked(self, locked: bool) -> None:
        """Disable everything, as while a fit runs, or enable it again."""
        self._locked = locked
        self.setEnabled(not locked)

    def _choose_scan(self) -> None:
        self._scan_chosen_by_hand = True
        self.changed.emit()

    def _choose_model(self) -> None:
        self._quality.set_card(self._model.card)
        _remember(model=self._model.selected)
        self.changed.emit()

    def _choose_quality(self) -> None:
        if self._quality.preset == _CUSTOM:
            self._more.setChecked(True)
            _remember(iterations=self._quality.iterations)
        _remember(preset=self._quality.preset)
        self.changed.emit()

    def _choose_device(self) -> None:
        _remember(device=self._device.currentData())
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
        if before != (self.scan_layer, self.mask_layer, self.reference_layer):
            self.changed.emit()


class _NarrowBox(QComboBox):
    """A combo box that shortens a long name instead of widening the panel or cutting it off."""

    def __init__(self) -> None:
        super().__init__()
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(8)

    def paintEvent(self, event: QPaintEvent) -> None:
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        control, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        width = self.style().subControlRect(control, option, field, self).width()
        option.currentText = self.fontMetrics().elidedText(
            self.currentText() or self.placeholderText(), Qt.TextElideMode.ElideMiddle, width - 4
        )
        painter = QStylePainter(self)
        painter.drawComplexControl(control, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class _LayerBox(_NarrowBox):
    """A choice among layers, kept by the layer itself and not by its name.

    Parameters
    ----------
    none : str, optional
        Title of the first entry, which stands for no layer; without it a layer is always chosen
        if there is one, the newest by itself.
    placeholder : str
        Shown while there is nothing to choose.
    """

    def __init__(self, none: str | None = None, placeholder: str = "") -> None:
        super().__init__()
        self._none = none
        self._layers: list[Any] = []
        self.setPlaceholderText(placeholder)
        self.set_layers([])

    @property
    def layer(self) -> Any:
        return self._layers[self.currentIndex()] if self.currentIndex() >= 0 else None

    def set_layers(self, layers: Sequence[Any]) -> None:
        """Offer these layers; the chosen one stays chosen if it is among them."""
        chosen = self.layer
        first = [] if self._none is None else [None]
        with QSignalBlocker(self):
            self.clear()
            self._layers = [*first, *layers]
            self.addItems([self._none if layer is None else layer.name for layer in self._layers])
            fallback = len(self._layers) - 1 if self._none is None else 0
            index = self._layers.index(chosen) if chosen in self._layers else fallback
            self.setCurrentIndex(index)

    def choose(self, layer: Any) -> bool:
        """Choose a layer; whether that changed anything."""
        if layer not in self._layers or layer == self.layer:
            return False
        self.setCurrentIndex(self._layers.index(layer))
        return True


class _ModelBox(_NarrowBox):
    """A choice among the bundled models and one file of the user's own."""

    chosen = Signal()

    def __init__(self, model: str) -> None:
        super().__init__()
        self._cards: dict[str, ModelCard] = {}
        for name, file in bundled_model_files().items():
            self._cards[name] = read_card(file)
            self.addItem(name, name)
        self.addItem("Choose a file…", "")
        self.selected = self.itemData(0)
        if model not in self._cards:
            self._add_file(Path(model), quiet=True)
        self._select(model if model in self._cards else self.selected)
        self.activated.connect(self._on_activated)

    @property
    def card(self) -> ModelCard:
        return self._cards[self.selected]

    def _on_activated(self) -> None:
        model = self.currentData()
        if not model:
            path = self._ask()
            model = path if path and self._add_file(Path(path)) else self.selected
        changed = model != self.selected
        self._select(model)
        if changed:
            self.chosen.emit()

    def _add_file(self, path: Path, quiet: bool = False) -> bool:
        """Offer a model file just above the last entry; whether it is a model."""
        try:
            card = read_card(path)
        except InputError as error:
            if not quiet:
                from napari.utils.notifications import show_error

                show_error(str(error))
            return False
        if str(path) not in self._cards:
            self.insertItem(self.count() - 1, path.stem, str(path))
        self._cards[str(path)] = card
        return True

    def _select(self, model: str) -> None:
        self.selected = model
        self.setCurrentIndex(self.findData(model))
        self.setToolTip(self.card.summary())

    def _ask(self) -> str:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose a model", "", f"Models (*{MODEL_SUFFIX})"
        )
        return path


class _QualityBox(QWidget):
    """How many iterations: one of three presets, or a number.

    The spin box for the number is not part of this row.
    """

    chosen = Signal()

    def __init__(self, preferences: Preferences, card: ModelCard) -> None:
        super().__init__()
        self.preset = preferences.preset
        self._card = card
        self._custom = preferences.iterations
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for preset in (*_PRESETS, _CUSTOM):
            button = QPushButton(preset, checkable=True, accessibleName=f"Quality {preset}")
            # napari's style shows no difference once both are disabled
            button.setStyleSheet("QPushButton:checked:disabled { text-decoration: underline; }")
            self._group.addButton(button)
            row.addWidget(button, stretch=1)
        self.iterations_box = QSpinBox(minimum=1, maximum=_MOST_ITERATIONS)
        self.iterations_box.setKeyboardTracking(False)  # a number counts once it is typed in full
        self.iterations_box.setToolTip("The most iterations to fit; another number is Custom.")
        self._update()
        self._group.buttonClicked.connect(self._on_clicked)
        self.iterations_box.valueChanged.connect(self._on_number)

    @property
    def iterations(self) -> int | None:
        """As in `Choices`."""
        return None if self.preset == "Balanced" else self._iterations_of(self.preset)

    def set_card(self, card: ModelCard) -> None:
        self._card = card
        self._update()

    def _iterations_of(self, preset: str) -> int:
        if preset == _CUSTOM:
            return self._custom
        return max(1, round(_PRESETS[preset] * self._card.iterations))

    def _on_clicked(self, button: QPushButton) -> None:
        self.preset = button.text()
        self._update()
        self.chosen.emit()

    def _on_number(self, number: int) -> None:
        self.preset, self._custom = _CUSTOM, number
        self._update()
        self.chosen.emit()

    def _update(self) -> None:
        for button in self._group.buttons():
            preset = button.text()
            button.setChecked(preset == self.preset)
            number = self._iterations_of(preset)
            button.setToolTip(
                f"At most {number} iterations; ends by itself once the labels stand still."
                if preset == "Balanced"
                else f"{number} iterations."
            )
        with QSignalBlocker(self.iterations_box):
            self.iterations_box.setValue(self._iterations_of(self.preset))


def _remember(**changes: Any) -> None:
    save_preferences(replace(load_preferences(), **changes))
