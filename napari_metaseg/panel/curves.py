"""Curves of a fit: how good the reconstruction is, and how much the labels still change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, QTimer
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.run.job import Job

_MARGIN = 4  # px, left and right of the plot, so that lines at its ends are not cut
_PLOT_HEIGHT = 64  # px
_MARK = 7  # px, width of the mark of the suggested iteration
_LEAST_CHANGE = 1e-4  # share of labels below which the curve lies on the floor
_MILLISECONDS = 100  # between two repaints, at least


def suggestion_mark(tip: QPointF) -> QPolygonF:
    """The triangle that marks the suggested iteration, pointing down at `tip`."""
    left, right = QPointF(-_MARK / 2, -_MARK + 1), QPointF(_MARK / 2, -_MARK + 1)
    return QPolygonF([tip, tip + left, tip + right])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.2f} %"


@dataclass(frozen=True)
class _Curve:
    """Something that is drawn as a curve.

    Attributes
    ----------
    name : str
    text : callable
        A value with its unit.
    axis : callable
        From values to positions on a linear axis.
    least_span : float
        Least length of the axis, so that noise is not blown up to the full height.
    on_dark, on_light : str or None
        Colour in dark and light themes, told apart by lightness as well; None is the text's.
    filled : bool
        Whether the area under the curve is tinted.
    """

    name: str
    text: Callable[[float], str]
    axis: Callable[[np.ndarray], np.ndarray]
    least_span: float
    on_dark: str | None = None
    on_light: str | None = None
    filled: bool = False


_CURVES = (
    _Curve("PSNR", "{:.1f} dB".format, np.asarray, 1.0, "#56b4e9", "#00609c"),
    _Curve(
        "change",
        _percent,
        lambda change: np.log10(np.maximum(change, _LEAST_CHANGE)),
        1.0,
        "#e69f00",
        "#a84300",
        filled=True,
    ),
    _Curve("Dice", "{:.3f}".format, np.asarray, 0.02),
)


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
        self._values = np.empty((len(_CURVES), 0))  # nan where not measured
        self._dragged_to: int | None = None
        self.setAccessibleName("Curves of the fit")
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_MILLISECONDS)
        self._timer.timeout.connect(self._refresh)
        self._refresh()
        for signal in (job.progressed, job.shown_changed, job.iterations_changed):
            signal.connect(self._refresh_soon)
        job.state_changed.connect(self._refresh_soon)

    @override
    def sizeHint(self) -> QSize:
        return QSize(300, _PLOT_HEIGHT + _MARK + 2 * self.fontMetrics().height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def _refresh_soon(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def _refresh(self) -> None:
        rows = [(p.iteration, p.psnr, p.change, p.dice) for p in self._job.curve]
        self._iterations, *values = np.array(rows, dtype=float).reshape(-1, 4).T
        self._values = np.array(values)
        self.update()

    # What is where

    def _plot(self) -> QRectF:
        top = self.fontMetrics().height() + _MARK
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
        for curve, values in zip(_CURVES, self._values[:, :until], strict=True):
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
        wanted = self._iteration_at(event.position().x())
        nearest = min(stored, key=lambda iteration: abs(iteration - wanted))
        if nearest != self._dragged_to:
            self._dragged_to = nearest
            self._job.show(nearest)

    # Painting

    @override
    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        text = palette.windowText().color()
        faint = _faded(text, 0.5)
        painter.fillRect(self._plot(), _faded(text, 0.06))
        if not len(self._iterations):
            painter.setPen(faint)
            words = "PSNR and label change appear here"
            painter.drawText(self._plot(), Qt.AlignmentFlag.AlignCenter, words)
            return
        dark = palette.window().color().lightness() < 128
        colors = [QColor((c.on_dark if dark else c.on_light) or text) for c in _CURVES]
        for curve, values, color in zip(_CURVES, self._values, colors, strict=True):
            self._draw_curve(painter, curve, values, color)
        self._draw_legend(painter, colors)
        self._draw_axis(painter, faint)
        if self._job.shown is not None:
            painter.setPen(QPen(_faded(text, 0.7), 1))
            x = round(float(self._x(self._job.shown))) + 0.5
            painter.drawLine(QPointF(x, self._plot().top()), QPointF(x, self._plot().bottom()))
        if self._job.suggested is not None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(text)
            tip = QPointF(float(self._x(self._job.suggested)), self._plot().top())
            painter.drawPolygon(suggestion_mark(tip))

    def _draw_curve(
        self, painter: QPainter, curve: _Curve, values: np.ndarray, color: QColor
    ) -> None:
        plot, measured = self._plot(), np.isfinite(values)
        if not measured.any():
            return
        heights = curve.axis(values[measured])
        low, high = heights.min(), heights.max()
        heights = (heights - low) / max(high - low, curve.least_span)
        room = plot.height() - 6
        x, y = _per_pixel(self._x(self._iterations[measured]), plot.bottom() - 3 - room * heights)
        line = [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True)]
        if curve.filled:
            ends = [QPointF(x[-1], plot.bottom()), QPointF(x[0], plot.bottom())]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(_faded(color, 0.2))
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
        for words, color in zip(texts, colors, strict=True):
            if not words:
                continue
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


def _faded(color: QColor, opacity: float) -> QColor:
    faded = QColor(color)
    faded.setAlphaF(opacity)
    return faded


def _per_pixel(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean point of each column of pixels that has any, from left to right."""
    columns = np.floor(x).astype(int)
    columns -= columns.min()
    counts = np.bincount(columns)
    filled = counts > 0
    means = [np.bincount(columns, weights=values)[filled] / counts[filled] for values in (x, y)]
    return means[0], means[1]
