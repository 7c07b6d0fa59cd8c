"""What `crime-assets dbt init` writes, what it writes again, and what it refuses."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import yaml

from crime_assets.analysis.made import insights_of
from crime_assets.cli.main import main
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Insight, load_insights
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, REMOVED, published
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.dbt import sources
from crime_assets.publishing.dbt.project import init
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets_tests.build import CHICAGO, envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.dbt.small_lake import DAY, small_lake

pytestmark = pytest.mark.slow

OURS = ["models/exposures.yml", "models/sources.yml"]
WARDS = """-- How many crimes each ward had.
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: all.
-- @column first_day: First day of the period. [occurred_on]
-- @column last_day: Last day of the period.
-- @column ward: City council ward. [ward]
-- @column crimes: Records that occurred in the period.
-- @key ward
-- @period all
SELECT :as_of_day AS as_of_day, period, first_day, last_day, ward, COUNT(*) AS crimes
FROM periods
JOIN crimes ON occurred_on BETWEEN first_day AND last_day
GROUP BY period, first_day, last_day, ward
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """For tests that leave its lake as it is."""
    return small_lake(tmp_path_factory.mktemp("dbt") / "lake", insights_of(CHICAGO)[:1])


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def tables(directory: Path) -> dict[str, dict[str, Any]]:
    (source,) = read(directory / "models/sources.yml")["sources"]
    assert (source["name"], source["schema"]) == ("chicago", "chicago")
    return {table["name"]: table for table in source["tables"]}


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def described(things: list[dict[str, Any]]) -> dict[str, str]:
    return {thing["name"]: thing["description"] for thing in things}


def with_one_more(directory: Path) -> Callable[[City], tuple[Insight, ...]]:
    (directory / "20_wards.sql").write_text(WARDS)
    return lambda city: (*insights_of(city), *load_insights(directory))


@pytest.mark.parametrize("is_begun", [True, False])
def test_sources_are_the_schema_and_the_headers(profile: Profile, tmp_path: Path, is_begun: bool) -> None:
    init(profile if is_begun else export_profile(tmp_path / "lake", "none.csv"), tmp_path / "project")
    found = tables(tmp_path / "project")

    curated = {
        "crimes": CRIMES,
        "crimes_superseded": CRIMES,
        "crimes_quarantine": QUARANTINE,
        "crimes_removed": REMOVED,
    }
    docs = {
        name: {column.name: column.doc for column in published(columns, CHICAGO)} for name, columns in curated.items()
    }
    headers = {one.table: {column.name: column.doc for column in one.columns} for one in insights_of(CHICAGO)}
    assert {name: described(table["columns"]) for name, table in found.items()} == docs | headers
    assert {one.table: one.description for one in insights_of(CHICAGO)}.items() <= described([*found.values()]).items()


@pytest.mark.parametrize("name", cities.names())
def test_a_city_has_the_columns_and_insights_that_it_can_have(name: str, tmp_path: Path) -> None:
    city = cities.get(name)
    init(Profile(Settings(home=tmp_path / "lake", city=name)), tmp_path / "project")
    (source,) = read(tmp_path / "project/models/sources.yml")["sources"]
    found = {table["name"]: [column["name"] for column in table["columns"]] for table in source["tables"]}
    assert source["name"] == name
    assert found["crimes"] == [column.name for column in published(CRIMES, city)]
    made = {insight.table: [column.name for column in insight.columns] for insight in insights_of(city)}
    assert made == {table: columns for table, columns in found.items() if table.startswith("insight_")}
    assert "insight_crime_summary" in made
    staged = read(tmp_path / "project/models/models.yml")["models"][0]["columns"]
    assert staged[0]["data_type"] == {"long": "BIGINT", "string": "VARCHAR"}[city.key_type]


@pytest.mark.parametrize(
    ("several", "keys"),
    [
        ((), {"new_york": ["crimes"]}),
        (("chicago", "new_york"), {"chicago": ["chicago", "crimes"], "new_york": ["new_york", "crimes"]}),
    ],
)
def test_sources_are_the_assets_that_dagster_knows(
    several: tuple[str, ...], keys: dict[str, list[str]], tmp_path: Path
) -> None:
    init(Profile(Settings(home=tmp_path / "lake", city="new_york", cities=several)), tmp_path / "project")
    found = {}
    for source in read(tmp_path / "project/models/sources.yml")["sources"]:
        (crimes,) = (table for table in source["tables"] if table["name"] == "crimes")
        found[source["name"]] = crimes["config"]["meta"]["dagster"]["asset_key"]
    assert found == keys


def test_every_table_and_column_of_the_project_is_described(profile: Profile, tmp_path: Path) -> None:
    init(profile, tmp_path / "project")
    models = read(tmp_path / "project/models/models.yml")["models"]
    exposures = read(tmp_path / "project/models/exposures.yml")["exposures"]
    things = [*tables(tmp_path / "project").values(), *models]
    columns = [column for thing in things for column in thing["columns"]]
    assert len(columns) > 250
    assert all(len(thing["description"]) > 3 for thing in [*things, *exposures, *columns])


def test_tests_and_freshness_follow_the_schema_and_the_headers(profile: Profile, tmp_path: Path) -> None:
    init(profile, tmp_path / "project")
    found = tables(tmp_path / "project")

    def tested(name: str, test: str) -> set[str]:
        return {column["name"] for column in found[name]["columns"] if test in column.get("data_tests", ())}

    assert tested("crimes", "not_null") == {column.name for column in CRIMES if column.required}
    assert (tested("crimes", "unique"), tested("crimes_quarantine", "unique")) == ({"id"}, {"record_md5"})
    assert found["crimes"]["config"]["loaded_at_field"] == "ingested_at"
    key = found["insight_crime_by_district"]["data_tests"][0]["unique"]["arguments"]["column_name"]
    assert key == "(as_of_day, period, district)"
    period = found["insight_near_repeat"]["columns"][1]
    assert period["data_tests"] == [{"accepted_values": {"arguments": {"values": ["365d"]}}}]


def test_assets_that_dagster_knows_are_named(profile: Profile, tmp_path: Path) -> None:
    init(profile, tmp_path / "project")
    named = {
        name: table["config"]["meta"]["dagster"]["asset_key"]
        for name, table in tables(tmp_path / "project").items()
        if "config" in table
    }
    assert named == {name: [name] for name in ("crimes", *(insight.table for insight in insights_of(CHICAGO)))}


def test_a_new_insight_appears_and_nothing_else_is_touched(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "project"
    init(profile, directory)
    (directory / "models/marts/crimes_by_month.sql").write_text("-- changed by a person")
    (directory / "models/staging/stg_crimes.sql").unlink()
    before = contents(directory)
    monkeypatch.setattr(sources, "insights_of", with_one_more(tmp_path))

    assert init(profile, directory) == OURS

    after = contents(directory)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {*OURS}
    wards = tables(directory)["insight_wards"]
    assert wards["description"] == "How many crimes each ward had."
    assert described(wards["columns"])["ward"] == "City council ward."
    for exposure in read(directory / "models/exposures.yml")["exposures"]:
        assert exposure["depends_on"][-1] == "source('chicago', 'insight_wards')"


def test_a_column_that_is_new_at_the_source_appears_with_its_type(tmp_path: Path) -> None:
    profile = export_profile(tmp_path / "lake", "none.csv")
    profile.begin(DAY)
    merge(profile.lake, envelope(record(1, f"{DAY}", severity="high"), f"{DAY}"))
    init(profile, tmp_path / "project")
    added = tables(tmp_path / "project")["crimes"]["columns"][-1]
    assert added == {
        "name": "severity",
        "description": "New at the source; as it was published.",
        "data_type": "VARCHAR",
    }


def test_the_contract_is_what_the_model_selects(profile: Profile, tmp_path: Path) -> None:
    """Columns that every city has: those that are never NULL."""
    init(profile, tmp_path / "project")
    (staged, mart) = read(tmp_path / "project/models/models.yml")["models"]
    for model in (staged, mart):
        (path,) = (tmp_path / "project/models").glob(f"*/{model['name']}.sql")
        select = sqlglot.parse_one(re.sub(r"\{\{.*?\}\}", "somewhere", path.read_text()), dialect="duckdb")
        assert select.named_selects == [column["name"] for column in model["columns"]]
    assert staged["config"]["contract"]["enforced"] is True
    assert {column["name"] for column in staged["columns"]} <= {column.name for column in CRIMES if column.required}
    assert staged["columns"][0]["data_type"] == "BIGINT"


def test_the_readme_begins_with_what_is_not_hidden(profile: Profile, tmp_path: Path) -> None:
    init(profile, tmp_path)
    assert (tmp_path / "README.md").read_text().startswith("dbt reads the lake raw: no small numbers are hidden")


def test_dbt_tells_nobody_that_it_is_used_and_runs_the_tests_of_what_is_selected(
    profile: Profile, tmp_path: Path
) -> None:
    init(profile, tmp_path / "project")
    flags = read(tmp_path / "project/dbt_project.yml")["flags"]
    assert flags == {"send_anonymous_usage_stats": False, "indirect_selection": "cautious"}


def file_there(directory: Path) -> None:
    directory.mkdir()
    (directory / "notes.txt").write_text("mine")


def sources_of_others(directory: Path) -> None:
    (directory / "models").mkdir(parents=True)
    (directory / "models/sources.yml").write_text("version: 2\n")


@pytest.mark.parametrize("occupy", [file_there, sources_of_others, lambda directory: directory.write_text("a file")])
def test_another_ones_directory_is_left_alone(
    profile: Profile, tmp_path: Path, occupy: Callable[[Path], object]
) -> None:
    occupy(tmp_path / "project")
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"project is neither empty nor a project of .crime-assets dbt init.: give a"):
        init(profile, tmp_path / "project")
    assert contents(tmp_path) == before


@pytest.fixture(params=["CRIME_POLICY", "CRIME_SOCKET", "CRIME_SERVICE"])
def governed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CRIME_TOKEN", "one")
    monkeypatch.setenv(request.param, {"CRIME_SERVICE": "https://crime.city.example"}.get(request.param, str(tmp_path)))
    name: str = request.param
    return name


def test_where_there_is_a_policy_nothing_is_written(
    governed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dbt", "init", str(tmp_path / "project")]) == 2
    said = capsys.readouterr().err
    assert f"a policy says who may see what ({governed} is set)" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "project").exists()


def test_the_command_says_what_it_wrote(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRIME_HOME", str(profile.settings.home))
    directory = tmp_path / "project"
    assert main(["dbt", "init", str(directory)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert set(line.removeprefix(f"Written in {directory}: ").rstrip(".").split(", ")) == set(contents(directory))
