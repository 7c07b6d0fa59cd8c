"""How reports are loaded: statements of `sql/warehouse`, in order, in one transaction. Knows no database by name."""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from crime_assets.core.errors import WarehouseError
from crime_assets.core.sql import statement
from crime_assets.incidents.contract import FIELDS
from crime_assets.incidents.warehouse import Loaded, MonthFigures
from crime_assets.streams import LandingStore

COLUMNS = tuple(field.name for field in FIELDS)
"""Columns of the history, in their order."""
ATTEMPTS = 5
"""How often a transaction is tried that another one stands in the way of."""

_KEYS_AT_ONCE = 500
_LONGEST_PAUSE = 2.0
_Found = TypeVar("_Found")


def statements(name: str) -> list[str]:
    """The statements of a file of `sql/warehouse`, without comments: drivers take one at a time."""
    lines = statement("warehouse", name).splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [one for part in text.split(";") if (one := part.strip())]


class Loading(ABC):
    """A warehouse behind a driver of Python's database interface (PEP 249) that writes parameters as %s."""

    def __init__(
        self,
        connect: Callable[[], Any],
        name: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], object] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`connect` opens a connection that begins transactions by itself; `name` is for people, without a password.

        `chance` returns a number from 0 to 1.
        """
        self._connect = connect
        self._name = name
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    @abstractmethod
    def _copy(self, cursor: Any, store: LandingStore, keys: Sequence[str]) -> None:
        """Copy the lines of these objects to `fir_stage`."""

    @abstractmethod
    def _errors(self) -> type[Exception]:
        """What the driver raises."""

    @abstractmethod
    def _is_conflict(self, error: Exception) -> bool:
        """Whether the same transaction can succeed if it is begun again."""

    @abstractmethod
    def _told(self, error: Exception) -> str:
        """What the database says, without what it was given; empty if it said nothing."""

    def prepare(self) -> None:
        """Make the tables unless they are there."""

        def make(cursor: Any) -> None:
            _run(cursor, "1_schema")

        self._transaction(make)

    def load(self, store: LandingStore, keys: Sequence[str]) -> Loaded:
        """Load the objects that the ledger does not have."""
        if not keys:
            return Loaded(0, 0, 0)
        return self._transaction(lambda cursor: self._load(cursor, store, list(dict.fromkeys(keys))))

    def figures(self) -> list[MonthFigures]:
        """The history month by month."""

        def ask(cursor: Any) -> list[MonthFigures]:
            _run(cursor, "figures")
            return [MonthFigures(month, int(n), int(v), at.astimezone(UTC)) for month, n, v, at in cursor.fetchall()]

        return self._transaction(ask)

    def last(self, prefix: str) -> str | None:
        """The last key below a prefix that was loaded."""

        def ask(cursor: Any) -> str | None:
            # Keys are of one length and of ASCII: in any order of signs the one with the highest number is the last.
            query = "SELECT MAX(object_key) FROM fir_ledger WHERE SUBSTRING(object_key, 1, %s) = %s"
            cursor.execute(query, (len(prefix), prefix))
            (found,) = cursor.fetchone()
            return None if found is None else str(found)

        return self._transaction(ask)

    def newest(self, most: int) -> list[dict[str, Any]]:
        """Rows that were registered last."""

        def ask(cursor: Any) -> list[dict[str, Any]]:
            (query,) = statements("newest")
            cursor.execute(f"{query}\nLIMIT {int(most)}")
            return [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]

        return self._transaction(ask)

    def _load(self, cursor: Any, store: LandingStore, keys: Sequence[str]) -> Loaded:
        _run(cursor, "2_stage")
        now = self._clock()
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[first : first + _KEYS_AT_ONCE]
            rows = ", ".join(["(%s, %s)"] * len(some))
            # The values themselves are parameters.
            insert = f"INSERT INTO fir_candidates (object_key, loaded_at) VALUES {rows}"  # noqa: S608 - placeholders
            cursor.execute(insert, tuple(value for key in some for value in (key, now)))
        _run(cursor, "3_copied")
        cursor.execute("SELECT object_key FROM fir_candidates ORDER BY object_key")
        left = [key for (key,) in cursor.fetchall()]
        if not left:
            return Loaded(0, 0, 0)
        self._copy(cursor, store, left)
        for name in ("4_newest", "5_known", "6_merge", "7_ledger"):
            _run(cursor, name)
        return Loaded(len(left), *(_rows(cursor, table) for table in ("fir_stage", "fir_newest")))

    def _transaction(self, work: Callable[[Any], _Found]) -> _Found:
        """Do the work in a transaction on a connection of its own, so that temporary tables end with it."""
        for attempt in range(1, ATTEMPTS + 1):
            connection = self._opened()
            try:
                found = work(connection.cursor())
                connection.commit()
                return found
            except self._errors() as error:
                told, is_conflict = self._told(error), self._is_conflict(error)
            finally:
                with suppress(self._errors()):
                    connection.close()
            if not is_conflict:
                # Not raised from the driver's error, which may repeat what the database was given.
                said = f" ({told})" if told else ""
                raise WarehouseError(
                    f"The warehouse {self._name} did not finish what it was asked{said}: see to that and run again; "
                    "what has been loaded is not loaded twice."
                )
            if attempt < ATTEMPTS:
                self._sleep(self._chance() * min(_LONGEST_PAUSE, 0.1 * 2**attempt))
        raise WarehouseError(
            f"The warehouse {self._name} had to give way {ATTEMPTS} times: find out what else writes to its "
            "tables, and run again."
        )

    def _opened(self) -> Any:
        # A driver's error can repeat the address with its password: it is neither shown nor kept as the cause.
        with suppress(self._errors()):
            return self._connect()
        raise WarehouseError(
            f"The warehouse {self._name} cannot be opened: check that it runs, that its address is right, and that it "
            "knows this user and password."
        )


def _run(cursor: Any, name: str) -> None:
    for one in statements(name):
        cursor.execute(one)


def _rows(cursor: Any, table: str) -> int:
    """Rows of a table of our own."""
    cursor.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - our own names
    return int(cursor.fetchone()[0])
