"""The page in a browser: sorted, searched, filtered and stepped through, without the network."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from src_core.cohort.plan import SETTINGS_FILE
from src_core.cohort.records import Failure, read_records
from src_core.cohort.report_page import write_page
from src_core.cohort.review import Judgement, write_judgement
from src_core.io.export import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
N = 12


def write_output(folder: Path, n: int) -> None:
    """Files of scans that were segmented, of which sub-03 is odd and sub-05 was warned of."""
    write_json(
        {"labels": "tissue4", "version": "1", "model": {"name": "m"}}, make(folder / SETTINGS_FILE)
    )
    rows = ["participant_id\tage\tsex"]
    noise = np.random.default_rng(0).normal
    for i in range(n):
        name, who = f"sub-{i:02}_seg-tissue4_dseg", folder / f"sub-{i:02}"
        report = {
            "volumes": {"Cortex": noise(5e5, 1e4), "CSF": 9e4 if i == 3 else noise(2e4, 1e3)},
            "psnr": 18 + 0.01 * i,
            "alignment": {"method": "none", "similarity": 0.95},
            "transform": np.eye(4),
            "brain": {"volume": 1.2e6},
            "notes": ["the <b>brain</b> is cut off"] if i == 5 else [],
            "quality": {},
        }
        write_json(report, make(who / "anat" / f"{name}.json"))
        Image.new("RGB", (60, 20), (i, 0, 0)).save(make(folder / "figures" / f"{name}.jpg"))
        rows.append(f"sub-{i:02}\t{20 + i}\t{'FM'[i % 2]}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def make(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """The page of twelve scans and a failure, and a browser that shows it."""
    if BROWSER is None:
        pytest.skip("no Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    write_output(tmp_path, N)
    labels = read_records(tmp_path)[0][0].labels
    write_judgement(tmp_path, "sub-04", Judgement("reject", "it <moved>", labels))
    records, _ = read_records(tmp_path)
    file = write_page(records, [Failure("sub-99", "x.nii", "it <hangs>")], tmp_path)
    asked: list[str] = []
    problems: list[Any] = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(error))
        page.goto(file.as_uri())
        yield page
        browser.close()
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert problems == []


def shown(page: Page) -> list[str]:
    return page.locator(".card:visible h2").all_text_contents()


def text_of(page: Page, selector: str) -> str:
    # Not the inner text, which is empty as long as a card was not laid out.
    return page.locator(selector).text_content() or ""


def test_the_page_sorts_searches_filters_and_is_stepped_through(page: Page) -> None:
    assert len(shown(page)) == N
    assert shown(page)[0] == "sub-03"
    assert "it <hangs>" in text_of(page, "#failed")
    assert "the <b>brain</b> is cut off" in text_of(page, "#sub-05")
    assert page.locator("#sub-03 img").evaluate("image => image.naturalWidth") == 60
    assert page.locator("#plot circle").count() == N

    page.select_option("#sort", "psnr")
    assert shown(page)[:2] == ["sub-00", "sub-01"]
    page.select_option("#sort", "name")
    page.select_option("#show", "warned")
    assert shown(page) == ["sub-05"]
    page.select_option("#show", "all")
    page.select_option("#sex", "M")
    assert shown(page) == [f"sub-{i:02}" for i in range(1, N, 2)]
    page.select_option("#sex", "")
    page.select_option("#verdict", "reject")
    assert shown(page) == ["sub-04"]
    assert "it <moved>" in text_of(page, "#sub-04")
    page.select_option("#verdict", "none")
    assert len(shown(page)) == N - 1
    page.select_option("#verdict", "")

    page.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    assert text_of(page, ".card.chosen h2") == "sub-01"
    page.keyboard.press("Enter")
    assert "Cortex" in text_of(page, ".card.chosen .volumes")
    page.keyboard.press("/")
    page.keyboard.type("sub-1")
    assert shown(page) == ["sub-10", "sub-11"]
    page.keyboard.press("Escape")
    assert len(shown(page)) == N


def test_many_pictures_stay_beside_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_output(tmp_path, 3)
    records, _ = read_records(tmp_path)
    assert "data:image/jpeg" in write_page(records, [], tmp_path).read_text()
    monkeypatch.setattr("src_core.cohort.report_page.MOST_BYTES_INSIDE", 100)
    text = write_page(records, [], tmp_path).read_text()
    assert "data:image/jpeg" not in text
    assert 'src="figures/sub-01_seg-tissue4_dseg.jpg"' in text
