"""The road without a consumer: Firehose writes the stream to the landing store, and deliveries are made of that.

Firehose does not say when a message came into the stream, so these reports have no `arrived_at`: they are history, and
no rule may count them. What is no report goes to quarantine, like what a consumer reads.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Any

import orjson

from crime_assets.core import keys
from crime_assets.core.digests import text_digest
from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import DELIVERIES, QUARANTINE, Chain
from crime_assets.incidents.contract import FIELDS, LARGEST, Record
from crime_assets.incidents.deliveries import lines_of
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.status import read_epoch
from crime_assets.incidents.times import Calendar
from crime_assets.streams import LandingStore, StoredObject
from crime_assets.streams.deliveries import content_of

_NAMES = [field.name for field in FIELDS]
_AT_ONCE = 2_000
_EPOCH = "firehose-"


class Firehose:
    """What Firehose writes below a prefix of a store, and the chains there that are made of it.

    Each object becomes the next delivery, once: a mark says which number it has before anything of that number is
    written, so who was stopped in between goes on with the same object.
    """

    def __init__(self, store: LandingStore, prefix: str, stream: str, calendar: Calendar) -> None:
        """`prefix` must not have the objects that are made here."""
        self._store, self._prefix, self._stream = store, prefix, stream
        self._calendar = calendar

    def waiting(self) -> list[StoredObject]:
        """The objects that are no delivery yet."""
        epoch = self._epoch()
        return self._waiting(self._taken(epoch) if epoch else {})

    def damaged(self) -> list[str]:
        """The keys of those that wait because they cannot be read to their end."""
        return [found.key for found in self.waiting() if not _is_whole(self._store, found.key)]

    def deliver(self) -> int:
        """Make a delivery of each object that is none yet; how many were made. One process at a time may do so.

        An object that is cut off is left out, until it is whole. LandingError if the stream's chains are a consumer's.
        """
        epoch = self._epoch() or self._begun()
        reader, taken = Reader(self._calendar), self._taken(epoch)
        last, made = max(taken.values(), default=0), 0
        if last and self._is_unfinished(epoch, last):
            self._write(epoch, last, *_typed(self._store, self._marked(epoch, last, taken), reader))
            made += 1
        for found in self._waiting(taken):
            try:
                content, bad = _typed(self._store, found, reader)
            except LandingError:
                continue
            last, made = last + 1, made + 1
            mark = keys.live_taken(self._stream, epoch, last, text_digest(found.key))
            self._store.write(mark, found.key.encode())
            self._write(epoch, last, content, bad)
        return made

    def forget(self) -> int:
        """Remove the marks of objects that are gone, as after a lifecycle rule; how many."""
        epoch = self._epoch()
        if epoch is None:
            return 0
        taken = self._taken(epoch)
        there = {text_digest(found.key) for found in self._store.list(self._prefix)}
        # The last one says which number comes next.
        gone = {
            digest: number for digest, number in taken.items() if digest not in there and number < max(taken.values())
        }
        for digest, number in gone.items():
            self._store.delete(keys.live_taken(self._stream, epoch, number, digest))
        return len(gone)

    def _epoch(self) -> str | None:
        epoch = read_epoch(self._store, self._stream)
        if epoch is not None and not epoch.startswith(_EPOCH):
            raise LandingError(
                f"{self._claim} names the chains of a consumer: give what Firehose delivers another CRIME_STREAM, or "
                "remove that file, and everything that Firehose wrote is delivered into new chains."
            )
        return epoch

    def _begun(self) -> str:
        epoch = f"{_EPOCH}{secrets.token_hex(4)}"
        self._store.write_new(self._claim, json.dumps({"epoch": epoch, "zone": self._calendar.zone}).encode())
        return self._epoch() or epoch

    @property
    def _claim(self) -> str:
        return keys.live(self._stream, "epoch.json")

    def _taken(self, epoch: str) -> dict[str, int]:
        """Digest of an object's key → the number of its delivery."""
        marks = self._store.list(keys.live_taken_prefix(self._stream, epoch))
        found = [keys.live_taken_parts(mark.key) for mark in marks]
        if len({number for number, _ in found}) < len(found):
            raise LandingError(
                f"Two processes at once made deliveries of what Firehose wrote for {self._stream}: stop one of them "
                f"and remove {self._claim}; then everything is delivered into new chains."
            )
        return {digest: number for number, digest in found}

    def _waiting(self, taken: Collection[str]) -> list[StoredObject]:
        return [found for found in self._store.list(self._prefix) if text_digest(found.key) not in taken]

    def _chain(self, epoch: str, name: str) -> Chain:
        return Chain(self._store, self._stream, epoch, name)

    def _is_unfinished(self, epoch: str, number: int) -> bool:
        chain = self._chain(epoch, DELIVERIES)
        return number >= chain.begins() and chain.read(number) is None

    def _marked(self, epoch: str, number: int, taken: dict[str, int]) -> StoredObject:
        """The object that has this number."""
        (digest,) = (digest for digest, other in taken.items() if other == number)
        key = (self._store.read(keys.live_taken(self._stream, epoch, number, digest)) or b"").decode()
        for found in self._store.list(key):
            if found.key == key:
                return found
        raise LandingError(f"{key}, of which a delivery was being made, is gone: restore it.")

    def _write(self, epoch: str, number: int, content: bytes, bad: bytes) -> None:
        # Also where all were reports: so both have the same numbers, and neither a gap.
        self._chain(epoch, QUARANTINE).write(number, bad)
        # Last: it says that the object is done.
        self._chain(epoch, DELIVERIES).write(number, content)


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


def _is_whole(store: LandingStore, key: str) -> bool:
    try:
        for _ in content_of(store, key):
            pass
    except LandingError:
        return False
    return True


def _typed(store: LandingStore, found: StoredObject, reader: Reader) -> tuple[bytes, bytes]:
    """The content of the delivery of an object, and that of its quarantine, empty if all were reports."""
    digest = text_digest(found.key)
    lines = enumerate(lines_of(content_of(store, found.key), LARGEST), 1)
    packed, bad = bytearray(), bytearray()
    while some := list(islice(lines, _AT_ONCE)):
        # The object is later than any message in it: that is enough to tell which are of the future.
        records = [Record("firehose", f"{digest}-{number:09}", found.modified, line) for number, line in some]
        reports, unfit = reader.read(records)
        packed += _member(map(_line, reports.select([*_NAMES, "shard", "sequence"]).to_pylist()))
        bad += b"".join(_json(one._asdict()) for one in unfit)
    # An object that holds no report is delivered too: then it is done.
    return bytes(packed or _member(())), bytes(bad)


def _line(row: dict[str, Any]) -> bytes:
    shard, sequence = row.pop("shard"), row.pop("sequence")
    kept = {name: value for name, value in row.items() if value is not None and name != "arrived_at"}
    return _json({**kept, "_shard": shard, "_sequence": sequence})


def _json(value: dict[str, Any]) -> bytes:
    # Redshift's COPY knows ISO 8601 by its Z.
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def _member(lines: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(4, wbits=31)
    return packer.compress(b"".join(lines)) + packer.flush()
