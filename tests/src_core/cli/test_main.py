"""The command line: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from src_core.cli import main as cli
from src_core.errors import InputError
from src_core.io import export, sample, scan
from src_core.io.labels import protocol
from src_core.models.model import bundled_models

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small scan, its labels, the same with an error, and an empty label map."""
    folder = tmp_path_factory.mktemp("files")
    image, labels = sample.phantom(voxel_size=6.0)
    shifted = np.roll(labels, 1, axis=0)
    paths = {"scan": folder / "sub-01_T1w.nii.gz"}
    export.write_scalar_map(image.voxels, image, paths["scan"])
    for name, values in (("labels", labels), ("shifted", shifted), ("empty", 0 * labels)):
        paths[name] = folder / f"{name}.nii.gz"
        export.write_scalar_map(values, image, paths[name])
    return paths


def run(*words: object) -> int:
    return cli.main([str(word) for word in words])


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    (line,) = captured.readouterr().err.splitlines()
    assert line.startswith("napari-metaseg: error: ")
    return line


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_help_and_version_answer_without_torch(word: str) -> None:
    code = (
        "import sys; from src_core.cli.main import main\n"
        f"try: main([{word!r}])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "napari-metaseg" in done.stdout


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "napari_metaseg", "measure"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "COMMAND"),
        (["segment"], "SCAN"),
        (["segment", "a.nii", "--iterations", "-1"], "--iterations"),
        (["segment", "a.nii", "--device", "tpu"], "tpu"),
        (["segment", "a.nii", "-o", "labels.png"], "must end in .nii or .nii.gz"),
        (["segment", "a.nii", "--warp", "warp.mgz"], "must end in .nii or .nii.gz"),
        (["segment", "a.nii", "--no-align", "--transform", "m.txt"], "not allowed with"),
        (["train"], "CONFIG"),
        (["evaluate", "model", "data"], "--output"),
        (["evaluate", "model", "data", "--output", "out", "--iterations", "1,x"], "--iterations"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == 2
    assert said in error_line(capsys)


def segment(scan_file: Path, model: Path, *words: object) -> int:
    return run("segment", scan_file, "--model", model, "--no-align", *words)


@pytest.fixture
def scan_file(files: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copy(files["scan"], tmp_path))


def test_segment_writes_a_label_map_on_the_grid_of_the_scan_beside_it(
    scan_file: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan_file, tiny_model) == 0
    folder = scan_file.parent
    written = nib.load(folder / "sub-01_T1w_dseg.nii.gz")
    original = nib.load(scan_file)
    assert written.shape == original.shape
    np.testing.assert_array_equal(written.affine, original.affine)
    assert sorted(path.name for path in folder.iterdir()) == [
        "sub-01_T1w.nii.gz",
        "sub-01_T1w_dseg.json",
        "sub-01_T1w_dseg.nii.gz",
        "sub-01_T1w_dseg.tsv",
    ]
    out, err = capsys.readouterr()
    assert "fitting" not in err  # the progress bar is for terminals
    for structure in protocol("tissue4").structures:
        assert structure.name in out
    assert "sub-01_T1w_dseg.nii.gz" in out


def test_segment_writes_everything_that_is_asked_for(
    files: dict[str, Path],
    scan_file: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {
        "--output": "labels.nii.gz",
        "--report": "report.json",
        "--probabilities": "probabilities.nii.gz",
        "--volumes": "volumes.csv",
        "--warp": "warp.nii.gz",
        "--progression": "progression.png",
    }
    words = [word for option, name in asked.items() for word in (option, tmp_path / name)]
    words += ["--lut", "itksnap", "--reference", files["labels"], "--iterations", 3, "--seed", 1]
    assert segment(scan_file, tiny_model, *words) == 0
    for name in (*asked.values(), "labels_itksnap.txt", "labels.tsv"):
        assert (tmp_path / name).stat().st_size > 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["iterations"] == 3
    assert report["seed"] == 1
    assert {"load", "align", "fit", "decode", "write"} <= report["seconds"].keys()
    assert report["dice"].keys() == report["volumes"].keys()
    assert f"{report['mean_dice']:.3f}" in capsys.readouterr().out


def test_segment_takes_the_transform_of_a_file(
    scan_file: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shift = np.eye(4)
    shift[0, 3] = 5
    np.savetxt(tmp_path / "shift.txt", shift)
    report = tmp_path / "report.json"
    words = ["--transform", tmp_path / "shift.txt", "--report", report]
    assert run("segment", scan_file, "--model", tiny_model, *words) == 0
    found = json.loads(report.read_text())
    assert found["alignment"]["method"] == "given"
    np.testing.assert_array_equal(found["transform"], shift)


def test_segment_passes_warnings_on(
    files: dict[str, Path], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nib.load(files["scan"])
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    image.to_filename(tmp_path / "unknown.nii.gz")
    assert segment(tmp_path / "unknown.nii.gz", tiny_model) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert any("side unknown" in line for line in warnings)
    assert all(line.startswith("napari-metaseg: warning: ") for line in warnings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--report", "taken.txt"], "exists"),
        (["--volumes", "no-such-folder/volumes.csv"], "folder"),
        (["--report", "a.csv", "--volumes", "a.csv"], "two outputs"),
        (["--output", "sub-01_T1w.nii.gz", "--overwrite"], "is an input"),
        (["--output", "a.nii.gz", "--report", "a.json"], "two outputs"),
        (["--transform", "taken.txt"], "taken.txt"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--mask", "no-such-mask.nii"], "no-such-mask.nii"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    words: list[str],
    said: str,
    scan_file: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(scan_file.parent)
    Path("taken.txt").write_text("mine")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    monkeypatch.setattr("src_core.segment.Fit", None)  # the fit is never reached
    assert run("segment", scan_file.name, "--model", tiny_model, *words) == 2
    assert said in error_line(capsys)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_scan_that_is_missing_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("segment", "no-such-folder/scan.nii.gz") == 2
    assert "scan.nii.gz does not exist" in error_line(capsys)


def test_an_interrupted_fit_leaves_nothing_behind(
    scan_file: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("src_core.fitting.fit.Fit.__next__", interrupt)
    assert segment(scan_file, tiny_model) == 130
    assert "interrupted" in error_line(capsys)
    assert list(scan_file.parent.iterdir()) == [scan_file]


def test_models_shows_the_card_of_one(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", tiny_model) == 0
    shown = capsys.readouterr().out
    assert "for tests" in shown
    assert "White-Matter" in shown


def test_models_lists_the_bundled_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    shown = capsys.readouterr().out
    for name in bundled_models():
        assert name in shown


def test_evaluate_writes_its_tables_once_and_again_only_if_told(
    data_folder: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scores"
    words = ["evaluate", tiny_model, data_folder, "--output", output]
    words += ["--splits", "val", "--iterations", "0,2", "--leave-out", "CSF"]
    assert run(*words) == 0
    assert "tiny" in capsys.readouterr().out
    names = ("scores.csv", "scans.csv", "summary.md")
    before = [(output / name).read_text() for name in names]
    assert run(*words) == 2
    assert "--overwrite" in error_line(capsys)
    assert run(*words, "--overwrite") == 0
    assert [(output / name).read_text() for name in names] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--leave-out", "Vermis"], "Vermis"),
        (["--splits", "test"], "no scan has the split test"),
        (["--output", "no-such-folder/scores"], "no-such-folder"),
    ],
)
def test_an_evaluation_that_cannot_work_is_refused_before_any_fit(
    words: list[str],
    said: str,
    data_folder: Path,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("src_core.evaluation.evaluate.segment", None)
    monkeypatch.chdir(tmp_path)
    words = ["--splits", "val", "--output", "scores", *words]
    assert run("evaluate", tiny_model, data_folder, *words) == 2
    assert said in error_line(capsys)
    assert list(tmp_path.iterdir()) == []


def test_measure_prints_and_writes_the_comparison(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "scores.json"
    assert run("measure", files["shifted"], files["labels"], "--json", written) == 0
    printed = capsys.readouterr().out
    scores = json.loads(written.read_text())
    assert scores["protocol"] == "tissue4"
    assert 0 < scores["mean"]["dice"] < 1
    for structure in scores["structures"]:
        assert structure["name"] in printed
    assert f"{scores['mean']['dice']:.3f}" in printed


def test_measure_of_equal_maps_is_perfect(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", files["labels"], files["labels"]) == 0
    assert capsys.readouterr().out.count("1.000") == 11  # Dice and similarity, and their means


def test_measure_of_an_empty_label_map_is_a_score_not_an_error(
    files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("measure", files["empty"], files["labels"]) == 0
    assert "0.000" in capsys.readouterr().out


def test_measure_with_unknown_ids_says_which_protocols_there_are(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grid = scan.read_scan(files["labels"])
    export.write_scalar_map(grid.voxels * 1000, grid, tmp_path / "strange.nii.gz")
    assert run("measure", tmp_path / "strange.nii.gz", tmp_path / "strange.nii.gz") == 2
    assert "tissue4" in error_line(capsys)


def test_measure_does_not_overwrite_unasked(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "scores.json"
    written.write_text("mine")
    assert run("measure", files["labels"], files["labels"], "--json", written) == 2
    assert "--overwrite" in error_line(capsys)
    assert written.read_text() == "mine"
    assert run("measure", files["labels"], files["labels"], "--json", written, "--overwrite") == 0
    assert written.read_text() != "mine"


def test_the_sample_is_written_as_a_scan(tmp_path: Path) -> None:
    pytest.importorskip("nilearn")
    assert run("sample", tmp_path / "mni.nii.gz") == 0
    assert scan.read_scan(tmp_path / "mni.nii.gz").shape == (197, 233, 189)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("the scan is\nno scan"), 2, "the scan is no scan"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "--device cpu"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), 1, "memory"),
        (ZeroDivisionError("division by zero"), 1, "--debug"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_failure_is_one_line_with_its_exit_code(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("src_core.io.scan.read_scan", fail)
    assert run("measure", "a.nii", "b.nii") == code
    assert said in error_line(capsys)


def test_debug_shows_the_traceback_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "no-such.nii", "no-such.nii", "--debug") == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("napari-metaseg: error: no-such.nii does not exist")
