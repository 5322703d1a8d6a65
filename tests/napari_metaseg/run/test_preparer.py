"""Scans that are prepared before they are asked for."""

from __future__ import annotations

import gc
import shutil
import threading
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import src_core.preparation.prepare as preparation
from napari_metaseg.run.preparer import Preparer
from napari_metaseg.run.request import Request
from napari_metaseg.run.status import State
from src_core.io.sample import phantom
from src_core.preparation import extraction
from tests.helpers.extractors import FakeExtractor, whole_head
from tests.helpers.small_models import write_small_model
from tests.helpers.watched_job import ITERATIONS, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.preparation.prepare import Stage


def say_nothing(stage: Stage) -> None:
    """Nobody watches."""


@pytest.fixture
def request_of(quick, brain, model_file) -> Callable[..., Request]:
    """What is asked for, with some changes."""
    asked = Request(brain.scan, model=str(model_file), device="cpu", mask=brain.labels)
    return lambda **changes: replace(asked, **changes)


def test_what_was_asked_for_in_the_same_way_is_prepared_once(request_of, brain) -> None:
    preparer = Preparer()
    first = preparer.prepare(request_of(), say_nothing)
    again = preparer.prepare(
        request_of(mask=brain.labels.copy(), reference=brain.labels, seed=3), say_nothing
    )
    assert again.points is first.points
    assert (again.reference.label_map == brain.labels).all()
    assert preparer.prepare(request_of(), say_nothing).reference is None


def test_a_brain_that_was_found_is_not_found_again_until_it_is_painted_on(
    request_of, brain, monkeypatch
) -> None:
    extractor = FakeExtractor(lambda voxels, affine: brain.labels > 0)
    monkeypatch.setattr(extraction, "EXTRACTORS", {"deepbet": extractor})
    head, preparer = whole_head(brain.scan), Preparer()
    first = preparer.prepare(request_of(scan=head, mask=None), say_nothing)
    layer = first.mask.astype(np.uint8)
    again = preparer.prepare(request_of(scan=head, mask=layer), say_nothing)
    assert again.points is first.points
    layer[tuple(np.argwhere(layer)[0])] = 0
    painted = preparer.prepare(request_of(scan=head, mask=layer), say_nothing)
    assert painted.mask.sum() == first.mask.sum() - 1
    assert len(extractor.heads) == 1


def test_what_was_asked_for_in_another_way_is_prepared_anew(request_of, brain) -> None:
    preparer = Preparer()
    first = preparer.prepare(request_of(), say_nothing)
    other = phantom(4.0, seed=5)[0]
    for changes in ({"mask": None}, {"mask": brain.labels == 1}, {"scan": other, "mask": None}):
        assert preparer.prepare(request_of(**changes), say_nothing).points is not first.points
        first = preparer.prepare(request_of(), say_nothing)
    preparer.forget()
    assert preparer.prepare(request_of(), say_nothing).points is not first.points


def test_another_model_in_the_same_file_is_loaded(request_of, tmp_path, model_file) -> None:
    path = shutil.copy(model_file, tmp_path / "model.safetensors")
    preparer = Preparer()
    first = preparer.prepare(request_of(model=str(path)), say_nothing)
    network = first.model.network()
    torch.nn.init.zeros_(network.head.layers[-1].bias)
    write_small_model(network, ITERATIONS, path)
    assert (
        preparer.prepare(request_of(model=str(path)), say_nothing).model.sha256
        != first.model.sha256
    )


def test_two_scans_are_never_in_memory_at_once(request_of, monkeypatch) -> None:
    preparer, alive, prepare = Preparer(), [], preparation.prepare
    old = weakref.ref(preparer.prepare(request_of(), say_nothing).points)

    def noting(*arguments: Any, **options: Any) -> Any:
        gc.collect()
        alive.append(old() is not None)
        return prepare(*arguments, **options)

    monkeypatch.setattr(preparation, "prepare", noting)
    preparer.prepare(request_of(scan=phantom(4.0, seed=5)[0], mask=None), say_nothing)
    assert alive == [False]


def test_an_expected_scan_is_not_prepared_again(watcher, monkeypatch) -> None:
    prepared = []
    see = preparation.see
    monkeypatch.setattr(
        preparation, "see", lambda *arguments: prepared.append(1) or see(*arguments)
    )
    watcher.job.expect(watcher.request)
    fitted = []
    for _ in range(2):
        watcher.start()
        watcher.until(lambda: not watcher.job.state.running)
        assert watcher.job.state is State.DONE
        fitted.append(watcher.session.prepared.network.fitted_vector())
    assert prepared == [1]
    # Nothing of the first fit is left in the second.
    assert (fitted[0] == fitted[1]).all()


def test_a_closed_window_waits_no_longer_than_for_the_stage_of_an_expected_scan(
    watcher, monkeypatch
) -> None:
    reached, go_on, later = threading.Event(), threading.Event(), []
    align, faced = preparation.align, preparation.face_contrast

    def rest(*arguments: Any) -> Any:
        reached.set()
        assert go_on.wait(PATIENCE)
        return align(*arguments)

    monkeypatch.setattr(preparation, "align", rest)
    monkeypatch.setattr(
        preparation, "face_contrast", lambda *given: later.append(1) or faced(*given)
    )
    watcher.job.expect(watcher.request)
    assert reached.wait(PATIENCE)
    assert not watcher.job.close(timeout=0)
    go_on.set()
    assert watcher.job.close(PATIENCE)
    assert not later
