"""Labels have the names and colours that are known, and are visible in any case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.layers import Labels

from napari_metaseg.layers.label_style import (
    known_structures,
    layer_style,
    read_label_table,
    structures_in,
)
from src_core.errors import InputError
from src_core.io.export import write_labels
from src_core.io.labels import Structure
from src_core.io.protocols import protocol

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.scan import Scan

TISSUES = protocol("tissue4")
FREESURFER = protocol("fs32")


def volume(*ids: int) -> np.ndarray:
    """A label map with these ids."""
    label_map = np.zeros((4, 5, 50), np.int64)
    label_map.flat[: len(ids)] = ids
    return label_map.astype(np.min_scalar_type(max(ids)))


def test_every_label_has_a_row_and_its_colour() -> None:
    style = layer_style(TISSUES, volume(1, 4, 77))
    layer = Labels(volume(1, 4, 77), **style)
    names = dict(zip(layer.features["index"], layer.features["name"], strict=True))
    assert names[0] == "Background"
    assert names[4] == "CSF"
    assert names[77] == "Label 77"
    np.testing.assert_allclose(layer.get_color(4)[:3] * 255, TISSUES.structures[3].color, atol=1)
    assert layer.get_color(77)[3] == 1
    assert layer.colormap.map(0)[3] == 0
    assert layer.colormap.color_dict[None][3] == 0


def test_only_some_labels_are_seen_on_request() -> None:
    layer = Labels(volume(1, 4, 77), **layer_style(TISSUES, volume(1, 4, 77), only=(1, 4)))
    assert [layer.colormap.map(label)[3] for label in (1, 2, 4, 77)] == [1, 0, 1, 0]
    assert len(layer.features) == 1 + len(TISSUES.structures) + 1


@pytest.mark.parametrize("largest", [2035, 70_000])
def test_large_ids_are_shown(largest: int) -> None:
    layer = Labels(volume(2, largest), **layer_style(FREESURFER, volume(2, largest)))
    assert layer.colormap.map(largest)[3] == 1
    assert f"Label {largest}" in set(layer.features["name"])


@pytest.mark.parametrize(
    ("stem", "ids", "known"),
    [
        ("labels", (2, 3, 4, 10, 11, 12, 13, 17), True),
        ("labels", (2, 3, 4), False),
        ("labels", (2, 3, 4, 10, 11, 12, 13, 17, 99), False),
        ("aparc+aseg", (2, 24, 1001), True),
    ],
)
def test_freesurfer_ids_are_recognised(stem: str, ids: tuple[int, ...], known: bool) -> None:
    assert known_structures(stem, volume(*ids)) == (FREESURFER if known else None)


def test_a_table_that_we_wrote_is_read(scan: Scan, tmp_path: Path) -> None:
    label_map = np.zeros(scan.shape, np.uint8)
    _, table, _ = write_labels(
        label_map, scan, tmp_path / "a_dseg.nii", protocol=FREESURFER, details={}
    )
    assert read_label_table(table) == FREESURFER.structures


def test_a_short_table_is_enough(tmp_path: Path) -> None:
    (path := tmp_path / "a.tsv").write_text("\ufeffindex\tname\n0\tNothing\n5\tLesion\n")
    (structure,) = read_label_table(path)
    assert (structure.id, structure.name) == (5, "Lesion")


@pytest.mark.parametrize(
    "text",
    [
        *("", "a\tb\n1\t2\n", "index\tname\nx\ty\n", "index\tname\tcolor\n1\ty\tred\n", "\x00"),
        *(f"index\tname\n{label}\ty\n" for label in (-3, 2**31, 10**30)),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "a.tsv").write_text(text)
    with pytest.raises(InputError, match="not a table of labels"):
        read_label_table(path)


def test_painted_labels_are_listed_with_what_is_known() -> None:
    features = {"index": [0, 3, 6], "name": ["Background", "Cyst", " two\nlines "]}
    layer = Labels(volume(1, 3, 6, 9), features=features)
    structures = {structure.id: structure for structure in structures_in(layer, TISSUES)}
    assert structures[1] == TISSUES.structures[0]
    assert structures[3] == Structure(
        3, "Cyst", TISSUES.structures[2].color, "WM", TISSUES.structures[2].bids_mapping
    )
    assert structures[6].name == "two lines"
    assert structures[9].name == "Label 9"
    np.testing.assert_allclose(structures[9].color, layer.get_color(9)[:3] * 255, atol=1)


def test_hidden_labels_keep_a_colour_in_the_table() -> None:
    layer = Labels(volume(5, 6))
    layer.selected_label = 5
    layer.show_selected_label = True
    assert all(any(structure.color) for structure in structures_in(layer, None))
