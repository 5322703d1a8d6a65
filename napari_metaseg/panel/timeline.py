"""The slider through the iterations of a fit."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence, QMouseEvent, QPainter, QPaintEvent, QPolygonF
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QShortcut,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)

from napari_metaseg.panel.curves import suggestion_mark

if TYPE_CHECKING:
    from napari_metaseg.run.job import Job

_PLAY_INTERVAL = 125  # ms between two iterations
_PATIENCE = 250  # ms of decoding that are not worth a word: the text would flicker

_Shape = tuple[tuple[tuple[float, float], ...], ...]
"""Polygons in a square of 1 by 1."""
_PLAY: _Shape = (((0.1, 0), (1, 0.5), (0.1, 1)),)
_PAUSE: _Shape = (
    ((0.1, 0), (0.4, 0), (0.4, 1), (0.1, 1)),
    ((0.6, 0), (0.9, 0), (0.9, 1), (0.6, 1)),
)
_NEXT: _Shape = (((0, 0), (0.75, 0.5), (0, 1)), ((0.75, 0), (1, 0), (1, 1), (0.75, 1)))
_BACK: _Shape = tuple(tuple((1 - x, y) for x, y in polygon) for polygon in _NEXT)


class Timeline(QWidget):
    """A slider over the stored iterations, with play, *Live* and *Keep this iteration*.

    Left and Right, Home and End work while the keyboard is in it, and Space plays or pauses.

    Parameters
    ----------
    job : Job
    parent : QWidget, optional

    Attributes
    ----------
    keep_clicked : Signal
        The iteration that is shown, `job.shown`, should be kept.
    """

    keep_clicked = Signal()

    def __init__(self, job: Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._stored = job.iterations
        # Iterations that were asked for and may still come to the screen; the last is wanted.
        self._asked: list[int] = []

        self._slider = _Slider()
        self._back = _TransportButton(_BACK, "Previous iteration", "Left")
        self._play = _TransportButton(_PLAY, "Play", "Space")
        self._next = _TransportButton(_NEXT, "Next iteration", "Right")
        for button in (self._back, self._next):
            button.setAutoRepeat(True)
        self._live = QPushButton("Live")
        self._live.setCheckable(True)
        self._live.setToolTip("Show each new iteration as soon as there is one")
        self._label = QLabel()
        self._label.setMinimumWidth(1)  # a long text must not widen the panel
        self._suggested = QPushButton()
        self._suggested.setStyleSheet(
            "QPushButton { background: none; border: none; padding: 0px; "
            "text-decoration: underline }"
        )
        self._suggested.setCursor(Qt.CursorShape.PointingHandCursor)
        self._suggested.setToolTip("Show the suggested iteration")
        self._keep = QPushButton("Keep this iteration")
        self._keep.setToolTip("Make a labels layer of the iteration that is shown, to paint on")
        for wide in (self._live, self._keep):
            wide.setMinimumHeight(26)  # some themes give a disabled button a border
        self._player = QTimer(self)
        self._player.setInterval(_PLAY_INTERVAL)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE)

        row = QHBoxLayout()
        row.setSpacing(2)
        for button in (self._back, self._play, self._next):
            row.addWidget(button)
        row.addSpacing(4)
        row.addWidget(self._slider, stretch=1)
        row.addSpacing(4)
        row.addWidget(self._live)
        below = QHBoxLayout()
        below.setSpacing(2)
        below.addWidget(self._label)
        below.addWidget(self._suggested)
        below.addStretch()
        below.addWidget(self._keep)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addLayout(below)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocusProxy(self._slider)

        self._slider.valueChanged.connect(self._go_to)
        self._slider.sliderReleased.connect(self._show)
        self._slider.mark_clicked.connect(self._go_to_suggested)
        self._suggested.clicked.connect(self._go_to_suggested)
        self._back.clicked.connect(self._go_back)
        self._next.clicked.connect(self._go_on)
        self._play.clicked.connect(self._play_or_pause)
        self._live.clicked.connect(self._follow)
        self._keep.clicked.connect(self.keep_clicked)
        self._player.timeout.connect(self._play_on)
        self._patience.timeout.connect(self._show_label)

        # Shortcuts, because a button with the keyboard would move it on at an arrow key. Space is
        # none: it presses the button that has the keyboard.
        keys = {
            Qt.Key.Key_Left: self._go_back,
            Qt.Key.Key_Right: self._go_on,
            Qt.Key.Key_Home: self._go_to_first,
            Qt.Key.Key_End: self._go_to_last,
        }
        for key, action in keys.items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(action)

        self._show()
        job.iterations_changed.connect(self._on_iterations)
        job.shown_changed.connect(self._on_shown)
        job.following_changed.connect(self._on_following)

    # What the user asks for

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        assert event is not None
        if event.key() == Qt.Key.Key_Space:
            self._play_or_pause()
        else:
            super().keyPressEvent(event)

    def _go_back(self) -> None:
        self._go_to(self._position - 1)

    def _go_on(self) -> None:
        self._go_to(self._position + 1)

    def _go_to_first(self) -> None:
        self._go_to(0)

    def _go_to_last(self) -> None:
        self._go_to(len(self._stored) - 1)

    def _go_to_suggested(self) -> None:
        if self._job.suggested is not None:
            self._go_to(self._nearest(self._job.suggested))

    def _go_to(self, position: int) -> None:
        self._pause()
        self._ask(position)

    def _follow(self) -> None:
        self._pause()
        self._asked.clear()
        self._job.follow()
        self._show()

    def _ask(self, position: int) -> None:
        """Have the iteration at a position of the slider shown."""
        if not self._stored:
            return
        iteration = self._stored[min(max(position, 0), len(self._stored) - 1)]
        if iteration == self._wanted:
            return
        if not self._asked:
            self._patience.start()
        self._asked.append(iteration)
        if iteration == self._job.shown:
            self._asked.clear()
        self._job.show(iteration)
        self._show()

    # Playing

    def _play_or_pause(self) -> None:
        if self._player.isActive():
            self._pause()
        elif self._stored:
            if self._job.shown is None or self._position == len(self._stored) - 1:
                self._ask(0)
            self._player.start()
            self._play.show_as(_PAUSE, "Pause")

    def _pause(self) -> None:
        self._player.stop()
        self._play.show_as(_PLAY, "Play")

    def _play_on(self) -> None:
        if self._asked:
            return  # never ahead of what is decoded
        if self._position < len(self._stored) - 1:
            self._ask(self._position + 1)
        else:
            self._pause()

    # What the job says

    def _on_iterations(self) -> None:
        if self._wanted not in self._job.iterations:
            self._asked.clear()  # it is no longer stored, and will not come
        if not self._job.iterations:
            self._pause()
        self._show()

    def _on_shown(self) -> None:
        shown = self._job.shown
        if shown in self._asked[:-1]:
            del self._asked[: self._asked.index(shown) + 1]
        else:
            # What was wanted is there, or something that another widget or the fit wanted.
            self._asked.clear()
        self._show()

    def _on_following(self, following: bool) -> None:
        if following:
            self._pause()
        self._show()

    # What is shown

    @property
    def _wanted(self) -> int | None:
        return self._asked[-1] if self._asked else self._job.shown

    @property
    def _position(self) -> int:
        """Where the slider should stand."""
        return 0 if self._wanted is None else self._nearest(self._wanted)

    def _nearest(self, iteration: int) -> int:
        """Position of the stored iteration that is nearest to this one."""
        right = bisect_left(self._stored, iteration)
        near = range(max(right - 1, 0), min(right + 1, len(self._stored)))
        return min(near, key=lambda i: abs(self._stored[i] - iteration), default=0)

    def _show(self) -> None:
        job = self._job
        if not self._slider.isSliderDown():
            # Not while it is dragged: with a longer range the handle would leave the mouse.
            self._stored = job.iterations
            marked = None if job.suggested is None else self._nearest(job.suggested)
            self._slider.show_position(self._stored, self._position, marked)
        for widget in (self._slider, self._back, self._play, self._next, self._live):
            widget.setEnabled(bool(self._stored))
        self._live.setChecked(job.following)
        self._keep.setEnabled(job.shown is not None)
        self._show_label()

    def _show_label(self) -> None:
        job = self._job
        decoding = bool(self._asked) and not self._patience.isActive()
        suggests = not (decoding or job.shown is None or job.suggested in (None, job.shown))
        if not self._stored:
            text = "No iterations yet"
        elif job.shown is None:
            text = "Decoding …"
        elif decoding:
            text = f"Showing {job.shown}, decoding {self._wanted} …"
        elif job.shown == job.suggested:
            text = f"Iteration {job.shown} (suggested)"
        else:
            text = f"Iteration {job.shown}" + (" ·" if suggests else "")
        self._label.setText(text)
        self._suggested.setText(f"suggested {job.suggested}")
        self._suggested.setVisible(suggests)


class _Slider(QSlider):
    """A slider over a list of iterations that jumps to the mouse and marks the suggested one."""

    mark_clicked = Signal()

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._stored: tuple[int, ...] = ()
        self._marked: int | None = None
        self.setAccessibleName("Iteration")
        self.setMinimumSize(80, 30)
        self.setMouseTracking(True)

    def show_position(self, stored: tuple[int, ...], position: int, marked: int | None) -> None:
        """Show the stored iterations and two positions among them, without a signal."""
        self._stored, self._marked = stored, marked
        blocked = self.blockSignals(True)
        self.setMaximum(max(len(stored) - 1, 0))
        self.setValue(position)
        self.blockSignals(blocked)
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self._on_mark(event.position()):
            self.mark_clicked.emit()
        else:
            self.setSliderDown(True)
            self.setSliderPosition(self._position_at(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        assert event is not None
        position = self._position_at(event.position().x())
        if self.isSliderDown():
            self.setSliderPosition(position)
        elif self._stored:
            suggests = self._on_mark(event.position())
            shown = self._marked if suggests and self._marked is not None else position
            what = "Suggested iteration" if suggests else "Iteration"
            self.setToolTip(f"{what} {self._stored[shown]}")

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        self.setSliderDown(False)

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        mark = self._mark()
        if mark is not None:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.palette().windowText())
            painter.drawPolygon(mark)

    def _on_mark(self, place: QPointF) -> bool:
        mark = self._mark()
        return mark is not None and mark.boundingRect().adjusted(-3, -3, 3, 0).contains(place)

    def _mark(self) -> QPolygonF | None:
        """The triangle above the suggested iteration."""
        if self._marked is None:
            return None
        left, length = self._track()
        x = QStyle.sliderPositionFromValue(0, self.maximum(), self._marked, length)
        return suggestion_mark(QPointF(left + x, 7))

    def _position_at(self, x: float) -> int:
        left, length = self._track()
        return QStyle.sliderValueFromPosition(0, self.maximum(), round(x) - left, length)

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


class _TransportButton(QPushButton):
    """A small button with a drawn sign, in the colour that the theme gives to text."""

    def __init__(self, shape: _Shape, name: str, key: str) -> None:
        super().__init__()
        self._key = key
        self.setFixedSize(26, 26)
        # The keyboard stays at the slider, where the arrow keys work.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.show_as(shape, name)

    def show_as(self, shape: _Shape, name: str) -> None:
        """Change the sign and what the button is called."""
        self._shape = shape
        self.setAccessibleName(name)
        self.setToolTip(f"{name} ({self._key})")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.palette().buttonText())
        square = QRectF(0, 0, 10, 10)
        square.moveCenter(QRectF(self.rect()).center())
        for polygon in self._shape:
            corners = [
                QPointF(square.left() + square.width() * x, square.top() + square.height() * y)
                for x, y in polygon
            ]
            painter.drawPolygon(QPolygonF(corners))
