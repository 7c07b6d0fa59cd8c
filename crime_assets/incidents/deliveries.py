"""Deliveries of live reports: reading them, and making them of what Firehose writes from the same stream.

A delivery is gzip members of NDJSON. A line is a report, flat, with the names of FIELDS and times as ISO 8601 in UTC,
and from where it is: `_shard`, `_sequence`, `_tick`. What is NULL may be left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
import orjson

from crime_assets.core import keys
from crime_assets.core.digests import text_digest
from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import DELIVERIES, QUARANTINE
from crime_assets.incidents.contract import FIELDS, LARGEST, Quarantined, Record
from crime_assets.incidents.reading import Reader
from crime_assets.streams import LandingStore, StoredObject
from crime_assets.streams.deliveries import content_of

_TYPES = {"string": str, "int": int, "double": float, "boolean": bool, "timestamptz": datetime}
_NEEDED = ("event_id", "kind", "fir_id", "version", "registered_at", "md5")
_NAMES = [field.name for field in FIELDS]
_LINE = msgspec.defstruct(
    "Line",
    [
        *((field.name, _TYPES[field.type]) for field in FIELDS if field.name in _NEEDED),
        *((field.name, _TYPES[field.type] | None, None) for field in FIELDS if field.name not in _NEEDED),
        ("_shard", str | None, None),
        ("_sequence", str | None, None),
        ("_tick", int | None, None),
    ],
)
_LONGEST = 2 * LARGEST
"""Bytes of a line that are read at the most: a report in columns is not much longer than its message."""
_AT_ONCE = 2_000


def read_reports(store: LandingStore, key: str) -> Iterator[dict[str, Any]]:
    """Every report of a delivery: FIELDS by name, times with their zone, and `_shard`, `_sequence`, `_tick`.

    LandingError, after those before it, if the object is missing or cut off, or has a line that is no report.
    """
    decode = msgspec.json.Decoder(_LINE).decode
    for number, line in enumerate(_lines(content_of(store, key), _LONGEST), 1):
        try:
            report = msgspec.structs.asdict(decode(line))
        except (msgspec.DecodeError, RecursionError):
            report = None
        # Not raised from the decoder's error, which can repeat values.
        if report is None:
            raise LandingError(
                f"Line {number} of the delivery {key} is no report: something else wrote it; restore the object."
            )
        yield report


def deliver_firehose(
    source: LandingStore, prefix: str, landing: LandingStore, stream: str, reader: Reader
) -> list[str]:
    """Make a delivery of each object that Firehose wrote under the prefix, unless there is one; the keys of all.

    Firehose does not say when a message came into the stream, so these reports have no `arrived_at`: they are history,
    no rule may count them. What is no report is quarantined beside them. An object that is cut off is left out, and
    LandingError is raised for it after the others have been delivered.
    """
    there = {found.key for found in landing.list(keys.live_typed_prefix(stream, DELIVERIES))}
    made: list[str] = []
    damage: LandingError | None = None
    for found in source.list(prefix):
        digest = text_digest(found.key)
        key = keys.live_typed(stream, DELIVERIES, digest)
        if key not in there:
            try:
                content, bad = _typed(source, found, digest, reader)
            except LandingError as error:
                damage = damage or error
                continue
            if bad:
                landing.write_new(keys.live_typed(stream, QUARANTINE, digest), bad)
            # Last: it says that the object is done. Who comes second finds the same reports there.
            landing.write_new(key, content)
        made.append(key)
    if damage:
        raise damage
    return made


def history_stream_settings(bucket: str, role_arn: str, stream_arn: str, prefix: str = "") -> dict[str, Any]:
    """What boto3's `create_delivery_stream` needs, beside a name, to write a Kinesis stream of reports to the bucket.

    Objects land under fir/ below `prefix`, by the hour (UTC) of their arrival, and what Firehose itself cannot deliver
    under errors/. `role_arn` is the role that may read the stream and write there.
    """
    below = f"{prefix.strip('/')}/".lstrip("/")
    partition = role_arn.split(":")[1]
    return {
        "DeliveryStreamType": "KinesisStreamAsSource",
        "KinesisStreamSourceConfiguration": {"KinesisStreamARN": stream_arn, "RoleARN": role_arn},
        "ExtendedS3DestinationConfiguration": {
            "RoleARN": role_arn,
            "BucketARN": f"arn:{partition}:s3:::{bucket}",
            "Prefix": f"{below}fir/",
            "ErrorOutputPrefix": f"{below}errors/!{{firehose:error-output-type}}/",
            "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60},
            "CompressionFormat": "GZIP",
            # Messages of a stream do not end with a newline.
            "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "AppendDelimiterToRecord"}]},
        },
    }


def _typed(source: LandingStore, found: StoredObject, digest: str, reader: Reader) -> tuple[bytes, bytes]:
    """The content of the delivery of an object, and that of its quarantine, empty if all were reports."""
    lines = enumerate(_lines(content_of(source, found.key), LARGEST), 1)
    packed, bad = bytearray(), bytearray()
    # An object that holds no report is delivered too: then it is done.
    while some := list(islice(lines, _AT_ONCE)):
        # The object is later than any message in it: that is enough to tell which are of the future.
        records = [Record("firehose", f"{digest}-{number:09}", found.modified, line) for number, line in some]
        reports, unfit = reader.read(records)
        rows = reports.select([*_NAMES, "shard", "sequence"]).to_pylist()
        packed += _member(_line(row) for row in rows)
        bad += b"".join(_quarantined(one) for one in unfit)
    return bytes(packed or _member(())), bytes(bad)


def _line(row: dict[str, Any]) -> bytes:
    shard, sequence = row.pop("shard"), row.pop("sequence")
    kept = {name: value for name, value in row.items() if value is not None and name != "arrived_at"}
    return _json({**kept, "_shard": shard, "_sequence": sequence})


def _quarantined(one: Quarantined) -> bytes:
    return _json(one._asdict())


def _json(value: dict[str, Any]) -> bytes:
    # Redshift's COPY knows ISO 8601 by its Z.
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def _member(lines: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(4, wbits=31)
    return packer.compress(b"".join(lines)) + packer.flush()


def _lines(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Lines that are not empty, in bounded memory: of one that is too long, one byte more than the longest may have."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line[: longest + 1] for line in whole if line.strip())
        # What comes is cut as well, so this is never longer than two pieces.
        rest = rest[: longest + 1]
    if rest.strip():
        yield rest
