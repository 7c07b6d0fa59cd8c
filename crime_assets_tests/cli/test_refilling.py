"""A reload of lost tables that was killed: nobody takes the part that is there for the whole, and it ends once."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.cli import recovery, runner
from crime_assets.cli.main import main
from crime_assets.defs.automation.jobs import LOAD_HISTORY
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.profiles import Profile
from crime_assets_tests.build import record, write_export
from crime_assets_tests.cli.test_recovery import CRIMES, DAYS, FIRST, count, lose_tables
from crime_assets_tests.lakehouse.lakes import versions

pytestmark = pytest.mark.slow


@pytest.fixture
def half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CRIME_HOME of a lake that lost its tables, of which a killed reload has loaded the history only."""
    path = write_export(tmp_path / "crimes.csv", CRIMES)
    for name, value in {"FEED": "export", "EXPORT": str(path), "HOME": str(tmp_path / "lake")}.items():
        monkeypatch.setenv(f"CRIME_{name}", value)
    assert main(DAYS) == 0
    lose_tables(tmp_path / "lake")
    execute = runner.execute

    def dying(profile: Profile, definitions: object, job: str, *rest: object) -> object:
        if job != LOAD_HISTORY:
            raise KeyboardInterrupt
        return execute(profile, definitions, job, *rest)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(runner, "execute", dying)
        assert main(["reload"]) != 0
    return tmp_path / "lake"


def test_status_and_query_say_that_it_is_not_whole_and_reload_what_it_does(
    half: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A single day does not make it whole.
    assert main(["run", "--from", FIRST, "--to", FIRST, "--no-insights"]) == 1
    for command in (["status"], ["query", "SELECT count(*) FROM crimes"]):
        capsys.readouterr()
        assert main(command) == 1
        said = capsys.readouterr()
        assert said.out == ""
        assert "lost its tables of Chicago, and 2 change days are not merged again: complete that with `cr" in said.err

    monkeypatch.setattr(recovery, "run", lambda *_: 0)
    assert main(["reload"]) == 0
    assert "The tables were lost, and only their history is back: merging all change days" in capsys.readouterr().out


def test_a_run_of_all_days_completes_it_and_the_next_reload_loads_the_history(
    half: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--no-insights"]) == 0
    assert main(["status"]) == 0
    assert len(versions(Lake(half))) == len(CRIMES)

    write_export(half.parent / "crimes.csv", [*CRIMES, record(700, "2024-01-10")])
    capsys.readouterr()
    assert main(["reload"]) == 0

    said = capsys.readouterr().out
    assert "Loading the history of Chicago again" in said
    assert "were lost" not in said
    assert count(capsys) == str(len(CRIMES) + 1)
