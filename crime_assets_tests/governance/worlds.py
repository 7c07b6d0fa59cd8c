"""Two worlds: lakes with the same crimes of district 011, and others elsewhere. No answer may tell them apart.

In the second world a third of what is hidden is gone, and the rest has other case numbers, places, codes, districts and
arrests.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows

OPEN = "011"
FIRST, DAYS = date(2024, 1, 20), 4
LAST = FIRST + timedelta(days=DAYS - 1)
MERGED = [FIRST + timedelta(days=n) for n in range(DAYS)]
_DISTRICTS = (OPEN, "012", "025", None)
Record = Mapping[str, object]


def versions(seed: int, crimes: int) -> dict[date, list[Record]]:
    """Change day → the records that changed on it. Many change again later, some of them into another district."""
    chance = random.Random(seed)
    days: dict[date, list[Record]] = {day: [] for day in MERGED}
    for number in range(1, crimes + 1):
        district = chance.choice(_DISTRICTS)
        first = chance.randrange(DAYS)
        for n in sorted({first, *chance.sample(range(first, DAYS), k=chance.randint(1, DAYS - first))}):
            if chance.random() < 0.1:
                district = chance.choice(_DISTRICTS)
            days[MERGED[n]].append(_crime(chance, number, MERGED[n], district))
    return days


def _crime(chance: random.Random, number: int, changed: date, district: str | None) -> Record:
    beat, place = chance.randint(1, 3), random.Random(number)
    kind, code = place.choice([("THEFT", "06"), ("BATTERY", "08B"), ("ROBBERY", "03"), ("NARCOTICS", "18")])
    occurred = FIRST - timedelta(days=place.randint(1, 60))
    is_known = place.random() < 0.95
    return record(
        number,
        changed.isoformat(),
        f"{occurred}T{place.randint(0, 23):02}:{place.randint(0, 59):02}:00.000",
        primary_type=kind,
        fbi_code=code,
        district=district,
        beat=f"{district}{beat}" if district else None,
        block=f"0{place.randint(10, 14)}XX N STATE ST",
        ward=str(place.randint(1, 9)),
        community_area=str(place.randint(1, 9)),
        location_description=place.choice(["STREET", "ALLEY", None]),
        arrest=chance.random() < 0.3,
        domestic=place.random() < 0.3,
        latitude=f"{41.88 + place.random() / 30:.9f}" if is_known else None,
        longitude=f"{-87.72 + place.random() / 30:.9f}" if is_known else None,
    )


def other_world(days: Mapping[date, list[Record]], seed: int) -> dict[date, list[Record]]:
    """The same for who sees the open district, and something else behind it."""
    chance = random.Random(seed)
    seen = {record["id"] for found in days.values() for record in found if _is_open(record)}
    hidden = sorted({record["id"] for found in days.values() for record in found} - seen, key=str)
    gone = set(chance.sample(hidden, len(hidden) // 3))
    return {
        day: [one if _is_open(one) else _altered(one, chance) for one in found if one["id"] not in gone]
        for day, found in days.items()
    }


def _is_open(record: Record) -> bool:
    return record.get("district") == OPEN


def _altered(record: Record, chance: random.Random) -> Record:
    return {
        **record,
        "case_number": f"ZZ{chance.randrange(10**6):06d}",
        "block": f"0{chance.randrange(10, 99)}XX W HIDDEN ST",
        "district": "012",
        "beat": "1299",
        "iucr": chance.choice(["0486", "0820"]),
        "primary_type": "ZHIDDEN",
        "arrest": chance.random() < 0.5,
        "latitude": f"{41.7 + chance.random() / 10:.6f}",
        "longitude": f"{-87.7 + chance.random() / 10:.6f}",
    }


def lay(home: Path, days: Mapping[date, list[Record]]) -> Lake:
    """A lake of these days."""
    return laid(Lake(home), days)


def laid(lake: Lake, days: Mapping[date, list[Record]]) -> Lake:
    """The lake, with these days; some crimes were removed again in the end, the same of the open district."""
    for day, records in days.items():
        merge(lake, *(envelope(record, f"{day}", f"{day}T23:00:00") for record in records))
    held = rows(lake)
    gone = [row for row in held if int(str(row["id"])) % 17 == 0]
    noticed = datetime(LAST.year, LAST.month, LAST.day, 23, 30, tzinfo=UTC)
    remove(lake, CHICAGO, Removal([Gone(row["id"], row["updated_on"]) for row in gone], LAST, noticed), {})
    return lake
