"""The SODA 2 server of the tests: it answers as recorded portals did, and reads questions strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from crime_assets_tests.sources.feeds.recordings import recordings
from crime_assets_tests.sources.feeds.soda_query import Row
from crime_assets_tests.sources.feeds.soda_server import SodaServer


def get(server: SodaServer, dataset: str | None = None, **params: str) -> requests.Response:
    url = f"http://{server.domain}/resource/{dataset or server.dataset}.json"
    return requests.get(url, params={f"${name}": value for name, value in params.items()}, timeout=10)


def rows(count: int) -> list[Row]:
    return [{"id": str(number), "updated_on": "2022-04-02T16:49:26.000"} for number in range(1, count + 1)]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_it_pages_as_recorded(shared_data: Path) -> None:
    recorded = [one for one in recordings(shared_data, "test_get_all_hit_limit") if "/uczf-rk3c.json?" in one.url]
    published = [json.loads(one.body)[0] for one in recorded]
    with SodaServer(published, dataset="uczf-rk3c") as server:
        names = json.loads(recorded[0].headers["X-SODA2-Fields"])
        for offset in (0, 1, 17, len(published) - 1):
            answer = get(server, select=",".join(names), order=":id", limit="1", offset=str(offset))
            assert answer.text == recorded[offset].body
            for header in ("Content-Type", "Content-Encoding", "Transfer-Encoding", "X-SODA2-Fields"):
                assert answer.headers[header].replace(" ", "") == recorded[offset].headers[header]


def test_it_fills_a_page_as_recorded(shared_data: Path) -> None:
    recorded = recordings(shared_data, "test_get_all")
    published = [row for one in recorded for row in json.loads(one.body)]
    with SodaServer(published, dataset="uczf-rk3c") as server:
        for number, one in enumerate(recorded):
            select = ",".join(json.loads(one.headers["X-SODA2-Fields"]))
            assert get(server, select=select, order=":id", offset=str(1_000 * number)).text == one.body


def test_it_misses_a_dataset_as_recorded(shared_data: Path) -> None:
    [recorded] = recordings(shared_data, "test_get_missing")
    with SodaServer([]) as server:
        answer = get(server, dataset="songs")
    assert (answer.status_code, answer.text) == (recorded.status, recorded.body)
    assert answer.headers["Content-Type"] == recorded.headers["Content-Type"]


def test_no_order_without_order() -> None:
    with SodaServer(rows(100)) as server:
        ordered = [row["id"] for row in get(server, order=":id").json()]
        unordered = [[row["id"] for row in get(server).json()] for _ in range(2)]
    assert ordered == [row["id"] for row in rows(100)]
    assert unordered[0] != unordered[1]
    assert sorted(unordered[0]) == sorted(ordered)


def test_the_text_of_row_ids_is_not_their_order() -> None:
    with SodaServer(rows(100)) as server:
        ids = [row[":id"] for row in get(server, select=":*, *", order=":id").json()]
    assert ids != sorted(ids)


def test_a_thousand_rows_unless_told() -> None:
    with SodaServer(rows(1_200)) as server:
        assert len(get(server).json()) == 1_000
        assert len(get(server, order=":id", limit="50000", offset="1000").json()) == 200
        assert get(server, limit="50001").json()["errorCode"] == "req.row-limit-exceeded"


def test_the_portals_own_fields_come_when_named() -> None:
    with SodaServer(rows(1)) as server:
        [plain], [full] = get(server).json(), get(server, select=":*, *").json()
    system = {":id", ":created_at", ":updated_at", ":version"}
    assert full.keys() - plain.keys() == system
    assert {name for name in plain if name.startswith(":")} == {":@computed_region_awaf_s7ux"}


@pytest.mark.parametrize(
    ("where", "code"),
    [
        ("nope = '1'", "query.soql.no-such-column"),
        ("updated_on > 'tomorrow'", "query.soql.type-mismatch"),
        (":id > 'row-unknown'", "query.soql.type-mismatch"),
        ("id = '1' OR", "query.soql.bad-parse"),
        ("id = 'it's'", "query.soql.bad-parse"),
        ("(id = '1'", "query.soql.bad-parse"),
        ("id = '1'; x", "query.soql.bad-parse"),
        ("id IN ()", "query.soql.bad-parse"),
        ("id IN ('1',)", "query.soql.bad-parse"),
        ("id IN ('1' '2')", "query.soql.bad-parse"),
        ("id IN '1'", "query.soql.bad-parse"),
        ("updated_on IN ('tomorrow')", "query.soql.type-mismatch"),
    ],
)
def test_questions_are_read_strictly(where: str, code: str) -> None:
    with SodaServer(rows(1)) as server:
        answer = get(server, where=where)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("id = '1' OR id = '2' AND id = '3'", ["1"]),
        ("(id = '1' OR id = '2') AND id != '1'", ["2"]),
        ("kind IS NULL", ["1"]),
        ("kind IS NOT NULL AND id >= '3'", ["3"]),
        ("kind = 'it''s'", ["2"]),
        ("id IN ('3', '1', 'it''s, really')", ["1", "3"]),
        ("id IN ('2') OR kind IN ('x','y')", ["2", "3"]),
        ("kind IN ('y')", []),
        ("updated_on < '2022-04-02T16:49:26'", []),
        ("updated_on <= '2022-04-02T16:49:26'", ["1", "2", "3"]),
    ],
)
def test_where(where: str, ids: list[str]) -> None:
    kinds: list[dict[str, Any]] = [{}, {"kind": "it's"}, {"kind": "x"}]
    with SodaServer({**row, **kind} for row, kind in zip(rows(3), kinds, strict=True)) as server:
        assert [row["id"] for row in get(server, where=where, order=":id").json()] == ids


BY_MONTH = {"select": "date_trunc_ym(updated_on) AS month, count(*) AS n", "group": "date_trunc_ym(updated_on)"}


def test_rows_are_counted_by_month() -> None:
    stamps = ["2018-11-01T00:00:00.000", "2018-11-30T23:59:59.999", "2018-12-01T00:00:00.000", None]
    published = [{"id": str(n), "updated_on": stamp} for n, stamp in enumerate(stamps)]
    with SodaServer(published) as server:
        found, one = get(server, **BY_MONTH).json(), get(server, where="id = '2'", **BY_MONTH).json()
    assert sorted(found, key=str) == [
        {"month": "2018-11-01T00:00:00.000", "n": "2"},
        {"month": "2018-12-01T00:00:00.000", "n": "1"},
        {"n": "1"},
    ]
    assert one == [{"month": "2018-12-01T00:00:00.000", "n": "1"}]


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({**BY_MONTH, "group": "date_trunc_ym(date)"}, "query.soql.bad-parse"),
        ({**BY_MONTH, "select": "id, count(*)"}, "query.soql.bad-parse"),
        ({"select": BY_MONTH["select"]}, "query.soql.no-such-column"),
        ({"select": "date_trunc_ym(id), count(*)", "group": "date_trunc_ym(id)"}, "query.soql.type-mismatch"),
        ({"select": "date_trunc_ym(x), count(*)", "group": "date_trunc_ym(x)"}, "query.soql.no-such-column"),
    ],
)
def test_questions_by_month_are_read_strictly(question: dict[str, str], code: str) -> None:
    with SodaServer(rows(1)) as server:
        assert get(server, **question).json()["errorCode"] == code


def test_it_sums_parts_of_times_by_month_and_knows_no_other_sums() -> None:
    times = ["2022-04-02T16:49:26.000", "2022-04-30T00:00:01.000", "2022-05-01T00:00:00.000"]
    with SodaServer([{"id": str(n), "updated_on": time} for n, time in enumerate(times)]) as server:
        month = "date_trunc_ym(updated_on)"

        def sums(expression: str) -> requests.Response:
            return get(server, select=f"{month} AS month, count(*) AS n, {expression}", group=month)

        found = sums("sum(date_extract_y(updated_on)) AS y, sum(date_extract_ss(updated_on)) AS s").json()
        assert sorted(found, key=lambda row: str(row["month"])) == [
            {"month": "2022-04-01T00:00:00.000", "n": "2", "y": "4044", "s": "27.000000"},
            {"month": "2022-05-01T00:00:00.000", "n": "1", "y": "2022", "s": "0.000000"},
        ]
        for wrong in ("sum(date_extract_second(updated_on)) AS s", "sum(date_extract_y(id)) AS y", "md5(id) AS m"):
            assert sums(wrong).status_code == 400, wrong
