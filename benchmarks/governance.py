"""Gates of a large lake, and questions to one, beside bare DuckDB.

    python -m benchmarks.governance HOME gate PRINCIPAL    a gate, as the policy to begin with has it
    python -m benchmarks.governance HOME scan              four columns of all rows
    python -m benchmarks.governance HOME copy              the columns of the gate of all rows, as Parquet
    python -m benchmarks.governance HOME ask               questions to a warm worker, and to DuckDB on the same file

Prints seconds.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from datetime import date
from pathlib import Path

import duckdb

from benchmarks.history import CITY
from benchmarks.insights import files
from benchmarks.measuring import Figure, module, spend
from crime_assets.core.insights import all_insights
from crime_assets.governance.gates import GATE, GateMaker, seen_columns
from crime_assets.governance.keys import mask_key
from crime_assets.governance.policy import parse_policy
from crime_assets.governance.pool import Pool
from crime_assets.governance.scopes import Scope, scope_of
from crime_assets.lakehouse.iceberg.duck import connection, identifier, literal
from crime_assets.lakehouse.place.lake import Lake

_POLICY = Path(__file__).parents[1] / "deploy" / "governance" / "policy.toml"
_ROUNDS = 3
_QUESTIONS = (
    "SELECT primary_type, count(*) FROM crimes GROUP BY ALL ORDER BY ALL",
    "SELECT month, count(*) FILTER (WHERE arrest) FROM crimes GROUP BY ALL ORDER BY ALL",
    "SELECT * FROM crimes ORDER BY occurred_at DESC LIMIT 100",
    "SELECT beat, hour, count(*) FROM crimes WHERE occurred_on > '2024-01-01' GROUP BY ALL ORDER BY ALL",
)


def scope(lake: Lake, principal: str) -> Scope:
    """What a principal of the policy to begin with sees."""
    policy = parse_policy(_POLICY.read_bytes())
    return scope_of(policy, policy.principal(principal, date.min), seen_columns(lake, CITY))


def maker(home: Path) -> GateMaker:
    """What makes the gates of a loaded lake."""
    return GateMaker(Lake(home), CITY, tuple, lambda: mask_key(home / "governance"), home / "gates")


def gate(home: Path, principal: str) -> None:
    """A gate, made anew, by a process that knows its statements."""
    all_insights()
    shutil.rmtree(home / "gates", ignore_errors=True)
    start = time.perf_counter()
    maker(home).gate(scope(Lake(home), principal))
    print(time.perf_counter() - start)


def bare(home: Path, what: str) -> None:
    """DuckDB alone on the lake's files."""
    rows = f"read_parquet([{', '.join(map(literal, files(home)))}], hive_partitioning = false)"
    seen = ", ".join(map(identifier, scope(Lake(home), "analyst").columns))
    with connection(home / "staging") as con:
        start = time.perf_counter()
        if what == "scan":
            con.execute(f"FROM {rows} SELECT count(latitude), sum(longitude), max(district), sum(id)").fetchall()
        else:
            target = literal(str(home / "copy.parquet"))
            con.execute(f"COPY (FROM {rows} SELECT {seen}) TO {target} (FORMAT parquet, COMPRESSION zstd)")
        print(time.perf_counter() - start)


def ask(home: Path) -> None:
    """The median of each question, by a worker and by DuckDB, summed up."""
    found, pool = maker(home).gate(scope(Lake(home), "p.diaz")), Pool()
    ours, peer = [], []
    with duckdb.connect(str(found.place / GATE), read_only=True, config={"threads": 2}) as con:
        for sql in _QUESTIONS:
            taken: list[tuple[float, float]] = []
            for _ in range(2 * _ROUNDS + 1):
                times = [time.perf_counter()]
                pool.ask(found, sql)
                times.append(time.perf_counter())
                con.sql(sql).to_arrow_table()
                times.append(time.perf_counter())
                taken.append((times[1] - times[0], times[2] - times[1]))
            ours.append(statistics.median(one for one, _ in taken[1:]))
            peer.append(statistics.median(one for _, one in taken[1:]))
    pool.close()
    print(statistics.mean(ours), statistics.mean(peer))


def figures(rows: int, home: Path) -> list[Figure]:
    """Gates and their peers, in turn, several times; then the questions."""

    def seconds(*arguments: object) -> float:
        return float(spend(module("governance", home, *arguments)).printed)

    own = [(seconds("gate", "p.diaz"), seconds("scan")) for _ in range(_ROUNDS)]
    ours, peer = map(float, spend(module("governance", home, "ask")).printed.split())
    everything = [(seconds("gate", "analyst"), seconds("copy"))]
    return [
        Figure(
            f"gate of a district with {len(all_insights())} insights, {rows:,} rows in the lake (median of {_ROUNDS})",
            f"{statistics.median(one for one, _ in own):.2f} s",
            f"DuckDB reading four columns of all rows: {statistics.median(one for _, one in own):.2f} s",
            statistics.median(one / other for one, other in own),
            4,
        ),
        Figure(
            f"gate of all rows, masked, {rows:,} rows",
            f"{everything[0][0]:.1f} s",
            f"DuckDB, COPY of the same columns: {everything[0][1]:.1f} s",
            everything[0][0] / everything[0][1],
            2,
        ),
        Figure(
            f"a question to a warm worker (mean of {len(_QUESTIONS)}, each the median of {2 * _ROUNDS})",
            f"{ours * 1000:.0f} ms",
            f"1.2 times DuckDB on the same file ({peer * 1000:.0f} ms), and 15 ms",
            ours / (1.2 * peer + 0.015),
            1,
        ),
    ]


if __name__ == "__main__":
    work, *rest = sys.argv[2:]
    place = Path(sys.argv[1])
    if work == "gate":
        gate(place, rest[0])
    elif work == "ask":
        ask(place)
    else:
        bare(place, work)
