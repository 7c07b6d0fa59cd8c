"""The latest results of the checks, kept in the landing store so that people who read figures see what is wrong."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crime_assets.core import keys
from crime_assets.core.insights import Insight
from crime_assets.streams import LandingStore

INSIGHTS = "insights"
"""The results of the checks of all insights are kept together: there is one for each."""
CHECKED_ASSETS = ("crime_deliveries", "crimes", INSIGHTS)

_CONSISTENT = "_consistent"


@dataclass(frozen=True)
class Said:
    """The result of a check: while a `blocking` one fails, nothing is made that depends on it; `said_at` is UTC."""

    check: str
    is_passed: bool
    is_blocking: bool
    sentence: str
    said_at: str


_FIELDS: dict[str, type] = {"check": str, "is_passed": bool, "is_blocking": bool, "sentence": str, "said_at": str}
_NEVER = "unknown"


def consistency_of(insight: Insight) -> str:
    """The name of the check of an insight."""
    return f"{insight.name}{_CONSISTENT}"


def in_words(checks: Sequence[str]) -> str:
    """Names of checks as a person reads them. Those of insights are too many to be read one by one."""
    of_insights = [check for check in checks if check.endswith(_CONSISTENT)]
    others = [check.replace("_", " ") for check in checks if check not in of_insights]
    return ", ".join([*others, *([f"insights consistent ({len(of_insights)})"] if of_insights else [])])


def keep(
    landing: LandingStore, city: str, asset: str, said: Sequence[Said], existing: Collection[str] | None = None
) -> None:
    """Keep the results of an asset's checks, replacing earlier results of the same checks.

    Results of other checks stay; if `existing` is given, only those of checks in it. Kept results that cannot be read
    are dropped: they must not stop new ones from being kept.
    """
    names = {one.check for one in said}
    before = _read(landing, city, asset) or []
    kept = [one for one in before if one.check not in names and (existing is None or one.check in existing)]
    documents = [asdict(one) for one in sorted([*kept, *said], key=lambda one: one.check)]
    landing.write(keys.verdicts(city, asset), json.dumps(documents, indent=1).encode())


def latest(landing: LandingStore, city: str) -> list[Said]:
    """The latest results of all checks, failed ones first; results that cannot be read are shown as a failed check."""
    found: list[Said] = []
    for asset in CHECKED_ASSETS:
        said = _read(landing, city, asset)
        found += [_unreadable(asset)] if said is None else said
    return sorted(found, key=lambda one: (one.is_passed, not one.is_blocking, one.check))


def _read(landing: LandingStore, city: str, asset: str) -> list[Said] | None:
    """The kept results, with the fields that this release knows; None if they cannot be read."""
    content = landing.read(keys.verdicts(city, asset))
    if content is None:
        return []
    try:
        documents = _is(json.loads(content), list)
        return [Said(**{name: _is(document[name], kind) for name, kind in _FIELDS.items()}) for document in documents]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError
    return value


def _unreadable(asset: str) -> Said:
    return Said(
        f"checks of {asset}",
        is_passed=False,
        is_blocking=False,
        sentence=f"Their results cannot be read: run the checks of {asset} again.",
        said_at=_NEVER,
    )
