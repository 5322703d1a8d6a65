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
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    unknown = InputError(f"unknown device {name!r}; choose auto, cpu, cuda or mps")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise unknown from error
    if device.type not in counts:
        raise unknown
    if (device.index or 0) >= counts[device.type]:
        raise InputError(f"this machine has no {name} device; choose auto or cpu")
    return device


def describe_device(device: torch.device) -> str:
    """The device in words, such as "CPU, 2 threads" or "NVIDIA RTX A4000"."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    count = torch.get_num_threads()
    why = "" if torch.cuda.is_available() else ": no CUDA graphics card was found"
    return f"CPU, {count} thread{'s' if count > 1 else ''}{why}"
