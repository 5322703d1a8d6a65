"""Files of what was painted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from src_core.correction.corrections_file import read_corrections, write_corrections
from src_core.correction.stroke import REACH, Stroke
from src_core.errors import InputError
from src_core.io.labels import Structure
from src_core.io.protocols import protocol

LESION = Structure(600, "Lesion", (255, 0, 0))


@pytest.fixture
def stroke() -> Stroke:
    """A little of a structure, of another one that the protocol lacks, and of background."""
    voxels = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    return Stroke(voxels, np.array([2, LESION.id, 0]), np.array([8.0, 15.0, np.inf]))


@pytest.fixture
def path(tmp_path, scan, stroke):
    path = tmp_path / "sub-01_corrections.nii.gz"
    structures = (*protocol("tissue4").structures, LESION)
    write_corrections(stroke, scan, path, structures, overwrite=False)
    return path


def test_what_was_painted_comes_back(path, scan, stroke) -> None:
    read, structures = read_corrections(path, scan)
    np.testing.assert_array_equal(read.voxels, stroke.voxels)
    np.testing.assert_array_equal(read.labels, stroke.labels)
    np.testing.assert_array_equal(read.reaches, stroke.reaches)
    assert [one.id for one in structures] == [2, LESION.id]
    assert structures[1].name == "Lesion"


@pytest.mark.parametrize("known", [(2, "Putamen"), (7, "Lesion")])
def test_a_file_that_was_painted_on_other_labels_is_refused(path, scan, known) -> None:
    id_, name = known
    read_corrections(path, scan, [LESION])
    with pytest.raises(InputError, match="was painted on other labels, of which"):
        read_corrections(path, scan, [Structure(id_, name, (1, 2, 3))])


def test_a_file_of_another_grid_is_refused(path, scan) -> None:
    moved = scan.affine.copy()
    moved[:3, 3] += 5
    with pytest.raises(InputError, match="corrections"):
        read_corrections(path, replace(scan, affine=moved))


def test_a_file_in_which_nothing_is_painted_is_refused(path, scan) -> None:
    nothing = Stroke(np.zeros((0, 3), int), np.zeros(0, int))
    write_corrections(nothing, scan, path, (), overwrite=True)
    with pytest.raises(InputError, match="nothing in it is painted"):
        read_corrections(path, scan)


def test_a_file_that_tells_no_reach_reaches_as_usual(path, scan) -> None:
    path.with_name("sub-01_corrections.json").unlink()
    assert set(read_corrections(path, scan)[0].reaches.tolist()) == {REACH["structure"]}


def test_a_description_that_tells_no_places_is_refused(path, scan) -> None:
    path.with_name("sub-01_corrections.json").write_text('{"reach_mm": {"here": 3}}')
    with pytest.raises(InputError, match=r"corrections\.json does not tell how far"):
        read_corrections(path, scan)
