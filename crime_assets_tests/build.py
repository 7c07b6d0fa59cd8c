"""Builders: small cities, lakes and records that tests are told with."""

import csv
import gzip
import io
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from crime_assets.core.envelopes import Envelope, seal, unseal
from crime_assets.profiles import Profile, Settings
from crime_assets.sources import cities
from crime_assets.sources.feeds import Stamps

CHICAGO = cities.get("chicago")

HEADERS = (
    "ID,Case Number,Date,Block,IUCR,Primary Type,Description,Location Description,Arrest,Domestic,Beat,District,Ward,"
    "Community Area,FBI Code,X Coordinate,Y Coordinate,Year,Updated On,Latitude,Longitude,Location"
).split(",")
"""Headers of a native export of the portal."""


def record(id: int, updated: str, occurred: str = "2024-01-05T13:00:00.000", **fields: object) -> dict[str, object]:
    """A record as the API returns it; `updated` and `occurred` are ISO days or times; a field of None is left out."""
    full: dict[str, object] = {
        "id": str(id),
        "case_number": f"JH{id:06d}",
        "date": occurred if "T" in occurred else f"{occurred}T13:00:00.000",
        "block": "001XX N STATE ST",
        "iucr": "0820",
        "primary_type": "THEFT",
        "description": "$500 AND UNDER",
        "location_description": "STREET",
        "arrest": False,
        "domestic": False,
        "beat": "0111",
        "district": "001",
        "ward": "42",
        "community_area": "32",
        "fbi_code": "06",
        "x_coordinate": "1176352",
        "y_coordinate": "1900927",
        "year": occurred[:4],
        "updated_on": updated if "T" in updated else f"{updated}T15:40:00.000",
        "latitude": "41.883500187",
        "longitude": "-87.627876698",
        **fields,
    }
    return {name: value for name, value in full.items() if value is not None}


def some_crime(chance: random.Random, number: int, updated: str) -> dict[str, object]:
    """A record of a crime of 2017 or 2018 somewhere, of one kind or another."""
    kind, code = chance.choice([("THEFT", "06"), ("BATTERY", "08B"), ("ROBBERY", "03"), ("HOMICIDE", "01A")])
    occurred = f"{chance.choice((2017, 2018))}-{chance.randint(1, 10):02}-{chance.randint(1, 28):02}"
    return record(
        number,
        updated,
        f"{occurred}T{chance.randint(0, 23):02}:00:00.000",
        primary_type=kind,
        fbi_code=code,
        block=f"00{chance.randint(1, 9)}XX N STATE ST",
        district=f"{chance.randint(1, 5):03}",
        location_description=chance.choice(["STREET", "ALLEY", None]),
        arrest=chance.random() < 0.3,
        domestic=chance.random() < 0.3,
    )


def envelope(source: Mapping[str, object], day: str = "2024-01-20", pulled: str = "2024-01-21T08:00:00") -> Envelope:
    """The record as it comes out of a delivery of `day`, pulled at `pulled` (UTC)."""
    at = datetime.fromisoformat(pulled).replace(tzinfo=UTC)
    return unseal(seal(source, "chicago", date.fromisoformat(day), "batch", at), "chicago")


def kinds_of(envelopes: Iterable[Envelope]) -> dict[str, list[str]]:
    """How the values of each field look, as an inventory says it."""
    names: dict[type, str] = {str: "text", bool: "flag", int: "number", float: "number", dict: "object", list: "list"}
    found: dict[str, set[str]] = {}
    for one in envelopes:
        for name, value in one.record.items():
            if value is not None:
                found.setdefault(name, set()).add(names[type(value)])
    return {name: sorted(kinds) for name, kinds in found.items()}


def stamps(stamp: datetime) -> Stamps:
    """What one record with this change stamp adds to the figures of its month."""
    return Stamps(1, stamp.year, stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second)


def export_row(source: Mapping[str, object]) -> list[str]:
    """The record as a native export writes it, in the order of HEADERS."""
    cells = []
    for header in HEADERS:
        value = source.get(header.lower().replace(" ", "_"), "")
        if header in ("Date", "Updated On"):
            value = datetime.fromisoformat(str(value)).strftime("%m/%d/%Y %I:%M:%S %p")
        cells.append(str(value).lower() if isinstance(value, bool) else str(value))
    return cells


def write_export(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    """A native export, gzip if the path ends so."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADERS)
    writer.writerows(export_row(source) for source in records)
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@contextmanager
def kept(profile: Profile, key: str, content: bytes) -> Iterator[None]:
    """With that in the landing store, and then without."""
    profile.landing.write(key, content)
    try:
        yield
    finally:
        profile.landing.delete(key)


def clock_at(text: str) -> Callable[[], datetime]:
    """A clock that stands at an ISO time, UTC."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return lambda: at


def ticking_clock(text: str) -> Callable[[], datetime]:
    """A clock that goes on by a second each time it is looked at."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)

    def look() -> datetime:
        nonlocal at
        at += timedelta(seconds=1)
        return at

    return look


def export_profile(home: Path, pattern: Path | str, now: str = "2024-02-01T12:00:00") -> Profile:
    """A local profile on an export."""
    return Profile(Settings(home=home, feed="export", export=str(pattern)), clock=ticking_clock(now))


def sample_profile(home: Path, rows: int = 10_000, now: str = "2024-02-01T12:00:00") -> Profile:
    """A local profile on the sample city."""
    return Profile(Settings(home=home, feed="sample", sample_rows=rows), clock=ticking_clock(now))
