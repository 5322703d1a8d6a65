"""The program ``napari-metaseg``: its commands, and how it ends.

Exit codes: 0 done, 1 failure, 2 bad input or wrong arguments, 130 interrupted. What cannot be
mended by the program is said in one line on stderr.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from typing_extensions import override

from src_core import __version__
from src_core.cli import (
    adapt,
    batch,
    bids,
    evaluate,
    longitudinal,
    measure,
    models,
    report,
    sample,
    segment,
    train,
)
from src_core.cli.command import PROGRAM, Command
from src_core.cli.printing import print_problem
from src_core.errors import InputError, explain
from src_core.io.files import remove_unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

FAILURE, BAD_INPUT, INTERRUPTED = 1, 2, 130
_ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
_MODULES = (
    segment,
    batch,
    bids,
    report,
    longitudinal,
    measure,
    models,
    train,
    adapt,
    evaluate,
    sample,
)
COMMANDS = tuple(module.COMMAND for module in _MODULES)


def main(arguments: Sequence[str] | None = None, more: Iterable[Command] = ()) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; those of the process by default.
    more : iterable of Command
        Commands besides the engine's own.

    Returns
    -------
    int
        The exit code.
    """
    _accept_any_text()
    args = _parser([*COMMANDS, *more]).parse_args(arguments)
    try:
        with _cleaning_up_when_told_to_end():
            args.run(args)
    except KeyboardInterrupt:
        code, message = INTERRUPTED, "interrupted"
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        code, message = BAD_INPUT, explain(error, "--{}".format)
        if not isinstance(error, InputError):
            code, message = FAILURE, f"{message} (--debug shows where)"
    else:
        return 0
    print_problem("error", message)
    return code


def _accept_any_text() -> None:
    """Print what the encoding of a stream lacks by its number: no name of a file is a failure."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _cleaning_up_when_told_to_end() -> Iterator[None]:
    """Leave no half-written file behind when a signal ends the program."""
    numbers = [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # others may not listen to signals
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _clean_up_and_end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _clean_up_and_end(number: int, _frame: FrameType | None) -> None:
    remove_unfinished()
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def _parser(commands: Iterable[Command]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Segment brain MRI by fitting a small coordinate network. Research use only.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in commands:
        its_parser = added.add_parser(command.name, help=command.help)
        its_parser.set_defaults(run=command.run)
        its_parser.add_argument(
            "--debug", action="store_true", help="show the traceback of an error"
        )
        command.add_arguments(its_parser)
    return parser


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    @override
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")
