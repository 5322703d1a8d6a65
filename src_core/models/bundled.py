"""The models that come with the package, by name; looking does not load torch."""

from importlib import resources
from pathlib import Path

MODEL_SUFFIX = ".safetensors"
DEFAULT_MODEL = "brain3d-tissue"


def bundled_model_files() -> dict[str, Path]:
    """Files of the bundled models by name: the default first, then in alphabetical order."""
    folder = Path(str(resources.files("src_core") / "models"))
    files = {file.stem: file for file in folder.glob(f"*{MODEL_SUFFIX}")}
    return {name: files[name] for name in sorted(files, key=lambda n: (n != DEFAULT_MODEL, n))}
