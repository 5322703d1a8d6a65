"""The configuration file of a training: TOML, checked against the settings' type hints."""

from __future__ import annotations

import math
import sys
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from reprlib import repr as shortened
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeGuard,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from src_core.errors import InputError
from src_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LARGEST = 2**63 - 1
"""Whole number; TOML promises no larger ones."""
_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
}


def read_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> TrainingSettings:
    """Read the settings of a training.

    Parameters
    ----------
    path : str or Path
        TOML file; its keys are the fields of `TrainingSettings`, its tables the dataclasses
        in them. Paths in it are relative to its folder.
    overrides : mapping, optional
        Fields of `TrainingSettings` that take the place of the file's; None stands for not given.

    Returns
    -------
    TrainingSettings

    Raises
    ------
    InputError
        If the file cannot be read, or a key is unknown, missing, of another type or out of range.
    """
    path = Path(path)
    settings: TrainingSettings = _built(TrainingSettings, _read_toml(path), path, "")
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    return replace(settings, **given)


def to_json(settings: Any) -> Any:
    """Turn settings into plain values; paths are made absolute, so that equal settings are equal.

    Parameters
    ----------
    settings : dataclass, or what its fields may hold

    Returns
    -------
    dict, list, str, int, float, bool or None
        What `json.dumps` takes.
    """
    if _is_section(type(settings)):
        return {field.name: to_json(getattr(settings, field.name)) for field in fields(settings)}
    if isinstance(settings, Path):
        return str(settings.resolve())
    if isinstance(settings, tuple):
        return [to_json(value) for value in settings]
    if isinstance(settings, dict):
        return {key: to_json(value) for key, value in settings.items()}
    return settings


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid TOML file: {error}") from error


def _built(
    section: type, values: Mapping[str, Any], file: Path, key: str, usual: Any = None
) -> Any:
    """Build a dataclass from a table of the file.

    `key` is the table's name, empty at the top; `usual` is what the section is without the table.
    """
    known = {field.name: field for field in fields(section) if field.init}
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, 1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise InputError(f"{file}: unknown key {_inside(key, name)}; {advice}")
    hints = get_type_hints(section)
    arguments = {}
    for name, field in known.items():
        inner = _inside(key, name)
        if name in values:
            default = field.default
            if field.default_factory is not MISSING:
                default = field.default_factory()
            arguments[name] = _converted(hints[name], values[name], file, inner, default)
        elif usual is not None:
            arguments[name] = getattr(usual, name)
        elif _is_required(field):
            if not _is_section(hints[name]):
                raise InputError(f"{file}: the key {inner} is missing")
            arguments[name] = _built(hints[name], {}, file, inner)
    try:
        return section(**arguments)
    except InputError as error:
        raise InputError(f"{file}: {f'[{key}] ' if key else ''}{error}") from error


def _converted(kind: Any, value: Any, file: Path, key: str, usual: Any = None) -> Any:
    """Turn a value of the file into one of the type `kind`; see `_built`."""
    if not _fits(kind, value):
        raise InputError(f"{file}: {key} must be {_described(kind)}, but is {shortened(value)}")
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        chosen = next(option for option in inner if _fits(option, value))
        return _converted(chosen, value, file, key, usual)
    if _is_section(kind):
        return _built(kind, value, file, key, usual if isinstance(usual, kind) else None)
    if origin is dict:
        return {
            name: _converted(inner[1], one, file, _inside(key, name)) for name, one in value.items()
        }
    if origin is tuple:
        kinds = inner[:1] * len(value) if inner[1:] == (...,) else inner
        return tuple(
            _converted(one_kind, one, file, f"{key}[{number}]")
            for number, (one_kind, one) in enumerate(zip(kinds, value, strict=True))
        )
    if kind is Path:
        return file.parent / Path(value).expanduser()
    return float(value) if kind is float else value


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value of the file is of the type `kind`, without a look at what it contains."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(option, value) for option in inner)
    if origin is Literal:
        return any(type(value) is type(option) and value == option for option in inner)
    if origin is tuple:
        return isinstance(value, list) and (inner[1:] == (...,) or len(value) == len(inner))
    if origin is dict or _is_section(kind):
        return isinstance(value, dict)
    # type(), because True is an int to isinstance()
    if kind is float and type(value) is float:
        return math.isfinite(value)
    if kind in (int, float):
        return type(value) is int and -_LARGEST <= value <= _LARGEST
    return type(value) is (str if kind is Path else kind)


def _described(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_described(option) for option in inner if option is not NoneType)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        listed = _described(inner[0]) if inner[1:] == (...,) else f"{len(inner)} values"
        return f"a list of {listed}"
    return _NAMES.get(kind, "a table")


def _is_section(kind: Any) -> TypeGuard[type]:
    return isinstance(kind, type) and is_dataclass(kind)


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _inside(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
