"""What a scan is compared with."""

from __future__ import annotations

import torch

from src_core.networks.template import GridTemplate
from src_core.space.seen import BLURS
from src_core.space.template import TemplateImage


def test_a_picture_can_stand_in_for_the_template_network() -> None:
    generator = torch.Generator().manual_seed(0)
    image = TemplateImage(
        torch.rand(len(BLURS), 9, 10, 11, generator=generator), (-20.0, -20.0, -20.0), 4.0
    )
    where = torch.tensor([[0.0, 1, 2], [40, 0, 0]])
    assert torch.equal(GridTemplate(image)(where), image.at(where))
    assert (image.at(where)[0] > 0).all()
