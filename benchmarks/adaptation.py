"""Models that learned from three corrected scans: other scans of that user, and what is forgotten.

    python -m benchmarks.adaptation DATA WORK OUT.json

The user's scans are of the set ``heads/ixi`` in the folder DATA, whose labels come from another
tool than those that the model was trained on; they are corrected *whole* (all labels are the
other tool's) or by *strokes*, as `benchmarks.corrections` simulates them. What is forgotten is
measured on scans of ``oasis-manual`` that the model has not seen. Scores are the mean Dice of the
structures of ``fs32`` without the vermis over all voxels of the brain; each scan is fitted once.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.common import MODEL_OF_15, kept
from benchmarks.corrections import Planes, correct
from src_core.adaptation.adapt import adapt
from src_core.adaptation.own_scans import CorrectedScan, add_own_scan, list_own_scans
from src_core.adaptation.settings import AdaptSettings
from src_core.cli.arguments import add_options
from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.fitting.cascade import decode_classes
from src_core.io.export import write_json
from src_core.io.protocols import protocol
from src_core.io.scan import read_on_grid, read_scan
from src_core.models.model import load_model
from src_core.options import options_of
from src_core.request import Request
from src_core.results.measure import dice, mean_defined
from src_core.segment import segment
from src_core.space.regions import unmask
from src_core.training.changes.freesurfer import VERMIS

if TYPE_CHECKING:
    from src_core.models.model import Model
    from src_core.networks.base import CoordinateNetwork
    from src_core.results.segmentation import Segmentation

TOLD = "fs32"
LEARNED = ("IXI083", "IXI335", "IXI437")
"""Scans that are corrected."""
CHOSEN_ON = ("IXI444", "IXI613")
"""Scans on which the constants were chosen, with 1101 and 1125 of ``oasis-manual``."""
OTHERS = ("IXI014", "IXI202", "IXI217", "IXI451", "IXI537", "IXI538")
FROM_HOME = ("1018", "1113", "1119")
_STROKES, _RADIUS = 20, 2.0
"""Discs of a simulated user, and their radius in mm."""


class Data:
    """Scans with labels told in the protocol of the study.

    Parameters
    ----------
    folder : Path
        Holds ``heads/ixi`` and ``oasis-manual``.
    """

    def __init__(self, folder: Path):
        self._ixi, self._oasis = folder / "heads" / "ixi", folder / "oasis-manual"

    def request(self, name: str, model: Model) -> Request:
        """How a scan is segmented."""
        mask = self._ixi_file(name, "icv") if name.startswith("IXI") else None
        return Request(self._scan(name), model=model, mask=mask)

    def labels(self, name: str) -> np.ndarray:
        """Label ids of a scan; background where they take no part."""
        scan = read_scan(self._scan(name))
        if name.startswith("IXI"):
            return read_on_grid(self._ixi_file(name, "fs32"), scan, "reference")
        found = read_on_grid(self._oasis / f"{name}_labels.nii.gz", scan, "reference")
        known = protocol(TOLD)
        classes = read_mapping(DataSettings(self._oasis), known)[found]
        ids: np.ndarray = known.ids[np.where(classes < len(known.ids), classes, 0)]
        return ids

    def _scan(self, name: str) -> Path:
        if name.startswith("IXI"):
            return self._ixi_file(name, "T1")
        return self._oasis / f"{name}_T1w.nii.gz"

    def _ixi_file(self, name: str, what: str) -> Path:
        (file,) = self._ixi.glob(f"{name}-*_{what}.nii.gz")
        return file


def corrected_scans(data: Data, folder: Path, by_strokes: bool) -> list[CorrectedScan]:
    """The user's scans, corrected; what is there already is not done again."""
    model = load_model(MODEL_OF_15).in_protocol(TOLD)
    there = {scan.name for scan in list_own_scans(folder)}
    for name in (name for name in LEARNED if name not in there):
        result = segment(data.request(name, model))
        structures, details = model.protocol.structures, {"protocol": TOLD}
        labels, painted = data.labels(name), None
        if by_strokes:
            planes = Planes.of(result, model.protocol.to_classes(labels))
            brain = correct(planes, _STROKES, _RADIUS, worst=True)
            painted = (brain.painted, structures)
            labels = brain.painted.laid_over(_labels(result, brain.network))
        add_own_scan(
            folder, name, result.scan, result.mask, labels, structures, details, painted=painted
        )
    return list_own_scans(folder)


def scores(data: Data, name: str, models: dict[str, Path]) -> dict[str, float | None]:
    """Mean Dice of a scan by the model; the fit is the same, because only heads differ."""
    result = segment(data.request(name, load_model(MODEL_OF_15).in_protocol(TOLD)))
    truth, ids = data.labels(name), [one for one in protocol(TOLD).ids[1:] if one != VERMIS]
    found = {"before": mean_defined(dice(result.labels, truth, ids).values())}
    for kind, path in models.items():
        head = load_model(path).in_protocol(TOLD).network().head
        result.network.head.load_state_dict(head.state_dict())
        labels = _labels(result, result.network)
        found[kind] = mean_defined(dice(labels, truth, ids).values())
    return found


def _labels(result: Segmentation, network: CoordinateNetwork) -> np.ndarray:
    classes = decode_classes(network, result.points)
    return result.protocol.to_ids(unmask(classes, result.mask))


def _table(found: dict[str, dict[str, float | None]]) -> str:
    """Scores before, and what each model gains, as rows of Markdown."""
    kinds = [kind for kind in next(iter(found.values())) if kind != "before"]
    rows = [f"| scan | before | {' | '.join(kinds)} |", "|---|---:|" + "---:|" * len(kinds)]
    for name, own in found.items():
        gains = [f"{(own[kind] or 0) - (own['before'] or 0):+.4f}" for kind in kinds]
        rows.append(f"| {name} | {own['before']:.4f} | {' | '.join(gains)} |")
    return "\n".join(rows)


def main() -> None:
    """Correct, adapt, score, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("output", type=Path, help=".json")
    parser.add_argument("--chosen-on", action="store_true", help="score the scans of the choice")
    add_options(parser, options_of(AdaptSettings).values())
    args = parser.parse_args()
    args.work.mkdir(exist_ok=True)
    data, models = Data(args.data), {}
    options = {name: getattr(args, name) for name in options_of(AdaptSettings)}
    for kind in ("whole", "strokes"):
        scans = corrected_scans(data, args.work / kind, by_strokes=kind == "strokes")
        models[kind] = args.work / f"{kind}.safetensors"
        if not models[kind].exists():
            work = args.work / f"{kind}.work"
            print(adapt(MODEL_OF_15, scans, models[kind], work=work, **options))
    names = CHOSEN_ON if args.chosen_on else (*OTHERS, *FROM_HOME)
    found: dict[str, Any] = {}
    for name in names:
        file = args.work / f"{name}.json"
        found[name] = kept(file, partial(scores, data, name, models))
    write_json(found, args.output, overwrite=True)
    print(_table(found))


if __name__ == "__main__":
    main()
