"""The command ``train``: a model made as a configuration file says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.arguments import add_overwrite, not_negative, positive
from src_core.cli.command import Command
from src_core.cli.printing import print_written
from src_core.fitting.device import DEVICES
from src_core.io.files import check_writable

if TYPE_CHECKING:
    import argparse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("config", type=Path, metavar="CONFIG.toml", help="see docs/training.md")
    add("--work", type=Path, metavar="FOLDER", help="what an interrupted run resumes")
    add("--device", choices=DEVICES)
    add("--threads", type=positive, metavar="N")
    add("--seed", type=not_negative, metavar="N")


def _run(args: argparse.Namespace) -> None:
    from src_core.training.config import read_config
    from src_core.training.train import train

    overrides = {name: getattr(args, name) for name in ("work", "device", "threads", "seed")}
    settings = read_config(args.config, overrides)
    read = [args.config, settings.template, settings.from_model]
    check_writable([settings.output], args.overwrite, [path for path in read if path])
    train(settings)
    print_written([settings.output])


COMMAND = Command("train", "make a model", _add_arguments, _run)
