"""The main job at full size, on the real export of 2016 to 2018: on both profiles, and again with damage mixed in."""

import csv
import gzip
import os
import random
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crime_assets.analysis.forecasts.days import replay_days
from crime_assets.analysis.forecasts.pairs import City, OfTarget
from crime_assets.analysis.forecasts.ranking import flagged, order
from crime_assets.analysis.forecasts.scores import Score, score
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.core.insights import all_insights
from crime_assets.defs.work.forecasting import inputs, make_places
from crime_assets.engines.answers import Answer
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.profiles import aws_variables
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.sql.plain import Question, expected

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).with_name("crime-assets")
DAYS = ["--from", "2018-11-18", "--to", "2018-11-19"]
AS_OF = date(2018, 11, 19)
VIOLENT = ("01A", "02", "03", "04A", "04B")
PROPERTY = ("05", "06", "07", "09")


COUNTED = """
SELECT
  'crimes' AS what,
  count(*) AS rows,
  count(DISTINCT id) AS ids,
  (SELECT bit_xor(hash(c)) FROM (SELECT * EXCLUDE (ingested_at) FROM crimes) AS c) AS contents
FROM crimes
"""
"""Rows, ids, and one number for all that the rows hold, whatever their order."""
INSIGHT = "SELECT '{0}', count(*), 0, bit_xor(hash(i)) FROM {0} AS i"


def command(pattern: str, home: Path, *arguments: str, **variables: str) -> str:
    chosen = {"CRIME_HOME": str(home), "CRIME_FEED": "export", "CRIME_EXPORT": pattern, **variables}
    done = subprocess.run(
        [PROGRAM, *arguments], env={**os.environ, **chosen}, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(home: Path, sql: str) -> Answer:
    return DuckDBEngine(Lake(home), CHICAGO).query(sql)


@pytest.fixture(scope="module")
def pattern(shared_data: Path) -> str:
    return str(shared_data / "chicago" / "Crimes_-_201[678].csv.gz")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, pattern: str) -> Path:
    place = tmp_path_factory.mktemp("real") / "lake"
    command(pattern, place, "run", *DAYS)
    return place


def plain_rows(pattern: str) -> pd.DataFrame:
    """The exported rows as the insights should see them, by pandas alone."""
    folder, name = os.path.split(pattern)
    frames = [pd.read_csv(path, dtype=str, engine="pyarrow") for path in sorted(Path(folder).glob(name))]
    raw = pd.concat(frames, ignore_index=True)
    occurred = pd.to_datetime(raw["Date"], format="%m/%d/%Y %I:%M:%S %p")
    hour = occurred.dt.hour
    unknown = raw["X Coordinate"].eq("0") & raw["Y Coordinate"].eq("0")
    latitude = pd.to_numeric(raw["Latitude"]).mask(unknown)
    renamed = {
        "CRIM SEXUAL ASSAULT": "CRIMINAL SEXUAL ASSAULT",
        "NON - CRIMINAL": "NON-CRIMINAL",
        "NON-CRIMINAL (SUBJECT SPECIFIED)": "NON-CRIMINAL",
    }
    return pd.DataFrame(
        {
            "id": pd.to_numeric(raw["ID"]),
            "change_day": pd.to_datetime(raw["Updated On"].str[:10], format="%m/%d/%Y"),
            "ingested_at": pd.Timestamp.now(tz="UTC"),
            "occurred_at": occurred,
            "occurred_on": occurred.dt.normalize(),
            "month": occurred.dt.to_period("M").dt.start_time.dt.date,
            "hour": hour,
            "iso_weekday": occurred.dt.day_of_week + 1,
            "time_of_day": pd.cut(
                hour, [-1, 5, 11, 17, 23], labels=["night", "morning", "afternoon", "evening"]
            ).astype(str),
            "block": raw["Block"].str.strip(),
            "primary_type": raw["Primary Type"].replace(renamed),
            "iucr": raw["IUCR"].str.zfill(4),
            "description": raw["Description"],
            "fbi_code": raw["FBI Code"],
            "beat": raw["Beat"].str.zfill(4),
            "community_area": pd.to_numeric(raw["Community Area"]).replace(0, None),
            "location_description": raw["Location Description"],
            "arrest": raw["Arrest"].eq("true"),
            "domestic": raw["Domestic"].eq("true"),
            "district": raw["District"].str.zfill(3),
            "offense_class": np.select(
                [raw["FBI Code"].isin(VIOLENT), raw["FBI Code"].isin(PROPERTY)], ["violent", "property"], "other"
            ),
            "is_violent": raw["FBI Code"].isin(VIOLENT),
            "is_property": raw["FBI Code"].isin(PROPERTY),
            "is_index": raw["FBI Code"].isin(VIOLENT + PROPERTY),
            "latitude": latitude,
            "longitude": pd.to_numeric(raw["Longitude"]).mask(unknown),
        }
    ).astype(
        {"block": object, "primary_type": object, "location_description": object, "district": object, "beat": object}
    )


def test_rows_ids_and_quarantine(home: Path) -> None:
    counts = (
        "SELECT count(*), count(DISTINCT id), max(change_day), (SELECT count(*) FROM crimes_quarantine) FROM crimes"
    )
    assert ask(home, counts).rows == [(767_264, 767_264, AS_OF, 0)]
    by_year = "SELECT year(occurred_at) AS y, count(*) FROM crimes GROUP BY y ORDER BY y"
    assert ask(home, by_year).rows == [(2016, 268_813), (2017, 267_792), (2018, 230_659)]


def test_every_insight_equals_a_plain_computation(home: Path, pattern: str) -> None:
    rows = plain_rows(pattern)
    # Of a day that has passed, a few: enough to see that it is told apart.
    for day, insights in ((date(2018, 11, 18), all_insights()[:3]), (AS_OF, all_insights())):
        known = Question(
            rows[rows["change_day"] <= pd.Timestamp(day)],
            day,
            first_change_day=date.fromisoformat(DAYS[1]),
            serial_ids_from=date(2016, 1, 1),
        )
        for insight in insights:
            found = ask(home, f"SELECT * FROM {insight.table} WHERE as_of_day = DATE '{day}'")
            plain = expected(insight.name, known)
            assert found.columns == list(plain.columns)
            assert sorted(map(normal, found.rows)) == sorted(map(normal, plain.itertuples(index=False))), insight.name


@pytest.mark.stress
def test_the_same_on_aws(home: Path, pattern: str, aws: Seaweed, firehose: DeliveryStream, tmp_path: Path) -> None:
    """Row for row the same as on the local profile, and the insights of each day too."""
    variables = aws_variables(aws, firehose, tmp_path / "machine", DAYS[1])
    asked = " UNION ALL ".join([COUNTED, *(INSIGHT.format(insight.table) for insight in all_insights())])
    ordered = f"{asked} ORDER BY ALL"

    command(pattern, tmp_path / "machine", "run", *DAYS, **variables)

    found = command(pattern, tmp_path / "machine", "query", "--format", "csv", ordered, **variables)
    assert "crimes,767264,767264," in found
    assert len(found.splitlines()) == 2 + len(all_insights())
    assert found == command(pattern, home, "query", "--format", "csv", ordered)


def normal(row: tuple[object, ...]) -> tuple[str, ...]:
    """Values as text that does not depend on how floats and NULLs are written."""
    return tuple(cell(value) for value in row)


def cell(value: object) -> str:
    if value is None or value is pd.NA or value != value or value == "":  # noqa: PLR0124 - NaN differs from itself
        return ""
    try:
        return f"{float(str(value)):.10g}"
    except ValueError:
        return str(value)


def test_a_day_is_delivered_once_and_running_again_changes_nothing(home: Path, pattern: str) -> None:
    def state() -> tuple[list[Path], list[Path], int]:
        landed = sorted((home / "landing/raw").rglob("*.gz"))
        metadata = sorted((home / "warehouse").rglob("*.metadata.json"))
        day = [path for path in landed if "2018-11-19" in str(path)]
        return landed, metadata, sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in day)

    before = state()
    assert before[2] == 729
    command(pattern, home, "run", "--no-insights", "--from", str(AS_OF), "--to", str(AS_OF))
    assert state() == before


def test_forecasts_of_the_lake_find_what_was_measured(home: Path, pattern: str) -> None:
    """Of eight windows, in cells with records; the longer trial has boundaries, all windows, targets and horizons."""
    profile = Profile(Settings(home=home, feed="export", export=pattern))
    make_places(profile, profile.engine)
    given = inputs(profile, profile.engine, date(2018, 11, 18))
    days = sorted(replay_days(given.t, 28, given.lag, given.first_record, most=8))
    city = City(replace(given, with_trees=False), [28], days)
    for name, least, most_off in (("burglary", 3.9, 0.15), ("index", 8.45, 0.08)):
        target = [one.name for one in TARGETS].index(name)
        of_target = OfTarget(city, target)
        scores: dict[str, list[Score]] = {}
        errors = []
        for day in days:
            level = of_target.level(day, 28).expected
            crimes = int(of_target.crimes(day, 28, given.t))
            errors.append(abs(level / crimes - 1))
            came = given.events.came(target, day, 28, given.t)
            for method, share in of_target.shares(of_target.learned(day, 28), day, 28).items():
                found = flagged(order(share, city.states[day].all[target]), given.places.km2, 2)
                made = score(share, came, crimes, level, given.places.km2, found)
                scores.setdefault(method, []).append(made)
        mixture = scores["mixture"]
        assert sum(one.hits for one in mixture) / sum(one.crimes for one in mixture) / 0.02 > least
        deviance = {method: np.mean([one.deviance for one in found]) for method, found in scores.items()}
        assert min(deviance, key=deviance.__getitem__) == "mixture"
        assert np.mean(errors) < most_off


def test_damage_duplicates_edits_and_disorder(tmp_path: Path, shared_data: Path) -> None:
    """A slice of 2018 with lines doubled, edited, shuffled and damaged comes out as the slice with its edits."""
    source = shared_data / "chicago" / "Crimes_-_2018.csv.gz"
    with gzip.open(source, "rt", newline="") as file:
        header, *lines = file.read().splitlines()
    chance = random.Random(11)
    kept = chance.sample(lines, 12_000)
    edited = chance.sample(kept, 500)
    newer = [line.replace(",false,", ",true,", 1) for line in edited]
    newer = [",".join(stamped(line)) for line in newer]
    # Cut before the last field at the latest: with that field empty instead, a line would be a whole record.
    damaged = [line[: chance.randrange(20, len(line) - 45)] for line in chance.sample(lines, 200)]
    # A line cut inside a quoted field must not swallow the one below it.
    damaged += [line[:-3] for line in chance.sample(lines, 100) if line.endswith(')"')]
    damaged += [f"{line},surplus" for line in chance.sample(lines, 50)]
    untypable = [line.replace(line.split(",")[0], f"x{n}", 1) for n, line in enumerate(chance.sample(lines, 40))]
    mixed = kept + chance.sample(kept, 3_000) + newer + damaged + untypable
    chance.shuffle(mixed)
    path = tmp_path / "Crimes_-_mixed.csv.gz"
    path.write_bytes(gzip.compress("\n".join([header, *mixed]).encode()))

    home = tmp_path / "lake"
    command(str(path), home, "run", "--no-insights", "--from", "2018-11-17", "--to", "2018-11-20")
    ids = {int(line.split(",")[0]) for line in kept}
    found = ask(home, "SELECT id, record_md5 IS NOT NULL, change_day FROM crimes").rows
    assert len(found) == len(ids)
    assert {row[0] for row in found} == ids
    assert all(row[1] for row in found)
    assert {row[0] for row in found if row[2] == date(2018, 11, 20)} == {int(line.split(",")[0]) for line in edited}
    reasons = "reason LIKE '%field%' OR reason LIKE '%quote%'"
    assert {row[0] for row in ask(home, f"SELECT raw FROM crimes_quarantine WHERE {reasons}").rows} == set(damaged)
    assert ask(home, "SELECT count(*) FROM crimes_quarantine WHERE reason LIKE 'id is no%'").rows == [(40,)]


def stamped(line: str) -> list[str]:
    """The cells of a line, as raw CSV, with a newer change stamp."""
    (cells,) = csv.reader([line])
    cells[18] = "11/20/2018 04:00:00 PM"
    return ['"' + cell.replace('"', '""') + '"' if "," in cell or '"' in cell else cell for cell in cells]
