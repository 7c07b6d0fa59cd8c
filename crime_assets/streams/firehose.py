"""The stream for Amazon Data Firehose, and the settings of a delivery stream whose objects land where they should.

Firehose writes the objects itself, a minute or more after it has taken the records.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any, NoReturn

from crime_assets.cloud.aws.errors import AwsThrottled, explained
from crime_assets.core.errors import FeedError

MOST_RECORDS = 500
"""Most records in a call; this and the next two are limits of Firehose that cannot be raised."""
MOST_BYTES = 4 << 20
"""Most bytes in a call. Counted as sent, in base64, which is safe however Firehose counts them."""
MOST_RECORD_BYTES = 1_024_000
"""Most bytes in one record."""
MOST_DAYS = 400
"""Most change days in flight at a time. Firehose has at most 500 active partitions and writes records beyond them to
the error prefix; another pull may be using the same delivery stream."""
BUFFER_SECONDS = 60
WRITTEN_SECONDS = 2.0 * BUFFER_SECONDS
"""After this long, all records taken count as written, and their partitions as closed."""

_CALLS_AT_ONCE = 4
_CALLS_WAITING = 8
_OVERHEAD = len('{"Data":""},')
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_GIVE_UP_SECONDS = 300.0
"""How long a call is retried while none of its records is taken."""


def delivery_stream_settings(bucket: str, role_arn: str, prefix: str = "") -> dict[str, Any]:
    """The `ExtendedS3DestinationConfiguration` that boto3's `create_delivery_stream` needs for such a stream.

    Records land under `prefix` of the bucket by their own city and change day, whenever they are sent, as in the
    landing layout; records whose day cannot be told land under `errors/`. `role_arn` is the role that may write there.
    """
    below = f"{prefix.strip('/')}/".lstrip("/")
    partition = role_arn.split(":")[1]  # aws, aws-us-gov, aws-cn
    extraction = {"MetadataExtractionQuery": "{city: ._city, change_day: ._change_day}", "JsonParsingEngine": "JQ-1.6"}
    parameters = [{"ParameterName": name, "ParameterValue": value} for name, value in extraction.items()]
    return {
        "RoleARN": role_arn,
        "BucketARN": f"arn:{partition}:s3:::{bucket}",
        "Prefix": f"{below}raw/city=!{{partitionKeyFromQuery:city}}/change_day=!{{partitionKeyFromQuery:change_day}}/",
        "ErrorOutputPrefix": f"{below}errors/!{{firehose:error-output-type}}/",
        # 64 MiB is the minimum with dynamic partitioning.
        "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": BUFFER_SECONDS},
        "CompressionFormat": "GZIP",
        "DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 300}},
        "ProcessingConfiguration": {
            "Enabled": True,
            "Processors": [{"Type": "MetadataExtraction", "Parameters": parameters}],
        },
    }


class FirehoseStream:
    """Puts each line as a record of its own, so that Firehose can see its change day; several calls at a time.

    Records that Firehose does not take are put again, record by record. Call it from one thread; if a record is
    finally refused, the next `put` or `close` raises.
    """

    name = "firehose"
    patience_seconds = 25 * 60.0
    """Its buffers hold records for up to 15 minutes, and it retries deliveries for a while."""

    def __init__(
        self,
        client: Any,
        delivery_stream: str,
        *,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`client` is boto3's firehose client. `clock` returns monotonic seconds, `chance` a number from 0 to 1."""
        self._client = client
        self._delivery_stream = delivery_stream
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._days: set[date] = set()
        self._callers = ThreadPoolExecutor(_CALLS_AT_ONCE)
        self._calls: deque[Future[None]] = deque()
        self._failure: BaseException | None = None

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        """Hand over one batch of NDJSON lines of a change day. FeedError if a line is longer than Firehose accepts."""
        if self._failure is not None:
            raise self._failure
        self._make_room_for(day)
        for line in batch:
            if len(line) > MOST_RECORD_BYTES:
                self._fail(
                    FeedError(
                        f"The source has a record of {day} that is {len(line):,} bytes long, but Firehose takes "
                        f"at most {MOST_RECORD_BYTES:,}: shorten the field that is so long in the feed."
                    )
                )
            size = 4 * -(-len(line) // 3) + _OVERHEAD
            if len(self._open) == MOST_RECORDS or self._open_bytes + size > MOST_BYTES:
                self._call()
            self._open.append(line)
            self._open_bytes += size

    def close(self) -> None:
        """Return when Firehose has taken everything."""
        if self._failure is not None:
            raise self._failure
        self._call()
        self._wait(0)
        self._callers.shutdown()

    def _make_room_for(self, day: date) -> None:
        """Wait until Firehose can take another change day."""
        if day not in self._days and len(self._days) >= MOST_DAYS:
            self._call()
            self._wait(0)
            self._sleep(WRITTEN_SECONDS)
            self._days.clear()
        self._days.add(day)

    def _call(self) -> None:
        if self._open:
            self._wait(_CALLS_WAITING)
            self._calls.append(self._callers.submit(self._put_all, self._open))
            self._open, self._open_bytes = [], 0

    def _wait(self, most: int) -> None:
        """Wait until at most `most` calls are running."""
        while len(self._calls) > most:
            try:
                self._calls.popleft().result()
            except BaseException as failure:
                self._fail(failure)

    def _fail(self, failure: BaseException) -> NoReturn:
        """Stop all calls, since nobody waits for them any more, and make every later `put` and `close` raise too."""
        self._failure = failure
        self._callers.shutdown(wait=False, cancel_futures=True)
        raise failure

    def _put_all(self, lines: list[bytes]) -> None:
        """Put records until each is taken. AwsThrottled if none was taken for five minutes."""
        progress, attempt = self._clock(), 0
        while self._failure is None:
            left, reason = self._put_once(lines)
            if not left:
                return
            if len(left) < len(lines):
                progress = self._clock()
            elif self._clock() - progress >= _GIVE_UP_SECONDS:
                raise AwsThrottled(
                    f"Firehose took no record for {_GIVE_UP_SECONDS / 60:.0f} minutes ({reason}): raise the limits of "
                    f"the delivery stream {self._delivery_stream} or run again later; what did not land is put again."
                )
            lines = left
            self._sleep(self._chance() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
            attempt += 1

    def _put_once(self, lines: list[bytes]) -> tuple[list[bytes], str]:
        """The records that were not taken, and why."""
        try:
            with explained(f"put records to the delivery stream {self._delivery_stream}", "CRIME_FIREHOSE"):
                answer = self._client.put_record_batch(
                    DeliveryStreamName=self._delivery_stream, Records=[{"Data": line} for line in lines]
                )
        except AwsThrottled:
            return lines, "it asks for fewer calls"
        codes = [told.get("ErrorCode") for told in answer["RequestResponses"]]
        left = [line for line, code in zip(lines, codes, strict=True) if code]
        return left, next((str(code) for code in codes if code), "")
