"""Random pieces of labelled volumes, turned, stretched, bent, and with other intensities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as functional
from scipy.spatial.transform import Rotation
from torch import Tensor

from src_core.datasets.mapping import IGNORED
from src_core.space.template import sample_grid

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class ChangeSettings:
    """How far a patch may be changed.

    Attributes
    ----------
    turn : float
        Largest angle about each axis, degrees.
    stretch : float
        Largest share of the size along each axis.
    bend : float
        Largest standard deviation of a smooth displacement, mm.
    bend_length : float
        Distance over which it changes, mm.
    gamma, gain : tuple of 2 float
        Ranges.
    bias : float
        Largest standard deviation of the logarithm of a smooth gain.
    noise : float
        Largest standard deviation; 1 is about the brightest tissue.
    """

    turn: float = 15.0
    stretch: float = 0.15
    bend: float = 3.0
    bend_length: float = 24.0
    gamma: tuple[float, float] = (0.7, 1.5)
    gain: tuple[float, float] = (0.8, 1.2)
    bias: float = 0.2
    noise: float = 0.05


@dataclass(frozen=True, eq=False)
class LabelledVolume:
    """A brain on a regular grid of 1 mm, see `grids`.

    Attributes
    ----------
    image : Tensor, shape (1, X, Y, Z)
    classes : Tensor of uint8, shape (X, Y, Z)
        `IGNORED` outside the brain.
    places : tuple of Tensor, shape (n, 3)
        Voxels of each class that is present.
    """

    image: Tensor
    classes: Tensor
    places: tuple[Tensor, ...]

    @classmethod
    def of(cls, image: Tensor, classes: Tensor) -> LabelledVolume:
        """A volume, with the places of its classes looked up."""
        present = [number for number in classes.unique().tolist() if number != IGNORED]
        return cls(image, classes, tuple(torch.nonzero(classes == n).short() for n in present))


def cut(
    volume: LabelledVolume,
    shape: Sequence[int],
    mirrored: Tensor,
    random: np.random.Generator,
    changes: ChangeSettings | None,
) -> tuple[Tensor, Tensor]:
    """Cut a patch about a voxel of a random class, background of the brain among them.

    Along an axis on which the patch is longer than the volume, it lies in the middle.

    Parameters
    ----------
    volume : LabelledVolume
    shape : sequence of 3 int
        Of the patch.
    mirrored : Tensor of uint8, shape (256,)
        Class that each class becomes in the mirrored person.
    random : Generator
    changes : ChangeSettings or None
        None: the patch stays as it is.

    Returns
    -------
    image : Tensor, shape (1, *shape)
    classes : Tensor of uint8, shape `shape`
    """
    places = volume.places[random.integers(len(volume.places))]
    centre = places[random.integers(len(places))].double()
    whole = torch.tensor(volume.classes.shape)
    centre = torch.where(torch.tensor(shape) >= whole, (whole - 1) / 2, centre)
    axes = [torch.arange(n) - (n - 1) // 2 for n in shape]
    offsets = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).double()
    mirror = changes is not None and random.random() < 0.5
    if changes is not None:
        turn = Rotation.from_euler("xyz", random.uniform(-1, 1, 3) * changes.turn, degrees=True)
        sizes = 1 + random.uniform(-1, 1, 3) * changes.stretch
        sizes[0] *= -1 if mirror else 1
        bend = random.uniform(0, changes.bend)
        bent = _smooth(3, shape, changes.bend_length, random).movedim(0, -1)
        offsets = offsets @ torch.from_numpy(turn.as_matrix() * sizes).T + bend * bent
    positions = (centre + offsets).reshape(-1, 3)
    nearest = positions.round().long()
    inside = ((nearest >= 0) & (nearest < whole)).all(1)
    classes = torch.full((len(nearest),), IGNORED, dtype=torch.uint8)
    classes[inside] = volume.classes[nearest[inside].unbind(1)]
    image = sample_grid(volume.image, positions.float()).T.reshape(1, *shape)
    if mirror:
        classes = mirrored[classes.long()]
    if changes is not None:
        image = _other_intensities(image, changes, random)
    return image, classes.reshape(*shape)


def _other_intensities(
    image: Tensor, changes: ChangeSettings, random: np.random.Generator
) -> Tensor:
    """The same patch, scanned otherwise; what is empty stays so."""
    brain = image > 0.02
    image = image.clamp(min=0) ** random.uniform(*changes.gamma) * random.uniform(*changes.gain)
    field = random.uniform(0, changes.bias) * _smooth(1, image.shape[1:], 60.0, random)
    noise = random.standard_normal(image.shape, dtype=np.float32)
    noise *= random.uniform(0, changes.noise)
    return torch.where(brain, image * field.float().exp() + torch.from_numpy(noise), 0.0)


def _smooth(
    channels: int, shape: Sequence[int], length: float, random: np.random.Generator
) -> Tensor:
    """Random field of standard deviation about 1 that changes over `length` voxels."""
    nodes = [max(2, round(n / length) + 1) for n in shape]
    coarse = torch.from_numpy(random.standard_normal((1, channels, *nodes)))
    return functional.interpolate(coarse, tuple(shape), mode="trilinear", align_corners=True)[0]
