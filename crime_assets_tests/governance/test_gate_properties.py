"""Whatever the policy and the rows: a gate has what a plain filter and mask give, in an order that tells no more."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import h3
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crime_assets.governance.cutting import Cut
from crime_assets.governance.keys import mask_key
from crime_assets.governance.policy import parse_policy
from crime_assets.governance.scopes import Scope, scope_of
from crime_assets.lakehouse.schema import CRIMES, arrow_schema
from crime_assets_tests.governance.policies import TYPES

Row = dict[str, object]
Verdict = bool | None
DISTRICTS = ["011", "012", "025", None]
SPOTS = [(41.88, -87.63), (41.8805, -87.6305), (41.75, -87.6), (41.95, -87.7), None, (float("nan"), -87.6)]


@dataclass(frozen=True)
class Filter:
    """A condition as the policy has it, and as Python understands it: True, False, or None where it is NULL."""

    text: str
    of: Callable[[Row], Verdict]


def compared(column: str, text: str, judge: Callable[[object], bool]) -> Filter:
    return Filter(f"{column} {text}", lambda row: None if row[column] is None else judge(row[column]))


COMPARISONS = st.sampled_from(
    [
        compared("district", "IN (:districts)", lambda value: value in {"011", "025"}),
        compared("district", "<> '012'", lambda value: value != "012"),
        compared("beat", "LIKE '01%'", lambda value: str(value).startswith("01")),
        compared("ward", "BETWEEN 2 AND 3", lambda value: value in {2, 3}),
        compared("ward", "< -1", lambda value: int(str(value)) < -1),
        compared("arrest", "= TRUE", bool),
        Filter("ward IS NULL", lambda row: row["ward"] is None),
    ]
)


def both(one: Filter, other: Filter) -> Filter:
    def of(row: Row) -> Verdict:
        told = one.of(row), other.of(row)
        return False if False in told else None if None in told else True

    return Filter(f"({one.text} AND {other.text})", of)


def either(one: Filter, other: Filter) -> Filter:
    def of(row: Row) -> Verdict:
        told = one.of(row), other.of(row)
        return True if True in told else None if None in told else False

    return Filter(f"({one.text} OR {other.text})", of)


def negated(one: Filter) -> Filter:
    return Filter(f"NOT ({one.text})", lambda row: None if (told := one.of(row)) is None else not told)


FILTERS = st.recursive(
    COMPARISONS,
    lambda inner: st.builds(both, inner, inner) | st.builds(either, inner, inner) | st.builds(negated, inner),
    max_leaves=5,
) | st.just(Filter("", lambda _: True))
MOMENTS = st.integers(0, 90_000).map(lambda minutes: datetime(2023, 11, 1) + timedelta(minutes=minutes))
MASKS = st.fixed_dictionaries(
    {},
    optional={
        "case_number": st.integers(12, 64).map(lambda length: ("keyed_hash", "length", length)),
        "place": st.integers(6, 9).map(lambda resolution: ("h3_center", "resolution", resolution)),
        "occurred_at": st.sampled_from(["hour", "day", "month", "year"]).map(lambda to: ("truncate", "to", to)),
    },
)


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Rows as they were known, some of which are gone from the lake now."""
    found = []
    for number in range(draw(st.integers(0, 30))):
        place = draw(st.sampled_from(SPOTS))
        found.append(
            {
                **{column.name: None for column in CRIMES},
                "id": number,
                "case_number": draw(st.sampled_from([f"JH{number}", "JH7", "", "Zoë", None])),
                "district": draw(st.sampled_from(DISTRICTS)),
                "beat": draw(st.sampled_from(["0111", "0112", "2511", None])),
                "ward": draw(st.sampled_from([-3, 1, 2, 3, None])),
                "arrest": draw(st.sampled_from([True, False, None])),
                "occurred_at": draw(MOMENTS),
                "latitude": place and place[0],
                "longitude": place and place[1],
                "record_md5": f"secret {number}",
            }
        )
    return found


def scope(shown: set[str], masks: Mapping[str, tuple[str, str, object]], rows: Filter) -> Scope:
    """The scope of a policy with these columns clear and these masks."""
    masked = {"place": ["latitude", "longitude", "x_coordinate"]}
    of_masks = {column: name for name in masks for column in masked.get(name, [name])}
    clear = sorted(shown - of_masks.keys())
    other = sorted(({"district", "beat", "ward", "arrest"} - {*clear}) - of_masks.keys())
    text = [
        'version = 1\ncity = "chicago"\n[classes]',
        f"clear = {clear}\nother = {other}",
        *(f"{name} = {masked.get(name, [name])}" for name in masks),
        "[masks]",
        *(f'm_{name} = {{ kind = "{kind}", {what} = {value!r} }}' for name, (kind, what, value) in masks.items()),
        f'[roles.some]\ntables = ["crimes"]\nclear = ["clear"]\nrows = "{rows.text}"',
        "[roles.some.mask]",
        *(f'{name} = "m_{name}"' for name in masks),
        '[principals.one]\nrole = "some"',
        'districts = ["011", "025"]' if ":districts" in rows.text else "",
    ]
    policy = parse_policy("\n".join(text).encode())
    return scope_of(policy, policy.principals["one"], TYPES)


def gate(
    scope: Scope, known: list[Row], now: list[Row], removed: list[Row], place: Path
) -> tuple[list[str], list[Row]]:
    """The columns and rows of `crimes` in a gate, in their order."""
    schema = arrow_schema(CRIMES)
    with duckdb.connect() as con:
        for name, rows in {
            "known": known,
            "crimes_now": now,
            "crimes_removed": removed,
            "crimes_superseded": [],
        }.items():
            con.register("given", pa.Table.from_pylist(rows, schema))
            con.execute(f"CREATE TABLE main.{name} AS FROM given")
        con.execute("SET preserve_insertion_order = false; CREATE SCHEMA day; SET search_path = 'day,main'")
        path = place / f"{len(list(place.iterdir()))}.duckdb"
        Cut(scope, lambda: mask_key(place), [], path)(con, "crimes", "FROM main.known", schema.names)
        if not scope.columns:
            return [], []
        found = con.sql("FROM gate.crimes").to_arrow_table()
        return found.column_names, found.to_pylist()


def wanted(scope: Scope, masks: Mapping[str, tuple[str, str, object]], rows: list[Row], key: bytes) -> list[Row]:
    """The permitted rows as they should be seen, by plain Python."""
    resolution = int(str(masks["place"][2])) if "place" in masks else 8
    cells = [
        None if row["latitude"] is None or row["latitude"] != row["latitude"]
        else h3.latlng_to_cell(row["latitude"], row["longitude"], resolution)
        for row in rows
    ]  # fmt: skip
    count = Counter(cells)
    parents = Counter(h3.cell_to_parent(cell, resolution - 1) for cell in cells if cell and count[cell] < 5)
    found = []
    for row, cell in zip(rows, cells, strict=True):
        shown = {name: row[name] for name in scope.columns}
        for name in masks.keys() & {"case_number", "occurred_at"}:
            shown[name] = masked(masks[name], row[name], key)
        if "place" in masks:
            parent = h3.cell_to_parent(cell, resolution - 1) if cell else None
            at = None if cell is None else cell if count[cell] >= 5 else parent if parents[parent] >= 5 else None
            shown["latitude"], shown["longitude"] = h3.cell_to_latlng(at) if at else (None, None)
        found.append(shown)
    return found


def masked(mask: tuple[str, str, object], value: object, key: bytes) -> object:
    kind, _, how = mask
    if value is None:
        return None
    if kind == "keyed_hash":
        mark = hashlib.sha256(b"crime-assets mask key " + key).hexdigest()[:6]
        return f"K{mark}-" + hmac.new(key, str(value).encode(), hashlib.sha256).hexdigest()[: int(str(how))]
    assert isinstance(value, datetime)
    kept = {"hour": 4, "day": 3, "month": 2, "year": 1}[str(how)]
    return datetime(*[*value.timetuple()[:kept], 1, 1][: max(kept, 3)])  # type: ignore[arg-type]


def texts(rows: list[Row]) -> Counter[str]:
    return Counter(
        str({name: f"{value:.9f}" if isinstance(value, float) else value for name, value in sorted(row.items())})
        for row in rows
    )


@settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sets(st.sampled_from(["id", "case_number", "district", "beat", "ward", "arrest", "occurred_at", "latitude"])),
    MASKS,
    FILTERS,
    tables(),
    st.sets(st.integers(0, 30)),
)
def test_a_gate_is_the_plain_filter_and_mask(
    shown: set[str],
    masks: dict[str, tuple[str, str, object]],
    rows: Filter,
    known: list[Row],
    gone: set[int],
) -> None:
    own = scope(shown, masks, rows)
    removed = [row for row in known if row["id"] in gone]
    now = [row for row in known if row["id"] not in gone]
    permitted = [row for row in now if rows.of(row)]
    with TemporaryDirectory() as place:
        names, found = gate(own, known, now, removed, Path(place))
        key = (Path(place) / "mask.key").read_bytes() if "case_number" in masks and own.columns else b""
        assert set(names) == own.columns.keys()
        assert not {"record_md5", "x_coordinate"} & set(names)
        assert texts(found) == (texts(wanted(own, masks, permitted, key)) if names else Counter())
        # What is hidden is another thing in another order: nothing of that is seen.
        other = [row | {"record_md5": f"{n}", "block": f"{n}"} for n, row in enumerate(reversed(known))]
        again = gate(own, other, [row for row in other if row["id"] not in gone], removed, Path(place))[1]
        # As texts: NaN is not equal to itself.
        assert [str(row) for row in again] == [str(row) for row in found]
