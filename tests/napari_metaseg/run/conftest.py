"""A job that is watched, in a machine where nothing waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_metaseg.run import pace
from napari_metaseg.run.job import Job
from napari_metaseg.run.request import Request
from src_core.fitting.fit import Fit
from src_core.preparation.alignment import Alignment
from src_core.segment import segment
from tests.helpers.watched_job import ITERATIONS, PATIENCE, Steps, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src_core.results.segmentation import Segmentation


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The phantom lies where the template is; nothing waits, for a user or for other programs."""
    monkeypatch.setattr("napari_metaseg.run.engine_thread._lower_priority", lambda: None)
    monkeypatch.setattr(
        "src_core.preparation.prepare.align", lambda *_: Alignment(np.eye(4), "none", np.nan)
    )
    monkeypatch.setattr(pace, "REST_ON_CPU", 0.0)
    monkeypatch.setattr(pace, "LIVE_SHARE", 1e9)
    monkeypatch.setattr(pace, "LIVE_PICTURE", 0.0)
    monkeypatch.setattr(pace, "REST_BEFORE_WHOLE", 0.0)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    """The fit takes a step when the test says so."""
    steps, descend = Steps(), Fit._descend

    def when_allowed(fit: Fit, *arguments: Any) -> Any:
        steps.wait()
        return descend(fit, *arguments)

    monkeypatch.setattr(Fit, "_descend", when_allowed)
    yield steps
    steps.free()


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps take as long as those of a real scan."""
    step = Fit.__next__

    def sleepily(fit: Fit) -> Any:
        time.sleep(0.01)
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", sleepily)


@pytest.fixture(scope="module")
def slab(brain) -> np.ndarray:
    """A mask of the middle of the brain: what is decoded is soon decoded, if forced."""
    mask = brain.scan.voxels > 0
    mask[:, :16] = mask[:, 26:] = False
    return mask


@pytest.fixture
def watcher(quick, brain, model_file, slab) -> Iterator[Watcher]:
    job = Job()
    request = Request(
        brain.scan,
        model=str(model_file),
        iterations=ITERATIONS,
        device="cpu",
        mask=slab,
        reference=brain.labels,
        force=True,
    )
    yield Watcher(job, request)
    assert job.close(PATIENCE)


@pytest.fixture
def job(watcher: Watcher) -> Job:
    return watcher.job


@pytest.fixture(scope="module")
def api(brain, model_file, slab) -> Segmentation:
    """The same fit without a window."""
    return segment(
        brain.scan, model=model_file, iterations=ITERATIONS, mask=slab, align=False, force=True
    )


@pytest.fixture(scope="module")
def room(api) -> Callable[[int], int]:
    """Bytes for the weights of so many iterations."""
    return lambda count: count * 4 * len(api.network.fitted_vector())
