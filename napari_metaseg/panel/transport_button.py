"""Buttons that step through iterations and play them."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QPushButton
from typing_extensions import override

Sign = tuple[tuple[tuple[float, float], ...], ...]
"""Polygons in a square of 1 by 1."""
PLAY: Sign = (((0.1, 0), (1, 0.5), (0.1, 1)),)
PAUSE: Sign = (
    ((0.1, 0), (0.4, 0), (0.4, 1), (0.1, 1)),
    ((0.6, 0), (0.9, 0), (0.9, 1), (0.6, 1)),
)
NEXT: Sign = (((0, 0), (0.75, 0.5), (0, 1)), ((0.75, 0), (1, 0), (1, 1), (0.75, 1)))
BACK: Sign = tuple(tuple((1 - x, y) for x, y in polygon) for polygon in NEXT)


class TransportButton(QPushButton):
    """A small button with a drawn sign, in the colour that the theme gives to text.

    Parameters
    ----------
    sign : Sign
    name : str
        What it does, for people.
    key : str
        The key that does the same.
    """

    def __init__(self, sign: Sign, name: str, key: str) -> None:
        super().__init__()
        self._key = key
        self.setFixedSize(26, 26)
        # The keyboard stays at the slider, where the arrow keys work.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.show_as(sign, name)

    def show_as(self, sign: Sign, name: str) -> None:
        """Change the sign and what the button is called."""
        self._sign = sign
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({self._key})")
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().buttonText())
        square = QRectF(0, 0, 10, 10)
        square.moveCenter(QRectF(self.rect()).center())
        for polygon in self._sign:
            corners = [
                QPointF(square.left() + square.width() * x, square.top() + square.height() * y)
                for x, y in polygon
            ]
            painter.drawPolygon(QPolygonF(corners))
