"""How the records of the simulated New York look: the sample city's lives, told as complaints.

Nothing happens here: what, when, and on which block is what the sample city of Chicago has. An offense gets one of the
codes that the crosswalk says are the same NIBRS offense, or the same kind of theft. A block lies in the precinct that
its beat stands for, as far from the middle of that precinct as it is from the middle of its beat. Arrests and domestic
crimes are not told, nor are people.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.sources.cities import codes
from crime_assets.sources.cities.new_york import CITY
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.sources.feeds.sample import geography, life, offenses, places, shares, texts, times
from crime_assets.sources.feeds.sample import new_york_shares as measured
from crime_assets.sources.feeds.sample.draws import Draws, Flags, Floats, Ints, cumulative
from crime_assets.sources.feeds.sample.life import Lives

FIELDS = frozenset(CITY.source_columns)
SCHEMA = pa.schema(
    [
        pa.field(name, pa.string(), metadata={"json": "true"} if kind == "object" else None)
        for name, kind in [*CITY.source_columns.items(), (DAMAGE, "text"), (RAW, "text")]
    ]
)

_FIRST_NUMBER = 200_000_000  # complaints have nine digits
_POINT_FIELDS = ("x_coord_cd", "y_coord_cd", "latitude", "longitude", "lat_lon")
_HAS_END, _LONGEST = 0.75, 180  # minutes
# Rates of dirt: high enough for each kind to occur in a year, and low enough to change no figure.
_NO_START_SHARE = 1 / 2_000
_NO_POINT_SHARE = 1 / 4_000
_SEPARATED_SHARE = 1 / 50
_NULL_SHARES = {"prem_typ_desc": 1 / 400, "boro_nm": 1 / 1_500, "addr_pct_cd": 1 / 5_000}
_UNTYPABLE_SHARE = 1 / 50_000

_Columns = dict[str, pa.Array]


@dataclass(frozen=True)
class _Codes:
    """The codes of complaints, and for each offense of the sample city from where to where its own are."""

    columns: _Columns
    bounds: Floats
    """Cumulative shares, those of NIBRS offense number n between n and n + 1."""
    group_of: Ints
    """Offense of the sample city → number of its NIBRS offense; -1 where New York has no such complaints."""
    at_station: Flags


def batch(lives: Lives, rows: Ints, today: int) -> pa.RecordBatch:
    """The records at positions `rows` as the city publishes them on `today`, but for what is no complaint there."""
    shown = texts.offenses_shown(texts.draws_of(lives, rows), lives, rows, today)
    is_known = _codes().group_of[shown] >= 0
    rows, shown = rows[is_known], shown[is_known]
    draws = texts.draws_of(lives, rows)
    code = np.searchsorted(_codes().bounds, _codes().group_of[shown] + draws.uniform("complaint"), side="right")
    columns = {
        "cmplnt_num": _numbers(lives, rows),
        "rpt_dt": _midnights(lives.published[rows] - life.FIRST_STAMP_DAYS),
        **{name: written.take(pa.array(code)) for name, written in _codes().columns.items()},
        **_when(draws, lives.day[rows]),
        **_premises(draws, lives.offense[rows]),
        **_where(draws, texts.blocks_shown(draws, lives, rows, today), _codes().at_station[code]),
        "juris_desc": pa.repeat("N.Y. POLICE DEPT", len(rows)),
        "jurisdiction_code": pa.repeat("0", len(rows)),
    }
    for name, share in _NULL_SHARES.items():
        columns[name] = pc.if_else(pa.array(draws.below(f"(null): {name}", share)), "(null)", columns[name])
    # As exports write nothing. Every field must have some text: one that never has any is taken for gone.
    columns |= dict.fromkeys(FIELDS - columns.keys(), pa.repeat("(null)", len(rows)))
    columns |= dict.fromkeys((DAMAGE, RAW), pa.nulls(len(rows), pa.string()))
    return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _numbers(lives: Lives, rows: Ints) -> pa.Array:
    """The number of a complaint does not change when its offense does; that of a murder ends in H1."""
    numbers = pa.array(_FIRST_NUMBER + texts.ids(lives.day[rows], lives.number[rows])).cast(pa.string())
    of_murder = pc.binary_join_element_wise(numbers, "H1", "")
    return pc.if_else(pa.array(offenses.HOMICIDE[lives.offense[rows]]), of_murder, numbers)


def _when(draws: Draws, day: Ints) -> _Columns:
    """From when to when; some complaints say only one of the two."""
    start = times.minutes(draws)
    end = start + np.floor(_LONGEST * draws.uniform("end")).astype(np.int64)
    no_start = draws.below("no start", _NO_START_SHARE)
    no_end = pa.array(~draws.below("has an end", _HAS_END) & ~no_start)
    untypable = pa.array(draws.below("untypable", _UNTYPABLE_SHARE))
    return {
        "cmplnt_fr_dt": pc.if_else(untypable, "#VALUE!", pc.if_else(pa.array(no_start), None, _midnights(day))),
        "cmplnt_fr_tm": pc.if_else(pa.array(no_start), None, _clock().take(pa.array(start))),
        "cmplnt_to_dt": pc.if_else(no_end, None, _midnights(day + end // 1440)),
        "cmplnt_to_tm": pc.if_else(no_end, None, _clock().take(pa.array(end % 1440))),
    }


def _premises(draws: Draws, offense: Ints) -> _Columns:
    kind = _kinds_of_place().take(pa.array(offenses.location_descriptions(draws, offense)))
    outside = pc.if_else(pa.array(draws.below("in front", 0.4)), "FRONT OF", None)
    return {
        "prem_typ_desc": kind,
        "loc_of_occur_desc": pc.if_else(pc.is_in(kind, pa.array(["STREET", "PARK/PLAYGROUND"])), outside, "INSIDE"),
    }


def _where(draws: Draws, block: Ints, is_at_station: Flags) -> _Columns:
    precinct = _precinct_of_block()[block]
    point = pa.array(np.where(is_at_station, len(_precinct_of_block()) + precinct, block))
    columns = {name: points.take(point) for name, points in _points().items()}
    for name in ("x_coord_cd", "y_coord_cd"):
        separated = columns.pop(f"{name} separated")
        columns[name] = pc.if_else(pa.array(draws.below("separated", _SEPARATED_SHARE)), separated, columns[name])
    no_point = pa.array(draws.below("no point", _NO_POINT_SHARE))
    columns = {name: pc.if_else(no_point, None, column) for name, column in columns.items()}
    return columns | {name: areas.take(pa.array(precinct)) for name, areas in _areas().items()}


@functools.cache
def _codes() -> _Codes:
    lines = [line.split() for line in measured.COMPLAINTS.splitlines()]
    groups = [line[0] for line in lines]
    counts = [[float(count) for count in line[2::2]] for line in lines]
    written = [code for line in lines for code in line[1::2]]
    city = codes.crosswalk("new_york")
    split = [code.split("/") for code in written]
    named = [city["ky_pd", code].text if pd else None for code, (_, pd) in zip(written, split, strict=True)]
    columns = {
        "ky_cd": [ky for ky, _ in split],
        "ofns_desc": [city["ky_pd", f"{ky}/"].text[:30].strip() for ky, _ in split],
        "pd_cd": [pd or None for _, pd in split],
        "pd_desc": named,
        "crm_atpt_cptd_cd": ["ATTEMPTED" if "ATTEMPT" in (name or "") else "COMPLETED" for name in named],
        "law_cat_cd": [{"1": "FELONY", "5": "VIOLATION"}.get(ky[0], "MISDEMEANOR") for ky, _ in split],
    }
    of_chicago = zip(*(offenses.COLUMNS[name].to_pylist() for name in ("iucr", "fbi_code")), strict=True)
    nibrs = [_nibrs_code(f"{iucr}/{fbi_code}") for iucr, fbi_code in of_chicago]
    return _Codes(
        columns={name: pa.array(values, pa.string()) for name, values in columns.items()},
        bounds=np.concatenate([number + cumulative(count) for number, count in enumerate(counts)]),
        group_of=np.array([groups.index(code) if code in groups else -1 for code in nibrs]),
        at_station=np.array([_is_at_station(code) for code in written]),
    )


def _nibrs_code(code: str) -> str:
    found = codes.find("chicago", "iucr", code)
    return found.nibrs_code if found else ""


def _is_at_station(code: str) -> bool:
    """Rape and sex crimes are put at the station house."""
    return code.partition("/")[0] in {"104", "116", "233"}


@functools.cache
def _kinds_of_place() -> pa.Array:
    return pa.array([measured.PREMISES[name] for name in offenses.LOCATION_DESCRIPTIONS.to_pylist()])


@functools.cache
def _precincts() -> Floats:
    """Number, x and y of each."""
    found = [one.split() for line in measured.PRECINCTS.splitlines() for one in line.split(" ; ")]
    return np.array(found, dtype=np.float64)


@functools.cache
def _precinct_of_block() -> Ints:
    """Index of the precinct of each of the sample city's blocks: neighboring beats are one precinct."""
    beats = len(geography.beats())
    of_beat = np.arange(beats) * len(_precincts()) // beats
    return np.repeat(of_beat, shares.BLOCKS_PER_BEAT)


@functools.cache
def _points() -> _Columns:
    """The points of all blocks, and after them those of all station houses."""
    blocks = places.places().columns
    x, y = (blocks[name].cast("double").to_numpy() for name in ("x_coordinate", "y_coordinate"))
    beats = np.array([beat[4:6] for beat in geography.beats()], dtype=np.float64).repeat(shares.BLOCKS_PER_BEAT, axis=0)
    stations = _precincts()[:, 1:]
    here = np.concatenate([np.stack([x, y], axis=1) - beats + stations[_precinct_of_block()], stations])
    feet = [np.rint(here[:, axis]).astype(np.int64) for axis in (0, 1)]
    degrees = zip(("longitude", "latitude"), _degrees(*here.round().T), strict=True)
    found = {name: pa.array(np.round(values, 9)).cast(pa.string()) for name, values in degrees}
    for name, values in zip(("x_coord_cd", "y_coord_cd"), feet, strict=True):
        found[name] = pa.array(values).cast(pa.string())
        found[f"{name} separated"] = pa.array([f"{value:,}" for value in values.tolist()])
    pairs = zip(found["latitude"].to_pylist(), found["longitude"].to_pylist(), strict=True)
    return found | {"lat_lon": pa.array([places.location(*pair) for pair in pairs])}


def _degrees(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    return geography.degrees(x, y, measured.POINT_ORIGIN, measured.LONGITUDE, measured.LATITUDE)


@functools.cache
def _areas() -> Mapping[str, pa.Array]:
    """Precinct and borough of each precinct."""
    numbers = _precincts()[:, 0].astype(np.int64).tolist()
    boroughs = [next(name for last, name in measured.BOROUGHS if number <= last) for number in numbers]
    return {"addr_pct_cd": pa.array([str(number) for number in numbers]), "boro_nm": pa.array(boroughs)}


@functools.cache
def _clock() -> pa.Array:
    """Every minute of a day."""
    return pa.array([f"{minute // 60:02}:{minute % 60:02}:00" for minute in range(1440)])


def _midnights(days: Ints) -> pa.Array:
    """As the API writes days."""
    unique, index = np.unique(days, return_inverse=True)
    written = [f"{day}T00:00:00.000" for day in unique.astype("datetime64[D]").astype(str).tolist()]
    return pa.array(written, pa.string()).take(pa.array(index))
