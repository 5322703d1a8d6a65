"""The methods by name."""

from __future__ import annotations

import json
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.baselines.data import Task
from src_core.errors import InputError
from src_core.training.cache import claim

if TYPE_CHECKING:
    from benchmarks.baselines.method import Method

# By name, so that only the U-Nets need MONAI.
METHODS = {
    "pointwise": "pointwise.Pointwise",
    "unet2d": "unet.UNet2d",
    "unet3d": "unet.UNet3d",
    "nisf": "nisf.Nisf",
    "siren-random": "fitted.FittedFromRandom",
    "siren-images": "fitted.FittedFromImages",
}


def untrained(name: str, task: Task, settings: dict[str, int]) -> Method:
    """A method that is not trained yet.

    Parameters
    ----------
    name : str
        One of `METHODS`.
    task : Task
    settings : dict
        Of the method, other than its defaults.

    Raises
    ------
    InputError
        The method has no such settings.
    """
    module, kind = METHODS[name].split(".")
    make: Any = getattr(import_module(f"benchmarks.baselines.{module}"), kind)
    unknown = settings.keys() - signature(make).parameters.keys()
    if unknown:
        raise InputError(f"{name} has no {', '.join(sorted(unknown))}; leave that out")
    method: Method = make(task, **settings)
    return method


def begin(name: str, task: Task, settings: dict[str, int], folder: Path) -> Method:
    """An untrained method whose training folder knows its settings from now on.

    Raises
    ------
    InputError
        The folder belongs to a training with other settings.
    """
    method = untrained(name, task, settings)
    scans = [scan.name for scan in task.of_split("train")]
    claim(folder, {"settings": settings, "learned": scans, "cache": str(task.cache.resolve())})
    return method


def trained(name: str, data: Path, protocol: str, results: Path) -> Method:
    """A method as it was trained into a folder of results.

    Raises
    ------
    InputError
        It was not trained there.
    """
    work = results / protocol / name / "training"
    if not (work / "settings.json").exists():
        raise InputError(f"{work}: {name} is not trained for {protocol}; run it first")
    known = json.loads((work / "settings.json").read_text())
    task = Task.of(data, protocol, Path(known["cache"]), known["learned"])
    method = untrained(name, task, known["settings"])
    method.train(work)
    return method
