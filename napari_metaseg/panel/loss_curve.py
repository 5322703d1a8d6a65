"""The loss of a training, step by step."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from napari_metaseg.panel.drawing import faded, mean_per_pixel

_HEIGHT = 48  # px
_LEAST = 1e-6


class LossCurve(QWidget):
    """A curve on a logarithmic axis, from its lowest to its highest value."""

    def __init__(self) -> None:
        super().__init__()
        self._losses: list[float] = []
        self._steps = 1
        self.setAccessibleName("Loss of the training")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @override
    def sizeHint(self) -> QSize:
        return QSize(200, _HEIGHT)

    def begin(self, steps: int) -> None:
        """Begin another curve of so many steps."""
        self._losses, self._steps = [], max(1, steps)
        self.update()

    def add(self, loss: float) -> None:
        """Draw one more step."""
        self._losses.append(loss)
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter, text = QPainter(self), self.palette().windowText().color()
        plot = QRectF(self.rect())
        painter.fillRect(plot, faded(text, 0.06))
        if not self._losses:
            return
        heights = np.log10(np.maximum(self._losses, _LEAST))
        heights = (heights - heights.min()) / max(float(np.ptp(heights)), 0.1)
        steps = np.arange(len(heights)) / self._steps
        x, y = mean_per_pixel(steps * (plot.width() - 1), 3 + (1 - heights) * (plot.height() - 6))
        painter.setPen(text)
        painter.drawPolyline(QPolygonF([QPointF(*at) for at in zip(x, y, strict=True)]))
        painter.setPen(faded(text, 0.5))
        painter.drawText(plot.adjusted(4, 2, -4, -2), Qt.AlignmentFlag.AlignRight, self._words())

    def _words(self) -> str:
        return f"loss {self._losses[-1]:.3f}"
