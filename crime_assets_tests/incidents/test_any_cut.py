"""What rules raise depends on the reports, not on the ticks in which they are read, nor on the order of shards."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crime_assets.incidents.rules import all_rules
from crime_assets_tests.incidents.tallies import Raised, Tallies, moment, reports

SHARDS = ("a", "b", "c")
REFS = ("K1-a", "K1-b")
WATCH = [("K1-a", moment(57, 6), moment(59)), ("K1-b", moment(0), moment(59, 12))]
MOST_AHEAD = 12 * 3_600
"""Seconds that a shard may be read ahead of another: rules 01 to 03 bear 22 hours."""
DAYS = 60


@cache
def stream(seed: int) -> pa.Table:
    """Two months at three stations, the last days busy, with all that can happen to a report; as they arrived."""
    rng = np.random.default_rng(seed)
    n, busy = 2_000, 700
    days = np.concatenate([rng.integers(0, DAYS, n - busy), rng.integers(DAYS - 4, DAYS, busy)])
    # Nights: late reports arrive on the day after.
    hours = np.where(np.arange(n) < n - busy, rng.integers(20, 27, n), rng.integers(22, 26, n))
    registered = np.array([moment(int(day), int(hour)) for day, hour in zip(days, hours, strict=True)])
    registered += rng.random(n) * 3_600
    late = np.select([rng.random(n) < share for share in (0.7, 0.8, 0.95)], [20, 700, 3_000 * rng.random(n)], 3_700.0)
    firs = [f"f{number}" for number in rng.integers(0, n * 9 // 10, n)]
    # A version of a FIR has one content, in one shard, whoever sends it again.
    first = {fir: number for number, fir in reversed([*enumerate(firs)])}
    own = [first[fir] for fir in firs]
    heads = rng.choice(["burglary", "theft", "vehicle theft", "murder", "rape"], n, p=[0.5, 0.28, 0.2, 0.01, 0.01])[own]
    kinds = rng.choice(["registered", "amended"], n, p=[0.85, 0.15])
    made = reports(
        n,
        fir_id=firs,
        registered_s=registered[own] + np.where(rng.random(n)[own] < 0.03, 3_500, 0),
        arrived_s=(registered + late)[own] + rng.choice([0, 30, 2_000], n),
        kind=kinds,
        major_head=heads,
        is_sensitive=heads == "rape",
        police_station=rng.choice(["1", "1", "2"], n)[own],
        lat_milli=rng.integers(28_600, 28_625, n)[own],
        lon_milli=rng.integers(77_200, 77_204, n)[own],
        complainant_ref=rng.choice([f"c{number}" for number in range(60)], n)[own],
        vehicles=[f'[{{"ref":"{ref}"}}]' for ref in rng.choice([*REFS, "x"], n, p=[0.03, 0.03, 0.94])[own]],
        shard=rng.choice([*SHARDS], n)[own],
    )
    return pa.concat_tables([made, planted()]).sort_by([("arrived_s", "ascending"), ("event_id", "ascending")])


def planted() -> pa.Table:
    """Two stations that fall silent on day 58, one of them until a late report, and one cell with five reports."""
    weekly = [moment(58 - 7 * week, 12 + number % 5) for week in range(1, 9) for number in range(12)]
    parts = [
        reports(
            len(weekly) + 1,
            registered_s=[moment(1), *weekly],
            police_station=station,
            lat_milli=None,
            shard=[SHARDS[number % 3] for number in range(len(weekly) + 1)],
        )
        for station in ("8", "9")
    ]
    late = reports(registered_s=moment(58, 17.9), arrived_s=moment(58, 18.5), police_station="9", lat_milli=None)
    place = reports(5, registered_s=[moment(59, hour) for hour in (0, 1, 5, 6, 7)], lat_milli=9, police_station="2")
    return pa.concat_tables([*parts, late, place])


@cache
def at_once(seed: int) -> set[Raised]:
    tallies = Tallies(watch=WATCH, shards=SHARDS)
    return tallies.tick(stream(seed))


def in_order(seed: int, ahead: dict[str, int]) -> pa.Table:
    """The rows as they are read if shards are so many seconds ahead of others."""
    rows = stream(seed)
    shift = np.array([ahead[shard] for shard in rows["shard"].to_pylist()])
    return rows.take(np.argsort(rows["arrived_s"].to_numpy() - shift, kind="stable"))


@pytest.mark.slow
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 1),
    ahead=st.fixed_dictionaries({shard: st.integers(0, MOST_AHEAD) for shard in SHARDS}),
    cuts=st.sets(st.integers(1_400, 2_200), min_size=10, max_size=20),
    early=st.sets(st.integers(1, 1_399), max_size=2),
)
def test_any_cut_raises_the_same(seed: int, ahead: dict[str, int], cuts: set[int], early: set[int]):
    rows = in_order(seed, ahead)
    tallies = Tallies(watch=WATCH, shards=SHARDS)
    edges = sorted({0, *early, *cuts, len(rows)})
    given_before: set[Raised] = set()
    for begin, end in pairwise(edges):
        given_before |= tallies.tick(rows.slice(begin, end - begin))
    assert given_before == at_once(seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_stream_raises_something_by_every_rule(seed: int):
    by_rule: dict[str, set[int]] = defaultdict(set)
    for one in at_once(seed):
        by_rule[one.rule].add(one.revision)
    assert set(by_rule) == {rule.name for rule in all_rules()}
    assert by_rule["silent_station"] == {1, 2}
    assert by_rule["watch_list"] == {1, 2, 3}
