"""What a model loses when a scan comes otherwise, when it is fitted longer, and between people.

Run ``python -m benchmarks.robustness MODEL DATA --output FOLDER``. Each scan is segmented as it is
and in every way of `benchmarks.changed_scans`; a loss is the mean foreground Dice of the unchanged
scan minus that of the changed one. Moved voxels are compared with the labels resampled to their
nearest neighbours, which costs some by itself: the row of the half voxel says how much. The course
of a fit that takes twice the model's iterations tells how good the automatic stop was, and how soon
labels were good. Label maps of two scans of one person are compared after a rigid match. What was
measured is kept in FOLDER/work, and an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.changed_scans import CHANGES, Original
from benchmarks.common import kept
from benchmarks.findings import (
    COLLAPSE,
    NEAR,
    SOON,
    STOP,
    UNCHANGED,
    Finding,
    ages_of,
    markdown,
    write,
)
from benchmarks.rigid_match import labels_there, rigid_match
from src_core.datasets.mapping import IGNORED, read_mapping
from src_core.datasets.settings import DataSettings
from src_core.evaluation.scans import EvaluationScan, LabelledImage, evaluation_scans
from src_core.evaluation.scores import score_structures
from src_core.fitting.decode import decode
from src_core.fitting.history import nearest
from src_core.io.scan import Scan, read_on_grid
from src_core.models.model import Model, load_model
from src_core.preparation.alignment import read_transform
from src_core.preparation.brain import brain_mask
from src_core.results.measure import dice, volumes
from src_core.segment import segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.io.labels import Protocol
    from src_core.results.segmentation import Segmentation

COURSE = (0, 1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40, 50, 65, 80, 100, 120, 150, 200, 250, 300, 400)
LONG = (100, 200, 300, 500, 750, 1000, 1500, 2000)
"""Iterations scored in the course of a fit, if it goes so far."""
VOXELS = 200_000
"""Drawn at random, on which the course is scored: the same at every iteration."""
Dices = dict[str, float | None]
"""Of each structure."""


@dataclass(frozen=True, eq=False)
class Bench:
    """What is measured, and where it is kept.

    Attributes
    ----------
    model : Model
    mapping : ndarray of uint8
        Class by label id.
    work : Path
        Folder of what was measured.
    leave_out : list of str
        Structures that do not enter the means.
    threads : int or None
    """

    model: Model
    mapping: np.ndarray
    work: Path
    leave_out: list[str]
    threads: int | None

    @property
    def protocol(self) -> Protocol:
        """Protocol of the model."""
        return self.model.protocol

    def folder(self, labelled: EvaluationScan) -> Path:
        """Where all about one scan is kept; another one for other files of the same name."""
        folder = self.work / self.model.sha256[:8] / f"{labelled.name}-{labelled.fingerprint[:8]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def segment(self, scan: Scan, iterations: int | None = None) -> Segmentation:
        """Segment a scan with the model, for so many iterations if they are given."""
        return segment(
            scan, model=self.model, iterations=iterations, threads=self.threads, force=True
        )

    def dices(self, labels: np.ndarray, scan: Scan, classes: np.ndarray) -> Dices:
        """Dice of each structure."""
        image = LabelledImage(scan, classes)
        structures, _ = score_structures(labels, image, self.protocol, self.mapping)
        return {structure.name: structure.dice for structure in structures}

    def mean(self, values: Dices) -> float:
        """Over the structures that are defined and not left out."""
        kept = [v for name, v in values.items() if v is not None and name not in self.leave_out]
        return float(np.mean(kept))


@dataclass(frozen=True, eq=False)
class Case:
    """A scan with its unchanged result."""

    labelled: EvaluationScan
    original: Original
    labels: np.ndarray
    alignment: np.ndarray
    iterations: int


def unchanged(bench: Bench, labelled: EvaluationScan) -> Case:
    """Segment a scan as it is, or read the result that is kept."""
    (image,) = labelled.read(bench.mapping)
    scan = image.scan
    path = bench.folder(labelled) / "unchanged_dseg.nii.gz"
    report = path.with_name("unchanged_dseg.json")
    if not report.exists():
        bench.segment(scan).save(path, overwrite=True)
    return Case(
        labelled,
        Original(scan, brain_mask(scan), image.classes),
        read_on_grid(path, scan, "label map"),
        read_transform(report),
        json.loads(report.read_text())["iterations"],
    )


def losses(bench: Bench, case: Case, names: Sequence[str]) -> list[Finding]:
    """What each change costs."""
    name, original = case.labelled.name, case.original
    own = bench.mean(bench.dices(case.labels, original.scan, original.classes))
    findings = [Finding(UNCHANGED, name, own)]
    for what in names:

        def measure(what: str = what) -> dict[str, Any]:
            changed = CHANGES[what].make(original)
            labels = bench.segment(changed.scan).labels
            on = original.classes if changed.counterpart is None else changed.counterpart
            return {
                "dice": bench.dices(labels, changed.scan, changed.classes),
                "counterpart": bench.dices(case.labels, original.scan, on),
            }

        found = kept(bench.folder(case.labelled) / f"{_file_name(what)}.json", measure)
        loss = bench.mean(found["counterpart"]) - bench.mean(found["dice"])
        findings.append(Finding(what, name, loss))
    return findings


def _file_name(what: str) -> str:
    return "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in what)


def course(bench: Bench, case: Case, iterations: int, scored: Sequence[int]) -> dict[int, float]:
    """Mean foreground Dice in the course of a fit of exactly so many iterations."""

    def measure() -> dict[str, Any]:
        result = bench.segment(case.original.scan, iterations)
        wanted = {i for i in (*scored, case.iterations, iterations) if i <= iterations}
        stored = {nearest(result.iterations, iteration) for iteration in wanted}
        return {str(iteration): _sampled(bench, case, result, iteration) for iteration in stored}

    found = kept(bench.folder(case.labelled) / f"course_{iterations}.json", measure)
    means = {int(iteration): bench.mean(values) for iteration, values in found.items()}
    return dict(sorted(means.items()))


def _sampled(bench: Bench, case: Case, result: Segmentation, iteration: int) -> Dices:
    """Dice of each structure at an iteration, on a sample of the brain's voxels."""
    truth = case.original.classes[result.mask]
    taking_part = np.flatnonzero(truth != IGNORED)
    random = np.random.default_rng(0)
    which = random.choice(taking_part, min(VOXELS, len(taking_part)), replace=False)
    with result.history.at(iteration) as network:
        where = torch.from_numpy(which).to(result.points.indices.device)
        found = decode(network, result.points, "classes", where)
    scores = dice(found, truth[which], range(1, len(bench.protocol.ids)))
    given = set(bench.mapping.tolist())
    return {
        structure.name: scores[place] if place in given and not np.isnan(scores[place]) else None
        for place, structure in enumerate(bench.protocol.structures, start=1)
    }


def courses(bench: Bench, case: Case, long: bool) -> list[Finding]:
    """How good the automatic stop was, how soon labels were good, and whether they decay."""
    name = case.labelled.name
    usual = course(bench, case, 2 * bench.model.fit.iterations, COURSE)
    final = usual[nearest(list(usual), case.iterations)]
    before = [i for i in usual if i <= case.iterations]
    late = [i for i in before if abs(usual[i] - final) > NEAR]
    soon = next(i for i in before if not late or i > late[-1])
    best = max(usual.values())
    findings = [Finding(STOP, name, best - final), Finding(SOON, name, soon)]
    if long:
        far = course(bench, case, LONG[-1], LONG)
        best = max(best, *far.values())
        findings.append(Finding(COLLAPSE, name, best - far[LONG[-1]]))
    return findings


def one_person_twice(bench: Bench, first: Case, second: Case) -> list[Finding]:
    """Compare the label maps of two scans of a person, ours and the manual ones."""
    name = f"{first.labelled.name} and {second.labelled.name}"

    def measure() -> dict[str, Any]:
        one, other = first.original, second.original
        start = np.linalg.inv(first.alignment) @ second.alignment
        rigid, correlation = rigid_match(one.scan, one.mask, other.scan, other.mask, start)
        ids = bench.protocol.ids[1:].tolist()
        found: dict[str, Any] = {"rigid": rigid, "correlation": correlation}
        manual = [
            bench.protocol.to_ids(np.where(case.classes == IGNORED, 0, case.classes))
            for case in (one, other)
        ]
        for whose, (a, b) in {"our": (first.labels, second.labels), "the manual": manual}.items():
            overlap = dice(a, labels_there(b, other.scan, one.scan, rigid), ids)
            v, w = volumes(a, one.scan.affine, ids), volumes(b, other.scan.affine, ids)
            for structure in bench.protocol.structures:
                total = v[structure.id] + w[structure.id]
                difference = 200 * abs(v[structure.id] - w[structure.id]) / total if total else None
                values = {"Dice": overlap[structure.id], "volume difference": difference}
                found.setdefault(whose, {})[structure.name] = values
        return found

    path = bench.folder(first.labelled) / f"{second.labelled.name}_rigid.json"
    found = kept(path, measure)
    findings = []
    for whose in ("our", "the manual"):
        for measure_name, unit in (("Dice", ""), ("volume difference", ", %")):
            what = f"one person twice: {measure_name} of {whose} labels{unit}"
            values = {structure: row[measure_name] for structure, row in found[whose].items()}
            findings.append(Finding(what, name, bench.mean(values)))
            findings += [
                Finding(what, name, value, structure)
                for structure, value in values.items()
                if value is not None
            ]
    return findings


def main() -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, required=True, help="folder")
    parser.add_argument("--scans", help="names with commas; default: those of val and test")
    parser.add_argument("--changes", default="", help="those whose names hold this text")
    parser.add_argument("--leave-out", default="", help="structures with commas")
    parser.add_argument("--long", action="store_true", help="2000 iterations as well")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()

    model = load_model(args.model)
    data = DataSettings(args.data)
    bench = Bench(
        model,
        read_mapping(data, model.protocol),
        args.output / "work",
        args.leave_out.split(","),
        args.threads,
    )
    scans = evaluation_scans(data, ["train", "val", "test"])
    if args.scans:
        scans = [scan for scan in scans if scan.name in args.scans.split(",")]
    else:
        scans = [scan for scan in scans if scan.split != "train"]
    names = [name for name in CHANGES if args.changes in name]

    findings: list[Finding] = []
    by_subject: dict[str, list[Case]] = defaultdict(list)
    for labelled in tqdm(scans, unit="scan"):
        case = unchanged(bench, labelled)
        findings += losses(bench, case, names)
        findings += courses(bench, case, args.long)
        for other in by_subject[labelled.subject]:
            findings += one_person_twice(bench, other, case)
        by_subject[labelled.subject].append(case)
    lines = markdown(findings, ages_of(args.data))
    if trained := [scan.name for scan in scans if scan.split == "train"]:
        lines += ["", f"Of the split train, so perhaps trained on: {', '.join(trained)}."]
    write(f"{model.name} (sha256 `{model.sha256[:16]}`)", findings, lines, args.output)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
