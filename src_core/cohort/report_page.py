"""The page to judge a cohort by: one file that opens offline.

A structure's distribution is drawn once, as an SVG path that all cards share; a plotting library
would bring megabytes of script, and draw a figure for each scan and structure.
"""

from __future__ import annotations

import base64
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core import __version__
from src_core.cohort.places import PAGE
from src_core.cohort.plan import read_settings
from src_core.cohort.review import VERDICTS
from src_core.cohort.unusual import worst_first
from src_core.errors import InputError
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.cohort.records import Failure, Record
    from src_core.cohort.unusual import Unusual

LIMIT = 3.5
"""Robust z above which a scan is called unusual (Iglewicz and Hoaglin, 1993)."""
MOST_BYTES_INSIDE = 10_000_000
_BINS = 30
_NEEDED_TO_SORT = ("name", "age", "sex", "unusual", "psnr", "similarity", "verdict")


def write_page(records: Sequence[Record], failures: Sequence[Failure], output: Path) -> Path:
    """Write the page of a cohort, the most unusual scan first.

    Pictures stand in the page itself or, if they are many, beside it, where they are loaded as they
    come near the screen.

    Parameters
    ----------
    records : sequence of Record
    failures : sequence of Failure
    output : Path

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        The extra is not installed, or the page cannot be written.
    """
    if find_spec("jinja2") is None:
        raise InputError(
            'the page needs jinja2, which is not installed: pip install "napari-metaseg[batch]"'
        )
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).with_name("page")
    environment = Environment(
        loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    from markupsafe import Markup

    parts = {
        name: Markup((folder / f"report.{ending}").read_text(encoding="utf-8"))
        for name, ending in (("style", "css"), ("script", "js"))
    }
    text = environment.get_template("report.html.j2").render(
        **parts, **_content(records, failures, output)
    )
    page = output / PAGE
    with complete_files([page], overwrite=True) as (file,):
        file.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
    return page


def _content(
    records: Sequence[Record], failures: Sequence[Failure], output: Path
) -> dict[str, Any]:
    ordered = worst_first(records)
    structures = list(dict.fromkeys(name for one in records for name in one.volumes))
    inside = sum(_bytes(record.place.picture) for record in records) <= MOST_BYTES_INSIDE
    scans = [_scan(record, found, output, inside) for record, found in ordered]
    columns = [[record.volumes.get(name) for record, _ in ordered] for name in structures]
    told = read_settings(output)
    return {
        "title": f"napari-metaseg: {output.resolve().name}",
        "model": told.get("model", {}).get("name", "unknown"),
        "version": told.get("version", __version__),
        "scans": scans,
        "failures": failures,
        "structures": structures,
        "sexes": sorted({one["sex"] for one in scans} - {""}),
        "verdicts": list(VERDICTS),
        "limit": LIMIT,
        "shapes": [_shape(column) for column in columns],
        "data": {
            "structures": structures,
            "limit": LIMIT,
            "ends": [_ends(column) for column in columns],
            "scans": [
                {
                    **{key: one[key] for key in _NEEDED_TO_SORT},
                    "warnings": len(one["warnings"]),
                    "volumes": [_short(record.volumes.get(name)) for name in structures],
                    "z": [_short(found.z.get(name)) for name in structures],
                }
                for (record, found), one in zip(ordered, scans, strict=True)
            ],
        },
    }


def _scan(record: Record, found: Unusual, output: Path, inside: bool) -> dict[str, Any]:
    """What a card shows."""
    report = record.report
    most, what = found.most
    return {
        "name": record.name,
        "age": record.age,
        "sex": record.traits.get("sex", ""),
        "unusual": round(most, 2),
        "what": what,
        "psnr": report["psnr"],
        "similarity": report["alignment"]["similarity"],
        "brain": report["brain"]["volume"] / 1000,
        "dice": report.get("mean_dice"),
        "warnings": report["notes"],
        "verdict": record.judgement.verdict,
        "note": record.judgement.note,
        "corrected": record.is_corrected,
        "picture": _picture(record.place.picture, output, inside),
    }


def _picture(file: Path, output: Path, inside: bool) -> str:
    if not file.exists():
        return ""
    if not inside:
        return file.relative_to(output).as_posix()
    return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()


def _bytes(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _ends(column: Sequence[float | None]) -> list[float]:
    known = [value for value in column if value is not None]
    return [min(known, default=0.0), max(known, default=0.0)]


def _shape(column: Sequence[float | None]) -> str:
    """A histogram as the path of an area in a box of 100 x 20."""
    known = [value for value in column if value is not None]
    if not known:
        return ""
    counts, _ = np.histogram(known, bins=_BINS)
    width = 100 / _BINS
    steps = [
        f"V{20 - 20 * count / counts.max():.1f}H{(place + 1) * width:.1f}"
        for place, count in enumerate(counts)
    ]
    return f"M0 20{''.join(steps)}V20Z"


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")
