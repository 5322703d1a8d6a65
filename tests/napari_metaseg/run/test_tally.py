"""Volumes and overlaps, counted at every voxel or in a sample."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from napari_metaseg.run.readout import LABELS
from napari_metaseg.run.region import COARSE, WHOLE
from napari_metaseg.run.session import Session
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.results import measure
from tests.helpers.sessions import do, fit


def test_exact_volumes_and_overlaps_are_those_of_the_label_map(session, brain) -> None:
    fit(session)
    do(session.decode(7, WHOLE))
    tally = session.tallies.best(7)
    assert tally.exact
    labels, ids = session.label_map(7), session.protocol.ids[1:].tolist()
    volumes = measure.volumes(labels, session.scan.affine, ids)
    dice = measure.dice(labels, brain.labels, ids)
    assert list(tally.volumes) == list(tally.dice) == ids
    for label in ids:
        assert tally.volumes[label] == pytest.approx(volumes[label] / 1000)
        assert tally.dice[label] == pytest.approx(dice[label])
    assert tally.mean_dice == pytest.approx(np.mean(list(dice.values())))


def test_a_sample_gives_nearly_the_exact_volumes_and_overlaps(session) -> None:
    do(session.decode(0, COARSE))
    estimate = session.tallies.best(0)
    assert not estimate.exact
    do(session.decode(0, WHOLE))
    exact = session.tallies.best(0)
    whole = sum(exact.volumes.values())
    for label, volume in exact.volumes.items():
        # Of 4,348 voxels: three standard deviations of the share of a structure are 2 %.
        assert estimate.volumes[label] == pytest.approx(volume, abs=0.02 * whole)
        assert estimate.dice[label] == pytest.approx(exact.dice[label], abs=0.06)
    assert estimate.mean_dice == pytest.approx(exact.mean_dice, abs=0.03)


def test_structures_outside_the_brain_count_as_missed(brain, model_file) -> None:
    half = brain.scan.voxels > 0
    half[:20] = False
    request = Request(brain.scan, model=model_file, mask=half, reference=brain.labels)
    prepared = prepare(replace(request, align=False, force=True))
    session = Session(prepared, 1, seed=0, budget=2**27)
    do(session.decode(0, WHOLE))
    ids = session.protocol.ids[1:].tolist()
    expected = measure.dice(session.label_map(0), brain.labels, ids)
    assert session.tallies.best(0).dice == pytest.approx(expected)


def test_without_a_reference_there_is_no_overlap(brain, model_file) -> None:
    session = Session(prepare(Request(brain.scan, model=model_file, align=False)), 1, 0, 2**27)
    assert session.tallies.best(0) is None
    do(session.decode(0, COARSE))
    assert session.tallies.best(0).dice == {}
    assert np.isnan(session.tallies.best(0).mean_dice)


def test_a_structure_in_neither_label_map_has_no_overlap_and_spoils_no_mean(
    brain, model_file
) -> None:
    reference = np.where(brain.labels == 4, 0, brain.labels)
    prepared = prepare(Request(brain.scan, model=model_file, reference=reference, align=False))
    session = Session(prepared, 1, 0, 2**27)
    labels = session.readouts[LABELS]
    session.readouts[LABELS] = dataclasses.replace(labels, read=lambda seen: seen.classes % 4)
    do(session.decode(0, WHOLE))
    tally = session.tallies.best(0)
    assert tally.volumes[4] == 0
    assert np.isnan(tally.dice[4])
    assert tally.mean_dice == pytest.approx(np.mean([tally.dice[label] for label in (1, 2, 3)]))


def test_a_count_and_an_estimate_are_both_remembered(session) -> None:
    tallies = session.tallies
    assert tallies.best(0) is tallies.get(0, exact=True) is tallies.get(0, exact=False) is None
    do(session.decode(0, COARSE))
    estimate = session.tallies.best(0)
    assert session.tallies.get(0, exact=False) is estimate
    assert session.tallies.get(0, exact=True) is None
    do(session.decode(0, WHOLE))
    assert session.tallies.best(0) is session.tallies.get(0, exact=True) is not estimate
    assert session.tallies.get(0, exact=False) is estimate
