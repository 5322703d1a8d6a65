"""The command ``sample``: a scan to try things on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.cli.arguments import add_overwrite, nifti_file
from src_core.cli.command import Command
from src_core.cli.printing import print_written
from src_core.io.files import check_writable

if TYPE_CHECKING:
    import argparse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    parser.add_argument("output", type=nifti_file, metavar="FILE", help=".nii or .nii.gz")
    parser.add_argument("--head", action="store_true", help="in a made-up head, with skull")


def _run(args: argparse.Namespace) -> None:
    from src_core.io import export
    from src_core.io.sample import mni152_t1
    from src_core.io.sample_head import mni152_head

    check_writable([args.output], args.overwrite)
    scan = mni152_head() if args.head else mni152_t1()
    export.write_scalar_map(scan.voxels, scan, args.output, overwrite=args.overwrite)
    print_written([args.output])


COMMAND = Command("sample", "write a scan to try things on", _add_arguments, _run)
