"""The program: its help, and how it ends."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src_core.errors import InputError
from src_core.io.sample import phantom
from tests.helpers.command_line import error_line, run

ROOT = Path(__file__).parents[3]


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


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "\u982d.nii"), ("ascii", "sch\u00e4del.nii"), ("utf-8", "no-text-\udcff.nii")],
)
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no file can have such names")
def test_no_name_of_a_file_is_too_odd_to_be_printed(
    encoding: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src_core.io.sample.mni152_t1", lambda: phantom(voxel_size=12.0)[0])
    printed = io.BytesIO()
    stream = io.TextIOWrapper(printed, encoding=encoding, errors="strict")
    monkeypatch.setattr(sys, "stdout", stream)
    assert run("sample", tmp_path / name) == 0
    stream.flush()
    assert b"written: " in printed.getvalue()
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_program_that_is_told_to_end_leaves_no_half_written_file(
    name: str, tmp_path: Path
) -> None:
    code = (
        "import signal, sys, time\n"
        # Whoever runs the tests may ignore it, as nohup does; programs inherit that.
        "signal.signal(signal.Signals[sys.argv[2]], signal.SIG_DFL)\n"
        "from src_core.cli.main import main\n"
        "from src_core.io import export\n"
        "def save(volume, scan, path, intent=0):\n"
        "    path.write_text('half of it')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(60)\n"
        "export._save_image = save\n"
        "from src_core.io import sample\n"
        "sample.mni152_t1 = lambda: sample.phantom(12.0)[0]\n"
        "main(['sample', sys.argv[1]])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "scan.nii"), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "writing\n"
        assert len(list(tmp_path.iterdir())) == 1
        program.send_signal(getattr(signal, name))
        assert program.wait(30) == -getattr(signal, name)
    assert list(tmp_path.iterdir()) == []
