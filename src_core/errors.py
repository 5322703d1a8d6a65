"""Errors, and how to say them to the user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


# torch says so with a RuntimeError of its own, whose type differs between its versions; its CPU
# allocator, which has other words on Windows, and the C++ runtime with nothing but the text.
_CARD_IS_FULL = "out of memory"
_MACHINE_IS_FULL = ("can't allocate", "not enough memory", "bad_alloc")


class InputError(ValueError):
    """The user's input cannot be used; the message is one line: what is wrong, what to do.

    Parameters
    ----------
    message : str
        In words that hold in the window, in Python and on the command line.
    option : str
        The option that does what the message ends with, such as "device cpu"; the command line and
        the window add how they spell it.
    """

    def __init__(self, message: str, *, option: str = ""):
        super().__init__(message)
        self.option = option


def explain(error: Exception, spell: Callable[[str], str] = "".format) -> str:
    """One line about an error for the user: what is wrong and, where it is known, what to do.

    Parameters
    ----------
    error : Exception
    spell : callable
        What the option that helps is called where the user is; empty: it is not named.
    """
    if is_out_of_memory(error):
        error = _to_do_without_memory(error)
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        named = spell(error.option) if error.option else ""
        return f"{text} ({named})" if named else text
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind


def is_out_of_memory(error: Exception) -> bool:
    """Whether the memory of the machine or of a graphics card was not enough."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in str(error).lower() for words in (_CARD_IS_FULL, *_MACHINE_IS_FULL))
    )


def _to_do_without_memory(error: Exception) -> InputError:
    smaller = "give a smaller scan (crop the background away)"
    if isinstance(error, RuntimeError) and _CARD_IS_FULL in str(error).lower():
        return InputError(
            f"out of memory: close other programs, {smaller}, or compute on the CPU",
            option="device cpu",
        )
    return InputError(f"out of memory: close other programs, or {smaller}")
