"""Files written from the panel are those that the API writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Labels

from napari_metaseg.layers.exports import EXPORTS, write_iteration
from napari_metaseg.layers.named_labels import NamedLabels
from napari_metaseg.layers.orientation import orientation_of
from napari_metaseg.layers.scan_layers import labels_layer
from napari_metaseg.run.region import WHOLE
from napari_metaseg.run.session import Session
from src_core.io import export
from src_core.io.tables import read_table
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.results.segmentation import Segmentation

ITERATIONS = 12
KINDS = ("labels", "volumes", "table", "freesurfer", "itksnap", "probabilities", "displacement")
EXPORT = dict(zip(KINDS, EXPORTS, strict=True))


@pytest.fixture(scope="module")
def session(brain, model_file) -> Session:
    """After the last step, decoded at every voxel of two iterations."""
    prepared = prepare(Request(brain.scan, model=model_file, reference=brain.labels, align=False))
    session = Session(prepared, ITERATIONS, 0, 2**27)
    for step in session.fit:
        session.history.record(step.iteration)
    for iteration in (4, ITERATIONS):
        for _ in session.decode(iteration, WHOLE):
            pass
    return session


@pytest.fixture(scope="module")
def api(brain, model_file) -> Segmentation:
    return segment(
        brain.scan,
        model=model_file,
        iterations=ITERATIONS,
        reference=brain.labels,
        align=False,
    )


def description(path: Path) -> dict:
    """Without what takes another time each time."""
    values = json.loads(path.read_text())
    del values["seconds"]
    return values


def same_image(one: Path, other: Path, atol: float = 0) -> bool:
    ours, theirs = nib.load(one), nib.load(other)
    assert ours.header == theirs.header
    np.testing.assert_array_equal(ours.affine, theirs.affine)
    return np.allclose(
        np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj), rtol=0, atol=atol
    )


def test_the_label_map_its_table_and_its_description(session, api, tmp_path) -> None:
    write_iteration(EXPORT["labels"], tmp_path / "ours.nii.gz", session, ITERATIONS)
    api.save(tmp_path / "theirs.nii.gz")
    assert same_image(tmp_path / "ours.nii.gz", tmp_path / "theirs.nii.gz")
    assert (tmp_path / "ours.tsv").read_bytes() == (tmp_path / "theirs.tsv").read_bytes()
    assert description(tmp_path / "ours.json") == description(tmp_path / "theirs.json")


def test_the_label_map_of_an_earlier_iteration(session, api, tmp_path) -> None:
    path = tmp_path / "four.nii"
    write_iteration(EXPORT["labels"], path, session, 4)
    np.testing.assert_array_equal(np.asanyarray(nib.load(path).dataobj), api.labels_at(4))
    assert description(tmp_path / "four.json")["iterations"] == 4


def test_volumes(session, api, tmp_path) -> None:
    write_iteration(EXPORT["volumes"], tmp_path / "ours.csv", session, ITERATIONS)
    export.write_volumes_csv(api.labels, api.scan, tmp_path / "theirs.csv", protocol=api.protocol)
    assert (tmp_path / "ours.csv").read_text() == (tmp_path / "theirs.csv").read_text()


def test_the_table_with_changes_since_an_earlier_iteration(session, api, tmp_path) -> None:
    path = tmp_path / "ours.tsv"
    write_iteration(EXPORT["table"], path, session, ITERATIONS, before=4)
    rows = read_table(path, ["Labels", "Volume (mL)", "Change (mL)", "Dice"])
    assert [row["Structure"] for row in rows] == [s.name for s in api.protocol.structures]
    for row in rows:
        now, then = (
            np.count_nonzero(labels == int(row["Labels"])) * api.scan.voxel_volume / 1000
            for labels in (api.labels, api.labels_at(4))
        )
        assert float(row["Volume (mL)"]) == pytest.approx(now, abs=1e-4)
        assert float(row["Change (mL)"]) == pytest.approx(now - then, abs=1e-4)
        assert 0 < float(row["Dice"]) <= 1


@pytest.mark.parametrize("program", ["freesurfer", "itksnap"])
def test_tables_for_other_programs(session, api, tmp_path, program) -> None:
    write_iteration(EXPORT[program], tmp_path / "ours.txt", session, ITERATIONS)
    export.write_lookup_table(api.protocol, tmp_path / "theirs.txt", program)
    assert (tmp_path / "ours.txt").read_text() == (tmp_path / "theirs.txt").read_text()


@pytest.mark.parametrize("iteration", [4, ITERATIONS])
def test_probabilities(session, api, tmp_path, iteration) -> None:
    write_iteration(EXPORT["probabilities"], tmp_path / "ours.nii.gz", session, iteration)
    with api.history.at(iteration):
        export.write_probabilities(
            api.probability_volumes(),
            api.scan,
            tmp_path / "theirs.nii.gz",
            protocol=api.protocol,
            details=api.report,
        )
    assert same_image(tmp_path / "ours.nii.gz", tmp_path / "theirs.nii.gz", atol=1e-5)
    ours = description(tmp_path / "ours.json")
    assert ours["LabelMap"][0] == "Background"
    assert ours["iterations"] == iteration
    if iteration == ITERATIONS:
        assert ours == description(tmp_path / "theirs.json")


@pytest.mark.parametrize("iteration", [4, ITERATIONS])
def test_the_displacement_field(session, api, tmp_path, iteration) -> None:
    write_iteration(EXPORT["displacement"], tmp_path / "ours.nii", session, iteration)
    with api.history.at(iteration):
        export.write_displacement_field(api.displacement(), api.scan, tmp_path / "theirs.nii")
    assert same_image(tmp_path / "ours.nii", tmp_path / "theirs.nii", atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_the_user_agreed_to_replace_is_replaced(session, tmp_path, kind) -> None:
    path = tmp_path / ("x.nii" if kind in ("labels", "probabilities", "displacement") else "x.txt")
    path.write_text("old")
    write_iteration(EXPORT[kind], path, session, ITERATIONS)
    assert path.read_bytes()[:3] != b"old"


@pytest.mark.parametrize("kind", ["labels", "volumes", "table", "probabilities"])
def test_what_is_not_decoded_everywhere_is_not_written(session, tmp_path, kind) -> None:
    with pytest.raises(LookupError, match="iteration 3 is not decoded everywhere"):
        write_iteration(EXPORT[kind], tmp_path / "x.nii", session, 3)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_was_painted_on_is_written_as_it_is(session, api, tmp_path) -> None:
    orientation = orientation_of(session.scan.affine, session.scan.shape)
    data, keywords, _ = labels_layer(
        api.labels.copy(), session.scan, orientation, session.protocol, "kept", api.report
    )
    layer = Labels(data, **keywords)
    layer.data_setitem(np.nonzero(np.asarray(layer.data) == 3), 1)
    painted = np.where(api.labels == 3, 1, api.labels)
    labels = NamedLabels.of_layer(layer)
    np.testing.assert_array_equal(labels.label_map, painted)
    assert labels.details == api.report
    EXPORT["labels"].write(tmp_path / "painted.nii", labels)
    written = nib.load(tmp_path / "painted.nii")
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), painted)
    np.testing.assert_array_equal(written.affine, session.scan.affine)
    EXPORT["volumes"].write(tmp_path / "painted.csv", labels)
    export.write_volumes_csv(painted, api.scan, tmp_path / "theirs.csv", protocol=api.protocol)
    assert (tmp_path / "painted.csv").read_text() == (tmp_path / "theirs.csv").read_text()


def test_what_is_painted_later_does_not_change_what_is_being_written(session, api) -> None:
    orientation = orientation_of(session.scan.affine, session.scan.shape)
    data, keywords, _ = labels_layer(
        api.labels.copy(), session.scan, orientation, session.protocol, "kept", api.report
    )
    layer = Labels(data, **keywords)
    labels = NamedLabels.of_layer(layer)
    layer.data_setitem(np.nonzero(np.asarray(layer.data) == 3), 1)
    np.testing.assert_array_equal(labels.label_map, api.labels)
