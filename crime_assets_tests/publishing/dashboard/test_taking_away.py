"""A view as PDF: the figures of its page, its address, and no more work for a server than it can do."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from threading import Event, Semaphore
from xml.etree import ElementTree

import pytest
from pypdf import PdfReader

from crime_assets.profiles import Profile
from crime_assets.publishing.dashboard import app, printing
from crime_assets_tests.publishing.dashboard.serving import served
from crime_assets_tests.publishing.dashboard.test_app import Get, asker
from crime_assets_tests.publishing.dashboard.two_days import DAY_BEFORE, lake_of_two_days

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    return lake_of_two_days(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def get(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Get]:
    with served(profile, tmp_path_factory.mktemp("cache")) as address:
        yield asker(address)


class Texts(HTMLParser):
    """The texts of cells and key figures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_in = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_in = tag in ("td", "strong") or (self._is_in and tag == "span" and ("class", "said") in attrs)

    def handle_endtag(self, tag: str) -> None:
        self._is_in = False

    def handle_data(self, data: str) -> None:
        if self._is_in and data.strip():
            self.found.append(data.strip())


def text_of(content: bytes) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages))


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", "chicago-2024-01-31"),
        ("district=011&map=beat&offense_class=violent", "chicago-2024-01-31-violent-district-011-by-beats"),
        ("district=016&map=hotspots", "chicago-2024-01-31-district-016-by-hot-spots"),
        (f"beside={DAY_BEFORE}", "chicago-2024-01-31-beside-2024-01-30"),
    ],
)
def test_the_pdf_of_a_view_has_the_figures_of_its_page(get: Get, query: str, name: str) -> None:
    answer = get(f"/view.pdf?{query}")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.pdf"'
    said, page = text_of(answer.content), get(f"/?{query}").text
    of_pictures = page.index('<div class="panels">'), page.index('id="panel-trend"')
    seen = 0
    for part in (page[: of_pictures[0]], page[of_pictures[0] : of_pictures[1]], page[page.index("panel-changes") :]):
        figures = Texts(re.sub(r'(?s)id="details-hours".*?</details>', "", part)).found
        assert [one for one in figures if one not in said] == []
        seen += len(figures)
    assert seen > 40
    assert "as of 2024-01-31" in said
    assert "as known on 2024-01-31" in said
    assert "late records" in said


def test_the_pdf_says_where_the_view_is_and_can_be_read_aloud(get: Get) -> None:
    content = get("/view.pdf?district=011&map=beat").content
    reader = PdfReader(io.BytesIO(content))
    said = text_of(content).replace(" ", "")
    assert re.search(r"http://127\.0\.0\.1:\d+/\?city=chicago&day=2024-01-31&district=011&map=beat", said)
    assert reader.metadata is not None
    assert str(reader.metadata.title).startswith("Chicago crime: all offenses, district 011, 28 days from 2023-12-27")
    root = ElementTree.fromstring(reader.trailer["/Root"]["/Metadata"].get_data().strip(b"\n"))
    assert any(found.tag.endswith("}part") and found.text == "1" for found in root.iter()), "PDF/UA-1"


@pytest.mark.parametrize("query", ["district=999", "day=2024-03-01", "beat='--&district=%00", "map=globe"])
def test_a_view_that_is_not_there_is_refused(get: Get, query: str) -> None:
    assert get(f"/view.pdf?{query}").status == 404


@dataclass(frozen=True)
class Exports:
    """What is known of exports: those that came for their turn, whether one has begun, and whether they may end."""

    came: Semaphore = field(default_factory=lambda: Semaphore(0))
    begun: Event = field(default_factory=Event)
    may_end: Event = field(default_factory=Event)


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exports]:
    """No export comes to an end until it may."""
    found = Exports()
    turn = printing.Turns.mine

    def mine(turns: printing.Turns) -> AbstractAsyncContextManager[None]:
        found.came.release()
        return turn(turns)

    def pdf_of(*_: object) -> bytes:
        found.begun.set()
        assert found.may_end.wait(30)
        return b"%PDF-1.7"

    monkeypatch.setattr(printing.Turns, "mine", mine)
    monkeypatch.setattr(app, "pdf_of", pdf_of)
    yield found
    found.may_end.set()


def test_many_who_export_do_not_hold_up_those_who_look(get: Get, exports: Exports) -> None:
    """They are more than there are threads, and only one of them has one."""
    with ThreadPoolExecutor(8) as people, ThreadPoolExecutor(1) as reader:
        asked = [people.submit(get, "/view.pdf") for _ in range(8)]
        assert all(exports.came.acquire(timeout=10) for _ in asked)
        looking = [reader.submit(get, path) for path in ("/words", "/")]
        assert [found.result(timeout=10).status for found in looking] == [200, 200]
        assert not any(export.done() for export in asked)
        exports.may_end.set()
        assert {export.result().status for export in asked} == {200}


def test_who_waits_for_long_is_told(get: Get, exports: Exports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printing, "_WAIT_SECONDS", 0.2)
    with ThreadPoolExecutor(1) as other:
        export = other.submit(get, "/view.pdf")
        assert exports.begun.wait(10)
        refused = get("/view.pdf")
        exports.may_end.set()
        assert export.result().status == 200
    assert refused.status == 503
    assert "Other views are being exported: try again in a minute." in refused.text
    assert get("/view.pdf").status == 200
