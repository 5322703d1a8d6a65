"""A structure that the model lacks, painted on a few planes, and how much of it is found.

    python -m benchmarks.new_structure SCAN LABELS OUT.json --ids 47 48

The whole section of the structure is painted, on two axial planes or on one plane of each
direction (sagittal on both sides, where it is on both). Dice is that of the whole structure, with
what was painted, estimated at points near it and at fewer of those far away.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial import cKDTree

from src_core.correction.learn import Lesson, learn_at_once
from src_core.correction.network import CorrectedNetwork
from src_core.correction.stroke import REACH
from src_core.fitting.decode import decode
from src_core.io.scan import read_on_grid, read_scan
from src_core.segment import segment

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.points import BrainPoints

_NEAR = 20.0
_MOST = (40_000, 12_000)
"""Points near the structure and far from it at which labels are compared."""


def sections(points: BrainPoints, is_part: np.ndarray, axial: int) -> dict[str, np.ndarray]:
    """Numbers of the points that are painted, for two axial planes and one in each direction."""
    indices, part = points.indices.numpy(), np.flatnonzero(is_part)
    first = points.positions().numpy()[part, 0]
    sides = [part[first < 0], part[first > 0]]
    if min(map(len, sides)) < len(part) / 10:
        sides = [part]

    def section(of: np.ndarray, axis: int, share: float) -> np.ndarray:
        planes = indices[of, axis]
        found: np.ndarray = part[
            indices[part, axis] == np.quantile(planes, share, method="nearest")
        ]
        return found

    across = int(np.abs(points.to_template.numpy()[0, :3]).argmax())
    two = [section(part, axial, share) for share in (0.3, 0.7)]
    others = [section(part, axis, 0.5) for axis in range(3) if axis != across]
    three = [*(section(side, across, 0.5) for side in sides), *others]
    return {"two axial": np.unique(np.concatenate(two)), "three": np.unique(np.concatenate(three))}


def found(
    network: CoordinateNetwork, points: BrainPoints, is_part: np.ndarray, painted: np.ndarray
) -> dict[str, Any]:
    """What the network finds of a structure of which some points were painted."""
    first = CorrectedNetwork(network)
    lesson = Lesson(
        torch.from_numpy(painted),
        torch.full((len(painted),), first.known),
        torch.full((len(painted),), REACH["structure"]),
        first.known + 1,
    )
    started = time.process_time()
    taught = learn_at_once(first, points, lesson)
    seconds = time.process_time() - started
    positions = points.positions().numpy()
    away = cKDTree(positions[is_part]).query(positions, distance_upper_bound=_NEAR)[0]
    draw, both, ours, all_of_it = np.random.default_rng(0), 0.0, 0.0, float(is_part.sum())
    for where, most in zip((away < _NEAR, away >= _NEAR), _MOST, strict=True):
        candidates = np.flatnonzero(where)
        some = np.sort(draw.choice(candidates, min(most, len(candidates)), replace=False))
        share = len(candidates) / len(some)
        told = decode(taught, points, "classes", torch.from_numpy(some)) == first.known
        told |= np.isin(some, painted)
        both += share * (told & is_part[some]).sum()
        ours += share * told.sum()
    return {
        "painted": len(painted),
        "dice": round(float(2 * both / (ours + all_of_it)), 4),
        "volume_ratio": round(float(ours / all_of_it), 3),
        "processor_seconds": round(seconds, 2),
    }


def main() -> None:
    """Read the arguments, fit, paint, and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("reference", type=Path, help="label map")
    parser.add_argument("output", type=Path, help=".json")
    parser.add_argument("--ids", type=int, nargs="+", required=True, help="of the structure")
    parser.add_argument("--model", default="brain3d-tissue")
    args = parser.parse_args()
    scan = read_scan(args.scan)
    result = segment(scan, model=args.model)
    labels = read_on_grid(args.reference, scan, "reference")
    where = tuple(result.points.indices.numpy().astype(int).T)
    is_part = np.isin(labels[where], args.ids)
    axial = int(np.abs(scan.affine[2, :3]).argmax())
    painted = sections(result.points, is_part, axial)
    scores = {way: found(result.network, result.points, is_part, painted[way]) for way in painted}
    args.output.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
