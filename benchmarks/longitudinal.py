"""How much volumes vary between two scans of one person, and how much of a known change is found.

    python -m benchmarks.longitudinal FIRST SECOND [FIRST SECOND ...]
    python -m benchmarks.longitudinal --known SCAN [SCAN ...]

Pairs show one person on two days, so little should have changed. With `--known` a stripped scan
is compared with itself as it might have come another day, with a change that is known: moved, noisy
and brighter, hippocampi and putamina smaller, ventricles larger.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.common import MODEL_OF_15
from src_core.io.protocols import protocol
from src_core.io.scan import Scan, read_scan, scan_from_array
from src_core.results.changes import change, volume_rows
from src_core.segment import segment

if TYPE_CHECKING:
    from collections.abc import Sequence

LABELS = "fs32"
LEFT_OUT = "Vermis"
NOISE = 0.02
"""Standard deviation as a share of the scan's bright end."""
CHANGED = {"Hippocampus": (0.03, 14.0), "Lateral-Ventricle": (-0.06, 16.0), "Putamen": (0.02, 12.0)}
"""Shrinkage along each axis at the centre of a structure, and how many voxels far it reaches."""
MOVES = ((-2.0, (-0.6, 0.4, 1.1)), (2.5, (0.7, -0.3, -0.8)))
"""Turn (degrees) and shift (voxels) of each of the two made-up scans."""


def changes(scans: Sequence[Scan | Path]) -> np.ndarray:
    """Change (percent) of each structure between two scans, each segmented by itself."""
    results = [segment(scan, model=MODEL_OF_15, labels=LABELS) for scan in scans]
    label_maps, grids = [one.labels for one in results], [one.scan for one in results]
    return np.array([row[3][0] for row in volume_rows(label_maps, grids, protocol(LABELS))])


def with_known_change(scan: Scan, labels: np.ndarray) -> tuple[list[Scan], np.ndarray]:
    """A scan as it might have come on two days, and the change (percent) of each structure."""
    index = np.indices(scan.shape, np.float32)
    structures = protocol(LABELS).structures
    bumps = [
        (_centre(labels == structure.id), *CHANGED[word])
        for structure in structures
        for word in CHANGED
        if structure.name.endswith(word) and (labels == structure.id).any()
    ]

    def before(places: np.ndarray) -> np.ndarray:
        """Where what is seen at places (3, ...) after the change was before."""
        moved = places.copy()
        for centre, shrinkage, reach in bumps:
            away = places - centre.reshape(3, 1, 1, 1)
            moved += shrinkage * away * np.exp(-np.square(away).sum(0) / (2 * reach**2))
        return moved

    then = before(index)
    truth = []
    for structure in structures:
        inside = (labels == structure.id).astype(np.float32)
        grown = ndimage.map_coordinates(inside, then, order=1).sum()
        truth.append(change(float(inside.sum()), float(grown)))
    first, second = (_moved(scan, *move) for move in MOVES)
    return [_seen(scan, first, 0), _seen(scan, before(second), 1)], np.array(truth)


def _centre(inside: np.ndarray) -> np.ndarray:
    centre: np.ndarray = np.argwhere(inside).mean(0).astype(np.float32)
    return centre


def _moved(scan: Scan, degrees: float, shift: tuple[float, ...]) -> np.ndarray:
    """Voxel positions (3, I, J, K) from which a turned head is seen."""
    turn = Rotation.from_euler("xyz", [degrees, degrees / 2, -degrees / 2], degrees=True)
    centre = _centre(scan.voxels > 0)
    places = np.indices(scan.shape, np.float32).reshape(3, -1).T - centre
    moved: np.ndarray = (places @ turn.as_matrix().T + centre + shift).T
    return moved.reshape(3, *scan.shape).astype(np.float32)


def _seen(scan: Scan, places: np.ndarray, seed: int) -> Scan:
    """A stripped scan seen at voxel positions (3, I, J, K), a little brighter, with noise."""
    values = ndimage.map_coordinates(scan.voxels, places, order=3)
    brain = ndimage.map_coordinates((scan.voxels > 0).astype(np.float32), places, order=1) > 0.5
    bright = float(np.percentile(scan.voxels[scan.voxels > 0], 95))
    values = values * (1 + 0.08 * seed)
    values += np.random.default_rng(seed).normal(0, NOISE * bright, values.shape)
    return scan_from_array(np.where(brain, np.maximum(values, 1), 0), scan.affine)


def main() -> None:
    """Measure and print a line for each pair, or for each scan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--known", action="store_true", help="compare with a made-up change")
    args = parser.parse_args()
    names = [structure.name for structure in protocol(LABELS).structures]
    kept = np.array([name != LEFT_OUT for name in names])
    if args.known:
        for path in args.scans:
            labels = segment(path, model=MODEL_OF_15, labels=LABELS).labels
            made_up, truth = with_known_change(read_scan(path), labels)
            large = kept & (np.abs(truth) > 2)
            found = changes(made_up)
            slope = (found * truth)[large].sum() / np.square(truth[large]).sum()
            error = np.nanmean(np.abs(found - truth)[kept])
            print(f"{path.name}: {slope:.2f} of the change, error {error:.2f} %")
        return
    for first, second in zip(args.scans[::2], args.scans[1::2], strict=True):
        found = changes([first, second])
        print(f"{first.name} {second.name}: {np.nanmean(np.abs(found[kept])):.2f} %")


if __name__ == "__main__":
    main()
