"""Curves of a fit: how good the reconstruction is, and how much the labels still change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from napari_metaseg.panel.curve import CURVES, Curve
from napari_metaseg.panel.drawing import MARK, faded, mean_per_pixel, suggestion_mark
from src_core.fitting.history import nearest

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_MARGIN = 4  # px, left and right of the plot, so that lines at its ends are not cut
_PLOT_HEIGHT = 64  # px


class Curves(QWidget):
    """PSNR, label change and, with a reference, Dice over the iterations of a fit.

    Each curve has its own axis from its lowest to its highest value, logarithmic for the change.
    The vertical line is the iteration that is shown, whose values the legend says; the triangle
    is the suggested one. A click or drag shows the iteration under the mouse.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional
    """

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._iterations = np.empty(0)
        self._values = np.empty((len(CURVES), 0))  # nan where not measured
        self._dragged_to: int | None = None
        self.setAccessibleName("Curves of the fit")
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._refresh()
        job.progressed.connect(self._refresh)
        # At once, not by a timer: so it is painted together with what else follows.
        for signal in (job.shown_changed, job.iterations_changed, job.state_changed):
            signal.connect(self._paint_again)

    @override
    def sizeHint(self) -> QSize:
        return QSize(300, _PLOT_HEIGHT + MARK + 2 * self.fontMetrics().height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def _refresh(self) -> None:
        rows = [(p.iteration, p.psnr, p.change, p.dice) for p in self._job.curve]
        self._iterations, *values = np.array(rows, dtype=float).reshape(-1, 4).T
        self._values = np.array(values)
        self.update()

    def _paint_again(self) -> None:
        self.update()

    # What is where

    def _plot(self) -> QRectF:
        top = self.fontMetrics().height() + MARK
        return QRectF(_MARGIN, top, self.width() - 2 * _MARGIN, _PLOT_HEIGHT)

    def _range(self) -> tuple[float, float]:
        """First and last iteration of the axis: during a fit it already has room for all."""
        first, last = self._iterations[[0, -1]]
        if self._job.state.running and self._job.progress is not None:
            last = max(last, self._job.progress.iterations)
        return first, max(last, first + 1)

    def _x(self, iterations: np.ndarray | float) -> np.ndarray:
        plot, (first, last) = self._plot(), self._range()
        share = np.clip((np.asarray(iterations) - first) / (last - first), 0, 1)
        return np.asarray(plot.left() + share * plot.width())

    def _iteration_at(self, x: float) -> float:
        plot, (first, last) = self._plot(), self._range()
        share = min(max((x - plot.left()) / plot.width(), 0), 1)
        return float(min(first + share * (last - first), self._iterations[-1]))

    def _texts_at(self, iteration: float) -> list[str]:
        """Each curve's name and last value up to an iteration; empty where there is none."""
        until = np.searchsorted(self._iterations, iteration, side="right")
        texts = []
        for curve, values in zip(CURVES, self._values[:, :until], strict=True):
            measured = values[np.isfinite(values)]
            texts.append(f"{curve.name} {curve.text(measured[-1])}" if len(measured) else "")
        return texts

    # Mouse

    @override
    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._dragged_to = None
        self._drag(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        self._drag(event)
        if len(self._iterations):
            iteration = round(self._iteration_at(event.position().x()))
            texts = [f"Iteration {iteration}", *filter(None, self._texts_at(iteration))]
            QToolTip.showText(event.globalPosition().toPoint(), "\n".join(texts), self)

    def _drag(self, event: QMouseEvent) -> None:
        stored = self._job.iterations
        if not (event.buttons() & Qt.MouseButton.LeftButton and stored and len(self._iterations)):
            return
        wanted = nearest(stored, self._iteration_at(event.position().x()))
        if wanted != self._dragged_to:
            self._dragged_to = wanted
            self._job.show(wanted)

    # Painting

    @override
    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        text = palette.windowText().color()
        faint = faded(text, 0.5)
        painter.fillRect(self._plot(), faded(text, 0.06))
        if not len(self._iterations):
            painter.setPen(faint)
            words = "PSNR and label change appear here"
            painter.drawText(self._plot(), Qt.AlignmentFlag.AlignCenter, words)
            return
        dark = palette.window().color().lightness() < 128
        colors = [QColor((c.on_dark if dark else c.on_light) or text) for c in CURVES]
        for curve, values, color in zip(CURVES, self._values, colors, strict=True):
            self._draw_curve(painter, curve, values, color)
        self._draw_legend(painter, colors)
        self._draw_axis(painter, faint)
        self._draw_marks(painter, text)

    def _draw_curve(
        self, painter: QPainter, curve: Curve, values: np.ndarray, color: QColor
    ) -> None:
        plot, measured = self._plot(), np.isfinite(values)
        if not measured.any():
            return
        heights = curve.axis(values[measured])
        low, high = heights.min(), heights.max()
        heights = (heights - low) / max(high - low, curve.least_span)
        room = plot.height() - 6
        x, y = mean_per_pixel(
            self._x(self._iterations[measured]), plot.bottom() - 3 - room * heights
        )
        line = [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True)]
        if curve.filled:
            ends = [QPointF(x[-1], plot.bottom()), QPointF(x[0], plot.bottom())]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(faded(color, 0.2))
            painter.drawPolygon(QPolygonF(line + ends))
        painter.setPen(QPen(color, 1))
        polyline = QPolygonF(line)
        # Twice, for 1.5 px: Qt takes some 50 times longer for lines of any other width than 1.
        painter.drawPolyline(polyline)
        painter.drawPolyline(polyline.translated(0, 0.5))

    def _draw_legend(self, painter: QPainter, colors: list[QColor]) -> None:
        shown, metrics = self._job.shown, self.fontMetrics()
        x = _MARGIN
        texts = self._texts_at(self._iterations[-1] if shown is None else shown)
        for curve, values, text, color in zip(CURVES, self._values, texts, colors, strict=True):
            if not np.isfinite(values).any():
                continue
            words = text or curve.name  # what is drawn has a name where it has no value yet
            painter.setPen(QPen(color, 2.5))
            middle = metrics.height() / 2
            painter.drawLine(QPointF(x + 1, middle), QPointF(x + 9, middle))
            painter.drawText(QPointF(x + 14, metrics.ascent()), words)
            x += 14 + metrics.horizontalAdvance(words) + 14

    def _draw_axis(self, painter: QPainter, color: QColor) -> None:
        plot = self._plot()
        row = QRectF(plot.left(), plot.bottom(), plot.width(), self.fontMetrics().height())
        painter.setPen(color)
        first, last = self._range()
        painter.drawText(row, Qt.AlignmentFlag.AlignLeft, f"{first:.0f}")
        painter.drawText(row, Qt.AlignmentFlag.AlignHCenter, "iteration")
        painter.drawText(row, Qt.AlignmentFlag.AlignRight, f"{last:.0f}")

    def _draw_marks(self, painter: QPainter, color: QColor) -> None:
        plot = self._plot()
        if self._job.shown is not None:
            painter.setPen(QPen(faded(color, 0.7), 1))
            x = round(float(self._x(self._job.shown))) + 0.5
            painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        if self._job.suggested is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            x = float(self._x(self._job.suggested))
            painter.drawPolygon(suggestion_mark(QPointF(x, plot.top())))
