"""What label ids mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src_core.datasets.mapping import IGNORED, UNKNOWN, read_mapping
from src_core.datasets.settings import DataSettings
from src_core.io.protocols import protocol, read_protocol
from tests.helpers.datasets import TISSUES, refused, write_table

MAPPING = (
    "neuromorphometrics_id,name,status,tissue4,freesurfer_id\n"
    "0,Unknown,kept,0,0\n4,3rd Ventricle,kept,4,14\n31,Right Amygdala,kept,2,54\n"
    "40,Lesion,ignored,0,0\n46,CSF,kept,0,24\n"
)


def test_without_a_mapping_the_label_maps_hold_the_protocols_ids(tmp_path: Path) -> None:
    data = DataSettings(tmp_path)
    np.testing.assert_array_equal(read_mapping(data, TISSUES), range(5))
    thirty = protocol("fs32")
    mapping = read_mapping(data, thirty)
    np.testing.assert_array_equal(mapping[thirty.ids], range(len(thirty.ids)))
    assert (np.delete(mapping, thirty.ids) == UNKNOWN).all()


def test_the_mapping_leads_from_the_folders_ids_to_classes(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    data = DataSettings(tmp_path)
    mapping = read_mapping(data, TISSUES)
    assert mapping[[0, 4, 31, 40, 46]].tolist() == [0, 4, 2, IGNORED, 0]
    assert mapping[7] == UNKNOWN
    thirty = protocol("fs32")
    mapping = read_mapping(data, thirty)
    assert thirty.ids[mapping[[4, 31]]].tolist() == [14, 54]
    # What the protocol does not know is background.
    assert mapping[46] == 0


def test_the_column_of_a_mapping_can_be_named(tmp_path: Path) -> None:
    table = tmp_path / "ids.csv"
    table.write_text("mine,group\n7,1\n8,ignore\n")
    data = DataSettings(tmp_path, mapping=table, mapping_column="group")
    assert read_mapping(data, TISSUES).tolist() == [0, *[UNKNOWN] * 6, 1, IGNORED]


def test_a_small_mapping_stands_in_the_settings(tmp_path: Path) -> None:
    data = DataSettings(tmp_path, mapping={"3": 1, "5": "ignore"})
    assert read_mapping(data, TISSUES).tolist() == [0, UNKNOWN, UNKNOWN, 1, UNKNOWN, IGNORED]


def test_the_mapping_beside_a_table_of_files_is_found(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text("id,tissue4\n9,4\n")
    assert read_mapping(write_table(tmp_path, "scan,labels\n"), TISSUES)[9] == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,fs32\n3,1\n", "no column 'tissue4' for the protocol tissue4; name one"),
        ("id,tissue4\n", "has no rows"),
        ("id,tissue4\n3,5\n", "label id 3 becomes 5, which is no id of protocol tissue4"),
        ("id,tissue4\n3,\n", "what label id 3 becomes ('ignore', or an id) is ''"),
        ("id,tissue4\n-3,1\n", "the label id is '-3', not a whole number"),
        ("id,tissue4\n3,1\n3,2\n", "the label id 3 is listed twice"),
        ("id,tissue4\n614454277,1\n", "is above 32767; renumber it"),
        (f"id,tissue4\n{'9' * 5000},1\n", "99', not a whole number"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "label_mapping.csv").write_text(text)
    with refused(said):
        read_mapping(DataSettings(tmp_path), TISSUES)


def test_a_mapping_for_another_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    with refused("no column 'neurite_seg24'"):
        read_mapping(DataSettings(tmp_path), protocol("fs24-2d"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mapping": {"3": 9}}, "mapping: label id 3 becomes 9, which is no id"),
        ({"mapping": {"3": 1}, "mapping_column": "x"}, "no table with the column 'x'"),
        ({"mapping_column": "x"}, "no table with the column 'x'"),
        ({"mapping": Path("nowhere.csv")}, "nowhere.csv cannot be read: No such file"),
    ],
)
def test_settings_of_a_mapping_that_contradict_are_refused(
    tmp_path: Path, change: dict, said: str
) -> None:
    with refused(said):
        read_mapping(replace(DataSettings(tmp_path), **change), TISSUES)


def test_a_protocol_that_leaves_no_class_for_unknown_ids_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "many.csv"
    table.write_text("id,name\n" + "".join(f"{label},s{label}\n" for label in range(1, 255)))
    with refused("at most 253 structures"):
        read_mapping(DataSettings(tmp_path), read_protocol(table, "many"))
