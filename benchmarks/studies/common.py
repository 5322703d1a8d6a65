"""What the studies share."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan, read_example, read_mask
from src_core.datasets.mapping import IGNORED, read_mapping
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.files import complete_files
from src_core.preparation.brain import brain_mask
from src_core.results.measure import dice
from src_core.training.changes.freesurfer import VERMIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from src_core.io.labels import Protocol
    from src_core.io.scan import Scan


@dataclass(frozen=True, eq=False)
class Case:
    """A labelled scan.

    Attributes
    ----------
    name : str
    scan : Scan
    brain : ndarray of bool, shape (I, J, K)
    classes : ndarray of uint8, shape (I, J, K)
        `IGNORED` where they take no part.
    """

    name: str
    scan: Scan
    brain: np.ndarray
    classes: np.ndarray


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that all studies have."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("data", type=Path, help="folder of labelled scans")
    made.add_argument("output", type=Path, help="folder")
    made.add_argument("--scans", help="names with commas; default: those of the test split")
    made.add_argument("--threads", type=int)
    return made


def run(main: Callable[[], None]) -> int:
    """Run a study; what the user can mend is said in one line. Returns the exit code."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def chosen_scans(args: argparse.Namespace) -> list[LabelledScan]:
    """The scans asked for, with the threads set and the folder made."""
    if args.threads:
        torch.set_num_threads(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    scans = read_scans(DataSettings(args.data), needed=())
    if not args.scans:
        return [scan for scan in scans if scan.split == "test"]
    by_name = {scan.name: scan for scan in scans}
    unknown = [name for name in args.scans.split(",") if name not in by_name]
    if unknown:
        raise InputError(f"{args.data}: no scan {', '.join(unknown)}; see its subjects.csv")
    return [by_name[name] for name in args.scans.split(",")]


def read_case(labelled: LabelledScan, data: Path, protocol: Protocol) -> Case:
    """Read a scan with its classes in a protocol."""
    scan, classes = read_example(labelled, read_mapping(DataSettings(data), protocol))
    return Case(labelled.name, scan, brain_mask(scan, read_mask(labelled, scan)), classes)


def mean_dice(labels: np.ndarray, classes: np.ndarray, protocol: Protocol) -> float:
    """Mean foreground Dice, without the vermis.

    Parameters
    ----------
    labels : ndarray of int, shape (I, J, K)
        Label ids.
    classes : ndarray of uint8, shape (I, J, K)
        Manual ones.
    protocol : Protocol
    """
    return float(np.nanmean(list(dices(labels, classes, protocol).values())))


def dices(labels: np.ndarray, classes: np.ndarray, protocol: Protocol) -> dict[str, float]:
    """Dice by structure, nan in neither label map, of what `mean_dice` takes."""
    known = classes != IGNORED
    reference = protocol.to_ids(np.where(known, classes, np.uint8(0)))
    by_id = {one.id: one.name for one in protocol.structures}
    if protocol.name == "fs32":
        del by_id[VERMIS]  # it does not enter the mean
    found = dice(labels * known, reference, list(by_id))
    return {by_id[id_]: value for id_, value in found.items()}


def save_picture(figure: Any, path: Path) -> None:
    """Write a matplotlib figure as PNG, replacing what is there."""
    with complete_files([path], overwrite=True) as (file,):
        figure.savefig(file, format="png", dpi=120)


def averaged(rows: list[dict[str, Any]], by: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Means of the numbers in rows that agree in some columns, in order of appearance."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    for key, members in groups.items():
        numbers = [
            name
            for name, value in members[0].items()
            if name not in by and isinstance(value, int | float)
        ]
        means = {name: float(np.mean([row[name] for row in members])) for name in numbers}
        yield dict(zip(by, key, strict=True)) | means
