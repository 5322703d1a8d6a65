"""What training asks of a family."""

from __future__ import annotations

import pytest
import torch

from src_core.networks.settings import FAMILIES, SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork
from src_core.space.seen import BLURS

POSITIONS = torch.tensor([[0.0, 0, 0], [10, -20, 30]])


def siren() -> SirenNetwork:
    return SirenNetwork(SirenSettings(classes=2, width=8, depth=2, hidden=()))


def warped(width: int = 8) -> WarpedNetwork:
    return WarpedNetwork(WarpedSettings(classes=2, width=width, depth=2, hidden=()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fit_does_not_depend_on_what_belongs_to_the_head(family: str) -> None:
    settings = FAMILIES[family](classes=2)
    assert not {"classes", "hidden"} & settings.of_the_fit().keys()
    assert {"width", "depth", "weight_rate"} <= settings.of_the_fit().keys()


def test_a_network_takes_over_the_template_network_of_another() -> None:
    one, other = warped(), warped()
    head = one.head.layers[0].weight.clone()
    one.take_over_template(other)
    for own, given in zip(one.template.parameters(), other.template.parameters(), strict=True):
        assert torch.equal(own, given)
    assert torch.equal(one.head.layers[0].weight, head)


def test_a_template_network_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="another width or depth"):
        warped().take_over_template(warped(width=9))
    with pytest.raises(ValueError, match="no template network"):
        warped().take_over_template(siren())


def test_a_family_does_what_it_says_it_can() -> None:
    for network in (siren(), warped()):
        settings = network.settings
        if settings.has_template_network:
            assert type(network.facing(None)) is type(network)
        else:
            with pytest.raises(NotImplementedError, match="no template network"):
                network.facing(None)
            with pytest.raises(NotImplementedError, match="no template network"):
                network.take_over_template(network)
        if settings.can_be_meta_learned:
            assert len(network.step_sizes()) == len(network.fitted_parameters())
        else:
            with pytest.raises(NotImplementedError, match="meta-learned"):
                network.step_sizes()


def test_the_template_is_shown_in_as_many_blurs_as_are_known() -> None:
    assert siren().template_intensities(POSITIONS).shape == (2, 1)
    assert warped().template_intensities(POSITIONS).shape == (2, len(BLURS))


def test_without_a_fit_there_is_no_bias() -> None:
    for network in (siren(), warped()):
        assert torch.equal(network.bias_factors(POSITIONS), torch.ones(2))
