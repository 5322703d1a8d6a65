"""What is built from the sources holds all that is needed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg")
BASE = SETUP["options"]["install_requires"]
EXTRAS = SETUP["options.extras_require"]


def requirements(text: str) -> list[Requirement]:
    lines = (line.strip() for line in text.splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_wheel_holds_every_module_model_and_notice(tmp_path: Path) -> None:
    source = tmp_path / "source"  # building leaves files behind
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".*", "build", "demo", "*.egg-info")
    )
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        file.relative_to(ROOT).as_posix()
        for package in ("src_core", "napari_metaseg")
        for pattern in ("*.py", "*.yaml", "*.safetensors", "*.md", "*.tsv", "py.typed", "page/*")
        for file in (ROOT / package).rglob(pattern)
    }
    assert wanted <= packed
    assert {"napari_metaseg/napari.yaml", "napari_metaseg/py.typed", "src_core/py.typed"} <= packed
    assert sum(name.endswith(".safetensors") for name in packed) == 9
    assert any(name.endswith("licenses/LICENSE-WEIGHTS.md") for name in packed)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in packed)
    assert wheel.stat().st_size < 14e6


def test_the_choice_of_a_qt_binding_is_left_to_the_user() -> None:
    base = {requirement.name for requirement in requirements(BASE)}
    assert not base & {"PyQt5", "PyQt6", "PySide2", "PySide6"}
    assert "napari[" not in BASE
    assert {"pyqt6", "pyside6"} <= set(EXTRAS)


def test_the_tested_versions_are_among_those_allowed() -> None:
    pins = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in requirements((ROOT / "constraints.txt").read_text())
    }
    for requirement in requirements("\n".join([BASE, *EXTRAS.values()])):
        needed = requirement.marker is None or requirement.marker.evaluate()
        if needed and requirement.name != SETUP["metadata"]["name"]:
            pin = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pin), f"{requirement}, but tested with {pin}"


def test_the_command_is_there() -> None:
    name, _, place = SETUP["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = place.partition(":")
    assert name == "napari-metaseg"
    assert callable(getattr(import_module(module), function))
