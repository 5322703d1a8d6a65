"""Label maps to compare with, in the protocols of a model."""

from __future__ import annotations

import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.models.model import load_model
from src_core.preparation.reference import Reference


@pytest.fixture(scope="module")
def model(structures_model):
    return load_model(structures_model)


def test_finer_labels_are_told_in_every_protocol_of_the_model(model) -> None:
    parcels = np.array([[[0, 182, 183, 47, 48]]])  # both precentral gyri, both hippocampi
    reference = Reference.of(parcels, model)
    assert reference.protocol.name == "fs32"
    assert reference.label_map.ravel().tolist() == [0, 42, 3, 53, 17]
    told = reference.told_in(protocol("tissue4"))
    assert told.ravel().tolist() == [0, 1, 1, 2, 2]


def test_coarser_labels_can_be_compared_with_merged_ones(model) -> None:
    tissues = np.array([[[0, 1, 2, 3, 4]]])
    reference = Reference.of(tissues, model)
    assert reference.protocol.name == "tissue4"
    assert reference.told_in(protocol("fs32")) is None
    np.testing.assert_array_equal(reference.told_in(protocol("tissue4")), tissues)


def test_what_is_finer_than_the_labels_asked_for_is_merged(model) -> None:
    structures = np.array([[[0, 42, 3, 53, 17]]])
    reference = Reference.of(structures, model.in_protocol("tissue4"))
    assert reference.protocol.name == "tissue4"
    assert reference.label_map.ravel().tolist() == [0, 1, 1, 2, 2]


def test_what_fits_nothing_is_refused(model) -> None:
    with pytest.raises(InputError, match="label ids 1, 999 are not in protocol fs32"):
        Reference.of(np.array([[[0, 1, 2, 999]]]), model)
