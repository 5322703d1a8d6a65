"""The one error that is the user's to mend."""


class InputError(ValueError):
    """The user's input cannot be used; the message is one line: what is wrong, what to do."""
