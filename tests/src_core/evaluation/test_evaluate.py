"""Models scored on labelled scans."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.evaluation import evaluate as evaluation
from src_core.evaluation.evaluate import evaluate
from src_core.evaluation.scans import SLICES_MM, evaluation_scans
from src_core.evaluation.scores import LAST, Score
from src_core.io.protocols import protocol
from src_core.models.model import Model, load_model
from src_core.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

TISSUES = protocol("tissue4")
ALL_GIVEN = np.arange(5, dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scores of the data folder are kept."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def scores(model: Model, data_folder: Path, work: Path) -> list[Score]:
    return run(model, data_folder, work)


def run(model: Model, folder: Path, work: Path, **options: bool) -> list[Score]:
    scans = evaluation_scans(DataSettings(folder), ["val"], **options)
    mapping = read_mapping(DataSettings(folder), model.protocol)
    (scores,) = evaluate(model, scans, mapping, work, iterations=(0, 3, 100))
    return scores


def relabelled(folder: Path, target: Path, table: str) -> Path:
    """A copy of the data with a table of its label ids."""
    shutil.copytree(folder, target)
    (target / "label_mapping.csv").write_text(table)
    return target


def test_the_iterations_asked_for_and_the_last_are_scored(scores: list[Score]) -> None:
    found = [(score.asked, score.iteration) for score in scores]
    assert found == [("0", 0), ("3", 3), ("100", 6), (LAST, 6)]
    assert all(score.scan == "s2" and score.subject == "person2" for score in scores)
    assert [structure.name for structure in scores[0].structures] == [
        structure.name for structure in TISSUES.structures
    ]
    waited = [score.seconds for score in scores]
    assert waited == sorted(waited)


def test_the_last_score_is_that_of_what_a_user_gets(
    scores: list[Score], model: Model, data_folder: Path
) -> None:
    last = scores[-1]
    labels = data_folder / "s2_labels.nii.gz"
    scan = data_folder / "s2_T1w.nii.gz"
    report = segment(scan, model=model, reference=labels, force=True).report
    assert last.mean("dice") == pytest.approx(report["mean_dice"], abs=1e-4)
    assert last.stop_reason == report["stop_reason"]
    assert last.psnr == pytest.approx(report["psnr"], abs=0.01)
    volumes = [structure.volume_mm3 for structure in last.structures]
    np.testing.assert_allclose(volumes, list(report["volumes"].values()), atol=1e-3)


def test_distances_are_measured_at_the_last_iteration_only(scores: list[Score]) -> None:
    first, last = scores[0], scores[-1]
    assert first.mean("hd95_mm") is None
    assert last.mean("hd95_mm") is not None
    assert last.mean("assd_mm") is not None


def test_what_was_scored_is_not_scored_again(
    scores: list[Score],
    model: Model,
    data_folder: Path,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "segment", None)
    assert run(model, data_folder, work) == scores


def test_a_scan_with_other_labels_is_scored_again(
    scores: list[Score], model: Model, data_folder: Path, work: Path, tmp_path: Path
) -> None:
    table = "id,tissue4\n0,0\n1,2\n2,1\n3,3\n4,4\n"
    after = run(model, relabelled(data_folder, tmp_path / "data", table), work)
    cortex, grey = (s.reference_volume_mm3 for s in scores[0].structures[:2])
    assert [s.reference_volume_mm3 for s in after[0].structures[:2]] == [grey, cortex]


def test_whose_scan_it_is_may_be_said_later(
    scores: list[Score], model: Model, data_folder: Path, work: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_folder, tmp_path / "data")
    table = tmp_path / "data" / "subjects.csv"
    table.write_text(table.read_text().replace("person2", "somebody"))
    after = run(model, tmp_path / "data", work)
    assert after == [replace(score, subject="somebody") for score in scores]


def test_scans_may_lie_in_folders(model: Model, data_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(data_folder, tmp_path / "data" / "site")
    data = DataSettings(tmp_path / "data", val=("site/s2",), test=())
    (scan,) = evaluation_scans(data, ["val"])
    (scores,) = evaluate(model, [scan], ALL_GIVEN, tmp_path / "work", iterations=())
    assert scores[0].scan == "site/s2"


def test_a_single_slice_is_scored_as_it_is(model: Model, brain, tmp_path: Path) -> None:
    middle = brain.scan.shape[1] // 2
    for what, values in (("T1w", brain.scan.voxels), ("labels", brain.labels)):
        cut = nib.Nifti1Image(values[:, [middle]], brain.scan.affine)
        nib.save(cut, tmp_path / f"s_{what}.nii.gz")
    (tmp_path / "subjects.csv").write_text("scan,subject,split\ns,p,val\n")
    scores = run(model, tmp_path, tmp_path / "work", slices=True)
    assert scores[-1].slice_mm is None
    assert scores[-1].mean("dice") is not None


def test_slices_are_scored_one_by_one(model: Model, data_folder: Path, tmp_path: Path) -> None:
    table = "id,tissue4,freesurfer_id\n0,0,0\n1,1,3\n2,2,10\n3,3,2\n4,4,4\n"
    folder = relabelled(data_folder, tmp_path / "data", table)
    scores = run(model, folder, tmp_path / "work", slices=True)
    last = [score for score in scores if score.asked == LAST]
    assert [score.slice_mm for score in last] == list(SLICES_MM)
    assert all(score.mean("dice") is not None for score in last)


def test_slices_need_a_thalamus(model: Model, data_folder: Path, tmp_path: Path) -> None:
    table = "id,tissue4,freesurfer_id\n0,0,0\n1,1,3\n2,2,3\n3,3,2\n4,4,4\n"
    folder = relabelled(data_folder, tmp_path / "data", table)
    with pytest.raises(InputError, match="no thalamus"):
        run(model, folder, tmp_path / "work", slices=True)
