"""A lake that follows the publications of a city, day by day, and what it then holds."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from crime_assets.defs.work import steps
from crime_assets.lakehouse.reconciliation.following import newly_published, note_gone, record_gone, remove_gone
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds import PublishedFeed
from crime_assets.streams.inventory import take_inventories
from crime_assets.streams.pull import pull
from crime_assets_tests.lakehouse.lakes import rows, snapshots

Published = Mapping[str, Sequence[Mapping[str, str]]]
"""File → its records, under the API's names."""


class Followed:
    """Publishes files, and runs the change day before "today"; `feed` replaces the files by another source."""

    def __init__(self, place: Path, city: str, first: date, feed: Callable[[Profile], PublishedFeed] | None = None):
        self.files = place / "files"
        self.files.mkdir()
        self.settings = Settings(home=place / "lake", city=city, feed="export", export=str(self.files / "*"))
        self.today = first
        self._feed = feed
        self._runs = 0

    def publish(self, published: Published) -> None:
        """Write these files, and remove all others; they were written at noon today."""
        for path in self.files.iterdir():
            path.unlink()
        at = datetime.combine(self.today, time(12), UTC).timestamp()
        for name, records in published.items():
            path = self.files / name
            with path.open("w", newline="") as file:
                names = list(dict.fromkeys(field for record in records for field in record))
                writer = csv.DictWriter(file, names)
                writer.writeheader()
                writer.writerows(records)
            os.utime(path, (at, at))

    def run(self, day: date | None = None) -> MergeResult:
        """Run a change day, yesterday by default; the first time the history is loaded before."""
        day = day or self.today - timedelta(days=1)
        self._runs += 1
        profile = self.profile
        feed = self._feed(profile) if self._feed else profile.feed
        assert isinstance(feed, PublishedFeed)
        lake, city, landing = profile.lake, profile.city, profile.landing
        if history_before(lake, city) is None:
            profile.begin(day)
            steps.load_history(profile, feed, day, "run")
        found = newly_published(lake, city, feed, day)
        note_gone(landing, city, day, found.gone)
        pull(found.missing, feed.columns(), city, day, day, landing, profile.stream(), profile.clock(), found.undated)
        take_inventories(landing, city.name, [day])
        record_gone(lake, city, landing, [day], profile.clock())
        result = steps.merge(profile, [day], "run")
        remove_gone(lake, city, landing, [day], profile.clock(), {"run-id": "run"})
        return result

    @property
    def profile(self) -> Profile:
        now = datetime.combine(self.today, time(20), UTC) + timedelta(seconds=self._runs)
        return Profile(self.settings, lambda: now)

    def crimes(self, *columns: str) -> dict[str, tuple[Any, ...]]:
        """Each crime's id → these columns."""
        held = rows(self.profile.lake, city=self.settings.city)
        assert len({row["id"] for row in held}) == len(held)
        return {row["id"]: tuple(row[column] for column in columns) for row in held}

    def removed(self) -> dict[str, date]:
        """Each removed crime's id → the day from which it is gone."""
        held = rows(self.profile.lake, "crimes_removed", city=self.settings.city)
        return {row["id"]: row["removed_on"] for row in held}

    def snapshots(self) -> int:
        return len(snapshots(self.profile.lake, city=self.settings.city))
