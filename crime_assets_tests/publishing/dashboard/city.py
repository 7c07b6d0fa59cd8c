"""A small city to look at, with known numbers, and things in its feed that no page may stumble over."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

from crime_assets_tests.build import record, write_export

DAY = date(2024, 1, 31)
LONG_BLOCK = f"001XX N {'VERY LONG NAMED ' * 18}ST"
HOSTILE_BLOCK = '001XX N <script>document.title = "broken"</script> ST'
FORMULA_BLOCK = '=HYPERLINK("http://127.0.0.1:9","001XX N STATE ST")'
# district → beats
BEATS = {"001": ("0111", "0112"), "011": ("1111", "1112", "1113"), "016": ("1611",)}
_KINDS = (
    ("THEFT", "06", "0820"),
    ("BATTERY", "08B", "0486"),
    ("BATTERY", "04B", "041A"),
    ("BURGLARY", "05", "0610"),
    ("ROBBERY", "03", "031A"),
    ("NARCOTICS", "18", "2024"),
)


def write_city(path: Path, crimes: int = 2_400) -> Path:
    """An export of sixteen months up to DAY, most of it of the last three."""
    return write_export(path, crimes_of_the_city(crimes))


def crimes_of_the_city(crimes: int) -> list[dict[str, object]]:
    """Its records."""
    chance = random.Random(5)
    return [_crime(chance, number) for number in range(crimes)]


def _crime(chance: random.Random, number: int) -> dict[str, object]:
    occurred = DAY - timedelta(days=8 + min(int(chance.expovariate(1 / 45)), 480))
    delay = 7 + min(int(chance.expovariate(1 / 3)), (DAY - occurred).days - 7)
    district = chance.choice(("001", "011", "011", "011", "016"))
    beat = chance.choice(BEATS[district])
    kind, fbi_code, iucr = chance.choice(_KINDS)
    street = min(int(chance.expovariate(1 / 4)), 30)
    block = {7: LONG_BLOCK, 8: HOSTILE_BLOCK, 9: FORMULA_BLOCK}.get(street, f"{street:03}XX W LAKE ST")
    spot = int(beat) % 7
    return record(
        number,
        f"{occurred + timedelta(days=delay)}",
        f"{occurred}T{chance.randrange(24):02}:{chance.randrange(60):02}:00.000",
        primary_type=kind,
        fbi_code=fbi_code,
        iucr=iucr,
        block=block,
        district=district,
        beat=beat,
        community_area=str(20 + spot),
        arrest=chance.random() < 0.2,
        domestic=chance.random() < 0.2,
        latitude=f"{41.80 + spot * 0.01 + street * 0.0004:.9f}",
        longitude=f"{-87.70 + spot * 0.012:.9f}",
    )
