"""What headers promise, and that what they may speak of is what is counted."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.core.insights import load_insights
from crime_assets.core.periods import PERIODS, first_days, last_days
from crime_assets.core.promises import AREAS, FIGURES, Area, Promises
from crime_assets.core.sql import parse, render, statement

GOOD = """\
-- How many crimes each district and class has.
-- @column as_of_day: The day.
-- @column period: The period.
-- @column first_day: Its first day.
-- @column last_day: Its last day.
-- @column district: The district.
-- @column crimes: Records.
-- @column change: Their change.
SELECT :as_of_day AS as_of_day, period, first_day, last_day, district, count(*) AS crimes, 0 AS change
FROM periods JOIN crimes ON occurred_on BETWEEN first_day AND last_day
GROUP BY period, first_day, last_day, district
"""


def read(folder: Path, *tags: str) -> Promises:
    """What the file promises with these header lines added."""
    at = GOOD.index("SELECT")
    text = GOOD[:at] + "".join(f"-- {tag}\n" for tag in tags) + GOOD[at:]
    (folder / "01_crimes.sql").write_text(text)
    (insight,) = load_insights(folder)
    return insight.promises


def test_a_header_without_tags_promises_one_row_a_period_and_no_negative_number(tmp_path: Path) -> None:
    assert read(tmp_path) == Promises(periods=("28d", "365d", "all"))


def test_tags_are_read_over_several_lines_and_times(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "@key district,",
        "  crimes",
        "@key change",
        "@period 28d, ytd",
        "@signed change",
        "@total crimes",
        "@unsummed change, district: they are of other years,",
        "  and differ",
        "@area district: beat where period = 28d",
    )
    why = "they are of other years, and differ"
    assert found == Promises(
        key=("district", "crimes", "change"),
        periods=("28d", "ytd"),
        signed=("change",),
        totals=("crimes",),
        unsummed=(("change", why), ("district", why)),
        named_areas=(Area("district", "beat", ("period", "28d")),),
    )
    assert found.areas == (Area("district", "district"), Area("district", "beat", ("period", "28d")))


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("@key District", "'@key District' must read '@key name, name'"),
        ("@key", "must read '@key name, name'"),
        ("@key ward", "The header names ward, which no @column line describes"),
        ("@signed z", "The header names z, which no @column line describes"),
        ("@period 7d", "@period 7d: it can be 28d, 365d, all, ytd, 90d"),
        ("@total change", "@total change: it can be crimes, arrests"),
        ("@total arrests", "The header names arrests, which no @column line describes"),
        ("@unsummed crimes", "must read '@unsummed name, name: why'"),
        ("@area district: ward where period = 28d", "@area ward: it can be district, community_area, beat"),
        ("@area district: beat", "must read '@area column: kind where column = value'"),
        ("@area unit: beat where period = 28d", "The header names unit, which no @column line describes"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(tmp_path: Path, tag: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(tmp_path, tag)
    assert message in str(refused.value)
    assert "01_crimes.sql: " in str(refused.value)


def test_a_count_is_not_both_a_total_and_no_sum(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="calls crimes both @total and @unsummed"):
        read(tmp_path, "@total crimes", "@unsummed crimes: it repeats")


def test_what_may_be_named_is_what_is_counted() -> None:
    columns = parse(statement("checks", "recorded")).named_selects
    assert columns[: len(AREAS)] == list(AREAS)
    assert columns[-len(FIGURES) :] == list(FIGURES)


def test_the_periods_are_those_that_insights_read() -> None:
    as_of_day, last_complete_day = date(2024, 3, 1), date(2024, 2, 22)
    con = duckdb.connect()
    con.execute("CREATE TABLE crimes AS SELECT DATE '2020-05-05' AS occurred_on")
    days = {"as_of_day": as_of_day, "last_complete_day": last_complete_day}
    found = con.execute(render(statement("parts", "periods"), "duckdb", days)).fetchall()
    first, last = first_days(as_of_day, last_complete_day), last_days(as_of_day, last_complete_day)
    assert found == [(name, first.get(name, date(2020, 5, 5)), last[name]) for name in ("28d", "365d", "all")]
    assert (first["ytd"], last["ytd"]) == (date(2024, 1, 1), last_complete_day)
    assert (first["90d"], last["90d"]) == (date(2023, 12, 2), as_of_day)
    assert set(last) == set(PERIODS)
