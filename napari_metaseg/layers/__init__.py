"""Scans, labels and what follows a fit as napari's layers. No Qt."""
