"""One variable of an environment each: its value, or a UsageError that names it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from crime_assets.core.errors import UsageError


def matching(environment: Mapping[str, str], name: str, pattern: re.Pattern[str], what: str) -> str:
    """The text of a variable, which may be empty. UsageError says what it should be."""
    text = environment.get(name, "")
    if text and not pattern.fullmatch(text):
        raise UsageError(f"{name}={text} is not right: set it to {what}.")
    return text


def whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    """A number of at most 18 digits."""
    text = environment.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UsageError(f"{name}={text[:40]} is not a whole number: set it to one, such as {default}.")
    return int(text)


def directory(environment: Mapping[str, str], name: str, default: Path) -> Path:
    """An absolute path."""
    text = environment.get(name) or str(default)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{name}={text} names a user without a home directory here: write the whole path.") from error


def optional(environment: Mapping[str, str], name: str) -> Path | None:
    """An absolute path; None where it is not set."""
    return directory(environment, name, Path()) if environment.get(name) else None


def token(environment: Mapping[str, str], name: str) -> str:
    """A secret of signs that a header can have."""
    text = environment.get(name, "").strip()
    # It goes into a header; an error raised there would show it.
    if not (text.isascii() and text.isprintable()):
        raise UsageError(f"{name} has characters that no token has: copy it again from the portal.")
    return text
