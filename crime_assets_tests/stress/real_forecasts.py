"""A lake of all years of the real export that are there, and its forecasts: said by the command, and made again.

    python -m crime_assets_tests.stress.real_forecasts HOME PATTERN

Prints a digest of the forecasts as they are made again from the lake.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa

from crime_assets.analysis.forecasts.events import Events, gathered
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.core import keys
from crime_assets.defs.work.forecasting import inputs
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.forecasts import SAID, read
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds.boundaries import DirectoryBoundaries, read_boundaries
from crime_assets_tests.build import CHICAGO

SUNDAY = date(2018, 11, 18)
"""The lake's first change day, and the as-of day of its forecast."""
_LAYERS = {"district": "districts", "beat": "beats", "community_area": "community_areas"}
_PROGRAM = Path(sys.executable).with_name("crime-assets")


@dataclass(frozen=True)
class RealLake:
    """Its home, and the glob of the export's files."""

    home: Path
    pattern: str

    def command(self, *arguments: str, **variables: str) -> None:
        """The console script on this lake."""
        chosen = {"CRIME_HOME": str(self.home), "CRIME_FEED": "export", "CRIME_EXPORT": self.pattern, **variables}
        done = subprocess.run(
            [_PROGRAM, *arguments], env={**os.environ, **chosen}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def inputs(self) -> Inputs:
        """What the forecast is made of, as the lake tells it now."""
        profile = Profile(Settings(home=self.home, feed="export", export=self.pattern))
        return inputs(profile, profile.engine, SUNDAY)

    def said(self, name: str) -> pa.Table:
        """A table of forecasts."""
        return read(Lake(self.home), CHICAGO, name)

    def digest_of_said(self) -> str:
        """Of what the command has said."""
        return digest(*(self.said(name) for name in SAID))


def made_lake(home: Path, shared: Path) -> RealLake:
    """The export becomes a lake as of the Sunday, by the command, with the city's boundaries of that time."""
    named = home.parent / "boundaries"
    named.mkdir()
    for layer, name in _LAYERS.items():
        shutil.copy(shared / "reference" / f"chicago_{name}.geojson.gz", named / f"{layer}.geojson.gz")
    for name, layer in read_boundaries(CHICAGO, DirectoryBoundaries(named)).items():
        path = home / "landing" / keys.boundaries(CHICAGO.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(orjson.dumps({"areas": layer.areas}))
    lake = RealLake(home, str(shared / "chicago" / "Crimes_-_20??.csv.gz"))
    lake.command("run", "--from", f"{SUNDAY}", "--to", f"{SUNDAY}")
    return lake


def digest(*tables: pa.Table) -> str:
    """Of all rows, without what differs each time that they are made."""
    found = hashlib.sha256()
    for table in tables:
        for name in sorted({*table.column_names} - {"release", "made_on"}):
            found.update(f"{name} {table[name].to_pylist()}".encode())
    return found.hexdigest()


def made_again(given: Inputs) -> str:
    """The digest of a forecast, in the order of `digest_of_said`."""
    made = forecast(given)
    return digest(made.cells, made.areas, made.exposure, made.totals)


def shuffled(events: Events, seed: int) -> Events:
    """The events with their days dealt anew among those of the same kind, so that nothing moves and nothing changes."""
    rng = np.random.default_rng(seed)
    _, kind = np.unique(events.counts, axis=0, return_inverse=True)
    dealt = np.argsort(kind, kind="stable")
    taken = np.lexsort((rng.random(len(kind)), kind))
    known, occurred = np.empty_like(events.known), np.empty_like(events.occurred)
    known[dealt], occurred[dealt] = events.known[taken], events.occurred[taken]
    return gathered(known, occurred, events.cell, events.counts, events.cells)


def edited_export(pattern: str, place: Path, edits: int, seed: int) -> str:
    """A copy of the export with records of its last year changed, added and left out, all after the Sunday."""
    *older, last = sorted(Path(pattern).parent.glob(Path(pattern).name))
    place.mkdir()
    for path in older:
        (place / path.name).symlink_to(path)
    with gzip.open(last, "rt", newline="") as file:
        head, *rows = csv.reader(file)
    column = {name: number for number, name in enumerate(head)}
    chance = random.Random(seed)
    chosen = chance.sample([row for row in rows if row[column["FBI Code"]] in ("03", "05", "07")], edits)
    gone = {row[0] for row in chosen[::3]}
    for row in chosen[1::3]:
        elsewhere = chance.choice(rows)
        for name in ("Latitude", "Longitude", "Location", "Community Area"):
            row[column[name]] = elsewhere[column[name]]
        row[column["Updated On"]] = "11/19/2018 04:00:00 PM"
    for number, row in enumerate(chosen[2::3]):
        added = list(row)
        added[0], added[column["Updated On"]] = str(90_000_000 + number), "11/20/2018 04:00:00 PM"
        rows.append(added)
    with gzip.open(place / last.name, "wt", newline="", compresslevel=1) as file:
        csv.writer(file).writerows([head, *(row for row in rows if row[0] not in gone)])
    return str(place / Path(pattern).name)


if __name__ == "__main__":
    print(made_again(RealLake(Path(sys.argv[1]), sys.argv[2]).inputs()))
