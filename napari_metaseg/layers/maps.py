"""Maps beside the labels: what each shows, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.session import Quantity, Session

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.fitting.decode import Evaluation

_COMPONENT_VOXELS = 20_000
COMPONENTS = 3
_COLORS = ("red", "green", "blue")


@dataclass(frozen=True, eq=False)
class Map:
    """A quantity as an image layer.

    Attributes
    ----------
    quantity : Quantity
    title : str
    colormap : str
        Of napari.
    limits : tuple of 2 float
        Contrast limits.
    blending : str
        Of napari.
    """

    quantity: Quantity
    title: str
    colormap: str
    limits: tuple[float, float]
    blending: str = "translucent"


def probability(session: Session, id: int) -> Map:
    """Probability of one structure."""
    place = session.protocol.ids.tolist().index(id)
    structure = session.protocol.structures[place - 1]
    quantity = Quantity(
        f"probability {id}",
        lambda seen: seen.probabilities[:, place],
        _as_it_is,
        np.zeros((), np.float32),
    )
    return Map(quantity, f"probability of {structure.name}", "magma", (0, 1))


def entropy(session: Session) -> Map:
    """Entropy of the class probabilities: high where the labels are uncertain."""
    quantity = Quantity("entropy", lambda seen: seen.entropy, _as_it_is, np.zeros((), np.float32))
    return Map(quantity, "entropy (bits)", "inferno", (0, 1))


def residual(session: Session) -> Map:
    """Scan minus reconstruction, in the scan's intensities."""
    points = session.prepared.points
    own = session.scan.voxels[session.prepared.mask]

    def difference(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return own[numbers] - points.restore(values, numbers)

    quantity = Quantity(
        "residual", lambda seen: seen.intensity, difference, np.zeros((), np.float32)
    )
    most = 0.25 * float(np.ptp(np.quantile(own, (0.02, 0.98))))
    return Map(quantity, "residual", "PiYG", (-most, most))


def jacobian(session: Session) -> Map:
    """Local volume change by the warp; 1 is none."""
    quantity = Quantity("jacobian", lambda seen: seen.jacobian, _as_it_is, np.ones((), np.float32))
    return Map(quantity, "Jacobian of the warp", "PiYG", (0.5, 1.5))


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

    def project(seen: Evaluation) -> Tensor:
        features = seen.features
        mean, axis = components.mean, components.axes[:, number]
        return (features - features.new_tensor(mean)) @ features.new_tensor(axis)

    quantity = Quantity(f"component {number}", project, _as_it_is, np.full((), -3, np.float32))
    title = f"feature component {number + 1}"
    # The first covers what is below, the others mix their colours into it.
    blending = "additive" if number else "translucent"
    return Map(quantity, title, _COLORS[number], (-2.5, 2.5), blending)


def _as_it_is(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return values
