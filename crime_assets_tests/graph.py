"""The whole graph on one lake, as tests run it: load, run days, and read back what the tables hold."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from datetime import date

import dagster as dg
import pandas as pd
from pyiceberg.expressions import EqualTo

from crime_assets.core.insights import all_insights
from crime_assets.definitions import build_defs
from crime_assets.defs.automation.jobs import RUN
from crime_assets.defs.names import Names
from crime_assets.lakehouse.iceberg import tables
from crime_assets.profiles import Profile
from crime_assets_tests.sql.plain import Question, assert_same, expected

INSIGHTS = tuple(insight.table for insight in all_insights())
GRAPH_RUN = "crime_assets_tests.graph.run"
"""The audit event of each run: a test that runs the graph is slow."""
PUBLISHED = {"dashboard_extract", "daily_briefing"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Result = dg.ExecuteInProcessResult


def day_tags(first: str, last: str | None = None) -> dict[str, str]:
    """The tags of a run of a range of days, or of one day."""
    if last is None:
        return {"dagster/partition": first}
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


class Graph:
    """A profile's graph, run in this process, recorded in `instance` or in one of its own that vanishes."""

    def __init__(
        self,
        profile: Profile,
        instance: dg.DagsterInstance | None = None,
        overrides: Mapping[str, object] | None = None,
    ) -> None:
        self.profile, self.names = profile, Names.of(profile)
        self.instance = instance or dg.DagsterInstance.ephemeral()
        self.definitions = build_defs(profile, overrides)

    def load(self) -> Result:
        """Load the history."""
        return self._execute("load_history", {})

    def run(
        self,
        first: str,
        last: str | None = None,
        *,
        job: str = RUN,
        publishes: bool = False,
        only: Collection[str] = (),
        fails: bool = False,
    ) -> Result:
        """Run one day, or a range of days as one run, all of a job or `only` some assets; `fails`: the run is to fail.

        Extracts and briefings are made only if it `publishes`: most tests are about what they are made of.
        """
        asked = {key.path[-1] for key in self.definitions.resolve_job_def(job).asset_layer.selected_asset_keys}
        chosen = set(only) or (asked if publishes else asked - PUBLISHED)
        return self._execute(job, day_tags(first, last), fails, chosen if chosen != asked else None)

    def check(self, *names: str) -> Result:
        """Run checks on their own, as the UI does: no partition."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        found = [key for key in job.asset_layer.asset_graph.asset_check_keys if key.name in names]
        subset = job.get_subset(asset_selection=set(), asset_check_selection=set(found))
        return subset.execute_in_process(instance=self.instance, run_config=QUIET, raise_on_error=False)

    def rows(self, name: str = "crimes") -> list[dict[str, object]]:
        """A curated table's rows, by digest and id; without the time they were pulled at."""
        table = tables.load(self.profile.lake, self.profile.city.name, name)
        found = [] if table is None else table.scan().to_arrow().drop_columns(["ingested_at"]).to_pylist()
        return sorted(found, key=lambda row: (row["record_md5"], str(row["id"])))

    def frame(self) -> pd.DataFrame:
        """The rows of `crimes`, for plain computations."""
        return pd.DataFrame(self.rows())

    def pulled(self, versions: pd.DataFrame, *names: str) -> pd.DataFrame:
        """These versions with the moment at which each was pulled, as the tables have it."""
        moments: dict[tuple[int, date], object] = {}
        for name in names:
            table = tables.load(self.profile.lake, self.profile.city.name, name)
            if table is not None:
                columns = table.scan(selected_fields=("id", "change_day", "ingested_at")).to_arrow().to_pylist()
                moments |= {(row["id"], row["change_day"]): row["ingested_at"] for row in columns}
        keys = zip(versions["id"], versions["change_day"], strict=True)
        return versions.assign(ingested_at=[moments[key] for key in keys])

    def insight(self, name: str, day: date) -> list[tuple[object, ...]]:
        """An insight table's rows of an as-of day, in the order they were written in."""
        table = tables.load(self.profile.lake, self.profile.city.name, name)
        assert table is not None, name
        found = table.scan(row_filter=EqualTo("as_of_day", day.isoformat())).to_arrow().to_pylist()
        return [tuple(row.values()) for row in found]

    def insights(self, *days: date) -> dict[tuple[str, date], list[tuple[object, ...]]]:
        """All insights' rows of these as-of days."""
        return {(name, day): self.insight(name, day) for name in INSIGHTS for day in days}

    def snapshots(self) -> dict[str, list[int]]:
        """Every table's snapshots, oldest first."""
        city, lake = self.profile.city.name, self.profile.lake
        found = {name: tables.load(lake, city, name) for name in tables.names(lake, city)}
        return {name: [entry.snapshot_id for entry in table.history()] for name, table in found.items() if table}

    def contents(self, *days: date) -> dict[object, object]:
        """All that a lake is compared by."""
        curated = {name: self.rows(name) for name in ("crimes", "crimes_superseded", "crimes_quarantine")}
        return {**curated, **self.insights(*days)}

    def materialized(self, asset: str, run_id: str | None = None) -> dict[str | None, dict[str, dg.MetadataValue]]:
        """Partition → metadata of its newest materialization, of one run only if `run_id` is given."""
        records = self.instance.fetch_materializations(self.names.key(asset), limit=1000, ascending=True).records
        return {
            record.partition_key: dict(record.asset_materialization.metadata)
            for record in records
            if record.asset_materialization and run_id in (None, record.run_id)
        }

    def _execute(
        self, job: str, tags: Mapping[str, str], fails: bool = False, chosen: Collection[str] | None = None
    ) -> Result:
        sys.audit(GRAPH_RUN, job)
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=dict(tags),
            run_config=QUIET,
            raise_on_error=not fails,
            asset_selection=None if chosen is None else self.names.keys(*sorted(chosen)),
        )
        assert result.success is not fails
        return result


def assert_insights(graph: Graph, crimes: pd.DataFrame, day: date) -> None:
    """Every insight of an as-of day is what a plain computation over `crimes` gives."""
    older = pd.DataFrame(graph.rows("crimes_superseded"))
    known = graph.pulled(older[older["change_day"] <= day], "crimes_superseded") if len(older) else None
    question = Question(
        graph.pulled(crimes, "crimes", "crimes_superseded"),
        day,
        known,
        graph.profile.first_change_day,
        serial_ids_from=graph.profile.city.serial_ids_from or date.max,
    )
    for name in INSIGHTS:
        assert_same(graph.insight(name, day), expected(name.removeprefix("insight_"), question))


def verdicts(result: Result) -> dict[str, dg.AssetCheckEvaluation]:
    """The evaluations of a run, by the name of the check."""
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def failing(result: Result) -> set[str]:
    """The names of the checks that did not pass."""
    return {name for name, found in verdicts(result).items() if not found.passed}
