"""A picture of what the template network shows around a brain, quicker to look up than to ask."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as functional
from torch import Tensor

from src_core.space.template import TemplateImage

if TYPE_CHECKING:
    from src_core.fitting.workers import Workers
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.points import BrainPoints

SPACING = 2.0
"""Of the picture's voxels, mm."""
MARGIN = 6.0
"""What is drawn around the brain, mm along each axis; a warp hardly leads beyond."""
_PIECE = 2**16


@torch.no_grad()
def draw_template(
    network: CoordinateNetwork, points: BrainPoints, workers: Workers
) -> TemplateImage:
    """Draw what a network takes for the template in and around a brain.

    Parameters
    ----------
    network : CoordinateNetwork
    points : BrainPoints
        The brain, on the network's device.
    workers : Workers

    Returns
    -------
    TemplateImage
        One channel per blur; zero away from the brain.
    """
    box = network.settings.box
    shape = [math.ceil((high - low) / SPACING) + 1 for low, high in zip(*box, strict=True)]
    low = torch.tensor(box[0]).to(network.device)
    near = torch.zeros(shape, device=network.device)
    for start in range(0, len(points), _PIECE):
        nodes = ((points.positions(slice(start, start + _PIECE)) - low) / SPACING).round().long()
        axes = zip(nodes.unbind(1), shape, strict=True)
        near[tuple(axis.clamp(0, size - 1) for axis, size in axes)] = 1
    where = _dilated(near, round(MARGIN / SPACING)).nonzero()

    def draw(nodes: Tensor) -> Tensor:
        with torch.no_grad():  # holds for one thread only
            return network.template_intensities(low + SPACING * nodes)

    def draw_in_pieces(size: int) -> Tensor:
        return torch.cat(list(workers.map(draw, where.split(size))))

    values = workers.in_pieces(draw_in_pieces)
    picture = torch.zeros(*shape, values.shape[1], device=network.device)
    picture[where.unbind(1)] = values
    _sharpen(picture)
    # Channels come first only by name: what is looked up together lies together in the memory.
    return TemplateImage(picture.movedim(-1, 0), network.settings.box_low, SPACING)


def _dilated(near: Tensor, reach: int) -> Tensor:
    """Where a volume of zeros and ones is 1, or a node at most `reach` away along each axis is."""
    wide = near[None]
    for axis in range(3):
        sizes = [2 * reach + 1 if axis == n else 1 for n in range(3)]
        wide = functional.max_pool3d(wide, sizes, 1, [size // 2 for size in sizes])
    return wide[0] > 0


def _sharpen(picture: Tensor) -> None:
    """Make right on average, in place, what is looked up in a picture (X, Y, Z, C).

    Linear interpolation blurs; a twelfth of what a node differs from its neighbours undoes what it
    takes of a second derivative.
    """
    for channel in picture.unbind(-1):
        padded = functional.pad(channel[None], (1,) * 6, mode="replicate")[0]
        curvature = 6 * channel
        for axis, size in enumerate(channel.shape):
            middle = padded[tuple(slice(None) if n == axis else slice(1, -1) for n in range(3))]
            curvature -= middle.narrow(axis, 0, size) + middle.narrow(axis, 2, size)
        channel += curvature / 12
