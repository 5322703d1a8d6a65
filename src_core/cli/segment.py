"""The command ``segment``: the label map of a scan, and all else that is asked for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.arguments import (
    add_options,
    add_overwrite,
    image_file,
    nifti_file,
    png_file,
)
from src_core.cli.command import Command
from src_core.cli.printing import cell, print_problem, print_table, print_written
from src_core.io.files import check_exists, check_writable
from src_core.options import options_of
from src_core.request import Request

if TYPE_CHECKING:
    import argparse

    from src_core.fitting.fit import Step
    from src_core.io.labels import Protocol
    from src_core.models.model import Model
    from src_core.preparation.prepare import Stage
    from src_core.results.segmentation import Segmentation

_STAGES: dict[Stage, str] = {
    "load": "loading",
    "brain": "finding the brain",
    "align": "aligning",
    "see": "looking at each voxel",
}
"""Words of the progress bar before the fit."""
_MOST_ROWS = 40
"""Structures whose volumes are printed one by one; of more of them those of their groups are."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("scan", type=Path, metavar="SCAN", help=".nii, .nii.gz, .mgz, or a folder of DICOM files")
    add(
        "-o",
        "--output",
        type=image_file,
        metavar="OUT",
        help="default: SCAN's stem + _dseg.nii.gz, of a BIDS name sub-…_seg-PROTOCOL_dseg.nii.gz; "
        "a folder's, beside it",
    )
    add_options(parser, options_of(Request).values())
    _add_outputs(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Declare what can be written besides the label map."""
    add = parser.add_argument
    add("--report", type=Path, metavar="FILE.json", help="everything measured")
    add("--probabilities", type=nifti_file, metavar="FILE", help="4D, one per class")
    add("--volumes", type=Path, metavar="FILE.csv", help="mm3, in all protocols of the model")
    add("--lut", choices=["freesurfer", "itksnap"], help="colour table as well")
    add(
        "--warp",
        type=nifti_file,
        metavar="FILE",
        help="displacement field to template space (ITK/ANTs)",
    )
    add("--save-mask", type=image_file, metavar="FILE", help="the brain that was found or given")
    add("--brain-only", type=image_file, metavar="FILE", help="the scan, 0 outside the brain")
    add(
        "--progression",
        type=png_file,
        metavar="FILE.png",
        help="picture of the fit (extra [demo])",
    )


def _run(args: argparse.Namespace) -> None:
    from src_core.io.bids_names import label_map_beside
    from src_core.models.model import load_model

    check_exists(args.scan)  # said before the output beside it is looked at
    model = load_model(args.model).in_protocol(args.labels)
    if args.corrections is None:
        model.card.require_structures()
    output = args.output or label_map_beside(args.scan, model.protocol)
    _check_outputs(args, output)
    result = _fit(args, model)
    for note in result.report["notes"]:
        print_problem("warning", note)
    _print_result(result, _write(result, args, output))


def _check_outputs(args: argparse.Namespace, output: Path) -> None:
    """Find out before the fit whether everything that is asked for can be written."""
    from src_core.io import export

    outputs = [output, export.companion(output, ".tsv"), export.companion(output, ".json")]
    if args.lut:
        outputs.append(export.companion(output, f"_{args.lut}.txt"))
    if args.probabilities:
        outputs += [args.probabilities, export.companion(args.probabilities, ".json")]
    optional = ("warp", "volumes", "progression", "report", "save_mask", "brain_only")
    outputs += filter(None, (getattr(args, name) for name in optional))
    inputs = [
        args.scan,
        *filter(None, [args.mask, args.reference, args.transform, args.corrections]),
    ]
    if Path(args.brain).exists():
        inputs.append(Path(args.brain))
    check_writable(outputs, args.overwrite, inputs)
    if args.progression:
        from src_core.results.progression import require_matplotlib

        require_matplotlib()


def _fit(args: argparse.Namespace, model: Model) -> Segmentation:
    """Segment with a progress bar."""
    from tqdm import tqdm

    from src_core.preparation.alignment import read_transform
    from src_core.segment import segment

    given = {name: getattr(args, name) for name in options_of(Request)}
    given["model"] = model
    given["transform"] = read_transform(args.transform) if args.transform else None
    total = model.fit.iterations if args.iterations is None else args.iterations
    with tqdm(total=total, unit="step", leave=False, disable=None) as bar:

        def begin(stage: Stage) -> None:
            bar.set_description(_STAGES[stage])

        def show(step: Step) -> None:
            bar.set_description("fitting", refresh=False)
            bar.set_postfix_str(f"{step.psnr:.1f} dB", refresh=False)
            bar.update()

        return segment(Request(args.scan, **given), on_stage=begin, on_step=show)


def _write(result: Segmentation, args: argparse.Namespace, output: Path) -> list[Path]:
    """Write everything that is asked for; the report last, because it counts the seconds."""
    import numpy as np

    from src_core.io import export

    overwrite, protocol = args.overwrite, result.protocol
    written = result.save(output, overwrite=overwrite, lut=args.lut)
    if args.probabilities:
        written += export.write_probabilities(
            result.probability_volumes(),
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
        others = [name for name in result.model.protocols if name != protocol.name]
        label_maps = result.labels_in(*others) if others else {}
        export.write_volumes_csv(
            result.labels,
            result.scan,
            args.volumes,
            protocol=protocol,
            others=[(result.model.in_protocol(n).protocol, m) for n, m in label_maps.items()],
            overwrite=overwrite,
        )
        written.append(args.volumes)
    if args.save_mask:
        export.write_mask(result.mask, result.scan, args.save_mask, overwrite=overwrite)
        written.append(args.save_mask)
    if args.brain_only:
        brain = np.where(result.mask, result.scan.voxels, np.float32(0))
        export.write_scalar_map(brain, result.scan, args.brain_only, overwrite=overwrite)
        written.append(args.brain_only)
    if args.progression:
        from src_core.results.progression import write_progression

        write_progression(result, args.progression, overwrite=overwrite)
        written.append(args.progression)
    if args.report:
        export.write_json(result.report, args.report, overwrite=overwrite)
        written.append(args.report)
    return written


def _print_result(result: Segmentation, written: list[Path]) -> None:
    report = result.report
    seconds = sum(report["seconds"].values())
    print(
        f"{report['model']['name']}: {report['iterations']} steps, {report['psnr']:.1f} dB, "
        f"{seconds:.1f} s ({report['stop_reason']})"
    )
    brain = report["brain"]
    print(f"brain: {brain['origin']}, {brain['volume'] / 1000:.0f} ml")
    volumes, told = report["volumes"], "structure"
    if len(volumes) > _MOST_ROWS and "dice" not in report:
        volumes, told = _of_groups(volumes, result.protocol), "group of structures"
    rows = [[told, "volume (ml)"]]
    rows += [[name, f"{mm3 / 1000:.2f}"] for name, mm3 in volumes.items()]
    if "dice" in report:
        scores = {name: cell(score, ".3f") for name, score in report["dice"].items()}
        if report["compared_in"] != report["protocol"]:
            print_table(rows)
            rows = [[f"structure ({report['compared_in']})", ""], *([name, ""] for name in scores)]
        rows = [[*row, score] for row, score in zip(rows, ["Dice", *scores.values()], strict=True)]
        rows.append(["mean", "", cell(report["mean_dice"], ".3f")])
    print_table(rows)
    if volumes is not report["volumes"]:
        print(f"of {len(report['volumes'])} structures; --volumes FILE.csv writes that of each")
    print_written(written)


def _of_groups(volumes: dict[str, float], protocol: Protocol) -> dict[str, float]:
    """Volumes of the groups that structures belong to, such as lobes."""
    totals: defaultdict[str, float] = defaultdict(float)
    for structure in protocol.structures:
        totals[structure.group or "others"] += volumes[structure.name]
    return totals


COMMAND = Command("segment", "write the label map of a scan", _add_arguments, _run)
