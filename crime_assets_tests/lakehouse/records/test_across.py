"""The view of all cities' crimes and the counts of their months, against plain computations over real rows."""

from __future__ import annotations

import csv
import gzip
import os
import random
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import sqlglot

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.defs.work import steps
from crime_assets.defs.work.steps import CityPart, count_months
from crime_assets.engines.athena_cities import cities_view
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.records.across import SCHEMA, TABLE, definition
from crime_assets.lakehouse.upkeep.orphans import remove_orphans
from crime_assets.lakehouse.writing import city_months
from crime_assets.profiles import Profile, Settings
from crime_assets.sources import cities
from crime_assets.sources.cities.codes import crosswalk, nibrs
from crime_assets_tests.build import record, some_crime, write_export

SAN_FRANCISCO, NEW_YORK = "sf_wg3w-h783_2018-12.csv.gz", "nyc_qgea-i56i_2010-01-01.csv.gz"
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
INITIAL = {"Initial", "Vehicle Initial", "Coplogic Initial"}


def profile_of(home: Path, city: str, export: Path) -> Profile:
    return Profile(
        Settings(city=city, home=home, feed="export", export=str(export)),
        clock=lambda: datetime(2026, 11, 28, 20, tzinfo=UTC),
    )


def loaded(home: Path, city: str, export: Path, before: date = date(2026, 11, 26)) -> Profile:
    """A profile whose lake has the history of a city."""
    profile = profile_of(home, city, export)
    profile.begin(before)
    profile.writer.load_history(profile.feed, before, "run")
    return profile


def chicago_crimes() -> list[dict[str, object]]:
    """Crimes of 2017 and 2018; two victims of one murder, and a robbery with a theft, have one case number."""
    chance = random.Random(17)
    crimes = [some_crime(chance, number, "2018-12-01") for number in range(1, 400)]
    murder = {"case_number": "JA1", "primary_type": "HOMICIDE", "iucr": "0110", "fbi_code": "01A"}
    two = [record(number, "2018-12-01", "2018-03-05", **murder) for number in (1001, 1002)]
    theft = record(1003, "2018-12-01", "2018-04-30", case_number="JA2", arrest=True)
    robbery = record(1004, "2018-12-01", "2018-05-01", case_number="JA2", iucr="0320", fbi_code="03")
    return [*crimes, *two, theft, robbery]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> dict[str, Profile]:
    """Three cities in one lake."""
    home = tmp_path_factory.mktemp("across") / "lake"
    export = write_export(home.parent / "chicago.csv", chicago_crimes())
    found = {"chicago": loaded(home, "chicago", export)}
    for city, name in (("san_francisco", SAN_FRANCISCO), ("new_york", NEW_YORK)):
        file = Path(shutil.copyfile(shared_data / "other_cities" / name, home.parent / name))
        os.utime(file, (PUBLISHED.timestamp(), PUBLISHED.timestamp()))
        found[city] = loaded(home, city, file)
    return found


def asked(profile: Profile, sql: str) -> pd.DataFrame:
    answer = profile.engine.query(sql)
    return pd.DataFrame(answer.rows, columns=answer.columns)


def san_francisco(shared_data: Path) -> pd.DataFrame:
    """The real rows, with the offense of their code by the table of codes alone."""
    with gzip.open(shared_data / "other_cities" / SAN_FRANCISCO, "rt", encoding="utf-8") as file:
        rows = pd.DataFrame(csv.DictReader(file))
    codes = crosswalk("san_francisco")
    found = [nibrs()[codes["incident_code", code.zfill(5)].nibrs_code] for code in rows["Incident Code"]]
    return rows.assign(
        offense=[one.offense if one.is_crime else "no crime" for one in found],
        rank=[one.rank for one in found],
        offense_class=[one.offense_class for one in found],
        may_count=pd.Series([one.is_crime for one in found]) & rows["Report Type Description"].isin(INITIAL),
    )


def test_incidents_of_san_francisco_are_those_of_its_initial_reports(
    lake: dict[str, Profile], shared_data: Path
) -> None:
    rows = san_francisco(shared_data)
    counting = rows[rows["may_count"]].sort_values("rank").groupby("Incident Number").first()
    found = asked(lake["chicago"], "SELECT * FROM cities.city_crimes WHERE city = 'san_francisco'")
    assert len(found) == len(rows) == 11_884
    standing = found[found["counts"]]
    assert len(standing) == len(counting) == standing["incident_key"].nunique()
    assert abs(len(standing) - 6_734) <= 67
    assert standing.groupby("offense").size().to_dict() == counting.groupby("offense").size().to_dict()
    classes = standing.groupby("class").size().to_dict()
    assert classes == counting.groupby("offense_class").size().to_dict()
    assert abs(classes["violent"] - 454) <= 5
    assert abs(classes["property"] - 4_285) <= 43


def test_incidents_of_chicago_stand_by_the_most_serious_offense(lake: dict[str, Profile]) -> None:
    rows = asked(lake["new_york"], "SELECT * FROM cities.city_crimes WHERE city = 'chicago'").set_index("record_key")
    assert len(rows) == 403
    assert rows["counts"].sum() == 401
    assert sorted(rows.loc[["1001", "1002"], "counts"]) == [False, True]
    assert not rows.loc["1003", "counts"]
    assert rows.loc["1004", "counts"]
    assert rows.loc["1004", "offense"] == "robbery"
    assert {*rows["class_basis"]} == {"source"}
    by_code = {"06": "theft", "08B": "simple assault", "03": "robbery", "01A": "homicide"}
    expected = [by_code[str(one["fbi_code"])] for one in chicago_crimes()]
    assert rows["offense"].value_counts().to_dict() == pd.Series(expected).value_counts().to_dict()


def test_the_view_for_athena_has_the_same_rows(lake: dict[str, Profile]) -> None:
    """Its statements are of Athena; here DuckDB runs them, over tables that have what each city publishes."""
    statements = cities_view(["chicago", "new_york", "san_francisco"])
    assert all(len(statement) < 262_144 for statement in statements)
    with duckdb.connect() as con:
        for city, profile in lake.items():
            table = tables.load(profile.lake, city, "crimes")
            assert table is not None
            con.register("crimes_there", table.scan().to_arrow())
            con.execute(f"CREATE SCHEMA {city}")
            con.execute(f"CREATE TABLE {city}.crimes AS FROM crimes_there")
        database, *views = statements
        assert database == "CREATE DATABASE IF NOT EXISTS cities"
        con.execute("CREATE SCHEMA cities")
        for statement in views:
            (parsed,) = sqlglot.parse(statement, read="athena")
            assert parsed == sqlglot.parse_one(statement, read="trino")
            con.execute(parsed.sql("duckdb"))
        found = con.sql("SELECT * FROM cities.city_crimes")
        columns, rows = found.columns, found.fetchall()
    here = lake["chicago"].engine.query("SELECT * FROM cities.city_crimes")
    assert columns == here.columns
    assert len(rows) == 403 + 2_444 + 11_884
    assert sorted(rows, key=str) == sorted(here.rows, key=str)


@pytest.mark.parametrize("names", [[], ["chicago", "chicago"], ["gotham"]])
def test_the_view_for_athena_is_of_cities(names: list[str]) -> None:
    with pytest.raises(UsageError):
        cities_view(names)


def test_what_a_city_does_not_publish_is_null(lake: dict[str, Profile]) -> None:
    known = asked(
        lake["chicago"],
        "SELECT city, count(arrest) AS arrest, count(domestic) AS domestic, count(reported_on) AS reported, "
        "count(*) AS n, min(counting_unit) AS unit, min(change_basis) AS basis, min(class_basis) AS class_basis "
        "FROM cities.city_crimes GROUP BY city ORDER BY city",
    ).to_dict("records")
    of = {row["city"]: row for row in known}
    assert of["new_york"]["n"] == 2_444
    assert (of["new_york"]["arrest"], of["new_york"]["domestic"], of["new_york"]["reported"]) == (0, 0, 2_444)
    assert (of["chicago"]["arrest"], of["chicago"]["domestic"], of["chicago"]["reported"]) == (403, 403, 0)
    assert (of["san_francisco"]["arrest"], of["san_francisco"]["domestic"]) == (11_884, 0)
    assert [of[name]["basis"] for name in ("chicago", "new_york")] == ["stamp", "snapshot"]
    assert of["san_francisco"]["class_basis"] == "crosswalk"
    assert of["new_york"]["unit"] == "complaint"


def test_columns_have_one_type_in_all_cities(lake: dict[str, Profile]) -> None:
    described = asked(lake["chicago"], "DESCRIBE FROM cities.city_crimes")
    types = dict(zip(described["column_name"], described["column_type"], strict=True))
    assert {types[name] for name in ("counts", "arrest", "domestic")} == {"BOOLEAN"}
    assert {types[name] for name in ("occurred_on", "reported_on", "change_day")} == {"DATE"}


def test_every_row_of_new_york_that_is_a_crime_stands_for_itself(lake: dict[str, Profile]) -> None:
    rows = asked(lake["chicago"], "SELECT * FROM cities.city_crimes WHERE city = 'new_york'")
    assert (rows["counts"] == (rows["offense"] != "no crime")).all()
    assert (rows["offense"] == "homicide").sum() == 3


def test_one_city_cannot_ask_for_another_by_name(lake: dict[str, Profile]) -> None:
    with pytest.raises(UsageError):
        lake["chicago"].engine.query("SELECT count(*) FROM san_francisco.crimes")


def test_without_leave_there_are_no_other_cities(lake: dict[str, Profile]) -> None:
    """As with a policy, which is about one city."""
    profile = lake["chicago"]
    engine = DuckDBEngine(profile.lake, profile.city)
    with pytest.raises(UsageError):
        engine.query("SELECT count(*) FROM cities.city_crimes")
    governed = Profile(replace(profile.settings, policy=Path("policy.toml")))
    with pytest.raises(UsageError):
        governed.engine.query("SELECT count(*) FROM cities.city_crimes")


def months(profile: Profile) -> pd.DataFrame:
    return pd.DataFrame(city_months.months(profile.lake))


def state(profile: Profile) -> tuple[list[int], dict[str, list[str]]]:
    """Snapshots of the table, and the files of each city."""
    table = tables.load(profile.lake, SCHEMA, TABLE)
    assert table is not None
    files: dict[str, list[str]] = {}
    for file in tables.data_files(table):
        files.setdefault(file.partition[0], []).append(file.file_path)
    return [entry.snapshot_id for entry in table.history()], files


def test_months_are_the_sums_of_the_view(lake: dict[str, Profile]) -> None:
    count_months(lake["chicago"])
    found = months(lake["chicago"])
    assert {*found["city"]} == {*lake}
    view = asked(lake["chicago"], "SELECT * FROM cities.city_crimes")
    view["month"] = [day.replace(day=1) for day in view["occurred_on"]]
    arrested = {*view[view["arrest"] == True]["incident_key"]}  # noqa: E712 - NULL is no arrest
    view["arrested"] = view["counts"] & view["incident_key"].isin(arrested)
    expected = view.groupby(["city", "month", "scheme", "offense"]).agg(
        rows=("counts", "size"), incidents=("counts", "sum"), known_arrests=("arrested", "sum")
    )
    there = found[found["rows"] > 0].set_index(["city", "month", "scheme", "offense"]).sort_index()
    assert there["rows"].to_dict() == expected["rows"].to_dict()
    assert there["incidents"].to_dict() == expected["incidents"].to_dict()
    of_chicago = there.loc[["chicago"], "known_arrests"].astype(int).to_dict()
    assert of_chicago == expected.loc[["chicago"], "known_arrests"].to_dict()
    assert there.loc[["new_york"], "known_arrests"].isna().all()
    assert not found["comparable_between"].any(), "no year of these samples is whole"
    assert found[~found["comparable_between"]]["reason_between"].notna().all()


def test_counting_again_writes_nothing(lake: dict[str, Profile]) -> None:
    count_months(lake["chicago"])
    before = state(lake["chicago"])
    for profile in lake.values():
        assert {part.changed for part in count_months(profile).values()} == {False}
    assert state(lake["chicago"]) == before
    known = city_months.look_at(profile.lake, profile.city, definition(profile.city))
    assert known.is_current
    same = [row for row in city_months.months(profile.lake) if row["city"] == profile.city.name]
    assert not city_months.replace_part(profile.lake, profile.city, same, replace(known, mark="another"))
    assert state(lake["chicago"]) == before


def test_a_city_replaces_its_own_part_only(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    chicago = loaded(home, "chicago", write_export(tmp_path / "chicago.csv", chicago_crimes()[:100]))
    assert count_months(chicago).keys() == {"chicago"}
    other = Part(chicago, "san_francisco")
    city_months.replace_part(chicago.lake, other.city, other.rows, other.known)
    _, before = state(chicago)
    known = city_months.look_at(chicago.lake, chicago.city, "another")
    rows = [row | {"rows": 1} for row in city_months.months(chicago.lake) if row["city"] == "chicago"]
    assert city_months.replace_part(chicago.lake, chicago.city, rows, known)
    _, after = state(chicago)
    assert after["san_francisco"] == before["san_francisco"]
    assert after["chicago"] != before["chicago"]
    assert city_months.look_at(chicago.lake, other.city, "of another").mark == other.known.mark


def test_a_table_that_is_gone_is_made_again(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    export = write_export(tmp_path / "chicago.csv", chicago_crimes()[:100])
    count_months(loaded(home, "chicago", export))
    shutil.rmtree(home / "warehouse" / SCHEMA)
    again = profile_of(home, "chicago", export)
    assert len(asked(again, "SELECT * FROM cities.city_crimes")) == 100
    assert city_months.months(again.lake) == []
    assert count_months(again)["chicago"].changed
    assert not count_months(again)["chicago"].changed
    assert city_months.months(profile_of(home, "chicago", export).lake)


def test_old_files_of_the_table_are_removed_with_the_others(tmp_path: Path) -> None:
    profile = loaded(tmp_path / "lake", "chicago", write_export(tmp_path / "chicago.csv", chicago_crimes()[:100]))
    count_months(profile)
    left = tmp_path / "lake" / "warehouse" / SCHEMA / TABLE / "data" / "city=chicago" / "left.parquet"
    left.write_bytes(b"x")
    remove_orphans(profile.lake, profile.city, datetime(2100, 1, 1, tzinfo=UTC))
    assert not left.exists()
    assert city_months.months(profile.lake)


class Part:
    """A made-up part of a city that has no crimes in the lake."""

    def __init__(self, profile: Profile, name: str) -> None:
        self.city = cities.get(name)
        of_chicago: list[dict[str, Any]] = city_months.months(profile.lake)
        self.rows = [row | {"city": name} for row in of_chicago]
        self.known = city_months.look_at(profile.lake, self.city, "of another")


def test_a_part_that_cannot_be_made_leaves_the_others(
    lake: dict[str, Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = steps._counted

    def failing(profile: Profile, city: Any) -> CityPart:
        if city.name == "new_york":
            raise LakeError("gone")
        return real(profile, city)

    monkeypatch.setattr(steps, "_counted", failing)
    monkeypatch.setattr(city_months, "parts", lambda _: set())
    found = count_months(lake["chicago"])
    assert found["new_york"] == CityPart(refused="gone")
    assert found["chicago"].rows > 0
    assert not found["san_francisco"].refused
