"""A portal of several datasets without change stamps: each is read whole, and the lake follows what they publish."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.sources import cities
from crime_assets.sources.feeds import PublishedFeed, Record
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.sources.feeds.socrata_publications import SocrataPublications
from crime_assets_tests.lakehouse.reconciliation.followed import Followed
from crime_assets_tests.sources.feeds.soda_server import SodaServer, reply

TODAY = date(2026, 10, 20)
NOW = datetime(2026, 10, 20, 20, tzinfo=UTC)


def incident(row: int, **other: str) -> Record:
    return {
        "row_id": f"{row}03074",
        "incident_number": str(row),
        "incident_datetime": "2018-12-01T00:25:00.000",
        "incident_code": "03074",
        "report_type_description": "Initial",
        "resolution": "Open or Active",
        "data_as_of": f"{NOW:%Y-%m-%dT%H:%M:%S.000}",
        "data_loaded_at": f"{NOW:%Y-%m-%dT%H:%M:%S.000}",
        **other,
    }


def before_2018(row: int, day: str) -> Record:
    return {"pdid": f"{row}04014", "incidntnum": str(row), "date": f"{day}T00:00:00.000", "time": "23:50"}


@pytest.fixture
def portal(serve: Callable[..., SodaServer]) -> SodaServer:
    """San Francisco's: three records of the dataset that ended in May 2018, two of the present one."""
    days = ("2017-12-31", "2018-01-01", "2018-05-14")
    old = SodaServer([before_2018(n, day) for n, day in enumerate(days)], dataset="tmnf-yvry")
    server = serve([incident(10), incident(11)], dataset="wg3w-h783")
    server.beside["tmnf-yvry"] = old
    old.rows_updated_at = server.rows_updated_at = int(NOW.timestamp()) - 36 * 3600
    return server


def feed_of(server: SodaServer, **options: int) -> SocrataPublications:
    city = server.city(cities.get("san_francisco"))
    portal = SocrataFeed(city, scheme="http", timeout=10, sleep=lambda _: None, now=lambda: NOW, **options)
    return SocrataPublications(portal)


@pytest.mark.parametrize("page_size", [1, 50_000])
def test_history_and_publication_have_what_each_dataset_is_there_for(portal: SodaServer, page_size: int) -> None:
    feed = feed_of(portal, page_size=page_size)
    with feed.history(TODAY) as history:
        found = [row for part in history.parts for row in history.read(part).to_pylist()]
    published = [row for table in feed.publication().tables() for row in table.to_pylist()]

    keys = sorted(row["row_id"] or row["pdid"] for row in published)
    assert keys == ["004014", "1003074", "1103074"]
    assert sorted(row["row_id"] or row["pdid"] for row in found) == keys
    assert {name for row in found for name, value in row.items() if value and name.startswith("data_")} == set()
    assert not {"data_as_of", "data_loaded_at"} & feed.columns()


def test_a_publication_is_of_the_day_on_which_rows_changed_last(portal: SodaServer) -> None:
    feed = feed_of(portal)
    before = feed.publication()
    assert before.day == date(2026, 10, 19)
    assert feed.publication().version == before.version
    portal.beside["tmnf-yvry"].rows_updated_at += 3600 * 24
    after = feed.publication()
    assert after.version != before.version
    assert after.day == date(2026, 10, 20)


def test_the_lake_follows_the_portal(portal: SodaServer, tmp_path: Path) -> None:
    def of_the_day(profile: object) -> PublishedFeed:
        return feed_of(portal)

    followed = Followed(tmp_path, "san_francisco", TODAY, of_the_day)
    followed.run()
    history = TODAY - timedelta(days=2)
    assert followed.crimes("change_day") == dict.fromkeys(("004014", "1003074", "1103074"), (history,))
    asked = len(portal.requests)
    followed.run()
    assert [request.path for request in portal.requests[asked:]].count("/resource/wg3w-h783.json") == 0

    for row in portal.rows:
        row["data_as_of"] = row["data_loaded_at"] = "2026-10-21T10:00:00.000"
    portal.rows[0]["resolution"] = "Cite or Arrest Adult"
    portal.add(incident(12))
    portal.rows_updated_at += 60
    followed.run()

    yesterday = TODAY - timedelta(days=1)
    assert followed.crimes("change_day", "arrest") == {
        "004014": (history, None),
        "1003074": (yesterday, True),
        "1103074": (history, False),
        "1203074": (yesterday, False),
    }


def test_a_dataset_that_was_retired_is_named(portal: SodaServer) -> None:
    feed = feed_of(portal)
    portal.queue(reply(403, b'{"code":"permission_denied","message":"You do not have access"}'))
    with pytest.raises(FeedError, match=r"if the city has retired the dataset, put the one that follows it in"):
        feed.publication()
