"""On reports that come by chance at a steady rate, rules are wrong no more often than their headers say."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import poisson

from crime_assets.incidents.limits import most_by_chance
from crime_assets.incidents.rules import Rule, all_rules
from crime_assets_tests.incidents.tallies import Tallies, moment, reports

WEEKS = 16
STATIONS = 12
RULES = {rule.name: rule for rule in all_rules()}


@cache
def noise(seed: int) -> pa.Table:
    """Stations with 0.1 to 6 reports an hour, one rate each; two fifths of the places are in a tenth of all cells."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(0.1, 6, STATIONS)
    hours = np.repeat(np.arange(WEEKS * 168), STATIONS)
    counts = rng.poisson(np.tile(rates, WEEKS * 168))
    n = int(counts.sum())
    rare = rng.random(n) < 0.4
    return reports(
        n,
        police_station=np.repeat(np.tile(np.arange(STATIONS), WEEKS * 168), counts).astype(str),
        registered_s=moment(0) + np.repeat(hours, counts) * 3_600.0 + rng.random(n) * 3_600,
        lat_milli=np.where(rare, rng.integers(0, 40, n), rng.integers(0, 400, n)),
        lon_milli=rng.integers(0, 40, n),
        major_head=rng.choice(["burglary", "theft"], n, p=[0.3, 0.7]),
    )


@cache
def tallied(seed: int) -> Tallies:
    tallies = Tallies(rules=())
    tallies.tick(noise(seed))
    return tallies


def alarms(rule: Rule, seed: int) -> int:
    """How many windows of how many subjects the rule is wrong about: first revisions."""
    blocks = noise(seed)["block_number"].to_numpy()
    return sum(row[3] == 1 for row in tallied(seed).ask(rule, (int(blocks.min()), int(blocks.max()))))


def units(rule: str, seed: int) -> int:
    """How many there are of what the header counts: those with a report now, or in what it compares with."""
    con = tallied(seed).con
    match rule:
        case "surge":
            return STATIONS * (WEEKS - 1) * 168
        case "silent_station":
            return STATIONS * (WEEKS - 4) * 28
        case "repeat_address":
            asked = """SELECT COUNT(DISTINCT (cell_lat, cell_lon, day_number + n)) FROM cells, range(29) AS later (n)
                WHERE n <> 1 AND day_number + n <= (SELECT MAX(day_number) FROM cells)"""
        case _:
            asked = """SELECT COUNT(DISTINCT (cell_lat + a, cell_lon + b, day_number + n))
                FROM cells, range(-1, 2) AS north (a), range(-1, 2) AS east (b), range(91) AS later (n)
                WHERE head = 'burglary' AND day_number + n <= (SELECT MAX(day_number) FROM cells)"""
    (found,) = con.execute(asked).fetchone() or (0,)
    return int(found)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, rule in RULES.items() if rule.chance])
def test_is_wrong_no_more_often_than_it_says(name: str):
    rule = RULES[name]
    assert rule.chance is not None
    found, among = alarms(rule, 1), units(name, 1)
    expected = among * 10.0**-rule.chance
    assert expected > 0.4
    assert found <= poisson.ppf(0.999, expected)


@pytest.mark.slow
def test_a_chance_ten_times_as_great_would_be_seen():
    # The surge rule reaches its limit: with one of once in 100 times there are many more alarms.
    rule = RULES["surge"]
    con = tallied(1).con
    con.register("looser", most_by_chance(2, 8, 1_000))
    con.execute("INSERT INTO limits SELECT * FROM looser")
    loose = alarms(replace(rule, chance=2), 1)
    assert loose > 10 * max(alarms(rule, 1), 1)
    assert loose <= poisson.ppf(0.999, units("surge", 1) / 100)
