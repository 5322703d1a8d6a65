"""Labelled scans: where they lie, which is for what, what their ids mean. No torch."""
