"""Layers that follow a fit, and what becomes of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image

from napari_metaseg.layers import live_layers
from napari_metaseg.layers.live_layers import LiveLayers
from napari_metaseg.layers.maps import MAPS
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import LIVE, METADATA_KEY
from napari_metaseg.layers.views import Views
from napari_metaseg.run.region import COARSE, WHOLE
from napari_metaseg.run.status import Status
from tests.helpers.sessions import do, fit

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_metaseg.layers.maps import Map
    from napari_metaseg.run.readout import Readout
    from napari_metaseg.run.region import Region
    from napari_metaseg.run.session import Session

ITERATIONS = 12
ENTROPY = next(offered for offered in MAPS if offered.title == "Entropy")


class DoneAtOnce(Status):
    """A job that does what it is asked for before it returns."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def look_at(self, session: Session, *regions: Region) -> None:
        for region in regions:
            do(session.decode(session.shown, region))

    def add_readout(self, readout: Readout, then: Callable[[], None]) -> None:
        self.session.readouts[readout.name] = readout
        do(self.session.decode(self.session.shown, WHOLE))
        then()

    def when_whole(self, session: Session, iteration: int, then: Callable[[], None], *_, **__):
        do(session.decode(iteration, WHOLE))
        then()

    def run(self, work: Callable[[], Any], then: Callable[[Any], None], *_: Any) -> None:
        then(work())

    def put_on_the_screen(self, iteration: int) -> None:
        do(self.session.decode(iteration, WHOLE))
        self.session.shown = self.shown = iteration
        self.shown_changed.emit()


class Screen:
    """Live layers in a viewer."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.viewer = ViewerModel()
        self.job = DoneAtOnce(session)
        self.job.put_on_the_screen(ITERATIONS)
        self.gone = 0
        self.orientation = orientation_of(session.scan.affine, session.scan.shape)
        self.live = LiveLayers(
            Views(self.viewer),
            self.job,  # type: ignore[arg-type]
            session,
            self.orientation,
            Image(session.scan.voxels, name="scan", contrast_limits=(0, 100)),
            0.4,
            self.count_gone,
        )

    def count_gone(self) -> None:
        self.gone += 1

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]

    def map(self) -> Map:
        return ENTROPY.make(self.session, ITERATIONS, None)


@pytest.fixture
def screen(session: Session) -> Screen:
    fit(session)
    return Screen(session)


@pytest.fixture
def full(screen: Screen) -> Screen:
    """With the labels, which come a moment later."""
    screen.live.tick()
    return screen


def test_the_reconstruction_is_there_at_once_and_the_labels_at_the_next_tick(screen) -> None:
    assert screen.names == ["scan reconstruction"]
    screen.live.tick()
    assert screen.names == ["scan reconstruction", "scan labels"]
    screen.live.tick()
    assert len(screen.viewer.layers) == 2


def test_live_layers_look_as_the_user_wishes_and_cannot_be_painted_on(full) -> None:
    reconstruction, labels = full.viewer.layers
    assert tuple(reconstruction.contrast_limits) == (0, 100)
    outside, inside = reconstruction.colormap.map(np.array([0.0, 0.5]))
    assert outside[3] == 0  # the scan shows through
    np.testing.assert_allclose(inside, (0.5, 0.5, 0.5, 1), atol=0.01)
    assert labels.opacity == 0.4
    assert not labels.editable
    names = [structure.name for structure in full.session.protocol.structures]
    assert list(labels.features["name"]) == ["Background", *names]
    assert all(LIVE in layer.metadata for layer in full.viewer.layers)


def test_live_layers_lie_on_the_voxels_of_the_scan(full) -> None:
    for layer in full.viewer.layers:
        np.testing.assert_allclose(layer.affine.affine_matrix, full.orientation.affine)
        assert layer.data.shape == full.orientation.to_display(full.session.scan.voxels).shape


def test_the_layers_show_the_iteration_on_the_screen(full) -> None:
    labels = full.viewer.layers["scan labels"]
    late = np.asarray(labels.data)
    np.testing.assert_array_equal(
        late, full.orientation.to_display(full.session.segmentation(ITERATIONS).labels)
    )
    full.job.put_on_the_screen(0)
    assert (np.asarray(labels.data) != late).any()


def test_napari_draws_anew_when_another_iteration_is_shown(full) -> None:
    drawn = []
    for layer in full.viewer.layers:
        layer.events.set_data.connect(lambda event: drawn.append(event.source.name))
    full.viewer.layers["scan labels"].visible = False
    drawn.clear()
    full.live._busy = 0.0
    full.job.put_on_the_screen(3)
    assert drawn == ["scan reconstruction"]  # what is hidden costs nothing


def test_after_a_slow_picture_the_window_rests_before_the_next(full, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(live_layers, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    drawn: list[float] = []

    def draw(*_: Any, **__: Any) -> None:
        drawn.append(now[0])
        now[0] += 1.0  # seconds that it takes

    monkeypatch.setattr(full.live.reconstruction, "refresh", draw)
    full.live._refreshed = full.live._ticked = now[0]
    full.live._busy = 0.0
    full.live.refresh()
    assert drawn == [100.0]
    full.live.refresh()
    now[0] = 102.0
    full.live.refresh()
    assert drawn == [100.0]
    now[0] = 103.5
    full.live.refresh()
    assert drawn == [100.0, 103.5]


def test_what_keeps_the_window_busy_once_delays_no_picture(full, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(live_layers, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    drawn: list[float] = []
    monkeypatch.setattr(full.live.reconstruction, "refresh", lambda **_: drawn.append(now[0]))
    full.live._refreshed = full.live._ticked = now[0]
    full.live._busy = 0.0
    full.live.refresh()
    for seconds in (0.02,) * 5 + (9.0,):  # as when a dock is opened
        now[0] += seconds
        full.live.tick()
    full.live.refresh()
    assert drawn == [100.0, now[0]]


def test_a_map_is_shown_once_as_it_should_be_drawn(full) -> None:
    shown = full.map()
    full.live.add_map(shown)
    full.live.add_map(full.map())
    assert full.names[2:] == ["scan entropy (bits)"]
    layer = full.viewer.layers[-1]
    assert layer.colormap.name == shown.colormap
    assert tuple(layer.contrast_limits) == shown.limits
    assert layer in full.live.layers


def test_a_map_that_was_removed_is_no_longer_decoded_and_can_come_again(full) -> None:
    before = set(full.session.readouts)
    full.live.add_map(full.map())
    full.viewer.layers.remove(full.viewer.layers[-1])
    assert set(full.session.readouts) == before
    full.live.add_map(full.map())
    assert len(full.viewer.layers) == 3


def test_the_end_is_told_when_the_last_layer_is_removed(full) -> None:
    full.live.add_map(full.map())
    for name in ("scan labels", "scan entropy (bits)"):
        full.viewer.layers.remove(name)
        assert not full.gone
    full.viewer.layers.remove("scan reconstruction")
    assert full.gone == 1
    assert full.live.layers == []


def test_retired_layers_are_ordinary_ones_of_the_iteration_that_was_shown(full) -> None:
    full.live.add_map(full.map())
    ended = []
    full.job.put_on_the_screen(4)
    expected = full.session.segmentation(4).labels
    full.live.show_only((1,))
    full.live.retire(lambda: ended.append(True), urgent=True)
    assert ended == [True]
    assert all(name.endswith("(iteration 4)") for name in full.names)
    labels = full.viewer.layers["scan labels (iteration 4)"]
    np.testing.assert_array_equal(labels.data, full.orientation.to_display(expected))
    assert all(labels.colormap.map(label)[3] == 1 for label in np.unique(expected) if label)
    for layer in full.viewer.layers:
        assert isinstance(layer.data, np.ndarray)
        assert LIVE not in layer.metadata
        assert layer.metadata[METADATA_KEY]["scan"] is full.session.scan
        assert layer.metadata[METADATA_KEY]["details"]["iterations"] == 4
    assert labels.editable
    full.job.put_on_the_screen(ITERATIONS)
    np.testing.assert_array_equal(labels.data, full.orientation.to_display(expected))


def test_layers_keep_the_iteration_of_their_retirement_whatever_is_shown_later(
    full, monkeypatch
) -> None:
    full.job.put_on_the_screen(4)
    expected = full.session.segmentation(4).labels

    def show_another(session: Session, iteration: int, then: Callable[[], None], *_, **__) -> None:
        do(session.decode(5, COARSE))
        session.shown = 5
        then()

    monkeypatch.setattr(full.job, "when_whole", show_another)
    full.live.retire(lambda: None, urgent=False)
    labels = full.viewer.layers["scan labels (iteration 4)"]
    np.testing.assert_array_equal(labels.data, full.orientation.to_display(expected))


def test_layers_that_were_removed_have_nothing_to_finish(full) -> None:
    full.viewer.layers.clear()
    ended = []
    full.live.retire(lambda: ended.append(True), urgent=True)
    assert ended == [True]


def test_other_layers_may_come_and_go(full) -> None:
    other = full.viewer.add_labels(np.zeros((3, 3, 3), int))
    full.viewer.layers.remove(other)
    assert len(full.live.layers) == 2
    assert not full.gone
