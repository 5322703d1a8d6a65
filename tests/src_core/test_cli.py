"""The command line: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src_core import cli, export, sample, scan
from src_core.errors import InputError

ROOT = Path(__file__).parents[2]


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
        "import sys; from src_core.cli import main\n"
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
        (["segment", "a.nii", "--iterations", "0"], "--iterations"),
        (["segment", "a.nii", "--device", "tpu"], "tpu"),
        (["segment", "a.nii", "-o", "labels.png"], "must end in .nii or .nii.gz"),
        (["segment", "a.nii", "--warp", "warp.mgz"], "must end in .nii or .nii.gz"),
        (["segment", "a.nii", "--no-align", "--transform", "m.txt"], "not allowed with"),
        (["train", "data"], "--output"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == 2
    assert said in error_line(capsys)


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

    monkeypatch.setattr("src_core.scan.read_scan", fail)
    assert run("measure", "a.nii", "b.nii") == code
    assert said in error_line(capsys)


def test_debug_shows_the_traceback_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("measure", "no-such.nii", "no-such.nii", "--debug") == 2
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert said.splitlines()[-1].startswith("napari-metaseg: error: no-such.nii does not exist")
