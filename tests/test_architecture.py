"""The floors of the house: what a folder may import, and how large its rooms may be."""

from __future__ import annotations

import ast
import functools
import statistics
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]

# The one list of floors, lowest first: a folder or module imports only from floors below its own.
# Those that share a floor do not know each other.
FLOORS = {
    "src_core": """
        errors < options < io < datasets, space < networks < fitting < correction, models < request
        < preparation < results, training < segment, adaptation < evaluation, cohort < cli
        """,
    "napari_metaseg": """
        run < layers, preferences < controller < panel < view < review < demo, __main__
        """,
}
WITHOUT_TORCH = (
    "src_core.io",
    "src_core.datasets",
    "src_core.models.bundled",
    "src_core.models.card",
)
QT = {"qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6", "superqt", "napari.qt", "napari._qt"}
NAPARI = {"napari", "magicgui", "napari_builtins"}
DOES_NOT_KNOW = {
    "src_core": QT | NAPARI | {"napari_metaseg"},
    "napari_metaseg.run": QT | NAPARI,
    "napari_metaseg.layers": QT,
    "napari_metaseg.panel": {"torch"},
    "napari_metaseg.review": {"torch"},
}

LINES_OF_A_FILE, LINES_OF_A_CLASS, LINES_OF_A_FUNCTION, MEDIAN_OF_THE_FILES = 400, 350, 60, 150
# Tests of more than one module.
TESTS_OF_SEVERAL = {
    "napari_metaseg/test_files.py",
    "napari_metaseg/test_import.py",
    "napari_metaseg/test_manifest.py",
    "src_core/test_geometry.py",
}


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_of(*packages: str) -> dict[str, Path]:
    files = (file for package in packages for file in sorted((ROOT / package).rglob("*.py")))
    return {module_name(file): file for file in files}


ENGINE, PLUGIN = modules_of("src_core"), modules_of("napari_metaseg")
MODULES = ENGINE | PLUGIN
MEASURED = MODULES | modules_of("benchmarks")


@functools.cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(module: str, *, running: bool = False, loading: bool = False) -> Iterator[str]:
    """Names of the modules a module imports.

    With `running` without those for the type checker, with `loading` only those that loading the
    file imports.
    """
    pending: list[ast.AST] = [tree(MODULES[module])]
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
            assert node.module, f"{module} has a relative import"
            assert not node.level, f"{module} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending.extend(ast.iter_child_nodes(node))


def lies_in(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def floors_of(package: str) -> dict[str, int]:
    """Floor of each folder and module of a package."""
    floors = FLOORS[package].split("<")
    return {name.strip(): floor for floor, names in enumerate(floors) for name in names.split(",")}


def folder_of(module: str) -> tuple[str, str]:
    """Package and folder (or module of the package's root) that a module lies in."""
    package, _, rest = module.partition(".")
    return package, rest.partition(".")[0]


def check_torch_is_not_reached(entrance: str, *, loading: bool) -> None:
    """Follow the imports of a module, and find no torch among them."""
    seen: set[str] = set()
    pending = [entrance]
    while pending:
        name = pending.pop()
        seen.add(name)
        for imported in imports(name, running=True, loading=loading):
            assert imported.partition(".")[0] != "torch", f"{name} imports torch"
            if imported in MODULES and imported not in seen:
                pending.append(imported)


@pytest.mark.parametrize("package", FLOORS)
def test_the_documentation_shows_the_same_floors(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert " ".join(FLOORS[package].split()) in " ".join(page.split())


def test_the_modules_without_torch_exist() -> None:
    assert all(
        (ROOT / name.replace(".", "/")).exists() or name in MODULES for name in WITHOUT_TORCH
    )


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_has_a_floor(package: str) -> None:
    folders = {folder_of(module)[1] for module in modules_of(package)} - {""}
    assert folders == set(floors_of(package))


def from_above(module: str) -> list[str]:
    """What a module imports although it does not lie on a floor below."""
    package, folder = folder_of(module)
    floors = floors_of(package)
    return [
        f"{module} imports {imported}"
        for imported in imports(module)
        if imported in MODULES
        and folder_of(imported)[0] == package
        and (other := folder_of(imported)[1]) not in ("", folder)
        and (not folder or floors[other] >= floors[folder])
    ]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_folder_imports_only_from_floors_below(module: str) -> None:
    assert not from_above(module)


@pytest.mark.parametrize("modules", [ENGINE, PLUGIN], ids=["engine", "plugin"])
def test_the_rooms_import_in_one_direction(modules: dict[str, Path]) -> None:
    graph = {
        name: {other for other in imports(name, running=True) if other in modules} - {name}
        for name in modules
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the modules of a cycle


@pytest.mark.parametrize("package", DOES_NOT_KNOW)
def test_a_folder_does_not_know(package: str) -> None:
    for module in filter(lambda module: lies_in(module, [package]), MODULES):
        for imported in imports(module):
            assert not lies_in(imported, DOES_NOT_KNOW[package]), f"{module} imports {imported}"


@pytest.mark.parametrize("entrance", ["src_core", "src_core.cli.main", *PLUGIN])
def test_torch_is_not_loaded_on_entering(entrance: str) -> None:
    check_torch_is_not_reached(entrance, loading=True)


@pytest.mark.parametrize(
    "entrance", [module for module in ENGINE if lies_in(module, WITHOUT_TORCH)]
)
def test_torch_is_never_loaded(entrance: str) -> None:
    check_torch_is_not_reached(entrance, loading=False)


def too_large(module: str) -> list[str]:
    """What of a module is larger than it may be."""
    file = MEASURED[module]
    lines = len(file.read_text(encoding="utf-8").splitlines())
    found = [f"{module}: {lines} lines"] if lines > LINES_OF_A_FILE else []
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ClassDef):
            limit = LINES_OF_A_CLASS
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            limit = LINES_OF_A_FUNCTION
        else:
            continue
        lines = (node.end_lineno or 0) - node.lineno + 1
        if lines > limit:
            found.append(f"{module}, {node.name}: {lines} lines")
    return found


@pytest.mark.parametrize("module", sorted(MEASURED))
def test_files_classes_and_functions_are_small(module: str) -> None:
    assert not too_large(module)


def median_lines(package: str) -> float:
    files = (file for file in modules_of(package).values() if file.name != "__init__.py")
    return statistics.median(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


@pytest.mark.parametrize("package", FLOORS)
def test_most_files_are_small(package: str) -> None:
    assert median_lines(package) <= MEDIAN_OF_THE_FILES


@pytest.mark.parametrize("module", MODULES)
def test_text_has_one_encoding_on_every_system(module: str) -> None:
    """Names that are not ASCII, of scans and structures, would be garbled on Windows."""
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            named = {keyword.arg for keyword in node.keywords}
            is_text = node.func.attr in ("read_text", "write_text") or (
                # Without the arguments that are a file's, others open: studies, gates, viewers.
                node.func.attr == "open" and "newline" in named
            )
            told = "encoding" in named or "utf-8" in texts
            assert told or not is_text, f"{module}, line {node.lineno}: name the encoding"


@pytest.mark.parametrize("package", FLOORS)
def test_the_tests_mirror_the_packages(package: str) -> None:
    """A file of tests is named after the module it tests, and may add what of it."""
    for file in (ROOT / "tests" / package).rglob("test_*.py"):
        name = file.relative_to(ROOT / "tests")
        if name.as_posix() in TESTS_OF_SEVERAL:
            continue
        tested = name.stem.removeprefix("test_")
        rooms = [room.stem for room in (ROOT / name.parent).glob("*.py")]
        assert lies_in(tested.replace("_", "."), (room.replace("_", ".") for room in rooms)), (
            f"there is no module that {name} tests"
        )


def test_the_two_copies_of_the_manifest_are_equal() -> None:
    packaged = ROOT / "napari_metaseg" / "napari.yaml"
    assert (ROOT / "napari.yaml").read_bytes() == packaged.read_bytes()


@pytest.mark.parametrize("package", FLOORS)
def test_the_page_on_the_architecture_has_the_same_floors(package: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert " ".join(FLOORS[package].split()) in " ".join(page.split())
