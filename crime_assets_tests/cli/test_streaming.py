"""`crime-assets stream`: from simulated reports to alerts, by commands; what cannot be done is said in a sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from crime_assets.cli.main import main

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRIME_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv("CRIME_STREAM", "fir")
    return tmp_path / "lake"


def test_from_reports_to_alerts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "produce", "--weeks", "2", "--rate", "400"]) == 0
    put = int(re.findall(r"(\d+) messages of 2 weeks", capsys.readouterr().out)[0])
    assert main(["stream", "run", "--until-ended"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{put} messages in 1 ticks")
    assert main(["stream", "status"]) == 0
    out = capsys.readouterr().out
    assert "Alerts: " in out
    assert re.search(r"\d s behind", out)

    assert main(["stream", "run", "--until-ended"]) == 0
    assert capsys.readouterr().out.startswith("0 messages")


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
