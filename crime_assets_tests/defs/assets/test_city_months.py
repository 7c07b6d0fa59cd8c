"""The asset `city_months`: a city's own part, and when `crimes` that are run by hand are followed by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crime_assets.cli.runner import compares_cities
from crime_assets.defs.automation.jobs import CITIES, MERGE, RUN
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import CityState
from crime_assets.lakehouse.records.across import SCHEMA, TABLE
from crime_assets.lakehouse.writing import city_months
from crime_assets.profiles import Profile
from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import Graph

BEGUN = CityState("export", "2024-01-25", 0, 0)


@pytest.mark.slow
def test_the_graph_makes_the_part_of_its_city(tmp_path: Path) -> None:
    profile = sample_profile(tmp_path / "lake")
    graph = Graph(profile)
    graph.load()
    graph.run("2024-01-25", job="pull_change_day")
    graph.run("2024-01-25", job=MERGE)
    graph.run("2024-01-25", job=CITIES)
    rows = city_months.months(profile.lake)
    assert {row["city"] for row in rows} == {"chicago"}
    assert sum(row["rows"] for row in rows) == len(graph.rows())
    assert sum(row["incidents"] for row in rows) > 0
    assert {row["reason_in_time"] for row in rows} <= {"The records are simulated.", "It is no crime."}
    (made,) = graph.materialized("city_months").values()
    assert (made["dagster/row_count"].value, made["changed"].value, made["made"].value) == (len(rows), True, "chicago")
    graph.run("2024-01-25", job=CITIES)
    (again,) = graph.materialized("city_months").values()
    assert (again["changed"].value, again["made"].value) == (False, "none")
    table = tables.load(profile.lake, SCHEMA, TABLE)
    assert table is not None
    assert len(table.history()) == 1


def test_a_day_of_one_city_does_not_wait_for_it(tmp_path: Path) -> None:
    graph = Graph(sample_profile(tmp_path / "lake"))
    keys = graph.definitions.resolve_job_def(RUN).asset_layer.selected_asset_keys
    assert "city_months" not in {key.to_user_string() for key in keys}


def test_it_is_counted_by_hand_where_there_are_two_cities(tmp_path: Path) -> None:
    profile = sample_profile(tmp_path / "lake")
    profile.lake.begin_city("chicago", replace(BEGUN, feed="sample"))
    assert not compares_cities(profile)
    profile.lake.begin_city("new_york", BEGUN)
    assert compares_cities(profile)
    assert not compares_cities(Profile(replace(profile.settings, policy=tmp_path / "policy.toml")))
