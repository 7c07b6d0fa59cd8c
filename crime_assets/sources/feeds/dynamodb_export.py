"""Where an export of DynamoDB lies and what its manifests say: written by ours, read also from DynamoDB's own.

    legacy/city=chicago/AWSDynamoDB/1764525600000-0a1b2c3d/_started
                                                           data/….json.gz
                                                           manifest-files.json, manifest-files.checksum
                                                           manifest-summary.checksum, manifest-summary.json

The summary is written last: without it an export is not there. Names and fields are those of DynamoDB's exports to S3.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from crime_assets.core.errors import FeedError

SUMMARY = "manifest-summary.json"
FILES = "manifest-files.json"
STARTED = "_started"

_KEY = re.compile(r"(?P<id>[0-9]{1,20}-[0-9a-z]{1,32})/(?P<rest>.+)")
_DATA = re.compile(r"(?:.*/)?data/(?P<name>[A-Za-z0-9]{1,64}\.json\.gz)")
_MD5 = re.compile(r"[A-Za-z0-9+/]{22}==")
_VERSION = "2020-06-30"


class Key(Protocol):
    """An object as a listing shows it."""

    @property
    def key(self) -> str:
        """All of its name."""


@dataclass(frozen=True)
class DataFile:
    """A file with items: its name below `data/`, how many it has, and the MD5 of its bytes in base64."""

    name: str
    items: int
    md5: str


@dataclass(frozen=True)
class Summary:
    """What is said of a whole export. `city` is empty in those that DynamoDB makes itself."""

    export: str
    table: str
    city: str
    items: int


def place(city: str) -> str:
    """The prefix of a city's exports."""
    return f"legacy/city={city}/AWSDynamoDB/"


def parts_of(found: Iterator[Key], prefix: str) -> dict[str, list[str]]:
    """Ids of exports, the oldest first, with the names of their objects, whether they are whole or not."""
    exports: dict[str, list[str]] = {}
    for one in found:
        if matched := _KEY.fullmatch(one.key.removeprefix(prefix)):
            exports.setdefault(matched["id"], []).append(matched["rest"])
    return dict(sorted(exports.items(), key=lambda item: age(item[0])))


def age(export: str) -> tuple[int, str]:
    """Orders ids: the later is the newer."""
    return int(export.partition("-")[0]), export


def checksum(content: bytes) -> str:
    """MD5 in base64, as manifests have it. It finds accidents."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def files_text(files: Sequence[DataFile], below: str) -> bytes:
    """The manifest of files; `below` is the key of the export's prefix."""
    lines = []
    for file in files:
        told = {
            "itemCount": file.items,
            "md5Checksum": file.md5,
            "etag": base64.b64decode(file.md5).hex(),
            "dataFileS3Key": f"{below}data/{file.name}",
        }
        lines.append(json.dumps(told, separators=(",", ":")) + "\n")
    return "".join(lines).encode()


def summary_text(
    summary: Summary, started: datetime, ended: datetime, exported: datetime, bucket: str, below: str
) -> bytes:
    """The summary; `exported` is the moment of the documents' verification, and `below` the key of its prefix."""
    prefix = below.partition("AWSDynamoDB/")[0]
    told = {
        "version": _VERSION,
        "exportArn": f"{summary.table}/export/{summary.export}",
        "startTime": _moment(started),
        "endTime": _moment(ended),
        "tableArn": summary.table,
        "tableId": hashlib.sha256(summary.table.encode()).hexdigest()[:32],
        "exportTime": _moment(exported),
        "s3Bucket": bucket,
        "s3Prefix": prefix.rstrip("/"),
        "s3SseAlgorithm": None,
        "s3SseKmsKeyId": None,
        "manifestFilesS3Key": f"{below}{FILES}",
        "billedSizeBytes": 0,
        "itemCount": summary.items,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
        "city": summary.city,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def read_summary(content: bytes, export: str, where: str) -> Summary:
    """What `summary_text` or DynamoDB wrote. FeedError that names `where` it is, if it is anything else."""
    told = _object(content, where)
    if told.get("outputFormat") != "DYNAMODB_JSON" or told.get("exportType", "FULL_EXPORT") != "FULL_EXPORT":
        raise FeedError(f"The export of {where} is no full one in DynamoDB JSON: export the whole table so, once more.")
    table, city, items = told.get("tableArn"), told.get("city", ""), _count(told)
    if not isinstance(table, str) or not isinstance(city, str) or items is None:
        raise _damaged(where)
    return Summary(export, table, city, items)


def read_files(content: bytes, where: str) -> list[DataFile]:
    """The files of an export. FeedError that names `where` it is, if it is damaged or names a file twice."""
    found = []
    for line in content.splitlines():
        told = _object(line, where)
        key, md5, items = told.get("dataFileS3Key"), told.get("md5Checksum"), _count(told)
        if not isinstance(key, str) or not isinstance(md5, str) or items is None:
            raise _damaged(where)
        # Only the name counts: whatever lies elsewhere is not looked at.
        name = _DATA.fullmatch(key)
        if name is None or not _MD5.fullmatch(md5):
            raise _damaged(where)
        found.append(DataFile(name["name"], items, md5))
    if len({file.name for file in found}) < len(found):
        raise FeedError(f"{where} names a file twice: export the table again.")
    return found


def _object(content: bytes, where: str) -> dict[str, Any]:
    try:
        told = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _damaged(where) from error
    if not isinstance(told, dict):
        raise _damaged(where)
    return told


def _count(told: Mapping[str, Any]) -> int | None:
    value = told.get("itemCount")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _damaged(where: str) -> FeedError:
    return FeedError(f"{where} is not what a manifest of a DynamoDB export is: export the table again.")


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
