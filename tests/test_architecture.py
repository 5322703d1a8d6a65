"""Rules that keep the engine usable without a viewer, and the rooms in one order."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
ENGINE = sorted((ROOT / "src_core").rglob("*.py"))
PLUGIN = sorted((ROOT / "napari_metaseg").rglob("*.py"))
VIEWER_PACKAGES = {"napari", "napari_metaseg", "qtpy", "magicgui", "superqt", "PyQt6", "PySide6"}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path, *, running: bool = False, loading: bool = False) -> Iterator[str]:
    """Names of the modules a file imports.

    With `running` without those for the type checker, with `loading` only those that loading the
    file imports.
    """
    pending: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if loading and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if (
            (running or loading)
            and isinstance(node, ast.If)
            and "TYPE_CHECKING" in ast.unparse(node.test)
        ):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{file} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("file", ENGINE, ids=module_name)
def test_the_engine_knows_no_viewer(file: Path) -> None:
    assert VIEWER_PACKAGES.isdisjoint(name.partition(".")[0] for name in imports(file))


@pytest.mark.parametrize("files", [ENGINE, PLUGIN], ids=["engine", "plugin"])
def test_the_rooms_import_in_one_direction(files: list[Path]) -> None:
    modules = {module_name(file): file for file in files}
    graph = {
        name: {other for other in imports(file, running=True) if other in modules} - {name}
        for name, file in modules.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the modules of a cycle


@pytest.mark.parametrize(
    "entrance", ["src_core", "src_core.cli.main", "src_core.io.sample", *map(module_name, PLUGIN)]
)
def test_torch_is_not_loaded_on_entering(entrance: str) -> None:
    modules = {module_name(file): file for file in (*ENGINE, *PLUGIN)}
    seen: set[str] = set()
    pending = [entrance]
    while pending:
        name = pending.pop()
        seen.add(name)
        for imported in imports(modules[name], loading=True):
            assert imported.partition(".")[0] != "torch", f"{name} imports torch"
            if imported in modules and imported not in seen:
                pending.append(imported)


def test_the_two_copies_of_the_manifest_are_equal() -> None:
    packaged = ROOT / "napari_metaseg" / "napari.yaml"
    assert (ROOT / "napari.yaml").read_bytes() == packaged.read_bytes()
