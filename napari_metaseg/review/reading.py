"""Scans of a study with their labels, read before they are asked for."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from nibabel.affines import apply_affine

from napari_metaseg.layers.label_style import read_label_table
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import LayerData, labels_layer, scan_layer
from src_core.cohort.plan import read_settings
from src_core.io.export import companion
from src_core.io.labels import Structure
from src_core.io.scan import read_on_grid, read_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_metaseg.layers.orientation import Orientation
    from src_core.cohort.records import Record
    from src_core.io.scan import Scan

SCAN, MASK, LABELS = "scan", "brain", "labels"
"""What the layers of a scan are called besides its name."""
_BRAIN = (Structure(1, "Brain", (255, 200, 60)),)


@dataclass(frozen=True, eq=False)
class Opened:
    """A scan of a study, ready to be shown.

    Attributes
    ----------
    record : Record
    scan : Scan
    orientation : Orientation
    labels, mask : ndarray of int, shape (I, J, K)
        As in their files.
    centre : ndarray, shape (2,) or (3,)
        Of the brain, as a position on the screen.
    layers : dict of str to (data, keyword arguments, layer type)
        What is shown, from below: of `SCAN`, `MASK` and `LABELS`.
    """

    record: Record
    scan: Scan
    orientation: Orientation
    labels: np.ndarray
    mask: np.ndarray
    centre: np.ndarray
    layers: dict[str, LayerData]


def open_scan(record: Record) -> Opened:
    """Read a scan, its brain mask and its labels.

    Raises
    ------
    InputError
        A file is missing or damaged.
    """
    place = record.place
    scan = read_scan(record.scan, read_settings(place.output).get("series"))
    labels = read_on_grid(place.labels, scan, "label map")
    mask = (read_on_grid(record.mask, scan, "mask") > 0).astype(np.uint8)
    structures = read_label_table(companion(place.labels, ".tsv"))
    orientation = orientation_of(scan.affine, scan.shape)
    name = record.name
    layers = {
        SCAN: scan_layer(scan, f"{name} {SCAN}"),
        MASK: labels_layer(mask, scan, orientation, _BRAIN, f"{name} {MASK}"),
        LABELS: labels_layer(
            labels, scan, orientation, structures, f"{name} {LABELS}", record.report
        ),
    }
    return Opened(record, scan, orientation, labels, mask, _centre(mask, orientation), layers)


def _centre(mask: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Middle between the ends of the brain, as a position on the screen."""
    inside = np.argwhere(orientation.to_display(mask))
    ends = np.stack([inside.min(axis=0), inside.max(axis=0)])
    centre: np.ndarray = apply_affine(orientation.affine, ends.mean(axis=0))
    return centre


class ReadAhead:
    """Reads scans, and does what else must not keep the window waiting, in a thread of its own.

    One thing is done after another, in the order in which they were asked for: so that what was
    saved is there when it is read again.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "metaseg-review")
        self._read: dict[str, Future[Opened]] = {}

    def want(self, records: Iterable[Record]) -> None:
        """Read these, the first of them first, and let go of all others."""
        wanted = {record.name: record for record in records}
        for name in self._read.keys() - wanted.keys():
            self._read.pop(name).cancel()
        for name, record in wanted.items():
            if name not in self._read:
                self._read[name] = self._thread.submit(open_scan, record)

    def opened(self, name: str) -> Opened | None:
        """A scan that was wanted; None: it is still being read.

        Raises
        ------
        InputError
            It cannot be read.
        """
        future = self._read[name]
        return future.result() if future.done() else None

    def forget(self, name: str) -> None:
        """Read a scan anew when it is wanted again."""
        if name in self._read:
            self._read.pop(name).cancel()

    def do(self, task: Callable[[], Any]) -> Future[Any]:
        """Do something after all that was asked for before."""
        return self._thread.submit(task)

    def close(self) -> None:
        """Read no more, and wait for the end of what else was asked for."""
        self.want([])
        self._thread.shutdown(wait=True)
