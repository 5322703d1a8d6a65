"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declare ``--overwrite``, for a command that writes files."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def image_file(text: str) -> Path:
    """Name of an image file to write."""
    return _with_suffix(text, (".nii", ".nii.gz", ".mgz", ".mgh"))


def nifti_file(text: str) -> Path:
    """Name of a NIfTI file to write."""
    return _with_suffix(text, (".nii", ".nii.gz"))


def png_file(text: str) -> Path:
    """Name of a PNG file to write."""
    return _with_suffix(text, (".png",))


def _with_suffix(text: str, suffixes: tuple[str, ...]) -> Path:
    if not text.lower().endswith(suffixes):
        raise argparse.ArgumentTypeError(f"{text} must end in {' or '.join(suffixes)}")
    return Path(text)


def listed(text: str) -> list[str]:
    """Words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def not_negative(text: str) -> int:
    """A whole number from 0 on."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def iterations(text: str) -> list[int]:
    """Whole numbers from 0 on between commas, rising."""
    return sorted({not_negative(word) for word in listed(text)})
