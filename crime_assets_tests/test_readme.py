"""The README is true: its commands run, its variables are those that are read, its examples work."""

import re
import shlex
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.insights import load_insights
from crime_assets.core.sql import render
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES, arrow_schema
from crime_assets.lakehouse.spark.session import missing
from crime_assets.profiles import Settings
from crime_assets_tests.build import CHICAGO, record, write_export

PROJECT = Path(__file__).parents[1]
README = (PROJECT / "README.md").read_text()
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.slow
def test_every_make_target_is_there() -> None:
    named = {
        *re.findall(r"`make ([a-z-]+)`", README),
        *(line.split()[1] for line in commands() if line.startswith("make ")),
    }
    assert named == {
        "run",
        "dashboard",
        "dev",
        "quick",
        "test",
        "test-dbt",
        "test-dynamodb",
        "test-kinesis",
        "test-trino",
        "live",
        "legacy",
        "check",
        "bench",
        "stress",
        "pictures",
    }
    for target in sorted(named):
        subprocess.run(
            ["make", "-n", target, "TRINO_URL=http://127.0.0.1:9", "DYNAMODB_URL=http://127.0.0.1:9"],
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )


@pytest.mark.slow
def test_commands_on_an_export_and_queries_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command but those that need the live portal, as written, with the files in another place."""
    days = [f"2018-11-{day}" for day in range(17, 20)]
    records = [record(n, day, occurred="2018-11-01") for n, day in enumerate(["2018-10-01", *days])]
    write_export(tmp_path / "Crimes_-_2018.csv.gz", records)
    ran = 0
    for line in sorted(commands(), key=lambda line: "crime-assets run" not in line and "export " not in line):
        words = shlex.split(line.replace("/data/", f"{tmp_path}/"))
        if words[0] == "export" and "CRIME_FEED=export" in words:
            for setting in words[1:]:
                monkeypatch.setenv(*setting.split("=", 1))
            monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))
        elif words[0].endswith("bin/crime-assets") and words[1:] != ["run"]:
            done = subprocess.run(
                [BIN / "crime-assets", *words[1:]], capture_output=True, text=True, timeout=200, check=False
            )
            assert done.returncode == 0, done.stderr
            ran += 1
    assert ran == 4


@pytest.mark.stress
def test_the_command_for_spark_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, on a lake that has begun, but for the insights: test_spark.py has them, by a Spark that is warm."""
    if reason := missing():
        pytest.skip(reason)
    (line,) = (line for line in commands() if line.startswith("CRIME_ENGINE=spark"))
    setting, program, *arguments = shlex.split(line)
    assert program.endswith("bin/crime-assets")
    records = [record(number, "2018-11-18") for number in range(40)]
    export = write_export(tmp_path / "crimes.csv", [*records, record(40, "2018-11-19")])
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(export))

    def run(*words: str) -> None:
        done = subprocess.run([BIN / "crime-assets", *words], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    run("run", "--no-insights", "--from", "2018-11-19")
    write_export(export, [*records, record(40, "2018-11-19"), record(7, "2018-11-19T20:00:00")])
    monkeypatch.setenv(*setting.split("=", 1))
    # A plan is run once here, and compiling it well takes longer than running it.
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    run(*arguments, "--no-insights")

    counts = "SELECT count(*), max(updated_on) FILTER (WHERE id = 7) FROM crimes"
    assert DuckDBEngine(Lake(tmp_path / "lake"), CHICAGO).query(counts).rows == [(41, datetime(2018, 11, 19, 20))]


def test_the_table_of_variables_is_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ("governance.md", "dbt.md", "live.md", "forecasts.md", "legacy.md")
    topics = "".join((PROJECT / "docs" / name).read_text() for name in pages)
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README + topics, re.MULTILINE))
    read: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            read.add(key)
            return super().get(key, default)

    settings = Settings.from_environment(Environment())
    places = {"CRIME_LAKE": "s3://bucket/lake", "CRIME_LANDING": "s3://bucket/landing"}
    more = {"CRIME_PROFILE": "aws", "CRIME_FIREHOSE": "crimes", "CRIME_FIRST_DAY": "2026-01-01"}
    Settings.from_environment(Environment(places | more))
    assert listed == read - {"AWS_REGION", "AWS_DEFAULT_REGION"}
    assert f"`{settings.sample_rows}`" in README


def test_the_insight_of_the_readme_works(tmp_path: Path) -> None:
    (example,) = blocks("sql")
    (tmp_path / "11_wards.sql").write_text(example)
    (insight,) = load_insights(tmp_path)
    con = duckdb.connect()
    con.register("none", arrow_schema(CRIMES).empty_table())
    con.execute("CREATE TABLE crimes AS FROM none")
    con.execute(
        "INSERT INTO crimes (ward, occurred_on) VALUES (7, '2024-01-01'), (7, '2024-01-02'), (NULL, '2024-01-03')"
    )
    days = {"as_of_day": date(2024, 1, 3), "last_complete_day": date(2024, 1, 1)}
    rows = con.execute(render(insight.statement, "duckdb", days)).fetchall()
    assert [row[1:] for row in rows] == [
        ("28d", date(2023, 12, 5), date(2024, 1, 1), 7, 1),
        ("365d", date(2023, 1, 2), date(2024, 1, 1), 7, 1),
        ("all", date(2024, 1, 1), date(2024, 1, 3), 7, 2),
        ("all", date(2024, 1, 1), date(2024, 1, 3), None, 1),
    ]


def test_every_room_of_the_picture_is_there() -> None:
    (house,) = re.findall(r"## The house\n\n```\n(.*?)```", README, re.DOTALL)
    rooms = re.findall(r"^( *)(\w+/|\w+\.py)", house, re.MULTILINE)
    assert len(rooms) > len(house.splitlines()) / 2
    for indent, name in rooms:
        assert (PROJECT / ("crime_assets" if indent == "  " else ".") / name).exists(), name


def test_the_checks_named_are_those_there_are() -> None:
    sources = "".join(path.read_text() for path in (PROJECT / "crime_assets/defs/checks").glob("crime*.py"))
    for name in ("one_row_per_id", "delivery_complete", "no_day_missing", "clearance_rate"):
        assert f"`{name}`" in README
        assert f'"{name}"' in sources
