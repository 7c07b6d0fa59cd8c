"""What an installed release brings along."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from crime_assets.core.insights import all_insights
from crime_assets.core.sql import SQL_DIRECTORY

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]


def test_a_release_has_the_statements_inside(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "setup.py",
        "--quiet",
        "build",
        f"--build-base={tmp_path}/build",
        f"--build-lib={tmp_path}",
    ]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True, timeout=120)

    asked = "from crime_assets.core import insights, sql; print(sql.SQL_DIRECTORY, len(insights.load_insights()))"
    answer = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.stdout.split() == [str(tmp_path / "crime_assets" / "sql"), str(len(all_insights()))]
    for kind in ("dashboard/templates", "dashboard/static", "briefing/templates", "dbt/templates"):
        names = {path.name for path in (PROJECT / "crime_assets/publishing" / kind).rglob("*")}
        assert {path.name for path in (tmp_path / "crime_assets/publishing" / kind).rglob("*")} == names
    for kind in ("codes", "residents"):
        place = Path("crime_assets/sources/cities") / kind
        tables = {path.name for path in (PROJECT / place).glob("*.csv")}
        assert {path.name for path in (tmp_path / place).glob("*.csv")} == tables != set()
    files = {path.relative_to(SQL_DIRECTORY) for path in SQL_DIRECTORY.rglob("*.sql")}
    inside = tmp_path / "crime_assets" / "sql"
    assert {path.relative_to(inside) for path in inside.rglob("*.sql")} == files
