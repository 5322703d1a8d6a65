"""Hours of use in one process: open, segment, scrub, correct, paint, save, close, again and again.

Run ``xvfb-run -a -s "-screen 0 1400x900x24" python -m benchmarks.soak [SCAN]``; without a scan, a
phantom of 4 mm is used. What is done is drawn from a seed. Ends with 1 if the memory grew by more
than 5 % after the warm-up, if a thread or a layer of a closed window was left, if napari told of an
error, or if a saved file did not hold what was on the screen.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
import time
import weakref
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage

from benchmarks.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Labels

    from napari_metaseg.run.strokes import Strokes

MODEL = "brain3d-tissue"
MOST_GROWTH = 1.05
"""Memory at the end over that after the warm-up."""
ENGINE_THREAD = "metaseg"
_PATIENCE = 20.0
"""Seconds that the engine's thread may take to end."""
_LARGEST_BRUSH = 9


@dataclass
class Findings:
    """What was seen.

    Attributes
    ----------
    memory : list of float
        MB after each round.
    done : dict of int
        How often each thing was done.
    faults : list of str
    """

    memory: list[float] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Count something that was done."""
        self.done[what] = self.done.get(what, 0) + 1

    @property
    def growth(self) -> float:
        """Memory of the last rounds over that of the first ones after the warm-up.

        A quarter of the rounds is the warm-up; of what follows, the first and the last third are
        compared.
        """
        after = self.memory[len(self.memory) // 4 :]
        third = max(1, len(after) // 3)
        return median(after[-third:]) / median(after[:third])


def soak(scan: Path, folder: Path, seed: int, seconds: float, rounds: int) -> Findings:
    """Use the plugin for a while.

    Parameters
    ----------
    scan : Path
    folder : Path
        For what is saved.
    seed : int
    seconds : float
        No round begins after that time.
    rounds : int
        Most windows that are opened.
    """
    findings = Findings()
    begun = time.perf_counter()
    before: list[weakref.ref[Any]] = []
    for number in range(rounds):
        if time.perf_counter() - begun > seconds:
            break
        random = Random(f"{seed} {number}")
        # The window that was closed last may still be remembered by napari or Qt.
        closed, before = before, list(_use_once(scan, folder, random, findings))
        _let_go()
        left = sorted({type(one()).__name__ for one in closed if one() is not None})
        findings.faults += [f"round {number}: {name} of a closed window is left" for name in left]
        findings.faults += [f"round {number}: {fault}" for fault in _errors()]
        findings.memory.append(_resident_megabytes())
    return findings


def _use_once(
    scan: Path, folder: Path, random: Random, findings: Findings
) -> Iterator[weakref.ref[Any]]:
    """Open a window, use it and close it; gives what must be gone afterwards."""
    from napari_metaseg.preferences import Preferences, save_preferences

    iterations = random.randint(5, 40)
    save_preferences(Preferences(model=MODEL, preset="Custom", iterations=iterations))
    window = Window(scan)
    findings.note("window opened")
    for _ in range(random.randint(1, 3)):
        _fit(window, random, findings)
        # Who looks at the newest one follows a step that is still under way after a stop.
        past = window.job.iterations[:-1]
        for iteration in random.choices(past, k=random.randint(0, 4)) if past else ():
            window.show(iteration)
            findings.note("iteration shown")
        if random.random() < 0.7:
            findings.faults += _keep_paint_and_save(window, scan, folder, random, findings)
        if random.random() < 0.4:
            findings.faults += _correct(window, random, findings)
    if random.random() < 0.5:
        window.segment()
        window.rest(random.choice((0, 0.2, 1)))
        findings.note("window closed during a fit")
    layers = list(window.viewer.layers)
    yield from map(weakref.ref, (*layers, window.session, window.panel.controller))
    window.viewer.close()
    if not _ends(ENGINE_THREAD):
        findings.faults.append("the engine's thread is left")


def _fit(window: Window, random: Random, findings: Findings) -> None:
    """Segment; the fit may be paused, stopped or cleared away."""
    from napari_metaseg.run.status import State

    window.segment()
    findings.note("fit begun")
    fate = random.choice(("runs", "runs", "pauses", "stops"))
    if window.job.state is State.FITTING and fate == "pauses":
        window.job.pause()
        window.rest(0.1)
        window.job.resume()
        findings.note("fit paused")
    if window.job.state is State.FITTING and fate == "stops":
        window.job.stop()
        findings.note("fit stopped")
    window.wait(lambda: not window.job.state.running, every=20)


def _keep_paint_and_save(
    window: Window, scan: Path, folder: Path, random: Random, findings: Findings
) -> list[str]:
    """Make an ordinary layer of the iteration shown, paint on it, save it and read it again."""
    layers = window.viewer.layers
    count = len(layers)
    window.panel.controller.keep()
    window.wait(lambda: len(layers) > count, every=20)
    labels: Labels = layers[-1]
    for _ in range(random.randint(0, 5)):
        labels.brush_size = random.randint(1, _LARGEST_BRUSH)
        place = [random.randrange(size) for size in labels.data.shape]
        labels.paint(place, random.choice((0, 1, 2, 3, 200)))
        findings.note("stroke painted")
    path = folder / f"kept_dseg{random.choice(('.nii', '.nii.gz', '.mgz'))}"
    if random.random() < 0.5:
        labels.save(str(path))
    else:
        layers.selection.active = labels
        layers.save(str(path), selected=True)
    findings.note("layer saved")
    faults = differences(labels, scan, path)
    (opened,) = window.viewer.open(path, plugin="napari-metaseg", layer_type="labels")
    if not np.array_equal(opened.data, labels.data):
        faults.append(f"{path.name} is opened as other labels than were saved")
    layers.remove(opened)
    for file in folder.iterdir():
        file.unlink()
    return faults


def _correct(window: Window, random: Random, findings: Findings) -> list[str]:
    """Paint on the live labels, so that the network learns it, and take some strokes back."""
    correcting, strokes = window.panel.controller.correcting, window.job.strokes
    session = window.job.session
    assert session is not None
    known = [structure.id for structure in session.learnt.structures]
    correcting.begin()
    labels: Labels = window.viewer.layers.selection.active
    faults = []
    for _ in range(random.randint(1, 3)):
        window.wait(lambda: labels.editable, every=20)
        labels.brush_size = random.randint(1, _LARGEST_BRUSH)
        plane = int(window.viewer.dims.current_step[0])
        place = tuple(round(random.uniform(0.4, 0.6) * size) for size in labels.data.shape[1:])
        there, before = int(np.asarray(labels.data[plane])[place]), strokes.position
        label = random.choice([one for one in known if one != there])
        if there == 0:
            continue  # perhaps outside the brain, where the user would be asked
        labels.paint((plane, *place), label)
        window.wait(partial(_holds_more, strokes, before), every=20)
        findings.note("stroke learned")
        if np.asarray(labels.data[plane])[place] != label:
            faults.append(f"what was painted with {label} does not stand in plane {plane}: {place}")
        if random.random() < 0.5:
            strokes.undo()
            findings.note("stroke taken back")
    window.wait(lambda: not strokes.busy, every=20)
    correcting.end()
    return faults


def _holds_more(strokes: Strokes, before: int) -> bool:
    return strokes.position > before


def differences(labels: Labels, scan: Path, path: Path) -> list[str]:
    """What a file of labels says otherwise than the layer, and than the scan that it is of."""
    from napari_metaseg.layers.scan_layers import METADATA_KEY

    orientation = labels.metadata[METADATA_KEY]["orientation"]
    shown = np.asarray(orientation.to_scan(labels.data))
    saved, wanted = _load(path), _load(scan)
    voxels = np.asanyarray(saved.dataobj)
    faults = []
    if not np.allclose(saved.affine, wanted.affine, atol=1e-4):
        faults.append(f"{path.name} has another affine than the scan")
    if voxels.shape != shown.shape:
        faults.append(f"{path.name} has another shape than the layer")
    elif not np.array_equal(voxels, shown):
        faults.append(f"{path.name} holds other labels than the layer")
    return faults


def _load(path: Path) -> SpatialImage:
    """An image, read by nibabel as anybody would."""
    image = nib.load(path)
    assert isinstance(image, SpatialImage)
    return image


def _ends(name: str) -> bool:
    """Whether all threads of a name end soon."""
    from qtpy.QtWidgets import QApplication

    deadline = time.monotonic() + _PATIENCE
    for thread in [one for one in threading.enumerate() if one.name == name]:
        while thread.is_alive() and time.monotonic() < deadline:
            QApplication.processEvents()  # the window may have to ask it to end
            thread.join(0.02)
        if thread.is_alive():
            return False
    return True


def _let_go() -> None:
    """Have everything deleted that nobody needs."""
    from qtpy.QtWidgets import QApplication

    for _ in range(3):
        QApplication.sendPostedEvents()
        QApplication.processEvents()
        gc.collect()


def _errors() -> list[str]:
    """What napari told of errors since it was asked last."""
    from napari.utils.notifications import NotificationSeverity, notification_manager

    records = list(notification_manager.records)
    notification_manager.records.clear()
    return [str(one.message) for one in records if one.severity >= NotificationSeverity.ERROR]


def _resident_megabytes() -> float:
    """Memory of this process; Linux tells it in pages."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _write_phantom(folder: Path) -> Path:
    from src_core.io.export import write_scalar_map
    from src_core.io.sample import phantom

    scan, _ = phantom(4.0)
    path = folder / "phantom_T1w.nii.gz"
    write_scalar_map(scan.voxels, scan, path)
    return path


def main() -> int:
    """Use the plugin, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--rounds", type=int, default=10**9, help="most windows (as time permits)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        inputs, outputs = Path(name) / "in", Path(name) / "out"
        inputs.mkdir()
        outputs.mkdir()
        scan = args.scan or _write_phantom(inputs)
        findings = soak(scan, outputs, args.seed, 60 * args.minutes, args.rounds)
    faults = list(findings.faults)
    if findings.growth > MOST_GROWTH:
        faults.append(f"memory grew by {100 * (findings.growth - 1):.1f} %")
    print(f"{args.minutes:g} minutes, seed {args.seed}, {len(findings.memory)} rounds")
    print(", ".join(f"{count} x {what}" for what, count in findings.done.items()))
    print("MB after each round:", *(f"{memory:.0f}" for memory in findings.memory))
    print(f"memory at the end over that after the warm-up: {findings.growth:.3f}")
    print(*(faults or ["no fault"]), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
