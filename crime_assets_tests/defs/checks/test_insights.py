"""The checks of insights inside Dagster: one for each, passing on sound rows, blocking what is published on others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from pyiceberg.table import Table

from crime_assets import definitions
from crime_assets.cli import runner
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import all_insights
from crime_assets.defs.automation.jobs import BACKFILL, RUN
from crime_assets.lakehouse.iceberg import tables
from crime_assets.publishing.consistency import PARTS
from crime_assets.publishing.quality import consistency_of, latest
from crime_assets_tests.build import export_profile, record, sample_profile, write_export
from crime_assets_tests.graph import INSIGHTS, PUBLISHED, Graph, day_tags, failing, verdicts

pytestmark = pytest.mark.slow

CHECKS = {consistency_of(insight) for insight in all_insights()}
MERGED = ("raw_crime_batches", "crime_deliveries", "crimes")
FIRST, LAST = "2024-01-30", "2024-01-31"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Mapping[str, dg.AssetCheckEvaluation]]:
    """The sample city, two days of which were run as a range, and what the checks said."""
    graph = Graph(sample_profile(tmp_path_factory.mktemp("sound"), rows=3000))
    graph.load()
    return graph, verdicts(graph.run(FIRST, LAST))


def _passed(found: Mapping[str, dg.AssetCheckEvaluation]) -> dict[str, str | None]:
    """What failed, and why."""
    return {name: found[name].description for name in CHECKS if not found[name].passed}


def _crimes(*days: int) -> list[dict[str, object]]:
    """Three crimes in each of four districts, changed on each of these days of January 2024."""
    return [
        record(100 * day + n, f"2024-01-{day:02}", f"2024-01-{day - 9:02}", district=f"00{n % 4 + 1}")
        for day in days
        for n in range(12)
    ]


def test_every_insight_of_every_day_of_the_sample_city_passes(
    ran: tuple[Graph, Mapping[str, dg.AssetCheckEvaluation]],
) -> None:
    _, found = ran
    assert found.keys() >= CHECKS
    assert _passed(found) == {}
    check = found["compstat_consistent"]
    assert check.asset_key == dg.AssetKey("insight_compstat")
    assert (check.blocking, check.severity) == (True, dg.AssetCheckSeverity.ERROR)
    assert check.metadata["as_of_days"].value == [FIRST, LAST]
    assert [part for part in PARTS if "right (" in str(check.metadata[part].value)] == list(PARTS)
    assert "not five_years_low: it is of another year" in str(check.metadata["parts_add_up"].value)


def test_the_page_counts_them(ran: tuple[Graph, Mapping[str, dg.AssetCheckEvaluation]]) -> None:
    graph, found = ran
    said = {one.check: one for one in latest(graph.profile.landing, "chicago")}
    assert said.keys() == found.keys()
    assert len(said) == 11 + len(INSIGHTS)
    assert said["compstat_consistent"].sentence == "insight_compstat agrees with itself and with crimes."


def test_one_alone_looks_at_what_the_table_holds_now(
    ran: tuple[Graph, Mapping[str, dg.AssetCheckEvaluation]],
) -> None:
    graph, _ = ran
    name = "near_repeat_consistent"
    table = tables.load(graph.profile.lake, "chicago", "insight_near_repeat")
    assert table is not None
    held = table.scan().to_arrow()
    assert failing(graph.check(name)) == set()

    table.append(held.slice(held.num_rows - 1), snapshot_properties=_marks(table))
    found = verdicts(graph.check(name))
    assert set(found) == {name}
    assert str(found[name].description).startswith(f"insight_near_repeat contradicts itself or crimes as of {LAST}: 2")
    assert str(found[name].metadata["keys_unique"].value).startswith(f"{LAST}: 2 rows are of period 365d, offense")
    assert str(found[name].metadata["areas_there"].value) == "right (no areas)"
    said = {one.check: one for one in latest(graph.profile.landing, "chicago")}
    assert (said[name].is_passed, said[name].is_blocking) == (False, True)
    assert len(said) == 11 + len(INSIGHTS), "what the others said is kept"

    graph.run(LAST, only={"insight_near_repeat"})
    assert failing(graph.check(name)) == set()


def _marks(table: Table) -> dict[str, str]:
    """What the table's newest snapshot says of how it was computed."""
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    return {key: value for key, value in snapshot.summary.additional_properties.items() if "crime-assets" in key}


def test_rows_of_another_release_are_not_taken_for_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes(25))))
    graph.load()
    graph.run("2024-01-25", only={*MERGED, "insight_compstat"})
    assert failing(graph.check("compstat_consistent")) == set()
    with monkeypatch.context() as patched:
        _break(patched, "compstat", "crimes_before_high AS DOUBLE))) >= 3", "crimes_before_high AS DOUBLE))) >= 4")
        other = Graph(graph.profile, graph.instance)
        found = verdicts(other.check("compstat_consistent"))["compstat_consistent"]
    sentence = "insight_compstat has no rows of this release: materialize it, then check it again."
    assert (found.passed, found.description) == (False, sentence)
    assert failing(graph.check("location_types_consistent")) == {"location_types_consistent"}, "never computed"


def test_a_day_that_was_merged_and_not_computed_is_not_taken_for_a_day_without_crimes(tmp_path: Path) -> None:
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes(25, 26))))
    graph.load()
    graph.run("2024-01-25", only={*MERGED, "insight_compstat"})
    graph.run("2024-01-26", job=BACKFILL)
    found = verdicts(graph.check("compstat_consistent"))["compstat_consistent"]
    sentence = "insight_compstat has no rows as of 2024-01-26: materialize it, then check it again."
    assert (found.passed, found.description) == (False, sentence)


def test_crimes_that_changed_after_an_insight_do_not_make_it_wrong(tmp_path: Path) -> None:
    """The next run computes it again; until then, nothing that depends on it needs to be held back."""
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes(26, 30))))
    graph.load()
    graph.run("2024-01-30", only={*MERGED, *INSIGHTS, "dashboard_extract"})
    before = graph.insight("insight_crime_by_district", date(2024, 1, 30))
    graph.run("2024-01-26", job=BACKFILL)
    assert graph.insight("insight_crime_by_district", date(2024, 1, 30)) == before
    assert failing(graph.check("crime_by_district_consistent")) == set()

    found = verdicts(graph.run("2024-01-26", only={*MERGED, "insight_crime_by_district"}))
    looked_at = found["crime_by_district_consistent"].metadata["as_of_days"].value
    assert looked_at == ["2024-01-26", "2024-01-30"], "the extract of the later day is made again too"


def _break(patched: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Let the graph be built with an insight whose statement is different in one place."""

    def broken() -> Iterator[object]:
        for insight in all_insights():
            assert insight.name != name or old in insight.statement
            yield replace(insight, statement=insight.statement.replace(old, new)) if insight.name == name else insight

    patched.setattr(definitions, "insights_of", lambda _: tuple(broken()))


def test_a_contradiction_blocks_what_is_published_and_ends_a_run_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes(25, 26, 27)))
    _break(monkeypatch, "crime_by_district", "count(*) AS crimes", "2 * count(*) AS crimes")
    graph = Graph(profile)
    graph.load()
    start = dg.evaluate_automation_conditions(defs=graph.definitions, instance=graph.instance)
    with pytest.raises(CrimeAssetsError) as stopped:
        runner.execute(profile, graph.definitions, RUN, graph.instance, day_tags("2024-01-26", "2024-01-27"))

    assert str(stopped.value) == (
        "The check crime_by_district_consistent fails: insight_crime_by_district contradicts itself or crimes as of "
        "2024-01-26: crimes of 28d is 48 in the table, and crimes has 24 (and 14 more like this). Its other days that "
        "are wrong: 2024-01-27. Correct its SQL or its header, and run the day again."
    )
    (run,) = graph.instance.get_runs(filters=dg.RunsFilter(job_name=RUN))
    events = [entry.dagster_event for entry in graph.instance.all_logs(run.run_id) if entry.dagster_event]
    started = {event.step_key for event in events if event.is_step_start}
    assert started.isdisjoint(PUBLISHED)
    assert started >= {"check_insights", *INSIGHTS}, "all others are computed and checked"
    said = [one.asset_check_evaluation_data for one in events if one.event_type_value == "ASSET_CHECK_EVALUATION"]
    passed = {one.check_name: one.passed for one in said if one.check_name in CHECKS}
    assert passed == dict.fromkeys(CHECKS, True) | {"crime_by_district_consistent": False}

    held = dg.evaluate_automation_conditions(defs=graph.definitions, instance=graph.instance, cursor=start.cursor)
    assert not [name for name in PUBLISHED if held.get_requested_partitions(dg.AssetKey(name))]
    monkeypatch.undo()
    mended = Graph(profile, graph.instance)
    mended.run("2024-01-27", only={"insight_crime_by_district"})
    then = dg.evaluate_automation_conditions(defs=mended.definitions, instance=graph.instance, cursor=held.cursor)
    for name in PUBLISHED:
        assert then.get_requested_partitions(dg.AssetKey(name)) >= {"2024-01-27"}
