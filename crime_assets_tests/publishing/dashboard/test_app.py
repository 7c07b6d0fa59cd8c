"""The dashboard's addresses: what they answer to what nobody should ask, and how their tables count."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from crime_assets.core import keys
from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard import app, page
from crime_assets.publishing.dashboard.choice import Choice
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.files import as_csv
from crime_assets.publishing.extract import write_extracts
from crime_assets.publishing.reading import Extracts
from crime_assets_tests.build import envelope, export_profile, kept, record, ticking_clock
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.dashboard.serving import served

DAY = date(2024, 1, 31)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """Forty crimes of two districts and of none, without an insight."""
    found = export_profile(tmp_path_factory.mktemp("app") / "lake", "none.csv")
    found.begin(DAY)
    merge(
        found.lake,
        *(
            envelope(record(number, f"{DAY}", "2024-01-20", district=("001", "011", None)[number % 3]), f"{DAY}")
            for number in range(40)
        ),
    )
    write_extracts(found.lake, found.landing, found.engine, found.city, (), [DAY])
    return found


@pytest.mark.parametrize(
    ("unmapped", "sentence"),
    [
        (0, None),
        (3, "Some records of the period have codes of no known class: they count in all offenses only."),
        (7, "7 records of the period have codes of no known class: they count in all offenses only."),
    ],
)
def test_records_of_no_known_class_count_in_all_and_are_said(
    tmp_path: Path, unmapped: int, sentence: str | None
) -> None:
    found = export_profile(tmp_path / "lake", "none.csv")
    found.begin(DAY)
    codes = ["XX"] * unmapped + ["06"] * 20 + ["03"] * 10
    records = (record(number, f"{DAY}", "2024-01-20", fbi_code=code) for number, code in enumerate(codes))
    merge(found.lake, *(envelope(one, f"{DAY}") for one in records))
    write_extracts(found.lake, found.landing, found.engine, found.city, (), [DAY])
    extract = Extracts(found.landing, tmp_path / "cache").of("chicago", DAY)
    figures = Figures(extract, Choice("chicago", DAY), 5)
    rows = {row["offense_class"]: row["crimes"] for row in figures.table("classes").to_pylist()}
    assert page.unmapped(figures) == (sentence or "")
    assert ("unmapped" in rows) == (unmapped > 0)
    # With three of them hidden, one of the others is, too: all less the others would be three.
    assert [*rows.values()].count(None) == (2 if unmapped == 3 else 0)
    assert rows["all"] in (None, len(codes))


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


Get = Callable[..., Answer]


def asker(address: str) -> Get:
    def get(path: str, method: str = "GET", **headers: str) -> Answer:
        """The path as it is written: a client with manners would put it in order first."""
        connection = HTTPConnection(urlsplit(address).netloc)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        connection.close()
        return found

    return get


@pytest.fixture(scope="module")
def get(profile: Profile) -> Iterator[Get]:
    with served(profile, profile.lake.home / "cache") as address:
        yield asker(address)


@pytest.mark.parametrize(
    "query",
    [
        "city=atlantis",
        "city=../chicago",
        "day=2024-02-01",
        "day=yesterday",
        "day=2024-01-31'--",
        "period=1d",
        "offense_class=arson",
        "district=999",
        "district=011'%20OR%201=1%20--",
        "map=globe",
        "district=" + "9" * 5000,
        "district=%00",
        "district=%ff",
    ],
)
def test_what_is_not_there_is_refused_with_a_sentence(get: Get, query: str) -> None:
    for path in ("/", "/tables", "/table/areas.csv", "/picture/map.svg"):
        answer = get(f"{path}?{query}")
        assert answer.status == 404
        assert "choose another" in answer.text
        assert len(answer.text) < 2_000


@pytest.mark.parametrize(
    "path",
    [
        "/table/crimes.csv",
        "/table/about.csv",
        "/table/places.csv",
        "/table/insight_compstat.csv",
        "/table/compstat.csv",
        "/table/changes.csv",
        "/table/areas.exe",
        "/picture/areas.svg",
        "/picture/map.jpg",
        "/briefing/chicago/2024-01-31.html",
        "/briefing/chicago/x.html",
        "/briefing/chicago/2024-01-31.exe",
        "/briefing/atlantis/2024-01-31.html",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/nothing",
    ],
)
def test_addresses_that_lead_nowhere(get: Get, path: str) -> None:
    assert get(path).status == 404


def test_a_sentence_is_no_markup(get: Get) -> None:
    answer = get(f"/?city={quote('<b>x</b>')}")
    assert "<b>x" not in answer.text
    assert "&lt;b&gt;x" in answer.text


def test_nobody_else_s_page_can_read_or_frame_it(get: Get) -> None:
    assert get("/", Host="evil.example").status == 400
    for answer in (get("/"), get("/", Host="evil.example"), get("/static/style.css"), get("/nothing")):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_nothing_can_be_posted(get: Get) -> None:
    assert get("/", "POST").status == 405


def test_a_page_without_compstat_still_shows_the_rest(get: Get) -> None:
    """Insights may be younger than an extract, or fail."""
    answer = get("/")
    assert answer.status == 200
    assert "There is nothing to compare yet." in answer.text


def test_those_without_a_district_can_be_chosen(get: Get) -> None:
    answer = get("/table/classes.csv?district=none")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["offense_class"]: row["crimes"] for row in rows if row["crimes"] != "0"} == {
        "all": "13",
        "property": "13",
    }


def test_figures_that_are_old_say_so(get: Get, profile: Profile, tmp_path: Path) -> None:
    """The newest ones: whoever chooses an older day knows what they do."""
    days = {
        now: Profile(profile.settings, clock=ticking_clock(now)) for now in ("2024-02-03T04:00", "2024-02-03T07:00")
    }
    shown = {}
    for now, seen_then in days.items():
        with served(seen_then, tmp_path / "cache") as address:
            shown[now] = asker(address)("/").text
    # It is four in the morning in London, and still the second of February in Chicago.
    assert [re.findall("these figures are [0-9]+ days old", text) for text in shown.values()] == [
        [],
        ["these figures are 3 days old"],
    ]


def test_pictures_taken_away_say_what_they_are(get: Get) -> None:
    answer = get("/picture/hours.svg?offense_class=property")
    texts = [element.text for element in ElementTree.fromstring(answer.text) if element.tag.endswith("}text")]
    assert [" ".join(filter(None, texts[:2])), texts[2]] == [
        "Crimes by weekday and hour, property index crime, the whole city, 28 days from 2023-12-27 to 2024-01-23 "
        "(records begin on 2024-01-20)",
        "Data of the open-data portal of Chicago, as known on 2024-01-31.",
    ]
    assert get("/picture/map.png").content.startswith(b"\x89PNG")


def test_all_years_begin_with_the_first_record_in_pages_and_files(get: Get) -> None:
    assert "all years from 2024-01-20 to 2024-01-31" in get("/?period=all").text
    rows = list(csv.DictReader(io.StringIO(get("/table/areas.csv?period=all").text)))
    assert {(row["first_day"], row["last_day"]) for row in rows} == {("2024-01-20", "2024-01-31")}


def test_a_briefing_is_handed_out(get: Get, profile: Profile) -> None:
    key = keys.briefing("chicago", DAY, "pdf")
    with kept(profile, key, b"%PDF-1.7"):
        answer, page = get("/briefing/chicago/2024-01-31.pdf"), get("/")
    assert re.findall(r'href="(/briefing/[^"]*)"', page.text) == ["/briefing/chicago/2024-01-31.pdf"]
    assert "/briefing/" not in get("/").text
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF-1.7", "application/pdf")


def test_a_damaged_day_is_said_and_the_others_can_be_seen(profile: Profile) -> None:
    newest = DAY + timedelta(days=1)
    content = profile.landing.read(keys.extract("chicago", DAY)) or b""
    damaged = kept(profile, keys.extract("chicago", newest), content[:20_000])
    with damaged, served(profile, profile.lake.home / "cache") as address:
        answers = [asker(address)(path) for path in ("/", f"/?day={newest}", "/picture/map.svg", "/tables")]
        other = asker(address)(f"/?city=chicago&day={DAY}")
    for answer in answers:
        assert answer.status == 503
        assert (
            f"The extract of chicago for {newest} is damaged: materialize dashboard_extract for that day" in answer.text
        )
        assert re.findall(r'href="(/\?[^"]*)"', answer.text) == [f"/?city=chicago&amp;day={DAY}"]
    assert other.status == 200


def test_what_the_checks_said_may_be_unreadable(get: Get, profile: Profile) -> None:
    with kept(profile, keys.verdicts("chicago", "crimes"), b'[{"check":'):
        answer = get("/")
    assert answer.status == 200
    assert "run the checks of crimes again" in answer.text


def test_what_nobody_foresaw_is_a_sentence_and_stands_in_the_log(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(app, "page_of", fail)
    with served(profile, profile.lake.home / "cache") as address:
        answer = asker(address)("/")
    assert answer.status == 500
    assert "Choose another day, or materialize dashboard_extract" in answer.text
    assert "secret" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "secret" in caplog.text


def test_a_spreadsheet_takes_no_text_for_a_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@x", "\tx", "001XX", None, "", "a=b"]
    table = pa.table({"block": texts, "change": pa.array([-3] * len(texts))})
    rows = list(csv.DictReader(io.StringIO(as_csv(table).decode())))
    assert [row["block"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@x", "'\tx", "001XX", "", "", "a=b"]
    assert {row["change"] for row in rows} == {"-3"}


def test_a_dashboard_over_nothing(tmp_path: Path) -> None:
    with served(export_profile(tmp_path / "lake", "none.csv"), tmp_path / "cache") as address:
        get = asker(address)
        assert "No figures yet" in get("/").text
        assert get("/table/areas.csv").status == 404
        assert get("/tables").status == 404
