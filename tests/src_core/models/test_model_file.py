"""Model files: what is damaged is refused."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from src_core.errors import InputError
from src_core.models.model import load_model
from src_core.models.model_file import read_model_file
from tests.helpers.model_content import Content, read_content, write_content

ROOT = Path(__file__).parents[3]


@pytest.fixture
def content(tiny_model: Path) -> Content:
    """Card and weights of a good model file."""
    return read_content(tiny_model)


def refusal(path: Path) -> str:
    """What is said when a file is refused, with torch or without: one line that names it."""
    with pytest.raises(InputError) as caught:
        read_model_file(path)
    message = str(caught.value)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert str(caught.value) == message
    assert "\n" not in message
    assert str(path) in message
    return message


def test_a_model_file_says_what_it_holds(tiny_model: Path, content: Content) -> None:
    card, weights = content
    file = read_model_file(tiny_model)
    assert file.fields == card
    assert json.loads(json.dumps(file.card.to_json())) == card
    assert file.sha256 == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    assert file.weights.keys() == weights.keys()
    assert all((torch.from_numpy(file.weights[name]) == weights[name]).all() for name in weights)


def test_reading_needs_no_torch(tiny_model: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from src_core.models.model_file import *;"
        "read_model_file(Path(sys.argv[1])); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny_model)], cwd=ROOT, check=True)


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


def test_a_card_nested_without_end_is_refused(content: Content, tmp_path: Path) -> None:
    save_file(content[1], path := tmp_path / "deep.safetensors", metadata={"card": "[" * 100_000})
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
    "far box": (lambda card: card["architecture"].update(box_high=[1e9] * 3), "within 500 mm"),
    "no end": (lambda card: card["architecture"].update(depth=2**31), "must be 1 to 10000"),
    "a fine warp": (lambda card: card["architecture"].update(spacings=[5e-324]), "too many nodes"),
    "scale of nan": (lambda card: card["architecture"].update(scale=math.nan), "'scale': nan"),
    "scale of 400 digits": (lambda card: card["architecture"].update(scale=10**400), "'scale'"),
    "goals of 400 digits": (lambda card: card.update(intensity_goals=[10**400]), "rising numbers"),
    "goals of nan": (lambda card: card.update(intensity_goals=[math.nan] * 7), "rising numbers"),
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


def test_a_file_or_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    assert "no such model file" in refusal(tmp_path / "missing.safetensors")
    (folder := tmp_path / "folder.safetensors").mkdir()
    assert "no such model file" in refusal(folder)
