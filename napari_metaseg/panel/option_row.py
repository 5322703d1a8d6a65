"""A row of the form for an option that has no widget of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.options import Option


@dataclass(frozen=True, eq=False)
class OptionRow:
    """The widget of an option.

    Attributes
    ----------
    option : Option
    widget : QWidget
    read : callable
        Gives the value that is chosen.
    chosen : signal
        The user has chosen.
    """

    option: Option
    widget: QWidget
    read: Callable[[], Any]
    chosen: Any


def option_row(option: Option, value: Any) -> OptionRow:
    """A widget for an option, with a value that is chosen at first.

    A box to tick, a list, a number or a line of text. An option whose default is None cannot be
    left out by any of them: it needs a widget of its own.
    """
    row: OptionRow
    if option.kind is bool:
        box = QCheckBox()
        box.setChecked(bool(value))
        row = OptionRow(option, box, box.isChecked, box.clicked)
    elif option.choices:
        box = QComboBox()
        for choice, title in option.choices.items():
            box.addItem(title, choice)
        box.setCurrentIndex(max(0, box.findData(value)))
        row = OptionRow(option, box, box.currentData, box.activated)
    elif option.kind in (int, float):
        box = QSpinBox() if option.kind is int else QDoubleSpinBox()
        least = option.kind(option.least or 0)
        box.setRange(least, box.maximum() if option.most is None else option.kind(option.most))
        box.setValue(value)
        box.setKeyboardTracking(False)  # a number counts once it is typed in full
        row = OptionRow(option, box, box.value, box.valueChanged)
    else:
        box = QLineEdit(str(value))
        row = OptionRow(option, box, box.text, box.editingFinished)
    box.setToolTip(option.tip or option.help)
    return row
