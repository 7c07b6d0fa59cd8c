"""What a person types after a command, read: days, numbers, ports. An argument that is none of that is wrong usage."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import date, datetime

_MOST_PORT = 65_535


def day(text: str) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day: write it as YYYY-MM-DD") from None


def number(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.isascii() and text.isdecimal()):
        raise ArgumentTypeError(f"{text!r} is not a number: give a whole number, 0 or more")
    return int(text)


def port(text: str) -> int:
    """The number of a TCP port; 0 is any that is free."""
    if not text.isdecimal() or int(text) > _MOST_PORT:
        raise ArgumentTypeError(f"{text!r} is not a port: give a number from 0 to {_MOST_PORT}")
    return int(text)
