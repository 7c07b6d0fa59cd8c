"""Exports of documents as a migration, or DynamoDB itself, writes them; and what can be wrong with one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from crime_assets.sources.feeds.dynamodb_export import (
    FILES,
    SUMMARY,
    DataFile,
    Summary,
    checksum,
    files_text,
    place,
    summary_text,
)
from crime_assets.streams import LandingStore

NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)
TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/crimes"


def crime_line(record: Mapping[str, object]) -> bytes:
    """A document of a crime, of its record as the portal has it."""
    item: dict[str, object] = {"id": {"S": f"crime#{record['id']}"}, "part": {"S": "-"}, "kind": {"S": "crime"}}
    for name, value in record.items():
        if name == "id":
            item["crime_id"] = {"N": value}
        elif isinstance(value, bool):
            item[name] = {"BOOL": value}
        else:
            item[name] = {"S": str(value)}
    return json.dumps({"Item": item}, separators=(",", ":")).encode()


def write_legacy_export(
    landing: LandingStore,
    records: Iterable[Mapping[str, object]],
    export: str = "1764525600000-0a1b2c3d",
    files: int = 2,
    more: Sequence[bytes] = (),
    table: str = TABLE,
    city: str = "chicago",
) -> str:
    """A whole export below Chicago's prefix, with an empty file; the key of its prefix."""
    lines = [*map(crime_line, records), *more]
    below = f"{place('chicago')}{export}/"
    told = []
    for number in range(files + 1):
        held = lines[number::files] if number < files else []
        content = gzip.compress(b"".join(line + b"\n" for line in held), mtime=0)
        told.append(DataFile(f"part{number}.json.gz", len(held), checksum(content)))
        landing.write(f"{below}data/{told[-1].name}", content)
    landing.write(below + "_started", b"")
    landing.write(below + FILES, files_text(told, below))
    summary = Summary(export, table, city, len(lines))
    landing.write(below + SUMMARY, summary_text(summary, NOW, NOW, NOW, "bucket", below))
    return below
