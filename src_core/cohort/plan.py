"""What a cohort's output is made with, and which of its scans are still to be done."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_core import __version__
from src_core.cohort.places import WRITTEN, Place
from src_core.cohort.products import NOTHING_MORE, Products
from src_core.cohort.tasks import ScanTask
from src_core.errors import InputError
from src_core.io.export import write_json
from src_core.io.files import digest
from src_core.models.bundled import model_path
from src_core.models.model_file import read_model_file
from src_core.options import options_of
from src_core.request import PER_SCAN, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from src_core.cohort.inputs import CohortScan

SETTINGS_FILE = Path("code") / "napari-metaseg.json"
"""In the output: what all of its label maps are made with."""
_OF_THE_MACHINE = ("device", "threads")


@dataclass(frozen=True)
class Settings:
    """What holds for the whole cohort.

    Attributes
    ----------
    protocol : str
        Of the labels.
    told : dict
        The options that labels depend on, the model by name and checksum, and the version.
    """

    protocol: str
    told: Mapping[str, Any]

    @property
    def checksum(self) -> str:
        """Changes with any of them."""
        return digest(json.dumps(self.told, sort_keys=True).encode())


def settings_of(request: Request) -> Settings:
    """What holds for the whole cohort, of a request for any of its scans.

    Raises
    ------
    InputError
        There is no such model, or it has no such labels.
    """
    file = read_model_file(model_path(str(request.model)))
    file.card.require_structures()
    model = {"name": file.card.name, "sha256": file.sha256}
    left_out = (*PER_SCAN, *_OF_THE_MACHINE, "model", "labels", "transform")
    told = {name: getattr(request, name) for name in options_of(Request) if name not in left_out}
    told = {name: value if value is None else _plain(value) for name, value in told.items()}
    told["transform"] = None if request.transform is None else request.transform.tolist()
    protocol = request.labels or file.card.protocol.name
    return Settings(protocol, {"version": __version__, "model": model, "labels": protocol, **told})


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def claim(output: Path, settings: Settings, overwrite: bool) -> None:
    """Note in the output what its label maps are made with.

    Raises
    ------
    InputError
        They were made with something else and may not be replaced, the folder holds something
        else, or nothing can be written.
    """
    file = output / SETTINGS_FILE
    taken = [name for name in WRITTEN if (output / name).exists()]
    # Looked for last: another run, which began meanwhile, notes it before it writes all else.
    if taken and not file.exists():
        raise InputError(
            f"{output} holds {', '.join(taken)} of something else; choose another folder"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {file.parent}: {error.strerror}") from error
    if not file.exists():
        try:
            write_json(settings.told, file)
        except InputError:
            if not file.exists():  # written by another run that began at the same time
                raise
    former = read_settings(output)
    changed = sorted(n for n, now in settings.told.items() if former.get(n) != now)
    if changed and not overwrite:
        said = ", ".join(
            f"{n} {_short(former.get(n))}, not {_short(settings.told[n])}" for n in changed
        )
        raise InputError(
            f"{output} was made with {said}: ask for the same again, choose another folder, or"
            " allow it to be replaced",
            option="overwrite",
        )
    if former != settings.told:  # not only where they differ: another version may know more options
        write_json(settings.told, file, overwrite=True)


def read_settings(output: Path) -> dict[str, Any]:
    """What the label maps of an output were made with; empty if nothing says it."""
    try:
        found = json.loads((output / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return f"{value.get('name')} ({str(value.get('sha256'))[:8]})"
    return "not given" if value is None else str(value)


def plan(
    scans: Iterable[CohortScan],
    request: Request,
    settings: Settings,
    output: Path,
    time_limit: float,
    products: Products = NOTHING_MORE,
) -> tuple[list[ScanTask], list[ScanTask]]:
    """The tasks of a cohort: those to be done, and those that are done.

    Raises
    ------
    InputError
        The output lies in the input.
    """
    every = [
        ScanTask(
            replace(request, scan=one.path, mask=one.mask, reference=one.reference),
            Place(output, one.name, settings.protocol),
            settings.checksum,
            time_limit,
            products,
            _source(one),
        )
        for one in scans
    ]
    done = [task for task in every if task.is_done()]
    finished = {task.place.scan for task in done}
    return [task for task in every if task.place.scan not in finished], done


def check_apart(inputs: Sequence[Path], output: Path) -> None:
    """Refuse an output among the scans, where it would be taken for some of them.

    Raises
    ------
    InputError
        The output is a file, or lies in the input (except in the derivatives of a data set).
    """
    if output.is_file():
        raise InputError(f"{output} is a file; give a folder")
    for folder in (path.resolve() for path in inputs if path.is_dir()):
        inside = output.resolve()
        if inside == folder or (
            folder in inside.parents and inside.relative_to(folder).parts[0] != "derivatives"
        ):
            raise InputError(
                f"the output {output} lies in the input {folder}; choose a folder elsewhere, or in"
                " derivatives/ of the data set"
            )


def _source(scan: CohortScan) -> str:
    if scan.dataset is None:
        return ""
    return f"bids:raw:{scan.path.relative_to(scan.dataset).as_posix()}"
