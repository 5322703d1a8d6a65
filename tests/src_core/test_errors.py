"""How errors are said to the user."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import torch

from src_core.errors import InputError, explain


def test_what_the_user_can_mend_is_said_as_it_is_in_one_line() -> None:
    error = InputError("the scan is not stripped;\n  strip it first")
    assert explain(error) == "the scan is not stripped; strip it first"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        if hasattr(torch, "OutOfMemoryError")
        else torch.cuda.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    ],
)
def test_where_a_card_runs_out_of_memory_the_cpu_may_help(error) -> None:
    said = explain(error)
    assert said.startswith("out of memory: ")
    assert said.endswith("or compute on the CPU")
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate "
            "memory: you tried to allocate 400000000000 bytes."
        ),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] data. DefaultCPUAllocator: not enough memory: you "
            "tried to allocate 400000000000 bytes."
        ),
        RuntimeError("std::bad_alloc"),
        MemoryError(),
        MemoryError("Unable to allocate 3.1 GiB for an array"),
    ],
)
def test_where_the_machine_runs_out_of_memory_the_user_hears_what_to_do(error) -> None:
    said = explain(error, "--{}".format)
    assert said.startswith("out of memory: ")
    assert said.endswith("give a smaller scan (crop the background away)")


def test_an_option_that_helps_is_named_only_where_options_are_typed() -> None:
    error = InputError("a.nii exists; allow it to be replaced", option="overwrite")
    assert explain(error) == str(error) == "a.nii exists; allow it to be replaced"
    typed = "--{}".format
    assert explain(error, typed) == "a.nii exists; allow it to be replaced (--overwrite)"
    full = RuntimeError("CUDA out of memory")
    assert explain(full, typed).endswith("compute on the CPU (--device cpu)")
    assert explain(InputError("no scan"), typed) == "no scan"
    assert explain(error, "".format) == str(error)


def test_torch_itself_is_understood_when_memory_runs_out() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.float32)
    assert explain(raised.value).startswith("out of memory: ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError("mat1 and mat2\nshapes cannot be multiplied"),
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied",
        ),
        (KeyError("sine"), "KeyError: 'sine'"),
        (ValueError("out of memory cells"), "ValueError: out of memory cells"),
        (AssertionError(), "AssertionError"),
    ],
)
def test_what_should_not_happen_is_said_with_its_kind(error, said) -> None:
    assert explain(error) == said


def test_no_message_outside_of_the_command_line_names_an_option() -> None:
    root = Path(__file__).parents[2]
    files = [*(root / "src_core").rglob("*.py"), *(root / "napari_metaseg").rglob("*.py")]
    typed = [root / "napari_metaseg" / "view.py", *(root / "src_core" / "cli").glob("*.py")]
    for file in set(files) - set(typed):
        for raised in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(raised, ast.Raise | ast.Assign):
                words = [part.value for part in ast.walk(raised) if isinstance(part, ast.Constant)]
                named = [text for text in map(str, words) if re.search(r"--[a-z]", text)]
                assert not named, f"{file}: {named}; say it as `option` of the InputError"
