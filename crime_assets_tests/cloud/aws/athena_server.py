"""A server on loopback that speaks Athena's API and runs statements for real: on DuckDB over a lake, or on Trino.

Answers go to S3 as Athena writes them. What can go wrong is planned, one Plan for each statement to come. Workgroups
are made with CreateWorkGroup, as of an account that has none.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import sqlglot
from sqlglot import exp

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION


@dataclass(frozen=True)
class Ran:
    """What a statement gave: ColumnInfo, texts (None for NULL), and the bytes it read."""

    columns: Sequence[Mapping[str, object]]
    rows: Sequence[Sequence[str | None]]
    scanned: int


class Wrong(Exception):
    """The statement is at fault; the text is what Athena would say."""


Runner = Callable[[str, str], Ran]
"""Runs a statement in a database."""


@dataclass
class Plan:
    """What happens to a statement: how often its start is throttled, how long it runs, how it ends instead."""

    throttled: int = 0
    polls: int = 0
    fails: str | None = None
    category: int = 1
    cancelled: str | None = None


@dataclass
class Execution:
    """A statement and what became of it."""

    number: str
    sql: str
    database: str
    workgroup: str
    token: str
    plan: Plan
    location: str
    ran: Ran | None = None
    state: str = "QUEUED"
    reason: str = ""
    category: int = 2
    stopped: bool = False


@dataclass
class AthenaServer:
    """The running server. `runs` runs statements; `executions` has all that were begun, in order."""

    s3: Any
    runs: Runner = field(default_factory=lambda: nothing_to_ask)
    address: str = ""
    workgroups: dict[str, dict[str, Any]] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    plans: deque[Plan] = field(default_factory=deque)
    calls: list[str] = field(default_factory=list)
    _http: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen on a free port of the loopback address."""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def forget(self) -> None:
        """Be as after the start."""
        self.runs = nothing_to_ask
        for kept in (self.workgroups, self.executions, self.plans, self.calls):
            kept.clear()

    def stop(self) -> None:
        """Stop listening."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()

    def workgroup(self, name: str, bucket: str, **changed: Any) -> None:
        """Make a workgroup as ours have to be, with these settings changed."""
        self.workgroups[name] = {
            "Name": name,
            "State": changed.pop("State", "ENABLED"),
            "Configuration": {
                "ResultConfiguration": {"OutputLocation": f"s3://{bucket}/answers/"},
                "EnforceWorkGroupConfiguration": True,
                "BytesScannedCutoffPerQuery": 10**9,
                **changed,
            },
        }

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        """The response to a request; Refusal where there is an error."""
        self.calls.append(operation)
        words = "_".join(re.findall("[A-Z][a-z]+", operation)).lower()
        return dict(getattr(self, f"_{words}")(asked))

    def _create_work_group(self, asked: dict[str, Any]) -> dict[str, Any]:
        settings = {"EnforceWorkGroupConfiguration": True, **asked.get("Configuration", {})}
        self.workgroups[asked["Name"]] = {"Name": asked["Name"], "State": "ENABLED", "Configuration": settings}
        return {}

    def _get_work_group(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["WorkGroup"] not in self.workgroups:
            raise Refusal("InvalidRequestException", f"WorkGroup {asked['WorkGroup']} is not found.")
        return {"WorkGroup": self.workgroups[asked["WorkGroup"]]}

    def _start_query_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        for known in self.executions:
            if known.token == asked["ClientRequestToken"]:
                return {"QueryExecutionId": known.number}
        if self.plans and self.plans[0].throttled:
            self.plans[0].throttled -= 1
            raise Refusal("TooManyRequestsException", "Rate exceeded")
        settings = self._get_work_group(asked)["WorkGroup"]["Configuration"]
        number = str(uuid.uuid4())
        execution = Execution(
            number,
            asked["QueryString"],
            asked["QueryExecutionContext"]["Database"],
            asked["WorkGroup"],
            asked["ClientRequestToken"],
            self.plans.popleft() if self.plans else Plan(),
            f"{settings['ResultConfiguration']['OutputLocation']}{number}.csv",
        )
        self.executions.append(execution)
        return {"QueryExecutionId": number}

    def _get_query_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = self._of(asked)
        if execution.plan.polls:
            execution.plan.polls -= 1
            execution.state = "RUNNING"
        elif execution.state in ("QUEUED", "RUNNING"):
            self._end(execution)
        status: dict[str, Any] = {"State": execution.state, "StateChangeReason": execution.reason}
        if execution.state == "FAILED":
            status["AthenaError"] = {"ErrorCategory": execution.category, "Retryable": False}
        return {
            "QueryExecution": {
                "QueryExecutionId": execution.number,
                "Query": execution.sql,
                "WorkGroup": execution.workgroup,
                "Status": status,
                "ResultConfiguration": {"OutputLocation": execution.location},
                "Statistics": {
                    "DataScannedInBytes": execution.ran.scanned if execution.ran else 0,
                    "EngineExecutionTimeInMillis": 250,
                    "QueryQueueTimeInMillis": 40,
                },
            }
        }

    def _end(self, execution: Execution) -> None:
        plan = execution.plan
        if plan.fails is not None:
            execution.state, execution.reason, execution.category = "FAILED", plan.fails, plan.category
            return
        if plan.cancelled is not None:
            execution.state, execution.reason = "CANCELLED", plan.cancelled
            return
        try:
            execution.ran = self.runs(execution.sql, execution.database)
        except Wrong as error:
            execution.state, execution.reason = "FAILED", str(error)
            return
        limit = self.workgroups[execution.workgroup]["Configuration"]["BytesScannedCutoffPerQuery"]
        if execution.ran.scanned > limit:
            execution.state, execution.reason = "CANCELLED", "Bytes scanned limit was exceeded"
            return
        place = urlsplit(execution.location)
        self.s3.put_object(Bucket=place.netloc, Key=place.path.lstrip("/"), Body=as_csv(execution.ran).encode())
        execution.state = "SUCCEEDED"

    def _get_query_results(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = self._of(asked)
        if execution.ran is None or execution.state != "SUCCEEDED":
            raise Refusal("InvalidRequestException", "Query has not yet finished. Current state: " + execution.state)
        return {"ResultSet": {"Rows": [], "ResultSetMetadata": {"ColumnInfo": list(execution.ran.columns)}}}

    def _stop_query_execution(self, asked: dict[str, Any]) -> dict[str, Any]:
        execution = self._of(asked)
        execution.stopped = True
        if execution.state in ("QUEUED", "RUNNING"):
            execution.plan.polls = 0
            execution.state, execution.reason = "CANCELLED", "Query cancelled by user"
        return {}

    def _of(self, asked: dict[str, Any]) -> Execution:
        for execution in self.executions:
            if execution.number == asked["QueryExecutionId"]:
                return execution
        raise Refusal("InvalidRequestException", f"QueryExecution {asked['QueryExecutionId']} was not found")


class Refusal(Exception):
    """An error of the API: its code and its message."""


def nothing_to_ask(sql: str, database: str) -> Ran:
    """The Runner of a server that has no tables."""
    raise Wrong(f"SCHEMA_NOT_FOUND: line 1:15: Schema '{database}' does not exist")


def as_csv(ran: Ran) -> str:
    """The file that Athena writes: all in quotes but NULL, which is nothing at all."""
    lines = [[str(column["Name"]) for column in ran.columns], *ran.rows]

    def cell(text: str | None) -> str:
        return "" if text is None else '"' + text.replace('"', '""') + '"'

    return "".join(",".join(map(cell, line)) + "\n" for line in lines)


def column_info(name: str, kind: str) -> dict[str, object]:
    """ColumnInfo of a column by its SQL type, such as decimal(9,2) or timestamp(6) with time zone."""
    kind = kind.lower()
    numbers = [int(number) for number in re.findall("[0-9]+", kind)]
    bare = re.sub(r" ?[(][^)]*[)]", "", kind)
    precision, scale = [*numbers, 0, 0][:2] if bare == "decimal" else (0, 0)
    return {"Name": name, "Label": name, "Type": bare, "Precision": precision, "Scale": scale, "Nullable": "UNKNOWN"}


def on_duckdb(lake: Lake, spill: Path) -> Runner:
    """Statements translated, over the tables of a lake at the snapshots that they name."""
    called = {"HUGEINT": "bigint", "FLOAT": "float", '"NULL"': "unknown"}
    con = duckdb.connect(config={"temp_directory": str(spill)})
    con.execute("SET TimeZone = 'UTC'")
    one_at_a_time = threading.Lock()

    def view(table: exp.Table, database: str) -> tuple[str, int]:
        """The view of a table at a snapshot, and the bytes of its files."""
        found = tables.load(lake, table.db, table.name)
        if found is None or table.db != database:
            raise Wrong(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{table.db}.{table.name}' does not exist")
        snapshot = found.snapshot_by_id(int(table.args["version"].expression.name))
        assert snapshot is not None
        files = tables.data_files(found, snapshot.snapshot_id)
        then = found.schemas()[snapshot.schema_id]
        name = f"{table.name}_{snapshot.snapshot_id}"
        rows = rows_of(found, files, [column.name for column in then.fields])
        con.execute(f"CREATE VIEW IF NOT EXISTS {identifier(name)} AS {rows}")
        return name, sum(file.file_size_in_bytes for file in files)

    def run(sql: str, database: str) -> Ran:
        tree, scanned = sqlglot.parse_one(sql, read="athena"), 0
        with one_at_a_time:
            for table in [table for table in tree.find_all(exp.Table) if table.db]:
                name, size = view(table, database)
                scanned += size
                table.replace(exp.Table(this=exp.to_identifier(name), alias=table.args.get("alias")))
            try:
                found = con.sql(tree.sql("duckdb"))
                kinds = [called.get(str(kind), str(kind)) for kind in found.types]
                rows = [[text_of(value) for value in row] for row in found.fetchall()]
            except duckdb.Error as error:
                raise Wrong(f"SYNTAX_ERROR: {str(error).splitlines()[0]}") from error
        return Ran([column_info(*column) for column in zip(found.columns, kinds, strict=True)], rows, scanned)

    return run


def on_trino(address: str, catalog: str) -> Runner:
    """Statements as they are, on a Trino server whose `catalog` has the tables."""
    from trino.dbapi import connect
    from trino.exceptions import TrinoUserError

    place = urlsplit(address)

    def run(sql: str, database: str) -> Ran:
        connected = connect(
            host=place.hostname or "127.0.0.1",
            port=place.port or 8080,
            http_scheme=place.scheme,
            user="test",
            catalog=catalog,
            schema=database,
            legacy_primitive_types=True,
        )
        cursor = connected.cursor()
        try:
            rows = cursor.execute(sql).fetchall()
        except TrinoUserError as error:
            raise Wrong(f"{error.error_name}: {error.message}") from error
        columns = [column_info(one[0], one[1]) for one in cursor.description or []]
        return Ran(columns, [[text_of(value) for value in row] for row in rows], cursor.stats["physicalInputBytes"])

    return run


def text_of(value: object) -> str | None:
    """A value as Athena writes it into a file."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(value).replace("e", "E").replace("nan", "NaN").replace("inf", "Infinity")
    if isinstance(value, datetime):
        zone = " UTC" if value.tzinfo else ""
        return value.replace(tzinfo=None).isoformat(" ", "microseconds") + zone
    return value.hex(" ") if isinstance(value, bytes) else str(value)


def _handler(server: AthenaServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].removeprefix("AmazonAthena.")
            status, found = 200, {}
            try:
                if f"Credential={ACCESS_KEY}/" not in self.headers.get("Authorization", ""):
                    raise Refusal(
                        "UnrecognizedClientException", "The security token included in the request is invalid."
                    )
                assert f"/{REGION}/athena/" in self.headers["Authorization"]
                found = server.answer(operation, asked)
            except Refusal as error:
                status, found = 400, {"__type": error.args[0], "message": error.args[1]}
            except Exception as error:
                status, found = 500, {"__type": "InternalServerException", "message": repr(error)}
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler
