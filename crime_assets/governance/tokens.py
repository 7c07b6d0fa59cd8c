"""Opaque tokens, by which programs and people without an account of this machine are recognised.

A token is a random text that nobody can forge or read anything from. Only its digest is kept, so who reads the file has
no token.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.lakehouse.place.lock import writer_lock

LONGEST = timedelta(days=90)

_PREFIX = "crime_"
"""So that who searches files for secrets finds one."""
_PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Token:
    """Whose token has this SHA-256, since which day, and until which."""

    digest: str
    principal: str
    made: date
    expires: date


class Tokens:
    """The tokens of a lake, in a directory that belongs to the service alone. Safe for threads and processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / "tokens.json"

    def make(self, principal: str, today: date, days: int) -> str:
        """A new token of a principal, good for some days; UsageError if those are too many. It is told this once."""
        check_days(days)
        text = _PREFIX + secrets.token_urlsafe(32)
        made = Token(digest_of(text), principal, today, today + timedelta(days=days))
        with self._changing():
            # What has ended for long is of no use to anybody.
            kept = [token for token in self.all() if token.expires + LONGEST >= today]
            self._write([*kept, made])
        return text

    def revoke(self, principal: str) -> int:
        """Remove all tokens of a principal; returns how many they were."""
        if not any(token.principal == principal for token in self.all()):
            return 0
        with self._changing():
            found = self.all()
            kept = [token for token in found if token.principal != principal]
            if len(kept) < len(found):
                self._write(kept)
        return len(found) - len(kept)

    def of_digest(self, digest: str, today: date) -> Token:
        """The token with a digest; UsageError if it was revoked, never made, or has expired."""
        found = next((token for token in self.all() if token.digest == digest), None)
        if found is None:
            raise UsageError("The token is not known: ask who keeps the policy for one.")
        if found.expires < today:
            raise UsageError(f"The token ended on {found.expires}: ask who keeps the policy for a new one.")
        return found

    def all(self) -> list[Token]:
        """All tokens. LakeError if others may read the file, or it is none of ours."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                content = file.read()
        except FileNotFoundError:
            return []
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise LakeError(f"Others than its owner may read {self._path}: run `chmod 600 {self._path}`.")
        try:
            return [
                Token(
                    str(one["digest"]),
                    str(one["principal"]),
                    date.fromisoformat(one["made"]),
                    date.fromisoformat(one["expires"]),
                )
                for one in json.loads(content)
            ]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LakeError(f"{self._path} is damaged: restore it, or remove it and make new tokens.") from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with writer_lock(self._path.with_suffix(".lock"), _PATIENCE_SECONDS):
            yield

    def _write(self, tokens: list[Token]) -> None:
        replace_file(self._path, json.dumps([asdict(token) for token in tokens], default=str, indent=1).encode(), 0o600)


def check_days(days: int) -> None:
    """UsageError unless a token may be good for so many days."""
    if not 0 < days <= LONGEST.days:
        raise UsageError(f"A token is good for 1 to {LONGEST.days} days: give --days one of them.")


def digest_of(text: str) -> str:
    """What is kept of a token."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()


def replace_file(path: Path, content: bytes, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Replace a file at once, on disk when this returns; what was there stays if that fails."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        partial.unlink(missing_ok=True)
