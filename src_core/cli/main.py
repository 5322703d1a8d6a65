"""The program ``napari-metaseg``: its commands, and how it ends.

Exit codes: 0 done, 1 failure, 2 bad input or wrong arguments, 130 interrupted. What cannot be
mended by the program is said in one line on stderr.
"""

from __future__ import annotations

import argparse
import traceback
from typing import TYPE_CHECKING, NoReturn

from typing_extensions import override

from src_core import __version__
from src_core.cli import evaluate, measure, models, sample, segment, train
from src_core.cli.command import PROGRAM, Command
from src_core.cli.printing import print_problem
from src_core.errors import InputError, explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAILURE, BAD_INPUT, INTERRUPTED = 1, 2, 130
_COMMANDS = tuple(module.COMMAND for module in (segment, measure, models, train, evaluate, sample))


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
    args = _parser([*_COMMANDS, *more]).parse_args(arguments)
    try:
        args.run(args)
    except KeyboardInterrupt:
        code, message = INTERRUPTED, "interrupted"
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        code, message = BAD_INPUT, explain(error)
        if not isinstance(error, InputError):
            code, message = FAILURE, f"{message} (--debug shows where)"
    else:
        return 0
    print_problem("error", message)
    return code


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
