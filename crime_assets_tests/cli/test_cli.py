"""The command as a person meets it: what it does, what it prints, its exit codes, its sentences."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.cli.main import main
from crime_assets.core.errors import FeedUnavailable
from crime_assets.core.insights import all_insights
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets_tests.build import record, write_export

PROGRAM = Path(sys.executable).with_name("crime-assets")


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Calls the command in this process."""

    def call(*arguments: str) -> Result:
        capfd.readouterr()
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small export, and CRIME_FEED set to it."""
    path = small_export(tmp_path / "export.csv")
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(path))
    return path


def small_export(path: Path) -> Path:
    """Ten crimes of history, three of each of three change days, one edit."""
    days = [date(2024, 1, 20) + timedelta(days=n) for n in range(3)]
    records = [record(n, "2024-01-10", occurred="2024-01-02") for n in range(1, 11)]
    records += [
        record(100 + 10 * n + k, str(day), occurred="2024-01-12") for n, day in enumerate(days) for k in range(3)
    ]
    records += [record(1, "2024-01-21", occurred="2024-01-02", arrest=True)]
    return write_export(path, records)


def snapshots(home: Path) -> dict[str, int | None]:
    lake = Lake(home)
    return {
        name: tables.load(lake, "chicago", name).metadata.current_snapshot_id for name in tables.names(lake, "chicago")
    }


def figures(status: Result) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in status.out.splitlines())


def assert_one_sentence(result: Result) -> None:
    assert result.err.startswith("crime-assets: "), result.err
    assert result.err.count("\n") == 1, result.err
    assert "Traceback" not in result.err


@dataclass(frozen=True)
class Loaded:
    """A lake that the program has made, beginning with nothing, and what it printed."""

    home: Path
    printed: str
    export: Path


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """History and three days, by a program that was started in another directory. Tests leave it as it is."""
    place = tmp_path_factory.mktemp("loaded")
    export = small_export(place / "export.csv")
    environment = {**os.environ, "CRIME_HOME": "here", "CRIME_FEED": "export", "CRIME_EXPORT": str(export)}
    environment.pop("DAGSTER_HOME", None)
    command = [str(PROGRAM), "run", "--from", "2024-01-20", "--to", "2024-01-22"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return Loaded(place / "here", done.stdout, export)


@pytest.fixture
def begun(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """The command is about that lake."""
    monkeypatch.setenv("CRIME_HOME", str(loaded.home))
    monkeypatch.setenv("CRIME_FEED", "export")
    monkeypatch.setenv("CRIME_EXPORT", str(loaded.export))
    return loaded


@pytest.mark.slow
class TestRun:
    def test_history_and_days(self, run: Callable[..., Result], begun: Loaded) -> None:
        assert "crime_history" in begun.printed
        assert "insight_repeat_offense_locations" in begun.printed
        assert "Checks: " in begun.printed
        answer = run("query", "--format", "csv", "SELECT count(*), count(DISTINCT id), count_if(arrest) FROM crimes")
        assert answer.out.splitlines()[1] == "19,19,1"

    def test_runs_are_there_to_see_for_dagster(self, begun: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
        home = begun.home / "dagster"
        assert (home / "dagster.yaml").resolve() == Path(__file__).parents[2] / "dagster.yaml"
        monkeypatch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as instance:
            names = [run.job_name for run in instance.get_runs()]
            assert names[-2:] == ["run_change_day", "load_history"]
            assert instance.get_materialized_partitions(dg.AssetKey("insight_crime_summary")) == {
                "2024-01-20",
                "2024-01-21",
                "2024-01-22",
            }
            assert instance.telemetry_enabled is False

    def test_running_it_all_again_changes_nothing(self, run: Callable[..., Result], begun: Loaded) -> None:
        before = snapshots(begun.home)
        landed = sorted((begun.home / "landing/raw").rglob("*.gz"))
        # The 21st is a Sunday: it was forecast from, though too little is there to replay and score.
        forecasts = {name for name in FORECASTS if name != "forecast_scores"}
        assert len(before) == 2 + len(all_insights()) + len(forecasts)
        assert forecasts <= {*before}
        assert run("run", "--from", "2024-01-20", "--to", "2024-01-22").code == 0
        assert snapshots(begun.home) == before
        assert sorted((begun.home / "landing/raw").rglob("*.gz")) == landed

    def test_without_days_it_runs_the_last_seven_of_the_source_and_then_goes_on(
        self, run: Callable[..., Result], export: Path
    ) -> None:
        assert "Running change days 2024-01-16 to 2024-01-22" in run("run", "--no-insights").out
        later = [record(500, "2024-01-30", occurred="2024-01-22")]
        write_export(export.with_name("more.csv"), later)
        os.environ["CRIME_EXPORT"] = str(export.with_name("*.csv"))
        assert "Running change days 2024-01-23 to 2024-01-30" in run("run", "--no-insights").out
        assert run("query", "--format", "csv", "SELECT count(*) FROM crimes").out.splitlines()[1] == "20"

    def test_days_left_out_are_made_up_for(self, run: Callable[..., Result], export: Path) -> None:
        run("run", "--no-insights", "--from", "2024-01-19", "--to", "2024-01-19")
        run("run", "--no-insights", "--from", "2024-01-22", "--to", "2024-01-22")
        assert figures(run("status"))["change days missing before it"] == "2"
        assert "Running change days 2024-01-19 to 2024-01-22" in run("run", "--no-insights").out
        assert figures(run("status"))["change days missing before it"] == "0"
        assert run("query", "--format", "csv", "SELECT count(*) FROM crimes").out.splitlines()[1] == "19"

    def test_damage_that_comes_after_the_history_is_noticed(self, run: Callable[..., Result], export: Path) -> None:
        export.write_bytes(export.read_bytes() + b"77,cut off\r\n")
        done = run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-20")
        assert "gained" not in done.out
        assert run("query", "--format", "csv", "SELECT raw FROM crimes_quarantine").out == 'raw\n"77,cut off"\n'
        late = record(78, "2024-01-21", occurred="2024-01-12")
        small = write_export(export.with_name("late.csv"), [late, {**late, "id": "79", "updated_on": "2999-01-01"}])
        export.write_bytes(export.read_bytes() + small.read_bytes().split(b"\r\n", 1)[1] + b"80,also cut off\r\n")
        done = run("run", "--no-insights", "--from", "2024-01-21", "--to", "2024-01-22")
        assert done.code == 0
        assert "The source has gained 2 damaged lines or records without a change day" in done.out
        assert run("query", "--format", "csv", "SELECT id FROM crimes WHERE id IN (78, 79)").out == "id\n78\n"

    def test_a_stamp_in_the_future_is_in_quarantine(self, run: Callable[..., Result], export: Path) -> None:
        write_export(export, [record(1, "2024-01-10"), record(2, "2999-01-01"), record(3, "2024-01-20")])
        assert run("run", "--no-insights", "--from", "2024-01-20").code == 0
        assert run("query", "--format", "csv", "SELECT id FROM crimes ORDER BY id").out == "id\n1\n3\n"
        found = run("query", "--format", "json", "SELECT reason, raw FROM crimes_quarantine").out
        assert json.loads(found)[0]["reason"] == "its change stamp lies in the future"
        assert json.loads(json.loads(found)[0]["raw"])["id"] == "2"


@pytest.mark.slow
class TestQuery:
    @pytest.fixture(autouse=True)
    def home(self, loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("CRIME_HOME", str(loaded.home))
        return loaded.home

    def test_formats(self, run: Callable[..., Result]) -> None:
        sql = (
            "SELECT id, block, arrest, NULL AS nothing, 0.5::DOUBLE AS half FROM crimes WHERE id IN (1, 2) ORDER BY id"
        )
        assert run("query", "--format", "csv", sql).out == (
            "id,block,arrest,nothing,half\n1,001XX N STATE ST,true,,0.5\n2,001XX N STATE ST,false,,0.5\n"
        )
        assert json.loads(run("query", "--format", "json", sql).out)[0] == {
            "id": 1,
            "block": "001XX N STATE ST",
            "arrest": True,
            "nothing": None,
            "half": 0.5,
        }
        assert run("query", sql).out.splitlines()[0].split() == ["id", "block", "arrest", "nothing", "half"]

    def test_every_table_answers(self, run: Callable[..., Result], home: Path) -> None:
        for name in ("crimes", "crimes_quarantine", "crimes_superseded", *snapshots(home)):
            assert run("query", "--format", "csv", f"SELECT count(*) AS n FROM {name}").code == 0

    def test_as_of(self, run: Callable[..., Result], home: Path) -> None:
        table = tables.load(Lake(home), "chicago", "crimes")
        first = table.history()[0].snapshot_id
        sql = "SELECT count(*), count_if(arrest) FROM crimes"
        assert run("query", "--format", "csv", "--as-of", str(first), sql).out.splitlines()[1] == "10,0"
        assert run("query", "--format", "csv", sql).out.splitlines()[1] == "19,1"

    @pytest.mark.parametrize(
        "sql", ["SELEC 1", "SELECT * FROM nowhere", "", "DROP TABLE crimes", "SELECT * FROM read_text('/etc/passwd')"]
    )
    def test_a_query_that_cannot_be_answered(self, run: Callable[..., Result], sql: str) -> None:
        result = run("query", sql)
        assert_one_sentence(result)
        assert (result.code, result.out) == (2, "")

    def test_status(self, run: Callable[..., Result]) -> None:
        lines = figures(run("status"))
        assert lines["change days merged"] == "3"
        assert lines["rows in crimes"] == "19"
        assert lines["last change day merged"] == "2024-01-22"


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            (["run", "--from", "2024-01-22", "--to", "2024-01-20"], 2, "--from 2024-01-22 is after --to 2024-01-20"),
            (["run", "--from", "2024-01-20", "--to", "2024-02-20"], 1, "run with --to 2024-01-22"),
            (["run", "--from", "2024-02-20"], 1, "run with --from 2024-01-22"),
            (["run", "--from", "0001-01-01"], 2, "--from 0001-01-01 is too early"),
            (["status"], 1, "run `crime-assets run` first"),
            (["query", "--as-of", "2024-01-01", "SELECT 1"], 1, "run `crime-assets run` first"),
        ],
    )
    def test_one_sentence(
        self, run: Callable[..., Result], export: Path, arguments: list[str], code: int, says: str, tmp_path: Path
    ) -> None:
        result = run(*arguments)
        assert_one_sentence(result)
        assert (result.code, says in result.err) == (code, True), result.err
        assert not (tmp_path / "lake/catalog.db").exists()

    @pytest.mark.parametrize(
        ("variable", "value", "code", "says"),
        [
            ("CRIME_CITY", "gotham", 2, "chicago"),
            ("CRIME_CITY", "../chicago", 2, "chicago"),
            ("CRIME_FEED", "ftp", 2, "CRIME_FEED=ftp"),
            ("CRIME_PROFILE", "moon", 2, "CRIME_PROFILE=moon"),
            ("CRIME_EXPORT", "/nowhere/*.csv", 2, "/nowhere/*.csv"),
            ("CRIME_EXPORT", "", 2, "CRIME_EXPORT"),
            ("CRIME_SAMPLE_ROWS", "many", 2, "CRIME_SAMPLE_ROWS=many"),
        ],
    )
    def test_settings(
        self,
        run: Callable[..., Result],
        export: Path,
        monkeypatch: pytest.MonkeyPatch,
        variable: str,
        value: str,
        code: int,
        says: str,
    ) -> None:
        monkeypatch.setenv(variable, value)
        result = run("run")
        assert_one_sentence(result)
        assert (result.code, says in result.err) == (code, True), result.err

    def test_days_that_are_none(self, run: Callable[..., Result], export: Path) -> None:
        result = run("run", "--from", "2024-02-30")
        assert result.code == 2
        assert "'2024-02-30' is not a day: write it as YYYY-MM-DD" in result.err

    @pytest.mark.slow
    def test_days_before_the_lake_begins(self, run: Callable[..., Result], export: Path) -> None:
        run("run", "--no-insights", "--from", "2024-01-21", "--to", "2024-01-21")
        result = run("run", "--from", "2024-01-20", "--to", "2024-01-21")
        assert_one_sentence(result)
        assert result.code == 2
        assert "The lake begins with change day 2024-01-21" in result.err

    @pytest.mark.slow
    def test_a_first_run_that_failed_binds_nobody(
        self, run: Callable[..., Result], export: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise FeedUnavailable("The portal did not answer: run again.")

        with monkeypatch.context() as patched:
            patched.setattr(ExportFeed, "history", broken)
            result = run("run", "--from", "2024-01-22", "--to", "2024-01-22")
        assert_one_sentence(result)
        assert (result.code, "did not answer" in result.err) == (1, True)
        assert run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-20").code == 0
        assert figures(run("status"))["first change day"] == "2024-01-20"

    def test_an_export_that_is_none(self, run: Callable[..., Result], export: Path, tmp_path: Path) -> None:
        export.write_bytes(b"\x1f\x8b not gzip")
        result = run("run", "--from", "2024-01-20", "--to", "2024-01-20")
        assert_one_sentence(result)
        assert (result.code, str(export) in result.err) == (1, True)
        assert not (tmp_path / "lake/catalog.db").exists()

    @pytest.mark.slow
    def test_simulated_and_real_are_not_mixed(
        self, run: Callable[..., Result], export: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-20")
        monkeypatch.setenv("CRIME_FEED", "sample")
        result = run("run")
        assert_one_sentence(result)
        assert (result.code, "never mixed" in result.err) == (2, True)

    @pytest.mark.slow
    def test_a_lake_of_a_newer_release(self, run: Callable[..., Result], export: Path, tmp_path: Path) -> None:
        run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-20")
        state = tmp_path / "lake/lake.json"
        state.write_text(json.dumps({**json.loads(state.read_text()), "format": 99}))
        for arguments in (["run"], ["status"], ["query", "SELECT 1"]):
            result = run(*arguments)
            assert_one_sentence(result)
            assert (result.code, "newer crime-assets" in result.err) == (1, True)

    @pytest.mark.slow
    def test_a_second_process(self, run: Callable[..., Result], export: Path, tmp_path: Path) -> None:
        holder = (
            "import sys, pathlib\n"
            "from crime_assets.lakehouse.place.lake import Lake\n"
            "with Lake(pathlib.Path(sys.argv[1])).writing():\n"
            "    print('held', flush=True)\n"
            "    sys.stdin.read()\n"
        )
        command = [sys.executable, "-c", holder, str(tmp_path / "lake")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            result = run("run", "--from", "2024-01-20", "--to", "2024-01-20")
            assert_one_sentence(result)
            assert (result.code, f"pid {other.pid}" in result.err) == (1, True)
            other.communicate("")
        assert run("run", "--no-insights", "--from", "2024-01-20", "--to", "2024-01-20").code == 0

    def test_a_home_that_is_a_file(self, run: Callable[..., Result], export: Path, tmp_path: Path) -> None:
        (tmp_path / "lake").write_text("not a lake")
        result = run("run", "--from", "2024-01-20", "--to", "2024-01-20")
        assert_one_sentence(result)
        assert (result.code, "CRIME_HOME" in result.err) == (1, True)

    def test_debug_shows_the_traceback(self, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CRIME_CITY", "gotham")
        with pytest.raises(Exception, match="gotham"):
            main(["run", "--debug"])
