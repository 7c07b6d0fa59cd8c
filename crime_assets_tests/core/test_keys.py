"""Object keys: the landing layout, letter by letter."""

import re
from datetime import UTC, date, datetime

import pytest

from crime_assets.core import keys

DAY = date(2018, 11, 19)
AT = datetime(2018, 11, 20, 8, 5, 9, tzinfo=UTC)


def test_a_delivery_lies_where_the_layout_says() -> None:
    key = keys.delivery("chicago", DAY, "local", AT)
    assert re.fullmatch(r"raw/city=chicago/change_day=2018-11-19/local-20181120T080509Z-[0-9a-f]{16}\.gz", key)
    assert key.startswith(keys.deliveries_prefix("chicago", DAY))


def test_deliveries_of_one_second_have_keys_of_their_own() -> None:
    assert len({keys.delivery("chicago", DAY, "local", AT) for _ in range(1_000)}) == 1_000


def test_a_days_prefix_is_no_other_days() -> None:
    assert keys.deliveries_prefix("chicago", DAY) == "raw/city=chicago/change_day=2018-11-19/"


def test_books_are_kept_beside_the_deliveries_never_among_them() -> None:
    assert keys.manifest("chicago", DAY) == "manifests/city=chicago/change_day=2018-11-19.json"
    assert keys.inventory("chicago", DAY) == "inventories/city=chicago/change_day=2018-11-19.json"
    assert keys.extract("chicago", DAY) == "extracts/city=chicago/as_of_day=2018-11-19.duckdb"
    assert keys.forecast("chicago", DAY) == "forecasts/city=chicago/as_of_day=2018-11-19.duckdb"
    assert keys.briefing("chicago", DAY, "pdf") == "briefings/city=chicago/as_of_day=2018-11-19.pdf"
    assert keys.verdicts("chicago", "crimes") == "checks/city=chicago/crimes.json"
    assert keys.boundaries("chicago", "beat") == "boundaries/city=chicago/beat.json"
    assert keys.merged("chicago", DAY) == "merged/city=chicago/change_day=2018-11-19.json"


@pytest.mark.parametrize("city", ["chicago", "new_york", "district_9"])
def test_the_day_of_a_merged_key(city: str) -> None:
    assert keys.merged(city, DAY).startswith(keys.merged_prefix(city))
    assert keys.merged_day(keys.merged(city, DAY)) == DAY


@pytest.mark.parametrize(
    "key",
    [
        "",
        "merged/city=chicago/change_day=2018-11-19",
        "merged/city=chicago/change_day=2018-11-19.json\n",
        "merged/city=chicago/change_day=2018-11-19.json/x",
        "merged/city=chicago/change_day=2018-02-30.json",
        "merged/city=chicago/change_day=20181119.json",
        "merged/city=chicago/change_day=\u0662\u0660\u0661\u0668-\u0661\u0661-\u0661\u0669.json",
        "merged/city=chicago/../change_day=2018-11-19.json",
        "merged/city=a/b/change_day=2018-11-19.json",
        "/merged/city=chicago/change_day=2018-11-19.json",
        "../merged/city=chicago/change_day=2018-11-19.json",
        "merged/city=chicago/notes.txt",
        "raw/city=chicago/change_day=2018-11-19/x.gz",
    ],
)
def test_other_keys_have_no_day(key: str) -> None:
    assert keys.merged_day(key) is None


def test_city_and_day_of_an_extract() -> None:
    key = keys.extract("new_york", DAY)
    assert key.startswith(keys.extracts_prefix("new_york"))
    assert (keys.extract_city(key), keys.extract_day(key)) == ("new_york", DAY)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "extracts/city=chicago/as_of_day=2018-11-19.duckdb.partial",
        "extracts/city=chicago/as_of_day=2018-02-30.duckdb",
        "extracts/city=a/b/as_of_day=2018-11-19.duckdb",
        "raw/extracts/city=chicago/as_of_day=2018-11-19.duckdb",
    ],
)
def test_other_keys_have_no_day_of_an_extract(key: str) -> None:
    assert keys.extract_day(key) is None


def test_city_and_day_of_forecasts() -> None:
    key = keys.forecast("new_york", DAY)
    assert key.startswith(keys.forecasts_prefix("new_york"))
    assert (keys.forecast_city(key), keys.forecast_day(key)) == ("new_york", DAY)
    for other in (f"{key}.partial", f"raw/{key}", keys.extract("new_york", DAY), key.replace("11-19", "02-30")):
        assert keys.forecast_day(other) is None
