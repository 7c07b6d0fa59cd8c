"""The sample department at work: random changes of its tables, as tests, the demo and the benchmark need them.

Every kind of change that a migration must follow is among them, also those that come to nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from crime_assets.migration.sample import NOTE, Dialect

_NEW = (5_000_000_000, 9_000_000_000)
"""Numbers of new crimes: no feed has such."""
_CODES = {
    "0110": ("HOMICIDE", "FIRST DEGREE MURDER", "01A"),
    "1320": ("CRIMINAL DAMAGE", "TO VEHICLE", "14"),
    "486": ("BATTERY", "DOMESTIC BATTERY SIMPLE", "08B"),
}
"""By IUCR code type, description and the FBI's code: without it, a crime is of no class, and no figures add up."""


class Work:
    """Makes one change after another by a DB-API connection that is its own. With the same seed, the same ones."""

    def __init__(self, connection: Any, dialect: Dialect, seed: int) -> None:
        self._connection = connection
        self._draw = random.Random(seed)
        self._note = NOTE[dialect]
        self._old: dict[str, tuple[int, ...]] = {}
        """The least and the greatest number in a table at the first change."""
        self._kinds: tuple[Callable[[Any], None], ...] = (
            self._insert,
            self._update,
            self._delete,
            self._new_key,
            self._swap,
            self._insert_again,
            self._role,
            self._no_roles,
            self._write_note,
            self._move_child,
            self._code,
            self._in_vain,
            self._partly_in_vain,
        )

    def change(self) -> str:
        """One random transaction; returns its kind."""
        kind = self._draw.choice(self._kinds)
        with self._connection.cursor() as cursor:
            kind(cursor)
        self._connection.commit()
        return kind.__name__.strip("_")

    def _some(self, cursor: Any, table: str = "crimes", column: str = "id") -> int:
        """A row's number that is there; half of them are of rows that were not made here. 0 if there is none."""
        if table not in self._old:
            cursor.execute(f"SELECT min({column}), max({column}) FROM {table}")
            self._old[table] = tuple(int(number or 0) for number in cursor.fetchone())
        least, most = self._old[table] if self._draw.random() < 0.5 else _NEW
        start = self._draw.randint(least, most)
        for order, direction in ((">=", "ASC"), ("<", "DESC")):
            cursor.execute(
                f"SELECT {column} FROM {table} WHERE {column} {order} %s ORDER BY {column} {direction} LIMIT 1", [start]
            )
            if row := cursor.fetchone():
                return int(row[0])
        return 0

    def _number(self) -> int:
        return self._draw.randrange(*_NEW)

    def _text(self) -> str:
        return self._draw.choice(["", 'say "no"', "back\\slash", "two\nlines", "é€\U0001f600", "plain"])

    def _insert(self, cursor: Any) -> None:
        crime = self._number()
        self._put(cursor, crime)
        for n in range(self._draw.randrange(4)):
            self._put_role(cursor, crime, n + 1)

    def _put(self, cursor: Any, crime: int) -> None:
        day = f"2018-11-{self._draw.randrange(1, 20):02} 10:11:{self._draw.randrange(60):02}"
        code = self._draw.choice([*_CODES])
        cursor.execute(
            'INSERT INTO crimes (id, case_number, "date", block, iucr, primary_type, description, fbi_code, arrest, '
            'domestic, district, ward, community_area, "year", updated_on, latitude, longitude) VALUES '
            "(%s, %s, %s, %s, %s, %s, %s, %s, 'N', 'Y', %s, %s, %s, 2018, %s, %s, %s)",
            [
                crime,
                f"JB{crime % 1_000_000:06}",
                day,
                self._text(),
                code,
                *_CODES[code],
                f"{self._draw.randrange(1, 26):03}",
                self._draw.choice([None, 7, 42]),
                self._draw.randrange(1, 78),
                day,
                f"41.8{self._draw.randrange(10**8):08}",
                f"-87.6{self._draw.randrange(10**8):08}",
            ],
        )

    def _put_role(self, cursor: Any, crime: int, number: int) -> None:
        cursor.execute("DELETE FROM crime_roles WHERE crime_id = %s AND role_no = %s", [crime, number])
        values = [crime, number, self._draw.choice(["victim", "caller"]), self._draw.choice([None, "F", "M"])]
        cursor.execute("INSERT INTO crime_roles VALUES (%s, %s, %s, %s, %s)", [*values, self._draw.randrange(90)])

    def _update(self, cursor: Any) -> None:
        values = [self._text(), self._draw.choice("YN"), self._draw.choice([None, "0486", "1320"])]
        cursor.execute(
            "UPDATE crimes SET description = %s, arrest = %s, iucr = %s WHERE id = %s", [*values, self._some(cursor)]
        )

    def _delete(self, cursor: Any, crime: int | None = None) -> None:
        crime = crime or self._some(cursor)
        for table in ("crime_roles", "crime_notes"):
            cursor.execute(f"DELETE FROM {table} WHERE crime_id = %s", [crime])
        cursor.execute("DELETE FROM crimes WHERE id = %s", [crime])

    def _new_key(self, cursor: Any) -> None:
        old, new = self._some(cursor), self._number()
        cursor.execute("UPDATE crimes SET id = %s WHERE id = %s", [new, old])
        if self._draw.random() < 0.7:
            # Else its children have no parent any more.
            for table in ("crime_roles", "crime_notes"):
                cursor.execute(f"UPDATE {table} SET crime_id = %s WHERE crime_id = %s", [new, old])

    def _swap(self, cursor: Any) -> None:
        one, other = self._some(cursor), self._some(cursor)
        for new, old in ((-1, one), (one, other), (other, -1)) if one != other else ():
            cursor.execute("UPDATE crimes SET id = %s WHERE id = %s", [new, old])

    def _insert_again(self, cursor: Any) -> None:
        crime = self._some(cursor)
        if crime >= _NEW[0]:
            self._delete(cursor, crime)
            self._put(cursor, crime)

    def _role(self, cursor: Any) -> None:
        # A number that is none of a crime's: a child without a root.
        crime = self._number() if self._draw.random() < 0.1 else self._some(cursor)
        self._put_role(cursor, crime, self._draw.randrange(1, 5))

    def _no_roles(self, cursor: Any) -> None:
        cursor.execute("DELETE FROM crime_roles WHERE crime_id = %s", [self._some(cursor)])

    def _write_note(self, cursor: Any) -> None:
        crime, number = self._some(cursor), self._draw.randrange(10**12)
        moment = f"2018-11-19 {self._draw.randrange(24):02}:00:00.{self._draw.randrange(10**6):06}"
        long = 100 if self._draw.random() < 0.1 else 1
        cursor.execute('DELETE FROM crime_notes WHERE "number" = %s', [number])
        cursor.execute(self._note, [number, crime, moment, "-06:00", self._text() * long])

    def _move_child(self, cursor: Any) -> None:
        note = self._some(cursor, "crime_notes", '"number"')
        cursor.execute('UPDATE crime_notes SET crime_id = %s WHERE "number" = %s', [self._some(cursor), note])

    def _code(self, cursor: Any) -> None:
        code = self._draw.choice(["0110", "9#9", "50%"])
        cursor.execute("DELETE FROM offense_codes WHERE code_set = 'WORK' AND code = %s", [code])
        if self._draw.random() < 0.8:
            cursor.execute("INSERT INTO offense_codes VALUES ('WORK', %s, %s, %s)", [code, "At work", self._text()])

    def _in_vain(self, cursor: Any) -> None:
        self._update(cursor)
        self._delete(cursor)
        self._connection.rollback()

    def _partly_in_vain(self, cursor: Any) -> None:
        self._insert(cursor)
        cursor.execute("SAVEPOINT here")
        self._delete(cursor)
        cursor.execute("ROLLBACK TO SAVEPOINT here")
        self._update(cursor)
