"""An option that is declared in one place shows up in all four."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DECLARED = """
    smooth: bool = option(
        False, help="Smooth the scan first.", title="Smooth", remembered=True
    )

    def __post_init__"""
SHOWS_UP = """
import inspect
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication, QCheckBox
from napari_metaseg.panel.inputs import Inputs
from napari_metaseg.preferences import Preferences, configurations, load_preferences
from napari_metaseg.run.request import Request
from src_core.cli.main import main
from src_core.segment import segment

# Python
assert inspect.signature(segment).parameters["smooth"].default is False
assert "smooth : bool\\n    Smooth the scan first." in inspect.getdoc(segment)

# command line
handed = []
def fake(request, **_):
    handed.append(request)
    raise KeyboardInterrupt
import src_core.segment
src_core.segment.segment = fake
assert main(["segment", "scan.nii", "--smooth"]) == 130
assert handed[0].smooth

# preferences
assert Preferences(smooth=True) != Preferences()
assert configurations()["segmentation"]["properties"]["smooth"]["title"] == "Smooth"

# panel; without napari's page, whose manifest is another, choices last for the session
import napari.settings
vars(napari.settings).pop("get_plugin_settings", None)
app = QApplication([])
form = Inputs(ViewerModel())
labelled = {form.layout().labelForField(box).text(): box for box in form.findChildren(QCheckBox)}
box = labelled["Smooth"]
assert not Request("", **form.choices).smooth
box.click()
assert Request("", **form.choices).smooth
assert load_preferences().smooth
"""


def test_one_field_more_is_an_option_everywhere(tmp_path: Path) -> None:
    for package in ("src_core", "napari_metaseg"):
        shutil.copytree(ROOT / package, tmp_path / package)
    declared = tmp_path / "src_core" / "request.py"
    text = declared.read_text(encoding="utf-8")
    assert text.count("\n    def __post_init__") == 1
    declared.write_text(text.replace("\n    def __post_init__", DECLARED), encoding="utf-8")
    (tmp_path / "scan.nii").touch()
    subprocess.run([sys.executable, "-c", SHOWS_UP], cwd=tmp_path, check=True)
