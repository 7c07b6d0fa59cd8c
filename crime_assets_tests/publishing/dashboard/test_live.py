"""Live alerts over HTTP: what a page is sent, from where on, and what it may send."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from crime_assets.incidents.chain import ACKNOWLEDGED, ALERTS
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.dashboard import following, live
from crime_assets.publishing.dashboard.alerts import read_alert, shown
from crime_assets.publishing.dashboard.following import last_of
from crime_assets_tests.publishing.dashboard.alerts import STREAM, Events, Raising, line, listening
from crime_assets_tests.publishing.dashboard.serving import served

SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    return Profile(Settings(home=tmp_path / "lake", stream=STREAM))


@pytest.fixture
def raising(profile: Profile) -> Raising:
    found = Raising(profile.landing)
    found.begin()
    return found


@pytest.fixture
def address(profile: Profile, raising: Raising, tmp_path: Path) -> Iterator[str]:
    with served(profile, tmp_path / "cache") as found:
        yield found


def page(address: str, query: str = "") -> str:
    connection = HTTPConnection(urlsplit(address).netloc)
    connection.request("GET", f"/live{query}")
    return connection.getresponse().read().decode()


def acknowledge(address: str, headers: dict[str, str] = SAME_SITE, **told: Any) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(urlsplit(address).netloc)
    asked = {"alert": "a1", "revision": 1, "who": "Rao", **told}
    connection.request("POST", "/live/acknowledge", json.dumps(asked), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def listed(text: str) -> list[str]:
    return [found for found in re.findall(r'<li class="[^"]*" tabindex="-1" data-alert="([^"]*)"', text) if found]


def seen(events: Events, count: int) -> list[str]:
    """So many alerts at least."""
    found: list[str] = []
    while len(found) < count:
        found += events.next("alerts", "reset").ids
    return found


def test_alerts_come_as_they_are_raised_and_never_twice(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"), line("a2"))
    with listening(address) as events:
        first = events.next("reset")
        assert first.ids == ["a1.1", "a2.1"]
        raising.raise_(line("a3"))
        raising.raise_(line("a1", 2))
        assert sorted(seen(events, 2)) == ["a1.2", "a3.1"]


def test_a_broken_connection_goes_on_where_it_was(address: str, raising: Raising) -> None:
    came: list[str] = []
    after = ""
    for round_ in range(4):
        with listening(address, after) as events:
            for n in range(10):
                raising.raise_(line(f"a{round_}-{n}a"), line(f"a{round_}-{n}b"))
            while len(came) < 20 * round_ + 15:
                event = events.next("alerts", "reset")
                came += event.ids
                after = event.id
            events.leave()
    with listening(address, after) as events:
        came += seen(events, 80 - len(came)) if len(came) < 80 else []
    assert sorted(came) == sorted(f"a{round_}-{n}{half}.1" for round_ in range(4) for n in range(10) for half in "ab")


def test_also_across_a_restart(profile: Profile, raising: Raising, tmp_path: Path) -> None:
    with served(profile, tmp_path / "cache") as address, listening(address) as events:
        raising.raise_(line("a1"), line("a2"))
        while not (event := events.next("alerts", "reset")).ids:
            pass
    raising.raise_(line("a3"))
    with served(profile, tmp_path / "cache") as address, listening(address, event.id) as events:
        assert events.next("alerts", "reset").ids == ["a3.1"]


DAMAGED = [
    ("alerts", b'{"alert_id":"x","revision":1' + b"0" * 30 + b',"rule":"surge"}'),
    ("alerts", b'{"alert_id":"x","revision":1,"title":"\\ud800"}'),
    ("alerts", b"[" * 100_000),
    ("alerts", b'{"alert_id":"x","revision":1,"title":"\xff"}'),
    (
        "alerts",
        b'{"alert_id":"x","revision":1,"lat":NaN,"lon":Infinity,"at_least":1e999,"window_start":"9999-12-31T23:59:59+00:00","window":"hour"}',
    ),
    ("alerts", b'{"alert_id":"x","revision":1,"raised_at":"0001-01-01T00:00:00+00:00"}'),
    ("alerts", b'{"alert_id":"x","revision":1,"raised_at":"9999-12-31T23:59:59+00:00"}'),
    ("acknowledged", b'{"alert_id":"a1","revision":1e999,"who":"x","at":"x"}'),
    ("acknowledged", b"[" * 100_000),
    ("acknowledged", b'{"alert_id":"a1","revision":1,"who":"\\ud800","at":"2026-03-05T08:45:30+00:00"}'),
    ("acknowledged", b'{"alert_id":"a1","revision":1,"who":"x","at":"0001-01-01T00:00:00+14:00"}'),
    ("status", b'{"lag_seconds":Infinity,"written_at":"2026-03-05T08:45:30+00:00"}'),
    ("status", b'{"written_at":"0001-01-01T00:00:00+14:00"}'),
    ("status", b'{"stations":[{"lat":NaN,"lon":Infinity}]}'),
    ("status", b"[" * 100_000),
    ("status", b"\xff"),
]


@pytest.mark.parametrize(("name", "content"), DAMAGED, ids=map(str, range(len(DAMAGED))))
def test_a_damaged_object_does_not_keep_others_from_being_seen(
    address: str, raising: Raising, profile: Profile, name: str, content: bytes
) -> None:
    raising.raise_(line("a1"))
    if name == "alerts":
        raising.number += 1
        raising.chain(ALERTS).write(raising.number, content + b"\n")
    elif name == "acknowledged":
        raising.chain(ACKNOWLEDGED).write(1, content + b"\n")
    else:
        profile.landing.write(f"live/stream={STREAM}/status.json", content)
    raising.raise_(line("a2"))
    text = page(address)
    assert {"a1", "a2"} <= {*listed(text)}
    with listening(address) as events:
        assert {"a1.1", "a2.1"} <= {*events.next("reset").ids}
        raising.raise_(line("a3"))
        assert "a3.1" in seen(events, 1)


def test_a_page_says_from_where_on_its_events_are(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    text = page(address)
    raising.raise_(line("a2"))
    (mark,) = re.findall('data-mark="([^"]*)"', text)
    assert listed(text) == ["a1"]
    with listening(address, mark) as events:
        assert events.next("alerts", "reset").ids == ["a2.1"]


@pytest.mark.parametrize("mark", ["x", "20260301T120000Z-1a2b3c4d.zz.1", "other.a1.1", "20260301T120000Z-1a2b3c4d..0"])
def test_what_is_not_known_any_more_begins_anew(address: str, raising: Raising, mark: str) -> None:
    raising.raise_(line("a1"))
    with listening(address, mark) as events:
        event = events.next("alerts", "reset")
    assert (event.name, event.ids) == ("reset", ["a1.1"])


def test_who_is_older_than_what_is_kept_begins_anew(
    address: str, raising: Raising, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEPT", 20)
    raising.raise_(line("a0"))
    with listening(address) as events:
        mark = events.next("reset").id
    for n in range(1, 40):
        raising.raise_(line(f"a{n}"))
    with listening(address, mark) as events:
        event = events.next("alerts", "reset")
    assert (event.name, event.ids) == ("reset", [f"a{n}.1" for n in range(20, 40)])


def test_another_epoch_begins_anew(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    with listening(address) as events:
        assert events.next("reset").ids == ["a1.1"]
        raising.begin("20260302T120000Z-00000000")
        raising.raise_(line("b1"))
        while (event := events.next("alerts", "reset")).ids != ["b1.1"]:
            assert event.ids == []
        assert event.name == "reset" or event.id.startswith("20260302T")


def test_a_stream_that_is_old_is_not_read_from_its_beginning(
    profile: Profile, raising: Raising, tmp_path: Path
) -> None:
    """Nor is it lost, if its oldest objects were removed."""
    raising.number = 70_000
    for n in range(5):
        raising.raise_(line(f"a{n}"))
    raising.status()
    with served(profile, tmp_path / "cache") as address:
        assert listed(page(address)) == ["a4", "a3", "a2", "a1", "a0"]
        raising.number = 90_000
        raising.raise_(line("b"))
        raising.status()
        time.sleep(2.1)
        assert listed(page(address)) == ["b"]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 40])
def test_the_end_of_a_chain_is_found(raising: Raising, count: int) -> None:
    for _ in range(count):
        raising.raise_(line("a1"))
    assert last_of(raising.chain(ALERTS)) == count


def test_one_who_does_not_read_costs_nothing_to_the_others(
    address: str, raising: Raising, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEPT", 50)
    with listening(address) as idle, listening(address) as events:
        idle.next("reset")
        events.next("reset")
        for n in range(300):
            raising.raise_(line(f"a{n}", title="x" * 200))
            if n % 20 == 19:
                time.sleep(0.15)
        came: set[str] = set()
        while "a299.1" not in came:
            came |= set(events.next("alerts", "reset").ids)
        late: set[str] = set()
        while "a299.1" not in late:
            late |= set(idle.next("alerts", "reset").ids)


def test_more_than_may_be_connected_are_refused(
    address: str, raising: Raising, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "MOST_STREAMS", 1)
    with listening(address) as one:
        one.next("reset")
        with listening(address) as other:
            assert (other.status, other.headers["retry-after"]) == (503, "5")


def test_a_revision_takes_the_place_of_the_one_before(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    raising.raise_(line("a2", 1, rule="silent_station", window="block", at_least=None))
    raising.raise_(line("a1", 2, at_least=9), line("a2", 2, rule="silent_station"))
    text = page(address)
    assert listed(text) == ["a2", "a1"]
    assert text.count("Revision 2") == 2
    assert "9 or more reports; 8 in 8 such times before; from 2026-03-05 14:00 to 15:00." in text
    assert "Withdrawn: reports of that time came late." in text
    assert "2026-03-05 14:15:30" in text, "the clock of the stream's zone"


def test_a_choice_is_kept_without_scripts(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"), line("a2", rule="major_head", district="102"))
    assert listed(page(address, "?rule=major_head")) == ["a2"]
    assert listed(page(address, "?district=101")) == ["a1"]
    assert listed(page(address, "?district=101&rule=major_head")) == []


def test_a_text_of_the_stream_is_no_markup(address: str, raising: Raising) -> None:
    raising.raise_(line("a1", title="<script>x</script>", subject='"><b>', lat=19.01, district="<i>"))
    text = page(address)
    assert "<script>x" not in text
    assert "<b>" not in text
    assert "<i>" not in text


@pytest.mark.parametrize(
    "told",
    [b"{", b"[]", b"{}", b'{"alert_id": "a b", "revision": 1}', b'{"alert_id": "a", "revision": 0}', b"\xff", b"null"],
)
def test_a_line_that_is_none_hides_no_other(address: str, raising: Raising, told: bytes) -> None:
    raising.number += 1
    raising.chain(ALERTS).write(1, told + b"\n" + json.dumps(line("a1")).encode() + b"\n")
    raising.chain(ACKNOWLEDGED).write(1, told)
    assert listed(page(address)) == ["a1"]


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("hour", "from 2026-03-05 14:00 to 15:00"),
        ("block", "from 2026-03-05 14:00 to 20:00"),
        ("day", "on 2026-03-05"),
    ],
)
def test_when_an_alert_is_about(window: str, said: str) -> None:
    alert = read_alert(json.dumps(line("a1", window=window, at_least=1, before_reports=None)).encode())
    assert shown(alert, "Asia/Kolkata")["said"] == f"A report; {said}."


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"window": "fir", "window_start": None, "at_least": 1}, ("SX/101/01", "")),
        ({"subject": "SX/101/01|murder"}, ("SX/101/01, murder", "6 or more reports; from 2026-03-05 14:00 to 15:00.")),
        ({"subject": "burglary|19050|73100", "window": "x"}, ("burglary, at 19.050, 73.100", None)),
        ({"subject": "19050|73100", "lat": None, "window": "x"}, ("19050, 73100", None)),
        ({"at_least": 0, "before_reports": 40}, (None, "No report; 40 in 8 such times before; from 2026-03-05 14:00")),
    ],
)
def test_what_an_alert_is_about(fields: dict[str, Any], said: tuple[str | None, str | None]) -> None:
    told = {"before_reports": None, **fields}
    found = shown(read_alert(json.dumps(line("a1", **told)).encode()), "Asia/Kolkata")
    subject, sentence = said
    assert subject in (None, found["subject"])
    assert sentence is None or found["said"].startswith(sentence)
    assert sentence != "" or found["said"] == ""


def test_an_acknowledgement_is_everybodys(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    with listening(address) as events:
        events.next("reset")
        assert acknowledge(address, who="  R.  Rao ")[0] == 200
        (told,) = events.next("alerts").data["acknowledged"]
    assert (told["alert"], told["revision"], told["who"]) == ("a1", 1, "R. Rao")
    assert [(one["alert_id"], one["who"]) for one in raising.acknowledged()] == [("a1", "R. Rao")]
    assert "Acknowledged by R. Rao, " in page(address)


def test_the_first_who_acknowledges_is_shown(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    raising.chain(ACKNOWLEDGED).append(
        json.dumps({"alert_id": "a1", "revision": 1, "who": "First", "at": "2026-03-05T09:00:00+00:00"}).encode()
    )
    assert acknowledge(address)[1] == {"alert": "a1", "revision": 1, "who": "First", "at": "2026-03-05 14:30:00"}
    assert len(raising.acknowledged()) == 1
    # Another process may write one that is not known here yet: the first of the chain is shown all the same.
    raising.chain(ACKNOWLEDGED).append(
        json.dumps({"alert_id": "a1", "revision": 1, "who": "Second", "at": "2026-03-05T09:01:00+00:00"}).encode()
    )
    assert "Acknowledged by First" in page(address)
    assert "Second" not in page(address)


def test_a_later_revision_is_to_be_acknowledged_anew(address: str, raising: Raising) -> None:
    raising.raise_(line("a1"))
    acknowledge(address)
    raising.raise_(line("a1", 2))
    assert re.search("Acknowledged by Rao, [-0-9: ]+, in revision 1", page(address))
    assert acknowledge(address, revision=2, who="Iyer")[1]["who"] == "Iyer"
    assert "Acknowledged by Iyer" in page(address)


@pytest.mark.parametrize(
    "told",
    [
        {"who": ""},
        {"who": "x" * 81},
        {"who": "a\u202eb"},
        {"who": None},
        {"alert": "a2"},
        {"alert": None},
        {"revision": 2},
        {"revision": 0},
        {"revision": True},
        {"more": "x" * 1024},
    ],
)
def test_what_is_no_acknowledgement_is_refused(address: str, raising: Raising, told: dict[str, Any]) -> None:
    raising.raise_(line("a1"))
    status, answer = acknowledge(address, **told)
    assert (status, list(answer)) == (400, ["sentence"])
    assert raising.acknowledged() == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "{address}"},
    ],
)
def test_another_site_can_acknowledge_nothing(address: str, raising: Raising, headers: dict[str, str]) -> None:
    raising.raise_(line("a1"))
    headers = {name: value.replace("{address}", address) for name, value in headers.items()}
    assert acknowledge(address, headers)[0] == 400
    assert raising.acknowledged() == []
    # A browser of before these headers says its origin.
    assert acknowledge(address, {"Origin": address})[0] == 200


def test_what_nobody_reads_any_more_is_said(profile: Profile, raising: Raising, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with served(Profile(profile.settings, lambda: now), tmp_path / "cache") as address:
        assert "Reports are read as they come." in page(address)
        now += timedelta(seconds=90)
        assert 'class="state wrong"' in (text := page(address))
        assert "Nobody has read the stream since" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"lag_seconds": 240}, "about 4 minutes late"),
        ({"lost_since": "2026-03-05T08:45:30+00:00"}, "Reports were lost"),
        ({"error": "secret"}, "has stopped with an error"),
    ],
)
def test_how_the_stream_is_comes_too(address: str, raising: Raising, status: dict[str, Any], said: str) -> None:
    with listening(address) as events:
        assert not events.next("state").data["is_wrong"]
        raising.status(**status)
        event = events.next("state")
    assert event.data["is_wrong"]
    assert said in event.data["said"]
    assert "secret" not in event.data["said"]


def test_a_stream_that_has_not_begun_is_a_page(profile: Profile, tmp_path: Path) -> None:
    with served(profile, tmp_path / "cache") as address:
        text = page(address)
        with listening(address) as events:
            assert events.next("reset").ids == []
            found = Raising(profile.landing)
            found.begin()
            found.raise_(line("a1"))
            assert seen(events, 1) == ["a1.1"]
    assert "There is no alert yet." in text
    assert "Nobody has read this stream yet." in text


def test_the_server_ends_though_pages_listen(profile: Profile, raising: Raising, tmp_path: Path) -> None:
    with served(profile, tmp_path / "cache") as address:
        raising.raise_(line("a1"))
        connections = [listening(address) for _ in range(5)]
        opened = [one.__enter__() for one in connections]
        for events in opened:
            events.next("reset")
        ending = time.monotonic()
    assert time.monotonic() - ending < 3
    for events in opened:
        with pytest.raises(EOFError):
            events.next("alerts")


def test_without_a_stream_there_is_no_page_and_nothing_of_it_is_loaded(profile: Profile, tmp_path: Path) -> None:
    without = Profile(replace(profile.settings, stream=""))
    with served(without, tmp_path / "cache") as address:
        connection = HTTPConnection(urlsplit(address).netloc)
        connection.request("GET", "/live")
        assert connection.getresponse().status == 404
        connection = HTTPConnection(urlsplit(address).netloc)
        connection.request("GET", "/")
        assert "/live" not in connection.getresponse().read().decode()


@pytest.mark.slow
def test_nothing_of_it_is_loaded_without_a_stream(tmp_path: Path) -> None:
    said = (
        "import sys; from pathlib import Path; from crime_assets.profiles import Profile, Settings; "
        "from crime_assets.publishing.dashboard.app import Dashboard; "
        "from crime_assets.publishing.reading import Extracts; "
        "profile = Profile(Settings(home=Path('lake'))); "
        "Dashboard(profile, Extracts(profile.landing, Path('cache'))).app(); "
        "print([name for name in sys.modules if 'crime_assets.incidents' in name or name.endswith('.live')])"
    )
    done = subprocess.run([sys.executable, "-c", said], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_name_of_a_stream_is_checked() -> None:
    assert Settings.from_environment({"CRIME_STREAM": "fir"}).stream_name == "fir"
    assert Settings.from_environment({}).stream_name == ""
    with pytest.raises(live.UsageError, match="CRIME_STREAM=a/b is not right"):
        Settings.from_environment({"CRIME_STREAM": "a/b"})
