"""Variables of one city among several: CRIME_CITIES names them, and CRIME_EXPORT_NEW_YORK goes before CRIME_EXPORT."""

from __future__ import annotations

from collections.abc import Mapping

from crime_assets.core.errors import UsageError
from crime_assets.sources import cities

OF_A_CITY = ("CRIME_FEED", "CRIME_EXPORT", "CRIME_BOUNDARIES", "CRIME_FIRST_DAY")
"""What differs from city to city. With the name of a city in capitals behind it, a variable is that city's own."""


def asked_cities(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The cities that CRIME_CITIES names, in its order; none if it is not set. UsageError if it cannot be right."""
    text = environment.get("CRIME_CITIES", "")
    if not text.strip():
        return ()
    found, known = tuple(name.strip() for name in text.split(",")), cities.names()
    if len(set(found)) < len(found) or not set(found) <= set(known):
        raise UsageError(
            f"CRIME_CITIES={text} is not right: name different cities with commas between them, out of "
            f"{', '.join(known)}."
        )
    if len(found) > 1 and environment.get("CRIME_POLICY"):
        raise UsageError(
            f"CRIME_POLICY is for one city, and CRIME_CITIES names {len(found)}: give the city that has a policy a "
            "CRIME_HOME of its own, with CRIME_CITY instead of CRIME_CITIES."
        )
    if len(found) > 1 and environment.get("CRIME_STREAM"):
        raise UsageError(
            f"CRIME_STREAM is of no city, and CRIME_CITIES names {len(found)}: give the stream a CRIME_HOME of its "
            "own, with CRIME_CITY instead of CRIME_CITIES."
        )
    if len(found) > 1 and environment.get("CRIME_LEGACY"):
        raise UsageError(
            f"CRIME_LEGACY is the database of one department, and CRIME_CITIES names {len(found)}: migrate it in a "
            "CRIME_HOME of its own, with CRIME_CITY instead of CRIME_CITIES."
        )
    return found


def of_city(environment: Mapping[str, str], city: str, among: tuple[str, ...]) -> Mapping[str, str]:
    """The variables with what is set for this city alone. UsageError if the city is not `among` those asked for."""
    if among and city not in among:
        listed = ",".join(among)
        raise UsageError(f"CRIME_CITIES={listed} does not name {city}: add it there, or set another CRIME_CITY.")
    _check_names(environment)
    own = _own(environment, city)
    alike = [one for one in among if _reads_common_files(environment, one)]
    if city in alike and len(alike) > 1:
        raise UsageError(
            f"CRIME_EXPORT would be read for {' and '.join(alike)}, and no file is of two cities: set "
            f"{_named('CRIME_EXPORT', alike[-1])} too."
        )
    return {**environment, **own} if own else environment


def set_by(environment: Mapping[str, str], name: str, city: str) -> str:
    """The variable that sets what `name` is for the city: its own, or the one for all."""
    return _named(name, city) if name in _own(environment, city) else name


def _reads_common_files(environment: Mapping[str, str], city: str) -> bool:
    """Whether the city reads what CRIME_EXPORT names for all."""
    own = _own(environment, city)
    feed = own.get("CRIME_FEED") or environment.get("CRIME_FEED")
    return feed == "export" and bool(environment.get("CRIME_EXPORT")) and "CRIME_EXPORT" not in own


def _check_names(environment: Mapping[str, str]) -> None:
    """UsageError for a variable of a city that there is not: it would be read by nobody."""
    found = [name for name in environment if name.startswith(tuple(f"{one}_" for one in OF_A_CITY))]
    known = {_named(name, city) for name in OF_A_CITY for city in cities.names()} if found else set()
    for name in found:
        if name not in known:
            raise UsageError(
                f"{name} is of no city: write it with the name of one of {', '.join(cities.names())} in capitals."
            )


def _own(environment: Mapping[str, str], city: str) -> dict[str, str]:
    """What is set for this city alone, under the names that are for all."""
    names = {_named(name, city): name for name in OF_A_CITY}
    return {names[name]: value for name, value in environment.items() if name in names and value}


def _named(name: str, city: str) -> str:
    return f"{name}_{city.upper()}"
