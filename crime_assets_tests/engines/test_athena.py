"""The Athena engine: what it asks for, what goes wrong there, what it costs, what a person may write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from botocore import endpoint

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsError, AwsThrottled
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.core.insights import all_insights
from crime_assets.defs.work import steps
from crime_assets.engines.athena import AthenaEngine
from crime_assets.engines.athena_service import LEAST_BYTES, dollars
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.cloud.aws.athena_server import AthenaServer, Plan, on_duckdb
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.engines.changing import edited_lake

COUNT = "SELECT count(*) FROM crimes"
SUMMARY = all_insights()[0]
DAY = date(2024, 1, 22)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return edited_lake(tmp_path_factory.mktemp("athena") / "lake")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture(scope="module")
def shared() -> Clients:
    """Made once: boto3 takes a while to read what a service can do."""
    return Clients()


@pytest.fixture
def engine(lake: Lake, athena: AthenaServer, shared: Clients, tmp_path: Path, waits: list[float]) -> AthenaEngine:
    athena.runs = on_duckdb(lake, tmp_path / "spill")
    return AthenaEngine(lake, CHICAGO, shared, "crimes", waits.append)


def refused(ask: Callable[[], object], kind: type[CrimeAssetsError] = AwsError) -> str:
    """The one sentence that a question ends in."""
    with pytest.raises(kind) as raised:
        ask()
    assert type(raised.value).exit_code == (2 if kind is UsageError else 1)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# --- what is asked -----------------------------------------------------------------------------------------------


def test_a_question_is_one_statement_on_the_snapshot_that_was_there(
    engine: AthenaEngine, athena: AthenaServer, lake: Lake
) -> None:
    engine.insight(SUMMARY, DAY)

    (asked,) = athena.executions
    crimes = lake.catalog.load_table(("chicago", "crimes"))
    assert f'FROM "chicago"."crimes" FOR VERSION AS OF {crimes.metadata.current_snapshot_id} AS crimes' in asked.sql
    # Nothing changed after that day, so nothing is looked up that was overtaken.
    assert "change_day" not in asked.sql
    assert "crimes_superseded" not in asked.sql
    assert (asked.database, asked.workgroup) == ("chicago", "crimes")
    assert athena.calls == ["GetWorkGroup", "StartQueryExecution", "GetQueryExecution", "GetQueryResults"]


def test_a_day_that_was_changed_later_is_looked_up_in_the_same_statement(
    engine: AthenaEngine, athena: AthenaServer
) -> None:
    assert engine.insight(SUMMARY, date(2024, 1, 21)).column("crimes").to_pylist() == [1, 1, 1]
    (asked,) = athena.executions
    assert '"chicago"."crimes_superseded" FOR VERSION AS OF' in asked.sql


def test_it_waits_longer_and_longer(engine: AthenaEngine, athena: AthenaServer, waits: list[float]) -> None:
    athena.plans.append(Plan(polls=12))
    assert engine.query(COUNT).rows == [(3,)]
    assert len(waits) == 12
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.1, 2.0)


def test_what_questions_cost_is_told_once(engine: AthenaEngine) -> None:
    assert engine.spent() == {}
    engine.query(COUNT)
    engine.query(COUNT)

    spent = engine.spent()
    assert spent["statements"] == 2
    assert 0 < spent["bytes_scanned"] < LEAST_BYTES
    assert spent["engine_milliseconds"] == 500
    assert spent["queue_milliseconds"] == 80
    assert spent["dollars"] == 2 * dollars(0)
    assert engine.spent() == {}


def test_what_a_computation_costs_that_had_to_be_begun_again_is_told_too(
    engine: AthenaEngine, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.query(COUNT)
    monkeypatch.setattr(steps, "replace_days", Mock(side_effect=[StalePlan, [DAY]]))

    profile = SimpleNamespace(lake=lake, city=CHICAGO, landing=Mock(list=Mock(return_value=[])))
    result = steps.compute(profile, engine, SUMMARY, [DAY])  # type: ignore[arg-type]

    assert result.spent["statements"] == 2
    assert ([day.day for day in result.days], result.days[0].changed) == ([DAY], True)
    assert engine.spent() == {}


@pytest.mark.parametrize(
    ("scanned", "cost"),
    [
        (0, 10 * 5 / 2**20),
        (10 * 2**20, 10 * 5 / 2**20),
        (10 * 2**20 + 1, 11 * 5 / 2**20),
        (2**40, 5.0),
    ],
)
def test_a_statement_costs_by_the_megabyte_and_ten_at_least(scanned: int, cost: float) -> None:
    assert dollars(scanned) == pytest.approx(cost, rel=1e-12)


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_workgroup_that_is_missing(engine: AthenaEngine, athena: AthenaServer, aws: Seaweed) -> None:
    athena.workgroups.clear()
    assert refused(lambda: engine.query(COUNT)).startswith("There is no Athena workgroup crimes: create it")
    athena.workgroup("crimes", aws.bucket())
    assert engine.query(COUNT).rows == [(3,)]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"State": "DISABLED"}, "is disabled: enable it"),
        ({"BytesScannedCutoffPerQuery": None}, "does not limit what a query may read: set BytesScannedCutoffPerQuery"),
        ({"ResultConfiguration": {}}, "has no location for results: set an OutputLocation"),
        ({"EnforceWorkGroupConfiguration": False}, "does not enforce its settings: set EnforceWorkGroupConfiguration"),
    ],
)
def test_a_workgroup_that_is_not_one_to_ask_in(
    engine: AthenaEngine, athena: AthenaServer, changed: dict[str, object], sentence: str
) -> None:
    athena.workgroup("crimes", "bucket", **changed)
    assert sentence in refused(lambda: engine.query(COUNT))
    assert athena.executions == []


def test_a_statement_that_fails(engine: AthenaEngine, athena: AthenaServer) -> None:
    athena.plans.append(Plan(fails="GENERIC_INTERNAL_ERROR: Unable to\nread", category=1))
    said = refused(lambda: engine.insight(SUMMARY, DAY))
    assert said.startswith("Athena could not answer (GENERIC_INTERNAL_ERROR: Unable to read): run again")
    assert said.endswith(f"look at query {athena.executions[0].number} of the workgroup crimes.")
    assert engine.spent()["dollars"] == 0
    assert engine.insight(SUMMARY, DAY).num_rows == 3


def test_a_statement_of_a_person_that_is_wrong(engine: AthenaEngine) -> None:
    said = refused(lambda: engine.query("SELECT nothing FROM crimes"), UsageError)
    assert said.startswith("The query cannot be answered: SYNTAX_ERROR: ")
    assert engine.query(COUNT).rows == [(3,)]


def test_a_statement_of_a_person_that_athena_fails_at(engine: AthenaEngine, athena: AthenaServer) -> None:
    athena.plans.append(Plan(fails="HIVE_CURSOR_ERROR: slow down", category=3))
    assert "HIVE_CURSOR_ERROR" in refused(lambda: engine.query(COUNT))


def test_a_statement_that_reads_more_than_the_workgroup_allows(engine: AthenaEngine, athena: AthenaServer) -> None:
    athena.workgroups["crimes"]["Configuration"]["BytesScannedCutoffPerQuery"] = 1_000
    said = refused(lambda: engine.query(COUNT))
    assert "would have read more than the 1,000 bytes that the workgroup crimes allows" in said
    assert engine.spent()["dollars"] > 0
    athena.workgroups["crimes"]["Configuration"]["BytesScannedCutoffPerQuery"] = 10**9
    assert engine.query(COUNT).rows == [(3,)]


def test_a_statement_that_somebody_stops(engine: AthenaEngine, athena: AthenaServer) -> None:
    athena.plans.append(Plan(cancelled="Query cancelled by user"))
    assert "was stopped (Query cancelled by user): run again" in refused(lambda: engine.query(COUNT))


def test_a_throttled_start_is_tried_again_and_never_begins_twice(
    engine: AthenaEngine, athena: AthenaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint.time, "sleep", lambda seconds: None)
    athena.plans.append(Plan(throttled=2))
    assert engine.query(COUNT).rows == [(3,)]
    assert len(athena.executions) == 1
    assert len(athena.executions[0].token) >= 32

    athena.plans.append(Plan(throttled=6))
    assert "too busy to ask Athena in the workgroup crimes" in refused(lambda: engine.query(COUNT), AwsThrottled)
    assert engine.query(COUNT).rows == [(3,)]


def test_refused_credentials(
    lake: Lake, engine: AthenaEngine, athena: AthenaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "another")
        stranger = AthenaEngine(lake, CHICAGO, Clients(), "crimes")
        said = refused(lambda: stranger.query(COUNT))
    assert said.startswith("AWS refused to look at the Athena workgroup crimes (UnrecognizedClientException)")
    assert engine.query(COUNT).rows == [(3,)]


def test_an_answer_that_is_gone(engine: AthenaEngine, athena: AthenaServer) -> None:
    athena.workgroups["crimes"]["Configuration"]["ResultConfiguration"]["OutputLocation"] = "s3://not-there/x/"
    athena.s3, kept = _Nowhere(), athena.s3
    assert "read Athena's answer s3://not-there/x/" in refused(lambda: engine.query(COUNT))
    athena.s3 = kept


class _Nowhere:
    def put_object(self, **asked: object) -> None:
        """Keep nothing."""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_nobody_waits_for_any_more_is_stopped(
    lake: Lake, engine: AthenaEngine, athena: AthenaServer, shared: Clients, error: type[BaseException]
) -> None:
    def interrupted(seconds: float) -> None:
        raise error

    athena.plans.append(Plan(polls=10**6))
    with pytest.raises(error):
        AthenaEngine(lake, CHICAGO, shared, "crimes", interrupted).query(COUNT)
    assert [execution.stopped for execution in athena.executions] == [True]
    assert engine.query(COUNT).rows == [(3,)]


# --- what a person may write -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        (COUNT + ";", [(3,)]),
        ("-- how many\nSELECT count(*) FROM CRIMES /* all */", [(3,)]),
        ("WITH crimes AS (SELECT * FROM crimes WHERE id > 1) SELECT count(*) FROM crimes", [(2,)]),
        ("WITH a AS (SELECT id FROM crimes), b AS (SELECT id FROM a) SELECT max(id) FROM b", [(3,)]),
        ("SELECT c.id FROM crimes AS c JOIN crimes d ON c.id = d.id AND d.id > 1 ORDER BY c.id", [(2,), (3,)]),
        ("SELECT crimes.id FROM crimes WHERE id IN (SELECT id FROM crimes_superseded)", [(1,)]),
        ("SELECT id FROM crimes WHERE id < 3 UNION SELECT 7 ORDER BY id", [(1,), (2,), (7,)]),
        ("(SELECT max(id) FROM crimes)", [(3,)]),
        ("SELECT t.n FROM crimes CROSS JOIN UNNEST(ARRAY[7]) AS t(n) WHERE id = 1", [(7,)]),
        ("SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(n, x) ORDER BY n", [(1, "a"), (2, None)]),
        ("SELECT 1 WHERE 1 = 2", []),
        ("SELECT '', NULL, 'a\"b,\n', 'Ü'", [("", None, 'a"b,\n', "Ü")]),
        ("SELECT CAST(NULL AS VARCHAR)", [(None,)]),
        ("SELECT 'SELECT 1; DROP TABLE crimes'", [("SELECT 1; DROP TABLE crimes",)]),
        ("SELECT crimes FROM insight_crime_summary WHERE period = 'all'", [(1,)]),
    ],
)
def test_any_select_over_the_city_s_tables_is_answered(
    engine: AthenaEngine, sql: str, rows: list[tuple[object, ...]]
) -> None:
    assert engine.query(sql).rows == rows


def test_names_of_a_person_s_own_never_meet_ours(engine: AthenaEngine) -> None:
    asked = "WITH crimes_rows AS (SELECT 1 AS n) SELECT n, (SELECT count(*) FROM crimes) FROM crimes_rows"
    assert engine.query(asked, "2024-01-21").rows == [(1, 2)]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE crimes",
        "DROP TABLE crimes",
        "DELETE FROM crimes",
        "INSERT INTO crimes SELECT * FROM crimes",
        "UPDATE crimes SET arrest = TRUE",
        "MERGE INTO crimes USING crimes_removed ON TRUE WHEN MATCHED THEN DELETE",
        "CREATE TABLE mine AS SELECT * FROM crimes",
        "CREATE OR REPLACE VIEW crimes AS SELECT 1",
        "SELECT * INTO mine FROM crimes",
        "SELECT * INTO crimes_removed FROM crimes",
        "SELECT * FROM crimes FOR UPDATE",
        "WITH x AS (SELECT * INTO mine FROM crimes) SELECT * FROM x",
        "UNLOAD (SELECT * FROM crimes) TO 's3://elsewhere/' WITH (format = 'PARQUET')",
        "EXPLAIN ANALYZE SELECT * FROM crimes",
        "PREPARE p FROM SELECT 1",
        "EXECUTE p",
        "SHOW TABLES",
        "DESCRIBE crimes",
        "CALL system.x()",
        "VACUUM crimes",
        "OPTIMIZE crimes REWRITE DATA USING BIN_PACK",
        "MSCK REPAIR TABLE crimes",
        "USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'l' SELECT f(id) FROM crimes",
        "SELECT * FROM other.crimes",
        "SELECT * FROM chicago.crimes",
        "SELECT * FROM awsdatacatalog.other.persons",
        "SELECT * FROM information_schema.tables",
        "SELECT (SELECT count(*) FROM information_schema.tables) FROM crimes",
        "SELECT * FROM crimes WHERE id IN (SELECT id FROM other.persons)",
        "WITH persons AS (SELECT 1) SELECT * FROM (SELECT * FROM other.persons)",
        "SELECT 1 UNION ALL SELECT id FROM other.crimes",
        "SELECT * FROM crimes CROSS JOIN LATERAL (SELECT * FROM other.persons)",
        "WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x",
        'SELECT * FROM "crimes$files"',
        "SELECT * FROM crimes_now",
        "SELECT * FROM no_such_table",
        "SELECT * FROM TABLE(system.query(query => 'DROP TABLE x'))",
        "SELECT * FROM TABLE(exclude_columns(input => TABLE(other.persons), columns => DESCRIPTOR(id)))",
        "SELECT * FROM crimes FOR VERSION AS OF 1",
        "SELECT * FROM crimes FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00 UTC'",
        "SELECT ?",
        "SELECT :name",
        "SELEC 1",
        "SELECT '\ud800'",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    ],
)
def test_all_else_is_refused_in_one_sentence_and_never_asked(
    engine: AthenaEngine, athena: AthenaServer, sql: str
) -> None:
    assert refused(lambda: engine.query(sql), UsageError).startswith("The query ")
    assert athena.calls == []
