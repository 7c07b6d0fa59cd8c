"""What a batch of lines comes to: tallies, alerts, deliveries, and the commit that says all of it.

Deliveries and the quarantine are written before the commit: they are the same whenever the batch is taken again.
Alerts are not, as they say when they were raised: they are in the commit, and published from it.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from crime_assets.incidents import watch_list
from crime_assets.incidents.chain import ALERTS, DELIVERIES, QUARANTINE
from crime_assets.incidents.lines import Alerts
from crime_assets.incidents.rules import COLUMNS, Rule, alert_id
from crime_assets.incidents.spark.commits import Commit
from crime_assets.incidents.spark.order import moved, taken, watermark
from crime_assets.incidents.spark.site import Site
from crime_assets.incidents.spark.stream import layout_of
from crime_assets.incidents.spark.tallies import HELD, SparkTallies
from crime_assets.incidents.spark.typing import SCHEMA, place_of, typing
from crime_assets.incidents.state import Ticked
from crime_assets.incidents.times import MOST_AHEAD, Calendar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

_BATCHES = 50
"""After so many, all tables are put together."""
_LINES = 20_000
"""Of an object."""
_LISTED = "ref string, from_s double, until_s double, why_md5 string"


class Batches:
    """Takes batches in one Spark session. `stage` is called with what was just done: tests end the process there."""

    def __init__(
        self,
        spark: SparkSession,
        site: Site,
        rules: Sequence[Rule],
        calendar: Calendar,
        clock: Callable[[], datetime],
        stage: Callable[[str], None],
    ) -> None:
        self._spark, self._site = spark, site
        self._calendar, self._clock, self._stage = calendar, clock, stage
        self._alerts = Alerts(rules, calendar)
        self._tallies = SparkTallies(spark, site.place, rules)

    def take(self, lines: DataFrame, given: Mapping[str, list[int]], before: Commit, told: Mapping[str, int]) -> Commit:
        """Take the lines of these files, and those that waited; what it returns is still to be written."""
        batch = before.batch + 1
        if before.base == before.batch and before.base is not None:
            self._tallies.drop_all_but(before.base)
        layout = layout_of(self._spark, self._site.root)
        found = {shard: [*before.held.get(shard, ()), *given.get(shard, ())] for shard in {*before.held, *given}}
        ends = taken(layout, before.reached, found)
        waiting = {shard: [one for one in files if one > ends.get(shard, 0)] for shard, files in found.items()}
        held = {shard: files for shard, files in waiting.items() if files}
        typed = self._typed(self._in_order(lines, before, held), batch)
        arrived = _newest(typed)
        self._watch()
        typed.where("line IS NOT NULL").createOrReplaceTempView("arrived")
        news = self._tallies.add(batch, before.base, before.added)
        self._stage("counted")
        reached = moved(layout, before.reached, ends, arrived)
        mark = _later(before.ticked.watermark, self._believed(watermark(reached)))
        closed = self._close_blocks(mark, before.closed)
        numbers = dict(before.numbers)
        alerts = self._raise(batch, closed, max(arrived.values(), default=mark))
        numbers[ALERTS] = numbers.get(ALERTS, 0) + bool(alerts)
        self._stage("ruled")
        numbers[DELIVERIES] = self._deliver(typed, numbers.get(DELIVERIES, 0))
        self._stage("deliveries_written")
        numbers[QUARANTINE], reasons = self._quarantine(typed, numbers.get(QUARANTINE, 0))
        base = before.base
        if len(before.added) + 1 >= _BATCHES:
            self._tallies.put_together(batch, before.base, [*before.added, batch], mark, self._calendar)
            base = batch
        records, late, ahead = _counts(typed)
        repeats = records - len(reasons) - news
        typed.unpersist()
        self._tallies.forget()
        return Commit(
            ticked=Ticked(batch, records, news, repeats, late, ahead, len(reasons), len(alerts), mark),
            given=given,
            reached=reached,
            held=held,
            base=base,
            closed=closed[1] if closed else None,
            numbers=numbers,
            reasons=reasons,
            alerts="".join(alerts),
            told=told,
        )

    def stations(self) -> list[dict[str, object]]:
        """Stations with the mean of the places of their reports, degrees."""
        mean = ("lat_sum / placed / 1000 AS lat", "lon_sum / placed / 1000 AS lon")
        placed = self._spark.table("stations").where("placed > 0").selectExpr("station", "district", *mean)
        return [row.asDict() for row in placed.orderBy("station").collect()]

    def _in_order(self, lines: DataFrame, before: Commit, held: Mapping[str, Sequence[int]]) -> DataFrame:
        """The lines that are to be taken now; those that have to wait are kept for the next batch."""
        batch = before.batch + 1
        if before.held:
            waiting = self._spark.read.schema(lines.schema).parquet(self._tallies.place(HELD, f"batch={before.batch}"))
            lines = lines.union(waiting)
        if not held:
            return lines
        from pyspark.sql import functions as f

        addresses = [row.address for row in lines.select("address").distinct().collect()]
        late = [address for address in addresses if place_of(address)[1] in held.get(place_of(address)[0], ())]
        is_late = f.col("address").isin(late)
        lines.where(is_late).write.mode("overwrite").parquet(self._tallies.place(HELD, f"batch={batch}"))
        return lines.where(~is_late)

    def _typed(self, lines: DataFrame, batch: int) -> DataFrame:
        rows = lines.rdd.mapPartitions(typing(self._calendar.zone, batch))
        return self._spark.createDataFrame(rows, SCHEMA, verifySchema=False).cache()

    def _watch(self) -> None:
        _, listed = watch_list.read(self._site.store, self._site.stream)
        rows = [tuple(row.values()) for row in watch_list.as_table(listed).to_pylist()]
        self._spark.createDataFrame(rows, _LISTED).createOrReplaceTempView("watch_list")

    def _believed(self, mark: float | None) -> float | None:
        """A writer's clock that is far ahead must not take the stream with it."""
        now = self._clock().timestamp()
        return now if mark is not None and mark > now + MOST_AHEAD else mark

    def _close_blocks(self, mark: float | None, closed: int | None) -> tuple[int, int] | None:
        """The first and the last block of six hours that closed with this batch; the last one twice if none did."""
        last = None if mark is None else self._calendar.closed_block(mark)
        before = closed
        if before is None and last is not None:
            # Of blocks before the first report nothing can be said.
            first = self._spark.table("blocks").agg({"block_number": "min"}).collect()[0][0]
            before = None if first is None else first - 1
        if before is not None and last is not None and last > before:
            return before + 1, last
        return None if closed is None else (closed, closed)

    def _raise(self, batch: int, closed: tuple[int, int] | None, seen: float | None) -> list[str]:
        """The lines of new alerts, which are kept with the tallies."""
        found = sorted(self._tallies.ask(closed), key=_identity)
        evidence, now = self._tallies.evidence(found), self._clock()
        kept = [(*_identity((rule, row)), seen) for rule, row in found]
        self._tallies.add_alerts(batch, kept)
        lines = []
        for rule, row in found:
            told = {name: row[name] for name in COLUMNS if name != "event_id"}
            events = evidence.get((rule, row.event_id), [])
            told |= {"alert_id": alert_id(rule, row.subject, row.window_number), "rule": rule, "event_ids": events}
            lines.append(self._alerts.line({**told, "raised_at": now}).decode())
        return lines

    def _deliver(self, typed: DataFrame, last: int) -> int:
        """Write the lines of new reports; the number of the last object."""
        news = self._spark.table("new_reports").select("shard", "sequence")
        lines = typed.join(news, ["shard", "sequence"], "left_semi")
        for some in _apart(_sorted(lines, "line")):
            last += 1
            self._site.chain(DELIVERIES).write(
                last, gzip.compress("".join(f"{one}\n" for one in some).encode(), 1, mtime=0)
            )
        return last

    def _quarantine(self, typed: DataFrame, last: int) -> tuple[int, list[str]]:
        """Write the lines of messages that are no reports; the number of the last object, and the reasons."""
        reasons: list[str] = []
        for some in _apart(_sorted(typed.where("quarantined IS NOT NULL"), "quarantined")):
            last += 1
            self._site.chain(QUARANTINE).write(last, "".join(some).encode())
            reasons += [json.loads(line)["reason"] for line in some]
        return last, reasons


def _newest(typed: DataFrame) -> dict[str, float]:
    """Shard → when its newest message arrived."""
    return {row[0]: row[1] for row in typed.groupBy("shard").agg({"arrived_s": "max"}).collect()}


def _counts(typed: DataFrame) -> tuple[int, int, int]:
    """Of messages: all, those that rules do not count as they are late, those of a clock that is ahead."""
    ((records, late, ahead),) = typed.selectExpr(
        "count(*)", "count_if(NOT is_admitted)", "count_if(is_ahead)"
    ).collect()
    return records, late, ahead


def _later(one: float | None, other: float | None) -> float | None:
    """Of a shard that begins later, something earlier may come: what was known stays known."""
    return max((told for told in (one, other) if told is not None), default=None)


def _identity(raised: tuple[str, Row]) -> tuple[str, str, int, int]:
    rule, row = raised
    return rule, row.subject, row.window_number, row.revision


def _sorted(rows: DataFrame, column: str) -> Iterator[str]:
    """A column, in the order in which its messages came."""
    from pyspark.sql import functions as f

    ordered = rows.orderBy("shard", f.length("sequence"), "sequence").select(column)
    return (row[0] for row in ordered.toLocalIterator())


def _apart(lines: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(lines, _LINES)):
        yield some
