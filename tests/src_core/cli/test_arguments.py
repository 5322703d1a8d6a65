"""Options become arguments; values that are none are refused."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from src_core.cli.arguments import add_options, iterations, number
from src_core.options import option, options_of


@dataclass(frozen=True)
class Coffee:
    hot: bool = option(True, help="Hot.", short="cold")
    with_milk: bool = option(False, help="With 3.5 % milk.")
    roast: str = option("dark", help="How brown.", choices={"dark": "Dark", "light": "Light"})
    cups: int = option(2, least=1, most=12, help="How much of it.")
    sugar: float | None = option(None, kind=float, help="Grams.", group="sweet")
    honey: Path | None = option(None, kind=Path, help="The jar.", group="sweet")


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, options_of(Coffee).values())
    return parser


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("", {}),
        ("--no-hot --with-milk", {"hot": False, "with_milk": True}),
        ("--roast light --cups 3", {"roast": "light", "cups": 3}),
        ("--sugar 1.5", {"sugar": 1.5}),
        ("--honey jar.txt", {"honey": Path("jar.txt")}),
    ],
)
def test_arguments_are_named_as_the_options(
    parser: argparse.ArgumentParser, words: str, changed: dict[str, Any]
) -> None:
    assert vars(parser.parse_args(words.split())) == {**vars(Coffee()), **changed}


@pytest.mark.parametrize("words", ["--roast blue", "--cups 0", "--cups 13", "--cups x"])
def test_other_values_are_refused(parser: argparse.ArgumentParser, words: str) -> None:
    with pytest.raises(argparse.ArgumentError):
        parser.parse_args(words.split())


def test_of_a_group_only_one_is_taken(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((argparse.ArgumentError, SystemExit)):
        parser.parse_args(["--sugar", "1", "--honey", "jar.txt"])


def test_help_says_what_is_said_of_them(parser: argparse.ArgumentParser) -> None:
    said = parser.format_help()
    for words in ("cold", "With 3.5 % milk.", "{dark,light}", "--cups N", "--honey FILE"):
        assert words in said


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (number(int), "-1", "-1 is negative"),
        (number(int, 1), "0", "0 is not a positive number"),
        (number(int, 3), "2", "2 is below 3"),
        (number(float, 0, 1), "1.5", "1.5 is above 1"),
        (iterations, "1,-2", "-2 is negative"),
    ],
)
def test_a_number_out_of_range_is_told(read: Any, text: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=said):
        read(text)


def test_iterations_rise_and_are_there_once() -> None:
    assert iterations("10, 2,2,0") == [0, 2, 10]
