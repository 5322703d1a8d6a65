"""A simulated user who labels one structure of any scan, with a network that was never trained.

    python -m benchmarks.any_scan SCAN LABELS OUT.json --structure cerebellum 38 39 40 41

The whole section of the structure is painted, on two axial planes or on one plane of each direction
(sagittal on both sides, where it is on both). Then the user looks at planes of all directions, 12
mm apart, and paints a disc of 3 mm, with what is there, at the middle of the largest wrong
component in the plane where most is wrong, again and again. Dice is that of all these planes.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.corrections import Planes, disc, wrong_place
from benchmarks.new_structure import sections
from src_core.correction.learn import Lesson, learn_at_once
from src_core.correction.network import CorrectedNetwork
from src_core.correction.stroke import Stroke
from src_core.fitting.decode import decode
from src_core.io.labels import Structure
from src_core.io.scan import read_on_grid, read_scan
from src_core.models.model import load_model
from src_core.segment import segment

if TYPE_CHECKING:
    from src_core.results.segmentation import Segmentation

_RADIUS = 3.0


def labelled(planes: Planes, numbers: np.ndarray, discs: int) -> list[dict[str, Any]]:
    """Scores after the sections of some points, and after each disc that corrects what follows."""
    result = planes.result
    first = CorrectedNetwork(result.network)
    voxels = np.stack(planes.voxels(numbers), 1)
    classes, painted, rows = np.ones(len(voxels), int), np.zeros(planes.labels.shape, bool), []
    for number in range(discs + 1):
        painted[tuple(voxels.T)] = True
        lesson = Lesson.of(Stroke(voxels, classes), result.points, result.protocol)
        started = time.process_time()
        network = learn_at_once(first, result.points, lesson)
        seconds = time.process_time() - started
        told = decode(network, result.points, "classes", torch.from_numpy(planes.numbers))
        planes.labels[planes.where] = told
        planes.labels[tuple(voxels.T)] = classes
        right = planes.truth[planes.where] == 1
        rows.append(
            {
                "discs": number,
                "painted": len(voxels),
                "dice": round(planes.dice(planes.labels)[1], 4),
                "volume_ratio": round(
                    float((planes.labels[planes.where] == 1).sum() / right.sum()), 3
                ),
                "learned_in": round(seconds, 2),
            }
        )
        place = wrong_place(planes, np.ones(painted.shape, bool), painted)
        if place is None:
            break
        new = disc(planes, *place, _RADIUS)
        voxels = np.concatenate([voxels, new])
        classes = np.concatenate([classes, planes.truth[tuple(new.T)]])
    return rows


def scores(result: Segmentation, is_part: np.ndarray, discs: int) -> dict[str, Any]:
    """Scores of a structure, (I, J, K) bool, by how it was painted at first."""
    inside = is_part[tuple(result.points.indices.numpy().astype(int).T)]
    axial = int(np.abs(result.scan.affine[2, :3]).argmax())
    return {
        way: labelled(Planes.of(result, is_part.astype(np.uint8)), numbers, discs)
        for way, numbers in sections(result.points, inside, axial).items()
    }


def main() -> None:
    """Read the arguments, fit, paint, and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("reference", type=Path, help="label map")
    parser.add_argument("output", type=Path, help=".json")
    parser.add_argument("--structure", nargs="+", action="append", required=True, metavar="NAME ID")
    parser.add_argument("--discs", type=int, default=10)
    parser.add_argument("--iterations", type=int)
    args = parser.parse_args()
    scan = read_scan(args.scan)
    model = replace(load_model("untrained"), added=(Structure(1, "Painted", (255, 0, 0)),))
    started = time.process_time()
    result = segment(scan, model=model, iterations=args.iterations)
    spent = round(time.process_time() - started, 1)
    labels = read_on_grid(args.reference, scan, "reference")
    found: dict[str, Any] = {
        "voxels": len(result.points),
        "psnr": result.report["psnr"],
        "processor_seconds": spent,
        "seconds": result.report["seconds"],
    }
    for name, *ids in args.structure:
        found[name] = scores(result, np.isin(labels, [int(one) for one in ids]), args.discs)
        args.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(name, json.dumps({way: (r[0], r[-1]) for way, r in found[name].items()}), flush=True)


if __name__ == "__main__":
    main()
