"""How the labels of every granularity emerge over the iterations of a fit, by kind of scan.

    python -m benchmarks.studies.granularities measure DATA OUTPUT KIND [--mapping TABLE]
        [--scans A,B] [--model brain3d-parcels]
    python -m benchmarks.studies.granularities draw OUTPUT PICTURE.png

`KIND` is what the curve is called ("young", "old"); a scan is compared in each protocol that its
own labels can be told in. Iteration 0 shows what is known before the fit.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.common import kept
from benchmarks.studies.common import dices, run, save_picture
from src_core.datasets.find import read_scans
from src_core.datasets.labelled import read_example, read_mask
from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.fitting.decode import decode_all
from src_core.fitting.fit import Fit
from src_core.io.protocols import protocol
from src_core.models.model import Model, load_model
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from src_core.datasets.labelled import LabelledScan
    from src_core.io.scan import Scan

ITERATIONS = (0, 2, 5, 10, 20, 50, 100, 130)


def course(model: Model, data: DataSettings, labelled: LabelledScan) -> list[dict[str, Any]]:
    """Dice of each structure, by protocol and iteration, of one fit."""
    references: dict[str, np.ndarray] = {}
    for name in model.protocols:
        try:
            scan, references[name] = read_example(labelled, read_mapping(data, protocol(name)))
        except InputError:
            continue  # its labels are coarser than that
    if not references:
        raise InputError(f"{labelled.labels} has labels of none of {', '.join(model.protocols)}")
    return _followed(model, scan, read_mask(labelled, scan), references)


def _followed(
    model: Model, scan: Scan, mask: np.ndarray | None, references: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    prepared = prepare(Request(scan, model=model, mask=mask, device="cpu"))
    points, network = prepared.points, prepared.network
    sums = {name: model.in_protocol(name).sums() for name in references}
    reads = {
        name: lambda values, merged=merged: values.merged(merged).classes
        for name, merged in sums.items()
    }
    settings = replace(model.fit.chosen(max(ITERATIONS), seed=0), look_every=0)
    fit, rows = Fit(network, points, settings), []
    for iteration in tqdm(ITERATIONS):
        while fit.iteration < iteration:
            next(fit)
        found = decode_all(network, points, reads)
        for name, classes in references.items():
            told = protocol(name)
            labels = told.to_ids(unmask(found[name], prepared.mask))
            own = {
                key: one for key, one in dices(labels, classes, told).items() if not np.isnan(one)
            }
            rows.append({"protocol": name, "iteration": iteration, "dice": own})
    return rows


def draw(courses: dict[str, list[dict[str, Any]]]) -> Figure:
    """A panel per protocol, a curve per kind of scan: means over structures, then over scans."""
    names = [name for name in ("nm134", "fs32", "tissue4") if _means(courses, name)]
    colours = {kind: f"C{number}" for number, kind in enumerate(courses)}
    figure = Figure(figsize=(4 * len(names), 3.4), layout="constrained")
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for kind, means in _means(courses, name).items():
            panel.plot(range(len(means)), means, "o-", label=kind, color=colours[kind])
        panel.set(title=name, xlabel="iteration", ylabel="mean Dice")
        panel.set_xticks(range(len(ITERATIONS)), [str(one) for one in ITERATIONS])
        panel.legend()
    return figure


def _means(courses: dict[str, list[dict[str, Any]]], name: str) -> dict[str, list[float]]:
    """Mean Dice at each of `ITERATIONS`, by kind of scan, of those that have labels of it."""
    found = {}
    for kind, rows in courses.items():
        means = [
            [
                np.mean(list(row["dice"].values()))
                for row in rows
                if row["protocol"] == name and row["iteration"] == iteration
            ]
            for iteration in ITERATIONS
        ]
        if means[0]:
            found[kind] = [float(np.mean(one)) for one in means]
    return found


def _measure(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    data = DataSettings(args.data, mapping=args.mapping)
    every = {scan.name: scan for scan in read_scans(data, needed=())}
    chosen = args.scans.split(",") if args.scans else list(every)
    if unknown := [name for name in chosen if name not in every]:
        raise InputError(f"{args.data}: no scan {', '.join(unknown)}")
    model = load_model(args.model)
    for name in chosen:
        file = args.output / args.kind / f"{model.sha256[:8]}-{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        kept(file, partial(course, model, data, every[name]))


def _draw(args: argparse.Namespace) -> None:
    courses: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(args.output.glob("*/*.json")):
        courses.setdefault(file.parent.name, []).extend(json.loads(file.read_text())["found"])
    for name in ("nm134", "fs32", "tissue4"):
        for kind, means in _means(courses, name).items():
            print(f"| {name} | {kind} |", *(f"{mean:.3f} |" for mean in means))
    save_picture(draw(courses), args.picture)


def main() -> None:
    """Measure scans of one kind, or draw what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    measure = commands.add_parser("measure")
    measure.set_defaults(do=_measure)
    measure.add_argument("data", type=Path, help="folder or table of labelled scans")
    measure.add_argument("output", type=Path, help="folder")
    measure.add_argument("kind", help="of scans")
    measure.add_argument("--mapping", type=Path, help="what the ids of their labels mean")
    measure.add_argument("--scans", help="names with commas; default: all")
    measure.add_argument("--model", default="brain3d-parcels")
    measure.add_argument("--threads", type=int, default=1)
    drawn = commands.add_parser("draw")
    drawn.set_defaults(do=_draw)
    drawn.add_argument("output", type=Path)
    drawn.add_argument("picture", type=Path)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    sys.exit(run(main))
