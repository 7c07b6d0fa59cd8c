"""The stream in a directory, as Spark reads it: see sources/directory.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crime_assets.core.errors import LandingError
from crime_assets.incidents.spark.order import Layout

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Spark forgets, and would give again or never, files that are older than this: their times mean nothing here.
_OLDEST = "3650d"


def lines_of(spark: SparkSession, root: str, most: int) -> DataFrame:
    """The stream's lines, each with the address of its file; of each shard at most `most` files a batch, the oldest."""
    from pyspark.sql import functions as f

    reader = spark.readStream.format("text").options(
        lineSep="\n", maxFilesPerTrigger=most, maxFileAge=_OLDEST, pathGlobFilter="*.ndjson"
    )
    return reader.load(f"{root}/shards/*").select("value", f.input_file_name().alias("address"))


def layout_of(spark: SparkSession, root: str) -> Layout:
    """The shards as they are now. LandingError if one of their files is not as it was written."""
    from pyspark.sql import functions as f

    reader = spark.read.option("wholetext", value=True).option("pathGlobFilter", "{meta.json,closed}")
    found = reader.text(f"{root}/shards/*").select("value", f.input_file_name().alias("address")).collect()
    parents, files = {}, {}
    for text, address in found:
        shard, name = address.rsplit("/", 2)[1:]
        try:
            told = json.loads(text)
            if name == "closed":
                files[shard] = int(told["files"])
            else:
                parents[shard] = [str(parent) for parent in told["parents"]]
        except (ValueError, KeyError, TypeError) as error:
            raise LandingError(f"The stream's file {address} is not as it was written: restore it.") from error
    return Layout(parents, files)
