"""Our statements on a real Trino server, whose dialect Athena's is: the same rows as on DuckDB.

TRINO_URL names the server; `make test-trino` says how to start one. It reads the same tables through the same REST
catalog and S3 server as DuckDB does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pytest
import sqlglot

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.insights import Insight, all_insights
from crime_assets.core.sql import DIALECT, render, statement
from crime_assets.engines.athena import AthenaEngine
from crime_assets.engines.athena_rows import Rows
from crime_assets.engines.athena_statements import written
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.cloud.aws.athena_server import AthenaServer, on_trino
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.engines.changing import DAYS, FORECASTS, LAST, MEASURES, fill, sorted_rows
from crime_assets_tests.sql.trino_server import TRINO_URL, remote_lake, trino_knows

pytestmark = pytest.mark.skipif(not TRINO_URL, reason="TRINO_URL names no Trino server: see `make test-trino`")

CATALOG = "crime_assets_test"
INSIGHTS = (*all_insights(), *FORECASTS)


@pytest.fixture(scope="module")
def lake(seaweed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The changing city on the REST catalog."""
    lake = remote_lake(seaweed, tmp_path_factory.mktemp("trino"))
    fill(lake)
    return lake


@pytest.fixture(scope="module")
def trino_catalog(lake: Lake) -> Iterator[str]:
    """The lake's catalog, made known to the server."""
    with trino_knows(lake, CATALOG):
        yield CATALOG


@pytest.fixture
def engine(lake: Lake, trino_catalog: str, athena: AthenaServer) -> AthenaEngine:
    athena.runs = on_trino(TRINO_URL, trino_catalog)
    return AthenaEngine(lake, CHICAGO, Clients(), "crimes", lambda seconds: None)


@pytest.fixture
def duck(lake: Lake) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(lake, CHICAGO)
    yield engine
    engine.close()


@pytest.mark.parametrize("insight", INSIGHTS, ids=lambda insight: insight.name)
def test_an_insight(engine: AthenaEngine, duck: DuckDBEngine, insight: Insight) -> None:
    for day in DAYS[::2]:
        found, expected = engine.insight(insight, day), duck.insight(insight, day)
        assert found.schema == expected.schema
        assert sorted_rows(insight, found) == sorted_rows(insight, expected)


@pytest.mark.parametrize("measurement", MEASURES)
def test_a_measurement(engine: AthenaEngine, duck: DuckDBEngine, measurement: str) -> None:
    for day in DAYS[::2]:
        parameters = MEASURES[measurement]
        assert engine.measure(measurement, day, **parameters) == duck.measure(measurement, day, **parameters)


@pytest.mark.parametrize("name", ["crimes", "crimes_superseded", "crimes_removed", "crimes_quarantine"])
@pytest.mark.parametrize("as_of", [None, *map(str, DAYS[1::2])])
def test_all_rows_of_a_table(engine: AthenaEngine, duck: DuckDBEngine, name: str, as_of: str | None) -> None:
    asked = f"SELECT * FROM {name}"
    found, expected = engine.query(asked, as_of), duck.query(asked, as_of)
    assert found.columns == expected.columns
    assert sorted(map(comparable, found.rows)) == sorted(map(comparable, expected.rows))


def comparable(row: Sequence[object]) -> tuple[tuple[bool, str], ...]:
    return tuple((value is None, str(value)) for value in row)


def test_whether_anything_changed_later(lake: Lake, engine: AthenaEngine, trino_catalog: str) -> None:
    """The engine finds this out of manifests; the statement says the same."""
    for day in DAYS[::2]:
        rows = Rows("chicago", partial(tables.load, lake, "chicago"))
        query = sqlglot.parse_one(
            render(statement("crimes", "changed_later"), DIALECT, {"as_of_day": day}), read=DIALECT
        )
        ran = on_trino(TRINO_URL, trino_catalog)(written(query, rows.source), "chicago")
        assert ran.rows == [["true" if day < LAST else "false"]]
