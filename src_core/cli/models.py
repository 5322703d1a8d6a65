"""The command ``models``: the bundled models, or the card of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.cli.command import Command
from src_core.cli.printing import print_table, print_tree

if TYPE_CHECKING:
    import argparse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="a bundled model, or a file")


def _run(args: argparse.Namespace) -> None:
    if args.name is None:
        _print_all()
    else:
        _print_one(args.name)


def _print_all() -> None:
    from src_core.models.model import bundled_models, load_model

    models = [load_model(name) for name in bundled_models()]
    rows = [["name", "structures", "weights"]]
    rows += [[m.name, f"{len(m.protocol.structures)}", f"{m.size:,}"] for m in models]
    print_table(rows)


def _print_one(name: str) -> None:
    from src_core.models.model import load_model

    model = load_model(name)
    shown = {key: value for key, value in model.card.items() if key not in ("format", "protocol")}
    print_tree({**shown, "weights": model.size, "sha256": model.sha256})
    print(f"protocol: {model.protocol.name}")
    print_table([[f"  {s.name}", f"{s.id}"] for s in model.protocol.structures])


COMMAND = Command("models", "list models or show one", _add_arguments, _run)
