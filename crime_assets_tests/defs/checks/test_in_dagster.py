"""Each check inside Dagster: passing on a sound city, failing on data that is wrong, blocking where it must."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from crime_assets.core import keys
from crime_assets.defs.automation.jobs import BACKFILL
from crime_assets.lakehouse.iceberg import tables
from crime_assets.sources.feeds import Feed, Record
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.graph import INSIGHTS, Graph, failing, verdicts

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 25)
NEWEST = DAY - timedelta(days=7)
ALL = {
    "delivery_complete",
    "duplicate_share",
    "source_schema",
    "one_row_per_id",
    "quarantine_share",
    "freshness",
    "codes_valid",
    "coordinates_valid",
    "daily_count_in_line",
    "no_day_missing",
    "clearance_rate",
}
CLASSES = ({"fbi_code": "04B"}, {"fbi_code": "06"}, {"fbi_code": "08A"})


def _steady_city(**recent: object) -> list[dict[str, object]]:
    """Six crimes a day for 450 days, a quarter of each class with an arrest, published after eight days.

    `recent` replaces fields of the crimes of the 28 days that ended eight weeks before DAY.
    """
    crimes = []
    for age in range(7, 457):
        day = DAY - timedelta(days=age)
        changes = recent if 56 <= age < 84 else {}
        for n in range(6):
            fields = {**CLASSES[n % 3], "arrest": (age + n) % 4 == 0, "location": "(41.88, -87.63)", **changes}
            published = min(day + timedelta(days=8), DAY)
            crimes.append(record(10 * age + n, published.isoformat(), day.isoformat(), **fields))
    return crimes


def _extra(first_id: int, count: int, updated: date = DAY, **fields: object) -> list[dict[str, object]]:
    return [record(first_id + n, updated.isoformat(), NEWEST.isoformat(), **fields) for n in range(count)]


def _graph(home: Path, crimes: list[dict[str, object]], overrides: Mapping[str, object] | None = None) -> Graph:
    export = write_export(home / "crimes.csv", crimes)
    graph = Graph(export_profile(home / "lake", export), overrides=overrides)
    graph.load()
    return graph


def _pull_and_merge(graph: Graph) -> dict[str, dg.AssetCheckEvaluation]:
    graph.run(str(DAY), job="pull_change_day")
    return verdicts(graph.run(str(DAY), job="merge_change_day"))


def _objects(graph: Graph) -> list[str]:
    return [found.key for found in graph.profile.landing.list(keys.deliveries_prefix("chicago", DAY))]


@pytest.fixture
def small(tmp_path: Path) -> Graph:
    """A lake of twenty crimes, five of them changed on the day."""
    crimes = [record(n, "2024-01-10" if n < 16 else "2024-01-25") for n in range(1, 21)]
    return _graph(tmp_path, crimes)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """A steady city whose day was run."""
    graph = _graph(tmp_path_factory.mktemp("sound"), _steady_city())
    graph.run(str(DAY), job=BACKFILL)
    return graph


def test_a_sound_city_passes_every_check(sound: Graph) -> None:
    found = verdicts(sound.run(str(DAY), job=BACKFILL))
    assert set(found) == ALL
    assert {name: check.description for name, check in found.items() if not check.passed} == {}
    assert found["one_row_per_id"].description == "2,700 rows, 2,700 distinct ids."
    assert "6 crimes, +0 against the mean of 6" in str(found["daily_count_in_line"].description)
    shares = found["clearance_rate"].metadata["violent"].value
    assert (shares["recent_share"], shares["year_share"]) == (0.25, pytest.approx(0.25, abs=0.002))


def test_checks_run_on_their_own_without_a_day(sound: Graph) -> None:
    result = sound.check(*ALL)
    assert result.success
    assert set(verdicts(result)) == ALL
    assert failing(result) == set()


@pytest.mark.parametrize("name", ["freshness", "one_row_per_id", "source_schema"])
def test_one_check_alone_is_run_and_no_other(sound: Graph, name: str) -> None:
    result = sound.check(name)
    assert result.success
    assert set(verdicts(result)) == {name}


def test_checks_on_their_own_before_any_day_say_what_to_do(small: Graph) -> None:
    result = small.check("one_row_per_id")
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "No change day has been merged yet: materialize the assets of one first." in str(
        failure.step_failure_data.error.cause.message
    )


def test_a_city_out_of_line_is_warned_of_check_by_check_and_published_all_the_same(tmp_path: Path) -> None:
    crimes = [
        *_steady_city(arrest=False),
        *_extra(100_000, 20, ward="somewhere"),
        *_extra(200_000, 40, district="099", beat="9911"),
        *_extra(300_000, 4, latitude="45.0"),
        *(record(400_000 + n, str(DAY), str(NEWEST - timedelta(days=1))) for n in range(60)),
        *_extra(500_000, 1, updated=DAY + timedelta(days=3)),
    ]
    graph = _graph(tmp_path, crimes)
    result = graph.run(str(DAY))
    found = verdicts(result)

    assert failing(result) == {
        "quarantine_share",
        "freshness",
        "codes_valid",
        "coordinates_valid",
        "daily_count_in_line",
        "clearance_rate",
    }
    assert {found[name].severity for name in failing(result)} == {dg.AssetCheckSeverity.WARN}
    assert found["quarantine_share"].metadata["reasons"].value == {"ward is no whole number": 20}
    assert found["freshness"].metadata["change_days_behind"].value == 3
    assert found["codes_valid"].metadata["unknown_districts"].value == {"099": 40}
    assert found["coordinates_valid"].metadata["outside"].value == 4
    assert found["daily_count_in_line"].metadata["crimes"].value == 66
    assert found["clearance_rate"].metadata["out_of_line"].value == ["other", "property", "violent"]
    assert "violent: 0.0% of 56 against 2" in str(found["clearance_rate"].description)
    assert set(graph.materialized("insight_crime_summary", result.run_id)) == {str(DAY)}


def test_a_stale_city_is_not_fresh(tmp_path: Path) -> None:
    """The lake has every change day, but nothing has happened for days longer than the lag explains."""
    crimes = [crime for crime in _steady_city() if str(crime["date"]) < "2024-01-15"]
    found = _pull_and_merge(_graph(tmp_path, [*crimes, record(1, "2024-01-25", "2024-01-14")]))["freshness"]
    assert not found.passed
    assert found.metadata["days_late"].value == 4
    assert found.metadata["change_days_behind"].value == 0


def test_crimes_without_a_place_are_warned_of(tmp_path: Path) -> None:
    nowhere = {"latitude": None, "longitude": None, "x_coordinate": None, "y_coordinate": None}
    found = _pull_and_merge(_graph(tmp_path, _steady_city(**nowhere)))["coordinates_valid"]
    assert not found.passed
    assert (found.metadata["no_place"].value, found.metadata["outside"].value) == (168, 0)


def test_an_id_that_stands_twice_blocks_the_insights(small: Graph) -> None:
    small.run(str(DAY))
    snapshots = small.snapshots()
    table = tables.load(small.profile.lake, "chicago", "crimes")
    assert table is not None
    held = table.scan().to_arrow()
    table.append(pa.concat_tables([held.slice(0, 3), held.slice(0, 1)]))

    result = small.run(str(DAY), fails=True)
    found = verdicts(result)["one_row_per_id"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found.metadata["surplus_rows"].value == 4
    assert found.metadata["some_repeated_ids"].value == sorted(held.slice(0, 3)["id"].to_pylist())
    started = {event.step_key for event in result.all_events if event.is_step_start}
    assert {"crimes", "check_crimes"} <= started
    assert started.isdisjoint(INSIGHTS)
    assert {name: ids for name, ids in small.snapshots().items() if name in INSIGHTS} == {
        name: snapshots[name] for name in INSIGHTS
    }


def test_a_lost_delivery_blocks_the_merge_until_it_is_delivered_again(small: Graph) -> None:
    small.run(str(DAY), job="pull_change_day")
    (key,) = _objects(small)
    (small.profile.lake.landing / key).unlink()
    before = small.snapshots()

    result = small.run(str(DAY), job="merge_change_day", fails=True)
    found = verdicts(result)["delivery_complete"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "2024-01-25: 1 of 1 batches are missing" in str(found.description)
    assert "crimes" not in {event.step_key for event in result.all_events if event.is_step_start}
    assert small.snapshots() == before

    assert _pull_and_merge(small)["delivery_complete"].passed
    assert len(small.rows()) == 20


def test_a_delivery_cut_short_blocks_too(small: Graph) -> None:
    small.run(str(DAY), job="pull_change_day")
    (key,) = _objects(small)
    path = small.profile.lake.landing / key
    path.write_bytes(path.read_bytes()[:-30])
    found = verdicts(small.run(str(DAY), job="merge_change_day", fails=True))["delivery_complete"]
    assert not found.passed
    assert found.metadata["damaged_objects"].value == [key]


def test_deliveries_without_a_manifest_block(small: Graph) -> None:
    small.run(str(DAY), job="pull_change_day")
    (small.profile.lake.landing / keys.manifest("chicago", DAY)).unlink()
    found = verdicts(small.run(str(DAY), job="merge_change_day", fails=True))["delivery_complete"]
    assert "2024-01-25: no manifest" in str(found.description)


def test_a_delivery_lost_after_its_merge_is_found_by_the_check_on_its_own(small: Graph) -> None:
    _pull_and_merge(small)
    _pull_and_merge(small)
    assert failing(small.check("delivery_complete", "duplicate_share", "source_schema")) == set()
    (key,) = _objects(small)
    (small.profile.lake.landing / key).unlink()
    result = small.check("delivery_complete", "duplicate_share", "source_schema")
    assert failing(result) == {"delivery_complete"}


def test_repeated_deliveries_are_warned_of_and_merge_to_the_same_rows(small: Graph) -> None:
    _pull_and_merge(small)
    rows, snapshots = small.rows(), small.snapshots()
    (key,) = _objects(small)
    content = small.profile.landing.read(key)
    assert content is not None
    small.profile.landing.write(keys.delivery("chicago", DAY, "again", small.profile.clock()), content)

    result = small.run(str(DAY), job="merge_change_day")
    found = verdicts(result)["duplicate_share"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (found.metadata["repeated"].value, found.metadata["records"].value) == (5, 10)
    assert found.metadata["days_above_limit"].value == {"2024-01-25": 0.5}
    assert failing(result) >= {"duplicate_share"}
    assert (small.rows(), small.snapshots()) == (rows, snapshots)


class _Moved:
    """A source whose columns are not what they were."""

    name = "moved"

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self.history, self.latest_day, self.undated = feed.history, feed.latest_day, feed.undated
        self.total = feed.total

    def columns(self) -> frozenset[str]:
        return self._feed.columns() - {"beat"} | {"weapon"}

    def changes(self, first: date, last: date) -> Iterator[Record]:
        for found in self._feed.changes(first, last):
            yield {**{k: v for k, v in found.items() if k not in ("beat", "block")}, "weapon": "none", "ward": 42}


def test_drift_of_the_source_is_named_column_by_column(tmp_path: Path) -> None:
    crimes = [record(n, "2024-01-10" if n < 16 else "2024-01-25", location="(1, 2)") for n in range(1, 140)]
    export = write_export(tmp_path / "crimes.csv", crimes)
    profile = export_profile(tmp_path / "lake", export)
    graph = Graph(profile, overrides={"feed": _Moved(profile.feed)})
    graph.load()
    found = _pull_and_merge(graph)["source_schema"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.metadata["drift"].value == {
        "weapon": "is new at the source and comes as text",
        "beat": "is gone from the source",
        "ward": "should be text and comes as number",
        "block": "is empty in all 124 records",
    }
    assert "weapon is new at the source and comes as text; beat is gone from the source" in str(found.description)
    assert len(graph.rows()) == 139
