"""The peer of a day's run: the same assets, checks and partitions with empty steps, run in process.

    python -m benchmarks.empty_graph FIRST_DAY LAST_DAY [JOB]

It has a Dagster home of its own, given by DAGSTER_HOME, and does what a command of ours cannot go without: start
Python, import Dagster, build the graph, and record every step.
"""

import sys
import warnings
from collections.abc import Iterator

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)

INSIGHTS = [f"insight_{number}" for number in range(19)]
ASSETS = {
    "raw_crime_batches": [],
    "crime_deliveries": ["raw_crime_batches"],
    "crimes": ["crime_deliveries"],
    **{insight: ["crimes"] for insight in INSIGHTS},
    "dashboard_extract": INSIGHTS,
    "daily_briefing": ["dashboard_extract"],
}
CHECKS = {
    "check_crime_deliveries": [("crime_deliveries", "delivery_complete duplicate_share source_schema".split())],
    "check_crimes": [
        (
            "crimes",
            [
                "one_row_per_id",
                "quarantine_share",
                "freshness",
                "codes_valid",
                "coordinates_valid",
                "daily_count_in_line",
                "no_day_missing",
                "clearance_rate",
            ],
        )
    ],
    "check_insights": [(insight, [f"{insight}_consistent"]) for insight in INSIGHTS],
}
BLOCKING = {"delivery_complete", "one_row_per_id", *(f"{insight}_consistent" for insight in INSIGHTS)}


def _asset(name: str, deps: list[str], days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=deps, partitions_def=days, backfill_policy=dg.BackfillPolicy.single_run())
    def empty() -> None:
        pass

    return empty


def _checks(step: str, checked: list[tuple[str, list[str]]]) -> dg.AssetChecksDefinition:
    pairs = [(asset, name) for asset, names in checked for name in names]
    specs = [dg.AssetCheckSpec(name, asset=asset, blocking=name in BLOCKING) for asset, name in pairs]

    @dg.multi_asset_check(name=step, specs=specs)
    def empty() -> Iterator[dg.AssetCheckResult]:
        for asset, name in pairs:
            yield dg.AssetCheckResult(asset_key=asset, check_name=name, passed=True)

    return empty


def main(first: str, last: str, job: str = "run_change_day") -> None:
    """Run the empty graph, or what a job has of it, over the days from first to last."""
    days = dg.DailyPartitionsDefinition(start_date="2018-11-10", timezone="America/Chicago")
    upstream = dg.AssetSelection.assets("raw_crime_batches", "crime_deliveries", "crimes")
    definitions = dg.Definitions(
        assets=[_asset(name, deps, days) for name, deps in ASSETS.items()],
        asset_checks=[_checks(step, checked) for step, checked in CHECKS.items()],
        jobs=[
            dg.define_asset_job("run_change_day", "*"),
            dg.define_asset_job("backfill_change_days", upstream),
        ],
        executor=dg.in_process_executor,
    )
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    with dg.DagsterInstance.get() as instance:
        # The console logger would print each event, which ours does not do either.
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        definitions.resolve_job_def(job).execute_in_process(instance=instance, tags=tags, run_config=quiet)


if __name__ == "__main__":
    main(*sys.argv[1:])
