"""Make the pictures of the tutorial: ``python docs/make_pictures.py`` on a screen of 1400 x 900.

Segments the MNI152 sample in a real window and saves that window step by step, and animations of
the structures as they emerge and of a stroke that is learned.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari import Viewer
from PIL import Image, ImageDraw, ImageFont
from qtpy.QtWidgets import QApplication

from napari_metaseg.demo import SIZE, is_sharp, wait_until
from napari_metaseg.layers.maps import MAPS
from napari_metaseg.run.status import State
from napari_metaseg.view import open_window
from src_core.models.bundled import DEFAULT_MODEL, bundled_model_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.panel.panel import SegmentPanel

FOLDER = Path(__file__).parent / "images"
EMERGING = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 26, 33, 41, 50, 60, 72, 86, 100, 115, 130)
FRAME_MS = 220
GREYS = 80
SOME = 10
"""Iterations after which a fit is under way."""
BRUSH_MS, LONG_MS = 80, 1500
PATIENCE = 300.0
CORONAL, THALAMI = (1, 0, 2), -18
LEFT_THALAMUS, LEFT_HIPPOCAMPUS = 60, 48
"""Labels of the default model."""
GAP = 12
"""Pixels between pictures side by side."""
CLOSER = 2.3


def main() -> None:
    """Make those of the window, and the animation of a stroke."""
    FOLDER.mkdir(exist_ok=True)
    viewer, panel = opened()
    job = panel.controller.job

    def wait(what: str, condition: Callable[[], bool]) -> None:
        wait_until(what, condition, PATIENCE)

    def save(name: str) -> None:
        rest(0.5)
        picture = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False))
        path = FOLDER / f"{name}.png"
        picture.convert("RGB").quantize(200).save(path, optimize=True)
        print(path)

    wait("device", lambda: bool(job.device))
    save("1_open")
    panel.segment()
    wait("fit", lambda: (job.shown or 0) > SOME or job.state is State.DONE)
    save("2_fitting")
    wait("end", lambda: job.state is State.DONE)
    wait("exact volumes", lambda: job.table is not None and job.table.exact)
    save("3_done")
    viewer.dims.order = CORONAL
    viewer.dims.set_point(1, THALAMI)
    show(panel, 4)
    save("4_scrubbed")
    show(panel, job.suggested or 0)
    tell_in_each_protocol(viewer, panel)
    panel.structures.jump_requested.emit(LEFT_HIPPOCAMPUS)
    before = len(viewer.layers)
    panel.timeline.keep_clicked.emit()
    wait("kept layer", lambda: len(viewer.layers) > before)
    viewer.layers[-1].mode = "paint"
    save("5_kept")
    viewer.layers[-1].visible = False
    before = len(viewer.layers)
    (entropy,) = (offered for offered in MAPS if offered.title == "Entropy")
    panel.maps.map_requested.emit(entropy, None)
    wait("map", lambda: len(viewer.layers) > before and is_sharp(panel))
    save("6_entropy")
    viewer.layers[-1].visible = False
    correct(viewer, panel, wait)
    close(viewer, panel)


def opened() -> tuple[Viewer, SegmentPanel]:
    """A window with the sample and the default model."""
    viewer = Viewer(show=False)
    panel = open_window(viewer, [])
    viewer.open_sample("napari-metaseg", "mni152")
    viewer.show()
    viewer.window.resize(*SIZE)
    panel.inputs.choose_model(bundled_model_files()[DEFAULT_MODEL])
    return viewer, panel


def show(panel: SegmentPanel, iteration: int) -> None:
    """Have an iteration on the screen, decoded at every voxel there."""
    job = panel.controller.job
    job.show(iteration)
    wait_until("picture", lambda: job.shown == iteration and is_sharp(panel), PATIENCE)
    rest(0.3)  # the layers are drawn a little later


def rest(seconds: float) -> None:
    """Let the window go on for a while."""
    try:
        wait_until("rest", lambda: False, seconds)
    except TimeoutError:
        return


def tell_in_each_protocol(viewer: Viewer, panel: SegmentPanel) -> None:
    """Save one plane as tissues, structures and parcels."""
    job, pictures = panel.controller.job, []
    assert job.session is not None
    for protocol in reversed(job.session.prepared.model.protocols):
        job.tell_in(protocol)
        told = partial(is_told, panel, protocol)
        wait_until(protocol, told, PATIENCE)
        rest(0.5)
        pictures.append(np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3])
    bright = np.max(pictures, axis=(0, 3)) > 20
    rows, columns = (np.flatnonzero(bright.any(axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    save_beside_each_other([picture[box] for picture in pictures], FOLDER / "granularity.png")


def is_told(panel: SegmentPanel, protocol: str) -> bool:
    """Whether the labels are sharp on the screen in a protocol."""
    session = panel.controller.job.session
    return session is not None and session.protocol.name == protocol and is_sharp(panel)


def correct(
    viewer: Viewer, panel: SegmentPanel, wait: Callable[[str, Callable[[], bool]], None]
) -> None:
    """Paint below a thalamus; save what stood there, the stroke, and after, and an animation."""
    job, controller = panel.controller.job, panel.controller
    controller.correcting.begin()
    controller.correcting.locality = "here"
    live = controller.live
    assert live is not None
    assert live.labels is not None
    labels = live.labels
    labels.visible = True
    viewer.camera.zoom *= CLOSER
    viewer.dims.set_point(1, THALAMI)
    plane = int(viewer.dims.current_step[1])
    wait("sharp picture", lambda: is_sharp(panel))

    def picture() -> np.ndarray:
        return np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3]

    frames = [picture()]
    shown, before = np.asarray(labels.data[:, plane]), job.shown
    middle = shown.shape[1] // 2
    labels.selected_label, labels.brush_size = LEFT_THALAMUS, 4
    for column in range(middle - 24, middle - 8):
        rows = np.flatnonzero(shown[:, column] == LEFT_THALAMUS)
        if len(rows):
            labels.paint((rows.min() - 1, plane, column), LEFT_THALAMUS)
            QApplication.processEvents()  # the brush is drawn
            frames.append(picture())
    (outlines,) = (layer for layer in viewer.layers if layer.name.endswith(" followed"))
    wait("outlines", lambda: outlines.visible)
    frames.append(picture())
    wait("their end", lambda: not outlines.visible and job.shown != before and is_sharp(panel))
    frames.append(picture())
    controller.correcting.end()
    path = FOLDER / "corrected.png"
    save_beside_each_other([frames[0], frames[-3], frames[-1]], path)
    save_animation(frames, FOLDER / "correcting.gif")


def save_beside_each_other(pictures: list[np.ndarray], path: Path) -> None:
    """Save pictures of one size in a row."""
    gap = np.full((len(pictures[0]), GAP, 3), 255, np.uint8)
    row = [part for picture in pictures for part in (picture, gap)][:-1]
    Image.fromarray(np.hstack(row)).quantize(200).save(path, optimize=True)
    print(path)


def save_animation(frames: list[np.ndarray], path: Path) -> None:
    """Save a stroke frame by frame: first and last, what follows and what is left stand longer."""
    durations = [LONG_MS, *[BRUSH_MS] * (len(frames) - 4), *[LONG_MS] * 3]
    first, *more = (Image.fromarray(frame).quantize(128) for frame in frames)
    first.save(path, save_all=True, append_images=more, duration=durations, loop=0, optimize=True)
    print(path)


def animate() -> None:
    """Save reconstruction and parcels side by side over the iterations as an animated GIF."""
    viewer, panel = opened()
    job = panel.controller.job
    wait_until("device", lambda: bool(job.device), PATIENCE)
    panel.segment()
    wait_until("end", lambda: job.state is State.DONE, PATIENCE)
    viewer.dims.order = CORONAL
    viewer.dims.set_point(1, THALAMI)
    frames = []
    labels = next(layer for layer in viewer.layers if layer.name.endswith(" labels"))
    for iteration in EMERGING:
        show(panel, iteration)
        halves = []
        for visible in (False, True):
            labels.visible = visible
            picture = np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3]
            halves.append(picture)
        rows = np.flatnonzero(halves[0].max((1, 2)) > 20)
        columns = np.flatnonzero(halves[0].max((0, 2)) > 20)
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        frame = Image.fromarray(np.hstack([half[box] for half in halves]))
        frame = frame.resize((760, round(760 * frame.height / frame.width)))
        ImageDraw.Draw(frame).text(
            (frame.width // 2, 4),
            f"iteration {iteration}",
            fill="white",
            anchor="ma",
            font=ImageFont.load_default(18),
        )
        frames.append(frame.quantize(palette=palette_of(frame), dither=Image.Dither.FLOYDSTEINBERG))
    path = FOLDER / "emerging.gif"
    durations = [FRAME_MS] * (len(frames) - 1) + [8 * FRAME_MS]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True
    )
    print(path)
    close(viewer, panel)


def palette_of(frame: Image.Image) -> Image.Image:
    """Greys for the reconstruction, and the colours of the labels, small areas' too."""
    labels = frame.crop((frame.width // 2, 0, frame.width, frame.height))
    colours = labels.quantize(256 - GREYS, Image.Quantize.MAXCOVERAGE).getpalette()
    greys = np.linspace(0, 255, GREYS).astype(int).repeat(3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette(greys + (colours or [])[: 3 * (256 - GREYS)])
    return palette


def close(viewer: Viewer, panel: SegmentPanel) -> None:
    """End the engine, then the window."""
    panel.controller.abort()
    viewer.close()


if __name__ == "__main__":
    main()
    animate()
