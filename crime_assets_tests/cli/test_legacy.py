"""`crime-assets legacy`: what its commands call, say and return; the steps are doubles here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crime_assets.cli.legacy import progress_line
from crime_assets.cli.main import main
from crime_assets.migration import Step
from crime_assets_tests.migration.steps import UNEQUAL, Steps, doubled


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    monkeypatch.setenv("CRIME_LEGACY", "postgresql://reader@nowhere/department")
    monkeypatch.setenv("CRIME_LEGACY_PASSWORD", "hunter2")
    with doubled(monkeypatch) as found:
        yield found


def legacy(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["legacy", *arguments])
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    return code, said.out, said.err


def test_each_step_says_what_it_did(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = legacy(capsys, "load")
    assert (code, out) == (0, "3 documents of 8 rows are loaded.\n")
    assert err == "The server keeps changes without a limit: set max_slot_wal_keep_size.\n"
    assert legacy(capsys, "follow", "--until-caught-up")[:2] == (0, "7 documents were read again.\n")
    assert legacy(capsys, "verify")[:2] == (0, "Equal: 3 documents and 8 rows, all of them, at position 7.\n")
    code, out, _ = legacy(capsys, "export")
    assert (code, out.splitlines()[0]) == (
        0,
        "3 items (documents, and parts of long ones) are in the export 0173-0a1b:",
    )
    code, out, _ = legacy(capsys, "status")
    assert (code, out.splitlines()) == (0, ["All is loaded, and its changes are followed.", "The server is slow."])
    steps.database.begin()
    assert legacy(capsys, "finish") == (0, "Changes are no longer kept.\n", "")
    assert legacy(capsys, "finish") == (0, "Nothing was left in the database.\n", "")
    called = ["load", "catch_up", "verify False", "export", "status", "finish", "finish"]
    assert steps.called == called


def test_following_ends_when_it_is_stopped(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    assert legacy(capsys, "follow")[:2] == (0, "9 documents were read again.\n")
    assert steps.called == ["follow"]


def test_differences_are_named_and_fail(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    steps.verdict = UNEQUAL
    code, out, err = legacy(capsys, "verify")
    assert code == 1
    assert out.splitlines()[:3] == [
        "Differences: 3 (2 differs, 1 missing).",
        "  crime#1 crimes.block differs: 'secret block' in the database, None in its document",
        "  crime#2 crimes missing: 'row' in the database, None in its document",
    ]
    assert out.splitlines()[3].endswith("differences.ndjson.")
    assert err.splitlines()[-1] == ("Documents and database are not equal: run `crime-assets legacy verify --repair`.")
    code, out, _ = legacy(capsys, "verify", "--repair")
    assert (code, out.splitlines()[-2]) == (0, "Documents that were written again: 3.")


def test_what_fails_is_a_sentence(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    steps.fails = "load"
    assert legacy(capsys, "load")[0] == 1
    steps.fails = "verify False"
    assert legacy(capsys, "verify")[2].splitlines()[-1] == "crime-assets: The database went away: wait for it."


@pytest.mark.parametrize("command", ["load", "follow", "verify", "export", "status", "finish", "sample"])
def test_without_a_database_nothing_is_done(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = legacy(capsys, command)
    assert (code, out) == (2, "")
    assert err.startswith("crime-assets: There is no legacy database: set CRIME_LEGACY to its address")


def test_the_sample_needs_postgresql_that_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRIME_LEGACY_PASSWORD", "hunter2")
    for address, told in (
        ("mariadb://reader@nowhere/department", "is put into PostgreSQL only"),
        ("postgresql://reader@127.0.0.1:1/department", "cannot be reached: look at CRIME_LEGACY"),
    ):
        monkeypatch.setenv("CRIME_LEGACY", address)
        code, _, err = legacy(capsys, "sample")
        assert code == 2
        assert told in err


def test_a_line_of_progress() -> None:
    assert progress_line(Step("crimes", 412_000, 767_000, 38_000.0)) == (
        "crimes 412,000 of ~767,000, 38,000 a second, 9 s left"
    )
    assert progress_line(Step("crimes", 0, None, 0.0)) == "crimes 0, 0 a second"
    assert progress_line(Step("crimes", 0, 9, 0.0)) == "crimes 0 of ~9, 0 a second"
    assert progress_line(Step("crimes", 12, 9, 3.0)) == "crimes 12, 3 a second", "statistics are of some time ago"
