"""What the features of fitted networks look like: their principal components as colours.

    python -m benchmarks.studies.features DATA OUTPUT MODEL [MODEL ...]

Activations of the last sine layer after a fit, on the coronal slice through the middle of the
brain, beside those of a sine network of the same size that was fitted from random weights.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.studies.common import Case, chosen_scans, parser, read_case, run, save_picture
from src_core.fitting.decode import decode
from src_core.fitting.fit import Fit
from src_core.models.model import Model, load_model
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork
from src_core.preparation.prepare import Preparation, prepare
from src_core.request import Request
from src_core.results.measure import psnr
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork

SAMPLE = 20_000
"""Brain voxels that the principal components are those of."""
PROBES = 20_000


class Slice:
    """The coronal slice through the middle of a brain.

    Parameters
    ----------
    prepared : Preparation
    """

    def __init__(self, prepared: Preparation):
        scan, mask = prepared.scan, prepared.mask
        self._orientation = scan.orientation
        self._axis = scan.axis_along("AP")
        indices = np.argwhere(mask)
        self._index = round(float(indices[:, self._axis].mean()))
        self.mask = mask.take(self._index, self._axis)
        self.voxels = np.flatnonzero(indices[:, self._axis] == self._index)

    def picture(self, values: np.ndarray) -> np.ndarray:
        """Values (n, ...) of the slice's brain voxels as rows from above, the left on the left."""
        image = unmask(values, self.mask)
        across, up = (axis for axis in range(3) if axis != self._axis)
        if self._orientation[across] in "SI":
            image, across, up = image.swapaxes(0, 1), up, across
        image = image.swapaxes(0, 1)
        image = image[::-1] if self._orientation[up] == "S" else image
        return image[:, ::-1] if self._orientation[across] == "L" else image


def colours(network: CoordinateNetwork, prepared: Preparation, where: np.ndarray) -> np.ndarray:
    """First three principal components of the features at some voxels, 0 to 1, shape (n, 3)."""
    generator = torch.Generator().manual_seed(0)
    sample = torch.randint(len(prepared.points), (SAMPLE,), generator=generator)
    known = decode(network, prepared.points, "features", sample)
    mean = known.mean(0)
    _, _, directions = np.linalg.svd(known - mean, full_matrices=False)
    main = (known - mean) @ directions[:3].T
    low, high = np.quantile(main, (0.02, 0.98), axis=0)
    shown = decode(network, prepared.points, "features", torch.from_numpy(where))
    shares: np.ndarray = ((shown - mean) @ directions[:3].T - low) / (high - low)
    return shares.clip(0, 1)


def fitted(
    network: CoordinateNetwork, prepared: Preparation, model: Model, iterations: int
) -> float:
    """Fit a network; returns the PSNR reached, dB."""
    settings = replace(model.fit.chosen(iterations, seed=0), look_every=0)
    for _ in Fit(network, prepared.points, settings):
        pass
    probes = torch.arange(0, len(prepared.points), max(1, len(prepared.points) // PROBES))
    found = decode(network, prepared.points, "intensity", probes)
    return psnr(found, prepared.points.seen[probes, 0].float().numpy(), peak=1.0)


def draw(case: Case, models: list[Model], iterations: int) -> Figure:
    """The slice, and its features in each model and in networks from random weights."""
    panels: list[tuple[str, np.ndarray]] = []
    for model in models:
        prepared = prepare(Request(case.scan, model=model, mask=case.brain, device="cpu"))
        cut = Slice(prepared)
        if not panels:
            values = prepared.points.seen[torch.from_numpy(cut.voxels), 0].float().numpy()
            panels.append(("scan", np.clip(cut.picture(values), 0, 1)))
        torch.manual_seed(0)
        own = model.card.architecture
        random = SirenNetwork(
            SirenSettings(2, own.width, own.depth, own.omega, own.scale, weight_rate=3e-4)
        )
        for title, network in (
            (model.name, prepared.network),
            (f"random start, as {model.name}", random),
        ):
            ratio = fitted(network, prepared, model, iterations)
            image = cut.picture(colours(network, prepared, cut.voxels))
            panels.append((f"{title}\n{iterations} iterations, {ratio:.1f} dB", image))
    figure = Figure(figsize=(3 * len(panels), 3.9), layout="constrained")
    for panel, (title, image) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        panel.imshow(image, cmap="gray")
        panel.set_title(title, fontsize="small")
        panel.set_axis_off()
    return figure


def main() -> None:
    """Write features-<scan>.png for each scan."""
    arguments = parser(__doc__)
    arguments.add_argument("models", nargs="+", help="bundled models or files")
    arguments.add_argument("--iterations", type=int, default=130)
    args = arguments.parse_args()
    models = [load_model(name) for name in args.models]
    for labelled in chosen_scans(args):
        case = read_case(labelled, args.data, models[0].protocol)
        figure = draw(case, models, args.iterations)
        save_picture(figure, args.output / f"features-{case.name}.png")


if __name__ == "__main__":
    sys.exit(run(main))
