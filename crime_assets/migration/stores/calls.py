"""Requests to DynamoDB and their retries, which are all ours: none is repeated where we would not know of it.

A request can be done although its answer never came. So everything that is sent here can be sent twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import AwsThrottled, explain
from crime_assets.core.errors import StoreError
from crime_assets.migration.stores import wire

PATIENCE_SECONDS = 600.0
"""So long a busy table may do nothing of what is asked."""
REQUEST_SECONDS = 15.0
"""No request takes longer than this, connecting included."""

_SHORTEST_SECONDS = 0.05
_LONGEST_SECONDS = 5.0
_BROKEN = frozenset(["InternalServerError", "InternalFailure", "TransactionConflictException"])


def client_of(clients: Clients) -> Any:
    """DynamoDB's client. Checking what we write ourselves would take half of its time."""
    return clients.client(
        "dynamodb",
        parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=5,
        read_timeout=10,
        max_pool_connections=8,
    )


def code_of(error: Exception) -> str:
    """What DynamoDB calls the error; empty if it is none of its answers."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def reason_of(error: Exception) -> str:
    """What DynamoDB says of it, in one line."""
    return " ".join(str(getattr(error, "response", {}).get("Error", {}).get("Message", "")).split())[:300]


def is_passing(error: Exception) -> bool:
    """Whether the same request may be done later: the table was busy or broken, or the answer did not come."""
    from botocore.exceptions import ConnectionError as NotConnected
    from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError
    from botocore.parsers import ResponseParserError

    cut = (
        NotConnected,
        HTTPClientError,
        IncompleteReadError,
        ResponseStreamingError,
        ResponseParserError,
        wire.CutAnswerError,
    )
    if isinstance(error, cut) or code_of(error) in _BROKEN:
        return True
    return isinstance(explain(error, "", ""), AwsThrottled)


class Patience:
    """How long to wait before something is asked again. For one thread."""

    def __init__(self, seconds: float, pause: Callable[[float], None]) -> None:
        self._seconds = seconds
        self._pause = pause
        # Not for secrets: writers that were refused together must not come back together.
        self._random = random.Random()  # noqa: S311
        self.renew()

    def renew(self) -> None:
        """Something was done."""
        self._waits = 0
        self._since = time.monotonic()

    def wait(self, error: Exception | None, what: str) -> None:
        """Wait, longer each time. StoreError if nothing was done for too long; `what` was tried, such as "write"."""
        if time.monotonic() - self._since > self._seconds:
            reason = f" ({code_of(error) or type(error).__name__})" if error else ""
            raise StoreError(
                f"DynamoDB did nothing for {self._seconds:.0f} seconds of what it was asked to {what}{reason}: look at "
                "the table's capacity and at the network, then run again; it goes on where it was."
            ) from error
        self._pause(self._random.uniform(0, min(_LONGEST_SECONDS, _SHORTEST_SECONDS * 2.0**self._waits)))
        self._waits = min(self._waits + 1, 10)


class Calls:
    """Sends requests about one table. Threads may use it at once."""

    def __init__(
        self, client: Any, table: str, patience: float = PATIENCE_SECONDS, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self.table = table
        self._client = client
        wire.prepare(client)
        self._patience = patience
        self._pause = pause
        self.before: Callable[[], None] = lambda: None
        """Runs before each request; raises if none may be sent any more."""

    def wait(self, seconds: float) -> None:
        """Do nothing."""
        self._pause(seconds)

    def patience(self) -> Patience:
        """For requests that are done in part."""
        return Patience(self._patience, self._pause)

    def batch(self, requests: Sequence[bytes]) -> list[dict[str, Any]]:
        """Send a BatchWriteItem once; what was not done. Raises what botocore raises, and CutAnswerError."""
        self.before()
        return wire.send(self._client, self.table, wire.batch_body(self.table, requests))

    def once(self, operation: str, **arguments: Any) -> Any:
        """Send it once; raises what botocore raises."""
        self.before()
        return getattr(self._client, operation)(**arguments)

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Send it until it is done. Raises what botocore raises for a refusal, StoreError if it is never done."""
        return self.patiently(self.patience(), operation, TableName=self.table, **arguments)

    def patiently(self, patience: Patience, operation: str, **arguments: Any) -> Any:
        """The same, about no table, and with the patience that is left."""
        while True:
            try:
                return self.once(operation, **arguments)
            except Exception as error:
                if not is_passing(error):
                    raise
                patience.wait(error, operation.replace("_", " "))
