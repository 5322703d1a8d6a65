"""Voxels that a fit never saw: fit every second voxel in each direction, ask at all of them.

    python -m benchmarks.studies.super_resolution DATA OUTPUT MODEL [MODEL ...]

Compared with trilinear interpolation of the intensities, with the model run on the interpolated
scan, and with trilinear interpolation of the coarse probabilities.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.common import kept
from benchmarks.studies.coarse import every_second, interpolated
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
from src_core.fitting.decode import decode_all
from src_core.io.scan import scan_from_array
from src_core.models.model import Model, load_model
from src_core.results.measure import psnr
from src_core.segment import segment
from src_core.space.points import brain_points
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from src_core.results.segmentation import Segmentation

REFERENCE, NETWORK = "all voxels fitted", "network asked at all voxels"
INTERPOLATED, PROBABILITIES = "interpolated scan fitted", "interpolated probabilities"


def compared(model: Model, case: Case) -> list[dict[str, Any]]:
    """PSNR (dB) and mean Dice at the original voxels, for each way to get there.

    Where something was interpolated, the PSNR is that of the interpolated scan.
    """
    coarse = every_second(case)
    fitted = partial(segment, model=model, device="cpu")
    result = fitted(coarse.scan, mask=coarse.brain)
    picture = interpolated(coarse.scan.voxels, coarse.scan, case.scan)
    shown = scan_from_array(np.where(case.brain, picture, 0), case.scan.affine, case.name)
    # What the head sees at a voxel that was left out can only come from its neighbours.
    points = brain_points(shown, case.brain, result.alignment.matrix, model.rule)
    reads = {"classes": lambda e: e.classes, "intensity": lambda e: e.intensity}
    found = decode_all(result.network, points, reads)
    classes = unmask(found["classes"], case.brain)
    scale = result.points.scale
    bias = points.bias.at(points.indices.numpy())
    truth = scale.normalise(case.scan.voxels[case.brain] / bias)
    trilinear = psnr(scale.normalise(shown.voxels[case.brain] / bias), truth, peak=1.0)
    whole = fitted(case.scan, mask=case.brain)
    label_maps = {
        REFERENCE: (whole.labels, whole.report["psnr"]),
        NETWORK: (model.protocol.to_ids(classes), psnr(found["intensity"], truth, peak=1.0)),
        INTERPOLATED: (fitted(shown, mask=case.brain).labels, trilinear),
        PROBABILITIES: (_most_probable(result, case), trilinear),
    }
    return [
        {
            "model": model.name,
            "scan": case.name,
            "way": way,
            "psnr": float(ratio),
            "dice": mean_dice(labels, case.classes, model.protocol),
        }
        for way, (labels, ratio) in label_maps.items()
    ]


def _most_probable(result: Segmentation, case: Case) -> np.ndarray:
    """Label ids of the largest interpolated probability, inside the brain."""
    probabilities = result.probabilities()
    highest = np.full(case.scan.shape, -1.0, np.float32)
    classes = np.zeros(case.scan.shape, np.uint8)
    for number in range(probabilities.shape[-1]):
        own = interpolated(probabilities[..., number], result.scan, case.scan)
        classes[own > highest] = number
        np.maximum(highest, own, out=highest)
    return result.protocol.to_ids(np.where(case.brain, classes, np.uint8(0)))


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Means over scans as bars, one group per model."""
    means = list(averaged(rows, ("model", "way")))
    models = list(dict.fromkeys(row["model"] for row in means))
    figure = Figure(figsize=(10, 3.8), layout="constrained")
    for panel, (key, title, shown) in zip(
        figure.subplots(1, 2),
        (
            ("psnr", "intensities, PSNR (dB)", "%.1f"),
            ("dice", "labels, mean foreground Dice", "%.3f"),
        ),
        strict=True,
    ):
        for place, way in enumerate((REFERENCE, NETWORK, INTERPOLATED, PROBABILITIES)):
            heights = [row[key] for row in means if row["way"] == way]
            bars = panel.bar(np.arange(len(models)) + 0.2 * place, heights, 0.18, label=way)
            panel.bar_label(bars, fmt=shown, fontsize="x-small")
        panel.set_xticks(np.arange(len(models)) + 0.3, models)
        panel.set_title(title)
    legend = panel.get_legend_handles_labels()
    figure.legend(*legend, loc="outside lower center", ncols=4, fontsize="small")
    return figure


def main() -> None:
    """Measure, and write super_resolution.png; what was measured is kept per model and scan."""
    arguments = parser(__doc__)
    arguments.add_argument("models", nargs="+", help="bundled models or files")
    args = arguments.parse_args()
    scans, rows = chosen_scans(args), []
    for name in args.models:
        model = load_model(name)
        for labelled in scans:
            case = read_case(labelled, args.data, model.protocol)
            what = args.output / f"super-resolution-{model.sha256[:8]}-{case.name}.json"
            rows += kept(what, partial(compared, model, case))
    for row in averaged(rows, ("model", "way")):
        print(row)
    save_picture(draw(rows), args.output / "super_resolution.png")


if __name__ == "__main__":
    sys.exit(run(main))
