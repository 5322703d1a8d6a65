"""A scan at work on a pretended graphics card: what the window shows of it is the same."""

from __future__ import annotations

import numpy as np
import pytest

from napari_metaseg.run.readout import LABELS, RECONSTRUCTION
from napari_metaseg.run.region import COARSE, WHOLE, Region
from napari_metaseg.run.session import Session
from src_core.correction.stroke import Stroke
from src_core.preparation.prepare import prepare
from src_core.request import Request
from tests.helpers.pretend_device import DEVICE, PretendDevice
from tests.helpers.sessions import do, fit

ITERATIONS = 9
REGIONS = (Region(1, 20), COARSE, WHOLE)


@pytest.fixture
def worked_on(brain, model_file):
    """A session whose fit is done, one stroke learned, and both iterations decoded."""

    def work() -> tuple[Session, int]:
        request = Request(brain.scan, model=model_file, reference=brain.labels, align=False)
        session = Session(prepare(request), ITERATIONS, seed=0, budget=2**27)
        fit(session)
        voxels = np.argwhere(session.prepared.mask)[9000:9030]
        steps = session.learn([Stroke(voxels, np.full(30, 2))], None)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                corrected = end.value
                break
        for iteration in (0, ITERATIONS, corrected):
            for region in REGIONS:
                do(session.decode(iteration, region))
        return session, corrected

    return work


def test_a_session_shows_the_same(worked_on, monkeypatch) -> None:
    here, corrected = worked_on()
    monkeypatch.setattr("src_core.preparation.prepare.choose_device", lambda _: DEVICE)
    with PretendDevice() as device:
        there, _ = worked_on()
        report = there.segmentation(ITERATIONS).report
        device.copies.clear()
        do(there.decode(ITERATIONS - 1, REGIONS[0]))
        # The weights of another iteration; which voxels are asked for, and whose intensities are
        # restored.
        assert device.copies.count("to device") == 3
    for iteration in (0, ITERATIONS, corrected):
        for region in REGIONS:
            labels, truth = (one.pictures.get(iteration, LABELS, region) for one in (there, here))
            assert (labels != truth).mean() < 1e-3
            found, values = (
                one.pictures.get(iteration, RECONSTRUCTION, region) for one in (there, here)
            )
            np.testing.assert_allclose(found, values, rtol=1e-2, atol=1)
    assert report["dice"] == pytest.approx(here.segmentation(ITERATIONS).report["dice"], abs=0.01)
