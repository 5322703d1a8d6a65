"""Brain MRI segmentation by fitting a small coordinate network to the scan.

The names below are the public Python API. Each is imported from the engine (``src_core``) when it
is first used, so that importing the plugin costs nothing: neither torch nor napari is loaded.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOMES = {
    "__version__": "src_core",
    "InputError": "src_core.errors",
    "Protocol": "src_core.io.labels",
    "Scan": "src_core.io.scan",
    "Segmentation": "src_core.results.segmentation",
    "Step": "src_core.fitting.fit",
    "adapt": "src_core.adaptation.adapt",
    "bundled_models": "src_core.models.bundled",
    "find_corrected_scans": "src_core.adaptation.find",
    "load_model": "src_core.models.model",
    "protocol": "src_core.io.protocols",
    "read_scan": "src_core.io.scan",
    "scan_from_array": "src_core.io.scan",
    "segment": "src_core.segment",
}
"""The module that each public name is imported from."""

__all__ = list(HOMES)


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
