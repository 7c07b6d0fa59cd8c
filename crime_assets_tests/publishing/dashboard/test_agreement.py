"""Cards, tables and `crime-assets query` never disagree: for choices made by chance, on both as-of days."""

from __future__ import annotations

import csv
import io
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from crime_assets.cli.main import main
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard.choice import CLASSES, PERIODS, Choice
from crime_assets.publishing.dashboard.values import NOTHING
from crime_assets_tests.publishing.dashboard.city import BEATS, DAY
from crime_assets_tests.publishing.dashboard.serving import served
from crime_assets_tests.publishing.dashboard.test_app import Get, asker
from crime_assets_tests.publishing.dashboard.two_days import DAY_BEFORE, lake_of_two_days

_DAYS = {"28d": 28, "365d": 365}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return lake_of_two_days(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def get(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    with served(profile, tmp_path_factory.mktemp("cache")) as address:
        yield asker(address)


@pytest.fixture(scope="module")
def get_all(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    """The same with nothing hidden."""
    open_profile = Profile(replace(profile.settings, small_numbers=0), clock=profile.clock)
    with served(open_profile, tmp_path_factory.mktemp("cache")) as address:
        yield asker(address)


def choices(seed: int, how_many: int = 10) -> list[Choice]:
    chance = random.Random(seed)
    found = []
    for _ in range(how_many):
        district = chance.choice(("all", "all", *BEATS))
        beat = chance.choice(("all", *BEATS[district])) if district != "all" else "all"
        found.append(
            Choice(
                "chicago",
                chance.choice((DAY, DAY_BEFORE)),
                chance.choice(list(PERIODS)),
                chance.choice(list(CLASSES)),
                district,
                beat,
                chance.choice(("district", "beat", "community_area")),
            )
        )
    return found


def where(choice: Choice) -> str:
    """The choice as a person writes it into a query."""
    parts = ["TRUE"]
    if choice.period in _DAYS:
        last = choice.day - timedelta(days=8)
        parts.append(f"occurred_on BETWEEN DATE '{last - timedelta(days=_DAYS[choice.period] - 1)}' AND DATE '{last}'")
    if choice.offense_class != "all":
        parts.append(f"offense_class = '{choice.offense_class}'")
    parts += [f"{name} = '{value}'" for name in ("district", "beat") if (value := getattr(choice, name)) != "all"]
    return " AND ".join(parts)


def queried(
    wanted: Sequence[Choice], profile: Profile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> dict[Choice, dict[str, int]]:
    """What `crime-assets query --as-of` says of each choice."""
    monkeypatch.setenv("CRIME_HOME", str(profile.settings.home))
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(profile.settings.export))
    found: dict[Choice, dict[str, int]] = {}
    for day in sorted({choice.day for choice in wanted}):
        of_day = [choice for choice in wanted if choice.day == day]
        sql = " UNION ALL ".join(
            f"SELECT {number} AS n, count(*) AS crimes, count(*) FILTER (WHERE arrest) AS arrests, "
            "count(*) FILTER (WHERE domestic) AS domestic, count(*) FILTER (WHERE is_violent) AS violent, "
            f"count(*) FILTER (WHERE is_property) AS property FROM crimes WHERE {where(choice)}"
            for number, choice in enumerate(of_day)
        )
        assert main(["query", "--format", "csv", "--as-of", f"{day}", f"{sql} ORDER BY n"]) == 0
        for row in csv.DictReader(io.StringIO(capsys.readouterr().out)):
            found[of_day[int(row["n"])]] = {name: int(value) for name, value in row.items()}
    return found


def cards(get: Get, choice: Choice) -> dict[str, str]:
    page = get(choice.link).text.partition('<dl class="numbers">')[2].partition("</dl>")[0]
    found = re.findall(r"<dt>(?:<span[^>]*><button[^>]*>)?([^<]+)<.*?<strong>([^<]*)</strong>", page, re.DOTALL)
    return {name: value.replace(",", "") for name, value in found}


def column(get: Get, table: str, choice: Choice, name: str = "crimes") -> list[int]:
    rows = csv.DictReader(io.StringIO(get(f"/table/{table}.csv?{choice.query}").text))
    return [int(row[name]) for row in rows if row[name]]


def test_every_card_is_what_a_query_says(
    get_all: Get, profile: Profile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = choices(1)
    said = queried(wanted, profile, capsys, monkeypatch)
    for choice in wanted:
        found, row = cards(get_all, choice), said[choice]
        assert found["Crimes"] == f"{row['crimes']}", choice
        assert found["Domestic"] == f"{row['domestic']}", choice
        assert found["Arrest recorded"] == f"{row['arrests'] / row['crimes']:.1%}", choice
        if choice.offense_class == "all":
            assert (found["Violent"], found["Property"]) == (f"{row['violent']}", f"{row['property']}"), choice


def test_the_rows_of_every_table_add_up_to_the_cards(get_all: Get) -> None:
    for choice in choices(2, 6):
        crimes = int(cards(get_all, choice)["Crimes"])
        for table in ("types", "hours", "blocks"):
            assert sum(column(get_all, table, choice)) == crimes, (table, choice)
        # The map has all areas of its level, so that one can go from one to the next.
        level = choice.map
        around = {
            "district": choice.but(district="all", beat="all"),
            "beat": choice.but(beat="all"),
            "community_area": choice,
        }[level]
        assert sum(column(get_all, "areas", choice)) == int(cards(get_all, around)["Crimes"]), choice
        if choice.period == "28d":
            assert sum(column(get_all, "trend", choice)[-28:]) <= crimes


def test_what_changed_begins_with_the_figure_of_the_card(get_all: Get) -> None:
    for choice in choices(3, 20):
        if choice.period != "28d" or choice.beat != "all":
            continue
        rows = list(csv.DictReader(io.StringIO(get_all(f"/table/changes.csv?{choice.query}").text)))
        of_choice = [
            row["crimes"]
            for row in rows
            if row["district"] == choice.district and row["offense_class"] == choice.offense_class
        ]
        assert of_choice == [cards(get_all, choice)["Crimes"]], choice


def test_what_is_shown_with_small_numbers_hidden_is_what_is_shown_without(get: Get, get_all: Get) -> None:
    """A number is the same or not shown: never another one."""
    hidden = 0
    for choice in choices(4, 6):
        both = cards(get, choice), cards(get_all, choice)
        assert both[0].keys() == both[1].keys()
        assert all(value in ("not shown", NOTHING, both[1][name]) for name, value in both[0].items()), choice
        for table, key in (("types", "primary_type"), ("areas", "area"), ("blocks", "block")):
            shown, whole = (
                {
                    row[key]: row["crimes"]
                    for row in csv.DictReader(io.StringIO(one(f"/table/{table}.csv?{choice.query}").text))
                }
                for one in (get, get_all)
            )
            assert shown.keys() == whole.keys()
            assert all(value in ("", whole[name]) for name, value in shown.items()), (table, choice)
            hidden += list(shown.values()).count("")
    assert hidden


def test_the_days_of_a_period_are_those_of_its_query() -> None:
    assert where(Choice("chicago", date(2024, 1, 31))) == (
        "TRUE AND occurred_on BETWEEN DATE '2023-12-27' AND DATE '2024-01-23'"
    )
