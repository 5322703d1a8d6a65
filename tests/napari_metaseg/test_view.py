"""`napari-metaseg view`: what is open when the window appears, and what is said when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_metaseg import preferences, view
from napari_metaseg.__main__ import main
from napari_metaseg.panel.panel import SegmentPanel
from napari_metaseg.preferences import Preferences
from src_core.io import export
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small scan, its labels and its mask under names that say nothing, and what is no scan."""
    folder = tmp_path_factory.mktemp("files")
    scan, labels = phantom(voxel_size=6.0)
    images = {"scan": scan.voxels, "labels": labels, "mask": (scan.voxels > 0).astype(np.uint8)}
    paths = {}
    for name, values in images.items():
        paths[name] = folder / f"{name[0]}.nii.gz"
        export.write_scalar_map(values.astype(np.float32), scan, paths[name])
    paths["damaged"] = folder / "damaged.nii"
    paths["damaged"].write_text("no scan")
    paths["text"] = folder / "notes.txt"
    paths["text"].write_text("no scan")
    return paths


@pytest.fixture
def run(
    make_napari_viewer: Callable[..., napari.Viewer],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., SimpleNamespace]:
    """Run the command in a viewer of the test, up to where the window would wait for the user."""
    monkeypatch.setattr(preferences, "_this_session", Preferences())
    found = SimpleNamespace(viewer=None, panel=None, segmented=False)

    def open_viewer(**_: Any) -> napari.Viewer:
        found.viewer = make_napari_viewer()
        return found.viewer

    def run_loop() -> None:
        (found.panel,) = found.viewer.window._qt_window.findChildren(SegmentPanel)

    monkeypatch.setattr(napari, "Viewer", open_viewer)
    monkeypatch.setattr(napari, "run", run_loop)
    monkeypatch.setattr(SegmentPanel, "segment", lambda _: setattr(found, "segmented", True))

    def run(*words: object) -> SimpleNamespace:
        found.code = main(["view", *map(str, words)])
        return found

    return run


def test_without_a_scan_napari_opens_with_the_panel(run: Callable[..., SimpleNamespace]) -> None:
    opened = run()
    assert opened.code == 0
    assert not opened.viewer.layers
    assert opened.panel.inputs.scan_layer is None
    assert not opened.segmented


def test_scans_are_read_by_the_plugin_and_the_last_one_is_chosen(
    run: Callable[..., SimpleNamespace], files: dict[str, Path]
) -> None:
    opened = run(files["mask"], files["scan"], "--segment")
    layers = opened.viewer.layers
    assert [layer.name for layer in layers] == ["m", "s"]
    assert {layer.source.reader_plugin for layer in layers} == {"napari-metaseg"}
    assert opened.panel.inputs.scan_layer is layers["s"]
    assert opened.segmented


def test_mask_and_reference_are_opened_as_labels_and_chosen(
    run: Callable[..., SimpleNamespace], files: dict[str, Path]
) -> None:
    opened = run(files["scan"], "--mask", files["mask"], "--reference", files["labels"])
    inputs = opened.panel.inputs
    assert isinstance(inputs.scan_layer, Image)
    assert inputs.scan_layer.name == "s"
    assert isinstance(inputs.mask_layer, Labels)
    assert inputs.mask_layer.name == "m"
    assert isinstance(inputs.reference_layer, Labels)
    assert inputs.reference_layer.name == "l"
    assert inputs.reference_layer.data.max() == 4


def test_a_model_of_ones_own_is_chosen(
    run: Callable[..., SimpleNamespace], files: dict[str, Path], tmp_path: Path
) -> None:
    from src_core.models.bundled import bundled_model_files

    (bundled, *_) = bundled_model_files().values()
    mine = tmp_path / "mine.safetensors"
    mine.symlink_to(bundled)
    assert run(files["scan"], "--model", mine).panel.inputs.choices["model"] == str(mine)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["no-such-scan.nii"], "no-such-scan.nii does not exist"),
        (["{scan}", "--mask", "no-such-mask.nii"], "no-such-mask.nii does not exist"),
        (["--segment"], "needs a scan"),
        (["{damaged}"], "not a NIfTI"),
        (["{text}"], "not a NIfTI"),
        (["{scan}", "--reference", "{scan}"], "whole numbers"),
        (["{scan}", "--model", "no-such-model"], "brain3d-tissue"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    words: list[str],
    said: str,
    run: Callable[..., SimpleNamespace],
    files: dict[str, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*(word.format(**files) for word in words)).code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("napari-metaseg: error: ")
    assert said in line


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_without_a_screen_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert main(["view"]) == 2
    assert "no screen" in capsys.readouterr().err


def test_without_a_qt_binding_the_way_to_get_one_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(view, "find_spec", lambda _: None)
    assert main(["view"]) == 2
    assert "pip install 'napari-metaseg[pyqt6]'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["view", "--help"]])
def test_help_loads_neither_napari_nor_torch(words: list[str]) -> None:
    code = (
        "import sys; from napari_metaseg.__main__ import main\n"
        f"try: main({words!r})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'napari', 'qtpy'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "view" in done.stdout
