from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QImage,
    QMouseEvent,
    QPaintEvent,
    QPalette,
    QPixmap,
)
from qtpy.QtWidgets import QApplication, QToolTip, QWidget

from napari_metaseg.panel.curve import CURVES
from napari_metaseg.panel.curves import Curves
from napari_metaseg.run.job import Job
from napari_metaseg.run.status import CurvePoint, Progress, State

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton


def curve(last: int, dice: bool = False) -> list[CurvePoint]:
    """A fit that gets better: everything is measured from iteration 1 on, Dice each tenth."""
    points = [CurvePoint(0, psnr=12)]
    for i in range(1, last + 1):
        measured = dice and i % 10 == 0
        points.append(
            CurvePoint(i, 12 + i / 10, 0.3 / i, 0.9 + i / 10_000 if measured else math.nan)
        )
    return points


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Iterations that jobs were asked to show."""
    asked: list[int] = []
    monkeypatch.setattr(Job, "show", lambda job, iteration: asked.append(iteration))
    return asked


@pytest.fixture
def job() -> Job:
    job = Job()
    job.state = State.DONE
    job.curve = curve(100)
    job.iterations = tuple(range(0, 101, 2))
    return job


def widget(qtbot: QtBot, job: Job, colors: tuple[str, str] = ("white", "black")) -> Curves:
    curves = Curves(job)
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Window, QColor(colors[0]))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(colors[1]))
    curves.setPalette(palette)
    curves.resize(308, curves.sizeHint().height())  # 3 px per iteration and margins of 4
    qtbot.addWidget(curves)
    curves.show()
    return curves


def picture(curves: Curves) -> QImage:
    return curves.grab().toImage()


def at(curves: Curves, iteration: int) -> QPoint:
    return QPoint(4 + 3 * iteration, curves.height() // 2)


def move_mouse(widget: QWidget, place: QPoint, button: Qt.MouseButton = NONE) -> None:
    """Move the mouse with a button held; Qt's own test function moves the real pointer."""
    local, everywhere = QPointF(place), QPointF(widget.mapToGlobal(place))
    kind, keys = QEvent.Type.MouseMove, Qt.KeyboardModifier.NoModifier
    QApplication.sendEvent(widget, QMouseEvent(kind, local, everywhere, NONE, button, keys))


@pytest.mark.parametrize("colors", [("white", "black"), ("#23242b", "#f0f1f2")])
def test_curves_stand_out_from_the_theme(qtbot: QtBot, job: Job, colors: tuple[str, str]) -> None:
    job.curve = curve(100, dice=True)
    image = picture(widget(qtbot, job, colors))
    background = QColor(colors[0]).lightness()
    contrasts = {
        abs(QColor(image.pixel(x, y)).lightness() - background)
        for x in range(image.width())
        for y in range(image.height())
    }
    assert max(contrasts) > 100


def test_nothing_to_show_is_said_quietly(qtbot: QtBot, shown: list[int]) -> None:
    curves = widget(qtbot, Job())
    assert picture(curves).height() <= 110
    qtbot.mouseClick(curves, LEFT, pos=at(curves, 50))
    move_mouse(curves, at(curves, 20))
    assert shown == []


def test_a_click_shows_the_stored_iteration_under_the_mouse(
    qtbot: QtBot, job: Job, shown: list[int]
) -> None:
    curves = widget(qtbot, job)
    qtbot.mouseClick(curves, LEFT, pos=at(curves, 40))
    qtbot.mouseClick(curves, LEFT, pos=QPoint(0, 30))
    qtbot.mouseClick(curves, LEFT, pos=QPoint(307, 30))
    assert shown == [40, 0, 100]


def test_a_drag_asks_for_each_iteration_once(qtbot: QtBot, job: Job, shown: list[int]) -> None:
    curves = widget(qtbot, job)
    qtbot.mousePress(curves, LEFT, pos=at(curves, 40))
    for x in range(4 + 3 * 40, 4 + 3 * 46 + 1):
        move_mouse(curves, QPoint(x, 50), LEFT)
    qtbot.mouseRelease(curves, LEFT, pos=at(curves, 46))
    assert shown == [40, 42, 44, 46]


def test_during_a_fit_there_is_room_for_the_iterations_to_come(
    qtbot: QtBot, job: Job, shown: list[int]
) -> None:
    job.state, job.progress = State.FITTING, Progress(100, 200)
    curves = widget(qtbot, job)
    qtbot.mouseClick(curves, LEFT, pos=QPoint(4 + 75, 50))
    qtbot.mouseClick(curves, LEFT, pos=QPoint(4 + 225, 50))  # not there yet: the newest
    assert shown == [50, 100]


def test_the_values_under_the_mouse_are_told(
    qtbot: QtBot, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda place, text, *rest: told.append(text))
    job.curve = curve(100, dice=True)
    curves = widget(qtbot, job)
    move_mouse(curves, at(curves, 34))
    assert told[-1] == "Iteration 34\nPSNR 15.4 dB\nchange 0.9 %\nDice 0.903"
    move_mouse(curves, at(curves, 0))
    assert told[-1] == "Iteration 0\nPSNR 12.0 dB"


def test_a_curve_has_its_name_before_its_first_value(qtbot: QtBot, job: Job) -> None:
    job.shown = 0  # nothing has changed at iteration 0
    image = picture(widget(qtbot, job))
    legend = range(image.width()), range(QFontMetrics(QFont()).height())
    colors = {QColor(image.pixel(x, y)).name() for x in legend[0] for y in legend[1]}
    (change,) = (curve for curve in CURVES if curve.name == "change")
    assert change.on_light in colors


def test_lines_stand_at_the_shown_and_the_suggested_iteration(qtbot: QtBot, job: Job) -> None:
    job.curve = [CurvePoint(i) for i in range(101)]  # nothing measured: only the marks are drawn
    job.shown, job.suggested = 40, 70
    curves = widget(qtbot, job)
    image = picture(curves)

    def darkest(rows: range) -> int:
        columns = range(4, 304)
        return min(
            columns,
            key=lambda x: sum(QColor(image.pixel(x, y)).lightness() for y in rows),
        )

    middle = curves.height() // 2
    assert darkest(range(middle - 5, middle + 5)) == pytest.approx(4 + 3 * 40, abs=1)
    top = curves.fontMetrics().height()
    assert darkest(range(top + 1, top + 5)) == pytest.approx(4 + 3 * 70, abs=2)


def test_repaints_are_coalesced(qtbot: QtBot, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = widget(qtbot, job)
    qtbot.waitExposed(curves)
    qtbot.wait(50)
    before = picture(curves)
    repaints: list[int] = []
    paint = curves.paintEvent

    def counted(event: QPaintEvent) -> None:
        repaints.append(1)
        paint(event)

    monkeypatch.setattr(curves, "paintEvent", counted)
    job.curve = curve(30)
    for _ in range(50):
        job.progressed.emit()
        job.shown_changed.emit()
    assert repaints == []
    qtbot.waitUntil(lambda: len(repaints) == 1, timeout=1000)
    qtbot.wait(150)
    assert len(repaints) == 1
    assert picture(curves) != before


def test_a_long_fit_is_painted_within_5_ms(qtbot: QtBot, job: Job) -> None:
    job.curve = curve(5000, dice=True)
    curves = widget(qtbot, job)
    paper = QPixmap(curves.size())
    seconds = []
    for _ in range(20):
        start = perf_counter()
        curves.render(paper)
        seconds.append(perf_counter() - start)
    assert min(seconds) < 0.005
