"""Scans, labels and live pictures as napari's layers. No Qt."""
