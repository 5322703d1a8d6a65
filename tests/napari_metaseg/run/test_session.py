"""One scan at work: its fit, its history and what is decoded of it."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from napari_metaseg.run import session as session_module
from napari_metaseg.run.readout import LABELS, POSITIONS, RECONSTRUCTION, Readout
from napari_metaseg.run.region import COARSE, FINER, WHOLE, Region
from napari_metaseg.run.session import Session
from src_core.correction.stroke import Stroke
from src_core.errors import InputError
from src_core.fitting.decode import decode
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.segment import segment
from tests.helpers.sessions import do, fit

ITERATIONS = 12


@pytest.fixture(scope="module")
def fitted(brain, model_file) -> Session:
    """After its last step; nothing is decoded but what tests ask for."""
    prepared = prepare(Request(brain.scan, model=model_file, reference=brain.labels, align=False))
    session = Session(prepared, ITERATIONS, seed=0, budget=2**27)
    fit(session)
    return session


@pytest.fixture(scope="module")
def api(brain, model_file):
    """The same from the command line's function."""
    return segment(
        brain.scan,
        model=model_file,
        iterations=ITERATIONS,
        seed=0,
        reference=brain.labels,
        align=False,
    )


def direct(session: Session, iteration: int, quantity: str) -> np.ndarray:
    """Values of all brain points, decoded at once."""
    network = session.prepared.model.network()
    session.history.load(iteration, network)
    return decode(network, session.prepared.points, quantity)


@pytest.mark.parametrize("iteration", [0, 5, ITERATIONS])
def test_labels_and_reconstruction_are_those_of_the_api(fitted, api, iteration) -> None:
    do(fitted.decode(iteration, WHOLE))
    np.testing.assert_array_equal(fitted.label_map(iteration), api.labels_at(iteration))
    assert fitted.label_map(iteration).dtype == api.labels.dtype
    found = fitted.pictures.get(iteration, RECONSTRUCTION, WHOLE)
    np.testing.assert_allclose(found, api.reconstruction(iteration)[api.mask], rtol=1e-5)


def test_the_labels_of_different_iterations_differ(fitted) -> None:
    for iteration in (0, ITERATIONS):
        do(fitted.decode(iteration, WHOLE))
    assert (fitted.label_map(0) != fitted.label_map(ITERATIONS)).sum() > 100


def test_decoding_in_pieces_is_decoding_at_once(session, monkeypatch) -> None:
    monkeypatch.setattr(session_module, "_PIECE", 1000)
    assert do(session.decode(0, WHOLE)) == (len(session.prepared.points) - 1) // 1000
    ids = session.protocol.to_ids(direct(session, 0, "classes"))
    np.testing.assert_array_equal(session.pictures.get(0, LABELS, WHOLE), ids)
    np.testing.assert_allclose(
        session.pictures.get(0, RECONSTRUCTION, WHOLE),
        session.prepared.points.restore(direct(session, 0, "intensity")),
        rtol=1e-5,
    )


@pytest.mark.parametrize("iteration", [0, ITERATIONS])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_is_decoded_as_it_is_in_the_whole(fitted, axis, iteration) -> None:
    ids = fitted.protocol.to_ids(direct(fitted, iteration, "classes"))
    positions = direct(fitted, iteration, "positions")
    volume = np.zeros(fitted.scan.shape, ids.dtype)
    volume[fitted.prepared.mask] = ids
    for index in (0, fitted.scan.shape[axis] // 2):
        do(fitted.decode(iteration, Region(axis, index)))
        box = [slice(0, size) for size in fitted.scan.shape]
        box[axis] = slice(index, index + 1)
        block, sharp = fitted.pictures.block(iteration, LABELS, box, np.zeros((), np.uint8))
        np.testing.assert_array_equal(block, volume[tuple(box)])
        assert sharp
        values, _ = fitted.pictures.plane(iteration, POSITIONS, axis, index)
        numbers = fitted.pictures.regions.plane(axis, index)
        np.testing.assert_allclose(values, positions[numbers], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("region", [COARSE, FINER])
def test_coarse_values_are_those_of_their_own_voxels(fitted, region) -> None:
    do(fitted.decode(3, region))
    numbers = fitted.pictures.numbers(region)
    ids = fitted.protocol.to_ids(direct(fitted, 3, "classes"))
    np.testing.assert_array_equal(fitted.pictures.get(3, LABELS, region), ids[numbers])


def test_what_is_there_is_not_decoded_again(session, monkeypatch) -> None:
    assert [q.name for q in session.lacks(0, WHOLE)] == [LABELS, RECONSTRUCTION]
    assert [q.name for q in session.lacks(0, COARSE)] == [LABELS, RECONSTRUCTION, POSITIONS]
    do(session.decode(0, COARSE))
    do(session.decode(0, WHOLE))
    assert not session.lacks(0, COARSE)
    assert not session.lacks(0, WHOLE)
    assert [q.name for q in session.lacks(0, Region(0, 20))] == [POSITIONS]
    monkeypatch.setattr(Session, "read", lambda *_: pytest.fail("decoded again"))
    do(session.decode(0, COARSE))
    do(session.decode(0, WHOLE))


def test_only_a_quantity_that_is_new_is_decoded(session) -> None:
    do(session.decode(0, COARSE))
    labels = session.pictures.get(0, LABELS, COARSE)
    entropy = Readout(
        "entropy", lambda seen: seen.entropy, lambda values, numbers: values, np.zeros(())
    )
    session.readouts["entropy"] = entropy
    assert session.lacks(0, COARSE) == [entropy]
    do(session.decode(0, COARSE))
    assert session.pictures.get(0, LABELS, COARSE) is labels
    assert session.pictures.get(0, "entropy", COARSE).max() <= np.log2(5) + 1e-5


def test_an_iteration_that_is_not_stored_cannot_be_decoded(session) -> None:
    with pytest.raises(InputError, match="iteration 3 is not stored; the nearest is 0"):
        do(session.decode(3, COARSE))
    assert session.lacks(3, COARSE)


def test_the_label_map_waits_for_every_voxel(session) -> None:
    do(session.decode(0, FINER))
    with pytest.raises(LookupError, match="not decoded everywhere"):
        session.label_map(0)


def test_looking_never_disturbs_the_fit(session, brain, model_file) -> None:
    alone = Session(
        prepare(Request(brain.scan, model=model_file, align=False)),
        ITERATIONS,
        seed=0,
        budget=2**27,
    )
    fit(alone)

    def look(iteration: int) -> None:
        do(session.decode(iteration, COARSE))
        do(session.decode(iteration // 2, Region(1, 20)))
        do(session.decode(0, Region(2, iteration)))
        if iteration == 5:
            do(session.decode(4, WHOLE))
            session.segmentation(4)

    fit(session, look)
    ours, theirs = (s.fit.network.fitted_vector() for s in (session, alone))
    assert torch.equal(ours, theirs)


def test_iterations_may_be_looked_at_in_turns(session, monkeypatch) -> None:
    """Between two pieces of one iteration, another one is decoded."""
    fit(session)
    monkeypatch.setattr(session_module, "_PIECE", 4000)
    one, other = session.decode(2, WHOLE), session.decode(11, WHOLE)
    for _ in range(100):
        next(one, None)
        next(other, None)
    for iteration in (2, 11):
        expected = session.protocol.to_ids(direct(session, iteration, "classes"))
        np.testing.assert_array_equal(session.pictures.get(iteration, LABELS, WHOLE), expected)


def test_a_voxel_s_number_is_its_place_among_the_brain_voxels(session) -> None:
    mask = session.prepared.mask
    voxels = np.argwhere(mask)
    for number in (0, 1, 777, 20_000, len(voxels) - 1):
        assert session.number_at(tuple(voxels[number].tolist())) == number
    outside = np.argwhere(~mask)
    for place in (0, len(outside) // 2, len(outside) - 1):
        assert session.number_at(tuple(outside[place].tolist())) is None


def test_a_point_is_named_as_soon_as_something_is_decoded(session) -> None:
    number = 15_000
    assert session.describe_point(number) == ""
    do(session.decode(0, COARSE))
    assert " · MNI " in session.describe_point(number)
    do(session.decode(0, WHOLE))
    do(session.decode(0, Region(0, int(session.pictures.regions.indices[number, 0]))))
    names = {s.id: s.name for s in session.protocol.structures} | {0: "background"}
    label = session.pictures.get(0, LABELS, WHOLE)[number]
    place = direct(session, 0, "positions")[number]
    expected = " ".join(str(round(float(value))) for value in place)
    assert session.describe_point(number) == f"{names[label]} · MNI {expected}"


def test_a_point_is_described_at_the_iteration_on_the_screen(session) -> None:
    fit(session)
    for iteration in (0, ITERATIONS):
        do(session.decode(iteration, WHOLE))
    before, after = (session.pictures.get(i, LABELS, WHOLE) for i in (0, ITERATIONS))
    number = int(np.flatnonzero(before != after)[0])
    names = {s.id: s.name for s in session.protocol.structures} | {0: "background"}
    for iteration, labels in ((0, before), (ITERATIONS, after)):
        session.shown = iteration
        assert session.describe_point(number).startswith(names[labels[number]])


def test_a_result_is_the_api_s_and_stays_what_it_is(session, api) -> None:
    fit(session)
    for iteration in (4, 9):
        do(session.decode(iteration, WHOLE))
    result = session.segmentation(4)
    session.segmentation(9)
    do(session.decode(9, COARSE))
    np.testing.assert_array_equal(result.labels, api.labels_at(4))
    np.testing.assert_array_equal(result.labels_at(4), api.labels_at(4))
    np.testing.assert_allclose(result.reconstruction(), api.reconstruction(4), rtol=1e-5)
    with api.history.at(4):
        np.testing.assert_array_equal(result.probabilities(), api.probabilities())
        np.testing.assert_array_equal(result.displacement(), api.displacement())
    assert result.iterations == [4]
    assert result.report["iterations"] == 4
    with pytest.raises(InputError, match="not stored"):
        result.labels_at(9)


def test_a_report_is_that_of_the_api_but_for_the_time_it_took(session, api) -> None:
    fit(session)
    do(session.decode(ITERATIONS, WHOLE))
    ours, theirs = session.segmentation(ITERATIONS).report, dict(api.report)
    assert ours["seconds"].keys() <= theirs["seconds"].keys()
    for report in (ours, theirs):
        del report["seconds"]
    assert ours == theirs


def test_a_stroke_is_no_iteration_of_the_fit_in_its_report(session) -> None:
    for step in itertools.islice(session.fit, 3):
        session.history.record(step.iteration)
    voxels = np.argwhere(session.prepared.mask)[:7]
    do(session.learn([Stroke(voxels, np.full(7, 2))], None))
    do(session.decode(ITERATIONS + 1, WHOLE))
    report = session.segmentation(ITERATIONS + 1).report
    assert report["iterations"] == 3
    assert report["painted_voxels"] == 7
    assert "psnr_db" not in report["quality"]


def test_without_a_number_of_iterations_the_model_s_own_fit_is_done(prepared) -> None:
    own = prepared.model.fit
    assert Session(prepared, None, seed=3, budget=0).fit.settings == dataclasses.replace(
        own, seed=3
    )
    exact = Session(prepared, 77, seed=0, budget=0).fit.settings
    assert (exact.iterations, exact.earliest_stop) == (77, None)
