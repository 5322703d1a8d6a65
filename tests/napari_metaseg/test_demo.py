"""The demo without a screen of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel
import pytest
from PIL import Image
from qtpy.QtCore import QObject

from napari_metaseg import demo
from napari_metaseg.panel.panel import SegmentPanel
from napari_metaseg.preferences import Preferences, save_preferences
from napari_metaseg.run.status import State
from src_core.io.export import write_scalar_map
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import napari


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[Path]:
    """A small scan that is fitted for a few iterations only."""
    save_preferences(Preferences(preset="Custom", iterations=12))
    image, _ = phantom(voxel_size=6.0)
    path = tmp_path / "scan.nii.gz"
    write_scalar_map(image.voxels, image, path)
    yield path
    save_preferences(Preferences())


def test_each_step_is_a_picture_of_the_window(
    make_napari_viewer: Callable[..., napari.Viewer], scan: Path
) -> None:
    viewer = make_napari_viewer()
    pictures = demo.run(viewer, scan, scan.parent)
    assert [picture.name for picture in pictures] == [
        "screenshot_1_opened.png",
        "screenshot_2_first_picture.png",
        "screenshot_3_half_way.png",
        "screenshot_4_done.png",
        "screenshot_5_iteration_1.png",
    ]
    for picture in pictures:
        with Image.open(picture) as shown:
            assert shown.size == demo.SIZE
    (panel,) = viewer.window._qt_window.findChildren(SegmentPanel)
    assert panel.controller.job.state is State.DONE


def test_a_single_slice_is_segmented_too(
    make_napari_viewer: Callable[..., napari.Viewer], scan: Path
) -> None:
    volume = nibabel.load(scan)
    middle = volume.shape[1] // 2
    nibabel.save(volume.slicer[:, middle : middle + 1], scan)
    assert len(demo.run(make_napari_viewer(), scan, scan.parent)) == 5


def test_what_takes_too_long_is_named(qapp: object) -> None:
    with pytest.raises(TimeoutError, match="end of the world"):
        demo.wait_until("end of the world", lambda: False, 0.05)


def test_what_is_to_be_deleted_is_deleted_while_it_waits(qapp: object) -> None:
    gone: list[bool] = []
    indicator = QObject()
    indicator.destroyed.connect(lambda: gone.append(True))
    indicator.deleteLater()
    demo.wait_until("indicator to go", lambda: bool(gone), 5)
