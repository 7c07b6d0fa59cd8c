"""Who may see what, and who did: the review that somebody reads every week, and who saw one crime. From the trail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from crime_assets.governance.history import recognised
from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.reads import EVERYTHING, OF_CRIMES
from crime_assets.governance.scopes import Scope
from crime_assets.governance.trail import Entry, Trail
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import ACCESS_REVIEW, arrow_schema
from crime_assets.lakehouse.writing.audits import add
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from crime_assets.governance.access import Access

UNUSED = timedelta(days=90)
ENDING = timedelta(days=30)

_ANSWERS = frozenset({"answer", "page", "download"})
_IDS = 1 << 64
"""What a bitmap of ids can hold."""


@dataclass
class _Use:
    """What the trail says of a principal."""

    role: str | None = None
    last_used: datetime | None = None
    answers: int = 0
    refusals: int = 0


@dataclass(frozen=True)
class Sight:
    """A line by which somebody saw a crime, or could have: `exact` if the line knows the ids."""

    exact: bool
    entry: Entry = field(repr=False)


def reviewed(access: Access, now: datetime, today: date) -> list[dict[str, Any]]:
    """The review by the policy and the trail as they are now."""
    policy = access.policy()
    return review(policy, partial(access.scope, policy), access.trail.entries(), now, today)


def review(
    policy: Policy, scope: Callable[[Principal], Scope | None], entries: Iterable[Entry], now: datetime, today: date
) -> list[dict[str, Any]]:
    """The rows of `access_review`: one for each principal of the policy, and for each that only the trail knows."""
    used = _uses(entries, now - UNUSED)
    rows = []
    for name in sorted({*policy.principals, *used}):
        use, found = used.get(name, _Use()), policy.principals.get(name)
        row = {"reviewed_on": today, "principal": name, "last_used": use.last_used}
        row |= {"answers": use.answers, "refusals": use.refusals}
        if found is None:
            rows.append({**row, "role": use.role, "verdict": "not in the policy any more"})
            continue
        seen = scope(found)
        clear = ["*"] if seen is None else sorted(name for name, mask in seen.columns.items() if mask is None)
        row |= {"role": found.role, "districts": json.dumps(found.districts), "expires": found.expires}
        row |= {"tables": json.dumps(sorted(policy.roles[found.role].tables)), "unmasked": json.dumps(clear)}
        rows.append({**row, "recognised": recognised(found), "verdict": _verdict(found, use, now, today)})
    return rows


def _uses(entries: Iterable[Entry], since: datetime) -> dict[str, _Use]:
    found: dict[str, _Use] = {}
    for entry in entries:
        name = entry.fields.get("principal")
        if not isinstance(name, str):
            continue
        use = found.setdefault(name, _Use())
        at = datetime.fromisoformat(entry.at)
        use.role = entry.fields.get("role", use.role)
        if entry.event in _ANSWERS | {"login", "alerts", "acknowledge"}:
            use.last_used = max(at, use.last_used or at)
        use.answers += entry.event in _ANSWERS and at >= since
        use.refusals += entry.event == "refuse" and at >= since
    return found


def _verdict(found: Principal, use: _Use, now: datetime, today: date) -> str:
    if found.expires is not None and found.expires < today:
        return "expired"
    if use.last_used is None:
        return "never used"
    if use.last_used < now - UNUSED:
        return "unused for 90 days"
    if found.expires is not None and found.expires <= today + ENDING:
        return "expires within 30 days"
    return "in use"


def write_review(lake: Lake, city: City, rows: list[dict[str, Any]]) -> int:
    """Add a review to the table, unless it has one of that day or a later one; how many rows were added."""
    return add(lake, city, "access_review", pa.Table.from_pylist(rows, arrow_schema(ACCESS_REVIEW)))


def who_saw(trail: Trail, id: int) -> Iterator[Sight]:
    """The lines by which somebody saw a crime, or could have: all others that read crimes.

    An error that refuses a question can tell values, and so can an answer without the crime.
    """
    for entry in trail.entries():
        ids = trail.ids(entry)
        if ids is not None and 0 <= id < _IDS and id in ids:
            yield Sight(True, entry)
        elif _is_of_crimes(entry.fields):
            yield Sight(False, entry)


def _is_of_crimes(fields: Mapping[str, Any]) -> bool:
    return not {*OF_CRIMES, *EVERYTHING}.isdisjoint(fields.get("tables") or ())
