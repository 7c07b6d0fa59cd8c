"""Nights as the daemon has them: the schedule is ticked, what it asks for is pulled, what lies unmerged is merged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from crime_assets.defs.automation.jobs import PULL
from crime_assets.defs.partitions import days_in_tags
from crime_assets.defs.work import steps
from crime_assets.profiles import Profile
from crime_assets.sources.feeds import Feed
from crime_assets.streams.inventory import merged_days, take_inventories
from crime_assets.streams.pull import LOOK_BACK, days_between, pull
from crime_assets.streams.watch import unmerged
from crime_assets_tests.graph import QUIET, Graph, day_tags

ONE_DAY = timedelta(days=1)


class Nights:
    """A lake with its history, and the daemon's instance. `source` brings the source to where it is at a day's end."""

    def __init__(
        self,
        profile: Profile,
        first: date,
        source: Callable[[date], object],
        feed: Feed | None = None,
    ) -> None:
        """Without a `feed`, the profile's is used."""
        self._source = source
        self._feed = feed
        self.profile = profile
        self.stand_after(first - ONE_DAY)
        profile.begin(first)
        self.graph = Graph(profile, overrides={"feed": feed} if feed else None)
        self.graph.load()
        # A schedule sees an instance only where others could open it, too. What happens is written down there by hand:
        # a run recorded on the disk takes ten times as long.
        home = profile.settings.home / "daemon"
        home.mkdir()
        self.daemon = dg.DagsterInstance.local_temp(str(home))
        self._repository = self.graph.definitions.get_repository_def()

    @property
    def merged(self) -> list[date]:
        """All days that the lake has merged."""
        return merged_days(self.profile.landing, "chicago")

    def stand_after(self, day: date) -> None:
        """It is two in the morning after a day; nothing has changed since midnight."""
        at = datetime.combine(day + ONE_DAY, time(2), ZoneInfo("America/Chicago")).astimezone(UTC)
        self.profile.clock = lambda: at
        self._source(day)

    def live(self, first: date, last: date) -> None:
        """Nights after each of these days as they are where nothing ever goes wrong, without asking the schedule."""
        profile = self.profile
        for day in days_between(first, last):
            self.stand_after(day)
            feed = self._feed or profile.feed
            records, now, stream = feed.changes(day - LOOK_BACK, day), profile.clock(), profile.stream()
            source = feed.columns(), profile.city, day, day, profile.landing, stream, now, 0, feed.latest_day()
            pull(records, *source)
            self.merge()

    def night(
        self, after: date, *, fails: Callable[[date, date], bool] = lambda *_: False, merges: bool = True
    ) -> list[date]:
        """The night after a day; the days that were asked for. A run fails if `fails` says so of its days."""
        self.stand_after(after)
        asked: list[date] = []
        for request in self.tick(after):
            first, last = days_in_tags(tags_of(request)) or (date.max, date.min)
            assert not set(asked) & set(days_between(first, last)), "a day is asked for once"
            asked += days_between(first, last)
            failed = fails(first, last)
            self.record(request, dg.DagsterRunStatus.FAILURE if failed else dg.DagsterRunStatus.SUCCESS)
            if not failed:
                self.graph.run(str(first), str(last), job=PULL)
        if merges:
            self.merge()
        return asked

    def tick(self, after: date) -> list[dg.RunRequest]:
        """What the schedule asks for in the night after a day, but for run keys that were used before."""
        schedule = self.graph.definitions.resolve_schedule_def("pull_change_day_daily")
        with dg.build_schedule_context(
            instance=self.daemon,
            scheduled_execution_time=datetime.combine(after + ONE_DAY, time(2), ZoneInfo("America/Chicago")),
            repository_def=self._repository,
            resources=self.graph.definitions.resources,
        ) as context:
            requests = schedule.evaluate_tick(context).run_requests or []
        used = {run.tags.get("dagster/run_key") for run in self.daemon.get_runs()}
        return [request for request in requests if request.run_key not in used]

    def record(self, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """A run of the request, in that status."""
        job = self.graph.definitions.resolve_job_def(PULL)
        tags = {**tags_of(request), "dagster/run_key": str(request.run_key)}
        return self.daemon.create_run_for_job(job, status=status, tags=tags)

    def merge(self) -> None:
        """Merge all that the sensor would find, however many ticks it needs to look at all days."""
        profile = self.profile
        days = days_between(profile.first_change_day, profile.today - ONE_DAY)
        if found := sorted(waiting.day for waiting in unmerged(profile.landing, "chicago", days)):
            take_inventories(profile.landing, "chicago", found)
            steps.merge(profile, found, "a run")

    def reconcile(self) -> dict[str, object]:
        """What the reconciliation says that it found and did."""
        job = self.graph.definitions.resolve_job_def("reconcile_with_source")
        assert job.execute_in_process(instance=self.graph.instance, run_config=QUIET).success
        metadata = self.graph.materialized("crime_reconciliation")[None]
        return {name: value.value for name, value in metadata.items()}


def tags_of(request: dg.RunRequest) -> dict[str, str]:
    """The tags of the run that a request becomes."""
    return {**request.tags, **(day_tags(request.partition_key) if request.partition_key else {})}
