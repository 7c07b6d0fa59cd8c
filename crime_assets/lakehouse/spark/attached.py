"""A Spark session that has one lake's tables: its own settings and temporary views, beside others of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeError, chain
from crime_assets.lakehouse.lake import CATALOG, Lake, is_disk_full
from crime_assets.lakehouse.spark.catalog import CatalogServer
from crime_assets.lakehouse.spark.session import STATEMENTS, catalog_settings

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame, SparkSession


class AttachedLake:
    """A lake for Spark. `start` gives the session of the process; it is called when Spark is first needed."""

    def __init__(self, lake: Lake, start: Callable[[], SparkSession]) -> None:
        self.lake = lake
        self._start = start

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

        StalePlan where the table is no longer as it is in `table`; LakeError where Spark cannot write.
        """
        name = ".".join(table.name())
        try:
            with self._catalog.committing(table, properties) as expected:
                write()
        except errors_of_spark() as error:
            if is_disk_full(error):
                raise
            raise LakeError(f"Spark could not write {name} ({said(error)}): run again.") from error
        if expected.snapshot_id is None:
            raise LakeError(f"Spark wrote nothing to {name}, though there is something to write: run again.")
        return expected.snapshot_id

    def close(self) -> None:
        """Let go of the session's catalog; Spark itself goes on."""
        if "_catalog" in self.__dict__:
            self._catalog.close()
        self.__dict__.pop("_catalog", None)
        self.__dict__.pop("session", None)


def place(name: tuple[str, ...]) -> str:
    """A table's name in SQL. All are names of ours: letters, digits and underscores."""
    return ".".join(f"`{part}`" for part in (CATALOG, *name))


def errors_of_spark() -> tuple[type[Exception], ...]:
    """What Spark raises, and what is raised where its Java machine is gone; anything else is a fault of ours."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return PySparkException, Py4JError, ConnectionError


def said(error: BaseException) -> str:
    """What Spark says of an error, without Java's stack."""
    lines = [line.strip() for one in chain(error) for line in str(one).splitlines() if line.strip()]
    found = next((line for line in lines if line.startswith(("Caused by:", ": "))), lines[0] if lines else "no reason")
    return found.removeprefix("Caused by:").removeprefix(": ").strip().rstrip(".:")
