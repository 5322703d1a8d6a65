"""The whole way through the window: open, segment, watch, scrub, keep, paint, export, reopen."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from qtpy.QtWidgets import QTreeView

from napari_metaseg.layers.exports import EXPORTS
from napari_metaseg.layers.maps import MAPS
from napari_metaseg.panel.panel import SegmentPanel
from napari_metaseg.run.status import State

ITERATIONS = 12
LABELS, VOLUMES = EXPORTS[:2]
ENTROPY = MAPS[1]


def test_from_the_scan_to_a_corrected_label_map_and_back(
    window, tmp_path, phantom_file, slow_steps
):
    _, scan, _ = phantom_file
    job, timeline = window.job, window.panel.timeline
    window.segment()
    live = window.layer("labels")
    assert isinstance(live, Labels)
    assert not live.editable
    window.until(lambda: job.shown is not None and job.shown >= 2)  # follows

    job.pause()
    assert job.state is State.PAUSED
    taken = job.session.fit.iteration
    window.qtbot.wait(300)
    assert job.session.fit.iteration <= taken + 1
    job.resume()
    window.finish()
    window.until(lambda: job.shown == ITERATIONS)

    shown = {}
    for iteration in (0, 3, ITERATIONS):
        job.show(iteration)
        window.until(lambda iteration=iteration: job.shown == iteration)
        window.until(lambda: job.table is not None and job.table.exact)
        shown[iteration] = np.asarray(live.data)
    assert (shown[0] != shown[ITERATIONS]).any()

    timeline.keep_clicked.emit()
    window.until(
        lambda: isinstance(window.viewer.layers[-1], Labels) and len(window.viewer.layers) == 4
    )
    kept = window.viewer.layers[-1]
    assert kept.editable
    np.testing.assert_array_equal(kept.data, shown[ITERATIONS])
    middle = tuple(size // 2 for size in kept.data.shape)
    painted = 4 if kept.data[middle] != 4 else 3
    kept.data_setitem(tuple(np.array([index]) for index in middle), painted)
    kept.undo()
    assert kept.data[middle] == shown[ITERATIONS][middle]
    kept.redo()

    path = tmp_path / "corrected_dseg.nii.gz"
    window.viewer.layers.selection.active = kept
    window.panel.export_menu.export_requested.emit(LABELS, path)
    window.until(lambda: path.exists() and path.with_name("corrected_dseg.json").exists())
    written = nib.load(path)
    np.testing.assert_array_equal(written.affine, nib.load(phantom_file[0]).affine)
    assert written.shape == scan.shape
    (again,) = window.viewer.open(path, plugin="napari-metaseg")
    assert isinstance(again, Labels)
    np.testing.assert_array_equal(again.data, kept.data)
    np.testing.assert_allclose(again.extent.world, kept.extent.world)
    assert again.data[middle] == painted


def test_the_window_never_runs_the_network(window, monkeypatch):
    import src_core.fitting.decode

    threads = set()
    decode = src_core.fitting.decode.decode_all

    def watched(*args, **keywords):
        threads.add(threading.current_thread().name)
        return decode(*args, **keywords)

    monkeypatch.setattr(src_core.fitting.decode, "decode_all", watched)
    window.segment()
    window.finish()
    for iteration in (0, 5, 9):
        window.job.show(iteration)
        window.viewer.dims.set_current_step(0, 10 + iteration)
        window.until(lambda iteration=iteration: window.job.shown == iteration)
    window.panel.controller.add_map(ENTROPY, None)
    window.until(lambda: len(window.viewer.layers) == 4)
    window.panel.controller.keep()
    window.until(lambda: len(window.viewer.layers) == 5)
    assert threads == {"metaseg"}


def test_a_second_click_changes_nothing(window, slow_steps):
    window.segment()
    session = window.job.session
    window.panel.segment()
    assert window.job.session is session
    window.finish()
    assert len(window.viewer.layers) == 3


def test_pause_and_stop_take_effect_within_a_step(window, slow_steps):
    window.segment()
    window.job.stop()
    assert window.job.state is State.STOPPED
    taken = window.job.session.fit.iteration
    window.qtbot.wait(400)
    assert window.job.session.fit.iteration <= taken + 1
    assert window.panel.inputs.isEnabled()
    # What there is can be looked at and kept.
    window.job.show(0)
    window.until(lambda: window.job.shown == 0)
    window.panel.controller.keep()
    window.until(lambda: len(window.viewer.layers) == 4)


def test_without_the_scan_the_fit_stops_and_its_labels_stay(window, slow_steps):
    window.segment()
    window.viewer.layers.remove(window.viewer.layers[0])
    assert window.job.state is State.STOPPED
    assert "stopped" in window.messages()
    window.panel.controller.keep()
    window.until(lambda: len(window.viewer.layers) == 3)


def test_without_its_layers_a_fit_ends_and_gives_its_memory_back(window, slow_steps):
    window.segment()
    session = weakref.ref(window.job.session)
    window.viewer.layers.remove(window.layer("labels"))
    window.qtbot.wait(50)
    assert window.job.state.running  # the reconstruction still follows
    window.viewer.layers.remove(window.layer("reconstruction"))
    assert window.job.state is State.IDLE

    def forgotten() -> bool:
        window.qtbot.wait(500)  # collecting all the time would leave the engine none to end in
        gc.collect()
        return session() is None

    window.until(forgotten, seconds=120)
    window.segment()
    window.finish()


def test_another_scan_leaves_the_first_labels_as_ordinary_ones(window, phantom_file):
    window.segment()
    window.finish()
    first = window.layer("labels")
    window.viewer.open(phantom_file[0], plugin="napari-metaseg", name="second")
    assert window.panel.inputs.scan_layer.name == "second"
    window.segment()
    window.until(lambda: isinstance(first.data, np.ndarray))
    assert first.editable
    assert set(np.unique(first.data)) <= {0, 1, 2, 3, 4}
    assert str(ITERATIONS) in first.name
    window.finish()
    assert window.layer("second labels").visible


@pytest.mark.parametrize("later", [0, 0.15, 0.4], ids="{} s".format)
@pytest.mark.parametrize(
    "close",
    [
        lambda window: window.viewer.window.remove_dock_widget(window.dock),
        lambda window: window.panel.close(),
        lambda window: window.dock.deleteLater(),
    ],
    ids=["dock closed", "panel closed", "window deleted"],
)
def test_closed_during_a_fit_the_layers_are_finished_and_the_thread_ends(
    window, slow_steps, close, later, tmp_path
):
    """At any moment: at the first picture, before and after further ones."""
    window.panel.segment()
    job = window.job
    window.until(lambda: job.shown is not None)
    window.qtbot.wait(int(1000 * later))
    shown = job.shown
    close(window)
    window.until(lambda: not job.engine_alive)
    labels = window.layer(f"labels (iteration {shown})")
    window.layer(f"reconstruction (iteration {shown})")
    assert isinstance(labels.data, np.ndarray)
    assert labels.editable
    assert labels.data.any()
    window.viewer.dims.set_current_step(0, 5)
    labels.paint((10, 10, 10), 3)
    assert labels.save(str(tmp_path / "labels.nii.gz"), plugin="napari-metaseg")
    assert {str(notification.severity) for notification in window.told} <= {"info", "warning"}


def test_a_closed_panel_is_forgotten(qtbot):
    panel = SegmentPanel(ViewerModel())
    controller = weakref.ref(panel.controller)
    panel.close()
    panel.deleteLater()
    del panel

    def forgotten() -> bool:
        gc.collect()
        return controller() is None

    qtbot.waitUntil(forgotten)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RuntimeError("CUDA out of memory."), "or compute on the CPU (Device)"),
        (ZeroDivisionError("x"), "ZeroDivision"),
    ],
)
def test_a_failing_engine_is_explained_and_keeps_what_was_there(window, monkeypatch, error, advice):
    from src_core.fitting.fit import Fit

    step = Fit.__next__

    def failing(fit):
        if fit.iteration == 4:
            raise error
        return step(fit)

    monkeypatch.setattr(Fit, "__next__", failing)
    window.segment()
    window.until(lambda: window.job.state is State.FAILED)
    window.until(lambda: advice in window.messages())
    window.job.show(4)
    window.until(lambda: window.job.shown == 4)
    monkeypatch.undo()
    window.segment()
    window.finish()


def test_a_reference_on_another_grid_is_refused(window):
    reference = window.viewer.add_labels(np.ones((10, 10, 10), np.uint8), name="elsewhere")
    window.panel.inputs.choose_reference(reference)
    window.panel.segment()
    assert "elsewhere" in window.messages()
    assert not window.job.state.running


def test_with_a_reference_dice_is_shown(window, phantom_file):
    _, scan, labels = phantom_file
    path = Path(phantom_file[0]).with_name("sub-01_dseg.nii.gz")
    nib.save(nib.Nifti1Image(labels, scan.affine), path)
    (reference,) = window.viewer.open(path, plugin="napari-metaseg")
    window.panel.inputs.choose_reference(reference)
    window.segment()
    window.finish()
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    assert all(0 < row.dice < 1 for row in window.job.table.rows)
    assert any(point.dice > 0 for point in window.job.curve)


def test_other_planes_and_3d_show_the_same_iteration(window, slow_steps):
    viewer = window.viewer
    window.segment()
    for order in ((1, 0, 2), (2, 1, 0), (0, 1, 2)):
        viewer.dims.order = order
        window.qtbot.wait(50)
    viewer.dims.ndisplay = 3
    window.qtbot.wait(200)
    viewer.dims.ndisplay = 2
    window.finish()
    window.job.show(3)
    window.until(lambda: window.job.shown == 3)
    viewer.dims.ndisplay = 3
    live = window.layer("labels")
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    np.testing.assert_array_equal(np.asarray(live.data[:, :, :]), np.asarray(live.data))


def test_a_slice_is_segmented_too(window, phantom_file, tmp_path):
    _, scan, _ = phantom_file
    axial = scan.voxels[:, :, [20]]
    affine = scan.affine.copy()
    affine[:3, 3] = scan.affine[:3, :3] @ (0, 0, 20) + scan.affine[:3, 3]
    path = tmp_path / "slice.nii.gz"
    nib.save(nib.Nifti1Image(axial, affine), path)
    window.viewer.layers.clear()
    (layer,) = window.viewer.open(path, plugin="napari-metaseg")
    assert layer.ndim == 2
    window.segment()
    window.finish()
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    labels = window.layer("labels")
    assert labels.ndim == 2
    assert np.asarray(labels.data).shape == layer.data.shape


def test_labels_drawn_by_hand_over_a_scan_of_another_reader_can_be_saved(window, tmp_path):
    data = np.zeros((20, 24, 22), np.uint8)
    data[3, 5, 7] = 9
    window.viewer.add_labels(data, name="lesions", scale=(2, 1, 1), translate=(-10, -20, 5))
    menu = window.panel.export_menu
    assert menu.isEnabled()
    for export, name in ((LABELS, "lesions.nii.gz"), (VOLUMES, "lesions.csv")):
        menu.export_requested.emit(export, tmp_path / name)
    window.until(lambda: (tmp_path / "lesions.csv").exists())
    image = nib.load(tmp_path / "lesions.nii.gz")
    (voxel,) = np.argwhere(np.asarray(image.dataobj) == 9)
    # Axes on the screen are S, A, R; those of the file are in RAS millimetres.
    np.testing.assert_allclose(nib.affines.apply_affine(image.affine, voxel), (12, -15, -4))
    assert "2.000" in (tmp_path / "lesions.csv").read_text()


def test_a_structure_can_be_found_and_shown_alone(window):
    window.segment()
    window.finish()
    labels = window.layer("labels")
    window.panel.structures.jump_requested.emit(2)
    position = labels.world_to_data(window.viewer.dims.point)
    index = tuple(np.rint(position).astype(int))
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    assert np.asarray(labels.data)[index] == 2
    window.panel.structures.only_changed.emit((2,))
    assert [labels.colormap.map(label)[3] for label in (1, 2)] == [0, 1]
    window.panel.structures.only_changed.emit(None)
    assert [labels.colormap.map(label)[3] for label in (1, 2)] == [1, 1]


def test_the_table_is_saved_from_its_own_menu(window, tmp_path, monkeypatch):
    window.segment()
    window.finish()
    path = tmp_path / "table.tsv"
    monkeypatch.setattr(window.panel.export_menu, "_ask", lambda *_: path)
    (save,) = (
        action
        for view in window.panel.structures.findChildren(QTreeView)
        for action in view.actions()
        if action.text() == "Save the table…"
    )
    save.trigger()
    window.until(path.exists)
    assert path.read_text().startswith("Group\tLabels\tStructure\tVolume (mL)")
