"""The SQL of all insights over a loaded lake, beside the same in DuckDB over one sorted Parquet file of the same rows.

    python -m benchmarks.insights HOME ours|peer FILE DAY
    python -m benchmarks.insights HOME bytes

Prints seconds, or the bytes that a question about 28 days read and those of the whole table.
"""

from __future__ import annotations

import statistics
import sys
import time
from datetime import date, timedelta
from pathlib import Path

from benchmarks.history import CITY, FIRST_DAY
from benchmarks.measuring import Figure, module, spend
from crime_assets.core.insights import load_insights
from crime_assets.core.sql import render
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.known import parameters
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path

_DAY = FIRST_DAY - timedelta(days=1)
_ROUNDS = 3


def ours(home: Path, _: Path, day: date) -> None:
    """As the graph asks them, in a run that has opened the catalog before."""
    lake = Lake(home)
    tables.load(lake, CITY.name, "crimes")
    engine = DuckDBEngine(lake, CITY)
    start = time.perf_counter()
    for insight in load_insights():
        engine.insight(insight, day)
    print(time.perf_counter() - start)


def peer(home: Path, file: Path, day: date) -> None:
    """The same statements over one file."""
    with connection(home / "staging") as con:
        if not file.exists():
            held = ", ".join(literal(path) for path in files(home))
            con.execute("SET preserve_insertion_order = true")
            con.execute(
                f"COPY (FROM read_parquet([{held}], hive_partitioning = false) ORDER BY occurred_at, id) "
                f"TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
            )
        start = time.perf_counter()
        con.execute(f"CREATE VIEW crimes AS FROM read_parquet({literal(str(file))})")
        con.execute("CREATE VIEW crimes_superseded AS FROM crimes LIMIT 0")
        con.execute("CREATE VIEW crimes_removed AS SELECT *, change_day AS removed_on FROM crimes LIMIT 0")
        asked = parameters(Lake(home), CITY, day, ())
        for insight in load_insights():
            con.sql(render(insight.statement, "duckdb", asked)).to_arrow_table()
        print(time.perf_counter() - start)


def read_bytes(home: Path) -> None:
    """What a question about 28 days reads of the files, as the system counts it, and how large the table is."""
    engine = DuckDBEngine(Lake(home), CITY)
    size = sum(Path(path).stat().st_size for path in files(home))
    first = date(2025, 10, 20)
    before = _read_so_far()
    engine.query(
        "SELECT primary_type, count(*), count(*) FILTER (WHERE arrest) FROM crimes "
        f"WHERE occurred_on BETWEEN DATE '{first}' AND DATE '{first + timedelta(days=27)}' GROUP BY ALL"
    )
    print(_read_so_far() - before, size)


def _read_so_far() -> int:
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"])


def files(home: Path) -> list[str]:
    """The data files of crimes."""
    crimes = tables.load(Lake(home), CITY.name, "crimes")
    assert crimes is not None
    return [local_path(file.file_path) for file in tables.data_files(crimes)]


def figures(rows: int, home: Path) -> list[Figure]:
    """Both, in turn, several times."""
    file = home / "sorted.parquet"
    spend(module("insights", home, "peer", file, _DAY))
    pairs = [
        tuple(float(spend(module("insights", home, who, file, _DAY)).printed) for who in ("ours", "peer"))
        for _ in range(_ROUNDS)
    ]
    found, size = map(int, spend(module("insights", home, "bytes")).printed.split())
    return [
        Figure(
            f"the SQL of {len(load_insights())} insights, {rows:,} rows (median of {_ROUNDS})",
            f"{statistics.median(a for a, _ in pairs):.2f} s",
            f"DuckDB, one sorted Parquet file: {statistics.median(b for _, b in pairs):.2f} s",
            statistics.median(a / b for a, b in pairs),
            1.3,
        ),
        Figure("bytes read for a 28-day question", f"{found:,}", f"the whole table: {size:,}", found / size, 0.05),
    ]


if __name__ == "__main__":
    place, what = Path(sys.argv[1]), sys.argv[2]
    if what == "bytes":
        read_bytes(place)
    else:
        {"ours": ours, "peer": peer}[what](place, Path(sys.argv[3]), date.fromisoformat(sys.argv[4]))
