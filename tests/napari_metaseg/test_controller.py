"""What the user asks for happens in the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dask.array
import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Layer
from napari.utils.notifications import Notification, notification_manager

from napari_metaseg.controller import Controller
from napari_metaseg.layers.exports import EXPORTS, TABLE, LabelsExport
from napari_metaseg.layers.maps import MAPS, Map, OfferedMap
from napari_metaseg.layers.named_labels import NamedLabels
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import scan_layer
from napari_metaseg.preferences import load_preferences
from napari_metaseg.run.readout import Readout, as_decoded
from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.status import State
from src_core.correction.stroke import Stroke
from src_core.io.protocols import protocol
from src_core.io.tables import read_table
from src_core.preparation import extraction
from src_core.preparation.alignment import Alignment
from src_core.segment import segment
from tests.helpers.extractors import FakeExtractor, whole_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_metaseg.run.request import Request
    from tests.napari_metaseg.conftest import Brain

ITERATIONS = 12
WHITE_MATTER = 3


@dataclass
class Desk:
    """A controller without panel and window, the scan's layer, and what was told."""

    viewer: ViewerModel
    controller: Controller
    scan_layer: Layer
    choices: dict[str, Any]
    qtbot: Any
    told: list[Notification]

    @property
    def job(self) -> Any:
        return self.controller.job

    @property
    def names(self) -> list[str]:
        return [layer.name for layer in self.viewer.layers]

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        self.qtbot.waitUntil(condition, timeout=int(1000 * seconds))

    def segment(self) -> bool:
        return self.controller.segment(self.scan_layer, None, None, self.choices)

    def finish(self) -> None:
        """Segment, until the last iteration is decoded everywhere."""
        assert self.segment()
        self.until(lambda: self.job.state is State.DONE)
        self.until(lambda: len(self.viewer.layers) == 3)
        self.until(lambda: self.job.table is not None and self.job.table.exact)

    def messages(self) -> str:
        return "\n".join(str(notification.message) for notification in self.told)

    def point_at(self, label: int) -> None:
        """Lay the mouse on a voxel of a structure."""
        labels = self.viewer.layers["head labels"]
        voxels = np.argwhere(np.asarray(labels.data) == label)
        self.viewer.cursor.position = labels.data_to_world(voxels[len(voxels) // 2])


@pytest.fixture
def desk(qtbot, brain, model_file, monkeypatch) -> Iterator[Desk]:
    monkeypatch.setattr(
        "src_core.preparation.prepare.align", lambda *_: Alignment(np.eye(4), "none", np.nan)
    )
    monkeypatch.setattr("napari_metaseg.run.pace.REST_BEFORE_WHOLE", 0.1)
    told: list[Notification] = []
    notification_manager.notification_ready.connect(told.append)
    viewer = ViewerModel()
    layer = viewer.add_layer(Layer.create(*scan_layer(brain.scan, "head")))
    controller = Controller(viewer)
    choices = {"model": str(model_file), "iterations": ITERATIONS, "device": "cpu"}
    yield Desk(viewer, controller, layer, choices, qtbot, told)
    notification_manager.notification_ready.disconnect(told.append)
    controller.abort(60)


def test_before_a_fit_there_is_nothing_to_show_keep_or_write(desk, tmp_path) -> None:
    controller = desk.controller
    controller.keep()
    controller.jump(WHITE_MATTER)
    controller.show_only((WHITE_MATTER,))
    controller.add_map(MAPS[1], None)
    for export in EXPORTS:
        controller.export(export, tmp_path / "nothing.nii.gz")
    assert controller.live is None
    assert controller.source() == ""
    assert controller.describe_cursor() == ""
    assert desk.names == ["head"]
    assert list(tmp_path.iterdir()) == []
    assert desk.told == []


@pytest.mark.parametrize(
    ("data", "keywords"),
    [
        (np.zeros((2, 20, 20, 20), np.float32), {}),
        (np.zeros((20, 20, 20, 3), np.uint8), {"rgb": True}),
        ([np.zeros((20, 20, 20)), np.zeros((10, 10, 10))], {"multiscale": True}),
        (dask.array.zeros((20, 20, 20)), {}),
    ],
    ids=["4D", "colours", "multiscale", "dask"],
)
def test_a_layer_of_the_wrong_kind_is_refused_with_advice(desk, data, keywords) -> None:
    wrong = desk.viewer.add_image(data, name="wrong", **keywords)
    assert not desk.controller.segment(wrong, None, None, desk.choices)
    assert "wrong" in desk.messages()
    assert desk.job.state is State.IDLE


def test_a_scan_with_its_skull_asks_for_a_mask(desk) -> None:
    head = np.random.default_rng(0).uniform(50, 100, (60, 70, 60)).astype(np.float32)
    layer = desk.viewer.add_image(head, name="skull", scale=(4, 4, 4))
    desk.controller.segment(layer, None, None, desk.choices)
    desk.until(lambda: desk.job.state is State.FAILED)
    desk.until(lambda: "mask" in desk.messages())


def test_the_brain_of_a_head_becomes_a_layer_that_the_next_fit_takes(
    desk, brain, monkeypatch, tmp_path
) -> None:
    extractor = FakeExtractor(lambda voxels, affine: brain.labels > 0)
    monkeypatch.setattr(extraction, "EXTRACTORS", {"deepbet": extractor})
    found: list[tuple[Layer, Layer]] = []
    desk.controller.brain_found.connect(lambda *both: found.append(both))
    head = desk.viewer.add_layer(Layer.create(*scan_layer(whole_head(brain.scan), "skull")))
    desk.controller.segment(head, None, None, desk.choices)
    desk.until(lambda: desk.job.state is State.DONE)
    ((scan, mask),) = found
    assert scan is head
    assert isinstance(mask, Labels)
    assert desk.viewer.layers.index(mask) == desk.viewer.layers.index(head) + 1
    saved = tmp_path / "brain.nii.gz"
    assert mask.save(str(saved), plugin="napari-metaseg")
    np.testing.assert_array_equal(np.asanyarray(nib.load(saved).dataobj), brain.labels > 0)
    # A stroke takes a corner away.
    corner = tuple(np.argwhere(mask.data)[0])
    mask.data_setitem(tuple(np.array([index]) for index in corner), 0)
    desk.controller.segment(head, mask, None, desk.choices)
    desk.until(lambda: desk.job.state is State.DONE)
    assert len(extractor.heads) == len(found) == 1
    assert desk.job.session.prepared.mask.sum() == (brain.labels > 0).sum() - 1


def test_a_mask_on_another_grid_is_refused_by_its_name(desk) -> None:
    mask = desk.viewer.add_labels(np.ones((10, 10, 10), np.uint8), name="elsewhere")
    assert not desk.controller.segment(desk.scan_layer, mask, None, desk.choices)
    assert "mask 'elsewhere'" in desk.messages()
    assert desk.job.state is State.IDLE


def test_scans_of_our_reader_are_prepared_before_they_are_asked_for(desk, monkeypatch) -> None:
    expected: list[Request] = []
    monkeypatch.setattr(desk.job, "expect", expected.append)
    desk.controller.expect(desk.scan_layer, None, desk.choices)
    (request,) = expected
    assert request.model == desk.choices["model"]
    np.testing.assert_array_equal(
        request.scan.voxels, desk.scan_layer.metadata["napari-metaseg"]["scan"].voxels
    )

    array = desk.viewer.add_image(np.ones((20, 20, 20), np.float32))
    desk.controller.expect(array, None, desk.choices)
    mask = desk.viewer.add_labels(np.ones((10, 10, 10), np.uint8))
    desk.controller.expect(desk.scan_layer, mask, desk.choices)
    assert len(expected) == 1
    assert desk.told == []  # what is wrong is said when it is used


def test_a_fit_shows_layers_named_after_the_scan(desk) -> None:
    desk.finish()
    assert desk.names == ["head", "head reconstruction", "head labels"]
    assert tuple(desk.viewer.layers[1].contrast_limits) == tuple(desk.scan_layer.contrast_limits)
    assert desk.controller.live.labels == desk.viewer.layers[2]


def test_what_is_written_is_the_selected_layer_or_else_the_iteration(desk) -> None:
    desk.finish()
    desk.viewer.layers.selection.active = desk.viewer.layers["head labels"]
    assert desk.controller.source() == f"iteration {ITERATIONS}"
    drawn = desk.viewer.add_labels(np.zeros((5, 6, 7), np.uint8), name="lesions")
    assert desk.controller.source() == "layer lesions"
    desk.viewer.layers.remove(drawn)
    desk.viewer.layers.selection.active = desk.scan_layer
    assert desk.controller.source() == f"iteration {ITERATIONS}"


def test_a_kept_iteration_can_be_painted_on_and_hides_the_live_labels(desk) -> None:
    desk.finish()
    live = desk.viewer.layers["head labels"]
    desk.controller.keep()
    desk.until(lambda: len(desk.viewer.layers) == 4)
    kept = desk.viewer.layers[-1]
    assert isinstance(kept, Labels)
    assert kept.editable
    assert kept.name == f"head labels, iteration {ITERATIONS}"
    assert kept.opacity == live.opacity
    assert not live.visible
    np.testing.assert_array_equal(kept.data, np.asarray(live.data))


def test_a_kept_layer_is_painted_on_with_a_structure_of_its_protocol(brain) -> None:
    scan, structures = brain.scan, protocol("nm134").structures
    orientation = orientation_of(scan.affine, scan.shape)
    labels = NamedLabels(np.zeros(scan.shape, np.uint8), scan, structures, {})
    kept = labels.as_layer(orientation, "kept")
    assert kept.selected_label in {structure.id for structure in structures}


def test_labels_without_any_structure_are_kept_as_they_are(brain) -> None:
    scan = brain.scan
    labels = NamedLabels(np.zeros(scan.shape, np.uint8), scan, (), {})
    kept = labels.as_layer(orientation_of(scan.affine, scan.shape), "kept")
    assert not kept.data.any()


def test_the_middle_of_a_structure_is_brought_onto_the_screen(desk) -> None:
    desk.finish()
    desk.controller.jump(WHITE_MATTER)
    labels = desk.viewer.layers["head labels"]
    index = np.rint(labels.world_to_data(desk.viewer.dims.point)).astype(int)
    assert np.asarray(labels.data)[tuple(index)] == WHITE_MATTER
    before = desk.viewer.dims.point
    desk.controller.jump(999)
    assert "nothing of this structure" in desk.messages()
    assert desk.viewer.dims.point == before


def test_some_structures_are_shown_alone_until_all_are_asked_for(desk) -> None:
    desk.finish()
    labels = desk.viewer.layers["head labels"]
    everything = seen(labels)
    assert len(everything) > 2
    desk.controller.show_only((2,))
    assert seen(labels) == {2}
    desk.controller.show_only((1, 2))
    assert seen(labels) == {1, 2}
    desk.controller.show_only(None)
    assert seen(labels) == everything
    desk.viewer.layers.remove(labels)
    desk.controller.show_only((1,))
    assert desk.names == ["head", "head reconstruction"]


def seen(labels) -> set[int]:
    """The labels of a layer that are not transparent."""
    ids = np.unique(np.asarray(labels.data))
    return {int(label) for label in ids if labels.colormap.map(label)[3] > 0}


def test_the_table_is_written_as_it_is_shown(desk, tmp_path) -> None:
    desk.finish()
    desk.controller.export(TABLE, tmp_path / "mine.tsv")
    desk.until(lambda: (tmp_path / "mine.tsv").exists())
    desk.until(lambda: desk.controller.job.table.exact)
    rows = read_table(tmp_path / "mine.tsv", ["Labels", "Volume (mL)"])
    assert [(row["Structure"], float(row["Volume (mL)"])) for row in rows] == [
        (row.name, pytest.approx(row.volume, abs=1e-3)) for row in desk.controller.job.table.rows
    ]


def test_the_mouse_tells_structure_and_position_in_2d_only(desk) -> None:
    desk.finish()
    desk.point_at(WHITE_MATTER)
    words = desk.controller.describe_cursor()
    assert words.startswith("White-Matter")
    assert "MNI" in words
    state = desk.controller.cursor_state()
    assert desk.controller.cursor_state() == state
    desk.viewer.dims.ndisplay = 3
    assert desk.controller.describe_cursor() == ""
    assert desk.controller.cursor_state() != state
    desk.viewer.dims.ndisplay = 2
    labels = desk.viewer.layers["head labels"]
    for outside in (labels.data_to_world((0, 0, 0)), (1e4, 1e4, 1e4)):
        desk.viewer.cursor.position = outside
        assert desk.controller.describe_cursor() == ""


def test_without_the_scan_its_fit_stops(desk) -> None:
    desk.segment()
    desk.viewer.layers.remove(desk.scan_layer)
    assert desk.job.state is State.STOPPED
    assert "stopped" in desk.messages()


def test_another_fit_retires_the_layers_of_the_one_before(desk) -> None:
    desk.finish()
    first, session = desk.viewer.layers["head labels"], desk.job.session
    outside = np.argwhere(~session.prepared.mask)[:5]
    desk.job.strokes.paint(Stroke(outside, np.full(5, WHITE_MATTER)))
    desk.until(lambda: desk.job.shown > ITERATIONS)
    shown = desk.job.shown
    assert desk.segment()
    desk.until(lambda: desk.job.state is State.DONE)
    desk.until(lambda: isinstance(first.data, np.ndarray))
    assert first.name == f"head labels (iteration {shown})"
    assert not first.visible
    kept = NamedLabels.of_layer(first)
    assert kept.painted is not None
    np.testing.assert_array_equal(kept.painted.voxels, outside)
    assert set(kept.label_map[tuple(outside.T)]) == {WHITE_MATTER}
    assert kept.painted_as == session.learnt.structures


def test_closing_finishes_the_labels_and_ends_the_thread(desk) -> None:
    desk.finish()
    labels = desk.viewer.layers["head labels"]
    desk.controller.close()
    desk.controller.close()
    desk.until(lambda: not desk.job.engine_alive)
    assert isinstance(labels.data, np.ndarray)
    assert desk.controller.source() == ""


def test_closing_finishes_the_labels_of_an_earlier_fit_too(desk) -> None:
    desk.finish()
    first = desk.viewer.layers["head labels"]
    assert desk.segment()
    desk.until(lambda: not first.visible)
    desk.controller.close()
    desk.until(lambda: not desk.job.engine_alive)
    kept = [layer for layer in desk.viewer.layers if layer.name.startswith("head labels")]
    assert len(kept) == 2
    assert all(isinstance(layer.data, np.ndarray) and layer.editable for layer in kept)


def test_when_the_program_ends_during_a_fit_the_labels_are_finished_first(desk) -> None:
    assert desk.segment()
    desk.until(lambda: len(desk.viewer.layers) == 3)
    labels = desk.viewer.layers["head labels"]
    desk.controller.close_now()
    assert isinstance(labels.data, np.ndarray)
    assert labels.editable
    assert not desk.job.engine_alive


def test_who_listens_hears_nothing_after_the_closing(desk) -> None:
    assert desk.segment()
    desk.until(lambda: len(desk.viewer.layers) == 3)
    heard: list[object] = []
    desk.job.state_changed.connect(heard.append)
    desk.job.shown_changed.connect(lambda: heard.append(desk.job.shown))
    desk.controller.close()
    desk.viewer.layers.clear()
    desk.until(lambda: not desk.job.engine_alive)
    assert heard == []


def test_closing_without_a_fit_ends_the_thread_at_once(desk) -> None:
    desk.controller.expect(desk.scan_layer, None, desk.choices)
    desk.controller.close()
    desk.until(lambda: not desk.job.engine_alive)
    assert desk.names == ["head"]


def test_painting_on_a_live_layer_is_refused_without_harm(desk) -> None:
    desk.finish()
    live = desk.viewer.layers["head labels"]
    live.mode = "paint"
    assert str(live.mode) != "paint"
    with pytest.raises(TypeError):
        live.paint((10, 10, 10), 2)


def decoded_everywhere(desk: Desk, iteration: int) -> bool:
    return desk.job.shown == iteration and not desk.job.session.lacks(iteration, WHOLE)


@pytest.mark.parametrize("offered", MAPS[:6], ids=lambda offered: offered.title)
def test_a_map_follows_the_iterations(desk, offered) -> None:
    desk.finish()
    desk.controller.add_map(offered, WHITE_MATTER)
    desk.until(lambda: len(desk.viewer.layers) == 4)
    layer = desk.viewer.layers[-1]
    desk.job.show(2)
    desk.until(lambda: decoded_everywhere(desk, 2))
    early = np.asarray(layer.data)
    desk.job.show(ITERATIONS)
    desk.until(lambda: decoded_everywhere(desk, ITERATIONS))
    assert (np.asarray(layer.data) != early).any()
    desk.viewer.layers.remove(layer)
    assert len(desk.job.session.readouts) == 3


def test_a_map_of_a_fit_that_is_gone_is_not_shown(desk) -> None:
    desk.finish()
    desk.controller.add_map(MAPS[1], None)
    for name in ("head labels", "head reconstruction"):
        desk.viewer.layers.remove(name)
    desk.qtbot.wait(200)
    assert desk.names == ["head"]


def test_an_entry_of_the_list_is_all_that_a_map_needs(desk) -> None:
    """What CONTRIBUTING says of maps: nothing else knows their kinds."""

    def confidence(*_: Any) -> Map:
        read = Readout(
            "confidence",
            lambda seen: seen.probabilities.amax(1),
            as_decoded,
            np.zeros((), np.float32),
        )
        return Map(read, "confidence", "viridis", (0, 1))

    desk.finish()
    desk.controller.add_map(OfferedMap("Confidence", "How sure the model is.", confidence), None)
    desk.until(lambda: "head confidence" in desk.names)
    desk.until(lambda: not desk.job.session.lacks(ITERATIONS, WHOLE))
    values = np.asarray(desk.viewer.layers["head confidence"].data)
    assert values[np.asarray(desk.viewer.layers["head labels"].data) > 0].min() >= 0.2
    assert values.max() <= 1


ENDINGS = (".nii.gz", ".csv", ".tsv", ".txt", ".label", ".nii.gz", ".nii.gz")


@pytest.mark.parametrize(
    ("export", "ending"),
    [*zip(EXPORTS, ENDINGS, strict=True)],
    ids=[export.title for export in EXPORTS],
)
def test_everything_can_be_exported(desk, tmp_path, export, ending) -> None:
    desk.finish()
    path = tmp_path / f"result{ending}"
    desk.controller.export(export, path)
    desk.until(lambda: "saved" in desk.messages())
    assert path.stat().st_size > 0


def test_a_layer_that_is_no_volume_is_not_written_and_it_is_said(desk, tmp_path) -> None:
    desk.viewer.add_labels(np.zeros((2, 5, 5, 5), np.uint8), name="film")
    desk.controller.export(EXPORTS[0], tmp_path / "film.nii.gz")
    assert "film" in desk.messages()
    assert list(tmp_path.iterdir()) == []


def test_an_entry_of_the_list_is_all_that_an_export_needs(desk, tmp_path) -> None:
    """What CONTRIBUTING says of exports: nothing else knows their kinds."""

    def write_names(path: Path, labels: NamedLabels) -> None:
        path.write_text("\n".join(structure.name for structure in labels.structures))

    names = LabelsExport("Names…", "Names of the structures.", "_names.txt", (".txt",), write_names)
    desk.finish()
    desk.controller.export(names, tmp_path / "fit.txt")
    desk.until(lambda: "fit.txt" in desk.messages())
    assert "White-Matter" in (tmp_path / "fit.txt").read_text().splitlines()
    data = np.zeros((5, 6, 7), np.uint8)
    data[2, 3, 4] = 9
    desk.viewer.add_labels(data, name="drawn")  # selected by napari
    desk.controller.export(names, tmp_path / "drawn.txt")
    desk.until(lambda: "drawn.txt" in desk.messages())
    assert (tmp_path / "drawn.txt").read_text() == "Label 9"


def on_screen(brain: Brain, label_map: np.ndarray) -> np.ndarray:
    """A label map with the axes of the layers."""
    return orientation_of(brain.scan.affine, brain.scan.shape).to_display(label_map)


def test_labels_are_told_in_another_protocol_without_another_fit(
    desk, brain, structures_file
) -> None:
    desk.choices["model"] = str(structures_file)
    desk.finish()
    session, layer = desk.job.session, desk.viewer.layers["head labels"]
    api = segment(brain.scan, align=False, **desk.choices)
    np.testing.assert_array_equal(np.asarray(layer.data), on_screen(brain, api.labels))
    assert len(desk.job.table.rows) == 32

    desk.controller.tell_in("tissue4")
    desk.until(lambda: len(desk.job.table.rows) == 4 and desk.job.table.exact)
    assert desk.job.session is session
    assert desk.job.shown == ITERATIONS
    tissues = api.labels_in("tissue4")["tissue4"]
    np.testing.assert_array_equal(np.asarray(layer.data), on_screen(brain, tissues))
    assert list(layer.features["name"]) == [
        "Background",
        *(structure.name for structure in protocol("tissue4").structures),
    ]
    counted = np.count_nonzero(tissues == WHITE_MATTER) * brain.scan.voxel_volume / 1000
    assert desk.job.table.rows[2].volume == pytest.approx(counted)
    assert session.segmentation(ITERATIONS).report["protocol"] == "tissue4"

    desk.controller.tell_in("fs32")
    desk.until(lambda: len(desk.job.table.rows) == 32)
    assert desk.job.table.exact  # it was counted before
    np.testing.assert_array_equal(np.asarray(layer.data), on_screen(brain, api.labels))


def test_the_protocol_that_was_chosen_holds_for_the_next_fit(desk, structures_file) -> None:
    desk.choices["model"] = str(structures_file)
    desk.finish()
    desk.controller.tell_in("tissue4")
    first = desk.job.session
    assert desk.segment()
    desk.until(lambda: desk.job.session not in (None, first))
    desk.until(lambda: desk.job.session.protocol.name == "tissue4")
    desk.until(lambda: desk.job.state is State.DONE)
    assert load_preferences().protocol == "tissue4"  # in later windows, too
