"""What is counted of reports, as Parquet files: what each batch has added, and from time to time all of it together.

A batch that is taken again after a crash writes the same files again; what counts is what the last commit names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from crime_assets.core.concurrency import few_at_once
from crime_assets.core.sql import render, statement
from crime_assets.incidents.limits import LIMITS, most_by_chance
from crime_assets.incidents.lookback import AGING, oldest
from crime_assets.incidents.rules import COLUMNS, Rule
from crime_assets.incidents.tallies import ADDED, EVIDENCE
from crime_assets.incidents.times import Calendar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 4
TABLES: Mapping[str, str] = {
    "known_events": "event_id string, claimed_s double, md5 string",
    "stations": "station string, district string, first_hour int, first_day int, lat_sum bigint, lon_sum bigint, "
    "placed bigint",
    "hours": "station string, hour_number int, reports bigint",
    "blocks": "station string, block_number int, reports bigint, in_time bigint",
    "cells": "head string, cell_lat int, cell_lon int, block_lat int, block_lon int, day_number int, reports bigint",
    "complaints": "complainant_ref string, head string, occurred_day int, day_number int, fir_id string",
    "named": "ref string, day_number int, fir_id string",
    "alerts": "rule string, subject string, window_number int, revision int, seen_s double",
}
"""Tables of what is known, as sql/live/state.sql has them."""
HELD = "held"
"""Lines that wait for others that come first, as they were read."""
_SUMMED = ("stations", "hours", "blocks", "cells")
"""Tables whose rows of several batches are put together by sql/live/sum_*.sql."""


class SparkTallies:
    """Tables of one Spark session: those that `Tallies` has in DuckDB."""

    def __init__(self, spark: SparkSession, root: str, rules: Sequence[Rule]) -> None:
        self._spark, self._root, self._rules = spark, root, rules
        self._kept: list[DataFrame] = []
        limits = [row for chance in _chances(rules) for row in most_by_chance(chance).to_pylist()]
        names = ", ".join(f"{name} int" for name in LIMITS.names)
        spark.createDataFrame([tuple(row.values()) for row in limits], names).cache().createOrReplaceTempView("limits")

    def show(self, name: str, base: int | None, batches: Sequence[int]) -> DataFrame:
        """Let statements read a table: all of it as of a base, and what batches have added since."""
        places = [self.place(name, f"base={base}")] if base is not None else []
        places += [self.place(name, f"batch={batch}") for batch in batches]
        reader = self._spark.read.schema(TABLES[name])
        found = reader.parquet(*places) if places else self._spark.createDataFrame([], TABLES[name])
        if name in _SUMMED:
            found.createOrReplaceTempView("added")
            # Rules read it several times.
            return self._keep(name, self._asked("live", f"sum_{name}"))
        found.createOrReplaceTempView(name)
        return found

    def add(self, batch: int, base: int | None, batches: Sequence[int]) -> int:
        """Count what is in `arrived`, the others being those before; returns how many reports are news."""
        self.show("known_events", base, batches)
        reports = self._keep("new_reports", self._asked("live", "new_reports"))
        added = {name: self._keep(f"new_{name}", self._asked("live", f"new_{name}")) for name in ADDED}
        added["known_events"] = reports.where("is_admitted")
        self._at_once(lambda one: self.write(one[0], f"batch={batch}", one[1]), added.items())
        for name in ADDED:
            self.show(name, base, [*batches, batch])
        self.show("alerts", base, batches)
        return reports.count()

    def ask(self, closed: tuple[int, int] | None) -> list[tuple[str, Row]]:
        """What the rules give, with the rule's name, and `alerts` does not have yet."""
        from pyspark.sql import functions as f

        def given(rule: Rule) -> list[Row]:
            known = self._spark.table("alerts").where(f.col("rule") == rule.name)
            found = self._spark.sql(rule.query("spark", closed)).select(*COLUMNS)
            return found.join(known, ["subject", "window_number", "revision"], "left_anti").collect()

        asked = [rule for rule in self._rules if closed is not None or not rule.asks_for_blocks]
        answers = self._at_once(given, asked)
        return [(rule.name, row) for rule, rows in zip(asked, answers, strict=True) for row in rows]

    def evidence(self, raised: Sequence[tuple[str, Row]]) -> dict[tuple[str, str], list[str]]:
        """Of each rule, and report by which it was raised: that report and others that say the same."""
        from pyspark.sql import functions as f

        reports, found = self._spark.table("new_reports"), dict[tuple[str, str], list[str]]()
        for rule in self._rules:
            events = sorted({row.event_id for name, row in raised if name == rule.name and row.event_id})
            if events and rule.evidence:
                some = f.slice(f.sort_array(f.collect_set("event_id")), 1, EVIDENCE)
                alike = reports.groupBy(*rule.evidence).agg(some.alias("events")).alias("alike")
                one = reports.where(f.col("event_id").isin(events)).select("event_id", *rule.evidence).alias("one")
                same = [f.col(f"one.{name}").eqNullSafe(f.col(f"alike.{name}")) for name in rule.evidence]
                for event, others in one.join(alike, same).select("event_id", "events").distinct().collect():
                    found[rule.name, event] = [event, *(other for other in others if other != event)]
        return found

    def write(self, name: str, part: str, rows: DataFrame) -> None:
        """Write a part of a table, in place of what a batch that was not committed has left there."""
        columns = [one.split()[0] for one in TABLES[name].split(", ")]
        rows.select(*columns).write.mode("overwrite").parquet(self.place(name, part))

    def add_alerts(self, batch: int, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write the alerts of a batch."""
        self.write("alerts", f"batch={batch}", self._spark.createDataFrame(list(rows), TABLES["alerts"]))

    def put_together(
        self, batch: int, base: int | None, batches: Sequence[int], mark: float | None, calendar: Calendar
    ) -> None:
        """Write a new base of what rules still look back on, up to this batch."""
        from pyspark.sql import functions as f

        for name in TABLES:
            rows = self.show(name, base, batches)
            if name in AGING and mark is not None:
                column, least = oldest(name, mark, calendar)
                rows = rows.where(f.col(column) >= least)
            self.write(name, f"base={batch}", rows)

    def drop_all_but(self, base: int) -> None:
        """Remove all parts of tables but this base, and all lines that waited but those of its batch."""
        # Python's part of Spark has no way to remove files wherever they are.
        java: Any = self._spark._jvm
        for name, part in (*((name, f"base={base}") for name in TABLES), (HELD, f"batch={base}")):
            place = java.org.apache.hadoop.fs.Path(self.place(name, part))
            files = place.getFileSystem(self._spark._jsc.hadoopConfiguration())
            for other in files.globStatus(java.org.apache.hadoop.fs.Path(self.place(name, "*"))):
                if other.getPath().getName() != part:
                    files.delete(other.getPath(), True)

    def place(self, name: str, part: str) -> str:
        """Where a part of a table lies."""
        return f"{self._root}/{name}/{part}"

    def forget(self) -> None:
        """Release what was kept for the batch."""
        for one in self._kept:
            one.unpersist()
        self._kept = []

    def _at_once(self, work: Callable[[T], R], things: Iterable[T]) -> list[R]:
        """Results in order. Most of what Spark does for few rows is planning and waiting."""
        return list(few_at_once(work, things, _AT_ONCE))

    def _asked(self, folder: str, name: str) -> DataFrame:
        return self._spark.sql(render(statement(folder, name), "spark", {}))

    def _keep(self, name: str, rows: DataFrame) -> DataFrame:
        kept = rows.cache()
        kept.createOrReplaceTempView(name)
        self._kept.append(kept)
        return kept


def _chances(rules: Sequence[Rule]) -> list[int]:
    return sorted({rule.chance for rule in rules if rule.chance is not None})
