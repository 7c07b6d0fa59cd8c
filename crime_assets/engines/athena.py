"""The engine on AWS: Athena over the tables of the Glue catalog, one statement per question.

The statements of sql/ are sent nearly as they are written: `athena_statements` replaces names by tables at snapshots,
and adds a query for what was known on a day if there are later changes; `athena_rows` says which rows a name means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from itertools import chain
from typing import Any

import pyarrow as pa

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import Insight
from crime_assets.core.sql import DIALECT, parse, render, statement
from crime_assets.engines.answers import Answer, Batches, rows_of
from crime_assets.engines.athena_rows import Rows
from crime_assets.engines.athena_service import Athena, StatementFailed
from crime_assets.engines.athena_statements import persons_query, written
from crime_assets.engines.known import READ, Merged, change_day, check_known, newest_of, parameters, snapshot_id
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.sources.cities import City


class AthenaEngine:
    """One city's tables in one lake, whose catalog is Glue; the city's name is the database."""

    name = "athena"
    days_at_once = 1

    def __init__(
        self,
        lake: Lake,
        city: City,
        clients: Clients,
        workgroup: str,
        sleep: Callable[[float], None] = time.sleep,
        merged: Merged = tuple,
    ) -> None:
        """`sleep` waits the given number of seconds between two polls of a statement."""
        self._lake = lake
        self._merged = merged
        self._city = city
        self._load = partial(tables.load, lake, city.name)
        self._athena = Athena(clients, workgroup, sleep)
        self._latest: dict[int, date] = {}

    def insight(self, insight: Insight, as_of_day: date) -> pa.Table:
        """The rows of the insight's statement, in its order, from what was known on the as-of day."""
        newest = newest_of(self._city, self.measure, as_of_day)
        asked = parameters(self._lake, self._city, as_of_day, self._merged(), newest)
        return self._ask(insight.statement, as_of_day, asked)

    def measure(self, measurement: str, as_of_day: date, **parameters: date | float) -> list[dict[str, Any]]:
        """The rows of a statement of sql/checks, from what was known on the as-of day."""
        return list(self._ask(statement("checks", measurement), as_of_day, parameters).to_pylist())

    def query(self, sql: str, as_of: str | None = None) -> Answer:
        """Answer a person's query, in the Athena dialect, over all tables of the city and nothing else.

        `as_of` is a snapshot id of `crimes`, a time (UTC) or a change day; it applies to `crimes` alone.
        """
        query = persons_query(sql, {*READ, *tables.names(self._lake, self._city.name)})
        day = change_day(as_of)
        if day is not None:
            check_known(self._lake, self._city, day)
        snapshot = snapshot_id(as_of, self._load) if day is None else None
        rows = Rows(self._city, self._load, day, is_own=False, crimes_snapshot=snapshot, latest=self._latest)
        found = self._found(written(query, rows.source))
        first = next(found)
        return Answer(first.schema.names, _rows(chain([first], found)))

    def _found(self, statement: str) -> Iterator[pa.RecordBatch]:
        """The result of a person's statement, in pieces."""
        try:
            yield from self._athena.batches(statement, self._city.name)
        except StatementFailed as error:
            if not error.wrong:
                raise
            raise UsageError(f"The query cannot be answered: {error.reason}.") from error

    def spent(self) -> Mapping[str, int | float]:
        """Statements, bytes read, milliseconds and dollars of the questions since the last call."""
        return self._athena.spent()

    def close(self) -> None:
        """Nothing is held between questions except what was learned about snapshots."""
        self._latest.clear()

    def _ask(self, sql: str, as_of_day: date, own: Mapping[str, date | float]) -> pa.Table:
        text = render(sql, DIALECT, {"as_of_day": as_of_day, **own})
        query = parse(text)
        rows = Rows(self._city, self._load, as_of_day, is_own=True, latest=self._latest)
        return self._athena.ask(written(query, rows.source), self._city.name)


def _rows(found: Iterable[pa.RecordBatch]) -> Batches:
    for batch in found:
        if batch.num_rows:
            yield rows_of(batch, "VARCHAR")
