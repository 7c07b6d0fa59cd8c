"""The consumer by Spark: what `Loop` does by ticks, it does by batches of whole files. See `batches`.

A batch has happened when its commit is written. Spark gives one again that it has not noted yet; if there is a commit,
only the alerts in it are published again.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crime_assets.core import keys
from crime_assets.core.errors import LakeError, LandingError
from crime_assets.incidents.chain import ALERTS
from crime_assets.incidents.loop import Totals
from crime_assets.incidents.rules import Rule
from crime_assets.incidents.spark.batches import Batches
from crime_assets.incidents.spark.commits import Commit, Commits
from crime_assets.incidents.spark.site import Site
from crime_assets.incidents.spark.stream import lines_of
from crime_assets.incidents.spark.typing import place_of
from crime_assets.incidents.telling import Channel, Teller
from crime_assets.incidents.times import Calendar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_FILES = 200
"""Files of a batch, at the most."""
_TRIGGER = "1 second"
_DAMAGED = re.compile(rf"{re.escape(LandingError.__module__)}\.{LandingError.__name__}: (.+)")
_KEPT = 1_000
"""Commits. None but the last two is needed; the others tell what happened."""


class SparkLoop:
    """Reads one stream in a directory. `stage` is called with what was just done: tests end the process there."""

    def __init__(
        self,
        spark: SparkSession,
        site: Site,
        calendar: Calendar,
        rules: Sequence[Rule],
        clock: Callable[[], datetime],
        *,
        warn: Callable[[str], None] = lambda _: None,
        stage: Callable[[str], None] = lambda _: None,
    ) -> None:
        if str(spark.sparkContext.master).startswith("local"):
            # The Python that is first on the path may lack this package.
            spark.sparkContext.pythonExec = sys.executable
        self._spark, self._calendar, self._rules, self._clock = spark, calendar, rules, clock
        self._warn, self._stage = warn, stage
        self._site = site
        self._commits = Commits(site)
        self._batches: Batches | None = None
        self._tellers: list[Teller] = []
        self._is_stopped = False
        self._error: BaseException | None = None
        self._totals = Totals()

    def stop(self) -> None:
        """End after the batch that is being taken; may be called by a signal handler."""
        self._is_stopped = True

    def run(self, channels: Sequence[Channel] = (), *, until_ended: bool = False, files: int = _FILES) -> Totals:
        """Read until it is stopped, and tell the channels.

        `until_ended` ends when all is read that was there at first. A batch has at most so many files.
        """
        last, alerts = self._commits.last(), self._site.chain(ALERTS)
        # A new channel hears of what comes from now on.
        told = {one.name: last.numbers.get(ALERTS, 0) for one in channels} | dict(last.told)
        self._tellers = [Teller(alerts, one, told[one.name], self._warn) for one in channels]
        for teller in self._tellers:
            teller.start()
        try:
            self._read(until_ended=until_ended, files=files)
        finally:
            for teller in self._tellers:
                teller.stop()
        return self._totals

    def _read(self, *, until_ended: bool, files: int) -> None:
        from pyspark.errors import PySparkException

        stream = lines_of(self._spark, self._site.root, files).writeStream.foreachBatch(self._take)
        stream = stream.option("checkpointLocation", f"{self._site.place}/checkpoint")
        stream = stream.trigger(availableNow=True) if until_ended else stream.trigger(processingTime=_TRIGGER)
        try:
            query = stream.start()
            while not query.awaitTermination(1):
                if self._is_stopped and not query.status["isTriggerActive"]:
                    query.stop()
        except PySparkException as error:
            if self._error is not None:
                raise _said_by_a_machine(self._error) from None
            raise LakeError(f"Spark ended the stream: {str(error).splitlines()[0]}") from error

    def _take(self, frame: DataFrame, batch: int) -> None:
        """What Spark calls with each batch."""
        try:
            lines = frame.cache()
            given = _by_shard(row.address for row in lines.select("address").distinct().collect())
            commit = self._commits.read(batch)
            if commit is None:
                commit = self._committed(lines, given, batch)
            elif commit.given != given:
                raise LandingError(f"{self._site.place}/checkpoint is not of the commits beside it: restore both.")
            self._publish(commit)
            lines.unpersist()
        except BaseException as error:
            # Spark tells no more of it than a text.
            self._error = error
            raise

    def _committed(self, lines: DataFrame, given: dict[str, list[int]], batch: int) -> Commit:
        before = self._commits.read(batch - 1)
        if before is None:
            raise LakeError(f"The commit before batch {batch} is missing beside {self._site.place}: restore both.")
        if self._batches is None:
            spark = lines.sparkSession
            self._batches = Batches(spark, self._site, self._rules, self._calendar, self._clock, self._stage)
        told = {teller.name: teller.last for teller in self._tellers}
        commit = self._batches.take(lines, given, before, told)
        self._commits.write(commit)
        self._stage("committed")
        if commit.base == commit.batch:
            self._commits.forget(commit.batch - _KEPT)
        self._totals.add(commit.ticked, commit.reasons)
        return commit

    def _publish(self, commit: Commit) -> None:
        if commit.alerts:
            self._site.chain(ALERTS).write(commit.numbers[ALERTS], commit.alerts.encode())
            self._stage("alerts_written")
        self._tell_status(commit)

    def _tell_status(self, commit: Commit) -> None:
        now = self._clock().astimezone(UTC)
        newest = max((one.arrived for one in commit.reached.values() if one.arrived is not None), default=None)
        status = {
            "epoch": self._site.epoch,
            "zone": self._calendar.zone,
            "written_at": now.isoformat(),
            "lag_seconds": now.timestamp() - newest if newest is not None else 0.0,
            "lost_since": None,
            "tick": commit.ticked.tick,
            "watermark": commit.ticked.watermark,
            **{f"{name}_number": number for name, number in commit.numbers.items()},
            **asdict(self._totals),
            "told": commit.told,
            "stations": self._batches.stations() if self._batches else [],
        }
        self._site.store.write(keys.live(self._site.stream, "status.json"), json.dumps(status).encode())


def _said_by_a_machine(error: BaseException) -> BaseException:
    """What stopped whoever typed a line; Spark hides its sentence in a page of Java."""
    found = _DAMAGED.search(str(error))
    return LandingError(found[1]) if found else error


def _by_shard(addresses: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for shard, number in sorted(map(place_of, addresses)):
        found[shard].append(number)
    return dict(found)
