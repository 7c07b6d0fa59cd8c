"""Whatever somebody of district 011 opens or asks over HTTP, both worlds answer the same, to the last byte."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pytest
from starlette.testclient import TestClient

from crime_assets.core import keys
from crime_assets.core.insights import all_insights
from crime_assets.governance import confine
from crime_assets.publishing import forecast_tables
from crime_assets.publishing.dashboard.figures import TABLES
from crime_assets.publishing.forecasts import write
from crime_assets_tests.governance.test_two_worlds import attacks
from crime_assets_tests.governance.worlds import LAST, MERGED, lay, other_world, versions
from crime_assets_tests.publishing import forecasts_made
from crime_assets_tests.publishing.governed.behind import POLICY, SCOPES, Behind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not confine.landlock_version(), reason="this kernel has no Landlock: nobody is answered here"),
]

EARLIER_DAYS_TOO = re.sub(r"(\[roles\.(commander|desk|watch)\])", r"\1\nas_of = true", POLICY)
CHOICES = [
    "",
    "period=365d&map=community_area",
    "period=all&map=hotspots",
    "offense_class=property&map=beat",
    "district=011",
    "district=011&beat=0111",
    "district=012",
    f"day={MERGED[1]}",
    f"beside={MERGED[0]}",
    "day=2023-01-01",
    "period='",
]
BOTH = ["district=011", f"period=all&beside={MERGED[0]}"]

FORECASTS = [
    "/forecast",
    f"/forecast?target=burglary&days=28&share=2&day={LAST}",
    "/forecast/map.svg",
    *(f"/forecast/{name}.csv" for name in ("cells", "areas", "totals", "scores", "exposure")),
]


def addresses() -> list[str]:
    """Every page, table, picture and file."""
    found = [f"/?{choice}" for choice in CHOICES]
    tables = [*TABLES, *(insight.name for insight in all_insights()), "none", "both-areas"]
    found += [f"/table/{name}.{kind}?{choice}" for name in tables for kind in ("csv", "parquet") for choice in BOTH]
    found += [f"/picture/{name}.svg?{choice}" for name in ("map", "trend", "hours", "types", "x") for choice in BOTH]
    found += [f"/map/{name}.json?{choice}" for name in ("figures", "hotspots", "blocks") for choice in BOTH]
    found += ["/map/shapes/district-0.json", "/picture/trend.png", "/view.pdf", "/tables", "/words", "/login", "/none"]
    return found + [f"/briefing/chicago/{LAST}.{kind}" for kind in ("html", "pdf", "txt")]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Behind]]:
    days = versions(seed=1, crimes=600)
    found = []
    key = tmp_path_factory.mktemp("key") / "mask.key"
    key.write_bytes(bytes(range(32)))
    for name, laid in (("one", days), ("two", other_world(days, seed=2))):
        place = tmp_path_factory.mktemp(name)
        lay(place / "lake", laid)
        governance = place / "lake" / "governance"
        governance.mkdir(mode=0o700)
        (governance / "mask.key").write_bytes(key.read_bytes())
        (governance / "mask.key").chmod(0o600)
        found.append(Behind(place, EARLIER_DAYS_TOO))
    # Of the whole city, and in one world only.
    forecasts_made.put(found[0].profile, [LAST])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast_tables, "_SEEDS", 1)
        write(found[0].profile, LAST)
    yield found
    for world in found:
        world.access.close()


@pytest.fixture(params=SCOPES)
def browsers(worlds: list[Behind], request: pytest.FixtureRequest) -> list[tuple[Behind, TestClient]]:
    return [(world, world.logged_in(request.param)) for world in worlds]


def check_pages(browsers: list[tuple[Behind, TestClient]], asked: Sequence[str]) -> None:
    """Each address brings the same, and most bring something."""
    answered = 0
    for address in asked:
        one, two = (client.get(address) for _, client in browsers)
        assert (one.status_code, dict(one.headers)) == (two.status_code, dict(two.headers)), address
        assert one.content == two.content, address
        assert b"ZHIDDEN" not in one.content
        answered += one.status_code == 200
    assert answered > 0.6 * len(asked)


def test_pages_and_files_are_the_same(browsers: list[tuple[Behind, TestClient]]) -> None:
    check_pages(browsers, addresses()[::6])


def test_forecasts_are_neither_shown_nor_linked(browsers: list[tuple[Behind, TestClient]]) -> None:
    """They are of the whole city: only one of the worlds has them, and nobody can tell which."""
    assert [len([*world.profile.landing.list(keys.FORECASTS)]) for world, _ in browsers] == [1, 0]
    for address in ("/", "/tables", *FORECASTS):
        one, two = (client.get(address) for _, client in browsers)
        assert (one.status_code, dict(one.headers)) == (two.status_code, dict(two.headers)), address
        assert one.content == two.content, address
        assert one.status_code == (404 if address in FORECASTS else 200)
        assert b'"/forecast' not in one.content


@pytest.mark.stress
def test_every_page_and_file_is_the_same(browsers: list[tuple[Behind, TestClient]]) -> None:
    check_pages(browsers, addresses())


def test_every_page_has_its_line(browsers: list[tuple[Behind, TestClient]]) -> None:
    """The trails of both worlds tell the same: they, too, say nothing of what is hidden."""
    told = []
    for world, client in browsers:
        before = len(world.lines())
        for address in ("/tables", "/table/areas.csv", "/none", "/table/none.csv"):
            client.get(address)
        lines = world.lines()[before:]
        told.append([(line.event, line.fields["page"], line.fields["rows"], line.fields["bytes"]) for line in lines])
    assert told[0] == told[1]
    assert [line[:2] for line in told[0]] == [
        ("page", "/tables"),
        ("download", "/table/areas.csv"),
        ("refuse", "/none"),
        ("refuse", "/table/none.csv"),
    ]
    assert told[0][1][2] > 0


def check_attacks(worlds: list[Behind], principal: str, asked: Mapping[str, str]) -> None:
    """Each attack gets the same answer over HTTP."""
    clients = [(world, world.client(), world.token(principal)) for world in worlds]
    for name, sql in asked.items():
        said = []
        for world, client, token in clients:
            home = str(world.profile.lake.home)
            told = {"sql": re.sub(r"\{(d|f|gate|out)\}", home, sql), "format": "csv"}
            answer = client.post("/query", json=told, headers={"Authorization": f"Bearer {token}"})
            text = re.sub(r"[0-9a-f]{32}", "HEX", answer.text.replace(home, "HOME"))
            # Without an order, two threads may hand groups over in either, also in one and the same world.
            said.append((answer.status_code, text if "ORDER BY" in sql else sorted(text.splitlines())))
        assert said[0] == said[1], name
        assert "ZHIDDEN" not in str(said[0])


@pytest.mark.parametrize("principal", SCOPES)
def test_attacks_over_http_see_no_difference(worlds: list[Behind], principal: str) -> None:
    check_attacks(worlds, principal, dict(list(attacks().items())[SCOPES.index(principal) :: 8]))


@pytest.mark.stress
@pytest.mark.parametrize("principal", SCOPES)
def test_all_attacks_over_http_see_no_difference(worlds: list[Behind], principal: str) -> None:
    check_attacks(worlds, principal, attacks())
