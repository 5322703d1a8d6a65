"""A training on the user's own scans, in a process of its own.

A process and not a thread: it never holds the interpreter of the window or the threads of a fit,
and to stop is to end it. What was done by then lies in its work folder, from which the same
training goes on.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from src_core.io.files import digest
from src_core.models.bundled import MODEL_SUFFIX, model_path, own_models_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.adaptation.own_scans import CorrectedScan

_NICENESS = 10
"""Added to the process's niceness: fits and the window go first."""
_UNFINISHED, _STAMP = ".adapting", 8
"""Ending of work folders, and digits that tell them apart."""
_ADAPTED = re.compile(r"-adapted(-\d+)?$")


class OwnTraining:
    """One training, as the window sees it.

    Parameters
    ----------
    model : str
        Name or file of the model to train further.
    folder : Path
        Own scans.
    output : Path
        Model file to write.
    device : str

    Attributes
    ----------
    output : Path
    """

    def __init__(self, model: str, folder: Path, output: Path, device: str):
        self.output = output
        self._news: deque[dict[str, Any]] = deque()
        command = [sys.executable, "-m", __name__, model, str(folder), str(output), device]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self._reader = Thread(target=self._read, name="metaseg training", daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether there is more to be told."""
        return self._reader.is_alive() or bool(self._news)

    def poll(self) -> list[dict[str, Any]]:
        """What was told since the last time, oldest first.

        Each is one of ``{"progress": …}`` and ``{"adapted": …}``, with the fields of `Progress` and
        `Adapted`, and ``{"failed": …}``, with a line that says why.
        """
        return [self._news.popleft() for _ in range(len(self._news))]

    def stop(self) -> None:
        """End it; nothing more is told."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        self._news.clear()

    def _read(self) -> None:
        """Take what the process tells, line by line, until it ends; in a thread."""
        assert self._process.stdout is not None
        last, ended = "", False
        with self._process.stdout as lines:
            for line in lines:
                try:
                    told = json.loads(line)
                except ValueError:
                    last = line.strip() or last  # of an error that nobody has foreseen
                    continue
                ended |= "progress" not in told
                self._news.append(told)
        code = self._process.wait()
        if not ended:
            self._news.append({"failed": last or f"the training ended with code {code}"})


def output_for(model: str) -> Path:
    """A file, not there yet, among the user's own models for what a model is trained further to."""
    stem = _ADAPTED.sub("", Path(model).stem if model.endswith(MODEL_SUFFIX) else model)
    folder, number = own_models_folder(), 1
    while True:
        name = f"{stem}-adapted" + (f"-{number}" if number > 1 else "")
        path = folder / f"{name}{MODEL_SUFFIX}"
        if not path.exists():
            return path
        number += 1


def main(arguments: Sequence[str]) -> None:
    """Train, and tell each step in a line of JSON."""
    from src_core.adaptation.adapt import adapt
    from src_core.adaptation.own_scans import list_own_scans
    from src_core.errors import InputError

    model, folder, output, device = arguments
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    threads = max(1, (os.cpu_count() or 1) // 2)
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    scans = list_own_scans(Path(folder))
    try:
        adapted = adapt(
            model,
            scans,
            path,
            work=path.with_name(f"{path.stem}-{_stamp(model, scans)}{_UNFINISHED}"),
            on_progress=lambda progress: _tell(progress=asdict(progress)),
            device=device,
            threads=threads,
        )
    except InputError as error:
        _tell(failed=str(error))
    else:
        for work in path.parent.glob(f"{path.stem}-*{_UNFINISHED}"):
            shutil.rmtree(work)
        _tell(adapted=asdict(adapted))


def _stamp(model: str, scans: Sequence[CorrectedScan]) -> str:
    """Another one for another training, which can't go on from what was done of this one."""
    learned = [
        part
        for one in scans
        for part in (
            one.name.encode(),
            one.files.fingerprint.encode(),
            one.corrections.read_bytes() if one.corrections else b"",
        )
    ]
    return digest(model_path(model).read_bytes(), *learned)[:_STAMP]


def _tell(**news: Any) -> None:
    print(json.dumps(news, default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
