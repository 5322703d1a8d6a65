"""The sub-command ``napari-metaseg view``: napari with scans and the panel.

napari and Qt are imported by the functions only, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.command import Command
from src_core.errors import InputError
from src_core.io.files import check_exists
from src_core.models.bundled import bundled_model_files, own_model_files

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari import Viewer
    from napari.layers import Layer

    from napari_metaseg.panel.panel import SegmentPanel

PLUGIN, PANEL = "napari-metaseg", "Segment brain MRI"
_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")


def open_window(
    viewer: Viewer,
    scans: Sequence[Path],
    *,
    model: str | None = None,
    mask: Path | None = None,
    reference: Path | None = None,
) -> SegmentPanel:
    """Open files in a viewer, and the panel beside them.

    Parameters
    ----------
    viewer : Viewer
    scans : sequence of Path
        Label maps among them are shown as such. The last one is chosen in the panel.
    model : str, optional
        Name or file of the model to be chosen in the panel, and remembered.
    mask, reference : Path, optional
        Label maps to be chosen in the panel.

    Raises
    ------
    InputError
        If a file cannot be used.
    """
    from napari_metaseg.layers.reader import get_reader

    if model is not None:
        _remember_model(model)
    for scan in scans:
        if get_reader(scan) is None:
            raise InputError(
                f"{scan} is not a NIfTI or MGH file, nor a folder of DICOM files; convert the scan"
                " to .nii.gz"
            )
    opened = viewer.open([os.fspath(scan) for scan in scans], plugin=PLUGIN)
    panel: SegmentPanel
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)
    for what, path, choose in (
        ("brain mask", mask, panel.inputs.choose_mask),
        ("reference", reference, panel.inputs.choose_reference),
    ):
        if path is not None:
            layer = viewer.add_layer(_labels_layer(path, what))
            layer.visible = False
            choose(layer)
    if opened:
        viewer.layers.selection.active = opened[-1]
    return panel


def _view(args: argparse.Namespace) -> None:
    for path in filter(None, [*args.scans, args.mask, args.reference]):
        check_exists(path)
    if args.segment and not args.scans:
        raise InputError("--segment needs a scan; name one")
    require_window()
    import napari

    viewer = napari.Viewer(show=False)
    try:
        panel = open_window(
            viewer, args.scans, model=args.model, mask=args.mask, reference=args.reference
        )
    except Exception:
        viewer.close()
        raise
    viewer.show()
    if args.segment:
        panel.segment()
    napari.run()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "scans",
        type=Path,
        nargs="*",
        metavar="SCAN",
        help=".nii, .nii.gz or .mgz, or a folder of DICOM files; label maps too",
    )
    parser.add_argument("--model", metavar="NAME|FILE", help="default: the one used last")
    parser.add_argument(
        "--mask", type=Path, metavar="FILE", help="brain mask, for a scan with its skull"
    )
    parser.add_argument(
        "--reference", type=Path, metavar="FILE", help="label map to compute Dice against"
    )
    parser.add_argument("--segment", action="store_true", help="start at once with the last scan")


COMMAND = Command("view", "open napari with scans and the panel", _add_arguments, _view)


def require_window() -> None:
    """Find out before anything is loaded whether a window can be opened.

    Raises
    ------
    InputError
        There is no screen, or no Qt.
    """
    _require_screen()
    _require_qt()


def _require_screen() -> None:
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    if sys.platform == "linux" and not any(map(os.environ.get, names)):
        raise InputError(
            "there is no screen to open a window on (DISPLAY is not set): log in at a desktop or "
            "with ssh -X, or use napari-metaseg segment"
        )


def _require_qt() -> None:
    if not any(map(find_spec, _BINDINGS)):
        raise InputError("no Qt binding is installed: run pip install 'napari-metaseg[pyqt6]'")
    try:
        import_module("qtpy.QtWidgets")
    except ImportError as error:
        raise InputError(f"Qt cannot be loaded ({error}): install what it lacks") from error


def _remember_model(model: str) -> None:
    """Make a model the one used last, as choosing it in the panel does."""
    from napari_metaseg.preferences import remember
    from src_core.models.model_file import read_model_file

    bundled, model = bundled_model_files(), str(own_model_files().get(model, model))
    if model not in bundled:
        if not Path(model).exists():
            raise InputError(
                f"there is no model {model}; name a file, or a bundled one: {', '.join(bundled)}"
            )
        read_model_file(Path(model))
    remember(model=model)


def _labels_layer(path: Path, what: str) -> Layer:
    """A file of whole numbers as a Labels layer, whatever its name says."""
    from napari.layers import Layer

    from napari_metaseg.layers.reader import read_labels

    found = read_labels(path)
    if found is None:
        raise InputError(f"{what} {path} does not hold whole numbers; give a label map")
    layer, _ = found
    return Layer.create(*layer)
