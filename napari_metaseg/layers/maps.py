"""Maps beside the labels: what each shows, how it is drawn, and how the panel offers it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.readout import Readout, as_decoded

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_metaseg.run.session import Session
    from src_core.fitting.decode import PointValues

_COMPONENT_VOXELS = 20_000
COMPONENTS = 3
_COLORS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Map:
    """A readout as an image layer.

    Attributes
    ----------
    readout : Readout
    title : str
    colormap : str
        Of napari.
    limits : tuple of 2 float
        Contrast limits.
    blending : str
        Of napari.
    """

    readout: Readout
    title: str
    colormap: str
    limits: tuple[float, float]
    blending: str = "translucent"


@dataclass(frozen=True)
class OfferedMap:
    """A map as the panel offers it.

    Attributes
    ----------
    title, help : str
        For people: in the menu, and how to read the map.
    make : callable
        Makes the map from a session, the iteration that is shown and the label id of the selected
        structure (None if there is none). Runs in the engine's thread.
    of_structure : bool
        Whether it is a map of the selected structure, and not offered without one.
    begins_group : bool
        Whether a line sets it apart from those before it.
    """

    title: str
    help: str
    make: Callable[[Session, int, int | None], Map]
    of_structure: bool = False
    begins_group: bool = False


def probability(session: Session, label: int) -> Map:
    """Probability of one structure."""
    column = session.protocol.ids.tolist().index(label)
    structure, sums = session.protocol.structures[column - 1], session.model.sums()
    readout = Readout(
        f"probability of {structure.name}",
        lambda seen: seen.merged(sums).probabilities[:, column],
        as_decoded,
        np.zeros((), np.float32),
    )
    return Map(readout, f"probability of {structure.name}", "magma", (0, 1))


def entropy() -> Map:
    """Entropy of the class probabilities: high where the labels are uncertain."""
    readout = Readout("entropy", lambda seen: seen.entropy, as_decoded, np.zeros((), np.float32))
    return Map(readout, "entropy (bits)", "inferno", (0, 1))


def residual(session: Session) -> Map:
    """Scan minus reconstruction, in the scan's intensities."""
    points = session.prepared.points
    own = session.scan.voxels[session.prepared.mask]

    def difference(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        left: np.ndarray = own[numbers] - points.restore(values, numbers)
        return left

    readout = Readout("residual", lambda seen: seen.intensity, difference, np.zeros((), np.float32))
    most = 0.25 * float(np.ptp(np.quantile(own, (0.02, 0.98))))
    return Map(readout, "residual", "PiYG", (-most, most))


def jacobian() -> Map:
    """Local volume change by the warp; 1 is none."""
    readout = Readout("jacobian", lambda seen: seen.jacobian, as_decoded, np.ones((), np.float32))
    return Map(readout, "Jacobian of the warp", "PiYG", (0.5, 1.5))


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of the network's features.

    Attributes
    ----------
    mean : ndarray, shape (width,)
    axes : ndarray, shape (width, COMPONENTS)
        Scaled, so that every component has a standard deviation of 1.
    """

    mean: np.ndarray
    axes: np.ndarray


def principal_components(session: Session, iteration: int) -> Components:
    """Principal components of the features at an iteration, from some of the voxels.

    The features of a fitted network tell structures apart (MetaSeg, Fig. 4). Runs the network.
    """
    everywhere = len(session.pictures.regions)
    numbers = np.random.default_rng(0).integers(everywhere, size=_COMPONENT_VOXELS, dtype=np.int32)
    features = session.read(iteration, numbers, {"features": lambda seen: seen.features})
    centred = features["features"] - (mean := features["features"].mean(0))
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    scale = spread[:COMPONENTS] / np.sqrt(len(centred))
    return Components(mean, axes[:COMPONENTS].T / np.maximum(scale, 1e-6))


def component(components: Components, number: int) -> Map:
    """One principal component of the features, 0 the first, in standard deviations."""

    def project(seen: PointValues) -> Tensor:
        features = seen.features
        mean, axis = components.mean, components.axes[:, number]
        return (features - features.new_tensor(mean)) @ features.new_tensor(axis)

    readout = Readout(f"component {number}", project, as_decoded, np.full((), -3, np.float32))
    title = f"feature component {number + 1}"
    # The first covers what is below, the others mix their colours into it.
    blending = "additive" if number else "translucent"
    return Map(readout, title, _COLORS[number], (-2.5, 2.5), blending)


def _probability_of_selected(session: Session, _iteration: int, structure: int | None) -> Map:
    assert structure is not None, "offered of a structure only"
    return probability(session, structure)


def _component_now(number: int, session: Session, iteration: int, _structure: int | None) -> Map:
    return component(principal_components(session, iteration), number)


MAPS = (
    OfferedMap(
        "Probability",
        "How sure the model is that a voxel belongs to the structure, from 0 to 1."
        " Between dark and bright its border is uncertain.",
        _probability_of_selected,
        of_structure=True,
    ),
    OfferedMap(
        "Entropy",
        "How undecided the model is between all structures. Bright voxels deserve a look;"
        " thin bright borders are normal.",
        lambda *_: entropy(),
    ),
    OfferedMap(
        "Residual (scan − reconstruction)",  # noqa: RUF001
        "What the network has not yet reproduced of the scan. Noise is fine;"
        " shapes of anatomy mean that the fit is not finished, or found a lesion.",
        lambda session, *_: residual(session),
    ),
    OfferedMap(
        "Jacobian of the warp",
        "How much the warp enlarges (above 1) or shrinks (below 1) the scan on its way to the"
        " template. Values near 0 mean that tissue is folded.",
        lambda *_: jacobian(),
    ),
    *(
        OfferedMap(
            f"Feature component {number + 1}",
            "A principal component of the network's features. Regions of one tone look alike"
            " to the network; the sign has no meaning.",
            partial(_component_now, number),
            begins_group=number == 0,
        )
        for number in range(COMPONENTS)
    ),
)
"""All that the panel offers, in the order of its menu."""
