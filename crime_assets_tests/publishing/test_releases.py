"""Extracts of another release: a changed statement of sql/extract makes all that are kept again, none stays behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.publishing import extract
from crime_assets.publishing.renewal import remember_release
from crime_assets_tests.publishing.test_renewal import DAYS, SUMMARY, four_days, to_make, write

pytestmark = pytest.mark.slow


def test_a_changed_cube_makes_all_kept_extracts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = four_days(tmp_path / "lake")
    remember_release(profile.lake, profile.landing, profile.city, SUMMARY)
    assert to_make(profile, DAYS[3]) == [DAYS[3]]
    remembered = profile.landing.read(keys.extracts_made_by("chicago"))
    first, *others = extract.cubes()
    other = (dataclasses.replace(first, statement=f"{first.statement} LIMIT 1000000"), *others)
    assert other[0].definition != first.definition
    monkeypatch.setattr(extract, "cubes", lambda: other)

    assert to_make(profile, DAYS[3]) == DAYS
    for day in DAYS[1:]:
        write(profile, day)
    remember_release(profile.lake, profile.landing, profile.city, SUMMARY)
    assert profile.landing.read(keys.extracts_made_by("chicago")) == remembered, "not before all are of it"
    assert to_make(profile, DAYS[3]) == [DAYS[0], DAYS[3]]
    write(profile, DAYS[0])
    remember_release(profile.lake, profile.landing, profile.city, SUMMARY)
    assert profile.landing.read(keys.extracts_made_by("chicago")) != remembered
    assert to_make(profile, DAYS[3]) == [DAYS[3]]
