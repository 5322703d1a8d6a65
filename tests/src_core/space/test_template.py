"""Looking things up in the template's picture."""

from __future__ import annotations

import torch

from src_core.space.template import TemplateImage


def ramp() -> TemplateImage:
    """Two channels, x and 10 z, on a grid of 3 mm that starts at (-6, 0, 12) mm."""
    x, _, z = torch.meshgrid(
        *(torch.arange(n) * 3.0 + start for n, start in ((8, -6), (6, 0), (10, 12))), indexing="ij"
    )
    return TemplateImage(torch.stack([x, 10 * z]), (-6.0, 0.0, 12.0), 3.0)


def test_between_the_voxels_the_picture_is_interpolated() -> None:
    positions = torch.tensor([[-6.0, 0, 12], [-4.5, 7, 20], [15, 15, 39]])
    expected = torch.stack([positions[:, 0], 10 * positions[:, 2]], 1)
    torch.testing.assert_close(ramp().at(positions), expected, rtol=1e-5, atol=1e-3)


def test_outside_the_picture_is_nothing() -> None:
    far = torch.tensor([[-10.0, 0, 12], [0, 30, 20], [0, 0, 500]])
    assert (ramp().at(far) == 0).all()


def test_positions_are_those_of_the_voxel_centres() -> None:
    image = ramp()
    values = image.at(image.positions()).T.reshape(image.values.shape)
    torch.testing.assert_close(values, image.values, rtol=1e-5, atol=1e-3)


def test_a_coarser_picture_shows_the_same_at_the_same_place() -> None:
    coarse = ramp().coarser()
    assert coarse.spacing == 6
    position = coarse.positions()
    expected = torch.stack([position[:, 0], 10 * position[:, 2]], 1)
    torch.testing.assert_close(coarse.at(position), expected, rtol=1e-5, atol=1e-3)
