"""Where to compute, and how that is said."""

from __future__ import annotations

import pytest
import torch

from src_core.errors import InputError
from src_core.fitting.device import choose_device, describe_device


@pytest.fixture
def machine(monkeypatch):
    """A machine with these devices."""

    def has(*, cuda: bool = False, mps: bool = False, threads: int = 2) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 if cuda else 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA RTX A4000")
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)

    return has


@pytest.mark.parametrize(
    ("devices", "asked", "chosen"),
    [
        ({}, "auto", "cpu"),
        ({"cuda": True}, "auto", "cuda"),
        ({"mps": True}, "auto", "cpu"),
        ({"cuda": True}, "cpu", "cpu"),
        ({"cuda": True}, "cuda", "cuda"),
        ({"cuda": True}, "cuda:1", "cuda:1"),
        ({"mps": True}, "mps", "mps"),
    ],
)
def test_the_device_that_is_chosen(machine, devices, asked, chosen) -> None:
    machine(**devices)
    assert choose_device(asked) == torch.device(chosen)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_refused(machine, name) -> None:
    machine()
    with pytest.raises(InputError, match=f"no {name} device; choose auto or cpu"):
        choose_device(name)


def test_a_graphics_card_more_than_there_are_is_refused(machine) -> None:
    machine(cuda=True)
    with pytest.raises(InputError, match="no cuda:2 device"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "meta", "", "CPU", "cuda0"])
def test_an_unknown_name_is_refused(machine, name) -> None:
    machine(cuda=True)
    with pytest.raises(InputError, match="choose auto, cpu, cuda or mps"):
        choose_device(name)


@pytest.mark.parametrize("name", ["cuda:x", "cpu:one", "cuda:"])
def test_a_number_that_is_none_is_refused(machine, name) -> None:
    machine(cuda=True)
    with pytest.raises(InputError, match="unknown device"):
        choose_device(name)


@pytest.mark.parametrize(
    ("devices", "device", "said"),
    [
        ({}, "cpu", "CPU, 2 threads (no CUDA graphics card)"),
        ({"threads": 1}, "cpu", "CPU, 1 thread (no CUDA graphics card)"),
        ({"cuda": True, "threads": 8}, "cpu", "CPU, 8 threads"),
        ({"cuda": True}, "cuda", "NVIDIA RTX A4000"),
        ({"mps": True}, "mps", "Apple GPU"),
    ],
)
def test_a_device_in_words(machine, devices, device, said) -> None:
    machine(**devices)
    assert describe_device(torch.device(device)) == said
