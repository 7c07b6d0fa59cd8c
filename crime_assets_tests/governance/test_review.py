"""The review of access: each verdict, from a trail of known days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from crime_assets.governance.policy import Policy, Principal
from crime_assets.governance.review import review
from crime_assets.governance.scopes import Scope, scope_of
from crime_assets.governance.trail import Trail
from crime_assets_tests.governance.policies import TYPES, policy

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TODAY = NOW.date()


@pytest.fixture
def found(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The review of a trail whose lines are so many days old, by principal."""
    told = [
        (200, "answer", "gone"),
        (120, "answer", "ana"),
        (95, "refuse", "p.diaz"),
        (40, "page", "p.diaz"),
        (30, "login", "keeper"),
        (2, "refuse", "p.diaz"),
        (1, "download", "p.diaz"),
        (0, "ask", "desk"),
    ]
    moments: Iterator[datetime] = (NOW - timedelta(days=days, minutes=1) for days, *_ in told)
    trail = Trail(tmp_path / "trail", clock=moments.__next__)
    for _, event, who in told:
        trail.append(event, principal=who, role=f"role of {who}")
    trail_of = list(trail.entries())

    def seen(policy: Policy, found: Principal) -> Scope | None:
        return None if policy.roles[found.role].is_unrestricted else scope_of(policy, found, TYPES)

    read = policy()
    rows = review(read, partial(seen, read), trail_of, NOW, TODAY)
    assert [row["principal"] for row in rows] == ["ana", "desk", "gone", "keeper", "p.diaz"]
    return {row["principal"]: row for row in rows}


def test_each_has_a_verdict(found: dict[str, dict[str, Any]]) -> None:
    assert {name: row["verdict"] for name, row in found.items()} == {
        "ana": "unused for 90 days",
        "desk": "never used",
        "gone": "not in the policy any more",
        "keeper": "in use",
        "p.diaz": "in use",
    }


def test_what_there_is_and_what_was_used(found: dict[str, dict[str, Any]]) -> None:
    diaz = found["p.diaz"]
    assert {name: diaz[name] for name in ("role", "districts", "recognised", "expires", "answers", "refusals")} == {
        "role": "commander",
        "districts": '["011"]',
        "recognised": "account pdiaz",
        "expires": date(2027, 6, 30),
        "answers": 2,
        "refusals": 1,
    }
    assert diaz["last_used"] == NOW - timedelta(days=1, minutes=1)
    assert "case_number" in json.loads(diaz["unmasked"])
    assert "case_number" not in json.loads(found["ana"]["unmasked"])
    assert (found["ana"]["answers"], found["ana"]["last_used"]) == (0, NOW - timedelta(days=120, minutes=1))
    assert (found["keeper"]["unmasked"], found["keeper"]["tables"]) == ('["*"]', '["*"]')
    assert (found["gone"]["role"], found["gone"].get("recognised")) == ("role of gone", None)


@pytest.mark.parametrize(
    ("expires", "verdict"),
    [
        (TODAY - timedelta(days=1), "expired"),
        (TODAY, "expires within 30 days"),
        (TODAY + timedelta(days=30), "expires within 30 days"),
        (TODAY + timedelta(days=31), "in use"),
    ],
)
def test_access_that_ends(tmp_path: Path, expires: date, verdict: str) -> None:
    trail = Trail(tmp_path / "trail", clock=lambda: NOW)
    trail.append("answer", principal="p.diaz")
    principal = policy().principals["p.diaz"]
    read = Policy(
        "chicago", {}, {}, policy().roles, {"p.diaz": Principal(**{**vars(principal), "expires": expires})}, ""
    )
    (row,) = review(read, lambda _: None, trail.entries(), NOW, TODAY)
    assert row["verdict"] == verdict
