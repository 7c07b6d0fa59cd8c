"""dbt on the lake: what models hold, that a run sees one state and writes nothing, and how it fails."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crime_assets.core.insights import all_insights
from crime_assets.defs.work.steps import compute
from crime_assets.profiles import Profile
from crime_assets.publishing.dbt.project import init
from crime_assets_tests.build import envelope, record
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.dbt.runs import WITHOUT_DBT, ask, dbt
from crime_assets_tests.publishing.dbt.small_lake import BY_MONTH, CRIMES, DAY, small_lake

pytest.importorskip("dbt.adapters.duckdb", reason=WITHOUT_DBT)

pytestmark = pytest.mark.slow

MOST_BYTES = 5_000_000


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """dbt keeps a database open between the runs of a process: those of a test, but not of two."""
    yield
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """For tests that leave its lake as it is."""
    return small_lake(tmp_path_factory.mktemp("dbt") / "lake", all_insights())


@pytest.fixture
def project(profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on that lake, which the environment does not name."""
    monkeypatch.delenv("CRIME_HOME")
    init(profile, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def changing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """For a test that changes its lake; the environment names it."""
    return small_lake(tmp_path / "lake", all_insights()[:1])


def files(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def write(project: Path, name: str, text: str) -> None:
    (project / "models" / name).write_text(text)


def test_all_holds_and_the_lake_is_only_read(profile: Profile, project: Path) -> None:
    home = profile.settings.home
    before = files(home)

    done = dbt(project, "build")

    assert done.success, done.said
    assert {"stg_crimes", "crimes_by_month", "source_unique_chicago_crimes_id"} <= done.statuses.keys()
    assert len(done.statuses) > 60
    assert set(done.statuses.values()) <= {"success", "pass", "no-op"}
    assert ask(project, "FROM crimes_by_month ORDER BY ALL") == BY_MONTH
    assert files(home) == before
    assert {path.name for path in project.iterdir() if path.suffix == ".duckdb"} == {"crimes.duckdb"}
    assert (project / "crimes.duckdb").stat().st_size <= MOST_BYTES
    # Sources are not copied, and stay readable.
    kinds = dict(ask(project, "SELECT table_schema || '.' || table_name, table_type FROM information_schema.tables"))
    assert kinds.pop("main.crimes_by_month") == "BASE TABLE"
    assert set(kinds.values()) == {"VIEW"}
    assert {"main.stg_crimes", "chicago.crimes", "chicago.crimes_removed", "chicago.insight_hotspots"} <= kinds.keys()
    assert ask(project, "SELECT count(*) FROM chicago.crimes") == [(len(CRIMES),)]
    assert ask(project, "SELECT count(*) FROM chicago.crimes_removed") == [(0,)]


def test_a_run_sees_one_state_whatever_is_merged_meanwhile(changing: Profile, tmp_path: Path) -> None:
    project = tmp_path / "project"
    init(changing, project)
    counting = """SELECT count(*) AS crimes, sum(crimes.id) AS ids, (
        SELECT sum(crimes) FROM {{ source('chicago', 'insight_crime_summary') }} WHERE period = 'all'
    ) AS told FROM {{ source('chicago', 'crimes') }} AS crimes"""
    for name, after in (("first", ""), ("second", "-- depends_on: {{ ref('first') }}\n")):
        write(project, f"{name}.sql", f"{{{{ config(materialized='table') }}}}\n{after}{counting}")
    known = (len(CRIMES), sum(range(1, len(CRIMES) + 1)), len(CRIMES))
    merged = []

    def meanwhile(node: str) -> None:
        if node == "first":
            merged.append(merge(changing.lake, envelope(record(99, f"{DAY}", "2023-12-05"), f"{DAY}")))
            compute(changing, changing.engine, all_insights()[0], [DAY])

    def run() -> list[tuple[object, ...]]:
        assert dbt(project, "run", "--select", "first", "second", "--threads", "4", at=meanwhile).success
        return ask(project, "FROM first UNION ALL FROM second")

    assert run() == [known, known]
    assert len(merged) == 1
    known = (known[0] + 1, known[1] + 99, known[2] + 1)
    assert run() == [known, known]


def test_a_broken_contract_names_the_columns(project: Path) -> None:
    """One whose type is another, one that is computed otherwise, one that is no longer there."""
    described = project / "models/models.yml"
    document = yaml.safe_load(described.read_text())
    (month,) = (one for one in document["models"][0]["columns"] if one["name"] == "month")
    month["data_type"] = "VARCHAR"
    described.write_text(yaml.safe_dump(document))
    staged = project / "models/staging/stg_crimes.sql"
    text = staged.read_text()
    staged.write_text(text.replace(" hour,", " hour * 1.5 AS hour,").replace(" is_index,", ""))

    done = dbt(project, "run")

    assert not done.success
    assert done.statuses == {"stg_crimes": "error", "crimes_by_month": "skipped"}
    assert "enforced contract that failed" in done.said
    rows = [[cell.strip() for cell in line.split("|")] for line in done.said.splitlines() if line.startswith("  | ")]
    assert {row[1]: row[4] for row in rows[2:]} == {
        "month": "data type mismatch",
        "hour": "data type mismatch",
        "is_index": "missing in definition",
    }


def test_where_there_is_a_policy_nothing_is_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if it came after the project."""
    monkeypatch.setenv("CRIME_POLICY", "policy.toml")
    done = dbt(project, "run")
    assert not done.success
    assert "a policy says who may see what (CRIME_POLICY is set)" in done.said
    assert ask(project, "SELECT count(*) FROM information_schema.tables") == [(0,)]


def test_a_policy_holds_for_the_next_run_of_a_process(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dbt(project, "run").success
    monkeypatch.setenv("CRIME_POLICY", "policy.toml")
    done = dbt(project, "run")
    assert not done.success
    assert "a policy says who may see what (CRIME_POLICY is set)" in done.said


def test_without_a_lake_it_is_said_what_to_do(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "elsewhere"))
    done = dbt(project, "run")
    assert not done.success
    assert f"There is no lake in {tmp_path / 'elsewhere'}: run `crime-assets run` first" in done.said
    assert not (tmp_path / "elsewhere").exists()


def test_a_table_that_the_lake_lost_is_no_longer_there(changing: Profile, tmp_path: Path) -> None:
    project = tmp_path / "project"
    init(changing, project)
    asked = "SELECT count(*) FROM duckdb_views() WHERE view_name = 'insight_crime_summary'"
    assert dbt(project, "run").success
    assert ask(project, asked) == [(1,)]

    changing.lake.catalog.drop_table(("chicago", "insight_crime_summary"))

    done = dbt(project, "run")
    assert not done.success
    assert done.statuses == {"stg_crimes": "success", "crimes_by_month": "error"}
    assert "insight_crime_summary does not exist" in done.said
    assert ask(project, asked) == [(0,)]


def test_the_commands_of_the_page_run(profile: Profile, tmp_path: Path) -> None:
    """As written, but for those that install dbt."""
    page = (Path(__file__).parents[3] / "docs/dbt.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "venv .venv" not in line and "pip " not in line]
    place, ran = tmp_path, []
    for line in lines:
        program, *arguments = shlex.split(line)
        if program == "cd":
            place /= arguments[0]
            continue
        done = subprocess.run(
            [Path(sys.executable).with_name(Path(program).name), *arguments],
            cwd=place,
            env={**os.environ, "CRIME_HOME": str(profile.settings.home)},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        ran.append(" ".join([Path(program).name, *arguments[:2]]))
    assert ran == [
        "crime-assets dbt init",
        "dbt build",
        "dbt source freshness",
        "dbt docs generate",
    ]
    catalog = json.loads((place / "target/catalog.json").read_text())
    assert "source.crimes.chicago.insight_hotspots" in catalog["sources"]
    assert "model.crimes.crimes_by_month" in catalog["nodes"]
