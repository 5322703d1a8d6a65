"""The models that come with the package, by name; looking does not load torch."""

import os
from importlib import resources
from pathlib import Path

from src_core.errors import InputError

MODEL_SUFFIX = ".safetensors"
DEFAULT_MODEL = "brain3d-tissue"


def bundled_model_files() -> dict[str, Path]:
    """Files of the bundled models by name: the default first, then in alphabetical order."""
    folder = Path(str(resources.files("src_core") / "models"))
    files = {file.stem: file for file in folder.glob(f"*{MODEL_SUFFIX}")}
    return {name: files[name] for name in sorted(files, key=lambda n: (n != DEFAULT_MODEL, n))}


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    return list(bundled_model_files())


def model_path(name: str | Path) -> Path:
    """File of a bundled model by its name, or that of any other model.

    Raises
    ------
    InputError
        The name is neither that of a bundled model nor that of a file.
    """
    bundled = bundled_model_files()
    if str(name) in bundled:
        return bundled[str(name)]
    path = Path(name)
    if path.suffix != MODEL_SUFFIX and os.sep not in str(name):
        raise InputError(
            f"unknown model {str(name)!r}; bundled models: {', '.join(bundled) or 'none'}; "
            f"give a {MODEL_SUFFIX} file for one of your own"
        )
    return path
