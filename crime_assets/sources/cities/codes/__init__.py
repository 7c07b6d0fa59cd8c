"""What the cities' offense codes mean, as NIBRS offense codes: `nibrs.csv`, and a table for each city.

Every city writes offenses in codes of its own. The tables say which offense of the FBI's National Incident-Based
Reporting System each code is, and how sure that is. docs/cities-codes.md says where they come from. To change what a
code means, change its line in the table; nothing else holds it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

Against = Literal["person", "property", "society", "not a crime"]
Basis = Literal["exact", "approximate", "ours"]
OffenseClass = Literal["violent", "property", "other"]


@dataclass(frozen=True)
class Offense:
    """An offense of NIBRS, or one of our own for what is no crime (`X…`: lost property, a warrant, a suicide)."""

    nibrs_code: str
    offense_name: str
    crime_against: Against
    group: Literal["A", "B", "-"]
    """A or B as in NIBRS; "-" is not in NIBRS."""
    offense: str
    """One of 14 words: homicide, rape, robbery, aggravated assault, simple assault, burglary, theft, vehicle theft,
    arson, fraud, damage, drugs, weapons, other."""
    offense_class: OffenseClass
    """Violent or property index crime, as Chicago's portal and the FBI's summary system define it."""
    rank: int
    """Place in the hierarchy rule, 1 = most serious: the least rank stands for its incident."""
    note: str

    @property
    def is_crime(self) -> bool:
        """Whether it is counted at all."""
        return self.crime_against != "not a crime"


@dataclass(frozen=True)
class Code:
    """A city's code and the offense that it is."""

    scheme: str
    """Which of the city's systems of codes."""
    code: str
    """As `crosswalk` says; a part that is left out ("109/", "/06") stands for every other or none."""
    text: str
    """What the city calls it; in parentheses where only the city's name for its family is known."""
    nibrs_code: str
    basis: Basis
    """exact: the text names the offense. approximate: it is wider or narrower. ours: a judgment without a text."""
    note: str


class BadTable(ValueError):
    """A table of codes does not add up; the message names the file and the line."""


@cache
def nibrs() -> Mapping[str, Offense]:
    """Every offense, by its code, the most serious first."""
    offenses = {
        row["nibrs_code"]: Offense(
            nibrs_code=row["nibrs_code"],
            offense_name=row["offense_name"],
            crime_against=cast(Against, row["crime_against"]),
            group=cast(Literal["A", "B", "-"], row["group"]),
            offense=row["offense"],
            offense_class=cast(OffenseClass, row["offense_class"]),
            rank=int(row["rank"]),
            note=row["note"],
        )
        for _, row in _rows("nibrs")
    }
    return MappingProxyType(offenses)


@cache
def crosswalk(city: str) -> Mapping[tuple[str, str], Code]:
    """The codes of a city by (scheme, code).

    chicago: `iucr`, IUCR and FBI code as "0810/06". new_york: `ky_pd`, KY_CD and PD_CD as "109/438", or PD_DESC in
    its place ("109/LARCENY,GRAND OF BICYCLE").
    los_angeles: `crm_cd` (2010 to 2024) and `nibrs` (since 2024). san_francisco: `incident_code`, five digits; in the
    records of 2003 to 2018 they are the last five of `pdid`.
    """
    codes: dict[tuple[str, str], Code] = {}
    for place, row in _rows(city):
        if row["nibrs_code"] not in nibrs():
            raise BadTable(f"{place}: there is no offense {row['nibrs_code']!r} in nibrs.csv.")
        key = (row["scheme"], row["code"])
        if key in codes:
            raise BadTable(f"{place}: {row['scheme']} {row['code']!r} is there twice.")
        codes[key] = Code(
            scheme=row["scheme"],
            code=row["code"],
            text=row["text"],
            nibrs_code=row["nibrs_code"],
            basis=cast(Basis, row["basis"]),
            note=row["note"],
        )
    return MappingProxyType(codes)


@cache
def native() -> Mapping[tuple[str, str], Code]:
    """The codes of a city that publishes those of NIBRS itself, by the scheme `nibrs`: it needs no table."""
    found = {
        ("nibrs", code): Code("nibrs", code, offense.offense_name, code, "exact", offense.note)
        for code, offense in nibrs().items()
        if offense.group != "-" or code == "999"
    }
    return MappingProxyType(found)


def find(city: str, scheme: str, code: str, text: str = "") -> Code | None:
    """The line for a code: its own, else that of its first part with the text or without, else that of its second.

    `text` is what the city calls the second part: of some of New York's PD codes only that is known.
    """
    codes = crosswalk(city)
    first, slash, second = code.partition("/")
    for tried in (code, f"{first}/{text}", f"{first}/", f"/{second}") if slash else (code,):
        if tried != "/" and (found := codes.get((scheme, tried))):
            return found
    return None


def _rows(table: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The lines of a table, each with its place."""
    name = f"{table}.csv"
    if not (file := files(__name__).joinpath(name)).is_file():
        raise BadTable(f"There is no table of codes {name}.")
    reader = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    for row in reader:
        if None in row or None in row.values():
            raise BadTable(f"{name}, line {reader.line_num}: it has not {len(reader.fieldnames or ())} fields.")
        yield f"{name}, line {reader.line_num}", row
