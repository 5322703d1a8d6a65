"""What the labels of a scan tell of their quality."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src_core.io.protocols import protocol
from src_core.io.scan import slice_of
from src_core.models.model import load_model
from src_core.preparation.prepare import Preparation, prepare
from src_core.request import Request
from src_core.results.quality import ASYMMETRY, check_result

STRUCTURES = {structure.name: structure.id for structure in protocol("fs32").structures}
EVEN = dict.fromkeys(STRUCTURES.values(), 4000.0)
PSNR, ITERATIONS = 19.0, 6


@pytest.fixture
def prepared(brain, tiny_model) -> Preparation:
    """As if its model knew the 32 structures; of the network nothing is asked."""
    model = load_model(tiny_model)
    prepared = prepare(Request(brain.scan, model=model, align=False))
    settings = replace(model.card.architecture, classes=len(protocol("fs32").ids))
    card = replace(model.card, protocol=protocol("fs32"), architecture=settings)
    return replace(prepared, model=replace(model, card=card))


def messages(prepared, volumes=EVEN, psnr=PSNR, iterations=ITERATIONS) -> list[str]:
    found = check_result(prepared, volumes, psnr, iterations)
    assert not any(one.grave for one in found)
    return [one.message for one in found if one.message]


def test_an_even_brain_passes(prepared) -> None:
    assert messages(prepared) == []
    assert {one.check for one in check_result(prepared, EVEN, PSNR, ITERATIONS)} == {
        "psnr_db",
        "asymmetry",
    }


def test_all_structures_with_sides_are_compared_but_the_lower_horns() -> None:
    lefts = {name.removeprefix("Left-") for name in STRUCTURES if name.startswith("Left-")}
    assert lefts - set(ASYMMETRY) == {"Inf-Lat-Vent"}


@pytest.mark.parametrize("name", ASYMMETRY)
def test_sides_that_differ_more_than_in_healthy_brains_are_named(prepared, name) -> None:
    for share, unusual in ((0.9, False), (1.1, True)):
        less = 4000 * (1 - share * ASYMMETRY[name]) / (1 + share * ASYMMETRY[name])
        for side in ("Left", "Right"):
            found = messages(prepared, {**EVEN, STRUCTURES[f"{side}-{name}"]: less})
            assert bool(found) == unusual
            if unusual:
                values = (
                    f"{less / 1e3:.1f} and 4.0" if side == "Left" else f"4.0 and {less / 1e3:.1f}"
                )
                assert f"({name} {values} mL)" in found[0]


def test_the_most_unusual_structures_are_named_first(prepared) -> None:
    lost = {STRUCTURES[f"Left-{name}"]: 0.0 for name in ("Thalamus", "Caudate", "Putamen")}
    (found,) = messages(prepared, {**EVEN, **lost, STRUCTURES["Left-Cerebral-Cortex"]: 3000.0})
    assert "(Thalamus 0.0 and 4.0, Putamen 0.0 and 4.0, Caudate 0.0 and 4.0 and 1 more mL)" in found


def test_a_structure_that_is_nowhere_is_not_compared(prepared) -> None:
    assert messages(prepared, dict.fromkeys(EVEN, 0.0)) == []


def test_a_protocol_without_sides_is_not_compared(brain, tiny_model) -> None:
    prepared = prepare(Request(brain.scan, model=tiny_model, align=False))
    assert messages(prepared, dict.fromkeys(range(1, 5), 1.0)) == []


def test_a_slice_may_be_tilted(prepared, brain) -> None:
    tilted = replace(prepared, scan=slice_of(brain.scan, 1, 24))
    assert messages(tilted, {**EVEN, STRUCTURES["Left-Thalamus"]: 0.0}) == []


def test_a_bad_reconstruction_is_told_once_the_fit_is_far_enough(prepared) -> None:
    (found,) = messages(prepared, psnr=12.3)
    assert "PSNR 12.3 dB, usual are 16.5 or more" in found
    assert messages(prepared, psnr=12.3, iterations=1) == []
    assert np.isnan(check_result(prepared, EVEN, np.nan, ITERATIONS)[0].value)
