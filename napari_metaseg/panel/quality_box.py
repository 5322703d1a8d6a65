"""How long to fit: presets and a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSpinBox, QWidget

from napari_metaseg.preferences import CUSTOM, PRESETS, Preferences
from src_core.options import options_of

if TYPE_CHECKING:
    from src_core.models.card import Card


class QualityBox(QWidget):
    """How many iterations: one of three presets, or a number.

    The spin box for the number is not part of this row.
    """

    chosen = Signal()

    def __init__(self, preferences: Preferences, card: Card) -> None:
        super().__init__()
        self.preset = preferences.preset
        self._card = card
        self._custom = preferences.iterations
        self._group = QButtonGroup(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        for preset in (*PRESETS, CUSTOM):
            button = QPushButton(preset, checkable=True, accessibleName=f"Quality {preset}")
            # napari's style shows no difference once both are disabled
            button.setStyleSheet("QPushButton:checked:disabled { text-decoration: underline; }")
            self._group.addButton(button)
            row.addWidget(button, stretch=1)
        self.iterations_box = QSpinBox()
        # The range that the preferences have: a number beyond could not be remembered.
        number = options_of(Preferences)["iterations"]
        self.iterations_box.setRange(int(number.least or 0), int(number.most or 0))
        self.iterations_box.setKeyboardTracking(False)  # a number counts once it is typed in full
        self.iterations_box.setToolTip("The most iterations to fit; another number is Custom.")
        self._update()
        self._group.buttonClicked.connect(self._on_clicked)
        self.iterations_box.valueChanged.connect(self._on_number)

    @property
    def iterations(self) -> int | None:
        """None: as many as the model recommends, with its automatic stop."""
        return None if self.preset == "Balanced" else self._iterations_of(self.preset)

    def set_card(self, card: Card) -> None:
        """Take the numbers of iterations that another model recommends."""
        self._card = card
        self._update()

    def _iterations_of(self, preset: str) -> int:
        if preset == CUSTOM:
            return self._custom
        return max(1, round(PRESETS[preset] * self._card.fit.iterations))

    def _on_clicked(self, button: QPushButton) -> None:
        self.preset = button.text()
        self._update()
        self.chosen.emit()

    def _on_number(self, number: int) -> None:
        self.preset, self._custom = CUSTOM, number
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
