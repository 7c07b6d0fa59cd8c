"""How records look: the source's texts, with every kind of dirt that real rows have.

Rates of dirt are those of real rows if cited in `shares`; otherwise they are high enough for each kind to occur in a
year of the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.sources.feeds import DAMAGE, RAW, Record
from crime_assets.sources.feeds.sample import life, offenses, shares, times
from crime_assets.sources.feeds.sample.draws import Draws, Flags, Ints
from crime_assets.sources.feeds.sample.life import Lives
from crime_assets.sources.feeds.sample.places import FIELDS as PLACE_FIELDS
from crime_assets.sources.feeds.sample.places import POINT_FIELDS, location, places

_TEXT_FIELDS = (
    *("id", "case_number", "date", "block", "iucr", "primary_type", "description", "location_description", "beat"),
    *("district", "ward", "community_area", "fbi_code", "x_coordinate", "y_coordinate", "year", "updated_on"),
    *("latitude", "longitude"),
)
_PUBLISHED = (*_TEXT_FIELDS, "arrest", "domestic", "location")
FIELDS = frozenset(_PUBLISHED)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _TEXT_FIELDS),
        *((name, pa.bool_()) for name in ("arrest", "domestic")),
        pa.field("location", pa.string(), metadata={"json": "true"}),
        *((name, pa.string()) for name in (DAMAGE, RAW)),
    ]
)

_RENAMED_SHARE = 0.5
_NO_WARD_SHARE, _FIRST_FULL_YEAR = 0.9, 2003
_UNKNOWN_POINT_SHARE = 1 / 2_500
_ZERO_SHARE = 1 / 10_000
_OTHER_DISTRICT_SHARE = 1 / 15_000
_CLOSED_DISTRICT_SHARE = 1 / 20_000
_UNPADDED_SHARE = 1 / 1_000
# Not seen in any real row: it is there so that the quarantine has something to hold.
_UNTYPABLE_SHARE = 1 / 25_000
_UNTYPABLE = "#VALUE!"
_UNKNOWN_POINT = ("36.619446395", "-91.686565684")
_ROOM = 1_200  # ids a day
_CASE_LETTERS = "ABCDEFGHJKLMNPRSTVWXYZ"

_Columns = dict[str, pa.Array]


def batch(lives: Lives, rows: Ints, stamps: Ints, today: int) -> pa.RecordBatch:
    """The records at positions `rows` as the city shows them on `today`; `stamps` are theirs, in seconds."""
    day, source, offense = lives.day[rows], lives.source[rows], lives.offense[rows]
    draws = draws_of(lives, rows)
    columns = {
        "id": pa.array(ids(day, lives.number[rows])).cast(pa.string()),
        "case_number": _case_numbers(day, source),
        "date": _iso(day * 86_400 + times.minutes(draws) * 60),
        "year": pa.array(_years(day)).cast(pa.string()),
        "updated_on": _iso(stamps),
        "arrest": pa.array(lives.arrested[rows] < today),
        "domestic": pa.array(draws.below("domestic", offenses.DOMESTIC[offense])),
        "location_description": _location_descriptions(draws, offense),
        **_offense(draws, offenses_shown(draws, lives, rows, today)),
        **_place(draws, offense, blocks_shown(draws, lives, rows, today)),
        DAMAGE: pa.nulls(len(rows), pa.string()),
        RAW: pa.nulls(len(rows), pa.string()),
    }
    _forget_early_areas(columns, draws, day)
    _spoil_areas(columns, draws)
    _spoil(columns, draws)
    return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def draws_of(lives: Lives, rows: Ints) -> Draws:
    """What the records at those positions draw from: those that repeat another draw the same."""
    return Draws(lives.seed, life.keys(lives.day[rows], lives.source[rows]))


def offenses_shown(draws: Draws, lives: Lives, rows: Ints, today: int) -> Ints:
    """The offense that each is classified as on `today`."""
    return np.where(_ahead(lives.reclassified[rows], today), offenses.earlier(draws), lives.offense[rows])


def blocks_shown(draws: Draws, lives: Lives, rows: Ints, today: int) -> Ints:
    """The block that each is put on on `today`: before its place is corrected a record lies on another one."""
    bounds, planted = places().bounds, lives.block[rows]
    block = np.where(planted == life.ANYWHERE, draws.pick("block", bounds), planted)
    return np.where(_ahead(lives.relocated[rows], today), (block + 1) % len(bounds), block)


def ids(day: Ints, number: Ints) -> Ints:
    """The ids of records, by the day they occurred on, counted from 1970-01-01, and their place in it."""
    return day * _ROOM + number


def day_of(id: int) -> int:
    """The day on which the record with that id occurred."""
    return id // _ROOM


def records(rows: pa.RecordBatch) -> Iterator[Record]:
    """The same rows as the API's JSON has them: no field where there is no value."""
    columns = [rows.column(name).to_numpy(zero_copy_only=False).tolist() for name in _PUBLISHED]
    for values in zip(*columns, strict=True):
        record = dict(zip(_PUBLISHED, values, strict=True))
        if None in values:
            record = {name: value for name, value in record.items() if value is not None}
        if "location" in record:
            record["location"] = orjson.loads(record["location"])
        yield record


def _ahead(edited: Ints, today: int) -> Flags:
    """Which records still await that edit."""
    return np.asarray((edited != life.NEVER) & (edited >= today))


def _offense(draws: Draws, shown: Ints) -> _Columns:
    columns = {name: texts.take(pa.array(shown)) for name, texts in offenses.COLUMNS.items()}
    renamed = pc.and_(
        pc.equal(columns["primary_type"], "CRIM SEXUAL ASSAULT"), pa.array(draws.below("renamed", _RENAMED_SHARE))
    )
    columns["primary_type"] = pc.if_else(renamed, "CRIMINAL SEXUAL ASSAULT", columns["primary_type"])
    return columns


def _place(draws: Draws, offense: Ints, block: Ints) -> _Columns:
    """Where it happened."""
    blocks = places()
    columns = {name: blocks.columns[name].take(pa.array(block)) for name in (*PLACE_FIELDS, *POINT_FIELDS)}
    lower_case = pa.array(draws.below("lower case", shares.LOWER_CASE_BLOCK))
    columns["block"] = pc.if_else(lower_case, blocks.lower_case.take(pa.array(block)), columns["block"])
    unknown = pa.array(draws.below("unknown point", _UNKNOWN_POINT_SHARE))
    missing = pa.array(draws.below("no point", offenses.NO_POINT[offense]))
    for name, text in zip(POINT_FIELDS, ("0", "0", *_UNKNOWN_POINT, location(*_UNKNOWN_POINT)), strict=True):
        columns[name] = pc.if_else(missing, None, pc.if_else(unknown, text, columns[name]))
    return columns


def _location_descriptions(draws: Draws, offense: Ints) -> pa.Array:
    texts = offenses.LOCATION_DESCRIPTIONS.take(pa.array(offenses.location_descriptions(draws, offense)))
    return pc.if_else(pa.array(draws.below("no kind of place", shares.NO_LOCATION_DESCRIPTION)), None, texts)


def _forget_early_areas(columns: _Columns, draws: Draws, day: Ints) -> None:
    forgotten = pa.array((_years(day) < _FIRST_FULL_YEAR) & draws.below("no ward", _NO_WARD_SHARE))
    for name in ("ward", "community_area"):
        columns[name] = pc.if_else(forgotten, None, columns[name])


def _spoil_areas(columns: _Columns, draws: Draws) -> None:
    def spoil(name: str, purpose: str, share: float, spoiled: Callable[[pa.Array], pa.Array | str]) -> None:
        hit = pa.array(draws.below(purpose, share))
        columns[name] = pc.if_else(hit, spoiled(columns[name]), columns[name])

    spoil("ward", "ward 0", _ZERO_SHARE, lambda _: "0")
    spoil("community_area", "community area 0", _ZERO_SHARE, lambda _: "0")
    spoil("district", "other district", _OTHER_DISTRICT_SHARE, lambda it: pc.if_else(pc.equal(it, "011"), "010", "011"))
    spoil("district", "district 031", _CLOSED_DISTRICT_SHARE, lambda _: "031")
    spoil("district", "district 061", _CLOSED_DISTRICT_SHARE, lambda _: "061")
    is_16 = pc.equal(columns["district"], "016")
    unpadded = pc.and_(is_16, pa.array(draws.below("unpadded", _UNPADDED_SHARE)))
    columns["district"] = pc.if_else(unpadded, "16", columns["district"])


def _spoil(columns: _Columns, draws: Draws) -> None:
    hit, which = draws.below("untypable", _UNTYPABLE_SHARE), draws.below("untypable: which", 0.5)
    for name, rows in (("date", hit & which), ("latitude", hit & ~which)):
        columns[name] = pc.if_else(pa.array(rows), _UNTYPABLE, columns[name])


def _case_numbers(day: Ints, source: Ints) -> pa.Array:
    """Two letters that advance with the year (JA is 2017) and six digits that advance within it."""
    years = _years(day)
    names = {int(year): _case_letters(int(year)) for year in np.unique(years)}
    letters = pa.array([names[year] for year in years.tolist()])
    new_year = (years - 1970).astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    digits = pa.array(100_000 + (day - new_year) * _ROOM + source).cast(pa.string())
    return pc.binary_join_element_wise(letters, digits, "")


def _case_letters(year: int) -> str:
    series, letter = divmod(year - 2017, len(_CASE_LETTERS))
    return _CASE_LETTERS[8 + series] + _CASE_LETTERS[letter]


def _iso(seconds: Ints) -> pa.Array:
    texts = pa.array(seconds * 1000).cast(pa.timestamp("ms")).cast(pa.string())
    return pc.utf8_replace_slice(texts, 10, 11, "T")


def _years(day: Ints) -> Ints:
    return np.asarray(day.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970)
