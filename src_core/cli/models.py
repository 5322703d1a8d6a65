"""The command ``models``: the models there are by name, or the card of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.cli.command import Command
from src_core.cli.printing import print_table, print_tree

if TYPE_CHECKING:
    import argparse

    from src_core.models.card import Card


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of a model, or a file")


def _run(args: argparse.Namespace) -> None:
    if args.name is None:
        _print_all()
    else:
        _print_one(args.name)


def _print_all() -> None:
    from src_core.models.bundled import DEFAULT_MODEL, named_model_files
    from src_core.models.model_file import read_model_file

    rows = [["name", "for", "structures", "weights"]]
    for name, path in named_model_files().items():
        card = read_model_file(path).card
        structures = f"{len(card.protocol.structures)}"
        rows.append([name, _purpose(card), structures, f"{card.size:,}"])
    print_table(rows)
    print(f"default: {DEFAULT_MODEL}")


def _purpose(card: Card) -> str:
    """What a model is for."""
    from src_core.space.slices import ORIENTATIONS

    if card.untrained:
        return "any scan"
    return "volumes" if card.slices is None else f"{ORIENTATIONS[card.slices.axis]} slices"


def _print_one(name: str) -> None:
    from src_core.io.protocols import granularities
    from src_core.models.bundled import model_path
    from src_core.models.model_file import read_model_file

    file = read_model_file(model_path(name))
    shown = {key: value for key, value in file.fields.items() if key not in ("format", "protocol")}
    print_tree({**shown, "weights": file.card.size, "sha256": file.sha256})
    print(f"protocol: {', or merged '.join(granularities(file.card.protocol))}")
    print_table([[f"  {s.name}", f"{s.id}"] for s in file.card.protocol.structures])


COMMAND = Command("models", "list models or show one", _add_arguments, _run)
