"""The command ``train``: a model made as a configuration file says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.arguments import add_options, add_overwrite
from src_core.cli.command import Command
from src_core.cli.printing import print_written
from src_core.io.files import check_writable
from src_core.options import options_of
from src_core.request import Request

if TYPE_CHECKING:
    import argparse

_OPTIONS = ("device", "threads", "seed")
"""Those of a request that a training has too."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG.toml", help="see docs/training.md")
    add("--work", type=Path, metavar="FOLDER", help="what an interrupted run resumes")
    for name in _OPTIONS:  # where one is not given, it is as the configuration says
        add_options(parser, [replace(options_of(Request)[name], default=None, short="")])


def _run(args: argparse.Namespace) -> None:
    from src_core.training.config import read_config
    from src_core.training.train import train

    overrides = {name: getattr(args, name) for name in ("work", *_OPTIONS)}
    settings = read_config(args.config, overrides)
    read = [args.config, settings.template, settings.from_model]
    check_writable([settings.output], args.overwrite, [path for path in read if path])
    train(settings)
    print_written([settings.output])


COMMAND = Command("train", "make a model", _add_arguments, _run)
