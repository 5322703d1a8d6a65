"""Maps beside the labels: what each shows, and how it is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_metaseg.run.readout import Readout, as_decoded
from napari_metaseg.run.session import Session

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.fitting.decode import Evaluation

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


def probability(session: Session, id: int) -> Map:
    """Probability of one structure."""
    place = session.protocol.ids.tolist().index(id)
    structure = session.protocol.structures[place - 1]
    readout = Readout(
        f"probability {id}",
        lambda seen: seen.probabilities[:, place],
        as_decoded,
        np.zeros((), np.float32),
    )
    return Map(readout, f"probability of {structure.name}", "magma", (0, 1))


def entropy(session: Session) -> Map:
    """Entropy of the class probabilities: high where the labels are uncertain."""
    readout = Readout("entropy", lambda seen: seen.entropy, as_decoded, np.zeros((), np.float32))
    return Map(readout, "entropy (bits)", "inferno", (0, 1))


def residual(session: Session) -> Map:
    """Scan minus reconstruction, in the scan's intensities."""
    points = session.prepared.points
    own = session.scan.voxels[session.prepared.mask]

    def difference(values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return own[numbers] - points.restore(values, numbers)

    readout = Readout("residual", lambda seen: seen.intensity, difference, np.zeros((), np.float32))
    most = 0.25 * float(np.ptp(np.quantile(own, (0.02, 0.98))))
    return Map(readout, "residual", "PiYG", (-most, most))


def jacobian(session: Session) -> Map:
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

    def project(seen: Evaluation) -> Tensor:
        features = seen.features
        mean, axis = components.mean, components.axes[:, number]
        return (features - features.new_tensor(mean)) @ features.new_tensor(axis)

    readout = Readout(f"component {number}", project, as_decoded, np.full((), -3, np.float32))
    title = f"feature component {number + 1}"
    # The first covers what is below, the others mix their colours into it.
    blending = "additive" if number else "translucent"
    return Map(readout, title, _COLORS[number], (-2.5, 2.5), blending)
