"""`crime-assets legacy demo` as a person runs it, and then the commands that it tells to run: a lake of its export."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

PROGRAM = Path(sys.executable).parent / "crime-assets"
ROWS = 400
MARK = "DEMO_OF"
"""In the environment of all processes that come of it."""
pytestmark = pytest.mark.slow


def run(command: str, place: Path, home: Path) -> tuple[str, str]:
    """What a shell says of it; only the home is set, as for somebody who has just cloned."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CRIME_", "AWS_", "DAGSTER_"))}
    kept |= {"CRIME_HOME": str(home), MARK: str(place)}
    done = subprocess.run(command, shell=True, cwd=place, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout, done.stderr


def left(place: Path) -> list[str]:
    """Processes that are still there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == str(place):
                found.append(process.name())
    return found


def exported(home: Path) -> dict[int, tuple[str | None, bool | None, str | None]]:
    """Crimes of the only export, without the code that reads exports."""
    (summary,) = home.rglob("manifest-summary.json")
    items = [
        json.loads(line)["Item"]
        for file in sorted((summary.parent / "data").iterdir())
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    assert json.loads(summary.read_text())["itemCount"] == len(items)
    crimes = [item for item in items if item["kind"] == {"S": "crime"} and item["part"] == {"S": "-"}]
    return {
        int(item["crime_id"]["N"]): (
            item.get("case_number", {}).get("S"),
            item.get("arrest", {}).get("BOOL"),
            item.get("fbi_code", {}).get("S"),
        )
        for item in crimes
    }


def test_a_department_is_moved_and_a_lake_is_made_of_it(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    said, erred = run(f"{PROGRAM} legacy demo --rows {ROWS}", tmp_path, home)
    assert left(tmp_path) == []
    assert erred.splitlines() == ["Documents and database are not equal: run `crime-assets legacy verify --repair`."]
    lines = said.splitlines()
    filled = re.fullmatch(r"(\d+) crimes are in the tables of a sample department\.", lines[0])
    assert filled
    assert 0.9 * ROWS < int(filled[1]) <= ROWS
    assert "Differences: 1 (1 differs)." in lines
    assert "Documents that were written again: 1." in lines
    assert len([line for line in lines if line.startswith("Equal: ")]) == 2
    (made,) = (int(line.split()[4]) for line in lines if line.startswith("Meanwhile the department made"))
    assert made > 0
    assert re.match(r"The replication slot crime_assets_[0-9a-f]{8} is dropped", lines[-5])
    place = exported(tmp_path / "lake-legacy")
    assert len(place) > ROWS / 2

    commands = [line.strip() for line in lines[-2:]]
    for command, told in zip(commands, ("run", "status"), strict=True):
        assert command == f"CRIME_HOME={tmp_path / 'lake-legacy'} CRIME_FEED=legacy .venv/bin/crime-assets {told}"
    commands = [command.replace(".venv/bin/crime-assets", str(PROGRAM)) for command in commands]
    run(commands[0], tmp_path, home)
    assert re.search(rf"rows in crimes +{len(place)}\n", run(commands[1], tmp_path, home)[0])
    question = "SELECT id, case_number, arrest, fbi_code FROM crimes"
    asked = commands[1].removesuffix("status") + f'query "{question}" --format json'
    answer = json.loads(run(asked, tmp_path, home)[0])
    assert {row["id"]: (row["case_number"], row["arrest"], row["fbi_code"]) for row in answer} == place
