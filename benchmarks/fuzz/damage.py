"""Ways in which a file comes to harm: bytes flipped, cut or doubled, numbers out of bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_MOST_CHANGES = 3
_LONGEST_PIECE = 64
_OFTEN_REPEATED = 3000
"""Times that a byte is repeated: more than a parser may nest its calls."""
_NUMBERS = (
    *(b"0", b"-1", b"1.5", b"1e999", b"NaN", b"-Infinity", b"nan", b"inf", b"true", b"null"),
    *(b'""', b"[]", b"{}", b"256", b"32768", b"2147483648", b"99999999999999999999", b"9" * 5000),
)
_WORDS = (b"\0", b"\xff", b"\xff\xfe", b"\r", b"\n", b"\t", b",", b'"', b"#", b"[", b"{", b"=")


def damaged(content: bytes, random: Random, head: int) -> bytes:
    """Harm some content in one to three places.

    Parameters
    ----------
    content : bytes
    random : Random
    head : int
        Bytes at the beginning in which half of the places lie.

    Returns
    -------
    bytes
    """
    for _ in range(random.randint(1, _MOST_CHANGES)):
        length = len(content) if random.random() < 0.5 else min(head, len(content))
        content = random.choice(_CHANGES)(content, random.randrange(length + 1), random)
    return content


def _flip(content: bytes, place: int, random: Random) -> bytes:
    if place == len(content):
        return content
    return _replaced(content, place, 1, bytes([content[place] ^ 1 << random.randrange(8)]))


def _overwrite(content: bytes, place: int, random: Random) -> bytes:
    size = min(random.choice((1, 2, 4, 8)), len(content) - place)
    filling = (random.randbytes(size), bytes(size), b"\xff" * size)
    return _replaced(content, place, size, random.choice(filling))


def _cut(content: bytes, place: int, _: Random) -> bytes:
    return content[:place]


def _leave_out(content: bytes, place: int, random: Random) -> bytes:
    return _replaced(content, place, random.randint(1, _LONGEST_PIECE), b"")


def _double(content: bytes, place: int, random: Random) -> bytes:
    piece = content[place : place + random.randint(1, _LONGEST_PIECE)]
    return _replaced(content, place, 0, piece)


def _repeat(content: bytes, place: int, _: Random) -> bytes:
    return _replaced(content, place, 0, _OFTEN_REPEATED * content[place : place + 1])


def _insert(content: bytes, place: int, random: Random) -> bytes:
    return _replaced(content, place, 0, random.choice(_WORDS))


def _renumber(content: bytes, place: int, random: Random) -> bytes:
    """Another number in place of the next one that is written in digits."""
    number = re.compile(rb"[-+.\d]*\d[.\d]*").search(content, place)
    if number is None:
        return content
    start, end = number.span()
    return _replaced(content, start, end - start, random.choice(_NUMBERS))


def _replaced(content: bytes, place: int, size: int, piece: bytes) -> bytes:
    return content[:place] + piece + content[place + size :]


_CHANGES: tuple[Callable[[bytes, int, Random], bytes], ...] = (
    _flip,
    _overwrite,
    _cut,
    _leave_out,
    _double,
    _repeat,
    _insert,
    _renumber,
    _renumber,
)
