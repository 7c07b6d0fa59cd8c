"""How far a migration is: what a store keeps beside its documents, as one JSON text."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, Self

from crime_assets.core.errors import StoreError

Position = NewType("Position", int)
"""A point in the order of commits: PostgreSQL's LSN, Oracle's SCN, MariaDB's commit id."""

Key = tuple[str, ...]
"""A root's key as the database writes it."""


class State(StrEnum):
    """What has been done, and what may be done next."""

    NEW = "new"
    BEGINNING = "beginning"
    LOADING = "loading"
    FOLLOWING = "following"
    FORGOTTEN = "forgotten"
    """The database no longer has the changes since the position: only a verification with repair leads on."""
    FINISHED = "finished"


@dataclass(frozen=True)
class Verified:
    """Documents were equal to the database at a position.

    `seal` is of all `items` (`Renderer.seal`), `roots` and `rows` were compared.
    """

    position: Position
    items: int
    seal: int
    roots: int
    rows: int
    at: datetime
    """With its time zone."""


@dataclass(frozen=True)
class Progress:
    """Everything that a killed step needs to go on."""

    state: State = State.NEW
    position: Position = Position(0)
    """Documents are not older than this; changes are taken from here on."""
    loaded: Mapping[str, Key] = field(default_factory=dict)
    """The last key of each kind whose load has begun."""
    done: frozenset[str] = frozenset()
    """Kinds that are loaded to the end."""
    shape: Mapping[str, str] = field(default_factory=dict)
    """`Shape.columns` and `Shape.identities` when it began."""
    mapping: str = ""
    """SHA-256 of the mappings: others make other documents."""
    rows: int = 0
    documents: int = 0
    changes: int = 0
    """Roots that were read again because they had changed."""
    verified: Verified | None = None
    exported: str = ""
    """Id of the last whole export."""
    token: int = 0
    """Who holds the store: one more each time that it is taken."""

    def dump(self) -> str:
        """As JSON, with its fields in order."""
        told = asdict(self) | {"done": sorted(self.done), "loaded": {k: list(key) for k, key in self.loaded.items()}}
        if self.verified:
            told["verified"]["at"] = self.verified.at.isoformat()
        return json.dumps(told, ensure_ascii=False)

    @classmethod
    def load(cls, text: str) -> Self:
        """What `dump` wrote. StoreError if it is anything else, also of a later release."""
        try:
            told = json.loads(text)
            _check(told, cls)
            if told["verified"] is not None:
                _check(told["verified"], Verified)
                told["verified"] = Verified(**told["verified"] | {"at": _moment(told["verified"]["at"])})
            told["loaded"] = {kind: _texts(key) for kind, key in told["loaded"].items()}
            told["shape"] = dict(zip(told["shape"], _texts([*told["shape"].values()]), strict=True))
            return cls(**told | {"state": State(told["state"]), "done": frozenset(_texts(told["done"]))})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise StoreError(
                "The store's record of progress cannot be read: another release wrote it, or it is damaged; use the "
                "release that wrote it, or begin anew in an empty store."
            ) from error


_JSON: Mapping[str, type | types.UnionType] = {
    "int": int,
    "Position": int,
    "str": str,
    "State": str,
    "datetime": str,
    "frozenset[str]": list,
    "Mapping[str, Key]": dict,
    "Mapping[str, str]": dict,
    "Verified | None": dict | None,
}
"""What each field of the two is in JSON."""


def _check(told: Any, kind: type[Progress | Verified]) -> None:
    expected = {one.name: _JSON[str(one.type)] for one in fields(kind)}
    if not isinstance(told, dict) or told.keys() != expected.keys():
        raise ValueError(f"not the fields of {kind.__name__}")
    for name, wanted in expected.items():
        if not isinstance(told[name], wanted) or isinstance(told[name], bool):
            raise ValueError(f"{name} is no {wanted}")
        if wanted is int and told[name] < 0:
            raise ValueError(f"{name} is less than nothing")


def _texts(found: list[Any]) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError("not a list of texts")
    return tuple(found)


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a moment without its time zone")
    return at
