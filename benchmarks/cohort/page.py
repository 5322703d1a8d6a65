"""The page of a large study in a browser: how long it takes to open, to sort and to scroll.

    python -m benchmarks.cohort.page OUTPUT [--cards 1000] [--picture FILE.png]

The scans of a study are copied under other names until there are as many as are asked for.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.cohort.plan import SETTINGS_FILE
from src_core.cohort.records import read_records
from src_core.cohort.report_page import write_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.cohort.records import Record

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FRAMES = """async () => {
  const times = [];
  let before = performance.now();
  for (let step = 0; step < 120; step++) {
    window.scrollBy(0, 400);
    await new Promise(requestAnimationFrame);
    times.push(performance.now() - before);
    before = performance.now();
  }
  return times;
}"""
SORT = """() => {
  const began = performance.now();
  const box = document.getElementById("sort");
  box.value = "age";
  box.dispatchEvent(new Event("change"));
  document.body.offsetHeight;
  return performance.now() - began;
}"""


def copies(records: Sequence[Record], count: int, output: Path) -> list[Record]:
    """Records under other names, with volumes that differ a little and pictures of their own."""
    noise = np.random.default_rng(0).normal
    made = []
    for number in range(count):
        one = records[number % len(records)]
        place = replace(one.place, output=output, scan=f"sub-{number:05}_T1w")
        place.picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(one.place.picture, place.picture)
        volumes = {name: mm3 * noise(1, 0.02) for name, mm3 in one.report["volumes"].items()}
        report = {**one.report, "volumes": volumes}
        made.append(replace(one, name=place.name, place=place, report=report))
    return made


def measure(page_file: Path, picture: Path | None) -> dict[str, float]:
    """Seconds and milliseconds of what a user waits for."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page: Any = browser.new_page(viewport={"width": 1400, "height": 900})
        began = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="load")
        page.wait_for_function("document.querySelector('.card img').complete")
        opened = time.perf_counter() - began
        if picture is not None:
            page.screenshot(path=str(picture))
        frames = page.evaluate(FRAMES)
        found = {
            "page, MB": page_file.stat().st_size / 1e6,
            "opens, s": opened,
            "sorts, ms": page.evaluate(SORT),
            "frame while scrolling, median, ms": float(np.median(frames)),
            "frame while scrolling, 99 %, ms": float(np.quantile(frames, 0.99)),
        }
        browser.close()
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--cards", type=int, default=1000)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    records, failures = read_records(args.output)
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / SETTINGS_FILE).parent.mkdir()
        shutil.copy(args.output / SETTINGS_FILE, folder / SETTINGS_FILE)
        page = write_page(copies(records, args.cards, folder), failures, folder)
        found = measure(page, args.picture)
    for what, value in found.items():
        print(f"| {what} | {value:.1f} |")


if __name__ == "__main__":
    main()
