"""Ids of FreeSurfer's segmentations in a protocol."""

from __future__ import annotations

import pytest

from src_core.datasets.mapping import IGNORED
from src_core.errors import InputError
from src_core.io.labels import Protocol, Structure
from src_core.io.protocols import protocol
from src_core.training.changes.freesurfer import SUSPICIOUS, VERMIS, freesurfer_classes


def test_freesurfer_structures_become_tissues() -> None:
    classes = freesurfer_classes(protocol("tissue4"))
    assert (classes[[3, 42]] == 1).all()
    assert (classes[[8, 10, 17, 47, 58, VERMIS]] == 2).all()
    assert (classes[[2, 7, 16, 28, 25, 57, 60, 77, 80]] == 3).all()
    assert (classes[[4, 5, 14, 15, 31, 63, 136, 164]] == 4).all()
    assert (classes[[0, 24, 30, 62, 85, 515]] == 0).all()


@pytest.mark.parametrize("name", ["fs32", "fs24-2d"])
def test_freesurfer_structures_keep_their_names(name) -> None:
    target = protocol(name)
    names = ["Background", *(structure.name for structure in target.structures)]
    classes = freesurfer_classes(target)
    assert names[classes[10]] == "Left-Thalamus"
    assert names[classes[53]] == "Right-Hippocampus"
    assert names[classes[31]] == names[classes[136]] == "Left-Lateral-Ventricle"
    assert names[classes[164]] == "Right-Inf-Lat-Vent"
    assert classes[24] == 0


def test_the_vermis_is_learned_only_from_other_scans() -> None:
    assert freesurfer_classes(protocol("fs32"))[VERMIS] == IGNORED
    assert freesurfer_classes(protocol("fs32"))[SUSPICIOUS] == IGNORED
    assert freesurfer_classes(protocol("fs24-2d"))[VERMIS] == 0


def test_a_protocol_without_freesurfer_names_is_refused() -> None:
    other = Protocol("tumour", (Structure(1, "Core", (1, 2, 3)),))
    with pytest.raises(InputError, match="tumour"):
        freesurfer_classes(other)
