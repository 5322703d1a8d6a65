"""Fit a network to one scan, and ask the result about voxels."""
