"""Open a DICOM series, after asking which if a folder holds several."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from magicgui.widgets import request_values
from napari import current_viewer
from napari.utils import progress

from src_core.io.dicom_series import choose_series, find_series
from src_core.io.scan import Scan, read_series

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from src_core.io.dicom_series import Series

Result = TypeVar("Result")

_UPDATE_S = 0.02


def read_dicom(path: Path) -> tuple[Scan, Series] | None:
    """Read the series of a folder or file; None if the user was asked which, and wants none.

    Parameters
    ----------
    path : Path
        Folder of DICOM files, or one of them.

    Raises
    ------
    InputError
        If there is no series that can be used, or there are several and no window to ask in.
    """
    found = _beside(lambda: find_series(path), "Looking for DICOM series")
    series = _asked_for(found) if len(found) > 1 and current_viewer() else choose_series(found)
    if series is None:
        return None
    scan = _beside(lambda: read_series(series), f"Converting {len(series.instances)} DICOM files")
    return scan, series


def _asked_for(found: Sequence[Series]) -> Series | None:
    """What the user chooses in a dialog."""
    choices = [(str(series), index) for index, series in enumerate(found)]
    values = request_values(
        series={"label": "Series", "widget_type": "ComboBox", "options": {"choices": choices}},
        title=f"{len(found)} DICOM series in {found[0].folder.name}",
    )
    return None if values is None else found[values["series"]]


def _beside(work: Callable[[], Result], description: str) -> Result:
    """Work in a thread while napari shows that; it lets the window answer at every update."""
    with (
        ThreadPoolExecutor(1) as pool,
        progress(total=0, desc=description, disable=current_viewer() is None) as shown,
    ):
        task = pool.submit(work)
        while not wait([task], _UPDATE_S).done:
            shown.update(0)
        return task.result()
