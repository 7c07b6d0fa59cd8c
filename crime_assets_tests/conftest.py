"""Fixtures that every room uses. Tests see no variable of the person who runs them, and no network."""

import os
from pathlib import Path

import pytest

_PROJECT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours, Dagster's or a proxy's reaches a test; the lake is in its own directory."""
    for name in os.environ:
        if name.startswith(("CRIME_", "SOCRATA_", "DAGSTER_", "AWS_")) and name != "CRIME_SHARED_DATA":
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real rows for tests: CRIME_SHARED_DATA, or shared/data beside the project."""
    directory = Path(os.environ.get("CRIME_SHARED_DATA", _PROJECT.parent / "shared" / "data"))
    if not (directory / "chicago").is_dir():
        pytest.skip(f"no real rows in {directory}: set CRIME_SHARED_DATA to a directory that has them")
    return directory
