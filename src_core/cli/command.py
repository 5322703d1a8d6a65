"""One command of the program: its name, its arguments, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

PROGRAM = "napari-metaseg"


@dataclass(frozen=True)
class Command:
    """A command, such as ``napari-metaseg segment``.

    Attributes
    ----------
    name : str
    help : str
        What it does, in a few words.
    add_arguments : callable
        Declares its arguments; ``--help`` and ``--debug`` are there already.
    run : callable
        Does what is asked for; raises `InputError` for what the user can mend. torch is imported
        here at the earliest, so that ``--help`` answers at once.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]
