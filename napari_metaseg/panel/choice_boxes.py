"""Combo boxes for layers and models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QComboBox, QFileDialog, QStyle, QStyleOptionComboBox, QStylePainter
from typing_extensions import override

from napari_metaseg.panel.model_card import summary
from src_core.errors import InputError
from src_core.models.bundled import MODEL_SUFFIX, bundled_model_files, own_model_files
from src_core.models.model_file import read_model_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QPaintEvent

    from src_core.models.card import Card


_UNTRAINED = "Any scan, from random weights"


class NarrowBox(QComboBox):
    """A combo box that shortens a long name instead of widening the panel or cutting it off."""

    def __init__(self) -> None:
        super().__init__()
        policy = QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        self.setSizeAdjustPolicy(policy)
        self.setMinimumContentsLength(8)

    @override
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


class LayerBox(NarrowBox):
    """A choice among layers, kept by the layer itself and not by its name.

    Parameters
    ----------
    words : mapping of str to str
        What can be chosen instead of a layer, with titles: the first entries. Without any a layer
        is always chosen if there is one, the newest by itself.
    placeholder : str
        Shown while there is nothing to choose.
    """

    def __init__(self, words: Mapping[str, str] | None = None, placeholder: str = "") -> None:
        super().__init__()
        self._words = dict(words or {})
        self._entries: list[Any] = []
        self.setPlaceholderText(placeholder)
        self.set_layers([])

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        return None if self.word is not None else self._chosen

    @property
    def word(self) -> str | None:
        """What is chosen instead of a layer, or None."""
        return self._chosen if isinstance(self._chosen, str) else None

    @property
    def _chosen(self) -> Any:
        return self._entries[self.currentIndex()] if self.currentIndex() >= 0 else None

    def set_layers(self, layers: Sequence[Any]) -> None:
        """Offer these layers; the chosen one stays chosen if it is among them."""
        chosen = self._chosen
        with QSignalBlocker(self):
            self.clear()
            self._entries = [*self._words, *layers]
            self.addItems([*self._words.values(), *(layer.name for layer in layers)])
            fallback = 0 if self._words else len(self._entries) - 1
            index = self._entries.index(chosen) if chosen in self._entries else fallback
            self.setCurrentIndex(index)

    def choose(self, entry: Any) -> bool:
        """Choose a layer or a word; whether that changed anything."""
        if entry not in self._entries or entry == self._chosen:
            return False
        self.setCurrentIndex(self._entries.index(entry))
        return True


class ModelBox(NarrowBox):
    """A choice among the bundled models, the user's own, and any file.

    Parameters
    ----------
    model : str
        Name or file of the one that is chosen at first, if there is such a model.

    Attributes
    ----------
    selected : str
        Name or file of the chosen one.
    """

    chosen = Signal()

    def __init__(self, model: str) -> None:
        super().__init__()
        self._cards: dict[str, Card] = {}
        own = own_model_files()
        model = str(own.get(model, model))
        for name, file in bundled_model_files().items():
            self._cards[name] = card = read_model_file(file).card
            self.addItem(_UNTRAINED if card.untrained else name, name)
        self.addItem("Choose a file…", "")
        for file in own.values():
            self._add_file(file, quiet=True)
        self.selected = self.itemData(0)
        if model not in self._cards:
            self._add_file(Path(model), quiet=True)
        self._select(model if model in self._cards else self.selected)
        self.activated.connect(self._on_activated)

    @property
    def card(self) -> Card:
        """The card of the chosen model."""
        return self._cards[self.selected]

    def choose_file(self, path: Path) -> None:
        """Choose a model by its file."""
        if self._add_file(path):
            self._select(str(path))
            self.chosen.emit()

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
            card = read_model_file(path).card
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
        self.setToolTip(summary(self.card))

    def _ask(self) -> str:
        path, _ = QFileDialog.getOpenFileName(
            self, "Choose a model", "", f"Models (*{MODEL_SUFFIX})"
        )
        return str(path)
