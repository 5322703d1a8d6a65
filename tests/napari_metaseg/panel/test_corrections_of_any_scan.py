"""A scan of anything in the window: nothing is labelled but what is painted, and follows."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_metaseg.layers.exports import EXPORTS
from napari_metaseg.panel.choice_boxes import ModelBox
from src_core.io.labels import Structure

WHITE_MATTER = 3
PLANES = (20, 28)
SEED = Structure(1, "Seed", (250, 120, 20))


def fitted(window):
    """The labels of a fit that is done, ready to be painted on."""
    window.segment()
    window.finish()
    window.until(lambda: window.job.table is not None and window.job.table.exact)
    buttons = window.panel.findChildren(QPushButton)
    (correct,) = [button for button in buttons if button.text() == "Correct"]
    correct.click()
    return window.panel.controller.live.labels


def learned(window, strokes: int) -> None:
    window.until(lambda: len(window.job.strokes.iterations) == strokes)
    window.until(lambda: window.job.table is not None and window.job.table.exact)


def test_labels_begin_empty_follow_what_is_painted_and_go_on_another_day(
    window, phantom_file, tmp_path
) -> None:
    (models,) = window.panel.inputs.findChildren(ModelBox)
    models.setCurrentText("Any scan, from random weights")
    models.activated.emit(models.currentIndex())
    live, controller = fitted(window), window.panel.controller
    assert not np.asarray(live.data).any()
    assert window.job.table.rows == ()
    assert "MNI" not in window.job.session.describe_point(100)

    _, scan, labels = phantom_file
    truth = controller.live.orientation.to_display(labels == WHITE_MATTER)
    controller.correcting.add_structure(SEED)
    for stroke, plane in enumerate(PLANES, 1):
        section = np.argwhere(truth[plane])
        live.data_setitem((np.full(len(section), plane), *section.T), SEED.id)
        learned(window, stroke)
    found = np.asarray(live.data) == SEED.id
    assert found[PLANES[0]][truth[PLANES[0]]].all()
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.6
    (row,) = window.job.table.rows
    assert row.volume == pytest.approx(found.sum() * scan.voxel_volume / 1000)

    corrections = tmp_path / "sub-01_dseg_corrections.nii.gz"
    controller.export(EXPORTS[0], tmp_path / "sub-01_dseg.nii.gz")
    window.until(corrections.exists)
    live = fitted(window)
    assert not np.asarray(live.data).any()
    controller.correcting.restore(corrections)
    learned(window, 1)
    assert (np.asarray(live.data) == found).mean() > 0.999
    assert [row.name for row in window.job.table.rows] == [SEED.name]
