"""The sub-command ``napari-metaseg review``: napari with a study to judge and correct."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_metaseg.view import PLUGIN, require_window
from src_core.cli.command import Command

if TYPE_CHECKING:
    import argparse

    from napari import Viewer

    from napari_metaseg.review.panel import ReviewPanel

PANEL = "Review a study"


def open_review(viewer: Viewer, output: Path) -> ReviewPanel:
    """Open the scans of a study in a viewer, and the panel beside them.

    Raises
    ------
    InputError
        If there is no study.
    """
    panel: ReviewPanel
    _, panel = viewer.window.add_plugin_dock_widget(PLUGIN, PANEL)
    panel.open(output)
    return panel


def _review(args: argparse.Namespace) -> None:
    from src_core.cohort.records import protocol_in

    protocol_in(args.output)  # before a window opens
    require_window()
    import napari

    viewer = napari.Viewer(show=False)
    try:
        open_review(viewer, args.output)
    except Exception:
        viewer.close()
        raise
    viewer.show()
    napari.run()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="of the command batch or bids")


COMMAND = Command("review", "judge and correct the scans of a study", _add_arguments, _review)
