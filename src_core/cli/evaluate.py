"""The command ``evaluate``: models scored on labelled scans, in tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.arguments import add_options, add_overwrite, iterations, listed
from src_core.cli.command import Command
from src_core.cli.printing import print_table, print_written
from src_core.errors import InputError
from src_core.io.files import check_writable
from src_core.options import options_of
from src_core.request import Request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from src_core.datasets.settings import DataSettings
    from src_core.evaluation.evaluated import Evaluated
    from src_core.evaluation.scores import Score
    from src_core.models.model import Model


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("models", nargs="+", metavar="MODEL", help="name or file")
    add(
        "data",
        type=Path,
        metavar="DATA",
        help="folder or table of scans and label maps, or a training.toml",
    )
    add(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="for the tables, and for what an interrupted run resumes",
    )
    add(
        "--splits",
        type=listed,
        default=["val", "test"],
        metavar="A,B",
        help="default: val,test",
    )
    add(
        "--iterations",
        type=iterations,
        metavar="N,N",
        help="scored besides the last; default: 0,2,10,30,50,100",
    )
    add("--leave-out", type=listed, default=[], metavar="A,B", help="structures not in the means")
    add("--slices", action="store_true", help="coronal slices through the thalamus, +-10 mm")
    options = options_of(Request)
    add_options(parser, [options[name] for name in ("labels", "device", "threads", "seed")])


def _run(args: argparse.Namespace) -> None:
    from src_core.evaluation.summary import overview
    from src_core.evaluation.tables import write_tables
    from src_core.models.model import load_model

    models = [load_model(name) for name in args.models]
    for model in models:
        model.card.require_structures()
    models = [model.in_protocol(args.labels) for model in models]
    known = {structure.name for model in models for structure in model.protocol.structures}
    if unknown := sorted(set(args.leave_out) - known):
        raise InputError(f"no structure is called {', '.join(unknown)}; napari-metaseg models NAME")
    evaluated = _evaluate(models, args)
    written = write_tables(evaluated, args.output, args.overwrite)
    print_table(overview(evaluated))
    print_written(written)


def _evaluate(models: Sequence[Model], args: argparse.Namespace) -> list[Evaluated]:
    """Score each of the models, with a progress bar."""
    from tqdm import tqdm

    from src_core.datasets.mapping import read_mapping
    from src_core.evaluation.evaluate import ITERATIONS, evaluate
    from src_core.evaluation.evaluated import Evaluated, distinct_names
    from src_core.evaluation.scans import evaluation_scans

    data = _data(args.data)
    mappings = [read_mapping(data, model.protocol) for model in models]
    slices = args.slices or any(model.slices for model in models)
    scans = evaluation_scans(data, args.splits, slices, mappings)
    _check_output(args)
    evaluated = []
    with tqdm(total=len(models) * len(scans), unit="scan", disable=None) as bar:
        for name, model, mapping in zip(distinct_names(models), models, mappings, strict=True):
            bar.set_description(name)
            scores: list[Score] = []
            for found in evaluate(
                model,
                scans,
                mapping,
                args.output / "work",
                iterations=ITERATIONS if args.iterations is None else args.iterations,
                device=args.device,
                threads=args.threads,
                seed=args.seed,
            ):
                scores += found
                bar.update()
            evaluated.append(Evaluated(name, model, scores, args.leave_out))
    return evaluated


def _data(path: Path) -> DataSettings:
    """What a configuration of a training says of its scans, or the folder or table itself."""
    from src_core.datasets.settings import DataSettings
    from src_core.training.config import read_config

    return read_config(path).data if path.suffix == ".toml" else DataSettings(path)


def _check_output(args: argparse.Namespace) -> None:
    """Make the folder, and find out before the first fit whether the tables can be written."""
    from src_core.evaluation.tables import NAMES

    try:
        args.output.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {args.output}: {error.strerror}") from error
    check_writable([args.output / name for name in NAMES], args.overwrite)


COMMAND = Command("evaluate", "score models on labelled scans", _add_arguments, _run)
