"""A simulated user who corrects labels stroke by stroke: what follows, and what is harmed.

    python -m benchmarks.corrections SCAN LABELS OUT.json --labels fs32

The user looks at planes of all three directions, 12 mm apart. In the plane where most is wrong (or,
with ``--worst``, most of the structure of the lowest Dice) they paint a disc at the middle of the
largest wrong component, within the structure that is there; then the network learns all that was
painted so far. All that is counted is counted in these planes, *net* also at random points
elsewhere that stand for the rest of the brain.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from benchmarks.common import MODEL_OF_15
from src_core.correction.learn import Lesson, learn_at_once
from src_core.correction.network import CorrectedNetwork
from src_core.correction.stroke import Stroke
from src_core.datasets.mapping import IGNORED, read_mapping
from src_core.datasets.settings import DataSettings
from src_core.io.scan import read_on_grid, read_scan
from src_core.models.model import load_model
from src_core.networks.head import merged_scores
from src_core.segment import segment
from src_core.training.changes.freesurfer import VERMIS

if TYPE_CHECKING:
    from src_core.results.segmentation import Segmentation

APART = 12.0
"""mm between the planes that are looked at."""
_PIECE = 8192
_OTHERS = 60_000
_LEAST = 50
"""Voxels of a structure, in the planes, below which its Dice is not counted."""


@dataclass(eq=False)
class Planes:
    """The planes that the user looks at, in the full resolution of the scan.

    Attributes
    ----------
    result : Segmentation
    truth : ndarray of uint8, shape (I, J, K)
        Right classes; `IGNORED` where they take no part.
    numbers : ndarray of int, shape (n,)
        Brain points in the planes.
    others : ndarray of int, shape (m,)
        Random brain points elsewhere.
    looked_at : tuple of (int, int)
        Axis and index of each plane.
    labels : ndarray of uint8, shape (I, J, K)
        Classes as they are now; those of the planes and of the other points count.
    """

    result: Segmentation
    truth: np.ndarray
    numbers: np.ndarray
    others: np.ndarray
    looked_at: tuple[tuple[int, int], ...]
    labels: np.ndarray

    @classmethod
    def of(cls, result: Segmentation, truth: np.ndarray) -> Planes:
        """Planes of all directions through the whole brain."""
        indices = result.points.indices.numpy()
        within, looked_at = np.zeros(len(indices), bool), []
        for axis, size in enumerate(result.scan.voxel_size):
            step = max(1, round(APART / size))
            within |= indices[:, axis] % step == step // 2
            looked_at += [(axis, index) for index in range(step // 2, truth.shape[axis], step)]
        rest = np.flatnonzero(~within)
        others = np.random.default_rng(0).choice(rest, min(_OTHERS, len(rest)), replace=False)
        labels = result.protocol.to_classes(result.labels)
        truth = np.where(truth == IGNORED, labels, truth)
        numbers = np.flatnonzero(within)
        return cls(result, truth, numbers, np.sort(others), tuple(looked_at), labels.copy())

    def voxels(self, numbers: np.ndarray) -> tuple[np.ndarray, ...]:
        """Voxels of some brain points, an array per axis."""
        return tuple(self.result.points.indices.numpy()[numbers].astype(int).T)

    @property
    def where(self) -> tuple[np.ndarray, ...]:
        """Voxels of the planes that are brain."""
        return self.voxels(self.numbers)

    def dice(self, labels: np.ndarray) -> dict[int, float]:
        """Dice of each structure in the planes, without the vermis, by class."""
        ours, right, ids = labels[self.where], self.truth[self.where], self.result.protocol.ids
        both = np.bincount(right[ours == right], minlength=len(ids))
        total = np.bincount(ours, minlength=len(ids)) + np.bincount(right, minlength=len(ids))
        counted = np.bincount(right, minlength=len(ids)) >= _LEAST
        return {
            one: float(2 * both[one] / total[one])
            for one in range(1, len(ids))
            if counted[one] and ids[one] != VERMIS
        }


def wrong_place(
    planes: Planes, concerns: np.ndarray, painted: np.ndarray
) -> tuple[np.ndarray, int] | None:
    """Middle of the largest wrong component in the plane where most is wrong, and its axis."""
    wrong = np.zeros(planes.labels.shape, bool)
    wrong[planes.where] = (planes.labels != planes.truth)[planes.where]
    wrong &= concerns & ~painted
    axis, index = max(planes.looked_at, key=lambda one: wrong.take(one[1], one[0]).sum())
    plane, right = wrong.take(index, axis), planes.truth.take(index, axis)
    best, middle = 0, None
    for one in np.unique(right[plane]):
        parts, count = ndimage.label(plane & (right == one))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        if sizes.max() > best:
            best = sizes.max()
            depth = ndimage.distance_transform_edt(np.pad(parts == sizes.argmax() + 1, 1))
            middle = np.array(np.unravel_index(depth.argmax(), depth.shape)) - 1
    return None if middle is None else (np.insert(middle, axis, index), axis)


def disc(planes: Planes, middle: np.ndarray, axis: int, radius: float) -> np.ndarray:
    """Voxels (n, 3) of a disc across an axis that are what its middle is."""
    reach = np.ceil(radius / planes.result.scan.voxel_size).astype(int)
    reach[axis] = 0
    around = np.argwhere(np.ones(2 * reach + 1, bool)) - reach
    voxels = middle + around
    voxels = voxels[((voxels >= 0) & (voxels < planes.truth.shape)).all(1)]
    away = np.linalg.norm((voxels - middle) * planes.result.scan.voxel_size, axis=1)
    voxels = voxels[away <= radius]
    same = planes.truth[tuple(voxels.T)] == planes.truth[tuple(middle)]
    found: np.ndarray = voxels[same & planes.result.mask[tuple(voxels.T)]]
    return found


@torch.no_grad()
def hidden_of(network: CorrectedNetwork, planes: Planes, numbers: np.ndarray) -> torch.Tensor:
    """What the last layer of the head reads at some points, float16."""
    pieces = torch.from_numpy(numbers).split(_PIECE)
    return torch.cat([network.hidden(planes.result.points.take(p)).half() for p in pieces])


@torch.no_grad()
def classes_of(
    network: CorrectedNetwork, planes: Planes, numbers: np.ndarray, hidden: torch.Tensor
) -> np.ndarray:
    """Classes of points whose hidden units are known."""
    found, sums = [], network.head.sums
    pieces = torch.from_numpy(numbers).split(_PIECE)
    for piece, read in zip(pieces, hidden.split(_PIECE), strict=True):
        scores = network.scores(read.float(), planes.result.points.take(piece))
        found.append((scores if sums is None else merged_scores(scores, sums)).argmax(1))
    classes: np.ndarray = torch.cat(found).numpy()
    return classes


@dataclass(frozen=True, eq=False)
class CorrectedBrain:
    """What strokes came to.

    Attributes
    ----------
    rows : list of dict
        Scores after each stroke.
    painted : Stroke
        All that was painted.
    network : CorrectedNetwork
        That has learned it.
    """

    rows: list[dict[str, Any]]
    painted: Stroke
    network: CorrectedNetwork


def correct(planes: Planes, strokes: int, radius: float, worst: bool) -> CorrectedBrain:
    """Paint and learn, stroke by stroke."""
    first = network = CorrectedNetwork(planes.result.network)
    numbers = np.concatenate([planes.numbers, planes.others])
    hidden = hidden_of(first, planes, numbers)
    before, painted = planes.labels.copy(), np.zeros(planes.labels.shape, bool)
    voxels, classes, rows = np.zeros((0, 3), int), np.zeros(0, int), []
    stroke = Stroke(voxels, classes)
    visits = dict.fromkeys(planes.dice(before), 0)
    touched: set[int] = set()
    for number in range(1, strokes + 1):
        concerns = np.ones(before.shape, bool)
        if worst:
            now = planes.dice(planes.labels)
            one = min(visits, key=lambda structure: (visits[structure] >= 2, now[structure]))
            visits[one] += 1
            concerns = (planes.labels == one) | (planes.truth == one)
        place = wrong_place(planes, concerns, painted)
        if place is None:
            continue
        new = disc(planes, *place, radius)
        touched |= {*planes.truth[tuple(new.T)].tolist(), *planes.labels[tuple(new.T)].tolist()}
        painted[tuple(new.T)] = True
        voxels = np.concatenate([voxels, new])
        classes = np.concatenate([classes, planes.truth[tuple(new.T)]])
        stroke = Stroke(voxels, planes.result.protocol.ids[classes])
        lesson = Lesson.of(stroke, planes.result.points, planes.result.protocol)
        started, cpu = time.perf_counter(), time.process_time()
        network = learn_at_once(first, planes.result.points, lesson)
        seconds = (time.perf_counter() - started, time.process_time() - cpu)
        planes.labels[planes.voxels(numbers)] = classes_of(network, planes, numbers, hidden)
        planes.labels[tuple(voxels.T)] = classes
        rows.append(_counted(planes, before, voxels, classes, touched, seconds))
        print(number, json.dumps(rows[-1]), flush=True)
    return CorrectedBrain(rows, stroke, network)


def _counted(
    planes: Planes,
    before: np.ndarray,
    voxels: np.ndarray,
    classes: np.ndarray,
    touched: set[int],
    seconds: tuple[float, float],
) -> dict[str, Any]:
    alone = before.copy()
    alone[tuple(voxels.T)] = classes
    first, now, only = (planes.dice(labels) for labels in (before, planes.labels, alone))
    became = (planes.labels == planes.truth).astype(int) - (before == planes.truth)
    elsewhere = len(planes.result.points) - len(planes.numbers)
    # The planes are counted, the rest of the brain is what the other points stand for.
    share = elsewhere / max(1, len(planes.others))
    net = became[planes.where].sum() + share * became[planes.voxels(planes.others)].sum()
    of = [one for one in first if one in touched]
    rest = [now[one] - first[one] for one in first if one not in touched]
    error = [np.mean([1 - scores[one] for one in of]) for scores in (first, now, only)]
    return {
        "painted": len(voxels),
        "net_right_per_painted": round(float(net) / len(voxels), 2),
        "error_of_touched": round(float(error[1] / error[0] - 1), 4),
        "error_of_touched_painting_alone": round(float(error[2] / error[0] - 1), 4),
        "untouched": round(float(np.mean(rest)), 5) if rest else None,
        "worst_untouched": round(float(np.min(rest)), 5) if rest else None,
        "mean_dice": [round(float(np.mean(list(s.values()))), 5) for s in (first, only, now)],
        "seconds": round(seconds[0], 2),
        "processor_seconds": round(seconds[1], 2),
    }


def main() -> None:
    """Read the arguments, fit, correct, and write the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("reference", type=Path, help="label map; a data set's mapping is used")
    parser.add_argument("output", type=Path, help=".json")
    parser.add_argument("--data", type=Path, help="folder whose label_mapping.csv tells the ids")
    parser.add_argument("--model", default=MODEL_OF_15)
    parser.add_argument("--labels", default="fs32")
    parser.add_argument("--brain", default="auto")
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--radius", type=float, default=3.0)
    parser.add_argument("--worst", action="store_true", help="visit the worst structures")
    args = parser.parse_args()
    model = load_model(args.model).in_protocol(args.labels)
    scan = read_scan(args.scan)
    labels = read_on_grid(args.reference, scan, "reference")
    if args.data:
        truth = read_mapping(DataSettings(args.data), model.protocol)[labels]
    else:
        truth = model.protocol.to_classes(labels)
    planes = Planes.of(segment(scan, model=model, brain=args.brain), truth)
    corrected = correct(planes, args.strokes, args.radius, args.worst)
    scores = {"strokes": corrected.rows, "radius": args.radius, "worst": args.worst}
    args.output.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
