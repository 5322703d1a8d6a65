"""Mirrored persons."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine

from src_core.io.protocols import PROTOCOLS, protocol
from src_core.training.changes.mirroring import mirror, mirrored_classes
from tests.helpers.protocols import named


def test_mirrored_voxels_lie_on_the_other_side(brain) -> None:
    mirrored = mirror(brain.scan)
    np.testing.assert_array_equal(mirrored.voxels, brain.scan.voxels)
    index = (3, 20, 20)
    there, here = (apply_affine(scan.affine, index) for scan in (mirrored, brain.scan))
    np.testing.assert_allclose(there, here * (-1, 1, 1))


@pytest.mark.parametrize(
    ("names", "swapped"),
    [
        (("Left hippocampus", "right Hippocampus", "Tumour"), [0, 2, 1, 3]),
        (("hippocampus_R", "hippocampus_L"), [0, 2, 1]),
        (("ctx-lh-cuneus", "ctx-rh-cuneus"), [0, 2, 1]),
        (("Bright spot", "Cleft"), [0, 1, 2]),
    ],
)
def test_sides_are_known_by_their_words(names, swapped) -> None:
    assert mirrored_classes(named(*names)).tolist() == swapped


def test_what_has_no_partner_on_the_other_side_is_not_mirrored() -> None:
    assert mirrored_classes(named("Left-Hippocampus", "Brain-Stem")) is None


@pytest.mark.parametrize("name", PROTOCOLS)
def test_left_and_right_structures_change_places(name) -> None:
    structures = protocol(name).structures
    swapped = mirrored_classes(protocol(name))
    assert len(swapped) == len(structures) + 1
    assert swapped[0] == 0
    np.testing.assert_array_equal(swapped[swapped], range(len(swapped)))
    for number, structure in enumerate(structures, start=1):
        other = structures[swapped[number] - 1].name
        opposite = {"Left": "Right", "Right": "Left"}
        side, dash, rest = structure.name.partition("-")
        assert other == (f"{opposite[side]}{dash}{rest}" if side in opposite else structure.name)
