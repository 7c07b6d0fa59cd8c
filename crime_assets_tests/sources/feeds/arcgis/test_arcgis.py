"""A map service with a layer for each year: each is read whole, and the lake follows what they hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, SourceMoved, UsageError
from crime_assets.profiles import Profile, Settings
from crime_assets.sources import cities
from crime_assets.sources.feeds import DAMAGE, RAW, PublishedFeed
from crime_assets.sources.feeds.arcgis import ArcgisFeed
from crime_assets_tests.lakehouse.reconciliation.followed import Followed
from crime_assets_tests.sources.feeds.arcgis.conftest import NOW
from crime_assets_tests.sources.feeds.arcgis_server import ArcgisServer, ServedLayer, incident, utc

Connect = Callable[..., ArcgisFeed]
TODAY = date(2026, 10, 20)
ALL = sorted(f"{year}00000{n}" for year in (24, 25, 26) for n in range(3))


def published(feed: ArcgisFeed) -> list[dict[str, str | None]]:
    return [row for table in feed.publication().tables() for row in table.to_pylist()]


@pytest.mark.parametrize("page_size", [1, 2, 3, 2_000])
@pytest.mark.parametrize("limit", [1, 1_000])
def test_history_and_publication_have_each_record_once(
    service: ArcgisServer, connect: Connect, page_size: int, limit: int
) -> None:
    for layer in service.layers.values():
        layer.limit = limit
    feed = connect(page_size=page_size)
    with feed.history(TODAY) as history:
        found = [row for part in history.parts for row in history.read(part).to_pylist()]
    assert sorted(str(row["ccn"]) for row in published(feed)) == ALL
    assert sorted(row["ccn"] for row in found) == ALL
    assert {(row[DAMAGE], row[RAW]) for row in found} == {(None, None)}
    assert len(history.parts) == 3


def test_a_record_has_texts_under_names_in_lower_case(connect: Connect) -> None:
    row = next(row for row in published(connect()) if row["ccn"] == "24000000")
    assert {name: row[name] for name in ("xblock", "latitude", "psa", "bid", "report_dat", "start_date")} == {
        "xblock": "394578.43",
        "latitude": "38.9398002378",
        "psa": "203",
        "bid": None,
        "report_dat": "2024-07-01T12:01:39.000",
        "start_date": "2024-07-01T11:54:00.000",
    }
    city = cities.get("washington")
    assert row.keys() == connect().columns() == city.source_columns.keys() - {"objectid"}


@pytest.mark.parametrize(
    ("moment", "clock"),
    [
        ("2026-03-08T06:59:59", "2026-03-08T01:59:59.000"),
        ("2026-03-08T07:00:00", "2026-03-08T03:00:00.000"),
        ("2026-11-01T05:30:00", "2026-11-01T01:30:00.000"),
        ("2026-11-01T06:30:00", "2026-11-01T01:30:00.000"),
        ("2026-01-01T04:59:00", "2025-12-31T23:59:00.000"),
        ("1969-12-31T23:00:00", "1969-12-31T18:00:00.000"),
    ],
)
def test_times_are_those_of_the_city_s_clock(service: ArcgisServer, connect: Connect, moment: str, clock: str) -> None:
    service.layers[41].build([incident(1, START_DATE=utc(moment))])
    assert {row["start_date"] for row in published(connect()) if row["ccn"] == "1"} == {clock}


@pytest.mark.parametrize("odd", ["soon", 10**30, -(10**16), 1.5, True, [1], {"a": 1}])
def test_what_is_no_time_is_left_for_quarantine(service: ArcgisServer, connect: Connect, odd: object) -> None:
    service.layers[41].build([incident(1, START_DATE=odd)])
    service.layers[41].has_statistics = False
    (text,) = (row["start_date"] for row in published(connect()) if row["ccn"] == "1")
    assert text == str(odd).replace("True", "true").replace("'", '"').replace(": ", ":")


def test_without_a_time_of_the_last_edit_other_rows_are_another_version(
    service: ArcgisServer, connect: Connect
) -> None:
    feed, layer = connect(), service.layers[41]
    first = feed.publication()
    assert first.day == TODAY
    assert feed.publication().version == first.version
    versions = {first.version}
    for change in (
        lambda: layer.build([*layer.rows.values(), incident(26000009)]),
        lambda: layer.build([*layer.rows.values()], first=100),
        lambda: layer.rows.update({100: incident(26000000, "2026-07-03T00:00:00")}),
    ):
        change()
        versions.add(feed.publication().version)
    assert len(versions) == 4
    # An edit in place may go unseen: so everything is read once a week.
    weeks = {connect(now=lambda n=n: NOW + timedelta(days=n)).publication().version for n in range(8)}
    assert len(weeks) == 2
    layer.has_statistics = False
    days = {connect(now=lambda n=n: NOW + timedelta(days=n)).publication().version for n in range(4)}
    assert len(days) == 4


def test_a_time_of_the_last_edit_is_the_version(service: ArcgisServer, connect: Connect) -> None:
    for layer in service.layers.values():
        layer.edited = utc("2026-10-01T03:00:00")
    feed = connect()
    first = feed.publication()
    assert first.day == date(2026, 9, 30)
    assert not any("outStatistics" in request.params for request in service.requests)
    service.layers[3].edited = utc("2026-10-19T12:00:00")
    assert feed.publication().day == date(2026, 10, 19)
    assert feed.publication().version != first.version


def test_the_layer_of_a_new_year_is_found_by_its_name(service: ArcgisServer, connect: Connect) -> None:
    service.layers[1] = ServedLayer("Crime Incidents in 2027", {})
    in_january = connect(now=lambda: datetime(2027, 1, 2, tzinfo=UTC))
    assert len(published(in_january)) == 9
    service.layers[1].build([incident(27000001, "2027-01-01T09:00:00")])
    assert len(published(in_january)) == 10
    # In January it may not be there yet.
    del service.layers[1]
    assert len(published(in_january)) == 9


def test_a_year_that_is_gone_or_there_twice_is_not_taken_for_withdrawn(service: ArcgisServer, connect: Connect) -> None:
    gone = service.layers.pop(7)
    with pytest.raises(FeedError, match=r"has no layer of 2025 now, or more than one, so nothing was read"):
        connect().publication()
    service.layers.update({7: gone, 9: ServedLayer("Crime Incidents - 2025", gone.rows)})
    with pytest.raises(FeedError, match=r"has no layer of 2025 now, or more than one"):
        connect().publication()
    service.layers.clear()
    with pytest.raises(SourceMoved, match=r"has 0 layers that are named like .*put their name in .*washington\.py"):
        connect().columns()


class TestFollowing:
    @pytest.fixture
    def followed(self, connect: Connect, tmp_path: Path) -> Followed:
        def of_the_day(profile: Profile) -> PublishedFeed:
            return connect(now=profile.clock)

        followed = Followed(tmp_path, "washington", TODAY, of_the_day)
        followed.run()
        followed.today += timedelta(days=1)
        return followed

    def test_the_lake_follows_the_service(self, service: ArcgisServer, followed: Followed) -> None:
        history = TODAY - timedelta(days=2)
        assert followed.crimes("change_day") == dict.fromkeys(ALL, (history,))
        asked, before = len(service.requests), followed.snapshots()
        followed.run()
        followed.today += timedelta(days=1)
        followed.run()
        assert service.queries(asked) == []
        assert followed.snapshots() == before

        rows = [*service.layers[41].rows.values()]
        rows[0] = {**rows[0], "OFFENSE": "HOMICIDE"}
        service.layers[41].build([*rows[:2], incident(26000009, "2026-10-20T03:00:00")], first=1000)
        followed.run()

        yesterday = followed.today - timedelta(days=1)
        crimes = followed.crimes("change_day", "nibrs_offense", "offense_class", "is_violent")
        assert crimes["26000000"] == (yesterday, "homicide", "violent", True)
        assert crimes["26000009"] == (yesterday, "theft", "property", False)
        assert crimes["26000001"] == (history, "theft", "property", False)
        assert followed.removed() == {"26000002": yesterday}

    def test_a_layer_that_was_built_anew_changes_nothing(self, service: ArcgisServer, followed: Followed) -> None:
        before, asked = followed.snapshots(), len(service.requests)
        service.layers[12] = service.layers.pop(41)
        for layer in service.layers.values():
            layer.build([*layer.rows.values()][::-1], first=5_000)
        followed.run()
        assert service.queries(asked)
        assert followed.snapshots() == before

    def test_a_year_that_vanishes_takes_no_crime_away(self, service: ArcgisServer, followed: Followed) -> None:
        del service.layers[7]
        with pytest.raises(FeedError, match="no layer of 2025"):
            followed.run()
        # All but the newest year are gone: no gap between years, but too many crimes at once.
        del service.layers[3]
        with pytest.raises(
            FeedError, match=r"lacks 6 or more of the 9 rows compared.*check https://opendata\.dc\.gov/"
        ):
            followed.run()
        assert sorted(followed.crimes("id")) == ALL
        assert followed.removed() == {}

    def test_of_a_number_that_is_there_twice_the_first_report_counts(
        self, service: ArcgisServer, followed: Followed
    ) -> None:
        late = incident(25000000, "2026-01-02T12:00:00", OFFENSE="ROBBERY")
        service.layers[41].build([*service.layers[41].rows.values(), late])
        before = followed.crimes("change_day", "nibrs_offense")
        followed.run()
        assert followed.crimes("change_day", "nibrs_offense") == before


def test_the_profile_opens_it_and_sends_it_no_token(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, city="washington", feed="portal", app_token="a-secret-token")
    feed = Profile(settings).feed
    assert isinstance(feed, ArcgisFeed)
    assert isinstance(feed, PublishedFeed)
    assert "secret" not in repr(feed)
    with pytest.raises(UsageError, match="Washington is another kind of portal: set CRIME_FEED=portal"):
        _ = Profile(Settings(home=tmp_path, city="washington", feed="socrata")).feed
