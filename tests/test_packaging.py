"""What is built from the sources holds all that is needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


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
        for pattern in ("*.py", "*.yaml", "*.safetensors", "*.md")
        for file in (ROOT / package).rglob(pattern)
    }
    assert wanted <= packed
    assert any(name.endswith("licenses/LICENSE-WEIGHTS.md") for name in packed)
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in packed)
