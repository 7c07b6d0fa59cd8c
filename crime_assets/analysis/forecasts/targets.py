"""What is forecast, and what never may be: neither as a target nor as a feature.

Crimes that are found by police where police are (drugs, weapons, prostitution) say where police were. Nothing about a
person is known here, and nothing that names a case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import parse

MOST_ARRESTS = 0.40
"""Share of records with an arrest above which a target is refused: police find it rather than being told of it."""
FORBIDDEN_COLUMNS = frozenset(
    "arrest case_number primary_type description iucr beat district ward block race sex age income residents "
    "population".split()
)
FORBIDDEN_CODES = frozenset({"15", "16", "18", "19", "22", "24"})
"""FBI codes: weapons, prostitution, drugs, gambling, liquor, disorderly conduct."""


@dataclass(frozen=True)
class Target:
    """One kind of crime that is forecast."""

    name: str
    title: str
    words: str
    """In a sentence: "more of the …"."""
    left_out: str
    """What it leaves out, and why."""
    column: str
    """Of the statement that gives the events."""


TARGETS = (
    Target(
        "violent_street",
        "Violent crime in the street",
        "violent street crimes",
        "Domestic crimes and those indoors: nobody who walks by prevents them. Sexual assaults: they are reported "
        "late, and many without a place.",
        "violent_street",
    ),
    Target("burglary", "Burglary", "burglaries", "Nothing.", "burglary"),
    Target("vehicle_theft", "Vehicle theft", "vehicle thefts", "Thefts from vehicles.", "vehicle_theft"),
    Target("robbery", "Robbery", "robberies", "Nothing.", "robbery"),
    Target(
        "index",
        "All index crime",
        "index crimes",
        "All that is not an index crime: much of it is found by police, where police are.",
        "index_crime",
    ),
)


def check(statement: str) -> None:
    """UsageError that names a forbidden column or FBI code, if the statement has one."""
    query = parse(statement)
    columns = sorted({column.name.lower() for column in query.find_all(exp.Column)} & FORBIDDEN_COLUMNS)
    if columns:
        raise UsageError(f"No forecast may know {', '.join(columns)}: take it out of the statement.")
    texts = {literal.this.strip() for literal in query.find_all(exp.Literal) if literal.is_string}
    codes = sorted(texts & FORBIDDEN_CODES)
    if codes:
        raise UsageError(
            f"No forecast may be made of FBI code {', '.join(codes)}, which police find: take it out of the statement."
        )


def check_arrests(shares: Mapping[str, float], most: float = MOST_ARRESTS) -> None:
    """UsageError that names a target of whose records a larger share has an arrest."""
    for name, share in shares.items():
        if share > most:
            raise UsageError(
                f"{share:.0%} of the records of {name} have an arrest, more than {most:.0%}: police find it where they "
                "are, and it must not be a target of forecasts."
            )
