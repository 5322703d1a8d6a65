"""An option is declared once, and is there wherever it can be chosen."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from typing import Any

import pytest

from src_core.errors import InputError
from src_core.options import dataclass_of, option, options_of, takes_options


@dataclass(frozen=True)
class Coffee:
    beans: str
    cups: int = option(2, least=1, most=12, help="How much of it.")
    milk: bool = option(False, help="With milk.", remembered=True)
    roast: str = option("dark", help="How brown.", choices={"dark": "Dark", "light": "Light"})
    sugar: float | None = option(None, kind=float, help="Grams.")

    def __post_init__(self) -> None:
        for name, one in options_of(type(self)).items():
            one.check(getattr(self, name))


@takes_options(Coffee)
def brew(beans: str, *, then: Any = None, **options: Any) -> Coffee:
    """Make coffee.

    Parameters
    ----------
    beans : str
    **options
        As in `Coffee`,
        by name.
    then : callable, optional
        Called when it is ready.
    """
    return Coffee(beans, **options)


def test_fields_without_a_word_are_no_options() -> None:
    assert list(options_of(Coffee)) == ["cups", "milk", "roast", "sugar"]


def test_an_option_knows_its_name_its_default_and_its_kind() -> None:
    options = options_of(Coffee)
    assert [(one.name, one.default, one.kind) for one in options.values()] == [
        ("cups", 2, int),
        ("milk", False, bool),
        ("roast", "dark", str),
        ("sugar", None, float),
    ]


@pytest.mark.parametrize(("cups", "said"), [(0, "cups must be 1 or more"), (13, "12 or less")])
def test_a_number_out_of_range_is_refused(cups: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Coffee("arabica", cups)


def test_a_function_shows_the_options_it_takes() -> None:
    names = ["beans", "cups", "milk", "roast", "sugar", "then"]
    signature = inspect.signature(brew)
    assert list(signature.parameters) == names
    assert signature.parameters["cups"].default == 2
    assert all(
        signature.parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in names[1:]
    )
    assert brew("arabica", cups=3) == Coffee("arabica", 3)


def test_its_docstring_lists_them_where_they_stand() -> None:
    lines = (brew.__doc__ or "").splitlines()
    assert lines[2:] == [
        "Parameters",
        "----------",
        "beans : str",
        "cups : int",
        "    How much of it.",
        "milk : bool",
        "    With milk.",
        'roast : {"dark", "light"}',
        "    How brown.",
        "sugar : float, optional",
        "    Grams.",
        "then : callable, optional",
        "    Called when it is ready.",
    ]


def test_a_dataclass_of_some_options_has_their_defaults_and_what_is_said_of_them() -> None:
    base = dataclass_of(one for one in options_of(Coffee).values() if one.remembered)
    assert [(field.name, field.type) for field in fields(base)] == [("milk", "bool")]
    assert base().milk is False
    assert options_of(base)["milk"] == options_of(Coffee)["milk"]
