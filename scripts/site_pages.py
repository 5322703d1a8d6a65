"""What MkDocs is told while it builds the site: generated pages, and links that lead out of it.

Commands and options are read off the parsers, and names of the API off the package, so that what
these pages list is what there is.
"""

from __future__ import annotations

import argparse
import configparser
import html
import posixpath
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import napari_metaseg
from napari_metaseg.__main__ import COMMANDS as WINDOW_COMMANDS
from src_core.cli.command import PROGRAM, Command
from src_core.cli.main import COMMANDS
from src_core.options import Option, options_of
from src_core.request import Request

if TYPE_CHECKING:
    from collections.abc import Container

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
BESIDE_DOCS = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files in the root that are pages too, with their names as such."""
LINK = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
PLACE = re.compile(r"^\*Made from the code .*\*$", re.MULTILINE)
_USAGE_WIDTH = 80


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the addresses from the one place that names the repository."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["metadata"]["project_urls"].strip().splitlines()
    addresses = dict(line.split(" = ") for line in lines)
    config.repo_url, config.repo_name = addresses["Source"], "Source"
    config.site_url = addresses["Documentation"]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that lie beside ``docs``."""
    from mkdocs.structure.files import File

    for name, page in BESIDE_DOCS.items():
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in what is made from the code; lead links to pages of the site, or out of it."""
    name, repository = page.file.src_uri, config.repo_url or ""
    if name in MADE:
        markdown = PLACE.sub(lambda _: MADE[name](), markdown)
    return LINK.sub(lambda link: lead(link[0], name, files.src_uris, repository), markdown)


def lead(link: str, page: str, site: Container[str], repository: str) -> str:
    """Where a link of a page leads on the site.

    Parameters
    ----------
    link : str
        As it is right in the repository: relative to the page's file.
    page : str
        Name of the page, relative to ``docs`` or generated.
    site : container of str
        Names of all pages and pictures.
    repository : str
        Address of the repository, for what is not on the site.

    Returns
    -------
    str
    """
    path, mark, anchor = link.partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return link
    folder = "" if page in BESIDE_DOCS.values() else posixpath.join("docs", posixpath.dirname(page))
    target = posixpath.normpath(posixpath.join(folder, path))
    there = BESIDE_DOCS.get(target, target.removeprefix("docs/"))
    if there in site:
        return posixpath.relpath(there, posixpath.dirname(page)) + mark + anchor
    return f"{repository}/blob/main/{target}{mark}{anchor}"


def commands() -> str:
    """The reference of the command line."""
    parts = []
    for command in (*COMMANDS, *WINDOW_COMMANDS):
        parser = parser_of(command)
        usage = parser.format_usage().removeprefix("usage: ")
        rows = [f"| {_called(action)} | {_told(action)} |" for action in parser._actions]
        parts += [
            f"## {command.name}",
            f"{command.help[0].upper()}{command.help[1:]}.",
            f"```text\n{usage}```",
            "\n".join(["| argument | meaning |", "|---|---|", *rows]),
        ]
    return "\n\n".join(parts)


def parser_of(command: Command) -> argparse.ArgumentParser:
    """The parser of one command, by itself."""
    width = partial(argparse.HelpFormatter, width=_USAGE_WIDTH)
    name = f"{PROGRAM} {command.name}"
    parser = argparse.ArgumentParser(name, add_help=False, formatter_class=width)
    command.add_arguments(parser)
    return parser


def _called(action: argparse.Action) -> str:
    """How an argument is given, as code."""
    choices = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else ""
    value = "" if action.nargs == 0 else str(action.metavar or choices or action.dest.upper())
    flags = [f"{flag} {value}".rstrip() for flag in action.option_strings] or [value]
    return ", ".join(map(_code, flags))


def _code(text: str) -> str:
    """Code that may stand in a cell of a table."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _told(action: argparse.Action) -> str:
    """What an argument means; some options say it only where there is room, as here."""
    help_ = (action.help or "") % vars(action) or options_of(Request)[action.dest].help
    return html.escape(help_).replace("|", "&#124;")


def options() -> str:
    """The reference of what can be chosen of a segmentation, wherever that is."""
    (segment,) = (command for command in COMMANDS if command.name == "segment")
    actions = {action.dest: action for action in parser_of(segment)._actions}
    parts = []
    for name, option in options_of(Request).items():
        parts += [f"## {name}", option.help, "\n".join(_ways(option, actions[name]))]
    return "\n\n".join(parts)


def _ways(option: Option, action: argparse.Action) -> list[str]:
    """Where an option is chosen, as a list."""
    kind = option.documented or option.kind.__name__
    ways = [
        f"- Python: `{option.name}={option.default!r}`, {kind}",
        f"- Command line: {_called(action)}",
    ]
    if option.choices:
        ways.append("- One of: " + ", ".join(f"`{word}`" for word in option.choices))
    if option.title:
        remembered = ", remembered from session to session" if option.remembered else ""
        ways.append(f"- In the window: *{option.title}*{remembered}")
    return ways


def api() -> str:
    """The reference of the public names: functions, then classes."""
    parts = []
    for title, is_class in (("Functions", False), ("Classes", True)):
        parts.append(f"## {title}")
        parts += [
            f"::: {home}.{name}"
            for name, home in napari_metaseg.HOMES.items()
            if name[0].isalpha() and name[0].isupper() is is_class
        ]
    return "\n\n".join(parts)


MADE = {"reference/commands.md": commands, "reference/options.md": options, "reference/api.md": api}
"""What is made for a page, in the place of the line that says so."""
