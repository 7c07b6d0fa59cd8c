"""The peer of the load: dlt copies the same tables out of PostgreSQL into Parquet files.

    .venv-dlt/bin/python benchmarks/legacy_dlt.py ADDRESS DIRECTORY TABLE…

An environment of its own runs it, which `make bench` makes: its requirements do not go with ours. It makes no
documents, keeps no place to go on from, and follows nothing.
"""

from __future__ import annotations

import os
import sys

# Read when dlt is loaded: it would report its use to its makers.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

import dlt
from dlt.sources.sql_database import sql_database


def main(address: str, directory: str, *tables: str) -> None:
    """Copy the tables."""
    pipeline = dlt.pipeline(
        "legacy",
        pipelines_dir=f"{directory}/pipelines",
        destination=dlt.destinations.filesystem(bucket_url=f"file://{directory}/files"),
        dataset_name="legacy",
    )
    source = sql_database(address, table_names=[*tables], backend="pyarrow")
    pipeline.run(source, loader_file_format="parquet")
    counts = pipeline.last_trace.last_normalize_info.row_counts
    print(sum(counts[table] for table in tables))


if __name__ == "__main__":
    main(*sys.argv[1:])
