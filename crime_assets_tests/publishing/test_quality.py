"""What the checks said: kept for those who look, whatever lies there, and never in the way of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.publishing.quality import Said, keep, latest
from crime_assets.streams.directory import DirectoryStore

KEY = keys.verdicts("chicago", "crimes")
FRESH = Said("freshness", True, False, "The newest crime is of yesterday.", "2024-02-01T12:00:00+00:00")
TWICE = Said("one_row_per_id", False, True, "3 ids stand twice.", "2024-02-01T12:00:00+00:00")


@pytest.fixture
def landing(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


def test_what_was_said_last_counts_and_what_failed_comes_first(landing: DirectoryStore) -> None:
    keep(landing, "chicago", "crimes", [TWICE, Said("freshness", False, False, "Old.", "2024-01-01")])
    keep(landing, "chicago", "crimes", [FRESH])
    keep(landing, "chicago", "crime_deliveries", [Said("source_schema", False, False, "New.", "2024-02-01")])
    assert [one.check for one in latest(landing, "chicago")] == ["one_row_per_id", "source_schema", "freshness"]
    assert latest(landing, "chicago")[-1] == FRESH
    assert latest(landing, "elsewhere") == []


def test_a_check_that_no_longer_exists_says_nothing_more(landing: DirectoryStore) -> None:
    keep(landing, "chicago", "crimes", [Said("old_check", False, True, "Wrong.", "2023-01-01"), TWICE])
    keep(landing, "chicago", "crimes", [FRESH], existing=["freshness", "one_row_per_id"])
    assert latest(landing, "chicago") == [TWICE, FRESH]


def test_what_a_newer_release_adds_is_passed_over(landing: DirectoryStore) -> None:
    keep(landing, "chicago", "crimes", [FRESH])
    (document,) = json.loads(landing.read(KEY) or b"")
    landing.write(KEY, json.dumps([{**document, "more": 1}]).encode())
    assert latest(landing, "chicago") == [FRESH]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"1",
        b"{}",
        b"{}x",
        b'[{"check":',
        b'["a"]',
        b'{"a": 1}',
        b'[{"check": "x", "is_passed": true}]',
        b'[{"check": 1, "is_passed": true, "is_blocking": true, "sentence": "", "said_at": ""}]',
        b'[{"check": "x", "is_passed": "no", "is_blocking": true, "sentence": "", "said_at": ""}]',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_said_and_is_in_nobody_s_way(landing: DirectoryStore, content: bytes) -> None:
    landing.write(KEY, content)
    (said,) = latest(landing, "chicago")
    assert (said.check, said.is_passed) == ("checks of crimes", False)
    assert said.sentence == "Their results cannot be read: run the checks of crimes again."
    keep(landing, "chicago", "crimes", [FRESH])
    assert latest(landing, "chicago") == [FRESH]
