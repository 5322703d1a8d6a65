"""The card of a model."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from src_core.errors import InputError
from src_core.fitting.settings import FitSettings
from src_core.io.protocols import protocol
from src_core.models.card import FORMAT, Card
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.space.intensity import IntensityRule
from src_core.space.slices import SliceRange
from tests.helpers.small_models import GOALS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def card() -> Card:
    return Card(
        name="mine",
        description="for tests",
        architecture=WarpedSettings(5),
        protocol=protocol("tissue4"),
        rule=IntensityRule(GOALS),
        fit=FitSettings(iterations=9, points=99, earliest_stop=7),
        training={"scans": {"train": ["a", "b"], "val": ["c"]}, "seed": 0},
        scores={"mean_foreground": 0.9},
        licence="none",
    )


def again(card: Card) -> Card:
    return Card.from_json(json.loads(json.dumps(card.to_json())))


def test_a_card_comes_back_from_what_it_told(card: Card) -> None:
    assert again(card) == card
    slices = SliceRange("y", (-32.0, -4.0))
    other = replace(card, architecture=SirenSettings(5), slices=slices, picture="brain3d-tissue")
    assert again(other) == other
    assert (card.family, other.family) == ("warped", "siren")


def test_what_is_usual_in_a_fit_is_not_told(card: Card) -> None:
    assert card.to_json()["fit"] == {"iterations": 9, "points": 99, "earliest_stop": 7}
    unusual = replace(card, fit=FitSettings(9, look_every=0))
    assert unusual.to_json()["fit"].keys() >= {"look_every"}
    assert again(unusual) == unusual


def test_an_incomplete_card_is_refused(card: Card) -> None:
    for field in card.to_json():
        values = card.to_json()
        del values[field]
        with pytest.raises(InputError, match=field):
            Card.from_json(values)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rule": IntensityRule(GOALS[:-1])}, "rising numbers"),
        ({"rule": IntensityRule(GOALS[::-1])}, "rising numbers"),
        ({"fit": FitSettings(-1)}, "iterations of 0 or more"),
        ({"architecture": WarpedSettings(4)}, "number of classes"),
        ({"slices": SliceRange("y", (0, 999))}, "leaves the template's box"),
    ],
)
def test_parts_that_do_not_fit_are_refused(card: Card, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(card, **changes)


def test_goals_that_are_no_numbers_are_refused(card: Card) -> None:
    with pytest.raises(InputError, match="rising numbers"):
        Card.from_json(card.to_json() | {"intensity_goals": [[1], "two"]})


def test_what_is_asked_of_a_card(card: Card) -> None:
    assert card.training_scans == ("a", "b")
    assert card.mean_dice == 0.9
    assert card.size == sum(
        values.numel() for values in WarpedNetwork(WarpedSettings(5)).shared_state().values()
    )
    silent = replace(card, training={"scans": ["a"]}, scores={"mean_foreground": "good"})
    assert silent.training_scans == ()
    assert silent.mean_dice is None
    assert replace(card, training={}, scores={}).training_scans == ()


def test_a_card_of_another_format_is_refused(card: Card) -> None:
    with pytest.raises(InputError, match=f"this version reads {FORMAT}"):
        Card.from_json(card.to_json() | {"format": FORMAT + 1})


def test_a_card_needs_no_torch() -> None:
    code = "import sys, src_core.models.card; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
