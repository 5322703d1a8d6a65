"""Importing the plugin is cheap, and its Python API is there when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import napari_metaseg

HEAVY = ("torch", "napari", "qtpy", "magicgui", "nibabel", "scipy")


def test_importing_the_plugin_loads_nothing_heavy() -> None:
    code = f"import napari_metaseg, sys; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [n for n in napari_metaseg.__all__ if n != "__version__"])
def test_every_public_name_resolves(name: str) -> None:
    assert getattr(napari_metaseg, name).__name__ == name
    assert name in dir(napari_metaseg)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = napari_metaseg.no_such_thing


def test_the_manifest_is_valid() -> None:
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_file(Path(napari_metaseg.__file__).parent / "napari.yaml")
    assert manifest.name == "napari-metaseg"
