"""How reconstruction and labels emerge over the iterations of a fit.

    python -m benchmarks.studies.emergence DATA OUTPUT MODEL [MODEL ...]

The paper finds that labels are best near 100 iterations and decline when the fit goes on.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from tqdm import tqdm

from benchmarks.common import kept
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
from src_core.fitting.fit import Fit
from src_core.models.model import Model, load_model
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.results.measure import psnr
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Sequence

ITERATIONS = (2, 10, 50, 100, 130, 300, 1000, 5000)


def course(model: Model, case: Case, iterations: Sequence[int]) -> list[dict[str, Any]]:
    """PSNR (dB) and mean Dice at some iterations of one long fit."""
    prepared = prepare(Request(case.scan, model=model, mask=case.brain, device="cpu"))
    points, network = prepared.points, prepared.network
    settings = replace(model.fit.chosen(max(iterations), seed=0), look_every=0)
    reads = {"classes": lambda e: e.classes, "intensity": lambda e: e.intensity}
    rows = []
    for step in tqdm(Fit(network, points, settings), total=settings.iterations, desc=case.name):
        if step.iteration not in iterations:
            continue
        found = decode_all(network, points, reads)
        classes = unmask(found["classes"], prepared.mask)
        rows.append(
            {
                "model": model.name,
                "scan": case.name,
                "iteration": step.iteration,
                "psnr": psnr(found["intensity"], points.seen[:, 0].float().numpy(), peak=1.0),
                "dice": mean_dice(model.protocol.to_ids(classes), case.classes, model.protocol),
            }
        )
    return rows


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Means over scans, one curve per model."""
    means = list(averaged(rows, ("model", "iteration")))
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for panel, (key, title) in zip(
        figure.subplots(1, 2),
        (("psnr", "reconstruction, PSNR (dB)"), ("dice", "labels, mean foreground Dice")),
        strict=True,
    ):
        for model in dict.fromkeys(row["model"] for row in means):
            own = [row for row in means if row["model"] == model]
            panel.plot(
                [row["iteration"] for row in own], [row[key] for row in own], "o-", label=model
            )
        panel.set(xscale="log", xlabel="iteration", title=title)
        panel.legend()
    return figure


def main() -> None:
    """Measure, and write emergence.png; what was measured is kept per model and scan."""
    arguments = parser(__doc__)
    arguments.add_argument("models", nargs="+", help="bundled models or files")
    arguments.add_argument("--iterations", default=",".join(map(str, ITERATIONS)))
    args = arguments.parse_args()
    iterations = tuple(int(text) for text in args.iterations.split(","))
    scans, rows = chosen_scans(args), []
    for name in args.models:
        model = load_model(name)
        for labelled in scans:
            case = read_case(labelled, args.data, model.protocol)
            asked = "-".join(map(str, iterations))
            what = f"emergence-{model.sha256[:8]}-{case.name}-{asked}.json"
            rows += kept(args.output / what, partial(course, model, case, iterations))
    for row in averaged(rows, ("model", "iteration")):
        print(row)
    save_picture(draw(rows), args.output / "emergence.png")


if __name__ == "__main__":
    sys.exit(run(main))
