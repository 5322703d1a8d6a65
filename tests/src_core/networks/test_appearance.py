"""How a scan's intensities come to those of the template."""

from __future__ import annotations

import pytest
import torch

from src_core.fitting.adam import Adam
from src_core.networks.appearance import Appearance

BOX = ((-90.0, -126.0, -86.0), (90.0, 92.0, 98.0))
INTENSITIES = torch.linspace(-0.2, 1.6, 400)


def positions(count: int) -> torch.Tensor:
    low, high = torch.tensor(BOX[0]), torch.tensor(BOX[1])
    return low + torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * (high - low)


def random_appearance() -> Appearance:
    torch.manual_seed(0)
    appearance = Appearance(BOX)
    for parameter in appearance.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return appearance


def test_nothing_changes_at_the_start() -> None:
    values = INTENSITIES[:, None].repeat(1, 4)
    torch.testing.assert_close(Appearance(BOX)(values, positions(400)), values)
    assert Appearance(BOX).distance_from_identity() == 0


def test_brighter_stays_brighter_and_the_curve_has_no_steps() -> None:
    rises = random_appearance().curve(INTENSITIES).diff()
    assert (rises > 0).all()
    assert rises.max() < 0.05


def test_the_way_back_leads_back() -> None:
    appearance, where = random_appearance(), positions(400)
    values = appearance(INTENSITIES[:, None], where)[:, 0]
    torch.testing.assert_close(appearance.to_scan(values, where), INTENSITIES, atol=1e-4, rtol=0)


def test_the_bias_field_is_a_smooth_positive_factor_with_no_constant() -> None:
    appearance = random_appearance()
    where = positions(2000)
    field = appearance.bias_field(where)
    assert (field > 0).all()
    moved = appearance.bias_field(where + torch.tensor([1.0, 0, 0]))
    assert ((moved / field).log().abs() < 0.2).all()
    # Gain belongs to the curve; with no bias the field is 1.
    torch.nn.init.zeros_(appearance.bias)
    assert (appearance.bias_field(where) == 1).all()


@pytest.mark.parametrize("gamma", [0.7, 1.5])
def test_gain_offset_gamma_and_bias_can_be_taken_in(gamma) -> None:
    where = positions(3000)
    template = torch.rand(3000, generator=torch.Generator().manual_seed(1)) * 0.9 + 0.05
    x = where[:, 0] / 90
    scan = 0.9 * (template * (1 + 0.3 * x * x.abs())).clamp(0, 1.2) ** gamma + 0.05
    appearance = Appearance(BOX)
    parameters = list(appearance.parameters())
    adam = Adam(parameters)
    before = (scan - template).abs().mean()
    for _ in range(200):
        adam.zero_grad()
        (appearance(scan[:, None], where)[:, 0] - template).square().mean().backward()
        adam.step(0.03)
    after = (appearance(scan[:, None], where)[:, 0] - template).abs().mean()
    assert after < 0.02 < before
