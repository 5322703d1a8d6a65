"""The models that come with the package."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from src_core.errors import InputError
from src_core.io.labels import Protocol
from src_core.models.bundled import (
    DEFAULT_MODEL,
    bundled_model_files,
    bundled_models,
    model_path,
    own_model_files,
    own_models_folder,
)
from src_core.models.card import Card
from src_core.models.model import load_model
from src_core.models.model_file import read_model_file

if TYPE_CHECKING:
    from pathlib import Path

BUNDLED_PROTOCOLS = {"tissue": "tissue4", "fs24": "fs24-2d", "fs32": "fs32", "parcels": "nm134"}
MOST_WEIGHTS = {
    "brain3d-tissue": 350_000,
    "brain3d-fs32": 1_100_000,
    "brain3d-parcels": 1_200_000,
    "brain2d-tissue": 200_000,
    "brain2d-fs24": 1_060_000,
    "paper3d-tissue": 330_000,
    "paper2d-tissue": 83_000,
    "paper2d-fs24": 1_060_000,
}


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown model 'brain4d'; models: brain3d-parcels, "):
        model_path("brain4d")


def test_own_models_are_known_by_name_unless_a_bundled_one_has_it(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_METASEG_HOME", str(tmp_path))
    own_models_folder().mkdir()
    for name in ("mine", "brain3d-fs32"):
        shutil.copy(tiny_model, own_models_folder() / f"{name}.safetensors")
    assert list(own_model_files()) == ["mine"]
    assert model_path("mine") == own_models_folder() / "mine.safetensors"
    assert model_path("brain3d-fs32") == bundled_model_files()["brain3d-fs32"]


@pytest.mark.parametrize("name", MOST_WEIGHTS)
def test_a_bundled_model_is_what_its_name_says_and_small(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    kind, protocol = name.split("-")
    assert model.protocol.name == BUNDLED_PROTOCOLS[protocol]
    assert model.card.family == ("siren" if kind.startswith("paper") else "warped")
    assert (model.slices is not None) == kind.endswith("2d")
    assert model.size <= MOST_WEIGHTS[name]
    assert "CC BY-NC 4.0" in model.card.licence


def test_one_model_is_untrained_and_the_last_that_is_offered() -> None:
    trained = sorted(MOST_WEIGHTS, key=lambda name: (name != DEFAULT_MODEL, name))
    assert bundled_models() == [*trained, "untrained"]
    card = load_model("untrained").card
    assert card.untrained
    assert not card.protocol.structures
    assert card.size < 60_000
    with pytest.raises(InputError, match="untrained was not trained and has no structures"):
        card.require_structures()
    load_model(DEFAULT_MODEL).card.require_structures()


@pytest.mark.parametrize("name", bundled_models())
def test_the_card_of_a_bundled_model_comes_back(name: str) -> None:
    file = read_model_file(bundled_model_files()[name])
    told = json.loads(json.dumps(file.card.to_json()))
    assert Card.from_json(told) == file.card
    # Settings that came later may be missing in the file.
    assert list(told) == list(file.fields)
    assert told["architecture"].items() >= file.fields["architecture"].items()
    assert Protocol.from_json(told["protocol"]) == Protocol.from_json(file.fields["protocol"])
    compared = {"architecture": 0, "protocol": 0}
    assert told | compared == file.fields | compared
