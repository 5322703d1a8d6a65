"""What the result of a fit tells of its quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.io.labels import sides_of
from src_core.preparation.findings import Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from src_core.io.labels import Structure
    from src_core.preparation.prepare import Preparation

PSNR = 16.5
"""Least PSNR of a reconstruction, dB: 17.2 to 21.2 in volumes, more in slices."""
LEAST_OF_A_FIT = 0.4
"""Share of the model's own iterations after which a fit must have come that far."""
ASYMMETRY = {
    "Accumbens-area": 0.3,
    "Amygdala": 0.22,
    "Caudate": 0.31,
    "Cerebellum-Cortex": 0.06,
    "Cerebellum-White-Matter": 0.13,
    "Cerebral-Cortex": 0.05,
    "Cerebral-White-Matter": 0.05,
    "Hippocampus": 0.15,
    "Lateral-Ventricle": 0.49,
    "Pallidum": 0.14,
    "Putamen": 0.17,
    "Thalamus": 0.09,
    "VentralDC": 0.1,
}
"""Largest usual difference of the left and the right volume of a structure, as a share of their
sum: the range of 99.9 % of a normal distribution with the mean and the spread of the manual labels
of the 28 scans, at least a quarter more than the largest of them, and at least 0.05; for the
cortex of the cerebellum 0.06, because labels of healthy people from elsewhere come to 0.050. The
lower horns of the ventricles are too small to be compared."""

_MOST_NAMED = 3


def check_result(
    prepared: Preparation, volumes: Mapping[int, float], psnr: float, iterations: int
) -> list[Finding]:
    """What is wrong with the labels of a scan; of those that are only painted nothing is known.

    Parameters
    ----------
    prepared : Preparation
    volumes : mapping of int to float
        mm3 by label id.
    psnr : float
        Of the reconstruction inside the brain, dB.
    iterations : int
        Of the fit.

    Returns
    -------
    list of Finding
    """
    found: list[Finding] = []
    if prepared.model.card.untrained:
        return found
    if iterations >= LEAST_OF_A_FIT * prepared.model.fit.iterations:
        found.append(_reconstruction(psnr))
    if not prepared.scan.is_slice:
        found += asymmetry(prepared.model.protocol.structures, volumes)
    return found


def _reconstruction(psnr: float) -> Finding:
    return finding(
        "psnr_db",
        psnr,
        (PSNR, None),
        f"the network shows the scan badly (PSNR {psnr:.1f} dB, usual are {PSNR:g} or more): look"
        " at the labels, and check the brain mask and that the scan is T1-weighted",
    )


def asymmetry(structures: Iterable[Structure], volumes: Mapping[int, float]) -> list[Finding]:
    """How far left and right volumes differ, the most unusual structure first.

    Parameters
    ----------
    structures : iterable of Structure
    volumes : mapping of int to float
        mm3 by label id.

    Returns
    -------
    list of Finding
        One, or none: nothing has two sides.
    """
    found = []
    by_name = {structure.name: volumes[structure.id] for structure in structures}
    for name, sides in sides_of(by_name).items():
        left, right = (by_name[side] for side in sides)
        limit = ASYMMETRY.get(name)
        if limit is not None and left + right > 0:
            found.append((abs(left - right) / (left + right) / limit, name, left, right))
    if not found:
        return []
    found.sort(reverse=True)
    unusual = [
        f"{name} {left / 1e3:.1f} and {right / 1e3:.1f}"
        for times, name, left, right in found
        if times > 1
    ]
    named = ", ".join(unusual[:_MOST_NAMED])
    if len(unusual) > _MOST_NAMED:
        named += f" and {len(unusual) - _MOST_NAMED} more"
    return [
        finding(
            "asymmetry",
            found[0][0],
            (None, 1.0),
            f"left and right differ by more than in 99.9 % of healthy brains ({named} mL): look at"
            " the labels, it may be disease or a failed segmentation",
        )
    ]
