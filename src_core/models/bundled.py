"""The models there are by name: those of the package, and the user's own; no torch is loaded."""

import os
from importlib import resources
from pathlib import Path

from src_core.errors import InputError
from src_core.io.user_folder import user_folder

MODEL_SUFFIX = ".safetensors"
DEFAULT_MODEL = "brain3d-parcels"


def bundled_model_files() -> dict[str, Path]:
    """Files of the bundled models by name: the default first, then in alphabetical order."""
    folder = Path(str(resources.files("src_core") / "models"))
    files = {file.stem: file for file in folder.glob(f"*{MODEL_SUFFIX}")}
    return {name: files[name] for name in sorted(files, key=lambda n: (n != DEFAULT_MODEL, n))}


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    return list(bundled_model_files())


def own_models_folder() -> Path:
    """Folder of the user's own models, which need not exist yet."""
    return user_folder() / "models"


def own_model_files() -> dict[str, Path]:
    """Files of the user's own models by name; none has the name of a bundled one."""
    bundled = bundled_models()
    files = sorted(own_models_folder().glob(f"*{MODEL_SUFFIX}"))
    return {file.stem: file for file in files if file.stem not in bundled}


def named_model_files() -> dict[str, Path]:
    """Files of all models that have a name: the bundled ones, then the user's own."""
    return bundled_model_files() | own_model_files()


def model_path(name: str | Path) -> Path:
    """File of a bundled or own model by its name, or that of any other model.

    Raises
    ------
    InputError
        The name is neither that of a model nor that of a file.
    """
    known = named_model_files()
    if str(name) in known:
        return known[str(name)]
    path = Path(name)
    if path.suffix != MODEL_SUFFIX and os.sep not in str(name):
        raise InputError(
            f"unknown model {str(name)!r}; models: {', '.join(known) or 'none'}; "
            f"give a {MODEL_SUFFIX} file for another one"
        )
    return path
