"""The command ``adapt``: a model trained further on its user's corrected scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_core.adaptation.settings import AdaptSettings
from src_core.cli.arguments import add_options, add_overwrite
from src_core.cli.command import Command
from src_core.cli.printing import print_problem, print_written
from src_core.models.bundled import MODEL_SUFFIX, own_models_folder
from src_core.options import options_of

if TYPE_CHECKING:
    import argparse

    from typing_extensions import Self

    from src_core.adaptation.adapt import Adapted, Progress


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("model", metavar="MODEL", help="name of a model for volumes, or a file")
    add(
        "scans",
        nargs="*",
        type=Path,
        metavar="SCANS",
        help="folders or tables of scans and label maps, training.toml files, or scans with label "
        "maps beside them; default: your own scans, as collected in the window",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar=f"OUT{MODEL_SUFFIX}",
        help=f"default: MODEL-adapted{MODEL_SUFFIX} among your own models",
    )
    add("--work", type=Path, metavar="FOLDER", help="what an interrupted run resumes; is kept")
    add_options(parser, options_of(AdaptSettings).values())


def _run(args: argparse.Namespace) -> None:
    from src_core.adaptation.adapt import adapt
    from src_core.adaptation.find import find_corrected_scans
    from src_core.models.model import load_model

    model = load_model(args.model)
    scans = find_corrected_scans(args.scans)
    output = args.output
    if output is None:
        own_models_folder().mkdir(parents=True, exist_ok=True)
        output = own_models_folder() / f"{model.name}-adapted{MODEL_SUFFIX}"
    options = {name: getattr(args, name) for name in options_of(AdaptSettings)}
    with _Bars() as bars:
        adapted = adapt(
            model,
            scans,
            output,
            overwrite=args.overwrite,
            work=args.work,
            on_progress=bars.show,
            **options,
        )
    _print(adapted)


class _Bars:
    """A progress bar for each stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: Progress) -> None:
        """Show how far the stage is."""
        from tqdm import tqdm

        if progress.stage != self._stage:
            self.__exit__()
            self._stage = progress.stage
            self._bar = tqdm(total=progress.total, desc=progress.stage, unit="step", disable=None)
        self._bar.update(progress.done - self._bar.n)


def _print(adapted: Adapted) -> None:
    left_out = adapted.left_out
    if left_out is not None:
        print(
            f"{left_out.scan}, left out: Dice {left_out.before:.4f} before, "
            f"{left_out.after:.4f} after"
        )
    for note in adapted.notes:
        print_problem("warning", note)
    print_written([adapted.output])


COMMAND = Command("adapt", "train a model further on your corrected scans", _add_arguments, _run)
