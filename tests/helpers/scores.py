"""Scores of made-up segmentations."""

from __future__ import annotations

from src_core.evaluation.scores import LAST, Score, StructureScore

STRUCTURES = ("Cortex", "Subcortical-Gray-Matter", "White-Matter", "CSF")


def score(scan: str, *dice: float | None, subject: str = "", asked: str = LAST) -> Score:
    """A score with a Dice for each of the four tissues."""
    structures = tuple(
        StructureScore(name, value, 1.0, 0.5, 0.9, 100.0, 110.0)
        for name, value in zip(STRUCTURES, dice, strict=True)
    )
    iteration = 130 if asked == LAST else int(asked)
    return Score(
        scan,
        subject or scan,
        "val",
        None,
        asked,
        iteration,
        5.0,
        "iterations",
        30.0,
        0.9,
        structures,
    )
