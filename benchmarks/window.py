"""napari's window with the panel, as a user's hands and eyes find it: clicks, and frames drawn."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari.layers import Layer
    from qtpy.QtCore import QTimer

    from napari_metaseg.run.session import Session

SIZE = (700, 500)
"""Asked for; a window is at least as large as what is docked in it needs."""
PATIENCE = 300.0
"""Seconds until something that does not come is an error."""


class Heartbeat:
    """How long the window's thread was busy: gaps between the beats of a timer of 2 ms."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = 0.0
        self._timer = precise_timer(2, self._beat)

    def start(self) -> None:
        """Forget all gaps and begin."""
        self.gaps = []
        self._last = time.perf_counter()
        self._timer.start()

    def stop(self) -> list[float]:
        """Seconds between beats since the start, the last one still open."""
        self._beat()
        self._timer.stop()
        return self.gaps

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now


def precise_timer(milliseconds: int, action: Callable[[], object]) -> QTimer:
    """A timer of the window's thread, not started."""
    from qtpy.QtCore import Qt, QTimer

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.setInterval(milliseconds)
    timer.timeout.connect(action)
    return timer


class Window:
    """The window that is measured.

    Parameters
    ----------
    scan : Path
        Is opened.

    Attributes
    ----------
    frames : int
        Drawn so far.
    drawn : tuple of (int or None, bool)
        The iteration that the last frame shows, and whether at every voxel.
    """

    def __init__(self, scan: Path):
        from napari import Viewer
        from qtpy.QtWidgets import QOpenGLWidget

        from napari_metaseg.view import open_window

        self.viewer = Viewer(show=False)
        self.panel = open_window(self.viewer, [scan])
        self.job = self.panel.controller.job
        self.frames = 0
        self.drawn: tuple[int | None, bool] = (None, False)
        self._loaded: tuple[int | None, bool] = self.drawn
        self.viewer.show()
        self.viewer.window.resize(*SIZE)
        self.canvas = self.panel.window().findChild(QOpenGLWidget)
        self.canvas.frameSwapped.connect(self._on_frame)
        self.viewer.layers.events.inserted.connect(self._on_inserted)

    def wait(
        self, condition: Callable[[], object], seconds: float = PATIENCE, every: int = 1
    ) -> float:
        """Let the window work until something is the case; seconds that took.

        Parameters
        ----------
        condition : callable
        seconds : float
            The longest wait.
        every : int
            Milliseconds between two looks, which take the window's time themselves.
        """
        from qtpy.QtCore import QEventLoop

        started = time.perf_counter()
        loop = QEventLoop()

        def look() -> None:
            if condition() or time.perf_counter() - started > seconds:
                loop.quit()

        timer = precise_timer(every, look)
        timer.start()
        loop.exec()
        timer.stop()
        took = time.perf_counter() - started
        if took > PATIENCE:
            raise TimeoutError(f"nothing for {PATIENCE:.0f} s; the job is {self.job.state.value}")
        return took

    def rest(self, seconds: float) -> None:
        """Let the window work for a while."""
        self.wait(lambda: False, seconds, every=50)

    def segment(self) -> float:
        """Click on Segment; seconds until the two layers are drawn."""
        self.wait(lambda: not self.job.state.running)
        before = self.live_layers()
        started = time.perf_counter()
        self.panel.segment()
        self.wait(lambda: len(set(self.live_layers()) - set(before)) == 2)
        self.wait_for_frame()
        return time.perf_counter() - started

    def wait_for_frame(self) -> None:
        """Wait until what has just changed is drawn."""
        frames = self.frames
        self.wait(lambda: self.frames > frames)

    def live_layers(self) -> list[Layer]:
        """Layers that follow a fit."""
        live = self.panel.controller.live
        return [] if live is None else live.layers

    def show(self, iteration: int) -> float:
        """Scrub to an iteration; seconds until it is drawn, at every voxel of the plane."""
        started = time.perf_counter()
        self.job.show(iteration)
        self.wait(lambda: self.drawn == (iteration, True))
        return time.perf_counter() - started

    def click(self, title: str) -> None:
        """Click on a button of the panel."""
        from qtpy.QtWidgets import QPushButton

        buttons = self.panel.run_controls.findChildren(QPushButton)
        (button,) = (b for b in buttons if b.text() == title and b.isVisible())
        button.click()

    @property
    def session(self) -> Session:
        """What is fitted."""
        assert self.job.session is not None
        return self.job.session

    @property
    def iteration(self) -> int:
        """The last that was told of."""
        assert self.job.progress is not None
        return self.job.progress.iteration

    def steps_after(self, title: str) -> tuple[int, float]:
        """Click on a button that ends or rests a fit; steps taken since, and seconds they took."""
        fit = self.session.fit
        before, started = fit.iteration, time.perf_counter()
        last = [started]
        taken = [before]

        def look() -> bool:
            if fit.iteration != taken[0]:
                taken[0], last[0] = fit.iteration, time.perf_counter()
            return False

        self.click(title)
        self.wait(look, 1.0)
        return taken[0] - before, last[0] - started

    def _on_frame(self) -> None:
        self.frames += 1
        self.drawn = self._loaded

    def _on_inserted(self, event: Any) -> None:
        from napari.layers import Labels

        if isinstance(event.value, Labels):
            event.value.events.set_data.connect(self._on_loaded)

    def _on_loaded(self) -> None:
        from napari_metaseg.demo import is_sharp

        self._loaded = (self.job.shown, is_sharp(self.panel))
