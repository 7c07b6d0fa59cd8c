"""Files as portals, spreadsheets and broken downloads leave them, and what the export feed makes of one."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets_tests.build import CHICAGO, HEADERS

DAY, LATER, TODAY = date(2018, 11, 19), date(2018, 11, 20), date(2100, 1, 1)


def crime(number: int) -> list[str]:
    """A row of an export, in the order of HEADERS; some have no place."""
    place = [f"41.8{number:05}17", f"-87.7{number:05}72"] if number % 5 else ["", ""]
    location = f"({place[0]}, {place[1]})" if place[0] else ""
    return [
        *(str(11_500_000 + number), f"HZ{number}", "11/01/2018 12:01:00 AM", "014XX S AVERS AVE", "031A", "ROBBERY"),
        *("HANDS, FISTS", 'BAR "THE END"', "false", "true", "0111", "001", "10", "51", "03", "1192770", "1837431"),
        *("2018", f"11/19/2018 04:{number % 60:02}:28 PM", *place, location),
    ]


ROWS = [crime(number) for number in range(1, 31)]


def written(
    rows: Sequence[Sequence[str]] = ROWS,
    *,
    header: Sequence[str] = HEADERS,
    separator: str = ",",
    end: str = "\n",
) -> str:
    """The text of a CSV file."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, lineterminator=end).writerows([header, *rows])
    return text.getvalue()


def read(path: Path, content: bytes | None = None) -> list[list[str]]:
    """The rows of a file, in order of id, after `content` is written there; no line of it may be damaged."""
    if content is not None:
        path.write_bytes(content)
    rows: list[list[str]] = []
    for part in ExportFile(path, CHICAGO.timezone).parts():
        assert part.damaged == []
        rows += [[value or "" for value in row.values()] for row in part.records.to_pylist()]
    return sorted(rows)


def damaged(path: Path, content: bytes) -> dict[str, str]:
    """The damaged lines of a file with this content, with their reasons."""
    path.write_bytes(content)
    return {one.line: one.reason for part in ExportFile(path, CHICAGO.timezone).parts() for one in part.damaged}


def refusal(path: Path, content: bytes) -> str:
    """What follows the name in the sentence by which a file with this content is refused."""
    path.write_bytes(content)
    with pytest.raises(FeedError) as caught:
        list(ExportFile(path, CHICAGO.timezone).parts())
    sentence = str(caught.value)
    assert sentence.startswith(f"The export {path} ")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence.removeprefix(f"The export {path} ")


def refusal_of_the_feed(path: Path, content: bytes) -> str:
    """The same, by the feed: whatever is asked of it, and it keeps nothing of the file."""
    expected = refusal(path, content)
    cache = path.parent / "cache"
    source = ExportFeed(CHICAGO, str(path), cache=cache, today=TODAY)
    for ask in (source.latest_day, lambda: list(source.changes(DAY, DAY)), lambda: source.history(LATER).__enter__()):
        with pytest.raises(FeedError) as caught:
            ask()
        assert str(caught.value) == f"The export {path} {expected}"
    assert not list(cache.rglob("index.json")) + list(cache.glob("*.parquet"))
    return expected
