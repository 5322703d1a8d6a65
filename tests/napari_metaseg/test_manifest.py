"""What napari is told about the plugin is there and loads quickly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import npe2
import pytest

import napari_metaseg
from napari_metaseg import view

MANIFEST = npe2.PluginManifest.from_file(Path(napari_metaseg.__file__).parent / "napari.yaml")


def test_every_command_can_be_imported() -> None:
    MANIFEST.validate_imports()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz", "a.mgh", "a.dcm", "a.ima"])
def test_files_and_folders_are_offered_to_the_reader(name: str) -> None:
    (reader,) = MANIFEST.contributions.readers
    assert reader.accepts_directories
    assert any(Path(name).match(pattern) for pattern in reader.filename_patterns)


@pytest.mark.parametrize("kind", ["labels", "image"])
def test_layers_are_offered_to_a_writer(kind: str) -> None:
    (writer,) = (w for w in MANIFEST.contributions.writers if w.layer_types == [kind])
    assert {".nii", ".nii.gz"} <= set(writer.filename_extensions)


def test_the_panel_is_in_the_menus() -> None:
    widget, *_ = MANIFEST.contributions.widgets
    assert (widget.command, widget.display_name) == ("napari-metaseg.panel", view.PANEL)
    entries = MANIFEST.contributions.menus["napari/layers/segment"]
    assert [entry.command for entry in entries] == [widget.command]


def test_opening_and_saving_do_not_load_torch() -> None:
    code = (
        "import sys; from napari_metaseg.layers import reader, sample_data, writer; "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
