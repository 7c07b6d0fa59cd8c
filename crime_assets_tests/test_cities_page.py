"""docs/cities.md is true: the commands for two cities on a laptop work from nothing."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from crime_assets.cli import runner
from crime_assets.cli.main import main
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard import serving
from crime_assets.publishing.dashboard.app import Dashboard
from crime_assets.publishing.reading import Extracts

PAGE = (Path(__file__).parents[1] / "docs/cities.md").read_text()


def commands() -> list[list[str]]:
    """The words of each command, without comments."""
    (block,) = re.findall(r"## Two cities on a laptop\n.*?```console\n(.*?)```", PAGE, re.DOTALL)
    return [shlex.split(line, comments=True) for line in block.splitlines()]


@contextmanager
def settings(words: list[str]) -> Iterator[list[str]]:
    """Set the variables before a command, for it alone, and give the command."""
    with pytest.MonkeyPatch.context() as patch:
        while "=" in words[0]:
            patch.setenv(*words.pop(0).split("=", 1))
        yield words


@pytest.mark.slow
def test_the_commands_for_two_cities_on_a_laptop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    (tmp_path / "dagster").mkdir()
    monkeypatch.setenv("CRIME_SAMPLE_ROWS", "1500")
    became: list[list[str]] = []
    monkeypatch.setattr(runner.os, "execv", lambda _, command: became.append(command))
    pages: list[str] = []
    monkeypatch.setattr(serving, "serve", lambda profile, _: pages.append(seen(profile)) or 0)

    (export, first, *others) = commands()
    assert (export[0], first) == ("export", ["crime-assets", "run"])
    monkeypatch.setenv(*export[1].split("=", 1))
    # What comes after it is tried elsewhere, and takes longest.
    assert main(["run", "--no-insights"]) == 0
    for words in others:
        with settings(words) as (program, *arguments):
            assert program == "crime-assets"
            capfd.readouterr()
            assert (main(arguments) or 0) == 0
            if arguments[0] == "run":
                assert_all_passed(capfd.readouterr().out)
            elif arguments[0] == "query":
                assert_both(capfd.readouterr().out)

    assert len(pages) == 2
    assert all("The records are simulated." in page for page in pages)
    (dev,) = became
    located = json.loads(Path(dev[dev.index("-w") + 1]).read_text().partition("\n")[2])["load_from"]
    assert [one["python_module"]["attribute"] for one in located] == ["chicago", "new_york"]


def seen(profile: Profile) -> str:
    """The page of cities, of a dashboard that also has a first page if there are insights."""
    dashboard = Dashboard(profile, Extracts(profile.landing, profile.lake.home / "cache"))
    client = TestClient(dashboard.app(), base_url="http://127.0.0.1")
    assert client.get("/").status_code == (200 if profile.city.name == "new_york" else 404)
    return client.get("/cities").text


def assert_all_passed(printed: str) -> None:
    passed, of = re.findall(r"Checks: (\d+) of (\d+) passed", printed)[0]
    assert (passed, int(of) > 15) == (of, True)
    assert "rows in insight_top_crime_types" in printed
    assert "insight_domestic_violence" not in printed


def assert_both(printed: str) -> None:
    """As many of each offense in both, but for days that only one has."""
    cities = {line.split()[0] for line in printed.splitlines()[2:]}
    assert cities == {"chicago", "new_york"}
    assert len(re.findall("^new_york .*(theft|robbery|fraud|homicide) ", printed, re.MULTILINE)) >= 3
