"""Protocols name every structure once, and refuse label maps that are not theirs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.labels import Protocol, Structure, sides_of
from src_core.io.protocols import PROTOCOLS, protocol


@pytest.mark.parametrize("name", PROTOCOLS)
def test_ids_and_classes_round_trip(name: str) -> None:
    known = protocol(name)
    label_map = np.random.default_rng(0).choice(known.ids, (5, 6, 7))
    classes = known.to_classes(label_map)
    assert classes.dtype == np.uint8
    assert classes.max() <= len(known.structures)
    np.testing.assert_array_equal(known.to_ids(classes), label_map)


def test_label_maps_are_as_small_as_their_ids_allow() -> None:
    classes = np.array([0, 1])
    assert protocol("fs32").to_ids(classes).dtype == np.uint8
    large = Protocol("large", (Structure(1001, "ctx-lh-bankssts", (1, 2, 3)),))
    assert large.to_ids(classes).dtype == np.int16


def test_a_network_is_trained_for_small_ids_only() -> None:
    Structure(2**31 - 1, "of a layer", (1, 2, 3))
    with pytest.raises(InputError, match="2147483648"):
        Structure(2**31, "too large", (1, 2, 3))
    with pytest.raises(InputError, match="id 40000 is above 32767"):
        Protocol("large", (Structure(40000, "cell", (1, 2, 3)),))


@pytest.mark.parametrize("stranger", [5, 77, 300, -1, 2**15])
def test_label_map_of_another_protocol_is_refused(stranger: int) -> None:
    label_map = np.array([0, 1, 2, stranger], dtype=np.int32)
    with pytest.raises(InputError, match=rf"label ids {stranger} are not in protocol tissue4"):
        protocol("tissue4").to_classes(label_map)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocol_survives_json(name: str) -> None:
    known = protocol(name)
    assert Protocol.from_json(json.loads(json.dumps(known.to_json()))) == known


def test_own_protocol_needs_few_fields() -> None:
    own = Protocol.from_json(
        {"name": "own", "structures": [{"id": 3, "name": "Tumour core", "color": [9, 8, 7]}]}
    )
    assert own.structures[0] == Structure(3, "Tumour core", (9, 8, 7))


def test_a_protocol_may_have_no_structures_yet() -> None:
    empty = Protocol.from_json({"name": "painted", "structures": []})
    assert empty.to_ids(np.zeros((2, 2), np.uint8)).tolist() == [[0, 0], [0, 0]]
    with pytest.raises(InputError, match="label ids 1 are not in protocol painted"):
        empty.to_classes(np.array([0, 1]))


GOOD = {"id": 3, "name": "Tumour", "color": [9, 8, 7]}


@pytest.mark.parametrize(
    "structures",
    [
        "Tumour",
        ["Tumour"],
        [{"id": 3, "name": "Tumour"}],
        [{**GOOD, "colour": "red"}],
        [{**GOOD, "id": 0}],
        [{**GOOD, "id": "3"}],
        [{**GOOD, "id": 70000}],
        [{**GOOD, "id": True}],
        [{**GOOD, "name": ""}],
        [{**GOOD, "name": "two\nlines"}],
        [{**GOOD, "name": 3}],
        [{**GOOD, "color": "#ff0000"}],
        [{**GOOD, "color": [1, 2]}],
        [{**GOOD, "color": [1, 2, 256]}],
        [{**GOOD, "color": [0.5, 0.5, 0.5]}],
        [{**GOOD, "abbreviation": 1}],
        [{**GOOD, "bids_mapping": "GM"}],
        [GOOD, {**GOOD, "name": "Other"}],
        [GOOD, {**GOOD, "id": 4}],
        [{**GOOD, "id": label, "name": str(label)} for label in range(1, 300)],
    ],
)
def test_damaged_protocol_is_refused_in_one_line(structures: object) -> None:
    with pytest.raises(InputError) as refusal:
        Protocol.from_json({"name": "own", "structures": structures})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("values", [None, [], {"name": "own"}, {"name": 1, "structures": [GOOD]}])
def test_protocol_without_its_parts_is_refused(values: object) -> None:
    with pytest.raises(InputError):
        Protocol.from_json(values)


def test_sides_are_found_by_their_names() -> None:
    names = ["Right-Putamen", "left_Putamen", "Left-Caudate", "Vermis", "Leftover", "Right Insula"]
    assert sides_of([*names, "Left Insula"]) == {
        "Putamen": ("left_Putamen", "Right-Putamen"),
        "Insula": ("Left Insula", "Right Insula"),
    }
