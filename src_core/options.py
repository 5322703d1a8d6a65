"""Options: fields of a dataclass that say how they are chosen, wherever that may be.

A field made by `option` is declared once. The command line makes a flag of it, a function that
`takes_options` a parameter with its line in the docstring, the panel a row, and the preferences an
entry; see `docs/architecture.md`.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass, field, fields, make_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Function = TypeVar("Function", bound="Callable[..., Any]")

_WIDTH = 96


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is said of a field wherever it can be chosen.

    Attributes
    ----------
    help : str
        One or two sentences: in docstrings, and on the page of preferences.
    name : str
        Name of the field.
    default : any
    kind : type
        What it is where it is typed or clicked: bool, int, float, str or Path.
    documented : str
        Its type in docstrings; "": made from `kind`.
    choices : mapping of str to str
        The values there are, with their titles; empty: any value of that kind.
    least, most : float or None
        Range of a number. Without `least` the command line takes nothing below 0.
    short : str or None
        Words for the command line; None: as `help`.
    metavar : str or None
        What stands for the value on the command line.
    group : str
        Of the options with this word, the command line takes one at most; "": takes it with any.
    title : str
        Label in the panel and on the page of preferences; "": the panel does not offer it.
    tip : str
        Tooltip in the panel; "": as `help`.
    remembered : bool
        Whether the panel begins with what was chosen last.
    """

    help: str
    name: str = ""
    default: Any = None
    kind: type = str
    documented: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None
    short: str | None = None
    metavar: str | None = None
    group: str = ""
    title: str = ""
    tip: str = ""
    remembered: bool = False

    def check(self, value: Any) -> None:
        """Raise an `InputError` if a number is out of range; None stands for not given."""
        if value is None:
            return
        if self.least is not None and value < self.least:
            raise InputError(f"{self.name} must be {self.least} or more")
        if self.most is not None and value > self.most:
            raise InputError(f"{self.name} must be {self.most} or less")

    def numpydoc(self) -> str:
        """Its entry in the parameters of a docstring."""
        kind = self.documented or self.kind.__name__ + (", optional" * (self.default is None))
        if self.choices:
            kind = "{" + ", ".join(f'"{choice}"' for choice in self.choices) + "}"
        lines = textwrap.wrap(self.help, _WIDTH, initial_indent="    ", subsequent_indent="    ")
        return "\n".join([f"{self.name} : {kind}", *lines])


def option(default: Any, **said: Any) -> Any:
    """A field of a dataclass that can be chosen; what is said of it are fields of `Option`."""
    said.setdefault("kind", type(default))
    return field(default=default, metadata={"option": Option(default=default, **said)})


def options_of(kind: type) -> dict[str, Option]:
    """The options of a dataclass by name, in their order."""
    return {
        one.name: replace(one.metadata["option"], name=one.name)
        for one in fields(kind)
        if "option" in one.metadata
    }


def dataclass_of(options: Iterable[Option]) -> Any:
    """A frozen dataclass of some options, for others to derive from."""
    return make_dataclass(
        "Options",
        [(one.name, one.kind.__name__, option(**_said(one))) for one in options],
        frozen=True,
    )


def _said(one: Option) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if name != "name"}


def takes_options(kind: type) -> Callable[[Function], Function]:
    """Decorate a function that hands its `**options` to a dataclass.

    Its signature and its docstring, where ``**options`` stand among the parameters, list the
    options of the dataclass.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        chosen = inspect.signature(kind).parameters
        options = [chosen[name] for name in options_of(kind)]
        named = inspect.Parameter.KEYWORD_ONLY
        parameters = list(signature.parameters.values())
        before = [one for one in parameters if one.kind < inspect.Parameter.VAR_POSITIONAL]
        after = [one for one in parameters if one.kind is named]
        listed = [*before, *(one.replace(kind=named) for one in options), *after]
        entries = "\n".join(one.numpydoc() for one in options_of(kind).values())
        vars(function)["__signature__"] = signature.replace(parameters=listed)
        function.__doc__ = re.sub(
            r"^\*\*options.*\n(?: +.*\n)*",
            lambda _: entries + "\n",
            inspect.getdoc(function) or "",
            flags=re.MULTILINE,
        )
        return function

    return decorate
