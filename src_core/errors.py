"""Errors, and how to say them to the user."""


class InputError(ValueError):
    """The user's input cannot be used; the message is one line: what is wrong, what to do.

    Parameters
    ----------
    message : str
        In words that hold in the window, in Python and on the command line.
    option : str
        The option that does what the message ends with, such as "device cpu"; said where options
        are typed: on the command line.
    """

    def __init__(self, message: str, *, option: str = ""):
        super().__init__(message)
        self.option = option


def explain(error: Exception, *, typed: bool = False) -> str:
    """One line about an error for the user: what is wrong and, where it is known, what to do.

    Parameters
    ----------
    error : Exception
    typed : bool
        The user types options: the one that helps is named as the command line spells it.
    """
    if _out_of_memory(error):
        error = InputError(
            "out of memory: close other programs, give a smaller scan (crop the background away),"
            " or compute on the CPU",
            option="device cpu",
        )
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return f"{text} (--{error.option})" if typed and error.option else text
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
