"""Arguments that several commands take, and readers of their values."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.io.files import IMAGE_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from src_core.options import Option

_METAVARS: dict[type, str] = {int: "N", float: "X", str: "TEXT", Path: "FILE"}


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Declare ``--overwrite``, for a command that writes files."""
    parser.add_argument("--overwrite", action="store_true", help="replace existing files")


def add_options(parser: argparse.ArgumentParser, options: Iterable[Option]) -> None:
    """Declare options; the parsed arguments have their names."""
    groups: dict[str, argparse._MutuallyExclusiveGroup] = {}
    for option in options:
        if option.group and option.group not in groups:
            groups[option.group] = parser.add_mutually_exclusive_group()
        _add_option(groups[option.group] if option.group else parser, option)


def _add_option(
    to: argparse.ArgumentParser | argparse._MutuallyExclusiveGroup, option: Option
) -> None:
    words = option.name.replace("_", "-")
    said = option.help.replace("%", "%%") if option.short is None else option.short
    if option.kind is bool:
        flag, action = (
            (f"--no-{words}", "store_false") if option.default else (f"--{words}", "store_true")
        )
        to.add_argument(flag, dest=option.name, action=action, help=said)
    elif option.choices:
        choices = list(option.choices)
        to.add_argument(f"--{words}", choices=choices, default=option.default, help=said)
    else:
        numeric = option.kind in (int, float)
        to.add_argument(
            f"--{words}",
            type=number(option.kind, option.least or 0, option.most) if numeric else option.kind,
            default=option.default,
            metavar=option.metavar or _METAVARS[option.kind],
            help=said,
        )


def image_file(text: str) -> Path:
    """Name of an image file to write."""
    return _with_suffix(text, IMAGE_ENDINGS)


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


def number(kind: type, least: float = 0, most: float | None = None) -> Callable[[str], int | float]:
    """A reader of numbers in a range; `kind` is int or float."""

    def read(text: str) -> int | float:
        value: int | float = kind(text)
        if value < least:
            usual = {0.0: "is negative", 1.0: "is not a positive number"}
            raise argparse.ArgumentTypeError(f"{text} {usual.get(least, f'is below {least}')}")
        if most is not None and value > most:
            raise argparse.ArgumentTypeError(f"{text} is above {most}")
        return value

    read.__name__ = "whole number" if kind is int else "number"  # argparse says it
    return read


def iterations(text: str) -> list[int]:
    """Whole numbers from 0 on between commas, rising."""
    read = number(int)
    return sorted({int(read(word)) for word in listed(text)})
