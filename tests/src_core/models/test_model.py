"""Models: what is written comes back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.errors import InputError
from src_core.models.bundled import DEFAULT_MODEL
from src_core.models.card import Card
from src_core.models.model import build_network, load_model, template_image, write_model
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.space.slices import SliceRange
from tests.helpers.model_content import Content, read_content, write_content

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.networks.settings import Architecture


@pytest.fixture
def content(tiny_model: Path) -> Content:
    """Card and weights of a good model file."""
    return read_content(tiny_model)


def test_a_model_comes_back_as_it_was_written(tiny_model: Path, content: Content) -> None:
    card, weights = content
    model = load_model(tiny_model)
    assert model.name == "tiny"
    assert model.card == Card.from_json(card)
    assert json.loads(json.dumps(model.card.to_json())) == card
    assert model.protocol.name == "tissue4"
    assert model.fit.iterations == 6
    assert model.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert model.size == sum(tensor.numel() for tensor in weights.values())
    state = model.network().shared_state()
    assert all(torch.equal(state[name], weights[name]) for name in weights)


def test_a_model_of_half_the_size_has_almost_the_same_weights(
    tiny_model: Path, content: Content, tmp_path: Path
) -> None:
    card, weights = content
    model = load_model(tiny_model)
    network = model.network()
    sizes = []
    for precision in ("float32", "float16"):
        write_model(network, model.card, path := tmp_path / f"{precision}.safetensors", precision)
        sizes.append(path.stat().st_size - len(json.dumps(card)))
    again = load_model(path).weights
    assert sizes[1] < 0.6 * sizes[0]
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-3, atol=1e-6)


def test_scans_are_aligned_to_the_template_of_the_model_that_the_card_names(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = load_model(tiny_model)
    network = model.network()
    write_model(network, model.card, plain := tmp_path / "plain.safetensors")
    named = replace(model.card, picture=str(plain))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    write_model(network, named, other := tmp_path / "other.safetensors")
    assert torch.equal(load_model(other).template().values, load_model(plain).template().values)
    write_model(network, replace(model.card, picture="nobody"), other)
    with pytest.raises(InputError, match="nobody"):
        load_model(other).template()


@pytest.mark.parametrize(
    "settings", [WarpedSettings(5, width=8, depth=2, hidden=(4,)), SirenSettings(5, width=8)]
)
def test_both_families_can_be_written(
    tiny_model: Path, tmp_path: Path, settings: Architecture
) -> None:
    torch.manual_seed(1)
    network = build_network(settings)
    card = replace(load_model(tiny_model).card, architecture=settings)
    write_model(network, card, path := tmp_path / "model.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    again = load_model(path).network()
    assert again.settings == settings
    assert torch.equal(
        torch.cat([value.flatten() for value in again.shared_state().values()]),
        torch.cat([value.flatten() for value in network.shared_state().values()]),
    )


def test_a_card_may_say_that_the_model_is_for_slices(
    tiny_model: Path, content: Content, tmp_path: Path
) -> None:
    card, weights = content
    card = card | {"slice": {"axis": "y", "range": [-32, -4.0]}}
    model = load_model(write_content((card, weights), tmp_path / "slice.safetensors"))
    assert model.slices == SliceRange("y", (-32, -4))
    assert load_model(tiny_model).slices is None


def test_every_network_of_a_model_starts_anew(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    first = model.network()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.zero_()
    assert model.network().shared_state()["head.layers.0.weight"].any()


def test_weights_in_half_precision_are_read(content: Content, tmp_path: Path) -> None:
    card, weights = content
    half = {name: tensor.half() for name, tensor in weights.items()}
    model = load_model(write_content((card, half), tmp_path / "half.safetensors"))
    assert {tensor.dtype for tensor in model.network().state_dict().values()} == {torch.float32}


def test_a_network_that_is_not_that_of_the_card_is_not_written(
    tiny_model: Path, tmp_path: Path
) -> None:
    network = build_network(WarpedSettings(5, width=8))
    with pytest.raises(InputError, match="has shape"):
        write_model(network, load_model(tiny_model).card, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_the_picture_of_the_bundled_model_looks_like_a_brain() -> None:
    image = template_image(load_model(DEFAULT_MODEL).network())
    litres = (image.values[0] > 0.1).sum().item() * image.spacing**3 / 1e6
    assert 1.2 < litres < 2.3
    assert (image.values >= 0).all()


def test_the_template_picture_is_what_the_network_says(tiny_model: Path) -> None:
    network = load_model(tiny_model).network()
    image = template_image(network, spacing=12.0)
    expected = network.template_intensity(image.positions()).view_as(image.values)
    shown = image.values > 0
    assert shown.any()
    torch.testing.assert_close(image.values[shown], expected[shown])
    # Faint ripples are no picture.
    assert (expected[~shown] <= 0.1).all()
