"""The commands `batch`, `bids` and `report`: what they write, and what they refuse at once."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers.command_line import error_line, run
from tests.helpers.datasets import touch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of one thread, which starts at once and has torch."""
    from distributed import Client

    @contextmanager
    def connected(*_: Any) -> Iterator[Client]:
        with Client(
            processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as client:
            yield client

    monkeypatch.setattr("src_core.cohort.batch.connected", connected)


@pytest.fixture
def data_set(scan_file: Path) -> Path:
    root = scan_file.parent / "bids"
    for subject in ("01", "02"):
        (root / f"sub-{subject}" / "anat").mkdir(parents=True)
        shutil.copy(scan_file, root / f"sub-{subject}/anat/sub-{subject}_T1w.nii.gz")
    return root


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_bids_app_segments_participants_and_then_tells_of_the_group(
    in_this_process: None,
    data_set: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    words = ["--model", tiny_model, "--no-align", "--iterations", 1, "--time-limit", 0]
    label = ["--participant_label", "02"]
    assert run("bids", data_set, output, "participant", *words, *label) == 0
    assert (output / "sub-02/anat/sub-02_seg-tissue4_dseg.nii.gz").exists()
    assert not (output / "sub-01").exists()
    assert not (output / "volumes.tsv").exists()
    assert run("bids", data_set, output, "group") == 0
    assert (output / "volumes.tsv").read_text().count("\n") == 2
    (data_set / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"nothing")
    capsys.readouterr()
    assert run("batch", data_set, output, *words) == 0
    out, err = capsys.readouterr()
    assert "1 scans to do, 1 done before" in out
    assert "warning: sub-01 failed: " in err
    assert "1 scans have labels, 1 failed" in out
    (output / "report.html").unlink()
    assert run("report", output) == 0
    assert "sub-02" in (output / "report.html").read_text()
    assert run("batch", data_set, output, *words, "--seed", 4) == 2
    assert "was made with seed 0, not 4" in error_line(capsys)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty", "out"], "holds no scan"),
        (["missing.csv", "out"], "missing.csv: no such file"),
        (["scans.csv", "out"], "lists what does not exist"),
        (["data", "data/out"], "lies in the input"),
        (["data", "taken.txt"], "is a file"),
        (["data", "out", "--brain", "mask.nii"], "cannot be the brain of all scans"),
        (["data", "out", "--participant-label", "7"], "no scan of participant 7"),
        (["data", "out", "--model", "no-such"], "no-such"),
        (["data", "out", "--scheduler-file", "none.json"], "none.json does not exist"),
        (["data", "out", "--cluster", "none.yaml"], "none.yaml cannot be read"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_segmented(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "taken.txt", "data/sub-01_T1w.nii.gz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "scans.csv").write_text("scan\nnowhere.nii\n")
    assert run("batch", *words) == 2
    assert said in error_line(capsys)
    assert not list(tmp_path.rglob("*_dseg*"))


def test_a_folder_that_holds_no_study_has_no_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("report", tmp_path) == 2
    assert "holds no cohort" in error_line(capsys)
