"""One scan as a task: what is asked for, and doing it, in whatever process that may be."""

from __future__ import annotations

import faulthandler
import json
import os
import platform
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

from src_core import __version__
from src_core.cohort.places import seen_from
from src_core.cohort.products import NOTHING_MORE, Products
from src_core.cohort.stamps import is_unchanged, stamp_of
from src_core.errors import InputError, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from src_core.cohort.places import Place
    from src_core.models.model import Model
    from src_core.request import Request
    from src_core.results.segmentation import Segmentation

_STEPS_BETWEEN_LINES = 25


@dataclass(frozen=True)
class ScanTask:
    """A scan of a cohort that is to be segmented.

    Attributes
    ----------
    request : Request
        Files and names only, so that it travels to another process.
    place : Place
        Of what is written; its folders are there.
    settings : str
        Checksum of all that holds for the whole cohort.
    time_limit : float
        Seconds after which its process ends itself; 0: never.
    products : Products
        What is written besides.
    source : str
        URI of the scan as BIDS has it; "": it lies in no data set.
    version : str
        Of the package that asks.
    """

    request: Request
    place: Place
    settings: str
    time_limit: float = 0
    products: Products = NOTHING_MORE
    source: str = ""
    version: str = __version__

    @property
    def inputs(self) -> dict[str, Path]:
        """Files that its labels are made from."""
        from pathlib import Path

        given = {name: getattr(self.request, name) for name in ("scan", "mask", "reference")}
        return {name: Path(path) for name, path in given.items() if path is not None}

    @property
    def _files(self) -> list[Path]:
        place = self.place
        return [place.labels, place.mask, *self.products.files(place)]

    def is_done(self) -> bool:
        """Whether its labels are there, made from the same files with the same settings."""
        try:
            made = json.loads(self.place.report.read_text(encoding="utf-8"))["cohort"]
            stamps = made["inputs"]
            return bool(
                made["settings"] == self.settings
                and stamps.keys() == self.inputs.keys()
                and all(is_unchanged(path, stamps[name]) for name, path in self.inputs.items())
                and all(file.exists() for file in self._files)
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False


@dataclass(frozen=True)
class Outcome:
    """How a task ended: `why` it failed, or "" if its labels are there."""

    task: ScanTask
    why: str = ""


def run_task(task: ScanTask) -> Outcome:
    """Segment a scan and write all that belongs to it, whole or not at all.

    Whatever goes wrong with the scan is its outcome; the processes that do this go on.
    """
    if task.version != __version__:
        return Outcome(task, f"{platform.node()} has version {__version__}, not {task.version}")
    with _log(task) as say:
        try:
            if task.is_done():
                say("another run has done it")
                return Outcome(task)
            stamps = {name: stamp_of(path) for name, path in task.inputs.items()}
            result = _segment(task, say)
            if task.is_done():  # its process was thought to be dead
                say("another run has done it meanwhile")
                return Outcome(task)
            _write(task, result, stamps)
        except Exception as error:
            why = explain(error, "--{}".format)
            say(why if isinstance(error, InputError) else traceback.format_exc())
            return Outcome(task, why)
        say("done")
        return Outcome(task)


@contextmanager
def _log(task: ScanTask) -> Iterator[Callable[[str], None]]:
    """A function that adds a line to the scan's log, which also takes the last word of a hang."""
    with task.place.log.open("a", encoding="utf-8", errors="backslashreplace") as file:

        def say(line: str) -> None:
            _write_line(file, line)

        say(f"begins: {task.request.scan}, on {platform.node()}, process {os.getpid()}")
        if task.time_limit:
            # Unlike a thread of Python it also ends a process whose code in C never comes back.
            faulthandler.dump_traceback_later(task.time_limit, exit=True, file=file)
        try:
            yield say
        finally:
            if task.time_limit:
                faulthandler.cancel_dump_traceback_later()


def _write_line(file: TextIO, line: str) -> None:
    file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
    file.flush()


def _segment(task: ScanTask, say: Callable[[str], None]) -> Segmentation:
    from src_core.segment import segment

    def step(one: Any) -> None:
        if one.iteration % _STEPS_BETWEEN_LINES == 0:
            say(f"step {one.iteration}: {one.psnr:.1f} dB")

    request = replace(task.request, model=_model(str(task.request.model), task.settings))
    result = segment(request, on_stage=say, on_step=step)
    for note in result.report["notes"]:
        say(f"warning: {note}")
    return result


@lru_cache(maxsize=1)
def _model(name: str, _settings: str) -> Model:
    """The model, loaded once a process; another file under the same name changes the settings."""
    from src_core.models.model import load_model

    return load_model(name)


def _write(task: ScanTask, result: Segmentation, stamps: dict[str, Any]) -> None:
    """Write the files of a scan; its report, which says that all are there, comes last."""
    from src_core.cohort.pictures import write_picture
    from src_core.io import export

    place = task.place
    write_picture(
        result.scan, result.labels, result.mask, result.protocol.structures, place.picture
    )
    export.write_mask(result.mask, result.scan, place.mask, overwrite=True)
    described = {"Type": "Brain", "Sources": [task.source] if task.source else []}
    export.write_json(described, export.companion(place.mask, ".json"), overwrite=True)
    if task.source:
        result.report["Sources"] = [task.source]
    result.report["cohort"] = {
        "scan": seen_from(place.output, task.inputs["scan"]),
        "model": str(task.request.model),
        "settings": task.settings,
        "inputs": stamps,
    }
    task.products.write(result, place)
    result.save(place.labels, overwrite=True, lut=task.products.lut)
