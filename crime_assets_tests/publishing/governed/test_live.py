"""Live alerts by the policy: of the own districts alone, until that ends, and each with its line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.governance.policy import parse_policy
from crime_assets_tests.governance.worlds import lay, versions
from crime_assets_tests.publishing.dashboard.alerts import STREAM, Raising, line, listening
from crime_assets_tests.publishing.dashboard.serving import served_app
from crime_assets_tests.publishing.governed.behind import POLICY, Behind

pytestmark = pytest.mark.slow

COMMANDER = '[roles.commander]\ntables = ["crimes", "crimes_superseded", "insights"'
LIVE = f"""{POLICY.replace(COMMANDER, f'{COMMANDER}, "alerts"')}
[roles.room]
tables = ["alerts"]

[principals.room]
role = "room"
"""
STATIONS = [{"station": f"SX/{one}/1", "district": one, "lat": 19.1, "lon": 73.1} for one in ("011", "012")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("live")
    lay(found / "lake", versions(seed=3, crimes=60))
    return found


@pytest.fixture
def behind(place: Path) -> Iterator[Behind]:
    found = Behind(place, LIVE, stream=STREAM)
    yield found
    found.access.close()


@pytest.fixture
def raising(behind: Behind) -> Raising:
    """A stream of an epoch of its own."""
    found = Raising(behind.profile.landing, lambda: behind.now)
    found.begin(f"E{time.time_ns()}")
    found.status(stations=STATIONS)
    return found


@pytest.fixture
def address(behind: Behind, raising: Raising) -> Iterator[str]:
    with served_app(behind.app) as found:
        yield found


def cookie(address: str, behind: Behind, principal: str) -> dict[str, str]:
    """What a browser sends that is logged in."""
    connection = HTTPConnection(urlsplit(address).netloc)
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/login/token", urlencode({"token": behind.token(principal)}), headers)
    found = connection.getresponse().getheader("Set-Cookie")
    assert found is not None
    return {"Cookie": found.partition(";")[0]}


def get(address: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def acknowledge(address: str, headers: dict[str, str], **told: Any) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection(urlsplit(address).netloc)
    asked = {"alert": "a1", "revision": 1, "who": "somebody else", **told}
    connection.request("POST", "/live/acknowledge", json.dumps(asked), {"Sec-Fetch-Site": "same-origin", **headers})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def own(name: str, **fields: Any) -> dict[str, Any]:
    return line(name, district="011", **fields)


def elsewhere(name: str, **fields: Any) -> dict[str, Any]:
    return line(name, district="012", title="ZHIDDEN", subject="SX/012/1", **fields)


def test_each_sees_the_own_district_alone(address: str, behind: Behind, raising: Raising) -> None:
    raising.raise_(own("a1"), elsewhere("b1"))
    browser = cookie(address, behind, "diaz")
    status, page = get(address, "/live", browser)
    assert status == 200
    assert "a1" in page
    assert "You see the alerts of district 011." in page
    with listening(address, **browser) as events:
        assert events.next("reset").ids == ["a1.1"]
        raising.raise_(elsewhere("b2"), own("a2"), elsewhere("b3"))
        raising.raise_(elsewhere("b2", revision=2))
        event = events.next("alerts")
        assert (event.ids, event.id) == (["a2.1"], f"{raising.epoch}.a2.1")
        found = page + events.bytes.decode()
    for hidden in ("ZHIDDEN", "b1", "b2", "b3", "012"):
        assert hidden not in found, hidden
    page = get(address, "/live", cookie(address, behind, "room"))[1]
    assert all(name in page for name in ("a1", "b1", "b3", "SX/012/1"))


def test_what_happens_elsewhere_sends_nothing(address: str, behind: Behind, raising: Raising) -> None:
    """Not even how much that is, or who acknowledged it."""
    raising.raise_(own("a1"))
    with listening(address, timeout=2, **cookie(address, behind, "diaz")) as events:
        events.next("state")
        before = bytes(events.bytes)
        for n in range(20):
            raising.raise_(elsewhere(f"b{n}"))
        assert acknowledge(address, cookie(address, behind, "twelve"), alert="b1")[0] == 200
        with pytest.raises(TimeoutError):
            events.next()
        assert bytes(events.bytes) == before


def test_whether_an_alert_is_elsewhere_cannot_be_asked_by_its_mark(
    address: str, behind: Behind, raising: Raising
) -> None:
    """Ids are computed of rule, station and hour, so they can be guessed."""
    raising.raise_(elsewhere("b1"))
    raising.raise_(own("a1"))
    browser = cookie(address, behind, "diaz")
    found = []
    for name in ("b1", "b2"):
        with listening(address, f"{raising.epoch}.{name}.1", **browser) as events:
            event = events.next("alerts", "reset")
            found.append((event.name, event.ids, event.id))
    assert found[0] == found[1]
    with listening(address, f"{raising.epoch}.b1.1", **cookie(address, behind, "room")) as events:
        assert events.next("alerts", "reset").ids == ["a1.1"]


@pytest.mark.parametrize("how", ["policy", "token", "logout", "idle"])
def test_who_may_not_look_any_more_is_cut_off(address: str, behind: Behind, raising: Raising, how: str) -> None:
    browser = cookie(address, behind, "diaz")
    with listening(address, **browser) as events:
        events.next("reset")
        match how:
            case "policy":
                behind.put(LIVE.replace("[principals.diaz]", "[principals.another]"))
            case "token":
                behind.access.tokens.revoke("diaz")
            case "logout":
                connection = HTTPConnection(urlsplit(address).netloc)
                connection.request("POST", "/logout", headers={**browser, "Sec-Fetch-Site": "same-origin"})
                assert connection.getresponse().status == 303
            case "idle":
                # Looking on is no use of a session.
                behind.later(minutes=31)
        begun = time.monotonic()
        events.next("end")
        assert time.monotonic() - begun < 6
        with pytest.raises(EOFError):
            events.next()
    raising.raise_(own("a1"))
    with listening(address, **browser) as events:
        events.next("end")
        with pytest.raises(EOFError):
            events.next()


def test_what_is_raised_after_a_revocation_does_not_leave(address: str, behind: Behind, raising: Raising) -> None:
    with listening(address, **cookie(address, behind, "diaz")) as events:
        events.next("reset")
        behind.put(LIVE.replace("[principals.diaz]", "[principals.another]"))
        raising.raise_(own("a1"))
        assert events.next("alerts", "end").name == "end"


def test_pages_answer_while_alerts_are_open(address: str, behind: Behind, raising: Raising) -> None:
    connections = [listening(address, **cookie(address, behind, "diaz")) for _ in range(10)]
    for one in connections:
        one.__enter__().next("reset")
    begun = time.monotonic()
    assert get(address, "/words", cookie(address, behind, "diaz"))[0] == 200
    assert time.monotonic() - begun < 5
    for one in connections:
        one.__exit__(None, None, None)


def test_a_browser_has_a_few_connections_only(address: str, behind: Behind, raising: Raising) -> None:
    browser = cookie(address, behind, "diaz")
    connections = [listening(address, **browser) for _ in range(6)]
    for one in connections:
        one.__enter__().next("reset")
    with listening(address, **browser) as events:
        assert events.status == 404
    connections[0].__exit__(None, None, None)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with listening(address, **browser) as events:
            if events.status == 200:
                break
        time.sleep(0.2)
    assert events.status == 200
    for one in connections[1:]:
        one.__exit__(None, None, None)


def test_every_shown_alert_is_on_the_trail(address: str, behind: Behind, raising: Raising) -> None:
    browser = cookie(address, behind, "diaz")
    before = len(behind.lines())
    raising.raise_(own("a0"))
    get(address, "/live", browser)
    came: list[str] = []
    with listening(address, **browser) as events:
        for n in range(1, 40):
            raising.raise_(own(f"a{n}"), elsewhere(f"b{n}"))
            time.sleep(0.05)
        while "a39.1" not in came:
            came += events.next("alerts", "reset").ids
            # Its line was there before it came.
            noted = [name for entry in behind.lines()[before:] for name in entry.fields.get("alerts", [])]
            assert set(came) <= set(noted)
    lines = [entry for entry in behind.lines()[before:] if entry.event == "alerts"]
    assert [name for entry in lines[1:] for name in entry.fields["alerts"]] == came
    assert lines[0].fields["page"] == "/live"
    assert {entry.fields["principal"] for entry in lines} == {"diaz"}
    assert {tuple(entry.fields["tables"]) for entry in lines} == {("alerts",)}
    # One a second, however much comes.
    assert len(lines) <= 8


def test_where_the_trail_cannot_be_written_nothing_is_shown(address: str, behind: Behind, raising: Raising) -> None:
    raising.raise_(own("a1"))
    browser = cookie(address, behind, "diaz")
    with listening(address, **browser) as events:
        events.next("reset")
        trail = behind.profile.lake.home / "trail"
        trail.rename(trail.with_name("aside"))
        trail.write_text("full")
        try:
            raising.raise_(own("a2"))
            with pytest.raises(EOFError):
                events.next("alerts")
            status, page = get(address, "/live", browser)
            assert (status, "a1" in page) == (503, False)
            assert acknowledge(address, browser)[0] == 503
            assert raising.acknowledged() == []
        finally:
            trail.unlink()
            trail.with_name("aside").rename(trail)


def test_who_acknowledges_is_who_is_logged_in(address: str, behind: Behind, raising: Raising) -> None:
    raising.raise_(own("a1"), elsewhere("b1"))
    browser = cookie(address, behind, "diaz")
    assert 'id="who"' not in get(address, "/live", browser)[1]
    assert acknowledge(address, browser)[1]["who"] == "diaz"
    assert behind.events("principal", "alerts")[-1] == ("acknowledge", "diaz", ["a1.1"])
    for told, headers in ((({"alert": "b1"}), {}), ({}, {"Sec-Fetch-Site": "cross-site"})):
        status, answer = acknowledge(address, {**browser, **headers}, **told)
        assert (status, list(answer)) == (400, ["sentence"])
    assert [one["who"] for one in raising.acknowledged()] == ["diaz"]


def test_others_are_led_to_the_login_or_refused(address: str, behind: Behind, raising: Raising) -> None:
    raising.raise_(own("a1"))
    assert get(address, "/live", {})[0] == 303
    with listening(address) as events:
        assert events.next().name == "end"
    for principal, said in (("desk", "does not have the table alerts"), ("careful", "must say what for")):
        browser = cookie(address, behind, principal)
        for path in ("/live", "/live/alerts"):
            status, page = get(address, path, browser)
            assert (status, said in page, "a1" in page) == (404, True, False)


def test_pages_lead_to_alerts_for_who_has_them(behind: Behind) -> None:
    for principal, is_there in (("diaz", True), ("desk", False), ("keeper", True)):
        assert ('href="/live"' in behind.logged_in(principal).get("/").text) == is_there, principal


def test_who_has_alerts_alone_is_led_to_them(behind: Behind, raising: Raising) -> None:
    raising.raise_(own("a1"))
    room = behind.logged_in("room")
    first = room.get("/", follow_redirects=False)
    assert (first.status_code, first.headers["location"]) == (303, "/live")
    assert "a1" in room.get("/live").text
    assert room.get("/beat/0101").status_code == 404
    assert behind.logged_in("diaz").get("/", follow_redirects=False).status_code == 200


def test_without_a_stream_there_are_none(place: Path) -> None:
    without = Behind(place, LIVE)
    room = without.logged_in("room")
    assert [room.get(path).status_code for path in ("/live", "/")] == [404, 404]
    assert 'href="/live"' not in without.logged_in("diaz").get("/").text
    without.access.close()


@pytest.mark.parametrize(
    ("rows", "is_right"),
    [
        ("district IN (:districts)", True),
        ("(arrest = TRUE) AND (district IN (:districts) AND domestic = FALSE)", True),
        ("district IN (:districts) OR arrest = TRUE", False),
        ("NOT district IN (:districts)", False),
        ("district NOT IN (:districts)", False),
        ("beat IN (:districts)", False),
        ("district = '011'", False),
    ],
)
def test_alerts_are_for_rows_of_districts(rows: str, is_right: bool) -> None:
    policy = LIVE.replace('rows = "district IN (:districts)"', f'rows = "{rows}"').encode()
    if is_right:
        assert parse_policy(policy).principals["diaz"].districts == ("011",)
    else:
        with pytest.raises(UsageError):
            parse_policy(policy)
