"""What `make demo` does without a screen: the whole path in a real window, with pictures of it.

``python -m napari_metaseg.demo SCAN FOLDER`` opens the scan, segments it with the default settings,
scrubs through the iterations, and saves a picture of the window at each step.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from napari import Viewer
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QApplication

from napari_metaseg.run.status import State
from napari_metaseg.view import open_window

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.panel.panel import SegmentPanel

SIZE = (1400, 900)
LIMIT = 600.0
"""Seconds that all of it may take."""
_STUCK = 60.0
"""Seconds more until a window that no longer answers is given up."""


def main() -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(prog="napari_metaseg.demo", description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("folder", type=Path, help="of the pictures")
    args = parser.parse_args()
    faulthandler.dump_traceback_later(LIMIT + _STUCK, exit=True)
    viewer = Viewer(show=False)
    try:
        for picture in run(viewer, args.scan, args.folder):
            print(f"written: {picture}")
    except (TimeoutError, RuntimeError) as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return 1
    finally:
        viewer.close()
        # The engine's thread is waited for when an event loop ends, and none has run so far.
        QTimer.singleShot(0, QApplication.quit)
        QApplication.exec()
    return 0


def run(viewer: Viewer, scan: Path, folder: Path) -> list[Path]:
    """Segment a scan in a window.

    Parameters
    ----------
    viewer : Viewer
        Is shown.
    scan : Path
    folder : Path
        Where pictures of the window are written.

    Returns
    -------
    list of Path
        The pictures, in order.

    Raises
    ------
    TimeoutError
        If it takes too long.
    RuntimeError
        If the fit fails.
    """
    deadline = time.monotonic() + LIMIT
    panel = open_window(viewer, [scan])
    job = panel.controller.job
    viewer.show()
    viewer.window.resize(*SIZE)
    pictures: list[Path] = []

    def wait(what: str, condition: Callable[[], bool]) -> None:
        print(f"{what} ...", flush=True)
        wait_until(what, lambda: _going_well(panel) and condition(), deadline - time.monotonic())

    def save(name: str) -> None:
        QApplication.processEvents()  # what has changed is drawn
        path = folder / f"screenshot_{len(pictures) + 1}_{name}.png"
        viewer.screenshot(str(path), canvas_only=False, flash=False)
        pictures.append(path)

    def scrub(iteration: int) -> None:
        job.show(iteration)
        wait(f"iteration {iteration}", lambda: job.shown == iteration and is_sharp(panel))

    save("opened")
    panel.segment()
    wait("first picture", lambda: job.shown is not None)
    save("first_picture")
    wait("half of the iterations", lambda: _share_done(panel) >= 0.5)
    save("half_way")
    wait("end of the fit", lambda: job.state is State.DONE and is_sharp(panel))
    save("done")
    scrub(job.iterations[len(job.iterations) // 2])
    scrub(job.iterations[len(job.iterations) // 10])
    save(f"iteration_{job.shown}")
    return pictures


def wait_until(what: str, condition: Callable[[], bool], seconds: float) -> None:
    """Let the window work until something is the case.

    Raises
    ------
    TimeoutError
        If that takes longer than some seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up waiting for the {what}")
        QApplication.processEvents()
        # Only a loop of its own would do this: napari's sign of activity would stay and turn.
        QApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete))
        time.sleep(0.01)


def is_sharp(panel: SegmentPanel) -> bool:
    """Whether what is on the screen is decoded at every voxel."""
    live, job = panel.controller.live, panel.controller.job
    if live is None or live.main is None or job.shown is None:
        return False
    shape = live.session.scan.shape
    regions = panel.controller.views.regions(live.main, live.orientation, shape)
    return not any(live.session.lacks(job.shown, region) for region in regions)


def _share_done(panel: SegmentPanel) -> float:
    progress = panel.controller.job.progress
    return 0.0 if progress is None else progress.iteration / progress.iterations


def _going_well(panel: SegmentPanel) -> bool:
    job = panel.controller.job
    if job.state is State.FAILED:
        raise RuntimeError(job.failure)
    return True


if __name__ == "__main__":
    sys.exit(main())
