"""Rows stand in groups with totals, sides in one row, and all of it can be searched and copied."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from napari_metaseg.run.arrangement import Entry, arrange, as_tsv, flat
from napari_metaseg.run.status import StructureRow
from src_core.io.protocols import PROTOCOLS

COLOR = (1, 2, 3)
ROWS = (
    StructureRow(4, "3rd-Ventricle", COLOR, 1.0, 0.1, math.nan, "ventricles"),
    StructureRow(48, "Left-Hippocampus", COLOR, 4.4, math.nan, 0.9, "deep"),
    StructureRow(35, "Brain-Stem", COLOR, 20.0, -0.5, 0.7),
    StructureRow(47, "Right-Hippocampus", COLOR, 3.6, 0.2, 0.8, "deep"),
    StructureRow(59, "Right-Thalamus", COLOR, 7.0, 0.3, math.nan, "deep"),
)


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in entries]


def test_groups_follow_what_has_none_in_the_order_of_the_rows() -> None:
    entries = arrange(ROWS)
    assert names(entries) == ["Brain-Stem", "ventricles", "deep"]
    assert names(entries[2].members) == ["Left-Hippocampus", "Right-Hippocampus", "Right-Thalamus"]
    assert names(tuple(flat(entries)))[:3] == ["Brain-Stem", "ventricles", "3rd-Ventricle"]


def test_rows_without_groups_stay_as_they_are() -> None:
    rows = [replace(row, group="") for row in ROWS]
    entries = arrange(rows)
    assert [entry.rows for entry in entries] == [(row,) for row in rows]
    assert not any(entry.members for entry in entries)
    assert arrange(()) == ()


def test_a_group_has_totals_of_what_is_known() -> None:
    _, ventricles, deep = arrange(ROWS)
    assert deep.ids == (48, 47, 59)
    assert deep.volume == pytest.approx(15.0)
    assert deep.change == pytest.approx(0.5)
    assert deep.dice == pytest.approx(0.85)
    assert deep.largest.name == "Right-Thalamus"
    assert math.isnan(ventricles.dice)
    assert math.isnan(deep.members[0].change)
    assert math.isnan(deep.asymmetry)


def test_both_sides_are_one_entry_where_there_are_both() -> None:
    stem, ventricles, deep = arrange(ROWS, paired=True)
    assert names(deep.members) == ["Hippocampus", "Right-Thalamus"]
    pair, thalamus = deep.members
    assert pair.ids == (48, 47)
    assert pair.volume == pytest.approx(8.0)
    assert pair.change == pytest.approx(0.2)
    assert pair.dice == pytest.approx(0.85)
    assert pair.largest.id == 48
    assert pair.asymmetry == pytest.approx(20.0)
    assert deep.asymmetry == pytest.approx(20.0)  # of what is in pairs
    assert deep.volume == pytest.approx(15.0)
    for entry in (stem, ventricles, thalamus):
        assert math.isnan(entry.asymmetry)


def test_the_asymmetry_has_the_sign_of_the_larger_side_and_is_open_without_volume() -> None:
    rows = [replace(ROWS[1], volume=0.0), replace(ROWS[3], volume=2.0)]
    (group,) = arrange(rows, paired=True)
    assert group.asymmetry == pytest.approx(-200.0)
    (group,) = arrange([replace(row, volume=0.0) for row in rows], paired=True)
    assert math.isnan(group.asymmetry)


def test_sides_in_two_groups_are_not_one_entry() -> None:
    rows = [ROWS[1], replace(ROWS[3], group="elsewhere")]
    assert [names(entry.members) for entry in arrange(rows, paired=True)] == [
        ["Left-Hippocampus"],
        ["Right-Hippocampus"],
    ]


def test_all_134_structures_are_in_groups_and_pairs() -> None:
    rows = [
        StructureRow(entry.id, entry.name, entry.color, 1.0, group=entry.group)
        for entry in PROTOCOLS["nm134"].structures
    ]
    entries = arrange(rows)
    pairs = arrange(rows, paired=True)
    assert all(entry.members for entry in entries)
    assert sorted(label for entry in entries for label in entry.ids) == sorted(
        row.id for row in rows
    )
    assert names(entries) == names(pairs)
    assert sum(len(entry.members) for entry in entries) == 134
    singles = [one for entry in pairs for one in entry.members if len(one.rows) == 1]
    assert not any(one.name.startswith(("Left-", "Right-")) for one in singles)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["Brain-Stem", "3rd-Ventricle", "Left-Hippocampus", "Right-Hippocampus"]),
        ("HIPPO", ["Left-Hippocampus", "Right-Hippocampus"]),
        ("left hip", ["Left-Hippocampus"]),
        ("right-hippo", ["Right-Hippocampus"]),
        ("ventricles", ["3rd-Ventricle"]),
        ("deep left", ["Left-Hippocampus"]),
        ("cortex", []),
    ],
)
def test_words_are_searched_in_names_and_groups(search: str, found: list[str]) -> None:
    lines = [entry for entry in flat(arrange(ROWS[:4])) if entry.matches(search)]
    assert [entry.name for entry in lines if not entry.members] == found
    groups = {entry.name for entry in lines if entry.members}
    assert groups == {entry.rows[0].group for entry in lines} - {""}


def test_a_side_is_found_within_its_pair() -> None:
    (pair,) = arrange(ROWS[1:4:2], paired=True)[0].members
    assert pair.matches("left hippocampus")
    assert not pair.matches("left right")


def test_entries_become_lines_for_spreadsheets() -> None:
    lines = as_tsv(flat(arrange(ROWS, paired=True))).split("\n")
    assert [line.split("\t") for line in lines] == [
        ["Group", "Labels", "Structure", "Volume (mL)", "Change (mL)", "Dice", "Asymmetry (%)"],
        ["", "35", "Brain-Stem", "20.0000", "-0.5000", "0.7000", ""],
        ["ventricles", "4", "total", "1.0000", "0.1000", "", ""],
        ["ventricles", "4", "3rd-Ventricle", "1.0000", "0.1000", "", ""],
        ["deep", "48 47 59", "total", "15.0000", "0.5000", "0.8500", "20.00"],
        ["deep", "48 47", "Hippocampus", "8.0000", "0.2000", "0.8500", "20.00"],
        ["deep", "59", "Right-Thalamus", "7.0000", "0.3000", "", ""],
    ]
