"""Errors, and how to say them to the user."""


class InputError(ValueError):
    """The user's input cannot be used; the message is one line: what is wrong, what to do."""


def explain(error: Exception) -> str:
    """One line about an error for the user: what is wrong and, where it is known, what to do."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    if _out_of_memory(error):
        return (
            "out of memory: close other programs, compute on the CPU (--device cpu), or give a "
            "smaller scan (crop the background away)"
        )
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind


def _out_of_memory(error: Exception) -> bool:
    # torch says so with a RuntimeError of its own, whose type differs between its versions; its CPU
    # allocator and the C++ runtime with nothing but the text.
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in text for words in ("out of memory", "can't allocate", "bad_alloc"))
    )
