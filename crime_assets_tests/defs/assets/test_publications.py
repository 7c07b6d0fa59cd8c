"""A city without change stamps, through the graph: newer publications, and those that are refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crime_assets_tests.graph import QUIET, Graph
from crime_assets_tests.lakehouse.reconciliation.followed import Followed
from crime_assets_tests.lakehouse.reconciliation.test_following import FIRST, HISTORIC, complaint

pytestmark = pytest.mark.slow

DAY = FIRST - timedelta(days=1)
ONE_DAY = timedelta(days=1)


def test_a_newer_publication_becomes_rows_removals_and_insights(tmp_path: Path) -> None:
    published = Followed(tmp_path, "new_york", FIRST)
    published.publish({HISTORIC: [complaint(number) for number in range(300)]})
    profile = published.profile
    profile.begin(DAY)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{DAY}", only=("raw_crime_batches", "crime_deliveries", "crimes"))
    before = graph.snapshots()["crimes"]

    published.today += ONE_DAY
    held = [complaint(number) for number in range(2, 300)]
    published.publish({HISTORIC: [*held, complaint(1, ofns_desc="BURGLARY", ky_cd="107"), complaint("new")]})
    graph = Graph(published.profile, graph.instance)
    graph.run(f"{FIRST}", only=("raw_crime_batches", "crime_deliveries", "crimes", "insight_top_crime_types"))

    crimes = published.crimes("change_day", "primary_type")
    assert len(crimes) == 300
    assert crimes["1H1"] == (FIRST, "BURGLARY")
    assert published.removed() == {"0H1": FIRST}
    found = [row for row in graph.insight("insight_top_crime_types", FIRST) if {"all", "BURGLARY"} <= set(row)]
    assert [1 in row for row in found] == [True]
    graph.run(f"{FIRST}", only=("raw_crime_batches", "crime_deliveries", "crimes"))
    after = graph.snapshots()["crimes"]
    assert len(after) == len(before) + 1, "one of merge and removal, and none of the second run"


def test_what_lacks_too_much_is_taken_when_a_person_allows_it(tmp_path: Path) -> None:
    published = Followed(tmp_path, "new_york", FIRST)
    published.publish({HISTORIC: [complaint(number) for number in range(300)]})
    profile = published.profile
    profile.begin(DAY)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{DAY}", only=("raw_crime_batches", "crime_deliveries", "crimes"))

    published.today += ONE_DAY
    published.publish({HISTORIC: [complaint(number) for number in range(150)]})
    graph = Graph(published.profile, graph.instance)
    refused = graph.run(f"{FIRST}", only=("raw_crime_batches",), fails=True)
    assert not refused.success
    assert len(published.crimes("id")) == 300

    job = graph.definitions.resolve_job_def("reconcile_with_source")
    config = {**QUIET, "ops": {"crime_reconciliation": {"config": {"most_removed": 150}}}}
    assert job.execute_in_process(instance=graph.instance, run_config=config).success
    assert len(published.crimes("id")) == 150
    assert len(published.removed()) == 150
