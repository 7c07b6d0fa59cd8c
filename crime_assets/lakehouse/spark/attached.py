"""A Spark session with one lake's tables: it has its own settings and views, beside other sessions of the process."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeError, chain
from crime_assets.lakehouse.place.catalog_file import CATALOG
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.catalog import CatalogServer
from crime_assets.lakehouse.spark.session import STATEMENTS, catalog_settings

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame, SparkSession

_TASK = re.compile(r"^.*most recent failure: Lost task .*? executor [^)]*\): ")
"""What Spark puts before the reason: which task of which stage failed how often, and on which machine."""


class AttachedLake:
    """A lake for Spark. `start` gives the session of the process; it is called when Spark is first needed."""

    def __init__(self, lake: Lake, start: Callable[[], SparkSession]) -> None:
        self.lake = lake
        self._start = start
        self._computed: list[DataFrame] = []

    @cached_property
    def session(self) -> SparkSession:
        """A session of this lake's own."""
        session = self._start().newSession()
        properties = {str(name): str(value) for name, value in self.lake.catalog.properties.items()}
        settings = catalog_settings(CATALOG, self._catalog.uri, self._catalog.token, properties)
        for name, value in {**STATEMENTS, **settings}.items():
            session.conf.set(name, value)
        return session

    @cached_property
    def _catalog(self) -> CatalogServer:
        return CatalogServer(self.lake)

    def read(self, name: tuple[str, ...], snapshot_id: int | None = None) -> DataFrame:
        """The rows of a table, by namespace and name, now or as of a snapshot."""
        reader = self.session.read
        if snapshot_id is not None:
            reader = reader.option("snapshot-id", str(snapshot_id))
        return reader.table(place(name))

    def commit(self, table: Table, properties: Mapping[str, str], write: Callable[[], object]) -> int:
        """Let `write` change the table by one snapshot with these properties; its id.

        StalePlan if the table has changed since `table` was loaded; LakeError if Spark makes no snapshot.
        """
        with self._catalog.committing(table, properties) as expected:
            write()
        if expected.snapshot_id is None:
            name = ".".join(table.name())
            raise LakeError(f"Spark wrote nothing to {name} although there were rows to write: run again.")
        return expected.snapshot_id

    def computed(self, rows: DataFrame) -> DataFrame:
        """The same rows, computed now and kept by Spark: later queries do not plan or compute their origin again."""
        kept = rows.localCheckpoint()
        self._computed.append(kept)
        return kept

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """One piece of work, such as "merge into chicago": what Spark kept for it, or was given, is dropped afterwards.

        Spark's errors become LakeError.
        """
        try:
            yield
        except errors_of_spark() as error:
            raise LakeError(
                f"Spark could not {what} ({said(error)}): run again; if a file is missing, restore it first."
            ) from error
        finally:
            self.forget()

    def forget(self) -> None:
        """Drop the session's views and the rows that Spark keeps from `computed`."""
        computed, self._computed = self._computed, []
        if "session" not in self.__dict__:
            return
        # If Spark has ended, nothing is left to drop.
        with suppress(*errors_of_spark()):
            for view in self.session.sql("SHOW VIEWS").collect():
                self.session.catalog.dropTempView(view.viewName)
            for rows in computed:
                # `DataFrame.unpersist` does not free checkpoints, which otherwise stay until Java collects garbage.
                rows._jdf.queryExecution().logical().rdd().unpersist(False)

    def close(self) -> None:
        """Close the session's catalog; Spark itself keeps running.

        A run does not call this for its writer: session and catalog belong to its profile, and end with the process.
        """
        if "_catalog" in self.__dict__:
            self._catalog.close()
        self.__dict__.pop("_catalog", None)
        self.__dict__.pop("session", None)


def place(name: tuple[str, ...]) -> str:
    """A table's name in SQL. All names are our own: letters, digits and underscores."""
    return ".".join(f"`{part}`" for part in (CATALOG, *name))


def errors_of_spark() -> tuple[type[Exception], ...]:
    """The errors that Spark raises, also when its JVM has died; any other error is a bug of ours."""
    # Spark may not be installed; the error says so then.
    if sys.modules.get("pyspark") is None:
        return ()
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError, ConnectionError


def said(error: BaseException) -> str:
    """Spark's message about an error, without Java's stack trace."""
    lines = [line.strip() for one in chain(error) for line in str(one).splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith(("Caused by:", ": "))), lines[0] if lines else "no reason")
    return _TASK.sub("", found.removeprefix("Caused by:").removeprefix(": ")).strip().rstrip(".:")
