"""What the maps beside the labels mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_metaseg.layers import maps
from napari_metaseg.run.readout import LABELS
from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.session import Session
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.segment import segment

if TYPE_CHECKING:
    from napari_metaseg.layers.maps import Map

ITERATIONS = 12


@pytest.fixture(scope="module")
def session(brain, model_file) -> Session:
    """After the last step."""
    session = Session(
        prepare(Request(brain.scan, model=model_file, align=False)), ITERATIONS, 0, 2**27
    )
    for step in session.fit:
        session.history.record(step.iteration)
    return session


@pytest.fixture(scope="module")
def api(brain, model_file):
    return segment(brain.scan, model=model_file, iterations=ITERATIONS, align=False)


def values(session: Session, wanted: Map, iteration: int = ITERATIONS) -> np.ndarray:
    """Of all brain points."""
    readout = wanted.readout
    session.readouts[readout.name] = readout
    for _ in session.decode(iteration, WHOLE):
        pass
    del session.readouts[readout.name]
    found = session.pictures.get(iteration, readout.name, WHOLE)
    assert found is not None
    assert found.dtype == readout.empty.dtype
    return found


def test_probabilities_of_all_structures_and_background_sum_to_1(session, api) -> None:
    structures = session.protocol.structures
    found = {s.id: values(session, maps.probability(session, s.id)) for s in structures}
    expected = api.probabilities()[api.mask]
    for column, (label, probability) in enumerate(found.items(), 1):
        np.testing.assert_allclose(probability, expected[:, column], atol=1e-5)
        assert probability.min() >= 0
        assert label == session.protocol.ids[column]
    background = expected[:, 0]
    np.testing.assert_allclose(sum(found.values()) + background, 1, atol=1e-5)


def test_each_probability_has_the_name_of_its_structure(session) -> None:
    titles = [maps.probability(session, s.id).title for s in session.protocol.structures]
    assert titles == [f"probability of {s.name}" for s in session.protocol.structures]
    names = {maps.probability(session, s.id).readout.name for s in session.protocol.structures}
    assert len(names) == len(titles)


def test_where_a_structure_is_the_label_its_probability_is_largest(session) -> None:
    for _ in session.decode(ITERATIONS, WHOLE):
        pass
    labels = session.pictures.get(ITERATIONS, LABELS, WHOLE)
    probability = values(session, maps.probability(session, 3))
    assert probability[labels == 3].min() >= 1 / 5
    assert probability[labels != 3].max() <= 1 / 2


def test_entropy_is_in_bits(session, api) -> None:
    found = values(session, maps.entropy())
    np.testing.assert_allclose(found, api.entropy()[api.mask], atol=1e-5)
    assert found.min() >= 0
    assert found.max() <= np.log2(5) + 1e-5


@pytest.mark.parametrize("iteration", [0, ITERATIONS])
def test_the_residual_is_the_scan_without_the_reconstruction(session, api, iteration) -> None:
    found = values(session, maps.residual(session), iteration)
    expected = (session.scan.voxels - api.reconstruction(iteration))[api.mask]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_the_limits_of_the_residual_suit_the_scan(session) -> None:
    low, high = maps.residual(session).limits
    own = session.scan.voxels[session.prepared.mask]
    assert low == -high
    assert 0.1 * own.std() < high < own.max()


def test_without_a_warp_the_jacobian_is_1_and_with_one_it_is_not(session, api) -> None:
    np.testing.assert_allclose(values(session, maps.jacobian(), 0), 1, atol=1e-4)
    found = values(session, maps.jacobian())
    assert found.std() > 1e-3
    # Without an alignment, that of the API is the same.
    np.testing.assert_allclose(found, api.jacobian()[api.mask], atol=1e-3)
    assert maps.jacobian().readout.empty == 1


def test_components_have_unit_spread_and_do_not_go_together(session) -> None:
    components = maps.principal_components(session, ITERATIONS)
    found = np.stack(
        [values(session, maps.component(components, i)) for i in range(maps.COMPONENTS)]
    )
    np.testing.assert_allclose(found.std(1), 1, atol=0.05)
    np.testing.assert_allclose(found.mean(1), 0, atol=0.05)
    correlation = np.corrcoef(found)
    assert np.abs(correlation - np.eye(3)).max() < 0.05


def test_the_first_components_hold_most_of_what_varies(session) -> None:
    components = maps.principal_components(session, ITERATIONS)
    everywhere = np.arange(len(session.pictures.regions), dtype=np.int32)
    features = session.read(ITERATIONS, everywhere, {"f": lambda seen: seen.features})["f"]
    spread = np.linalg.norm(1 / np.linalg.norm(components.axes, axis=0))
    assert spread**2 > 0.3 * features.var(0).sum()
    lengths = 1 / np.linalg.norm(components.axes, axis=0)
    assert lengths[0] >= lengths[1] >= lengths[2]


def test_components_are_the_same_each_time(session) -> None:
    one, other = (maps.principal_components(session, 5) for _ in range(2))
    np.testing.assert_array_equal(one.axes, other.axes)
    np.testing.assert_array_equal(one.mean, other.mean)


def test_maps_of_one_kind_are_told_apart(session) -> None:
    components = maps.principal_components(session, 0)
    all_maps = [
        *(maps.probability(session, s.id) for s in session.protocol.structures),
        maps.entropy(),
        maps.residual(session),
        maps.jacobian(),
        *(maps.component(components, number) for number in range(maps.COMPONENTS)),
    ]
    assert len({made.readout.name for made in all_maps} | set(session.readouts)) == (
        len(all_maps) + len(session.readouts)
    )
    assert len({made.title for made in all_maps}) == len(all_maps)
    assert all(made.limits[0] < made.limits[1] for made in all_maps)


def test_a_map_is_made_without_touching_the_fit(session) -> None:
    before = session.fit.network.fitted_vector()
    values(session, maps.jacobian(), 3)
    assert torch.equal(session.fit.network.fitted_vector(), before)
