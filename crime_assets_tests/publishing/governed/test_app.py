"""Pages for who is logged in: theirs alone, until that ends, and each with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import csv

from crime_assets.cli.main import main
from crime_assets.publishing import reading
from crime_assets.publishing.governed.extracts import ScopedExtracts
from crime_assets.publishing.reading import Extract
from crime_assets_tests.build import envelope, record
from crime_assets_tests.governance.worlds import LAST, MERGED, lay, versions
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.publishing.governed.behind import ADDRESS, POLICY, SAME_SITE, Behind

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pages")
    lay(found / "lake", versions(seed=3, crimes=200))
    return found


@pytest.fixture
def behind(place: Path) -> Iterator[Behind]:
    found = Behind(place)
    yield found
    found.access.close()


def areas(behind: Behind, principal: str, choice: str = "") -> pa.Table:
    content = behind.logged_in(principal).get(f"/table/areas.csv?period=all&{choice}").content
    return csv.read_csv(pa.py_buffer(content), convert_options=csv.ConvertOptions(column_types={"area": pa.string()}))


def test_each_sees_the_own_district_and_nobody_elses(behind: Behind) -> None:
    """Asked in turn, so that what one was shown might be shown to the other."""
    for _ in range(2):
        for principal, district in (("diaz", "011"), ("twelve", "012")):
            assert pc.unique(areas(behind, principal).column("area")).to_pylist() == [district]


def test_counts_are_those_of_the_rows_that_may_be_seen(behind: Behind) -> None:
    token = behind.token("diaz")
    asked = {"sql": "SELECT count(*) AS n FROM crimes", "format": "json"}
    answer = behind.client().post("/query", json=asked, headers={"Authorization": f"Bearer {token}"})
    ((row),) = answer.json()
    shown = areas(behind, "diaz").filter(pc.equal(areas(behind, "diaz").column("offense_class"), "all"))
    assert pc.sum(shown.column("crimes")).as_py() == row["n"] > 20
    assert "hidden" in shown.column_names
    assert shown.column("hidden").null_count == shown.num_rows, "no number of theirs is too small"


def test_the_steward_sees_the_city(behind: Behind) -> None:
    page = behind.logged_in("keeper").get("/").text
    assert "the whole city" in page
    assert "No figures yet" in page, "there is no extract of the city here"


def test_who_sees_too_little_is_told_what_lacks(behind: Behind) -> None:
    answer = behind.logged_in("narrow").get("/")
    assert (answer.status_code, "The pages need arrest, beat" in answer.text) == (404, True)
    answer = behind.logged_in("careful").get("/")
    assert (answer.status_code, "must say what for" in answer.text) == (404, True)
    assert behind.events("principal")[-1] == ("refuse", "careful")


def test_pages_need_the_rows_and_the_insights(behind: Behind) -> None:
    for tables in ('["crimes"]', '["insights"]'):
        behind.put(POLICY.replace('tables = ["crimes", "insights"]\nrows', f"tables = {tables}\nrows"))
        answer = behind.logged_in("desk").get("/?period=all")
        assert (answer.status_code, "The pages need the table" in answer.text) == (404, True)
    behind.put(POLICY)


def test_earlier_days_are_for_who_may_ask_for_them(behind: Behind) -> None:
    early = f"/table/classes.csv?period=all&day={MERGED[1]}"
    client = behind.logged_in("diaz")
    assert client.get(early).status_code == 404
    assert str(MERGED[1]) not in client.get("/").text
    behind.put(POLICY.replace("[roles.commander]", "[roles.commander]\nas_of = true"))
    client = behind.logged_in("diaz")
    assert client.get(early).status_code == 200
    assert behind.events("as_of", "rows")[-1] == ("download", str(MERGED[1]), 4)
    behind.put(POLICY)


def test_what_takes_long_is_not_shown_to_who_is_revoked_meanwhile(
    behind: Behind, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, made = behind.logged_in("diaz"), ScopedExtracts.of

    def slow(self: ScopedExtracts, city: str, day: date) -> Extract:
        behind.put(POLICY.replace("[principals.diaz]", "[principals.another]"))
        return made(self, city, day)

    monkeypatch.setattr(ScopedExtracts, "of", slow)
    answer = client.get("/table/areas.csv?period=all")
    assert (answer.status_code, answer.content) == (303, b"")
    assert behind.events("page")[-1] == ("refuse", "/table/areas.csv")
    behind.put(POLICY)


def test_a_briefing_is_of_the_scope(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    assert f"/briefing/chicago/{LAST}.html" in client.get("/").text
    page = client.get(f"/briefing/chicago/{LAST}.html")
    assert page.status_code == 200
    assert ">012<" not in page.text
    assert client.get(f"/briefing/chicago/{LAST}.pdf").content.startswith(b"%PDF-")
    # Places are masked for the desk, so it has no hot spots, of which a briefing tells.
    assert "/briefing/" not in behind.logged_in("desk").get("/").text


def test_what_is_not_seen_is_left_out(behind: Behind) -> None:
    """Blocks are counted with their places, which the watch does not see."""
    for principal, is_there in (("diaz", True), ("watch", False)):
        client = behind.logged_in(principal)
        assert ("/table/blocks." in client.get("/tables").text) == is_there
        assert ("panel-blocks" in client.get("/?district=011&period=all").text) == is_there
        assert (client.get("/table/blocks.csv?period=all").status_code == 200) == is_there
        assert (client.get("/map/blocks.json?period=all").json()["blocks"] != []) == is_there


def test_the_citys_figures_are_beside_the_own_ones_without_small_numbers(behind: Behind) -> None:
    behind.put(
        POLICY.replace(
            '"insights"]\nrows = "district IN (:districts)"',
            '"insights", "city_insights"]\nrows = "district IN (:districts)"',
        )
    )
    client = behind.logged_in("diaz")
    assert "city_insight_crime_by_district" in client.get("/tables").text
    client.get("/table/city_crime_by_district.csv")
    assert behind.events("tables", "districts")[-1] == ("download", ["city_insights"], [])
    content = client.get("/table/city_crime_by_district.csv").content
    text = csv.ConvertOptions(column_types={"district": pa.string()}, strings_can_be_null=True)
    city = csv.read_csv(pa.py_buffer(content), convert_options=text).filter(pc.field("period") == "28d").to_pylist()
    assert {row["district"] for row in city} == {"011", "012", "025", None} - ({None} if len(city) == 3 else set())
    small = [row for row in city if row["crimes"] is None]
    assert all(row["crimes"] >= 5 for row in city if row not in small)
    assert len(small) != 1, "one hidden number is what the others leave"
    assert client.get("/table/city_none.csv").status_code == 404
    behind.put(POLICY)
    assert behind.logged_in("diaz").get("/table/city_crime_by_district.csv").status_code == 404


def test_a_revoked_person_sees_the_login_at_once(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    assert client.get("/tables").status_code == 200
    behind.put(POLICY.replace("[principals.diaz]", "[principals.another]"))
    answer = client.get("/tables")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/tables")
    assert behind.events("principal", "reason")[-1] == ("session_ended", "diaz", "revoked")
    behind.put(POLICY)
    assert client.get("/tables").status_code == 303


def test_a_revoked_token_ends_its_sessions(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    assert behind.access.tokens.revoke("diaz") > 0
    assert client.get("/tables").status_code == 303


def test_another_policy_ends_sessions(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    behind.put(POLICY + "# changed\n")
    assert client.get("/tables").status_code == 303
    assert behind.events("reason")[-1] == ("session_ended", "the policy has changed")


def test_an_idle_session_ends(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    behind.later(minutes=31)
    assert client.get("/tables").status_code == 303
    assert behind.events("reason")[-1] == ("session_ended", "idle")


def test_after_the_logout_there_is_nothing_left(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    kept = dict(client.cookies)
    answer = client.post("/logout", headers=SAME_SITE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert not client.cookies
    other = behind.client()
    other.cookies.update(kept)
    assert other.get("/tables").status_code == 303
    assert behind.events("reason")[-1] == ("logout", "asked for")


def test_another_site_cannot_log_anybody_out(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    assert client.post("/logout", headers={"sec-fetch-site": "cross-site"}).status_code == 404
    assert client.get("/tables").status_code == 200


def test_by_another_name_it_does_not_answer(behind: Behind) -> None:
    assert behind.client().get("/login", headers={"host": "evil.example"}).status_code == 400


def test_no_answer_is_kept_by_anybody(behind: Behind) -> None:
    client = behind.logged_in("diaz")
    shapes = re.search(r"/map/shapes/district-\w+\.json", client.get("/map/figures.json").text)
    assert shapes is not None
    for address in ("/", "/tables", "/table/areas.csv", "/login", "/me", shapes.group(0)):
        assert client.get(address).headers["cache-control"] == "no-store", address


def test_where_the_trail_cannot_be_written_nothing_is_shown(place: Path, behind: Behind) -> None:
    client = behind.logged_in("diaz")
    trail = place / "lake" / "trail"
    trail.rename(trail.with_name("aside"))
    trail.write_text("full")
    try:
        for address in ("/tables", "/table/areas.csv", "/picture/trend.svg", f"/briefing/chicago/{LAST}.html"):
            answer = client.get(address)
            assert (answer.status_code, "cannot be written" in answer.text) == (503, True), address
            assert b"011" not in answer.content
    finally:
        trail.unlink()
        trail.with_name("aside").rename(trail)
    assert client.get("/tables").status_code == 200


def test_programs_ask_with_a_token(behind: Behind) -> None:
    token = {"Authorization": f"Bearer {behind.token('diaz')}"}
    told = behind.client().get("/me", headers=token).json()
    assert (told["principal"], told["role"], told["districts"]) == ("diaz", "commander", ["011"])
    assert told["columns"]["case_number"] == "clear"
    assert "crimes" in told["tables"]
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp4"}):
        answer = behind.client().post("/query", json={"sql": "SELECT 1"}, headers=headers)
        assert (answer.status_code, list(answer.json())) == (401, ["error", "exit_code"])


def test_a_page_is_of_the_lake_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge is seen by who looked before, too."""
    lay(tmp_path / "lake", versions(seed=3, crimes=40))
    behind = Behind(tmp_path)
    client = behind.logged_in("diaz")
    assert "ARSON" not in client.get("/table/types.csv?period=all").text
    new = record(90_001, f"{LAST}", f"{MERGED[0]}T01:00:00.000", district="011", primary_type="ARSON", fbi_code="09")
    merge(behind.profile.lake, envelope(new, f"{LAST}", f"{LAST}T23:30:00"))
    monkeypatch.setattr(reading, "_LOOK_EVERY_SECONDS", 0)
    assert "ARSON" in client.get("/table/types.csv?period=all").text


def test_the_open_dashboard_is_not_started_under_a_policy(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRIME_HOME", str(place / "lake"))
    monkeypatch.setenv("CRIME_POLICY", str(place / "policy.toml"))
    assert main(["dashboard"]) == 2
    assert "serve --address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Set CRIME_SOCKET"),
        (["--address", "http://crime.example"], "no address of pages"),
        (["--address", f"{ADDRESS}/path"], "no address of pages"),
        (["--address", ADDRESS], "need --certificate and --key"),
        (["--address", f"{ADDRESS}:0", "--certificate", "none", "--key", "none"], "cannot be used"),
    ],
)
def test_pages_that_protect_nothing_are_not_served(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    (place / "lake").chmod(0o700)
    monkeypatch.setenv("CRIME_HOME", str(place / "lake"))
    monkeypatch.setenv("CRIME_POLICY", str(place / "policy.toml"))
    monkeypatch.delenv("CRIME_SOCKET", raising=False)
    assert main(["serve", "--as-root", *arguments]) == 2
    assert said in capsys.readouterr().err
