"""What the settings of a network say about it before it is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src_core.networks.settings import Architecture, SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork

ROOT = Path(__file__).parents[3]


def built(settings: Architecture) -> CoordinateNetwork:
    if isinstance(settings, WarpedSettings):
        return WarpedNetwork(settings)
    assert isinstance(settings, SirenSettings)
    return SirenNetwork(settings)


@pytest.mark.parametrize(
    "settings",
    [
        WarpedSettings(3),
        WarpedSettings(2, width=8, depth=1, hidden=()),
        WarpedSettings(
            5,
            width=6,
            depth=3,
            hidden=(7, 4, 9),
            reads_activations=False,
            aligned_wavelengths=(256.0,),
            warped_wavelengths=(64.0, 32.0),
        ),
        SirenSettings(3),
        SirenSettings(2, width=8, depth=1, hidden=()),
        SirenSettings(4, width=6, depth=3, hidden=(7, 4), learned_rates="layer"),
        SirenSettings(4, width=6, depth=3, learned_rates="weight"),
    ],
)
def test_the_weights_of_a_model_file_are_known_before_the_network_is_built(
    settings: Architecture,
) -> None:
    state = built(settings).shared_state()
    assert settings.shared_shapes() == {name: tuple(value.shape) for name, value in state.items()}


@pytest.mark.parametrize("family", [WarpedSettings, SirenSettings])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": -8}, "width"),
        ({"depth": 0}, "depth"),
        ({"hidden": (8, 0)}, "hidden"),
        ({"box_low": (0.0, 0.0, 99.0)}, "box_low"),
        ({"box_low": (0.0,) * 3, "box_high": (0.0, 1.0, 1.0)}, "box_low"),
        ({"scale": 0.0}, "scale"),
    ],
)
def test_what_no_network_can_be_built_of_is_refused(
    family: type[Architecture], changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        family(**{"classes": 2} | changes)


@pytest.mark.parametrize("spacings", [(24.0, 0.0), ()])
def test_a_warp_needs_spacings_above_zero(spacings: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacings"):
        WarpedSettings(2, spacings=spacings)


def test_a_warp_needs_an_iteration() -> None:
    with pytest.raises(ValueError, match="warp_iterations"):
        WarpedSettings(2, warp_iterations=0)


def test_settings_need_no_torch() -> None:
    code = "import sys, src_core.networks.settings; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
