"""Athena as a service: runs one statement in the workgroup, and gives its answer and its cost.

The workgroup says where answers are written and how much a statement may read; without these nothing is run.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsError, explained
from crime_assets.engines.athena_results import read_answer

CATALOG = "AwsDataCatalog"
"""Athena's name for the Glue catalog."""

DOLLARS_PER_TERABYTE = 5.0
LEAST_BYTES = 10 * 2**20
"""https://aws.amazon.com/athena/pricing: 5 $ a terabyte read (us-east-1; its calculator takes 1,024 GB), rounded up to
megabytes, at least 10 MB a statement; a failed statement is free, a stopped one costs what it had read."""

_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0
_USERS_FAULT = 2
"""ErrorCategory of a statement that is wrong: 1 is the service's fault, 3 anything else."""

_SETTING = "CRIME_ATHENA_WORKGROUP"


class StatementFailed(AwsError):
    """Athena started the statement and could not finish it; `reason` is Athena's text, `wrong` whether the SQL is."""

    def __init__(self, sentence: str, reason: str, *, wrong: bool) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.wrong = wrong


class Athena:
    """Runs statements in one workgroup. Answers come from the bucket that the workgroup names."""

    def __init__(self, clients: Clients, workgroup: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clients = clients
        self._workgroup = workgroup
        self._sleep = sleep
        self._limit: int | None = None
        self._spent: dict[str, int | float] = {}

    def spent(self) -> Mapping[str, int | float]:
        """Statements, bytes, milliseconds and dollars since the last call; empty if nothing was asked."""
        spent, self._spent = self._spent, {}
        return spent

    def check_workgroup(self) -> None:
        """AwsError if the workgroup is missing or disabled, or sets no limit or no location for answers."""
        from botocore.exceptions import ClientError

        with explained(f"look at the Athena workgroup {self._workgroup}", _SETTING):
            try:
                found = self._clients.client("athena").get_work_group(WorkGroup=self._workgroup)["WorkGroup"]
            except ClientError as error:
                # Athena's message about a workgroup that does not exist.
                if error.response["Error"]["Code"] != "InvalidRequestException":
                    raise
                raise AwsError(
                    f"There is no Athena workgroup {self._workgroup}: create it with a scan limit and a location for "
                    f"results, or correct {_SETTING}."
                ) from error
        settings = found.get("Configuration", {})
        limit = settings.get("BytesScannedCutoffPerQuery")
        if found.get("State") == "DISABLED":
            raise AwsError(f"The Athena workgroup {self._workgroup} is disabled: enable it, or correct {_SETTING}.")
        if not limit:
            raise AwsError(
                f"The Athena workgroup {self._workgroup} does not limit what a query may read: set "
                "BytesScannedCutoffPerQuery, so that no query can cost without limit."
            )
        if not settings.get("ResultConfiguration", {}).get("OutputLocation"):
            raise AwsError(
                f"The Athena workgroup {self._workgroup} has no location for results: set an OutputLocation in S3, and "
                "do not let Athena manage them."
            )
        if not settings.get("EnforceWorkGroupConfiguration"):
            raise AwsError(
                f"The Athena workgroup {self._workgroup} does not enforce its settings: set "
                "EnforceWorkGroupConfiguration, so that its limit holds."
            )
        self._limit = int(limit)

    def ask(self, sql: str, database: str) -> pa.Table:
        """The rows of a statement, in its order; table names are of the database. StatementFailed if it fails."""
        return pa.Table.from_batches(self.batches(sql, database))

    def batches(self, sql: str, database: str) -> Iterator[pa.RecordBatch]:
        """The same in pieces, at least one, as they come from the bucket. It runs when the first is wanted."""
        if self._limit is None:
            self.check_workgroup()
        client = self._clients.client("athena")
        with explained(f"ask Athena in the workgroup {self._workgroup}", _SETTING):
            number = client.start_query_execution(
                QueryString=sql,
                # A request that is sent again because no answer came starts no second query.
                ClientRequestToken=secrets.token_hex(32),
                QueryExecutionContext={"Database": database, "Catalog": CATALOG},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
            execution = self._ended(client, number)
        self._account(execution)
        status = execution["Status"]
        if status["State"] != "SUCCEEDED":
            raise self._failure(number, status)
        location = execution["ResultConfiguration"]["OutputLocation"]
        with explained(f"read Athena's answer {location}", f"the OutputLocation of {_SETTING}"):
            described = client.get_query_results(QueryExecutionId=number, MaxResults=1)
            bucket, key = urlsplit(location).netloc, urlsplit(location).path.lstrip("/")
            body = self._clients.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
            yield from read_answer(body, described["ResultSet"]["ResultSetMetadata"]["ColumnInfo"])

    def _ended(self, client: Any, number: str) -> dict[str, Any]:
        """Wait for a statement and return its outcome. A statement that nobody waits for any more is stopped."""
        wait = _FIRST_WAIT_SECONDS
        try:
            while True:
                execution: dict[str, Any] = client.get_query_execution(QueryExecutionId=number)["QueryExecution"]
                if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED"):
                    return execution
                self._sleep(wait)
                wait = min(wait * 1.5, _LONGEST_WAIT_SECONDS)
        except BaseException:
            with suppress(Exception):
                client.stop_query_execution(QueryExecutionId=number)
            raise

    def _failure(self, number: str, status: Mapping[str, Any]) -> StatementFailed:
        reason = " ".join(str(status.get("StateChangeReason", "")).split())[:500].rstrip(".") or "no reason given"
        if status["State"] == "CANCELLED" and re.search("(?i)scanned.*limit", reason):
            return StatementFailed(
                f"Athena stopped the query because it would have read more than the {self._limit:,} bytes that the "
                f"workgroup {self._workgroup} allows: ask for less, or raise its BytesScannedCutoffPerQuery.",
                reason,
                wrong=False,
            )
        if status["State"] == "CANCELLED":
            sentence = f"Athena's query {number} was stopped ({reason}): run again."
            return StatementFailed(sentence, reason, wrong=False)
        return StatementFailed(
            f"Athena could not answer ({reason}): run again, and if it fails again, look at query {number} of the "
            f"workgroup {self._workgroup}.",
            reason,
            wrong=status.get("AthenaError", {}).get("ErrorCategory") == _USERS_FAULT,
        )

    def _account(self, execution: Mapping[str, Any]) -> None:
        found = execution.get("Statistics", {})
        scanned = int(found.get("DataScannedInBytes", 0))
        figures = {
            "statements": 1,
            "bytes_scanned": scanned,
            "engine_milliseconds": int(found.get("EngineExecutionTimeInMillis", 0)),
            "queue_milliseconds": int(found.get("QueryQueueTimeInMillis", 0)),
            "dollars": 0.0 if execution["Status"]["State"] == "FAILED" else dollars(scanned),
        }
        for name, value in figures.items():
            self._spent[name] = self._spent.get(name, 0) + value


def dollars(scanned: int) -> float:
    """The price in dollars of a statement that read `scanned` bytes."""
    megabytes = -(-max(scanned, LEAST_BYTES) // 2**20)
    return megabytes / 2**20 * DOLLARS_PER_TERABYTE
