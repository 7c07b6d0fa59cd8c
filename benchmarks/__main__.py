"""All figures, one after the other, printed and kept in RESULTS.md.

    python -m benchmarks [ROWS]

With fewer rows than the default the table is only printed.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    backfill,
    dashboard,
    day_run,
    exports,
    firehose,
    forecasts,
    governance,
    history,
    insights,
    legacy,
    live,
    merging,
    publications,
    readers,
    spark,
)
from benchmarks.measuring import Figure, table
from benchmarks.results import SPEED, write_part

ROWS = 8_200_000


def main(rows: int = ROWS) -> None:
    """Measure everything."""
    found: list[Figure] = []

    def add(figures: Sequence[Figure]) -> None:
        found.extend(figures)
        for figure in figures:
            print(figure, flush=True)

    with tempfile.TemporaryDirectory(prefix="crime-assets-bench-") as directory:
        place = Path(directory)
        add(day_run.figures(place, rows))
        add(backfill.figures(place))
        add(firehose.figures(place))
        loaded, few, many = history.figures(rows, rows // 10, place)
        add(loaded)
        add(exports.figures(rows, place))
        add(legacy.figures(place / "legacy"))
        add(insights.figures(rows, many))
        add(forecasts.figures(rows, rows // 10, few, many))
        add(governance.figures(rows, many))
        add(dashboard.figures(rows, many))
        add(readers.figures(rows, many))
        add(merging.figures(rows, rows // 10, few, many, place))
        add(publications.figures(place))
        add(live.figures(place))
        # Spark takes minutes for the rows that DuckDB takes seconds for.
        add(spark.figures(rows // 10, place))
    print("\n" + table(found))
    if rows == ROWS:
        write_part(SPEED, "Made by `make bench`.\n\n" + table(found))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
