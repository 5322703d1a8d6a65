"""Labels of scans with larger voxels: means of 1, 2, 3 and 4 voxels along each axis.

    python -m benchmarks.studies.downsampling DATA OUTPUT MODEL [MODEL ...]
    python -m benchmarks.studies.downsampling DATA OUTPUT unet3d pointwise \
        --results RESULTS --protocol fs32

Dice is measured at the coarse voxels, against the majority of the original labels in each, and at
the original voxels, where each has the label of the coarse one it lies in.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from benchmarks.baselines.methods import METHODS, trained
from benchmarks.baselines.model_file import ModelFile
from benchmarks.common import kept
from benchmarks.studies.coarse import block_means, repeated
from benchmarks.studies.common import (
    Case,
    averaged,
    chosen_scans,
    mean_dice,
    parser,
    read_case,
    run,
    save_picture,
)
from src_core.errors import InputError
from src_core.io.protocols import protocol

if TYPE_CHECKING:
    from benchmarks.baselines.method import Method
    from src_core.io.labels import Protocol

FACTORS = (1, 2, 3, 4)


def scored(method: Method, known: Protocol, case: Case, factor: int) -> list[dict[str, Any]]:
    """Mean Dice at the coarse and at the original voxels."""
    coarse = block_means(case, factor)
    labels = method.label(coarse.scan, coarse.brain)
    fine = repeated(labels, factor, case.scan.shape)
    return [
        {
            "method": method.title,
            "scan": case.name,
            "factor": factor,
            "coarse": mean_dice(labels, coarse.classes, known),
            "original": mean_dice(fine, case.classes, known),
        }
    ]


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Means over scans, one curve per method."""
    means = list(averaged(rows, ("method", "factor")))
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for panel, key in zip(figure.subplots(1, 2, sharey=True), ("coarse", "original"), strict=True):
        for method in dict.fromkeys(row["method"] for row in means):
            own = [row for row in means if row["method"] == method]
            panel.plot(
                [row["factor"] for row in own], [row[key] for row in own], "o-", label=method
            )
        panel.set(xlabel="original voxels per side", title=f"mean Dice at the {key} voxels")
        panel.set_xticks(sorted({row["factor"] for row in means}))
    legend = panel.get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=2, fontsize="small")
    return figure


def main() -> None:
    """Measure, and write downsampling.png; what was measured is kept per method and scan."""
    arguments = parser(__doc__)
    arguments.add_argument("methods", nargs="+", help="models, or baselines of the results")
    arguments.add_argument("--results", type=Path, help="folder of trained baselines")
    arguments.add_argument("--protocol", default="tissue4", help="of the baselines")
    args = arguments.parse_args()
    scans, rows = chosen_scans(args), []
    for name in args.methods:
        method: Method
        if name in METHODS:
            if args.results is None:
                raise InputError(f"{name} is a baseline; name the folder with --results")
            known = protocol(args.protocol)
            method = trained(name, args.data, known.name, args.results)
            key = f"{name}-{known.name}"
        else:
            method = ModelFile(name)
            known, key = method.model.protocol, method.model.sha256[:8]
        for labelled in scans:
            case = read_case(labelled, args.data, known)
            for factor in FACTORS:
                what = args.output / f"downsampling-{key}-{case.name}-{factor}.json"
                rows += kept(what, partial(scored, method, known, case, factor))
    for row in averaged(rows, ("method", "factor")):
        print(row)
    save_picture(draw(rows), args.output / "downsampling.png")


if __name__ == "__main__":
    sys.exit(run(main))
