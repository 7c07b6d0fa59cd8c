"""Texts in Arrow: joined for each root as a plain dict would, and without what Arrow would import for them."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import psycopg2
import pyarrow as pa
import pytest

from crime_assets.migration import arrow
from crime_assets.migration.sample import create
from crime_assets_tests.migration.servers import PostgresServer

_LOAD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from crime_assets.migration import Road
from crime_assets.migration.addresses import open_database
from crime_assets.migration.load import load
from crime_assets.migration.mappings import ALL
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.streams.directory import DirectoryStore

address, home = sys.argv[1], Path(sys.argv[2])
store, landing = SqliteStore(home / "documents.db"), DirectoryStore(home)
road = Road(open_database(address, "", "imports", ALL), store, landing, ALL, "chicago", home, lambda: datetime.now(UTC))
print(load(road, lambda _: None).documents, *sorted({"pandas", "pyiceberg", "dagster"} & sys.modules.keys()))
"""


@pytest.mark.slow
def test_a_load_imports_nothing_that_is_as_large_as_itself(postgres_legacy: PostgresServer, tmp_path: Path) -> None:
    with postgres_legacy.database() as name:
        with closing(psycopg2.connect(**postgres_legacy.where(name))) as connection, connection.cursor() as cursor:
            create(connection, "postgresql")
            cursor.execute("INSERT INTO crimes (id, description) VALUES (1, 'back\\slash'), (2, NULL), (3, 'plain')")
            cursor.execute("INSERT INTO crime_roles VALUES (1, 1, 'victim', 'F', 41)")
            # Too long for an item.
            cursor.execute("INSERT INTO crime_notes VALUES (7, 3, now(), repeat('x', 500000))")
            connection.commit()
        address = f"postgresql://{postgres_legacy.user}@localhost/{name}?host={postgres_legacy.socket}"
        command = [sys.executable, "-c", _LOAD, address, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["3"]


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_texts_are_joined_for_each_root_in_their_order(columns: int, is_mixed: bool) -> None:
    draw = random.Random(columns)
    for _ in range(200):
        keys = [tuple(draw.choice(["", "1", "11", "a b", "é", None]) for _ in range(columns)) for _ in range(30)]
        rows = keys if is_mixed else sorted(keys, key=str)
        rows = rows[: draw.choice([0, 1, 30])]
        texts = [draw.choice(["", ",x", ",é\U0001f600"]) + str(n) for n, _ in enumerate(rows)]
        expected: dict[tuple[str | None, ...], str] = defaultdict(str)
        for key, text in zip(rows, texts, strict=True):
            expected[key] += text
        roots = [key for key in dict.fromkeys(keys) if None not in key]
        found = arrow.joined(_table(roots, columns), _table(rows, columns), arrow.column(texts))
        assert found.to_pylist() == [expected.get(root) for root in roots]


def _table(rows: list[tuple[str | None, ...]], columns: int) -> pa.Table:
    return arrow.table({f"k{n}": [row[n] for row in rows] for n in range(columns)})


def test_columns_and_items_are_what_they_are_made_of() -> None:
    assert arrow.column(["a", None, "é", ""]).to_pylist() == ["a", None, "é", ""]
    assert arrow.items([("a", "-", "{}")]).to_pylist() == [{"id": "a", "part": "-", "item": "{}"}]
    assert (arrow.items([]).num_rows, arrow.items([]).schema) == (0, arrow.ITEM)
    with pytest.raises(UnicodeEncodeError):
        arrow.column(["\ud800"])


def test_memory_is_taken_as_before_when_a_step_is_over() -> None:
    before = pa.default_memory_pool().backend_name
    with arrow.frugal():
        assert pa.default_memory_pool().backend_name == "system"
    assert pa.default_memory_pool().backend_name == before
