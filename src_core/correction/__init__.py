"""Corrections of labels that a fitted network learns."""
