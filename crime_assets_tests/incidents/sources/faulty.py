"""A client of Kinesis on which a test plans what goes wrong: no server at hand has all of its limits."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

READS_A_SECOND = 5
"""Of a shard, by all who read it."""


def refusal(code: str, call: str = "GetRecords", status: int = 400) -> ClientError:
    """What boto3 raises."""
    return ClientError(
        {"Error": {"Code": code, "Message": "planned"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        call,
    )


def timeout() -> ReadTimeoutError:
    """The way to Kinesis is disturbed."""
    return ReadTimeoutError(endpoint_url="http://127.0.0.1")


Fault = Exception | Callable[[Callable[..., Any], dict[str, Any]], Any]


@dataclass
class FaultyClient:
    """Passes calls on, but for those that a fault is planned for; counts all, and keeps the limit of reads."""

    client: Any
    planned: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    calls: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    too_often: int = 0
    is_limited: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)
    _shard_of: dict[str, str] = field(default_factory=dict)
    _reads: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def plan(self, call: str, *faults: Fault) -> None:
        """These happen to the next calls of this name, one each."""
        self.planned[call].extend(faults)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.client, name)

        def call(**arguments: Any) -> Any:
            with self.lock:
                self.calls[name].append(arguments)
                fault = self.planned[name].popleft() if self.planned[name] else None
                if name == "get_records" and self.is_limited:
                    self._limit(self._shard_of[arguments["ShardIterator"]])
            if isinstance(fault, Exception):
                raise fault
            answer = fault(real, arguments) if fault else real(**arguments)
            self._remember(name, arguments, answer)
            return answer

        return call

    def _remember(self, name: str, arguments: dict[str, Any], answer: dict[str, Any]) -> None:
        """Which shard an iterator is of."""
        if name == "get_shard_iterator":
            self._shard_of[answer["ShardIterator"]] = arguments["ShardId"]
        elif name == "get_records" and answer.get("NextShardIterator"):
            self._shard_of[answer["NextShardIterator"]] = self._shard_of[arguments["ShardIterator"]]

    def _limit(self, shard: str) -> None:
        now, reads = time.monotonic(), self._reads[shard]
        while reads and reads[0] <= now - 1:
            reads.popleft()
        if len(reads) >= READS_A_SECOND:
            self.too_often += 1
            raise refusal("ProvisionedThroughputExceededException")
        reads.append(now)


def half_refused(code: str = "ProvisionedThroughputExceededException") -> Fault:
    """Every second record of a PutRecords is not taken."""

    def put(real: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        records = arguments["Records"]
        answer = real(**{**arguments, "Records": records[::2]})
        taken = iter(answer["Records"])
        refused = {"ErrorCode": code, "ErrorMessage": "planned"}
        told = [refused if n % 2 else next(taken) for n in range(len(records))]
        return {**answer, "FailedRecordCount": len(records) // 2, "Records": told}

    return put


def all_refused(real: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """No record of a PutRecords is taken."""
    told = [{"ErrorCode": "InternalFailure", "ErrorMessage": "planned"} for _ in arguments["Records"]]
    return {"FailedRecordCount": len(told), "Records": told}


def answered_twice(real: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """The answer to a call was lost on its way, and the client's own retry put everything a second time."""
    real(**arguments)
    return real(**arguments)


def lost_answer(real: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """What was asked is done, but nobody is told."""
    real(**arguments)
    raise timeout()


@dataclass
class ScriptedClient:
    """Kinesis whose shards a test writes: records, ends, children, what is no longer kept. Iterators are places."""

    shards: dict[str, list[str]]
    """Parents, by shard."""
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    ended: set[str] = field(default_factory=set)
    has_child_shards: bool = True
    a_page: int = 1_000
    behind: int = 0
    retention_hours: int = 24

    def list_shards(self, **arguments: Any) -> dict[str, Any]:
        """Two to a page."""
        first = int(arguments.get("NextToken", 0))
        named = [
            {"ShardId": shard, **dict(zip(("ParentShardId", "AdjacentParentShardId"), parents, strict=False))}
            for shard, parents in list(self.shards.items())[first : first + 2]
        ]
        more = {"NextToken": str(first + 2)} if first + 2 < len(self.shards) else {}
        return {"Shards": named, **more}

    def get_shard_iterator(self, **arguments: Any) -> dict[str, Any]:
        shard = arguments["ShardId"]
        if shard not in self.shards:
            raise refusal("ResourceNotFoundException", "GetShardIterator")
        since = arguments.get("StartingSequenceNumber")
        told = [one["SequenceNumber"] for one in self.records[shard]]
        return {"ShardIterator": f"{shard}/{told.index(since) + 1 if since else 0}"}

    def get_records(self, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        shard, place = ShardIterator.split("/")
        if shard not in self.shards:
            raise refusal("ResourceNotFoundException")
        first = int(place)
        last = min(first + min(Limit, self.a_page), len(self.records[shard]))
        answer: dict[str, Any] = {"Records": self.records[shard][first:last], "MillisBehindLatest": self.behind}
        if shard in self.ended and last == len(self.records[shard]):
            children = [one for one, parents in self.shards.items() if shard in parents]
            return answer | ({"ChildShards": [{"ShardId": one} for one in children]} if self.has_child_shards else {})
        return answer | {"NextShardIterator": f"{shard}/{last}"}

    def describe_stream_summary(self, **arguments: Any) -> dict[str, Any]:
        return {"StreamDescriptionSummary": {"RetentionPeriodHours": self.retention_hours}}
