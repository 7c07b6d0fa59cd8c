"""Variables of one city among several."""

from __future__ import annotations

from datetime import date

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.defs.work import messages
from crime_assets.profiles import Settings

BOTH = {"CRIME_CITIES": "chicago, new_york"}


def test_without_a_list_of_cities_all_is_as_it_was() -> None:
    settings = Settings.from_environment({"CRIME_CITY": "los_angeles", "CRIME_CITIES": " "})
    assert (settings.city, settings.cities) == ("los_angeles", ())


def test_the_first_city_is_the_one_unless_another_is_named() -> None:
    assert Settings.from_environment({"CRIME_CITIES": "new_york,chicago"}).city == "new_york"
    assert Settings.from_environment({**BOTH, "CRIME_CITY": "new_york"}).city == "new_york"
    assert Settings.from_environment(BOTH, city="new_york").cities == ("chicago", "new_york")


def test_a_variable_with_the_citys_name_goes_before_the_one_without() -> None:
    environment = {
        **BOTH,
        "CRIME_FEED": "socrata",
        "CRIME_BOUNDARIES": "portal",
        "CRIME_FEED_NEW_YORK": "export",
        "CRIME_EXPORT_NEW_YORK": "/data/nypd/*.csv",
        "CRIME_BOUNDARIES_NEW_YORK": "/data/precincts",
    }
    chicago, new_york = (Settings.from_environment(environment, city=city) for city in ("chicago", "new_york"))
    assert (chicago.feed, chicago.export, chicago.boundaries) == ("socrata", "", "portal")
    assert (new_york.feed, new_york.export, new_york.boundaries) == ("export", "/data/nypd/*.csv", "/data/precincts")


def test_so_it_does_where_there_is_one_city() -> None:
    environment = {"CRIME_FEED_CHICAGO": "socrata", "CRIME_FEED_NEW_YORK": "export"}
    assert Settings.from_environment(environment).feed == "socrata"


def test_on_aws_each_city_has_its_first_day_and_a_job_is_told() -> None:
    environment = {
        **BOTH,
        "CRIME_PROFILE": "aws",
        "CRIME_LAKE": "s3://tables/lake",
        "CRIME_LANDING": "s3://objects",
        "CRIME_FIREHOSE": "crimes",
        "CRIME_FIRST_DAY": "2024-01-25",
        "CRIME_FIRST_DAY_NEW_YORK": "2024-04-01",
        "CRIME_FEED_NEW_YORK": "export",
        "CRIME_EXPORT_NEW_YORK": "/data/nypd.csv",
    }
    settings = Settings.from_environment(environment, city="new_york")
    assert settings.aws is not None
    assert settings.aws.first_day == date(2024, 4, 1)
    travelling, _ = messages.settings_of(settings)
    there = Settings.from_environment({**travelling, "CRIME_HOME": str(settings.home)})
    assert (there.city, there.feed, there.export, there.aws) == ("new_york", "export", "/data/nypd.csv", settings.aws)


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"CRIME_CITIES": "chicago,gotham"}, "CRIME_CITIES=chicago,gotham is not right: name different cities"),
        ({"CRIME_CITIES": "chicago,chicago"}, "CRIME_CITIES=chicago,chicago is not right: name different cities"),
        ({"CRIME_CITIES": "chicago,"}, "CRIME_CITIES=chicago, is not right: name different cities"),
        (
            {**BOTH, "CRIME_CITY": "los_angeles"},
            "CRIME_CITIES=chicago,new_york does not name los_angeles: add it there",
        ),
        ({**BOTH, "CRIME_POLICY": "p.toml"}, "CRIME_POLICY is for one city, and CRIME_CITIES names 2"),
        ({"CRIME_EXPORT_NEWYORK": "x.csv"}, "CRIME_EXPORT_NEWYORK is of no city: write it with the name of one of"),
        ({**BOTH, "CRIME_FEED_NEW_YORK": "rumours"}, "CRIME_FEED_NEW_YORK=rumours is not known: set it to one of"),
        (
            {**BOTH, "CRIME_FEED": "export", "CRIME_EXPORT": "all.csv"},
            "CRIME_EXPORT would be read for chicago and new_york, and no file is of two cities: set "
            "CRIME_EXPORT_NEW_YORK too",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_sentence(environment: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings.from_environment({"CRIME_CITY": "new_york", **environment})
    assert str(caught.value).startswith(sentence)


def test_files_of_one_city_may_be_named_without_it() -> None:
    """Who had one city adds the other's."""
    environment = {**BOTH, "CRIME_FEED": "export", "CRIME_EXPORT": "c.csv", "CRIME_EXPORT_NEW_YORK": "n.csv"}
    assert [Settings.from_environment(environment, city=city).export for city in ("chicago", "new_york")] == [
        "c.csv",
        "n.csv",
    ]


def test_a_stream_of_live_reports_is_of_no_city() -> None:
    with pytest.raises(UsageError, match=r"give the stream a CRIME_HOME of its own"):
        Settings.from_environment({**BOTH, "CRIME_STREAM": "fir"})
    assert Settings.from_environment({"CRIME_CITIES": "chicago", "CRIME_STREAM": "fir"}).stream == "fir"


def test_a_legacy_database_is_of_one_city() -> None:
    legacy = "postgresql://reader@db.city.example/records"
    with pytest.raises(UsageError, match=r"^CRIME_LEGACY is the database of one department, and CRIME_CITIES names 2"):
        Settings.from_environment({**BOTH, "CRIME_LEGACY": legacy})
    assert Settings.from_environment({"CRIME_CITIES": "chicago", "CRIME_LEGACY": legacy}).legacy == legacy
