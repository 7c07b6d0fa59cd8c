"""Each rule below, at, and at multiples of its limit; and which reports it counts at all."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from crime_assets.incidents.contract import ARRIVED
from crime_assets.incidents.rules import COLUMNS, all_rules
from crime_assets_tests.incidents.tallies import DAY_0, Raised, Tallies, moment, raised_by, reports
from crime_assets_tests.incidents.test_limits import is_alarm

RULES = {rule.name: rule for rule in all_rules()}
STATION = "SX/101/1"
HOUR = DAY_0 * 24 + 12
BEGUN = reports(registered_s=moment(-100), lat_milli=1, lon_milli=1)
"""A report long before the others: the stream has been read since then."""
REVISIONS = [(-1, 0), (0, 1), (1, 1), ("below twice", 1), ("twice", 2), ("four times", 3), ("eight times", 4)]
"""Reports more than needed, or multiples of them, and the greatest revision that they raise."""
EVERY = pytest.mark.parametrize(("more", "revision"), REVISIONS)


def needed(periods: int, before: int, least: int) -> int:
    """The smallest number of reports that raises an alert."""
    return next(now for now in range(least, 10_000) if is_alarm(4, periods, before, now))


def number(least: int, more: int | str) -> int:
    match more:
        case int():
            return least + more
        case "below twice":
            return 2 * least - 1
    return least * {"twice": 2, "four times": 4, "eight times": 8}[more]


def of(rule: str, *rows: pa.Table, **how: object) -> set[Raised]:
    """What one rule raises over the rows, after BEGUN."""
    return raised_by(pa.concat_tables([BEGUN, *rows]), rules=[RULES[rule]], **how)


def expected(rule: str, subject: str, window: int, revision: int) -> set[Raised]:
    """All revisions up to this one."""
    return {Raised(rule, subject, window, one) for one in range(1, revision + 1)}


# A surge.

WEEKS_BEFORE = reports(16, registered_s=[moment(-7 * week, 12) for week in range(1, 9) for _ in range(2)])
"""Two in the same hour of each of eight weeks before: 16 in 8 periods."""


def hour(n: int, **given: object) -> pa.Table:
    return reports(n, **{"registered_s": moment(0, 12.5), **given})


@EVERY
def test_surge(more: int | str, revision: int):
    n = number(needed(8, 16, 5), more)
    assert of("surge", WEEKS_BEFORE, hour(n)) == expected("surge", STATION, HOUR, revision)


def test_surge_takes_five_reports_at_least():
    quiet = reports(registered_s=moment(-57, 0))
    assert needed(8, 0, 1) == 5
    assert of("surge", quiet, hour(4)) == set()
    assert of("surge", quiet, hour(5)) == expected("surge", STATION, HOUR, 1)


def test_surge_compares_with_hours_after_the_first_one_only():
    first = reports(registered_s=moment(-14, 12))
    # The hour of two weeks before was not seen from its beginning: one period, without a report.
    n = needed(1, 0, 5)
    new = {"police_station": "2"}
    rows = [first.set_column(first.schema.get_field_index("station"), "station", pa.array(["SX/101/2"]))]
    assert of("surge", *rows, hour(n - 1, **new)) == set()
    assert of("surge", *rows, hour(n, **new)) == expected("surge", "SX/101/2", HOUR, 1)
    assert of("surge", reports(registered_s=moment(-7, 12), **new), hour(200, **new)) == set()


def test_surge_takes_more_than_twice_as_many_beyond_the_table_of_limits():
    for n, revision in ((32, 0), (33, 1)):
        tallies = Tallies(rules=[RULES["surge"]])
        tallies.con.execute("DELETE FROM limits WHERE before_reports > 15")
        raised = tallies.tick(pa.concat_tables([BEGUN, WEEKS_BEFORE, hour(n)]))
        assert raised == expected("surge", STATION, HOUR, revision)


# Near repeats.


def near(n: int, **given: object) -> pa.Table:
    return reports(n, **{"major_head": "burglary", "registered_s": moment(0, 12), **given})


BLOCK = f"burglary|{28_600 // 5}|{77_200 // 5}"


@EVERY
def test_near_repeats(more: int | str, revision: int):
    before = near(3, registered_s=[moment(-90, 1), moment(-30, 1), moment(-7, 1)], lat_milli=28_601)
    n = number(needed(12, 3, 4), more)
    around = near(n, lat_milli=[28_600, *[28_601] * (n - 1)], registered_s=[moment(0, 12), *[moment(-6, 1)] * (n - 1)])
    raised = {one for one in of("near_repeats", before, around) if one.window_number == DAY_0}
    assert raised == expected("near_repeats", BLOCK, DAY_0, revision)


@pytest.mark.parametrize(
    "given",
    [
        {"major_head": ["burglary", "burglary", "robbery", "robbery"]},
        {"major_head": "theft"},
        {"lat_milli": [28_600, 28_602, 28_604, 28_606]},
        {"lon_milli": [77_200, 77_202, 77_204, 77_206]},
        {"registered_s": [moment(-7, 23.9), moment(0, 1), moment(0, 2), moment(0, 3)]},
        {"lat_milli": None},
        {"is_sensitive": True},
    ],
)
def test_near_repeats_are_of_one_kind_near_in_place_and_time(given: dict[str, object]):
    assert len(of("near_repeats", near(4, registered_s=moment(0, 4)))) == 1
    assert of("near_repeats", near(4, **given)) == set()


def test_near_repeats_alert_once_for_all_cells_of_a_block():
    rows = near(9, lat_milli=[28_600 + step for step in (0, 1, 2) for _ in range(3)])
    assert of("near_repeats", rows) == expected("near_repeats", BLOCK, DAY_0, 2)


def test_near_repeats_wait_for_a_week_after_the_first_day():
    one = reports(registered_s=moment(-14, 1))
    for day, weeks in ((-1, 0), (0, 1), (6, 1), (7, 2)):
        n = needed(weeks, 0, 4) if weeks else 50
        rows = [near(n - less, registered_s=moment(day, 1)) for less in (1, 0)]
        below, at = (raised_by(pa.concat_tables([one, of_day])) for of_day in rows)
        assert {one.rule for one in below} & {"near_repeats"} == set()
        assert ("near_repeats" in {one.rule for one in at}) is (weeks > 0)


# A place again and again.

CELL = "28600|77200"


@EVERY
def test_repeat_address(more: int | str, revision: int):
    before = reports(5, registered_s=[moment(-28, 0), moment(-9), moment(-8), moment(-7), moment(-2, 23.9)])
    other = reports(9, registered_s=[moment(-29, 23.9)] * 4 + [moment(-1)] * 2 + [moment(-1, 20)] * 3)
    n = number(needed(27, 5, 3), more)
    heads = ["theft", "hurt", *["arms"] * (n - 2)]
    raised = {
        one
        for one in of("repeat_address", before, other, reports(n, major_head=heads))
        if one.window_number == DAY_0
    }  # fmt: skip
    assert raised == expected("repeat_address", CELL, DAY_0, revision)


def test_repeat_address_takes_one_whole_day_after_the_first():
    for day, days in ((2, 0), (3, 1), (4, 2)):
        n = needed(days, 0, 3) if days else 50
        one = reports(registered_s=moment(0, 1), lat_milli=1)
        below, at = (
            raised_by(pa.concat_tables([one, reports(n - less, registered_s=moment(day, 1))])) for less in (1, 0)
        )
        assert "repeat_address" not in {one.rule for one in below}
        assert ("repeat_address" in {one.rule for one in at}) is (days > 0)


# The watch list.

REF = "K1a2b3-0123456789abcdef"
WATCH = [(REF, moment(-1), moment(30))]


@pytest.mark.parametrize(("n", "revision"), [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (7, 3), (8, 4)])
def test_watch_list(n: int, revision: int):
    rows = reports(n, refs=["other", REF]), reports(refs=["other", f"{REF}0"])
    assert of("watch_list", *rows, watch=WATCH) == expected("watch_list", REF, DAY_0, revision)


@pytest.mark.parametrize("kind", ["registered", "amended", "transferred", "cancelled"])
@pytest.mark.parametrize("late_days", [0, 3, 7])
def test_watch_list_sees_every_kind_for_a_week(kind: str, late_days: int):
    known = reports(refs=[REF], kind=kind, arrived_s=moment(late_days, 12))
    assert of("watch_list", known, watch=WATCH) == expected("watch_list", REF, DAY_0, 1)
    unknown = reports(refs=[REF], kind=kind, arrived_s=moment(7, 12, 1))
    assert of("watch_list", unknown, watch=WATCH) == set()


def test_watch_list_counts_versions_and_copies_of_a_report_once():
    first = reports(refs=[REF], fir_id="f")
    late = reports(refs=[REF], fir_id="f", arrived_s=moment(0, 14))
    amended = reports(refs=[REF], fir_id="f", kind="amended", arrived_s=moment(1))
    for cuts in ((), (2, 3, 4)):
        assert of("watch_list", first, first, late, amended, watch=WATCH, cuts=cuts) == expected(
            "watch_list", REF, DAY_0, 1
        )


@pytest.mark.parametrize(("seconds", "is_raised"), [(-0.1, False), (0, True), (9.9, True), (10, False)])
def test_watch_list_goes_by_when_a_report_arrived(seconds: float, is_raised: bool):
    watch = [(REF, moment(0, 12), moment(0, 12, 10)), (REF, moment(3), moment(4)), ("other", 0, 9e9)]
    rows = reports(refs=[REF], registered_s=moment(0, 11.5), arrived_s=moment(0, 12, seconds))
    assert bool(of("watch_list", rows, watch=watch)) is is_raised


def test_watch_list_looks_at_a_late_copy_though_the_first_came_too_early():
    watch = [(REF, moment(0, 13, 1), moment(1))]
    both = [reports(refs=[REF], fir_id="f"), reports(refs=[REF], fir_id="f", arrived_s=moment(0, 13, 1))]
    for cuts in ((), (1, 2)):
        assert of("watch_list", *both, watch=watch, cuts=cuts) == expected("watch_list", REF, DAY_0, 1)


def test_watch_list_does_not_look_at_a_copy_that_would_be_counted():
    watch = [(REF, moment(0, 12, 60), moment(1))]
    both = [reports(refs=[REF], fir_id="f"), reports(refs=[REF], fir_id="f", arrived_s=moment(0, 12, 90))]
    for cuts in ((), (1, 2)):
        assert of("watch_list", *both, watch=watch, cuts=cuts) == set()


# Grave offenses.


def test_major_head_alerts_once_for_each_kind_of_a_report():
    versions = [
        reports(fir_id="f", major_head="hurt"),
        reports(fir_id="f", major_head="murder", kind="amended", version=2, arrived_s=moment(2)),
        reports(fir_id="f", major_head="murder", kind="amended", version=3, arrived_s=moment(3)),
        reports(fir_id="f", major_head="riot", kind="cancelled", version=4, arrived_s=moment(7, 12)),
        reports(fir_id="f", major_head="dacoity", kind="amended", version=5, arrived_s=moment(7, 12, 1)),
    ]
    wanted = {Raised("major_head", f"f|{head}", 0, 1) for head in ("murder", "riot")}
    for cuts in ((), (2, 3, 4, 5)):
        assert of("major_head", *versions, cuts=cuts) == wanted


def test_major_head_sees_sensitive_reports():
    rows = reports(fir_id="SX/101/~1", major_head="rape", is_sensitive=True)
    assert of("major_head", rows) == {Raised("major_head", "SX/101/~1|rape", 0, 1)}


# A silent station.

QUIET_BLOCK = DAY_0 * 4 + 2
"""From noon to six of DAY_0."""


def weekly(per_week: int, weeks: int, **given: object) -> pa.Table:
    """So many in the block of each of the weeks before, of station 2, and something that closes the block."""
    times = [moment(-7 * week, 12) for week in range(1, weeks + 1) for _ in range(per_week)]
    of_weeks = reports(len(times), **{"registered_s": times, "police_station": "2", **given})
    begun = reports(police_station="2", registered_s=moment(-7 * weeks, 11.9))
    return pa.concat_tables([begun, of_weeks, reports(registered_s=moment(0, 18, 600), arrived_s=moment(0, 18, 601))])


def silent(revision: int) -> set[Raised]:
    return expected("silent_station", "SX/101/2", QUIET_BLOCK, revision)


def at_noon(raised: set[Raised]) -> set[Raised]:
    return {one for one in raised if one.window_number == QUIET_BLOCK and one.subject == "SX/101/2"}


@pytest.mark.parametrize(
    ("per_week", "weeks", "revision"),
    [(9, 8, 0), (10, 8, 1), (10, 5, 0), (11, 5, 1), (10, 4, 0), (11, 4, 1), (99, 3, 0)],
)
def test_silent_station(per_week: int, weeks: int, revision: int):
    assert at_noon(of("silent_station", weekly(per_week, weeks))) == silent(revision)


def test_silent_station_compares_with_reports_that_were_in_time():
    late = moment(-7, 18, 601)
    in_vain = reports(20, police_station="2", registered_s=moment(-7, 17.9), arrived_s=late)
    assert at_noon(of("silent_station", weekly(9, 8), in_vain)) == set()


@pytest.mark.parametrize(
    ("registered", "arrived", "revision"),
    [
        (moment(0, 17.9), moment(0, 17.9, 1), 0),
        (moment(0, 17.9), moment(0, 18, 600), 0),
        (moment(0, 17.9), moment(0, 18, 601), 2),
        (moment(0, 17.9), moment(0, 18.9), 2),
        (moment(0, 17.9), moment(0, 18.9, 1), 1),
        (moment(0, 18), moment(0, 18, 1), 1),
        (moment(0, 11.99), moment(0, 12, 1), 1),
    ],
)
def test_silent_station_is_withdrawn_by_reports_that_come_later(registered: float, arrived: float, revision: int):
    rows = weekly(10, 8), reports(police_station="2", registered_s=registered, arrived_s=arrived)
    total = sum(len(one) for one in rows) + 1
    for cuts in ((), range(total - 3, total)):
        assert at_noon(of("silent_station", *rows, cuts=cuts)) == silent(revision)


def test_silent_station_waits_until_every_shard_has_been_read():
    rows = weekly(10, 8), reports(registered_s=moment(0, 18, 560), shard="b")
    assert at_noon(of("silent_station", *rows, shards=("a", "b"))) == set()
    more = reports(registered_s=moment(0, 18, 590), arrived_s=moment(0, 18, 600.1), shard="b")
    assert at_noon(of("silent_station", *rows, more, shards=("a", "b"))) == silent(1)


# Perhaps reported twice.


def complaints(n: int, **given: object) -> pa.Table:
    return reports(n, **{"complainant_ref": "c", "occurred_day": DAY_0 - 3, **given})


@pytest.mark.parametrize(("n", "revision"), [(1, 0), (2, 1), (3, 1), (4, 2), (8, 3), (16, 4)])
def test_duplicates(n: int, revision: int):
    rows = complaints(n, police_station=[f"{one}" for one in range(n)])
    subject = f"c|theft|{DAY_0 - 3}"
    assert of("duplicates", rows) == expected("duplicates", subject, DAY_0, revision)


@pytest.mark.parametrize(
    "given",
    [
        {"complainant_ref": ["c", "d"]},
        {"complainant_ref": None},
        {"major_head": ["theft", "hurt"]},
        {"occurred_day": [DAY_0 - 3, DAY_0 - 2]},
        {"registered_s": [moment(0, 23.9), moment(1, 0)]},
        {"kind": ["registered", "amended"]},
        {"arrived_s": [moment(0, 12), moment(0, 13, 1)]},
        {"is_sensitive": True},
        {"fir_id": "f"},
    ],
)
def test_duplicates_are_alike_in_all(given: dict[str, object]):
    assert of("duplicates", complaints(2, **given)) == set()


# What counts for the rules that count.

COUNTING: dict[str, Callable[..., pa.Table]] = {
    "surge": lambda n, **given: pa.concat_tables([reports(registered_s=moment(-57)), hour(n, **given)]),
    "near_repeats": near,
    "repeat_address": reports,
    "duplicates": complaints,
}
LEAST = {"surge": 5, "near_repeats": 4, "repeat_address": 3, "duplicates": 2}


@pytest.mark.parametrize("rule", COUNTING)
def test_a_repeated_report_counts_once(rule: str):
    rows = COUNTING[rule](LEAST[rule] - 1)
    for cuts in ((), range(1, 3 * LEAST[rule])):
        assert of(rule, rows, rows, rows, cuts=cuts) == set()


@pytest.mark.parametrize("rule", COUNTING)
def test_a_report_counts_when_registered_and_never_again(rule: str):
    least = LEAST[rule]
    firs = [f"f{one}" for one in range(least)]
    for kind in ("amended", "transferred", "cancelled"):
        later = COUNTING[rule](least, fir_id=firs, kind=kind)
        assert of(rule, later) == set()
        # Amended before it is registered; or cancelled: what was registered stays so.
        assert len(of(rule, later, COUNTING[rule](least, fir_id=firs))) == 1
        assert len(of(rule, COUNTING[rule](least, fir_id=firs), later, cuts=range(1, 2 * least + 3))) == 1


@pytest.mark.parametrize("rule", COUNTING)
@pytest.mark.parametrize(("late", "is_counted"), [(3_599, True), (3_600, True), (3_601, False)])
def test_a_report_counts_if_it_arrives_within_an_hour(rule: str, late: float, is_counted: bool):
    n = LEAST[rule]
    registered = moment(0, 12.5)
    arrived = [registered + late, *[registered + 1] * (n - 1)]
    for cuts in ((), range(1, n + 3)):
        assert bool(of(rule, COUNTING[rule](n, registered_s=registered, arrived_s=arrived), cuts=cuts)) is is_counted


@pytest.mark.parametrize("rule", COUNTING)
def test_a_station_with_a_wrong_clock_counts_when_its_reports_arrive(rule: str):
    ahead = COUNTING[rule](LEAST[rule], registered_s=moment(0, 13.5), arrived_s=moment(0, 12.5))
    (raised,) = of(rule, ahead)
    assert raised.window_number in {HOUR, DAY_0}


@pytest.mark.parametrize("rule", COUNTING)
def test_sensitive_reports_are_in_no_rule_of_stations_places_or_complainants(rule: str):
    assert of(rule, COUNTING[rule](100, is_sensitive=True)) == set()


def test_many_reports_at_one_point_are_few_alerts():
    raised = raised_by(pa.concat_tables([BEGUN, reports(registered_s=moment(-57)), hour(2_000, major_head="burglary")]))
    assert len({one[:3] for one in raised}) == 3
    assert len(raised) == 12


def test_gives_a_report_of_the_tick_with_its_district_and_place():
    rows = near(4, district="102", police_station="7", fir_id=["a", "b", "c", "d"])
    told = {}
    for rule in ("near_repeats", "repeat_address"):
        told[rule] = row_of(rule, pa.concat_tables([BEGUN, rows]))
    for row in told.values():
        assert row["district"] == "102"
        assert (row["cell_lat"], row["cell_lon"]) == (28_600, 77_200)
        assert row["event_id"] in rows["event_id"].to_pylist()
        assert row["before_reports"] == 0
    assert [(row["periods"], row["at_least"]) for row in told.values()] == [(12, 4), (27, 3)]


def row_of(name: str, arrived: pa.Table) -> dict[str, object]:
    tallies = Tallies(rules=())
    tallies.tick(arrived)
    return dict(zip(COLUMNS, tallies.ask(RULES[name])[0], strict=True))


def test_an_empty_tick_raises_nothing():
    assert raised_by(ARRIVED.empty_table()) == set()
