"""Labelled scans as points to learn from."""
