"""The report of a label map: how it was made and what was measured."""

from __future__ import annotations

import platform
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src_core import __version__
from src_core.fitting.decode import decode
from src_core.io.protocols import classes_in
from src_core.preparation.findings import messages
from src_core.results import measure
from src_core.results.quality import check_result

if TYPE_CHECKING:
    from src_core.fitting.fit import Fit
    from src_core.models.model import Model
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation
    from src_core.preparation.reference import Reference
    from src_core.space.points import BrainPoints

NOTICE = (
    "Research use only: not a medical device, not for diagnosis or treatment decisions. "
    "Inspect every result."
)
"""Goes into every report and every description beside a label map."""
PSNR_PROBES = 50_000
"""Voxels from which the PSNR in the report is taken."""


def describe(
    prepared: Preparation,
    labels: np.ndarray,
    network: CoordinateNetwork,
    fit: Fit,
    iteration: int | None = None,
) -> dict[str, Any]:
    """The report of a label map: how it was made, its volumes and, with a reference, its Dice.

    Parameters
    ----------
    prepared : Preparation
    labels : ndarray of int, shape (I, J, K)
    network : CoordinateNetwork
        The fitted one that gave the labels.
    fit : Fit
        That fitted it.
    iteration : int, optional
        Of the network, if it is not the last one.

    Returns
    -------
    dict
    """
    protocol, alignment = prepared.model.protocol, prepared.alignment
    volumes = measure.volumes(labels, prepared.scan.affine, protocol.ids[1:])
    by_name = {s.name: round(float(volumes[s.id]), 3) for s in protocol.structures}
    psnr = psnr_inside(network, prepared.points, fit.settings.seed)
    iterations = fit.iteration if iteration is None else iteration
    found = (*prepared.findings, *check_result(prepared, volumes, psnr, iterations))
    report: dict[str, Any] = {
        "seconds": dict(prepared.seconds),
        "iterations": iterations,
        "psnr": round(psnr, 3),
        "stop_reason": fit.stop_reason,
        "model": prepared.model.stamp,
        "protocol": protocol.name,
        "brain": {
            "origin": prepared.brain.origin,
            "volume": round(np.count_nonzero(prepared.mask) * prepared.scan.voxel_volume, 1),
        },
        "transform": alignment.matrix.tolist(),
        "alignment": {"method": alignment.method, "similarity": _rounded(alignment.similarity)},
        "contrast": prepared.contrast.to_json(),
        "bias_field_removed": round(prepared.points.bias.strength, 3),
        "device": str(prepared.device),
        "threads": torch.get_num_threads(),
        "seed": fit.settings.seed,
        "versions": _versions(),
        "volumes": by_name,
        "quality": {one.check: one.to_json() for one in found},
        "notes": [*prepared.scan.notes, *messages(found)],
        "notice": NOTICE,
    }
    if prepared.corrections is not None:
        report["painted_voxels"] = len(prepared.corrections.voxels)
    if prepared.reference is not None:
        report.update(_comparison(labels, prepared.model, prepared.reference))
    return report


def _rounded(similarity: float) -> float | None:
    return None if np.isnan(similarity) else round(similarity, 4)


def _versions() -> dict[str, str]:
    """Version of what took part, by name."""
    ours = {"napari-metaseg": __version__, "python": platform.python_version()}
    return ours | {name: metadata.version(name) for name in ("torch", "numpy", "nibabel", "scipy")}


def _comparison(labels: np.ndarray, model: Model, reference: Reference) -> dict[str, Any]:
    """Dice in the protocol of the labels, or in that of a coarser reference."""
    protocol = model.protocol
    truth = reference.told_in(protocol)
    if truth is None:
        # A structure that was added is part of no coarser one.
        known = np.isin(labels, replace(model, added=()).protocol.ids)
        truth, protocol = reference.label_map, reference.protocol
        labels = protocol.ids[classes_in(np.where(known, labels, 0), protocol)]
    scores = measure.dice(labels, truth, protocol.ids[1:])
    mean = measure.mean_defined(scores.values())
    return {
        "compared_in": protocol.name,
        "dice": {
            s.name: None if np.isnan(scores[s.id]) else round(float(scores[s.id]), 4)
            for s in protocol.structures
        },
        "mean_dice": None if mean is None else round(mean, 4),
    }


def psnr_inside(network: CoordinateNetwork, points: BrainPoints, seed: int) -> float:
    """PSNR of the reconstruction inside the brain, dB, on `PSNR_PROBES` random voxels.

    The peak is 1 in normalised intensities.
    """
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(len(points), (PSNR_PROBES,), generator=generator)
    which = which.to(points.indices.device)
    found = decode(network, points, "intensity", which)
    return measure.psnr(found, points.seen[which, 0].float().cpu().numpy(), peak=1.0)
