"""The command ``napari-metaseg``: segment, measure, models, train, evaluate, sample, and more.

Exit codes: 0 done, 1 failure, 2 bad input or wrong arguments, 130 interrupted. What cannot be
mended by the program is said in one line on stderr. torch is imported by the handlers only, so
that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from src_core import __version__
from src_core.errors import InputError, explain
from src_core.io.files import check_writable
from src_core.models.bundled import DEFAULT_MODEL

if TYPE_CHECKING:
    from src_core.fitting.fit import Step
    from src_core.io.labels import Protocol
    from src_core.segment import Segmentation

PROGRAM = "napari-metaseg"
FAILURE, BAD_INPUT, INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Command:
    """A sub-command that a package on top of the engine adds.

    Attributes
    ----------
    name, help : str
    add_arguments : callable
        Declares its arguments.
    handler : callable
        Does what is asked for; raises `InputError` for what the user can mend.
    """

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    handler: Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None, more: Sequence[Command] = ()) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; those of the process by default.
    more : sequence of Command
        Sub-commands besides the engine's own.

    Returns
    -------
    int
        The exit code.
    """
    args = _parser(more).parse_args(arguments)
    try:
        args.handler(args)
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
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return code


def _segment(args: argparse.Namespace) -> None:
    from src_core.io import export

    if not args.scan.exists():  # said before the output beside it is looked at
        raise InputError(f"{args.scan} does not exist; check the name")
    output = args.output or args.scan.with_name(f"{export.image_stem(args.scan)}_dseg.nii.gz")
    _check_outputs(args, output)
    result = _fit(args)
    for note in result.report["notes"]:
        print(f"{PROGRAM}: warning: {note}", file=sys.stderr)

    overwrite, protocol = args.overwrite, result.protocol
    written = result.save(output, overwrite=overwrite, lut=args.lut)
    if args.probabilities:
        written += export.write_probabilities(
            result.probabilities(),
            result.scan,
            args.probabilities,
            protocol=protocol,
            details=result.report,
            overwrite=overwrite,
        )
    if args.warp:
        export.write_displacement_field(
            result.displacement(), result.scan, args.warp, overwrite=overwrite
        )
        written.append(args.warp)
    if args.volumes:
        export.write_volumes_csv(
            result.labels, result.scan, args.volumes, protocol=protocol, overwrite=overwrite
        )
        written.append(args.volumes)
    if args.progression:
        from src_core.results.progression import write_progression

        write_progression(result, args.progression, overwrite=overwrite)
        written.append(args.progression)
    if args.report:
        export.write_json(result.report, args.report, overwrite=overwrite)
        written.append(args.report)
    _print_result(result, written)


def _check_outputs(args: argparse.Namespace, output: Path) -> None:
    """Find out before the fit whether everything that is asked for can be written."""
    from src_core.io import export

    outputs = [output, export.companion(output, ".tsv"), export.companion(output, ".json")]
    if args.lut:
        outputs.append(export.companion(output, f"_{args.lut}.txt"))
    if args.probabilities:
        outputs += [args.probabilities, export.companion(args.probabilities, ".json")]
    outputs += filter(None, [args.warp, args.volumes, args.progression, args.report])
    inputs = filter(None, [args.scan, args.mask, args.reference, args.transform])
    check_writable(outputs, args.overwrite, inputs)
    if args.progression:
        from src_core.results.progression import require_matplotlib

        require_matplotlib()


def _fit(args: argparse.Namespace) -> Segmentation:
    """Segment with a progress bar."""
    from tqdm import tqdm

    from src_core.models.model import load_model
    from src_core.preparation.alignment import read_transform
    from src_core.segment import segment

    model = load_model(args.model)
    transform = read_transform(args.transform) if args.transform else None
    total = model.fit.iterations if args.iterations is None else args.iterations
    with tqdm(desc="fitting", total=total, unit="step", leave=False, disable=None) as bar:

        def show(step: Step) -> None:
            bar.set_postfix_str(f"{step.psnr:.1f} dB", refresh=False)
            bar.update()

        return segment(
            args.scan,
            model=model,
            iterations=args.iterations,
            device=args.device,
            threads=args.threads,
            seed=args.seed,
            mask=args.mask,
            reference=args.reference,
            align=not args.no_align,
            transform=transform,
            on_step=show,
        )


def _print_result(result: Segmentation, written: Sequence[Path]) -> None:
    report = result.report
    seconds = sum(report["seconds"].values())
    print(
        f"{report['model']['name']}: {report['iterations']} steps, {report['psnr']:.1f} dB, "
        f"{seconds:.1f} s ({report['stop_reason']})"
    )
    rows = [["structure", "volume (ml)"]]
    rows += [[name, f"{mm3 / 1000:.2f}"] for name, mm3 in report["volumes"].items()]
    if "dice" in report:
        scores = ["Dice", *(_cell(score, ".3f") for score in report["dice"].values())]
        rows = [[*row, score] for row, score in zip(rows, scores, strict=True)]
        rows.append(["mean", "", _cell(report["mean_dice"], ".3f")])
    _print_table(rows)
    for path in written:
        print(f"written: {path}")


def _measure(args: argparse.Namespace) -> None:
    from src_core.io import export
    from src_core.io.scan import read_on_grid, read_scan
    from src_core.results.measure import compare

    if args.json:
        check_writable([args.json], args.overwrite, [args.labels, args.reference])
    # A reference is never empty, an unlucky label map may be: the grid is the reference's.
    grid = read_scan(args.reference)
    labels = read_on_grid(args.labels, grid, "label map")
    reference = read_on_grid(args.reference, grid, "reference")
    result = compare(labels, reference, grid.affine, _protocol(args.protocol, labels, reference))
    if args.json:
        export.write_json(result, args.json, overwrite=args.overwrite)
    _print_comparison(result)


def _protocol(name: str | None, *label_maps: np.ndarray) -> Protocol:
    """The protocol of that name, or the smallest that has all the labels found."""
    from src_core.io.labels import PROTOCOLS, protocol

    if name:
        return protocol(name)
    found = set().union(*(np.unique(label_map).tolist() for label_map in label_maps))
    for candidate in sorted(PROTOCOLS.values(), key=lambda known: len(known.structures)):
        if found <= set(candidate.ids.tolist()):
            return candidate
    raise InputError(
        f"no protocol has all the label ids found; the known ones are {', '.join(PROTOCOLS)}: "
        "convert the ids, or name one with --protocol to see which it lacks"
    )


def _print_comparison(result: dict[str, Any]) -> None:
    columns = {
        "dice": ("Dice", ".3f"),
        "hd95_mm": ("HD95 (mm)", ".2f"),
        "assd_mm": ("ASSD (mm)", ".2f"),
        "volume_similarity": ("volume similarity", ".3f"),
    }

    def cells(measures: dict[str, float | None]) -> list[str]:
        return [_cell(measures[key], style) for key, (_, style) in columns.items()]

    print(f"protocol {result['protocol']}")
    rows = [["structure", *(title for title, _ in columns.values())]]
    rows += [[row["name"], *cells(row)] for row in result["structures"]]
    _print_table([*rows, ["mean", *cells(result["mean"])]])
    print(
        f"generalised Dice with background (as in the MetaSeg paper): "
        f"{result['generalised_dice']:.3f}"
    )


def _models(args: argparse.Namespace) -> None:
    from src_core.models.model import bundled_models, load_model

    if args.name is None:
        models = [load_model(name) for name in bundled_models()]
        rows = [["name", "structures", "weights"]]
        rows += [[m.name, f"{len(m.protocol.structures)}", f"{m.size:,}"] for m in models]
        _print_table(rows)
        return
    model = load_model(args.name)
    shown = {key: value for key, value in model.card.items() if key not in ("format", "protocol")}
    _print_tree({**shown, "weights": model.size, "sha256": model.sha256})
    print(f"protocol: {model.protocol.name}")
    _print_table([[f"  {s.name}", f"{s.id}"] for s in model.protocol.structures])


def _print_tree(values: Mapping[str, Any], indent: str = "") -> None:
    for key, value in values.items():
        title = f"{indent}{key.replace('_', ' ')}:"
        if isinstance(value, Mapping):
            print(title)
            _print_tree(value, indent + "  ")
        else:
            print(title, ", ".join(map(str, value)) if isinstance(value, list) else value)


def _train(args: argparse.Namespace) -> None:
    from src_core.training.config import read_config
    from src_core.training.train import train

    overrides = {name: getattr(args, name) for name in ("work", "device", "threads", "seed")}
    settings = read_config(args.config, overrides)
    read = [args.config, settings.template, settings.from_model]
    check_writable([settings.output], args.overwrite, [path for path in read if path])
    train(settings)
    print(f"written: {settings.output}")


def _evaluate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from src_core.datasets.mapping import read_mapping
    from src_core.evaluation.evaluate import ITERATIONS, Score, evaluate, evaluation_scans
    from src_core.evaluation.tables import (
        NAMES,
        Evaluated,
        distinct_names,
        overview,
        write_tables,
    )
    from src_core.models.model import load_model
    from src_core.training.config import read_config
    from src_core.training.settings import DataSettings

    models = [load_model(name) for name in args.models]
    known = {structure.name for model in models for structure in model.protocol.structures}
    if unknown := sorted(set(args.leave_out) - known):
        raise InputError(f"no structure is called {', '.join(unknown)}; napari-metaseg models NAME")
    config = args.data.suffix == ".toml"
    data = read_config(args.data).data if config else DataSettings(args.data)
    mappings = [read_mapping(data, model.protocol) for model in models]
    slices = args.slices or any(model.slices for model in models)
    scans = evaluation_scans(data, args.splits, slices, mappings)
    try:
        args.output.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {args.output}: {error.strerror}") from error
    check_writable([args.output / name for name in NAMES], args.overwrite)

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
    written = write_tables(evaluated, args.output, args.overwrite)
    _print_table(overview(evaluated))
    for path in written:
        print(f"written: {path}")


def _sample(args: argparse.Namespace) -> None:
    from src_core.io import export
    from src_core.io.sample import mni152_t1

    check_writable([args.output], args.overwrite)
    scan = mni152_t1()
    export.write_scalar_map(scan.voxels, scan, args.output, overwrite=args.overwrite)
    print(f"written: {args.output}")


def _cell(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells: the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def _parser(more: Sequence[Command]) -> argparse.ArgumentParser:
    common = _Parser(add_help=False)
    common.add_argument("--debug", action="store_true", help="show the traceback of an error")
    overwriting = _Parser(add_help=False)
    overwriting.add_argument("--overwrite", action="store_true", help="replace existing files")

    parser = _Parser(
        prog=PROGRAM,
        description="Segment brain MRI by fitting a small coordinate network. Research use only.",
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    segment = commands.add_parser(
        "segment", parents=[common, overwriting], help="write the label map of a scan"
    )
    segment.set_defaults(handler=_segment)
    segment.add_argument("scan", type=Path, metavar="SCAN", help=".nii, .nii.gz or .mgz")
    segment.add_argument(
        "-o", "--output", type=_image, metavar="OUT", help="default: SCAN's stem + _dseg.nii.gz"
    )
    segment.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME|FILE", help="default: %(default)s"
    )
    segment.add_argument(
        "--iterations",
        type=_not_negative,
        metavar="N",
        help="exactly N steps; default: the model's own number, less when labels stand still",
    )
    segment.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    segment.add_argument("--threads", type=_positive, metavar="N", help="of the CPU")
    segment.add_argument("--seed", type=_not_negative, default=0, metavar="N")
    segment.add_argument(
        "--mask", type=Path, metavar="FILE", help="brain mask, for a scan with its skull"
    )
    segment.add_argument(
        "--reference", type=Path, metavar="FILE", help="label map to compute Dice against"
    )
    placing = segment.add_mutually_exclusive_group()
    placing.add_argument(
        "--no-align", action="store_true", help="the scan's world already is template space"
    )
    placing.add_argument(
        "--transform", type=Path, metavar="FILE", help="4x4, world mm to template mm; or a report"
    )
    segment.add_argument("--report", type=Path, metavar="FILE.json", help="everything measured")
    segment.add_argument("--probabilities", type=_nifti, metavar="FILE", help="4D, one per class")
    segment.add_argument("--volumes", type=Path, metavar="FILE.csv", help="in mm3")
    segment.add_argument("--lut", choices=["freesurfer", "itksnap"], help="colour table as well")
    segment.add_argument(
        "--warp",
        type=_nifti,
        metavar="FILE",
        help="displacement field to template space (ITK/ANTs)",
    )
    segment.add_argument(
        "--progression", type=_picture, metavar="FILE.png", help="picture of the fit (extra [demo])"
    )

    measure = commands.add_parser(
        "measure", parents=[common, overwriting], help="compare two label maps"
    )
    measure.set_defaults(handler=_measure)
    measure.add_argument("labels", type=Path, metavar="LABELS")
    measure.add_argument("reference", type=Path, metavar="REFERENCE")
    measure.add_argument("--protocol", metavar="NAME", help="default: found from the label ids")
    measure.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as well")

    models = commands.add_parser("models", parents=[common], help="list models or show one")
    models.set_defaults(handler=_models)
    models.add_argument("name", nargs="?", metavar="NAME", help="a bundled model, or a file")

    train = commands.add_parser("train", parents=[common, overwriting], help="make a model")
    train.set_defaults(handler=_train)
    train.add_argument("config", type=Path, metavar="CONFIG.toml", help="see docs/training.md")
    train.add_argument(
        "--work", type=Path, metavar="FOLDER", help="what an interrupted run resumes"
    )
    train.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"])
    train.add_argument("--threads", type=_positive, metavar="N")
    train.add_argument("--seed", type=_not_negative, metavar="N")

    evaluate = commands.add_parser(
        "evaluate", parents=[common, overwriting], help="score models on labelled scans"
    )
    evaluate.set_defaults(handler=_evaluate)
    evaluate.add_argument("models", nargs="+", metavar="MODEL", help="bundled name or file")
    evaluate.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="folder or table of scans and label maps, or a training.toml",
    )
    evaluate.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="for the tables, and for what an interrupted run resumes",
    )
    evaluate.add_argument(
        "--splits", type=_listed, default=["val", "test"], metavar="A,B", help="default: val,test"
    )
    evaluate.add_argument(
        "--iterations",
        type=_iterations,
        metavar="N,N",
        help="scored besides the last; default: 0,2,10,30,50,100",
    )
    evaluate.add_argument(
        "--leave-out", type=_listed, default=[], metavar="A,B", help="structures not in the means"
    )
    evaluate.add_argument(
        "--slices", action="store_true", help="coronal slices through the thalamus, +-10 mm"
    )
    evaluate.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    evaluate.add_argument("--threads", type=_positive, metavar="N", help="of the CPU")
    evaluate.add_argument("--seed", type=_not_negative, default=0, metavar="N")

    sample = commands.add_parser(
        "sample", parents=[common, overwriting], help="write a scan to try things on"
    )
    sample.set_defaults(handler=_sample)
    sample.add_argument("output", type=_nifti, metavar="FILE", help=".nii or .nii.gz")

    for command in more:
        added = commands.add_parser(command.name, parents=[common], help=command.help)
        added.set_defaults(handler=command.handler)
        command.add_arguments(added)
    return parser


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{PROGRAM}: error: {message} (see {self.prog} --help)\n")


def _image(text: str) -> Path:
    return _with_suffix(text, (".nii", ".nii.gz", ".mgz", ".mgh"))


def _nifti(text: str) -> Path:
    return _with_suffix(text, (".nii", ".nii.gz"))


def _picture(text: str) -> Path:
    return _with_suffix(text, (".png",))


def _with_suffix(text: str, suffixes: tuple[str, ...]) -> Path:
    if not text.lower().endswith(suffixes):
        raise argparse.ArgumentTypeError(f"{text} must end in {' or '.join(suffixes)}")
    return Path(text)


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _iterations(text: str) -> list[int]:
    return sorted({_not_negative(word) for word in _listed(text)})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number
