"""What a column is declared to hold, and which SQL types of the databases that read can hold it.

What becomes of its values is in `kinds`. Names of tables and columns are in small letters in mappings and shapes; what
reads a database quotes them as its catalogue writes them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_WHOLE = frozenset("smallint integer int bigint tinyint mediumint".split())
_NUMBERS = _WHOLE | frozenset(
    ["numeric", "decimal", "number", "float", "double", "real", "double precision", "binary_double", "binary_float"]
)
_TEXTS = frozenset(["character varying", "varchar", "varchar2", "nvarchar2", "text", "clob", "nclob", "longtext"])
_PADDED = frozenset("character char nchar bpchar".split())
_TIMES = frozenset(["timestamp", "timestamp without time zone", "datetime"])
# With a length or a precision in brackets, which can stand in the middle: timestamp(6) with time zone.
_TYPE = re.compile(r"(?P<word>[a-z_0-9 ]+)(\((?P<first>[0-9]+)[^,)]*(,\s*(?P<second>-?[0-9]+))?\))?(?P<rest>[a-z ]*)")


class Kind(Enum):
    """What a column holds, whatever the database calls it."""

    NUMBER = "number"
    """Decimal, exact."""
    TEXT = "text"
    PADDED = "padded"
    """CHAR(n): the database pads it with blanks."""
    DATE = "date"
    """A day, in Oracle with a time."""
    TIME = "time"
    """Local date and time."""
    TIME_ZONE = "time_zone"
    """Date and time with an offset."""
    FLAG = "flag"
    """Yes or no, in two declared texts."""
    BYTES = "bytes"
    LARGE = "large"
    """Text that can be too long for an item."""

    def fits(self, word: str) -> bool:
        """Whether a type can hold it; `word` is the type without lengths, such as `timestamp with time zone`."""
        return word in _WORDS[self]


_WORDS = {
    Kind.NUMBER: _NUMBERS,
    Kind.TEXT: _TEXTS,
    Kind.PADDED: _PADDED,
    Kind.DATE: _TIMES | {"date"},
    Kind.TIME: _TIMES,
    Kind.TIME_ZONE: frozenset(["timestamp with time zone", "timestamp with local time zone"]),
    Kind.FLAG: _PADDED | _TEXTS | _NUMBERS | {"boolean"},
    Kind.BYTES: frozenset("bytea blob longblob raw binary varbinary".split()),
    Kind.LARGE: _TEXTS,
}


@dataclass(frozen=True)
class Column:
    """A column and the attribute that its values become; without `attribute`, that of the column's name."""

    name: str
    kind: Kind
    attribute: str = ""
    width: int = 0
    """Of PADDED: signs."""
    precision: int = 0
    """Of NUMBER: digits, 1 to 38; 0 for any number."""
    scale: int = 0
    """Of NUMBER: digits of the fraction, which the database writes out; 0 with a precision of 0 is any."""
    true: str = ""
    """Of FLAG: the text that is yes."""
    false: str = ""

    def __post_init__(self) -> None:
        if not self.attribute:
            object.__setattr__(self, "attribute", self.name)

    def fits(self, sql_type: str) -> bool:
        """Whether values of a column of this type come back as they were; `sql_type` as the catalogue writes it.

        The length of a text and the precision of a number may be others than declared: no value is written otherwise
        for that. The width of padding and the scale may not.
        """
        found = _TYPE.fullmatch(sql_type.strip().lower().removesuffix(" unsigned"))
        if found is None:
            return False
        word, first, second = (
            f"{found['word'].strip()} {found['rest'].strip()}".strip(),
            found["first"],
            found["second"],
        )
        if not self.kind.fits(word):
            return False
        if self.kind is Kind.PADDED:
            return int(first or 1) == self.width
        if self.kind is Kind.NUMBER and self.precision:
            return (word in _WHOLE or first is not None) and int(second or 0) == self.scale
        return True
