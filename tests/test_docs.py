"""What the documentation points to exists, and the generated pages hold what there is."""

from __future__ import annotations

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

import napari_metaseg
from napari_metaseg.__main__ import COMMANDS as WINDOW_COMMANDS
from src_core.cli.main import COMMANDS
from src_core.options import options_of
from src_core.request import Request

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for folder in (".", "docs", "benchmarks", ".github")
    for page in (ROOT / folder).glob("*.md")
) + sorted((ROOT / "docs").glob("*/*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Names under which the headings of a page can be linked to."""
    headings = HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}"


def site_pages() -> ModuleType:
    """The script that the site is built with."""
    spec = spec_from_file_location("site_pages", ROOT / "scripts" / "site_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SITE = site_pages()


def test_the_reference_of_commands_says_what_each_argument_means() -> None:
    page = SITE.commands()
    for command in (*COMMANDS, *WINDOW_COMMANDS):
        assert f"## {command.name}\n" in page
        for action in SITE.parser_of(command)._actions:
            assert all(f"<code>{flag}" in page for flag in action.option_strings)
    rows = [line for line in page.splitlines() if line.startswith("| <code>")]
    assert rows
    assert all(row.count(" | ") == 1 and not row.endswith(" |  |") for row in rows)


def test_the_reference_of_options_has_every_option() -> None:
    page = SITE.options()
    for name, option in options_of(Request).items():
        assert f"## {name}\n\n{option.help}\n\n- Python: `{name}=" in page


def test_the_reference_of_the_api_has_every_public_name() -> None:
    page = SITE.api()
    for name in set(napari_metaseg.__all__) - {"__version__"}:
        assert re.search(rf"^::: \S+\.{name}$", page, re.MULTILINE)


@pytest.mark.parametrize(
    ("page", "link", "leads"),
    [
        ("index.md", "tutorial.md", "tutorial.md"),
        ("how-to/masks.md", "../heads.md#loss-by-mask", "../heads.md#loss-by-mask"),
        ("index.md", "../CONTRIBUTING.md", "contributing.md"),
        ("changelog.md", "docs/how-to/masks.md", "how-to/masks.md"),
        ("heads.md", "../benchmarks/README.md#heads", "REPO/blob/main/benchmarks/README.md#heads"),
        ("training/README.md", "../evaluation", "REPO/blob/main/docs/evaluation"),
        ("heads.md", "#each-scan", "#each-scan"),
        ("index.md", "https://napari.org", "https://napari.org"),
    ],
)
def test_links_of_the_repository_lead_on_from_the_site(page: str, link: str, leads: str) -> None:
    pages = {"tutorial.md", "heads.md", "contributing.md", "how-to/masks.md"}
    assert SITE.lead(link, page, pages, "REPO") == leads


def test_every_page_is_in_the_navigation() -> None:
    listed = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    names = set(re.findall(r"[\w/-]+\.md", str(listed)))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert names == pages | set(SITE.BESIDE_DOCS.values())


def test_what_is_made_has_its_place() -> None:
    for name in SITE.MADE:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert len(SITE.PLACE.findall(text)) == 1
