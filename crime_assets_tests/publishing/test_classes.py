"""Classes of offenses on pages: a city that publishes none of a class has neither a choice nor a row of it."""

from __future__ import annotations

import pytest

from crime_assets.core.sql import only_values
from crime_assets.publishing.dashboard.choice import CLASSES, classes_of
from crime_assets.publishing.published import published_by


@pytest.mark.parametrize("name", ["chicago", "new_york", "los_angeles", "san_francisco"])
def test_most_cities_have_all_of_them(name: str) -> None:
    assert classes_of(name) == CLASSES
    assert published_by(name).lacking_classes == []


def test_washington_has_no_other_offenses_and_says_so() -> None:
    assert list(classes_of("washington")) == ["all", "violent", "property"]
    assert published_by("washington").lacking_classes == ["other"]
    said = "arrests, domestic crimes, when records changed, offenses that are no index crimes."
    assert published_by("washington").lacking == f"Washington does not publish: {said}"


def test_only_lists_of_this_one_column_are_shortened() -> None:
    statement = (
        "SELECT * FROM (VALUES ('all'), ('other')) AS a (offense_class) "
        "CROSS JOIN (VALUES ('other')) AS b (place) CROSS JOIN (VALUES ('other', 1)) AS c (offense_class, n)"
    )
    found = only_values(statement, "offense_class", {"all"})
    assert found.count("'other'") == 2
    assert "'all'" in found
