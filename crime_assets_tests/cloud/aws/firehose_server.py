"""A stand-in for Amazon Data Firehose: its JSON API on loopback, its limits, and what it writes to S3.

moto's takes no account of limits, packing and dynamic partitioning. This one does, and a test can plan what goes wrong.
Of jq it knows objects of plain fields, such as `{city: ._city}`; of prefixes, the keys that such an object gives.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_PARTITIONS = 500
ROLE = "arn:aws:iam::123456789012:role/firehose"

_JQ = re.compile(r"\{\s*\w+\s*:\s*\.\w+\s*(?:,\s*\w+\s*:\s*\.\w+\s*)*\}")
_PAIR = re.compile(r"(\w+)\s*:\s*\.(\w+)")
_KEY = re.compile(r"!\{partitionKeyFromQuery:(\w+)\}")
_DESTINATION = "ExtendedS3DestinationConfiguration"


class Refusal(Exception):
    """An answer of the API that is an error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass(frozen=True)
class DeliveryStream:
    """A delivery stream of a running server, and where it delivers to."""

    server: FirehoseServer
    name: str
    bucket: str
    prefix: str


class FirehoseServer:
    """Delivery streams that write to `s3`, a boto3 client, a fraction of a second after the first record of an object.

    `calls` has the number of records of each call that was answered, `taken` all records that were taken.
    """

    buffer_seconds = 0.05

    def __init__(self, s3: Any) -> None:
        self.calls: list[int] = []
        self.taken: list[bytes] = []
        self.refusal: Refusal | None = None
        self.fail_every = 0
        """Every so many-th record of each call is not taken; 1 takes none."""
        self.throttled_calls = 0
        """So many calls from now on are refused as too many."""
        self.delivers_twice = False
        self.most_partitions = MOST_PARTITIONS
        self._s3 = s3
        self._streams: dict[str, Any] = {}
        self._buffers: defaultdict[tuple[str, str], list[bytes]] = defaultdict(list)
        self._since: dict[tuple[str, str], float] = {}
        self._held = False
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=[0.02]),
            threading.Thread(target=self._deliver_in_time),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Stop; what was not delivered never will be."""
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def hold(self) -> None:
        """Deliver nothing until `release`."""
        with self._lock:
            self._held = True

    def release(self) -> None:
        """Deliver all that was taken before this returns, and go on delivering."""
        with self._lock:
            self._held = False
            self._deliver(list(self._buffers))

    def lose(self) -> int:
        """Forget what was taken and not delivered; the number of records."""
        with self._lock:
            lost = sum(map(len, self._buffers.values()))
            self._buffers.clear()
            self._since.clear()
            return lost

    def answer(self, operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the API says to a request; Refusal where that is an error."""
        with self._lock:
            if self.refusal is not None:
                raise self.refusal
            name = str(asked.get("DeliveryStreamName"))
            if operation == "CreateDeliveryStream":
                return self._create(name, asked)
            if name not in self._streams:
                raise Refusal("ResourceNotFoundException", f"Firehose {name} under account 123456789012 not found.")
            if operation == "DescribeDeliveryStream":
                destination = {"DestinationId": "destinationId-000000000001", **self._described(name)}
                description = {"DeliveryStreamName": name, "DeliveryStreamARN": _arn(name), "VersionId": "1"}
                status = {"DeliveryStreamStatus": "ACTIVE", "DeliveryStreamType": "DirectPut"}
                more = {"Destinations": [destination], "HasMoreDestinations": False}
                return {"DeliveryStreamDescription": {**description, **status, **more}}
            if operation == "PutRecordBatch":
                return self._put(name, [base64.b64decode(record["Data"]) for record in asked["Records"]])
        raise Refusal("UnknownOperationException", operation)

    def _create(self, name: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        settings = asked[_DESTINATION]
        prefix, partitioned = settings.get("Prefix", ""), settings.get("DynamicPartitioningConfiguration", {})
        if partitioned.get("Enabled"):
            if settings.get("BufferingHints", {}).get("SizeInMBs", 5) < 64:
                raise Refusal("InvalidArgumentException", "BufferingHints.SizeInMBs must be at least 64.")
            if set(_KEY.findall(prefix)) != set(_extraction(settings)):
                raise Refusal("InvalidArgumentException", "The prefix and the extraction differ in their keys.")
            if "!{firehose:error-output-type}" not in settings.get("ErrorOutputPrefix", ""):
                raise Refusal("InvalidArgumentException", "ErrorOutputPrefix must have !{firehose:error-output-type}.")
        elif _KEY.search(prefix):
            raise Refusal("InvalidArgumentException", "partitionKeyFromQuery needs dynamic partitioning.")
        self._streams[name] = settings
        return {"DeliveryStreamARN": _arn(name)}

    def _described(self, name: str) -> dict[str, Any]:
        return {"ExtendedS3DestinationDescription": self._streams[name]}

    def _put(self, name: str, records: list[bytes]) -> dict[str, Any]:
        if not 1 <= len(records) <= 500:
            raise Refusal("InvalidArgumentException", f"{len(records)} records, not 1 to 500.")
        if max(map(len, records)) > 1_024_000 or sum(map(len, records)) > 4 << 20:
            raise Refusal("InvalidArgumentException", "Records or the request are too large.")
        if self.throttled_calls:
            self.throttled_calls -= 1
            raise Refusal("ServiceUnavailableException", "Slow down.", 500)
        answers = []
        for number, record in enumerate(records, start=1):
            if self.fail_every and number % self.fail_every == 0:
                answers.append({"ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down."})
                continue
            answers.append({"RecordId": uuid.uuid4().hex})
            self._take(name, record)
        self.calls.append(len(records))
        return {"FailedPutCount": sum("ErrorCode" in told for told in answers), "RequestResponses": answers}

    def _take(self, name: str, record: bytes) -> None:
        self.taken.append(record)
        place = (name, self._folder(self._streams[name], record))
        if place not in self._buffers and len(self._buffers) >= self.most_partitions:
            place = (name, _errors(self._streams[name], "active-partition-limit-exceeded"))
        self._buffers[place] += [record] * (1 + self.delivers_twice)
        self._since.setdefault(place, time.monotonic())

    @staticmethod
    def _folder(settings: Mapping[str, Any], record: bytes) -> str:
        extraction = _extraction(settings)
        prefix = str(settings.get("Prefix", ""))
        if not extraction:
            return prefix
        try:
            fields = json.loads(record)
            return _KEY.sub(lambda found: str(fields[extraction[found[1]]]), prefix)
        except (ValueError, KeyError, TypeError):
            return _errors(settings, "metadata-extraction-failed")

    def _deliver_in_time(self) -> None:
        while not self._stopped.wait(self.buffer_seconds / 2):
            with self._lock:
                due = time.monotonic() - self.buffer_seconds
                self._deliver([] if self._held else [place for place, since in self._since.items() if since <= due])

    def _deliver(self, places: list[tuple[str, str]]) -> None:
        for place in places:
            self._since.pop(place, None)
            name, folder = place
            content = b"".join(self._buffers.pop(place, []))
            if content:
                settings = self._streams[name]
                is_packed = settings.get("CompressionFormat") == "GZIP"
                key = f"{folder}{name}-1-{datetime.now(UTC):%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}"
                self._s3.put_object(
                    Bucket=settings["BucketARN"].rpartition(":::")[2],
                    Key=f"{key}.gz" if is_packed else key,
                    Body=gzip.compress(content, 4) if is_packed else content,
                )


def _extraction(settings: Mapping[str, Any]) -> dict[str, str]:
    """Key → field of the record."""
    for processor in settings.get("ProcessingConfiguration", {}).get("Processors", ()):
        parameters = {found["ParameterName"]: found["ParameterValue"] for found in processor["Parameters"]}
        if processor["Type"] == "MetadataExtraction":
            query = parameters["MetadataExtractionQuery"]
            if parameters.get("JsonParsingEngine") != "JQ-1.6" or not _JQ.fullmatch(query):
                raise Refusal("InvalidArgumentException", f"This server does not read {query}.")
            return dict(_PAIR.findall(query))
    return {}


def _errors(settings: Mapping[str, Any], kind: str) -> str:
    return str(settings.get("ErrorOutputPrefix", "")).replace("!{firehose:error-output-type}", kind)


def _arn(name: str) -> str:
    return f"arn:aws:firehose:us-east-1:123456789012:deliverystream/{name}"


def _handler(server: FirehoseServer) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].partition(".")[2]
            try:
                status, answer = 200, server.answer(operation, asked)
            except Refusal as refusal:
                status, answer = refusal.status, {"__type": refusal.code, "message": str(refusal)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
