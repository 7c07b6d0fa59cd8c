"""What past days knew of crimes that were removed since."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from crime_assets.core.digests import record_digest
from crime_assets.core.insights import Insight
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import replace_days, stale_days
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import rows, versions
from crime_assets_tests.lakehouse.reconciliation.comparing import UNTIL, crimes, fill, known, take_out, version

pytestmark = pytest.mark.slow


def test_days_before_the_removal_know_the_version_they_knew(lake: Lake, engine: DuckDBEngine) -> None:
    first, second = record(1, "2024-01-10"), record(1, "2024-01-15", arrest=True)
    other = record(2, "2024-01-10")
    fill(lake, first, second, other)
    take_out(lake, 1)

    assert known(engine, "2024-01-09") == []
    assert known(engine, "2024-01-10") == known(engine, "2024-01-14") == [version(first), version(other)]
    assert known(engine, "2024-01-15") == known(engine, "2024-01-19") == [version(second), version(other)]
    assert known(engine, "2024-01-20") == known(engine, "2024-03-01") == [version(other)]


def test_a_crime_published_again_is_counted_once(lake: Lake, engine: DuckDBEngine) -> None:
    first, second = record(1, "2024-01-10"), record(1, "2024-01-15", arrest=True)
    again = record(1, "2024-01-25", "2023-12-05")
    fill(lake, first, second)
    take_out(lake, 1)
    fill(lake, again, pulled="2024-01-26T08:00:00")

    days = {f"2024-01-{n}": [found for _, found in known(engine, f"2024-01-{n}")] for n in range(10, 28)}
    assert days == {
        **{f"2024-01-{n}": [record_digest(first)] for n in range(10, 15)},
        **{f"2024-01-{n}": [record_digest(second)] for n in range(15, 20)},
        **{f"2024-01-{n}": [] for n in range(20, 25)},
        **{f"2024-01-{n}": [record_digest(again)] for n in range(25, 28)},
    }
    # And gone once more: both versions are kept.
    take_out(lake, 1, on=date(2024, 1, 27))
    assert {(row["record_md5"], row["removed_on"].day) for row in rows(lake, "crimes_removed")} == {
        (record_digest(second), 20),
        (record_digest(again), 27),
    }
    days["2024-01-27"] = []
    assert {day: [found for _, found in known(engine, day)] for day in days} == days


def test_the_same_version_published_again_is_known_throughout(lake: Lake, engine: DuckDBEngine) -> None:
    crime = record(1, "2024-01-10")
    fill(lake, crime)
    take_out(lake, 1)
    assert known(engine, "2024-01-22") == []
    fill(lake, crime, pulled="2024-01-23T08:00:00")

    assert {tuple(known(engine, f"2024-01-{n}")) for n in (12, 20, 22, 25)} == {(version(crime),)}

    assert take_out(lake, 1, on=date(2024, 1, 27)) == 1
    assert [row["removed_on"].day for row in rows(lake, "crimes_removed")] == [20, 27]
    assert known(engine, "2024-01-22") == known(engine, "2024-01-26") == [version(crime)]
    assert known(engine, "2024-01-27") == []


@pytest.mark.parametrize("seed", [1, 2])
def test_any_life_of_crimes_is_told_day_by_day(lake: Lake, engine: DuckDBEngine, seed: int) -> None:
    rng = random.Random(seed)
    told: dict[date, list[tuple[int, str]]] = {}
    now: dict[int, str] = {}
    for n in range(8):
        day = date(2024, 1, 10) + timedelta(days=n)
        changed = [
            record(id, str(day), f"2023-{rng.choice(('10', '11', '12'))}-05", ward=str(rng.randint(1, 50)))
            for id in rng.sample(range(1, 16), rng.randint(0, 5))
        ]
        fill(lake, *changed, pulled=f"{day}T20:00:00")
        now |= dict(map(version, changed))
        if now and rng.random() < 0.6:
            gone = rng.sample(sorted(now), min(len(now), rng.randint(1, 4)))
            take_out(lake, *gone, on=day, noticed=datetime(2024, 1, 10, 23, tzinfo=UTC) + timedelta(days=n))
            for id in gone:
                del now[id]
        told[day] = sorted(now.items())

    assert len(rows(lake, "crimes_removed")) > 5
    assert {day: known(engine, str(day)) for day in told} == told
    assert versions(lake) == told[max(told)]


def test_insights_from_the_day_of_the_removal_on_are_stale(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, *crimes(1, 4))
    sql = "SELECT :as_of_day AS as_of_day, 'all' AS period, COUNT(*) AS crimes FROM crimes"
    insight = Insight("known", 99, "How many are known.", (), sql)
    days = [UNTIL + timedelta(days=n) for n in (-1, 0, 1)]
    replace_days(lake, CHICAGO, insight, {day: engine.insight(insight, day) for day in days})
    assert stale_days(lake, CHICAGO, insight) == []

    take_out(lake, 2)

    assert stale_days(lake, CHICAGO, insight) == days[1:]
    changed = replace_days(lake, CHICAGO, insight, {day: engine.insight(insight, day) for day in days})
    assert changed == days[1:]
