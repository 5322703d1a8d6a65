"""Time, memory, agreement with other tools' labels and warnings on heads from elsewhere.

    python -m benchmarks.heads DATA -o FOLDER [--model NAME] [--heads NAME,NAME]

DATA is a table of heads or a folder of them (see `benchmarks.heads.listed.list_heads`). Each is
segmented with default settings in a process of its own. Writes FOLDER/heads.md, heads.csv and,
where ages are known, ages.png. What was measured is kept in FOLDER/work, and an interrupted run
goes on.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.common import kept
from benchmarks.heads.listed import Head, list_heads
from benchmarks.heads.measure import measure
from benchmarks.heads.tables import draw_ages, markdown, row_of, write_csv
from benchmarks.studies.common import run
from src_core.io.files import complete_files
from src_core.models.bundled import DEFAULT_MODEL
from src_core.models.model import load_model

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that the measurements of heads share."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("data", type=Path, help="table of heads, or a folder of them")
    made.add_argument("-o", "--output", type=Path, required=True, help="folder")
    made.add_argument("--model", default=DEFAULT_MODEL)
    made.add_argument("--heads", help="names with commas; default: all")
    made.add_argument("--threads", type=int, default=1)
    return made


def chosen(heads: Sequence[Head], names: str | None) -> list[Head]:
    """The heads asked for."""
    return [head for head in heads if names is None or head.name in names.split(",")]


def work_folder(output: Path, model: str) -> Path:
    """Make and return the folder of what is measured with a model."""
    folder = output / "work" / load_model(model).sha256[:8]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def main() -> None:
    """Measure and write the tables."""
    args = parser(__doc__).parse_args()
    work = work_folder(args.output, args.model)
    rows = []
    for head in tqdm(chosen(list_heads(args.data), args.heads), unit="head"):
        path = work / f"{head.group}_{head.name.replace(' ', '_')}.json"
        rows.append(row_of(head, kept(path, partial(measure, head, args.model, args.threads))))
    lines = [f"# Heads, {args.model}", "", *markdown(rows)]
    write_csv(rows, args.output / "heads.csv")
    if draw_ages(rows, args.output / "ages.png"):
        lines += ["", "![Dice over age](ages.png)"]
    with complete_files([args.output / "heads.md"], overwrite=True) as (file,):
        file.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(run(main))
