"""What a reviewer asks for, done: the next scan shown, a verdict noted, a correction saved."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_metaseg.review.list_model import ScanList
from napari_metaseg.review.reading import LABELS, MASK, ReadAhead
from napari_metaseg.review.shown import Shown
from src_core.cohort.review import Judgement, write_judgement
from src_core.errors import InputError, explain

if TYPE_CHECKING:
    from pathlib import Path

    from napari.components import ViewerModel

    from src_core.cohort.records import Record

_POLL_MS = 20
_AHEAD = (0, 1, 2, -1)
"""Lines of the list that are held ready, from that of the scan that is shown."""


class Stopped(Exception):
    """The window is closed while a scan is fitted again."""


class Reviewer:
    """Leads through the scans of a study in a viewer.

    Parameters
    ----------
    viewer : ViewerModel

    Attributes
    ----------
    scans : ScanList
    output : Path or None
        The study.
    row : int
        Line of the scan that was asked for.
    fitting : str
        Name of the scan that is fitted again, or "".
    stage : str
        How far that is.
    changed : Signal
        The scan, what is known of it, or what is being done is another one.
    failed : Signal
        With what cannot be done, in one line.
    """

    changed = Signal()
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel) -> None:
        self.scans = ScanList()
        self.output: Path | None = None
        self.row = 0
        self.fitting = self.stage = ""
        self._shown = Shown(viewer)
        self._waiting = False
        self._ahead = ReadAhead()
        self._fits = ThreadPoolExecutor(1, "metaseg-review-fit")
        self._ending = threading.Event()
        self._writing: dict[Future[Record], str] = {}
        self._fit: Future[Record] | None = None
        self._stage_told = ""
        self._timer = QTimer(QApplication.instance())
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._tick)
        QApplication.instance().aboutToQuit.connect(self.close)

    @property
    def record(self) -> Record | None:
        """The scan that was asked for."""
        return self.scans.record(self.row) if len(self.scans) else None

    @property
    def is_ready(self) -> bool:
        """Whether it was read, so that it is on the screen if it can be."""
        return len(self.scans) > 0 and not self._waiting

    def open(self, output: Path) -> None:
        """Review a study, from its most unusual scan that was not judged.

        Raises
        ------
        InputError
            There is no study, or a scan of another one is being fitted.
        """
        from src_core.cohort.records import read_records
        from src_core.cohort.unusual import worst_first

        if self.fitting:
            raise InputError(f"{self.fitting} is being fitted again; wait until that is done")
        # It may be the same study: what was painted must be written before it is read.
        self.keep_painted()
        for future, name in self._writing.items():
            self._on_written(name, future)
        self._writing.clear()
        records, _ = read_records(output)
        if not records:
            raise InputError(f"{output} holds no scan that has labels")
        self._shown.hide()
        self._ahead.want([])
        self.output = output
        self.scans.show(worst_first(records))
        self._timer.start()
        self.go(self.scans.next_not_judged(-1) or 0)

    def go(self, row: int) -> None:
        """Show the scan of a line; what was painted on the one before is saved."""
        if not 0 <= row < len(self.scans):
            return
        self.keep_painted()
        self.row = row
        self._waiting = True
        self._tick()
        self.changed.emit()

    def judge(self, verdict: str, note: str) -> None:
        """Note what is said of the scan on the screen, and go on to the next one without verdict.

        An empty verdict takes back what was said, and stays.
        """
        if not self.is_ready or not self._note(verdict, note):
            return
        following = self.scans.next_not_judged(self.row) if verdict else None
        if following is None:
            self.keep_painted()
            self.changed.emit()
        else:
            self.go(following)

    def write_note(self, note: str) -> None:
        """Note something on the scan without another verdict."""
        if self.record is not None:
            self._note(self.record.judgement.verdict, note)

    def keep_painted(self) -> None:
        """Save the labels beside the original ones, if they were painted on."""
        opened = self._shown.opened
        labels = None if self._waiting else self._shown.painted(LABELS)
        if labels is None or opened is None:
            return
        from src_core.cohort.corrected import save_painted

        record = self.scans.record(self.scans.row_of(opened.record.name))
        if not record.judgement.verdict:
            self._note("correct", record.judgement.note)
        task = partial(
            save_painted,
            record,
            labels,
            opened.scan,
            opened.mask > 0,
            self._shown.structures(),
        )
        self._shown.take(labels)
        self._ahead.forget(record.name)
        self._writing[self._ahead.do(task)] = record.name

    def discard(self) -> None:
        """Return to the labels as they were made."""
        from src_core.cohort.corrected import discard

        if self.record is None or not self.is_ready:
            return
        future = self._ahead.do(partial(discard, self.record))
        self._writing[future] = self.record.name
        self._ahead.forget(self.record.name)
        self._waiting = True
        self.changed.emit()

    def fit_again(self) -> None:
        """Segment the scan on the screen anew with the mask as it was painted.

        Others can be looked at meanwhile.
        """
        from src_core.cohort.corrected import fit_again

        mask = self._shown.painted(MASK) if self.is_ready and not self.fitting else None
        if mask is None or self.record is None:
            self.failed.emit("the mask is as it was: paint on the layer that ends in brain first")
            return
        task = partial(fit_again, self.record, mask, self._on_stage)
        self.fitting = self.record.name
        self._fit = self._fits.submit(task)
        self.changed.emit()

    def close(self) -> None:
        """Save what was painted, and end the threads."""
        if self._ending.is_set():
            return
        self.keep_painted()
        self._ending.set()
        self._timer.stop()
        self._ahead.close()
        self._fits.shutdown(wait=False)  # the next stage or step ends it

    def _note(self, verdict: str, note: str) -> bool:
        assert self.record is not None
        assert self.output is not None
        judgement = Judgement(verdict, note, self.record.labels)
        try:
            write_judgement(self.output, self.record.name, judgement)
        except InputError as error:
            self.failed.emit(str(error))
            return False
        self.scans.judge(self.row, judgement)
        return True

    def _on_stage(self, stage: str) -> None:
        if self._ending.is_set():
            raise Stopped
        self.stage = stage

    def _tick(self) -> None:
        for future in [one for one in self._writing if one.done()]:
            self._on_written(self._writing.pop(future), future)
        if self._fit is not None and self._fit.done():
            self._on_fitted(self._fit)
        being_written = self._writing.values()
        rows = [self.row + step for step in _AHEAD if 0 <= self.row + step < len(self.scans)]
        records = [self.scans.record(row) for row in rows]
        if self._stage_told != self.stage:
            self._stage_told = self.stage
            self.changed.emit()
        self._ahead.want(record for record in records if record.name not in being_written)
        if self._waiting and records[0].name not in being_written:
            self._show_if_read(records[0].name)

    def _show_if_read(self, name: str) -> None:
        try:
            opened = self._ahead.opened(name)
        except Exception as error:
            self._shown.hide()
            self.failed.emit(f"{name}: {explain(error)}")
        else:
            if opened is None:
                return
            self._shown.show(opened)
        self._waiting = False
        self.changed.emit()

    def _on_fitted(self, future: Future[Record]) -> None:
        name, self.fitting, self._fit = self.fitting, "", None
        self._on_written(name, future)
        if future.exception() is not None:
            return  # the mask stays as it was painted, to be fitted again
        self._ahead.forget(name)
        if self.record is not None and self.record.name == name:
            self._waiting = True

    def _on_written(self, name: str, future: Future[Record]) -> None:
        """Take what has become of a scan."""
        try:
            record = future.result()
        except Exception as error:
            self.failed.emit(f"{name}: {explain(error)}")
        else:
            judgement = self.scans.record(self.scans.row_of(name)).judgement
            self.scans.change(replace(record, judgement=judgement))
        self.changed.emit()
