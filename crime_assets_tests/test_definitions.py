"""The graph as Dagster sees it: a picture to hold it against, and that loading it touches nothing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetNode
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import serialize_value

from crime_assets import definitions
from crime_assets.core.errors import UsageError
from crime_assets.lakehouse.writing.forecasts import SAID, SCORES
from crime_assets.profiles import Profile
from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import INSIGHTS

PROJECT = Path(__file__).parents[1]
TOKEN = "S3cret-app-t0ken"

# asset · from · group · kinds · partitions · backfill · automation
ASSETS = """
boundaries · - · publishing · json socrata · - · - · -
city_months · crimes · cities · duckdb iceberg · daily · one run · follows
crime_deliveries · raw_crime_batches · pull · json python · daily · one run · -
crime_history · - · lake · iceberg python · - · - · -
crime_reconciliation · crimes · lake · duckdb iceberg python · - · - · -
crimes · crime_deliveries crime_history · lake · duckdb iceberg python · daily · one run · -
daily_briefing · dashboard_extract · publishing · file html pdf · daily · one run · follows
dashboard_extract · {insights} · publishing · duckdb file · daily · one run · follows
forecast_areas · crimes forecast_places forecast_scores · forecasts · iceberg python · daily · one run · -
forecast_cells · crimes forecast_places forecast_scores · forecasts · iceberg python · daily · one run · -
forecast_exposure · crimes forecast_places forecast_scores · forecasts · iceberg python · daily · one run · -
forecast_pages · {forecasts} · forecasts · duckdb file · daily · one run · -
forecast_places · crimes · forecasts · iceberg python · - · - · -
forecast_scores · crimes forecast_places · forecasts · iceberg python · daily · one run · -
forecast_totals · crimes forecast_places forecast_scores · forecasts · iceberg python · daily · one run · -
insight_compstat · crimes · insights · iceberg sql · daily · one run · follows
insight_crime_by_district · crimes · insights · iceberg sql · daily · one run · follows
insight_crime_summary · crimes · insights · iceberg sql · daily · one run · follows
insight_day_of_week_patterns · crimes · insights · iceberg sql · daily · one run · follows
insight_domestic_violence · crimes · insights · iceberg sql · daily · one run · follows
insight_early_warning · crimes · insights · iceberg python sql · daily · one run · follows
insight_hotspots · crimes · insights · iceberg python sql · daily · one run · follows
insight_hourly_heat_map · crimes · insights · iceberg sql · daily · one run · follows
insight_location_types · crimes · insights · iceberg sql · daily · one run · follows
insight_monthly_trends · crimes · insights · iceberg sql · daily · one run · follows
insight_near_repeat · crimes · insights · iceberg python sql · daily · one run · follows
insight_region_magnitude · crimes · insights · iceberg sql · daily · one run · follows
insight_repeat_blocks · crimes · insights · iceberg sql · daily · one run · follows
insight_repeat_offense_locations · crimes · insights · iceberg sql · daily · one run · follows
insight_reporting_delay · crimes · insights · iceberg sql · daily · one run · follows
insight_time_of_day_patterns · crimes · insights · iceberg sql · daily · one run · follows
insight_top_crime_types · crimes · insights · iceberg sql · daily · one run · follows
insight_traffic_related · crimes · insights · iceberg sql · daily · one run · follows
insight_violence_against_women_proxy · crimes · insights · iceberg sql · daily · one run · follows
lake_compaction · - · upkeep · duckdb iceberg · - · - · -
lake_expiry · lake_compaction · upkeep · iceberg · - · - · -
lake_orphans · lake_expiry · upkeep · file iceberg · - · - · -
raw_crime_batches · - · pull · python socrata · daily · one run · -
"""

CHECKS = """
crime_deliveries · delivery_complete · blocking
crime_deliveries · duplicate_share · warns
crime_deliveries · source_schema · warns
crimes · clearance_rate · warns
crimes · codes_valid · warns
crimes · coordinates_valid · warns
crimes · daily_count_in_line · warns
crimes · freshness · warns
crimes · no_day_missing · warns
crimes · one_row_per_id · blocking
crimes · quarantine_share · warns
forecast_cells · enough_windows · warns
forecast_cells · exposure_drift · warns
forecast_cells · forecasts_add_up · blocking
forecast_cells · level_drift · warns
forecast_cells · list_drift · warns
forecast_cells · no_look_ahead · blocking
forecast_cells · targets_are_reported · blocking
forecast_scores · beats_counting · warns
forecast_scores · coverage_in_line · warns
{insights}
"""

JOBS = {
    "load_history": {"crime_history"},
    "pull_change_day": {"raw_crime_batches"},
    "merge_change_day": {"crime_deliveries", "crimes"},
    "backfill_change_days": {"raw_crime_batches", "crime_deliveries", "crimes"},
    "reconcile_with_source": {"crime_reconciliation"},
    "fetch_boundaries": {"boundaries"},
    "count_city_months": {"city_months"},
    "forecast": {"forecast_places", "forecast_scores", "forecast_cells", "forecast_areas"}
    | {"forecast_exposure", "forecast_totals", "forecast_pages"},
    "upkeep": {"lake_compaction", "lake_expiry", "lake_orphans"},
    "run_change_day": {"raw_crime_batches", "crime_deliveries", "crimes", *INSIGHTS}
    | {"dashboard_extract", "daily_briefing"},
}

AUTOMATION = """
fetch_boundaries_monthly · fetch_boundaries · RUNNING · 0 3 1 * * America/Chicago
forecast_weekly · forecast · RUNNING · 0 6 * * * America/Chicago
insights_follow_crimes · sensor · RUNNING · every 30 s
landing_objects · sensor · RUNNING · every 30 s
pull_change_day_daily · pull_change_day · RUNNING · 0 2 * * * America/Chicago
reconcile_with_source_weekly · reconcile_with_source · RUNNING · 0 5 * * 0 America/Chicago
upkeep_nightly · upkeep · RUNNING · 0 4 * * * America/Chicago
"""


@pytest.fixture
def graph(tmp_path: Path) -> dg.Definitions:
    return definitions.build_defs(sample_profile(tmp_path / "lake"))


def _asset_line(node: AssetNode) -> str:
    policy, days = node.backfill_policy, node.partitions_def
    assert policy in (None, dg.BackfillPolicy.single_run())
    assert days in (None, dg.DailyPartitionsDefinition("2024-01-25", timezone="America/Chicago"))
    parts = [
        node.key.to_user_string(),
        " ".join(sorted(key.to_user_string() for key in node.parent_keys)) or "-",
        node.group_name or "-",
        " ".join(sorted(node.kinds)),
        "daily" if days else "-",
        "one run" if policy else "-",
        "follows" if node.automation_condition else "-",
    ]
    return " · ".join(parts)


def test_the_assets_are_those_of_the_picture(graph: dg.Definitions) -> None:
    layer = graph.resolve_asset_graph()
    found = [_asset_line(layer.get(key)) for key in layer.get_all_asset_keys()]
    said = {"insights": " ".join(sorted(INSIGHTS)), "forecasts": " ".join(sorted((*SAID, SCORES)))}
    assert sorted(found) == ASSETS.strip().format(**said).splitlines()


def test_the_checks_are_those_of_the_picture(graph: dg.Definitions) -> None:
    layer = graph.resolve_asset_graph()
    found = [
        f"{key.asset_key.to_user_string()} · {key.name} · {'blocking' if layer.get(key).blocking else 'warns'}"
        for key in layer.asset_check_keys
    ]
    of_insights = (f"{name} · {name.removeprefix('insight_')}_consistent · blocking" for name in sorted(INSIGHTS))
    assert sorted(found) == CHECKS.strip().format(insights="\n".join(of_insights)).splitlines()


def test_the_jobs_hold_the_assets_of_the_picture_and_their_checks(graph: dg.Definitions) -> None:
    checked = {"crime_deliveries", "crimes", "forecast_cells", "forecast_scores", *INSIGHTS}
    for name, assets in JOBS.items():
        layer = graph.resolve_job_def(name).asset_layer
        assert {key.to_user_string() for key in layer.executable_asset_keys} == assets, name
        assert {key.asset_key.to_user_string() for key in layer.asset_graph.asset_check_keys} == assets & checked, name
    named = {job.name for job in graph.get_repository_def().get_all_jobs()}
    assert named == {*JOBS, "__ASSET_JOB"}


def test_schedules_and_sensors_are_those_of_the_picture(graph: dg.Definitions) -> None:
    repository = graph.get_repository_def()
    schedules = [
        f"{s.name} · {s.job_name} · {s.default_status.value} · {s.cron_schedule} {s.execution_timezone}"
        for s in repository.schedule_defs
    ]
    sensors = [
        f"{s.name} · sensor · {s.default_status.value} · every {s.minimum_interval_seconds} s"
        for s in repository.sensor_defs
    ]
    assert sorted([*schedules, *sensors]) == AUTOMATION.strip().splitlines()


def test_with_a_policy_who_saw_what_is_added_and_no_city_is_compared(graph: dg.Definitions, tmp_path: Path) -> None:
    """Whether the policy can be read is found out when something runs."""
    settings = replace(sample_profile(tmp_path / "lake").settings, policy=tmp_path / "policy.toml")
    governed = definitions.build_defs(Profile(settings))

    def names(found: dg.Definitions) -> set[str]:
        repository, layer = found.get_repository_def(), found.resolve_asset_graph()
        return {
            *(key.to_user_string() for key in layer.get_all_asset_keys()),
            *(f"{key.asset_key.to_user_string()} {key.name}" for key in layer.asset_check_keys),
            *(f"job {job.name}" for job in repository.get_all_jobs()),
            *(f"{s.name} {s.default_status.value} {s.cron_schedule}" for s in repository.schedule_defs),
        }

    assert names(governed) - names(graph) == {
        "audit_trail",
        "access_review",
        "audit_trail audit_chain",
        "governed_gates",
        "governed_gates gates_hold_only_their_rows",
        "governed_gates lake_is_closed",
        "governed_gates policy_covers_tables",
        "job check_audit_trail",
        "job write_audit_trail",
        "job review_access",
        "check_audit_trail_daily RUNNING 20 0 * * *",
        "write_audit_trail_daily RUNNING 30 0 * * *",
        "review_access_weekly RUNNING 0 6 * * 1",
    }
    # A policy is about one city: nothing is counted across cities.
    assert names(graph) - names(governed) == {"city_months", "job count_city_months"}


@pytest.mark.slow
def test_without_a_policy_nothing_of_governance_is_imported(tmp_path: Path) -> None:
    program = (
        "import sys; from crime_assets.cli.main import _parser; _parser()\n"
        "from crime_assets.definitions import defs; defs()\n"
        "print([name for name in sys.modules if name.startswith('crime_assets.governance')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert found.stdout == "[]\n"


def test_every_asset_and_check_says_what_it_is_and_whose(graph: dg.Definitions) -> None:
    for spec in graph.resolve_all_asset_specs():
        assert list(spec.owners) == ["team:data-engineering"], spec.key
        assert spec.description, spec.key
        assert len(spec.description) > 30, spec.key
    layer = graph.resolve_asset_graph()
    assert all(layer.get(key).description for key in layer.asset_check_keys)


def test_loading_touches_neither_network_nor_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for feed in ("sample", "socrata", "export"):
        monkeypatch.setenv("CRIME_FEED", feed)
        loaded = definitions.defs()
        assert len(loaded.get_repository_def().assets_defs_by_key) == len(ASSETS.strip().splitlines())
    assert list(tmp_path.iterdir()) == []


def test_the_app_token_is_nowhere_in_what_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIME_FEED", "socrata")
    monkeypatch.setenv("SOCRATA_APP_TOKEN", TOKEN)
    loaded = definitions.defs()
    profile = loaded.resources["profile"].resource_fn(dg.build_init_resource_context())
    assert profile.settings.app_token == TOKEN, "the token was never there to be found"
    repository = loaded.get_repository_def()
    jobs = [str(job.get_job_snapshot()) for job in repository.get_all_jobs()]
    served = "".join([serialize_value(RepositorySnap.from_def(repository)), *jobs])
    assert "insight_crime_summary" in served
    assert TOKEN not in served
    assert TOKEN not in repr(profile.settings) + repr(profile) + repr(loaded)


def test_resources_are_replaced_by_name(tmp_path: Path) -> None:
    class Elsewhere:
        name = "elsewhere"

    replaced = definitions.build_defs(sample_profile(tmp_path / "lake"), {"feed": Elsewhere()})
    assert isinstance(replaced.resources["feed"], Elsewhere)
    assert not isinstance(replaced.resources["lake"], Elsewhere)


def test_wrong_settings_are_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIME_FEED", "rumours")
    with pytest.raises(UsageError, match="CRIME_FEED=rumours is not known: set it to one of"):
        definitions.defs()


@pytest.mark.slow
def test_the_workspace_is_valid_and_validating_it_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    found = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", PROJECT / "workspace.yaml"],
        env={**os.environ, "DAGSTER_HOME": str(home), "CRIME_HOME": str(tmp_path / "lake")},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert "Validation successful for code location crime_assets.definitions:defs" in found.stderr + found.stdout
    assert not (tmp_path / "lake").exists()
