"""Where to compute; torch is imported by the functions only, because the parser knows the names."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, get_args

from src_core.errors import InputError

if TYPE_CHECKING:
    import torch

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
DEVICES: tuple[DeviceName, ...] = get_args(DeviceName)
"""Names of what can be asked for."""


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
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    counts = {
        "cpu": 1,
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
    }
    names = f"{', '.join(DEVICES[:-1])} or {DEVICES[-1]}"
    unknown = InputError(f"unknown device {name!r}; choose {names}")
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
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    count = torch.get_num_threads()
    why = "" if torch.cuda.is_available() else " (no CUDA graphics card)"
    return f"CPU, {count} thread{'s' if count > 1 else ''}{why}"


def return_free_memory() -> None:
    """Hand memory that is free back to the system where that must be asked for.

    glibc keeps what lies between pieces in use: 100 MB after a scan was seen, and after a fit.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
