"""`crime-assets stream`: from simulated reports to alerts, by commands; what cannot be done is said in a sentence."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crime_assets.cli.main import main
from crime_assets.incidents.rules import all_rules

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).parent / "crime-assets"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv("CRIME_STREAM", "fir")
    return tmp_path / "lake"


def test_from_reports_to_alerts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "produce", "--weeks", "2", "--rate", "400"]) == 0
    (put,) = re.findall(r"([\d,]+) messages of 2 weeks", capsys.readouterr().out)
    assert main(["stream", "run", "--until-ended"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{put} messages in ")
    assert main(["stream", "status"]) == 0
    out = capsys.readouterr().out
    assert "Alerts: " in out
    assert re.search(r"\d s behind", out)

    assert main(["stream", "run", "--until-ended"]) == 0
    assert capsys.readouterr().out.startswith("0 messages")
    assert main(["stream", "produce", "--weeks", "2", "--rate", "400"]) == 2
    assert "The stream fir has begun: set another CRIME_STREAM" in capsys.readouterr().err


def run(home: Path, *words: str, **settings: str) -> str:
    """What a command of its own prints, as somebody new to it would start it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CRIME_")}
    done = subprocess.run(
        [PROGRAM, *words],
        env={**kept, "CRIME_HOME": str(home), **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_demo_shows_alerts_of_every_rule_and_nothing_twice(tmp_path: Path) -> None:
    home = tmp_path / "new"
    first = run(home, "stream", "demo", "--rate", "400").splitlines()

    put, read, *told = first
    assert re.fullmatch(r"[\d,]+ messages of 7 weeks were put into the stream sample.", put)
    assert read.startswith(f"{put.split()[0]} messages in ")
    raised = {title: int(number) for number, title in re.findall(r"^ *(\d+)  (\D.*)$", "\n".join(told), re.MULTILINE)}
    assert raised.keys() == {rule.title for rule in all_rules()}
    assert min(raised.values()) > 0
    newest = told[told.index("The newest of each kind:") + 1 : -1]
    assert sorted(line.strip().split(": ")[0] for line in newest) == sorted(raised)
    assert told[-1] == "On a page: CRIME_STREAM=sample make dashboard, then http://127.0.0.1:8500/live"
    objects = {path: path.read_bytes() for path in (home / "landing/live").rglob("*/*/*.*")}
    assert {path.parent.parent.name for path in objects} >= {"alerts", "deliveries"}

    again = run(home, "stream", "demo", "--rate", "400").splitlines()

    assert again == ["0 messages in 0 ticks: 0 reports, 0 repeats, 0 late, 0 quarantined; 0 alerts.", *told]
    assert {path: path.read_bytes() for path in (home / "landing/live").rglob("*/*/*.*")} == objects


def test_simulated_reports_go_on_until_interrupted(home: Path) -> None:
    """Two reports in three seconds at this rate; begun again, none of those before come once more."""
    put, came = gone_on(home)
    assert len(list(lines(home))) == put + came
    more, came_then = gone_on(home)
    assert more == 0
    arrived = [one["at"] for one in lines(home)]
    assert len(arrived) == put + came + came_then
    assert max(arrived) <= datetime.now(UTC).isoformat()


def gone_on(home: Path) -> tuple[int, int]:
    """How many reports were put at first, and how many came until there were three of them."""
    before = len(list(lines(home)))
    words = ["stream", "produce", "--weeks", "0", "--rate", "400000", "--live"]
    with subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        put = int(command.stdout.readline().split()[0].replace(",", ""))
        assert command.stdout.readline() == "From now on they are put as they come, until you press Ctrl-C.\n"
        deadline = time.monotonic() + 60
        while len(list(lines(home))) < before + put + 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        (came,) = re.findall(r"^([\d,]+) messages came[.]$", command.stdout.read())
        assert command.wait(30) == 0
    assert int(came.replace(",", "")) >= 3
    return put, int(came.replace(",", ""))


def test_the_commands_of_the_page_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As written, but with fewer reports and on any port; those that do not end by themselves are interrupted."""
    page = (Path(__file__).parents[2] / "docs/live.md").read_text()
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    with ExitStack() as started:
        ran, running = [], []
        for line in (line.split("  #")[0] for block in blocks for line in block.splitlines()):
            program, *words = shlex.split(line)
            if program == "export":
                monkeypatch.setenv(*words[0].split("=", 1))
                continue
            assert program == "crime-assets"
            ran.append(line)
            words = [*(word.replace("600000", "60000") for word in words), *["--port", "0"] * (words == ["dashboard"])]
            words += ["--rate", "300"] * (words[1:] == ["produce", "--weeks", "7"])
            command = subprocess.Popen([PROGRAM, *words], stdout=subprocess.PIPE, text=True)
            started.callback(command.kill)
            if "--live" in words or words == ["stream", "run"] or words[0] == "dashboard":
                running.append(command)
                if words != ["stream", "run"]:
                    assert command.stdout is not None
                    assert command.stdout.readline()
            else:
                assert command.wait(200) == 0, line
        status = home / "landing/live/stream=watch/status.json"
        deadline = time.monotonic() + 100
        while not status.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert status.exists()
        for command in reversed(running):
            command.send_signal(signal.SIGINT)
            assert command.wait(60) == 0, command.args
    assert len(ran) == 6


def lines(home: Path) -> Iterator[dict[str, Any]]:
    """The lines of a stream in a directory."""
    for path in (home / "live/fir/source/shards").glob("*/*.ndjson"):
        yield from map(json.loads, path.read_text().splitlines())


def test_a_vehicle_that_is_watched_for_longer_is_watched_for_without_a_break(home: Path) -> None:
    found = []
    for until in ("2030-01-31", "2031-01-31"):
        assert main(["stream", "watch", "DL1", "--why", "case 17", "--until", until]) == 0
        (entry,) = json.loads((home / "landing/live/stream=fir/watch-list.json").read_text())
        found.append(entry)
    assert found[0]["begins"] == found[1]["begins"]
    assert found[0]["ends"] < found[1]["ends"]


def test_the_watch_list_has_no_plates(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "watch", "DL 1C AB 1234", "--why", "case 17", "--until", "2030-01-31"]) == 0
    assert main(["stream", "watch", "dl1cab-1234", "--why", "case 18", "--until", "2030-01-31"]) == 0
    assert main(["stream", "watch", "MH 12 XY 1", "--why", "case 19"]) == 0
    capsys.readouterr()

    assert main(["stream", "watch"]) == 0

    out = capsys.readouterr().out
    assert re.findall("case [0-9]+", out) == ["case 18", "case 19"]
    assert "to 2030-01-31 18:30 UTC" in out
    listed = (home / "landing/live/stream=fir/watch-list.json").read_text()
    assert "1234" not in {one["ref"] for one in json.loads(listed)}
    assert "DL" not in listed
    assert main(["stream", "watch", "MH12XY1", "--remove"]) == 0
    assert "1 vehicles are watched for." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        (["watch", "DL1"], {}, "Say why with --why"),
        (["watch", "-", "--why", "case 1"], {}, "That is no number plate"),
        (["status"], {}, "start `crime-assets stream run`"),
        (["run"], {"CRIME_STREAM": ""}, "set CRIME_STREAM to a name"),
        (["run"], {"CRIME_STREAM_TIMEZONE": "Asia/Nowhere"}, "is no time zone"),
        (["run"], {"CRIME_STREAM_SOURCE": "firehose:fir/"}, "the asset fir_deliveries takes it"),
        (["produce"], {"CRIME_STREAM_SOURCE": "firehose:fir/"}, "the asset fir_deliveries takes it"),
        (["status"], {"CRIME_STREAM_SOURCE": "firehose:fir/"}, "the asset fir_deliveries takes it"),
        (["run"], {"CRIME_ALERTS_WEBHOOK": "http://elsewhere.example"}, "not sent in the clear"),
    ],
)
def test_what_cannot_be_done_is_said(
    words: list[str],
    settings: dict[str, str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    assert main(["stream", *words]) in (1, 2)

    assert sentence in capsys.readouterr().err
