"""The whole graph, feed to insights, on the sample city and on small exports: what the tables hold."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crime_assets.core.digests import record_digest
from crime_assets_tests.build import export_profile, record, sample_profile, write_export
from crime_assets_tests.graph import INSIGHTS, Graph, assert_insights
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sql.plain import Question, expected

FIRST, LAST = date(2024, 1, 25), date(2024, 1, 27)
DAYS = [date(2024, 1, 25), date(2024, 1, 26), date(2024, 1, 27)]
BEGUN = "2024-02-01T12:00:00"
"""A lake begun now has 2024-01-25 as its first change day."""
ONCE = pytest.mark.quick("the graph is run once even where there is little time")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """History and three change days of the sample city, run once as one range. Tests leave it as it is."""
    graph = Graph(sample_profile(tmp_path_factory.mktemp("sample"), rows=10_000, now=BEGUN))
    graph.load()
    graph.run(str(FIRST), str(LAST))
    return graph


@ONCE
def test_crimes_are_the_feeds_live_records(sample: Graph) -> None:
    feed = sample.profile.feed
    history = [{k: v for k, v in row.items() if v is not None} for row in read_history(feed, FIRST).to_pylist()]
    published = {str(row["id"]): row for row in [*history, *feed.changes(FIRST, LAST)]}
    rows = {row["id"]: row for row in sample.rows()}
    untyped = {row["id"] for row in sample.rows("crimes_quarantine")}

    assert len(published) == len(history) + feed.count(FIRST, LAST) > 11_000
    assert {str(key) for key in rows} == set(published) - untyped
    assert len(untyped) < 10
    for key, row in rows.items():
        source = published[str(key)]
        assert row["occurred_at"].isoformat(timespec="milliseconds") == source["date"]
        assert row["updated_on"].isoformat(timespec="milliseconds") == source["updated_on"]
        assert (row["arrest"], row["domestic"]) == (source["arrest"], source["domestic"])
        assert (row["block"], row["primary_type_published"]) == (source["block"], source["primary_type"])
        assert row["change_day"] == row["updated_on"].date()


@ONCE
def test_digests_of_delivered_rows_are_those_of_the_source(sample: Graph) -> None:
    digests = {row["id"]: row["record_md5"] for row in sample.rows() if row["change_day"] >= FIRST}
    changed = {int(str(r["id"])): record_digest(r) for r in sample.profile.feed.changes(FIRST, LAST)}
    assert digests == {key: digest for key, digest in changed.items() if key in digests}
    assert len(digests) > 1_500


@pytest.mark.slow
def test_every_insight_is_what_a_plain_computation_gives(sample: Graph) -> None:
    crimes = sample.frame()
    for day in DAYS:
        assert_insights(sample, crimes[crimes["change_day"] <= day], day)


@pytest.mark.slow
def test_a_day_replayed_changes_no_row_and_makes_no_snapshot(sample: Graph) -> None:
    landed = list(sample.profile.landing.list("raw/"))
    snapshots, contents = sample.snapshots(), sample.contents(*DAYS)
    sample.load()
    sample.run(str(FIRST), str(LAST))
    sample.run("2024-01-26")
    assert sample.snapshots() == snapshots
    assert sample.contents(*DAYS) == contents
    assert set(snapshots) == {"crimes", "crimes_quarantine", *INSIGHTS}
    assert list(sample.profile.landing.list("raw/")) == landed, "what has landed is not delivered again"


def _published(day: date) -> list[dict[str, object]]:
    """What the city publishes at the end of a day: one crime edited every day, one once, and new ones."""
    crimes = [record(n, "2024-01-10", f"2024-01-0{n % 9 + 1}", domestic=True) for n in range(1, 31)]
    for number, changed in enumerate(found for found in DAYS if found <= day):
        crimes[0] = record(1, str(changed), "2024-01-01", domestic=True, primary_type=f"VERSION {number}")
        crimes += [record(100 * (number + 1) + n, str(changed), "2024-01-18", domestic=True) for n in range(5 + number)]
    if day > FIRST:
        crimes[1] = record(2, "2024-01-26", "2024-01-02", domestic=True, arrest=True)
    return crimes


@pytest.mark.slow
def test_days_out_of_order_end_in_the_rows_and_insights_of_days_in_order(tmp_path: Path) -> None:
    """Versions of one crime come newest first and the older ones, pulled later, do not replace it."""
    export = write_export(tmp_path / "crimes.csv", _published(FIRST - timedelta(days=1)))
    Graph(export_profile(tmp_path / "lake", export)).load()
    for number, day in enumerate([DAYS[2], DAYS[0], DAYS[1]]):
        write_export(export, _published(day))
        graph = Graph(export_profile(tmp_path / "lake", export, now=f"2024-02-01T1{number}:00:00"))
        graph.run(str(day))

    rows = {row["id"]: row for row in graph.rows()}
    assert (len(rows), rows[1]["primary_type"], rows[2]["arrest"]) == (48, "VERSION 2", True)
    kept = {(row["id"], row["primary_type"]) for row in graph.rows("crimes_superseded")}
    assert kept == {(1, "THEFT"), (1, "VERSION 0"), (1, "VERSION 1"), (2, "THEFT")}
    for day in DAYS:
        assert_insights(graph, plain_crimes(write_export(tmp_path / "known.csv", _published(day))), day)


@pytest.mark.slow
def test_what_was_known_on_past_days_stays_though_crimes_are_edited(tmp_path: Path) -> None:
    home = tmp_path / "edited"
    graph = Graph(sample_profile(home, rows=2_000, now=BEGUN))
    graph.load()
    graph.run(str(FIRST), "2024-01-26")
    before = graph.insights(FIRST)
    before_rows = {row["id"]: row for row in graph.rows()}

    later = Graph(sample_profile(home, rows=2_000, now="2024-02-20T12:00:00"))
    later.run("2024-02-15", "2024-02-17", job="pull_change_day")
    later.run("2024-02-15", "2024-02-17", job="merge_change_day")
    superseded = later.rows("crimes_superseded")
    later.run(str(FIRST))

    assert len(superseded) > 5
    assert all(row == before_rows[row["id"]] for row in superseded)
    now = {row["id"]: row for row in later.rows()}
    assert all(now[row["id"]]["updated_on"] > row["updated_on"] for row in superseded)
    assert later.rows("crimes_superseded") == superseded
    assert later.insights(FIRST) == before


def _few(edited: bool) -> list[dict[str, object]]:
    """Ten crimes of the history, one of each of three days; later, one more whose stamp appears on a day long run."""
    history = [record(n, "2024-01-10", domestic=True) for n in range(10, 20)]
    crimes = [*history, record(2, "2024-01-25"), record(3, "2024-01-26"), record(4, "2024-01-27")]
    late = record(5, "2024-01-26T23:59:59", primary_type="ARSON", fbi_code="09", domestic=True)
    return [*crimes, late] if edited else crimes


@pytest.mark.slow
def test_a_late_change_refreshes_its_day_and_those_after_it(tmp_path: Path) -> None:
    export = write_export(tmp_path / "crimes.csv", _few(edited=False))
    profile = export_profile(tmp_path / "late", export)
    graph = Graph(profile)
    graph.load()
    graph.run(str(FIRST), str(LAST))
    before, snapshots = graph.insights(*DAYS), graph.snapshots()

    write_export(export, _few(edited=True))
    late = Graph(export_profile(tmp_path / "late", export, now="2024-02-02T12:00:00"), graph.instance)
    run_id = late.run("2024-01-26").run_id

    crimes = late.frame()
    for day in DAYS:
        assert_insights(late, crimes[crimes["change_day"] <= day], day)
    assert late.insights(FIRST) == {key: rows for key, rows in before.items() if key[1] == FIRST}
    assert late.insight("insight_top_crime_types", LAST) != before["insight_top_crime_types", LAST]
    assert len(late.snapshots()["insight_crime_summary"]) == len(snapshots["insight_crime_summary"]) + 1
    for name in INSIGHTS:
        recorded = late.materialized(name, run_id)
        assert set(recorded) == {"2024-01-26", "2024-01-27"}, name
        assert recorded["2024-01-27"]["dagster/partition_row_count"].value == len(late.insight(name, LAST))


def plain_crimes(path: Path) -> pd.DataFrame:
    """What the insights need of an export's rows, typed with pandas alone."""
    raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    text = {name: raw[name].str.strip().replace("", None) for name in raw.columns}
    occurred = pd.to_datetime(text["Date"], format="%m/%d/%Y %I:%M:%S %p")
    unknown = (raw["X Coordinate"] == "0") & (raw["Y Coordinate"] == "0")
    renamed = {
        "CRIM SEXUAL ASSAULT": "CRIMINAL SEXUAL ASSAULT",
        "NON - CRIMINAL": "NON-CRIMINAL",
        "NON-CRIMINAL (SUBJECT SPECIFIED)": "NON-CRIMINAL",
    }
    violent, stolen = text["FBI Code"].isin(["01A", "02", "03", "04A", "04B"]), ["05", "06", "07", "09"]
    return pd.DataFrame(
        {
            "id": raw["ID"].astype(int),
            "change_day": pd.to_datetime(text["Updated On"], format="%m/%d/%Y %I:%M:%S %p").dt.date,
            "occurred_on": occurred.dt.date,
            "month": occurred.dt.date.map(lambda day: day.replace(day=1)),
            "hour": occurred.dt.hour,
            "iso_weekday": occurred.dt.day_of_week + 1,
            "time_of_day": occurred.dt.hour.map(lambda hour: ("night", "morning", "afternoon", "evening")[hour // 6]),
            "block": text["Block"],
            "primary_type": text["Primary Type"].replace(renamed),
            "iucr": text["IUCR"].str.zfill(4),
            "description": text["Description"],
            "fbi_code": text["FBI Code"],
            "offense_class": np.select([violent, text["FBI Code"].isin(stolen)], ["violent", "property"], "other"),
            "beat": text["Beat"].str.zfill(4),
            "community_area": pd.to_numeric(text["Community Area"]),
            "occurred_at": occurred,
            "location_description": text["Location Description"],
            "district": text["District"].str.zfill(3),
            "arrest": raw["Arrest"].str.lower() == "true",
            "domestic": raw["Domestic"].str.lower() == "true",
            "is_violent": violent,
            "is_property": text["FBI Code"].isin(stolen),
            "is_index": violent | text["FBI Code"].isin(stolen),
            "latitude": pd.to_numeric(text["Latitude"]).where(~unknown),
            "longitude": pd.to_numeric(text["Longitude"]).where(~unknown),
        }
    )


@ONCE
def test_the_plain_computation_is_no_tautology(sample: Graph) -> None:
    """Without a row of the last complete day the plain side differs: the comparisons above compare something."""
    crimes = sample.frame()
    known = crimes[crimes["change_day"] <= LAST]
    complete = pd.to_datetime(known["occurred_on"]) <= pd.Timestamp(Question(known, LAST).last_complete_day)
    one_less = known.drop(known.loc[complete, "occurred_at"].idxmax())
    same = expected("crime_summary", Question(known, LAST))["crimes"].tolist()
    assert expected("crime_summary", Question(one_less, LAST))["crimes"].tolist() == [count - 1 for count in same]
