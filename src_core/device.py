"""Where to compute."""

import torch

from src_core.errors import InputError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "mps"}
        "auto" takes the first CUDA device, else the CPU; Apple's "mps" only when asked for,
        because it lacks operations that the warp needs.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        Unknown name, or the machine has no such device.
    """
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return torch.device("cuda" if available["cuda"] else "cpu")
    if name.split(":")[0] not in available:
        raise InputError(f"unknown device {name!r}; choose auto, cpu, cuda or mps")
    if not available[name.split(":")[0]]:
        raise InputError(f"this machine has no {name} device; choose auto or cpu")
    return torch.device(name)
