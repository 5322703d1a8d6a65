"""What a looser brain mask costs: labels of one head with several masks of its brain.

    python -m benchmarks.heads.masks DATA -o FOLDER [--model NAME] [--heads NAME,NAME]

Heads and options are those of `benchmarks.heads`; those without labels are left out. The masks are
the one that is found (or given in the table), the same grown by 1 and 2 mm, and those of others
beside the scan. Writes FOLDER/masks.md; what was measured is kept in FOLDER/work.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from scipy import ndimage
from tqdm import tqdm

from benchmarks.common import kept
from benchmarks.heads.__main__ import chosen, parser, work_folder
from benchmarks.heads.agreement import agreement_of, mean
from benchmarks.heads.listed import Head, list_heads
from benchmarks.studies.common import run
from src_core.io.files import complete_files
from src_core.io.scan import Scan, read_on_grid, read_scan
from src_core.preparation.brain import NotStripped, brain_mask
from src_core.preparation.extraction import DEFAULT_EXTRACTOR, extract_brain, installed
from src_core.segment import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np

GROWN_MM = (1.0, 2.0)


def masks(head: Head, scan: Scan) -> Iterator[tuple[str, Callable[[], np.ndarray]]]:
    """Names of a head's masks, and how to get them; none twice."""
    found = _found(head, scan)
    yield "found", lambda: found
    voxel = float(scan.voxel_size.min())
    for distance in GROWN_MM:
        if distance >= voxel:
            yield f"found, {distance:g} mm wider", partial(grown, found, scan, distance)
    for path in head.other_masks:
        name = path.name.split(".")[0].removeprefix(f"{head.name}_")
        yield name, partial(_other, path, scan)


def grown(mask: np.ndarray, scan: Scan, distance: float) -> np.ndarray:
    """The mask and all within a distance of it, mm."""
    away = ndimage.distance_transform_edt(~mask, sampling=scan.voxel_size)
    wider: np.ndarray = away <= distance + 1e-6
    return wider


def _found(head: Head, scan: Scan) -> np.ndarray:
    if head.mask is not None:
        return read_on_grid(head.mask, scan, "mask") > 0
    try:
        return brain_mask(scan)
    except NotStripped:
        return extract_brain(scan, installed(DEFAULT_EXTRACTOR)).mask


def _other(path: Path, scan: Scan) -> np.ndarray:
    brain: np.ndarray = read_scan(path).voxels > 0
    if brain.shape != scan.shape:
        raise ValueError(f"{path} is not on the grid of its scan")
    return brain


def measure_masks(head: Head, model: str, work: Path) -> dict[str, dict[str, Any]]:
    """What `measure` finds with each of a head's masks, by their names."""
    scan = read_scan(head.scan)
    assert head.labels is not None
    reference = read_on_grid(head.labels, scan, "reference")
    found = {}
    for number, (name, mask) in enumerate(masks(head, scan)):
        path = work / f"{head.group}_{head.name}_mask_{number}.json"
        found[name] = kept(path, partial(measure, scan, reference, model, mask))
    return found


def measure(
    scan: Scan, reference: np.ndarray, model: str, mask: Callable[[], np.ndarray]
) -> dict[str, Any]:
    """Volume of a mask (mL) and Dice of each structure with it."""
    result = segment(scan, model=model, mask=mask(), device="cpu")
    return {
        "brain": float(result.mask.sum()) * scan.voxel_volume / 1e3,
        "dice": agreement_of(result, reference),
    }


def markdown(found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """A line for each head and mask, with the loss against the best of the head's masks."""
    lines = [
        "| scan | mask | volume, mL | Dice | loss against the best |",
        "|---|---|---:|---:|---:|",
    ]
    for name, by_mask in found.items():
        means = {mask: mean(measured["dice"]) for mask, measured in by_mask.items()}
        best = max(means.values())
        lines += [
            f"| {name} | {mask} | {by_mask[mask]['brain']:.0f} | {dice:.4f} | {best - dice:.4f} |"
            for mask, dice in sorted(means.items(), key=lambda item: by_mask[item[0]]["brain"])
        ]
    return lines


def main() -> None:
    """Measure and write the table."""
    args = parser(__doc__).parse_args()
    torch.set_num_threads(args.threads)
    work = work_folder(args.output, args.model)
    heads = [head for head in chosen(list_heads(args.data), args.heads) if head.labels is not None]
    found = {head.name: measure_masks(head, args.model, work) for head in tqdm(heads, unit="head")}
    lines = markdown(found)
    with complete_files([args.output / "masks.md"], overwrite=True) as (file,):
        file.write_text("\n".join([f"# Loss by mask, {args.model}", "", *lines]) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(run(main))
