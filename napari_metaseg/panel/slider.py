"""The slider through the iterations that are stored."""

from __future__ import annotations

from qtpy.QtCore import QPointF, Qt, Signal
from qtpy.QtGui import QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import QSlider, QStyle, QStyleOptionSlider
from typing_extensions import override

from napari_metaseg.panel.drawing import suggestion_mark


class IterationSlider(QSlider):
    """A slider over a list of iterations that jumps to the mouse and marks the suggested one.

    Iterations that strokes led to have a small mark below.

    Attributes
    ----------
    mark_clicked : Signal
        The mark of the suggested iteration was clicked.
    """

    mark_clicked = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._stored: tuple[int, ...] = ()
        self._marked: int | None = None
        self._strokes: tuple[int, ...] = ()
        self.setAccessibleName("Iteration")
        self.setMinimumSize(80, 30)
        self.setMouseTracking(True)

    def show_position(
        self,
        stored: tuple[int, ...],
        position: int,
        marked: int | None,
        strokes: tuple[int, ...] = (),
    ) -> None:
        """Show the stored iterations and two positions among them, without a signal.

        Those that strokes led to are the last ones.
        """
        self._stored, self._marked, self._strokes = stored, marked, strokes
        blocked = self.blockSignals(True)
        self.setMaximum(max(len(stored) - 1, 0))
        self.setValue(position)
        self.blockSignals(blocked)
        self.update()

    @override
    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self._on_mark(event.position()):
            self.mark_clicked.emit()
        else:
            self.setSliderDown(True)
            self.setSliderPosition(self._position_at(event.position().x()))

    @override
    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        position = self._position_at(event.position().x())
        if self.isSliderDown():
            self.setSliderPosition(position)
        elif self._stored:
            suggests = self._on_mark(event.position())
            shown = self._marked if suggests and self._marked is not None else position
            self.setToolTip(self._described(shown, suggests))

    @override
    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self.setSliderDown(False)

    @override
    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        mark = self._mark()
        if mark is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.palette().windowText())
            painter.drawPolygon(mark)
            for stroke in self._strokes:
                painter.drawEllipse(
                    self._above(self._stored.index(stroke), self.height() - 4), 2, 2
                )

    def _described(self, position: int, suggested: bool) -> str:
        """What the mouse is over."""
        iteration = self._stored[position]
        if iteration in self._strokes:
            return f"Stroke {self._strokes.index(iteration) + 1}"
        return f"{'Suggested iteration' if suggested else 'Iteration'} {iteration}"

    def _on_mark(self, point: QPointF) -> bool:
        mark = self._mark()
        return mark is not None and mark.boundingRect().adjusted(-3, -3, 3, 0).contains(point)

    def _mark(self) -> QPolygonF | None:
        """The triangle above the suggested iteration."""
        return None if self._marked is None else suggestion_mark(self._above(self._marked, 7))

    def _above(self, position: int, y: float) -> QPointF:
        """Where something is drawn for a position."""
        left, length = self._track()
        x = QStyle.sliderPositionFromValue(0, self.maximum(), position, length)
        return QPointF(left + x, y)

    def _position_at(self, x: float) -> int:
        left, length = self._track()
        position: int = QStyle.sliderValueFromPosition(0, self.maximum(), round(x) - left, length)
        return position

    def _track(self) -> tuple[int, int]:
        """Where the middle of the handle can go: left end and length, px."""
        option, style = QStyleOptionSlider(), self.style()
        self.initStyleOption(option)
        assert style is not None
        complex_control = QStyle.ComplexControl.CC_Slider
        groove, handle = (
            style.subControlRect(complex_control, option, part, self)
            for part in (QStyle.SubControl.SC_SliderGroove, QStyle.SubControl.SC_SliderHandle)
        )
        return groove.left() + handle.width() // 2, groove.width() - handle.width()
