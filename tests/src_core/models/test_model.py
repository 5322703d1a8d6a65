"""Model files: what is written comes back, what is damaged is refused."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from src_core.errors import InputError
from src_core.models.bundled import DEFAULT_MODEL
from src_core.models.model import (
    build_network,
    bundled_models,
    load_model,
    template_image,
    write_model,
)
from src_core.space.slices import SliceRange

Content = tuple[dict[str, Any], dict[str, torch.Tensor]]


@pytest.fixture
def content(tiny_model: Path) -> Content:
    """Card and weights of a good model file."""
    with safe_open(tiny_model, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["card"]), weights


def write_content(content: Content, path: Path) -> Path:
    card, weights = content
    save_file(weights, path, metadata={"card": json.dumps(card)})
    return path


def refusal(path: Path) -> str:
    """What is said when a file is refused: one line that names it."""
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_model_comes_back_as_it_was_written(tiny_model: Path, content: Content) -> None:
    card, weights = content
    model = load_model(tiny_model)
    assert model.name == "tiny"
    assert model.card == card
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
    network = load_model(tiny_model).network()
    sizes = []
    for precision in ("float32", "float16"):
        write_model(network, card, path := tmp_path / f"{precision}.safetensors", precision)
        sizes.append(path.stat().st_size - len(json.dumps(card)))
    again = load_model(path).weights
    assert sizes[1] < 0.6 * sizes[0]
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-3, atol=1e-6)


def test_scans_are_aligned_to_the_picture_of_the_model_that_the_card_names(
    tiny_model: Path, content: Content, tmp_path: Path
) -> None:
    card, _ = content
    network = load_model(tiny_model).network()
    write_model(network, card, plain := tmp_path / "plain.safetensors")
    named = card | {"picture": str(tmp_path / "plain.safetensors")}
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    write_model(network, named, other := tmp_path / "other.safetensors")
    assert torch.equal(load_model(other).picture().values, load_model(plain).picture().values)
    write_model(network, card | {"picture": "nobody"}, other)
    with pytest.raises(InputError, match="nobody"):
        load_model(other).picture()


@pytest.mark.parametrize("family", ["warped", "siren"])
def test_both_families_can_be_written(content: Content, tmp_path: Path, family: str) -> None:
    torch.manual_seed(1)
    architecture = {"classes": 5, "width": 8, "depth": 2, "hidden": [4]}
    network = build_network(family, architecture)
    card = content[0] | {"family": family, "architecture": architecture}
    write_model(network, card, path := tmp_path / "model.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    again = load_model(path).network()
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


def test_an_incomplete_card_is_not_written(content: Content, tmp_path: Path) -> None:
    card, _ = content
    network = build_network(card["family"], card["architecture"])
    del card["licence"]
    with pytest.raises(InputError, match="licence"):
        write_model(network, card, tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_a_truncated_file_is_refused(tiny_model: Path, tmp_path: Path, share: float) -> None:
    whole = tiny_model.read_bytes()
    (path := tmp_path / "short.safetensors").write_bytes(whole[: int(share * len(whole))])
    assert "damaged model file" in refusal(path)


def test_a_file_of_another_kind_is_refused_and_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (path := tmp_path / "model.safetensors").write_bytes(pickle.dumps(Trap()) * 50)
    refusal(path)
    (path := tmp_path / "model.pt").write_bytes(pickle.dumps(Trap()) * 50)
    refusal(path)
    assert not (tmp_path / "sprung").exists()


def test_weights_without_a_card_are_refused(content: Content, tmp_path: Path) -> None:
    save_file(content[1], path := tmp_path / "bare.safetensors")
    assert "card" in refusal(path)
    save_file(content[1], path, metadata={"card": "{not json"})
    assert "not a model of this program" in refusal(path)


DAMAGES: dict[str, tuple[Any, str]] = {
    "no object": (lambda card: [1], "no object"),
    "no name": (lambda card: card.pop("name"), "'name'"),
    "name is a number": (lambda card: card.update(name=3), "'name'"),
    "another format": (lambda card: card.update(format=99), "format is 99"),
    "unknown family": (lambda card: card.update(family="cnn"), "unknown family 'cnn'"),
    "unknown setting": (lambda card: card["architecture"].update(kernel=3), "kernel"),
    "negative width": (lambda card: card["architecture"].update(width=-8), "architecture"),
    "width is a word": (lambda card: card["architecture"].update(width="wide"), "width"),
    "scale is a word": (lambda card: card["architecture"].update(scale="large"), "scale"),
    "rate is a list": (lambda card: card["architecture"].update(warp_rate=[1]), "warp_rate"),
    "box of two": (lambda card: card["architecture"].update(box_low=[0, 0]), "box_low"),
    "another width": (lambda card: card["architecture"].update(width=20), "shape"),
    "other classes": (lambda card: card["architecture"].update(classes=9), "number of classes"),
    "no ids": (lambda card: card["protocol"]["structures"][0].pop("id"), "id"),
    "few goals": (lambda card: card["intensity_goals"].pop(), "rising numbers"),
    "falling goals": (lambda card: card["intensity_goals"].reverse(), "rising numbers"),
    "unknown fit": (lambda card: card["fit"].update(speed=3), "speed"),
    "no iterations": (lambda card: card["fit"].pop("iterations"), "iterations"),
    "fit of words": (lambda card: card["fit"].update(iterations="many"), "iterations"),
    "fit of none": (lambda card: card["fit"].update(points=0), "points"),
    "slice is a number": (lambda card: card.update(slice=-18), "slice"),
    "slice of no axis": (lambda card: card.update(slice={"range": [-32, -4]}), "axis"),
    "slice of axis t": (lambda card: card.update(slice={"axis": "t", "range": [0, 1]}), "axis"),
    "slice of one end": (lambda card: card.update(slice={"axis": "y", "range": [-4]}), "range"),
    "slices that fall": (lambda card: card.update(slice={"axis": "y", "range": [9, -9]}), "rise"),
    "slices far off": (lambda card: card.update(slice={"axis": "y", "range": [0, 999]}), "box"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_card_that_does_not_fit_is_refused(content: Content, tmp_path: Path, damage: str) -> None:
    card, weights = copy.deepcopy(content)
    change, said = DAMAGES[damage]
    changed = change(card)
    card = changed if damage == "no object" else card
    message = refusal(write_content((card, weights), tmp_path / "model.safetensors"))
    assert said in message
    assert "not a model of this program" in message


def test_weights_that_do_not_fit_are_refused(content: Content, tmp_path: Path) -> None:
    card, weights = content
    name = "head.layers.0.weight"
    path = tmp_path / "model.safetensors"
    changed = {
        "missing": {key: value for key, value in weights.items() if key != name},
        "more": weights | {"head.layers.9.weight": torch.zeros(2)},
        "turned": weights | {name: weights[name].T.contiguous()},
    }
    for case in changed.values():
        assert "has shape" in refusal(write_content((card, case), path))
    broken = weights | {name: torch.full_like(weights[name], torch.nan)}
    assert "not all finite" in refusal(write_content((card, broken), path))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown model 'brain4d'; bundled models: "):
        load_model("brain4d")


BUNDLED_PROTOCOLS = {"tissue": "tissue4", "fs24": "fs24-2d", "fs32": "fs32"}
MOST_WEIGHTS = {
    "brain3d-tissue": 350_000,
    "brain2d-tissue": 200_000,
    "brain2d-fs24": 1_060_000,
    "paper3d-tissue": 330_000,
    "paper2d-tissue": 83_000,
    "paper2d-fs24": 1_060_000,
}


def test_a_file_or_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    assert "no such model file" in refusal(tmp_path / "missing.safetensors")
    (folder := tmp_path / "folder.safetensors").mkdir()
    assert "no such model file" in refusal(folder)


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_is_what_its_name_says_and_small(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    kind, protocol = name.split("-")
    assert model.protocol.name == BUNDLED_PROTOCOLS[protocol]
    assert model.card["family"] == ("siren" if kind.startswith("paper") else "warped")
    assert (model.slices is not None) == kind.endswith("2d")
    assert model.size <= MOST_WEIGHTS.get(name, 1_100_000)
    assert "CC BY-NC 4.0" in model.card["licence"]


@pytest.mark.skipif(DEFAULT_MODEL not in bundled_models(), reason="the model is not there yet")
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
