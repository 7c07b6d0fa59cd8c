"""What a store remembers comes back as it was, or not at all."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pytest

from crime_assets.core.errors import StoreError
from crime_assets.migration.progress import Position, Progress, State, Verified

FAR = Progress(
    state=State.FOLLOWING,
    position=Position(2**64 - 1),
    loaded={"crime": ("10224738",), "code": ("IU#R", "0110 ")},
    done=frozenset(["crime", "code"]),
    shape={"crimes.iucr": "character(5)"},
    mapping="ab" * 32,
    rows=3,
    documents=2,
    changes=1,
    verified=Verified(Position(7), 2, 2**64 - 1, 2, 3, datetime(2026, 11, 30, 18, 0, tzinfo=UTC)),
    exported="1764525600000-0a1b2c3d",
    token=9,
)


@pytest.mark.parametrize("progress", [Progress(), FAR])
def test_it_comes_back(progress: Progress) -> None:
    assert Progress.load(progress.dump()) == progress


def test_every_field_was_tried() -> None:
    assert [one.name for one in fields(Progress) if getattr(FAR, one.name) == getattr(Progress(), one.name)] == []


def test_the_same_progress_is_the_same_text() -> None:
    assert len({Progress(done=frozenset(order)).dump() for order in (["a", "b", "c"], ["c", "b", "a"])}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"state": "asleep"},
        {"state": 3},
        {"position": -1},
        {"position": "7"},
        {"position": 7.0},
        {"position": True},
        {"loaded": {"crime": "10224738"}},
        {"loaded": {"crime": [1]}},
        {"loaded": []},
        {"done": "crime"},
        {"done": [["crime"]]},
        {"shape": {"crimes.iucr": None}},
        {"verified": {}},
        {"verified": {**json.loads(FAR.dump())["verified"], "at": "2026-11-30T18:00:00"}},
        {"verified": {**json.loads(FAR.dump())["verified"], "seal": None}},
        {"token": None},
        {"later": 1},
    ],
)
def test_anything_else_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(StoreError, match="use the release that wrote it, or begin anew"):
        Progress.load(json.dumps({**json.loads(FAR.dump()), **change}))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", FAR.dump()[:-2], "[" * 100_000, '{"state": "new"}'])
def test_a_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(StoreError):
        Progress.load(text)
