"""The protocols of the package, and those of tables."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.export import companion, write_labels
from src_core.io.labels import Protocol
from src_core.io.protocols import (
    PROTOCOLS,
    classes_in,
    granularities,
    protocol,
    read_protocol,
)
from src_core.models.bundled import bundled_models
from src_core.models.model import load_model

if TYPE_CHECKING:
    from pathlib import Path


def test_each_protocol_has_its_structures() -> None:
    assert list(protocol("tissue4").ids) == [0, 1, 2, 3, 4]
    assert list(protocol("fs24-2d").ids) == list(range(25))
    fs32 = protocol("fs32")
    assert len(fs32.structures) == 32
    names = {structure.id: structure.name for structure in fs32.structures}
    assert names[17] == "Left-Hippocampus"
    assert names[53] == "Right-Hippocampus"
    assert names[172] == "Vermis"
    assert 24 not in names
    assert len(protocol("nm134").structures) == 134
    assert protocol("nm134").structures[-1].name == "Left-Transverse-Temporal-Gyrus"


def test_finer_labels_are_merged() -> None:
    # Neuromorphometrics: hippocampi, the parts of the vermis, precentral gyri, white matter, chiasm
    fine = np.array([0, 47, 48, 71, 72, 73, 182, 183, 44, 45, 69])
    fs32, tissue4 = protocol("fs32"), protocol("tissue4")
    found = fs32.to_ids(classes_in(fine, fs32))
    assert found.tolist() == [0, 53, 17, 172, 172, 172, 42, 3, 41, 2, 0]
    tissues = tissue4.to_ids(classes_in(fine, tissue4))
    assert tissues.tolist() == [0, 2, 2, 2, 2, 2, 1, 1, 3, 3, 3]
    coarse = np.array([0, 53, 17, 172, 172, 172, 42, 3, 41, 2])
    assert tissue4.to_ids(classes_in(coarse, tissue4)).tolist() == tissues[:-1].tolist()


@pytest.mark.parametrize("wanted", ["fs32", "nm134"])
def test_labels_that_are_in_no_finer_protocol_are_refused(wanted: str) -> None:
    with pytest.raises(InputError, match=rf"label ids 1, 9999 are not in protocol {wanted}"):
        classes_in(np.array([0, 1, 9999]), protocol(wanted))


@pytest.mark.parametrize("name", [name for name in bundled_models() if name != "untrained"])
def test_models_of_the_package_carry_its_protocols(name: str) -> None:
    carried = load_model(name).protocol
    assert carried == protocol(carried.name)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_right_structures_mirror_left_ones(name: str) -> None:
    names = {structure.name for structure in protocol(name).structures}
    left = {name.removeprefix("Left-") for name in names if name.startswith("Left-")}
    right = {name.removeprefix("Right-") for name in names if name.startswith("Right-")}
    assert left == right


@pytest.mark.parametrize("name", PROTOCOLS)
def test_structures_can_be_told_apart_by_colour(name: str) -> None:
    for a, b in itertools.combinations(protocol(name).structures, 2):
        distance = np.linalg.norm(np.subtract(a.color, b.color))
        is_pair = b.name in (a.name.replace("Left-", "Right-"), a.name.replace("Right-", "Left-"))
        # 134 colours cannot lie as far apart as 32.
        apart = 30 if name == "nm134" else 45
        assert (0 < distance < 120) if is_pair else distance > apart, (a.name, b.name)


def test_unknown_protocol_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="tissue4, fs32, nm134, fs24-2d"):
        protocol("aseg")


def test_own_structures_come_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("id,name,color,abbreviation\n0,Background,,\n7,Core,#ff8000,CO\n9,Rim,,\n")
    own = read_protocol(table, "tumour")
    assert own.name == "tumour"
    assert [(s.id, s.name, s.abbreviation) for s in own.structures] == [
        (7, "Core", "CO"),
        (9, "Rim", ""),
    ]
    assert own.structures[0].color == (255, 128, 0)


def test_structures_without_a_colour_get_different_ones(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("id,name\n" + "".join(f"{label},s{label}\n" for label in range(1, 60)))
    colors = [structure.color for structure in read_protocol(table, "own").structures]
    assert len(set(colors)) == len(colors)


@pytest.mark.parametrize(
    "known", [protocol("tissue4"), protocol("fs32")], ids=lambda known: known.name
)
def test_the_table_beside_a_label_map_is_a_protocol(brain, tmp_path: Path, known: Protocol) -> None:
    output = tmp_path / "brain_dseg.nii.gz"
    write_labels(known.ids[brain.labels], brain.scan, output, protocol=known, details={})
    assert read_protocol(companion(output, ".tsv"), known.name) == known


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n", "needs a column 'id' or 'index' and a row"),
        ("number,name\n1,Core\n", "needs a column 'id' or 'index'"),
        ("id,label\n1,Core\n", "column 'name' is missing"),
        ("id,name\none,Core\n", "the id of 'Core' is 'one'"),
        ("id,name\n1,\n", "structure 1 needs a name"),
        ("id,name\n1,Core\n1,Rim\n", "two structures with the same id"),
        ("id,name,color\n1,Core,red\n", "colour 'red' is not like #1a2b3c"),
        ("id,name,mapping\n1,Core,GM\n", "structure 1: the BIDS mapping is 'GM'"),
        ("id,name\n0,Background\n", "a protocol needs structures, and there is none"),
    ],
)
def test_a_table_of_structures_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    table = tmp_path / "own.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as refusal:
        read_protocol(table, "own")
    assert str(table) in str(refusal.value)


def test_what_labels_can_be_told_in_comes_finest_first() -> None:
    assert list(granularities(protocol("nm134"))) == ["nm134", "fs32", "tissue4"]
    assert list(granularities(protocol("fs32"))) == ["fs32", "tissue4"]
    assert list(granularities(protocol("tissue4"))) == ["tissue4"]
    merged = granularities(protocol("fs32"))["tissue4"]
    assert merged[protocol("fs32").ids.tolist().index(17)] == 2  # hippocampus: subcortical grey


def test_a_protocol_that_only_has_the_name_is_not_merged() -> None:
    own = Protocol("fs32", protocol("fs32").structures[:5])
    assert list(granularities(own)) == ["fs32"]


def test_structures_have_groups() -> None:
    groups = {s.name: s.group for name in ("fs32", "nm134") for s in protocol(name).structures}
    assert groups["Left-Hippocampus"] == "deep grey matter"
    assert groups["Right-Superior-Frontal-Gyrus"] == "frontal"
    assert all(groups.values())
