"""What a person does when a lake lost something, as commands: sentences, exit codes, and what is there in the end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crime_assets.cli import runner
from crime_assets.cli.main import main
from crime_assets.defs.automation.jobs import BACKFILL, LOAD_HISTORY
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.profiles import Profile
from crime_assets_tests.build import record, write_export
from crime_assets_tests.lakehouse.lakes import rows, versions

pytestmark = pytest.mark.slow

FIRST, LAST = "2024-01-26", "2024-01-28"
DAYS = ("run", "--from", FIRST, "--to", LAST, "--no-insights")
ONE_DAY = ("run", "--from", LAST, "--to", LAST)
CRIMES = [record(n, f"2024-01-{1 + n % 28:02}", f"2024-01-{1 + n % 20:02}") for n in range(120)]


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An export that the commands read, and CRIME_HOME for a lake of it."""
    path = write_export(tmp_path / "crimes.csv", CRIMES)
    for name, value in {"FEED": "export", "EXPORT": str(path), "HOME": str(tmp_path / "lake")}.items():
        monkeypatch.setenv(f"CRIME_{name}", value)
    return path


def count(capsys: pytest.CaptureFixture[str], table: str = "crimes") -> str:
    capsys.readouterr()
    assert main(["query", "--format", "csv", f"SELECT count(*) FROM {table}"]) == 0
    return capsys.readouterr().out.split()[-1]


def test_a_lost_catalog_ends_every_command_until_it_is_made_again(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(DAYS) == 0
    state = (tmp_path / "lake" / "lake.json").read_bytes()
    (tmp_path / "lake" / "catalog.db").unlink()

    for command in (["query", "SELECT 1"], ["status"], ["run"], [*DAYS], ["reconcile"], ["reload"]):
        capsys.readouterr()
        assert main(command) == 1
        assert "run `crime-assets rebuild-catalog`" in capsys.readouterr().err
    assert (tmp_path / "lake" / "lake.json").read_bytes() == state
    assert not (tmp_path / "lake" / "catalog.db").exists()

    assert main(["rebuild-catalog"]) == 0
    assert "was rebuilt, with" in capsys.readouterr().out
    assert count(capsys) == "120"
    assert main(["rebuild-catalog"]) == 0
    assert "there is nothing to do" in capsys.readouterr().out


def leave_out_insights(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reload runs the graph as far as `crimes`: one test of it that computes all insights is enough."""
    monkeypatch.setattr(runner, "RUN", BACKFILL)


def lose_tables(home: Path, left: str = "catalog") -> None:
    """Delete the files of all tables; beside them all directories, the catalog, or nothing."""
    for path in (home / "warehouse").rglob("*"):
        if path.is_file():
            path.unlink()
    if left != "directories":
        shutil.rmtree(home / "warehouse")
    if left == "nothing":
        (home / "catalog.db").unlink()


@pytest.mark.parametrize("left", ["catalog", "nothing", "directories"])
def test_lost_tables_are_loaded_again_from_the_source_and_what_has_landed(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], left: str
) -> None:
    if left != "catalog":
        leave_out_insights(monkeypatch)
    assert main(DAYS) == 0
    before = versions(Lake(tmp_path / "lake"))
    lose_tables(tmp_path / "lake", left)

    for command in (["query", "SELECT 1"], ["run"], ["status"]):
        assert main(command) == 1
        assert "its tables are gone: restore them from a backup, or load" in capsys.readouterr().err
    assert main(["rebuild-catalog"]) == 1
    assert "There is no table" in capsys.readouterr().err

    content = export.read_bytes()
    export.unlink()
    assert main(["reload"]) == 2
    assert main(["query", "SELECT 1"]) == 1, "what was lost is not forgotten"
    export.write_bytes(content)
    assert main(["reload"]) == 0

    assert main(["query", "SELECT 1"]) == 0
    assert versions(Lake(tmp_path / "lake")) == before
    assert (tmp_path / "lake" / "lake.json").read_text().count(FIRST) == 1


def test_a_reload_of_lost_tables_that_is_interrupted_is_done_by_the_next(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_out_insights(monkeypatch)
    assert main(DAYS) == 0
    before = versions(Lake(tmp_path / "lake"))
    lose_tables(tmp_path / "lake")
    execute = runner.execute

    def dying(profile: Profile, definitions: object, job: str, *rest: object) -> object:
        if job != LOAD_HISTORY:
            raise KeyboardInterrupt
        return execute(profile, definitions, job, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runner, "execute", dying)
        assert main(["reload"]) != 0
    assert rows(Lake(tmp_path / "lake")), "the history is there, and no change day"

    assert main(["reload"]) == 0
    assert versions(Lake(tmp_path / "lake")) == before
    assert not [path for path in (tmp_path / "lake" / "landing").rglob("*") if "refill" in str(path) and path.is_file()]


def test_a_lost_insight_can_be_computed_again_and_a_lost_curated_table_must_be_restored(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_export(export, [*CRIMES, record(500, "2024-01-10", ward="somewhere")])
    assert main(ONE_DAY) == 0
    tables = tmp_path / "lake" / "warehouse" / "chicago"
    shutil.rmtree(tables / "insight_compstat")
    assert main(["query", "SELECT count(*) FROM insight_compstat"]) == 1
    assert "insight_compstat of the lake" in (said := capsys.readouterr().err)
    assert "is gone: run `crime-assets rebuild-catalog`, then run the change days" in said
    assert main(["rebuild-catalog"]) == 0
    assert main(ONE_DAY) == 0
    capsys.readouterr()
    assert count(capsys, "insight_compstat") != "0"

    shutil.rmtree(tables / "crimes_quarantine")
    assert main(["rebuild-catalog"]) == 1
    assert "chicago.crimes_quarantine is gone from" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run"], ["reconcile"], ["reload"]])
def test_a_path_that_dagster_reads_otherwise_is_refused(
    export: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """Its files would be those of the lake in 50%x."""
    assert main(DAYS) == 0
    home = (tmp_path / "lake").rename(tmp_path / "50%25x")
    monkeypatch.setenv("CRIME_HOME", str(home))
    assert main(command) == 2
    assert "set CRIME_HOME to a path without %" in capsys.readouterr().err
    assert not (tmp_path / "50%x").exists()


def test_a_history_is_loaded_anew(export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_export(export, [one for one in CRIMES if str(one["updated_on"]) >= FIRST or int(str(one["id"])) % 2])
    assert main(DAYS) == 0
    assert count(capsys) == "64"
    write_export(export, CRIMES)

    assert main(["reload"]) == 0

    said = capsys.readouterr().out
    assert "Read: 108 records. In crimes 56 rows are new and 0 replaced; 0 records more are in quarantine." in said
    assert count(capsys) == "120"


def test_a_bad_history_is_not_settled_and_the_mended_one_is_whole(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_export(export, [{**one, "ward": "1,0"} for one in CRIMES])
    assert main(DAYS) == 1
    assert "108 cannot be typed: ward is no whole number (108). At most 5% may be" in capsys.readouterr().err
    write_export(export, CRIMES)
    assert main(DAYS) == 0
    assert count(capsys) == "120"
    assert rows(Lake(tmp_path / "lake"), "crimes_quarantine") == []


def test_days_of_another_form_are_told_until_the_source_is_mended(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [{**one, "ward": "1,0"} if str(one["updated_on"]) >= FIRST else one for one in CRIMES]
    write_export(export, days)
    assert main(DAYS) == 1
    assert "In the last pull it was 12 of 12" in capsys.readouterr().out
    assert main(DAYS) == 1, "as long as nothing better has come"
    write_export(export, CRIMES)
    assert main(DAYS) == 0
    assert count(capsys) == "120"


def test_an_export_that_shrank_is_not_taken(export: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(DAYS) == 0
    write_export(export, CRIMES[60:])
    assert main(DAYS) == 1
    assert "has only 60 records, but the lake has 120 crimes of Chicago, so none was taken" in capsys.readouterr().err
    assert count(capsys) == "120"


@pytest.mark.parametrize("command", ["reload", "rebuild-catalog"])
def test_without_a_lake_there_is_nothing_to_recover(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command]) == 1
    assert "crime-assets" in capsys.readouterr().err
    assert not (tmp_path / "lake" / "catalog.db").exists()
