"""Objects in the landing store that are not what they should be: counted, named, and no reason to lose anything."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.envelopes import seal
from crime_assets.defs.automation.jobs import BACKFILL
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import read_inventory
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.graph import Graph, failing, verdicts
from crime_assets_tests.lakehouse.lakes import rows

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 25)
HISTORY = range(1, 20)
CHANGES = 250
"""Of every day: two batches."""
RUBBISH = random.Random(3).randbytes(20_000).replace(b"\n", b"").replace(b"\x1f\x8b", b"")
MEBIBYTE = 1 << 20
LARGE, STRESS_LARGE = 5, 200
"""Mebibytes of a large object."""
PEAK, STRESS_PEAK = 600, 2048
"""Mebibytes that a process which merges one may have at most; an idle one that has the same modules has 200."""


def lines(ids: Iterator[int] | range, size: int | None = None) -> bytes:
    """Sealed records of the day with these ids, up to so many bytes."""
    content, at = bytearray(), datetime(2024, 1, 26, tzinfo=UTC)
    for id in ids:
        content += seal(record(id, str(DAY), f"2023-{id % 12 + 1:02}-05"), "chicago", DAY, "another", at)
        if size is not None and len(content) >= size:
            break
    return bytes(content)


def truncated(content: bytes) -> bytes:
    return content[: len(content) // 2]


def empty(_: bytes) -> bytes:
    return b""


def no_gzip(_: bytes) -> bytes:
    return RUBBISH


def like_gzip(content: bytes) -> bytes:
    return content[:2] + RUBBISH


def half_a_line(content: bytes) -> bytes:
    plain = gzip.decompress(content)
    return plain[: len(plain) // 2 - 10]


ODD: dict[str, Callable[[bytes], bytes]] = {
    "truncated": truncated,
    "empty": empty,
    "no gzip": no_gzip,
    "begins like gzip": like_gzip,
    "plain, and cut in a line": half_a_line,
}


DAYS = {DAY + timedelta(days=n): kind for n, kind in enumerate(ODD)}
"""A day for each kind of odd object."""


def changes(*days: date) -> list[int]:
    """Ids of the records that the source changed on these days."""
    return [1_000_000 * day.day + n for day in days for n in range(CHANGES)]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    crimes = [record(n, "2024-01-10", "2024-01-05") for n in HISTORY]
    changed = [record(id, str(day), "2024-01-15") for day in DAYS for id in changes(day)]
    return write_export(tmp_path_factory.mktemp("export") / "crimes.csv", [*crimes, *changed])


@pytest.fixture
def graph(export: Path, tmp_path: Path) -> Graph:
    """A lake with its history."""
    graph = Graph(export_profile(tmp_path / "lake", export))
    graph.load()
    return graph


def objects(graph: Graph, day: date) -> dict[str, bytes]:
    """What has landed of a day."""
    landing = graph.profile.landing
    return {one.key: landing.read(one.key) or b"" for one in landing.list(keys.deliveries_prefix("chicago", day))}


def test_deliveries_that_were_spoilt_are_named_and_delivered_again(graph: Graph) -> None:
    first, last = str(min(DAYS)), str(max(DAYS))
    graph.run(first, last, job="pull_change_day")
    spoilt = {}
    for day, kind in DAYS.items():
        ((key, content),) = objects(graph, day).items()
        graph.profile.landing.write(key, ODD[kind](content))
        spoilt[kind] = key

    found = verdicts(graph.run(first, last, job="merge_change_day", fails=True))["delivery_complete"]
    for day, kind in DAYS.items():
        assert f"{day}: 2 of 2 batches are missing" in str(found.description), kind
    assert found.metadata["damaged_objects"].value == [spoilt["truncated"], spoilt["begins like gzip"]]
    assert sorted(row["id"] for row in graph.rows()) == [*HISTORY]

    assert "delivery_complete" not in failing(graph.run(first, last, job=BACKFILL))
    assert sorted(row["id"] for row in graph.rows()) == [*HISTORY, *changes(*DAYS)]
    assert [len(objects(graph, day)) for day in DAYS] == [2] * len(DAYS)


def test_odd_objects_beside_the_delivery_are_used_as_far_as_they_can_be_read(graph: Graph) -> None:
    graph.run(str(DAY), job="pull_change_day")
    prefix, more = keys.deliveries_prefix("chicago", DAY), lines(range(1_000, 1_400))
    for kind, odd in ODD.items():
        graph.profile.landing.write(f"{prefix}{kind}.gz", odd(gzip.compress(more)))
    graph.profile.landing.write(f"{prefix}plain.gz", lines(range(2_000, 2_010)))
    graph.profile.landing.write(f"{prefix}large.gz", lines(count(10_000), LARGE * MEBIBYTE))

    found = verdicts(graph.run(str(DAY), job=BACKFILL))["delivery_complete"]

    damaged = [f"{prefix}{kind}.gz" for kind in ("begins like gzip", "truncated")]
    assert (found.passed, found.metadata["damaged_objects"].value) == (True, damaged)
    assert "Damaged objects: 2; their readable part is used" in str(found.description)
    inventory = read_inventory(graph.profile.landing, "chicago", DAY)
    assert inventory is not None
    by_name = {item.key.removeprefix(prefix): item for item in inventory.items}
    assert [by_name[f"{kind}.gz"].damaged_lines for kind in ODD] == [0, 0, 1, 0, 1]
    assert by_name["empty.gz"].records == by_name["no gzip.gz"].records == 0
    part = max(by_name["truncated.gz"].records, by_name["plain, and cut in a line.gz"].records)
    assert 100 < part < 400
    ids = {row["id"] for row in graph.rows()}
    readable = {*range(1_000, 1_000 + part), *range(2_000, 2_010), *range(10_000, 10_000 + by_name["large.gz"].records)}
    assert ids == {*HISTORY, *changes(DAY), *readable}
    assert len(ids) == len(graph.rows())
    assert len(graph.rows("crimes_quarantine")) == 2


_MERGE = """
import re, resource, sys
from datetime import date
from pathlib import Path
from crime_assets.sources import cities
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.merge import merge_deliveries
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import contents_of, take_inventory
lake, city, day = Lake(Path(sys.argv[1])), cities.get("chicago"), date.fromisoformat(sys.argv[2])
landing = DirectoryStore(lake.landing)
found = take_inventory(landing, city.name, day)
merge_deliveries(lake, city, contents_of(landing, city.name, {day: found}), {})
if sys.platform == "linux":  # where getrusage still counts what the parent had when it started this process
    print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2)
"""


def peak_of_merging(home: Path) -> int:
    """Mebibytes that a process has at its peak which looks at the day's deliveries and merges them."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", _MERGE, str(home), str(DAY)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=600)
    return int(done.stdout)


def different(size: int) -> tuple[bytes, int]:
    """So many bytes of different records, not packed; how many."""
    content = lines(count(1), size)
    return content, content.count(b"\n")


def repeated(size: int) -> tuple[bytes, int]:
    """So many bytes of one record again and again, packed to a small part of it."""
    line = lines(range(1, 2))
    return gzip.compress(line * (size // len(line)), compresslevel=6), 1


def merge_large(home: Path, kind: Callable[[int], tuple[bytes, int]], mebibytes: int, peak: int) -> int:
    """Merge a day with such an object; returns the peak of memory, which must not be more than `peak` mebibytes."""
    content, expected = kind(mebibytes * MEBIBYTE)
    lake = Lake(home)
    DirectoryStore(lake.landing).write(f"{keys.deliveries_prefix('chicago', DAY)}large.gz", content)
    found = peak_of_merging(home)
    assert [row["id"] for row in rows(lake)] == list(range(1, expected + 1))
    assert found <= peak
    return found


@pytest.mark.parametrize("kind", [different, repeated])
def test_a_large_object_is_merged_in_bounded_memory(tmp_path: Path, kind: Callable[[int], tuple[bytes, int]]) -> None:
    merge_large(tmp_path / "lake", kind, LARGE, PEAK)


@pytest.mark.stress
@pytest.mark.parametrize("kind", [different, repeated])
def test_a_very_large_object_is_merged_in_bounded_memory(
    tmp_path: Path,
    kind: Callable[[int], tuple[bytes, int]],
    capsys: pytest.CaptureFixture[str],
    thrown: Callable[[str, object], None],
) -> None:
    found = merge_large(tmp_path / "lake", kind, STRESS_LARGE, STRESS_PEAK)
    thrown(f"an object of {STRESS_LARGE} MiB of {kind.__name__} records", f"once; {found} MiB of memory at the peak")
    with capsys.disabled():
        print(f"\n{STRESS_LARGE} MiB of {kind.__name__} records: {found} MiB at the peak")
