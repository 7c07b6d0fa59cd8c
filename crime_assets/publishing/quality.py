"""What the checks said last, kept in the landing store for those who look at figures: they should see what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from crime_assets.core import keys
from crime_assets.streams import LandingStore

CHECKED_ASSETS = ("crime_deliveries", "crimes")


@dataclass(frozen=True)
class Said:
    """What a check said: `blocking` ones keep insights from being made while they fail; `said_at` is UTC."""

    check: str
    is_passed: bool
    is_blocking: bool
    sentence: str
    said_at: str


def keep(landing: LandingStore, city: str, asset: str, said: Sequence[Said]) -> None:
    """Keep what the checks of an asset said, in place of what the same checks said before."""
    names = {one.check for one in said}
    kept = [one for one in _read(landing, city, asset) if one.check not in names]
    documents = [asdict(one) for one in sorted([*kept, *said], key=lambda one: one.check)]
    landing.write(keys.verdicts(city, asset), json.dumps(documents, indent=1).encode())


def latest(landing: LandingStore, city: str) -> list[Said]:
    """What all checks said last, those that failed first."""
    found = [one for asset in CHECKED_ASSETS for one in _read(landing, city, asset)]
    return sorted(found, key=lambda one: (one.is_passed, not one.is_blocking, one.check))


def _read(landing: LandingStore, city: str, asset: str) -> Iterator[Said]:
    content = landing.read(keys.verdicts(city, asset))
    yield from (Said(**document) for document in json.loads(content or b"[]"))
