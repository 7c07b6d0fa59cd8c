"""Nothing that is made for a city depends on what it does not publish: whatever such columns hold, the tables stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.analysis.made import insights_of, unpublished_of
from crime_assets.core.insights import Insight
from crime_assets.publishing.extract import cubes_of
from crime_assets.publishing.published import emptied
from crime_assets.sources import cities
from crime_assets_tests.sql.asking import computed_of, random_crimes, table

AS_OF = date(2024, 2, 29)
OTHERS = [name for name in cities.names() if name != "chicago"]
KINDS = {
    pa.string(): lambda rng, rows: rng.choice(["A", "B", "0110", "VIOLENT"], rows),
    pa.bool_(): lambda rng, rows: rng.random(rows) < 0.5,
    pa.int32(): lambda rng, rows: rng.integers(1, 60, rows),
    pa.int64(): lambda rng, rows: rng.integers(1, 60, rows),
    pa.float64(): lambda rng, rows: rng.random(rows),
    pa.date32(): lambda rng, rows: [AS_OF - timedelta(days=int(days)) for days in rng.integers(0, 40, rows)],
    pa.timestamp("us"): lambda rng, rows: rng.integers(1_600_000_000, 1_700_000_000, rows) * 1_000_000,
}
BY = {"period", "offense_class", "district", "beat", "community_area", "hour", "iso_weekday", "primary_type", "month"}


@lru_cache
def crimes(city: str, seed: int | None) -> pa.Table:
    """Crimes of one publication with NULL where the city publishes nothing, or with random values there instead."""
    found = table(random_crimes(7, 1200, date(2022, 11, 15), date(2024, 2, 25)))
    for name in sorted(unpublished_of(cities.get(city))):
        place, field = found.schema.get_field_index(name), found.schema.field(name)
        if seed is not None:
            rng = np.random.default_rng(seed + place)
            values = pa.array(KINDS[field.type](rng, found.num_rows), type=field.type)
        elif name == "change_day":
            values = pa.repeat(pa.scalar(AS_OF, field.type), found.num_rows)
        else:
            values = pa.nulls(found.num_rows, field.type)
        found = found.set_column(place, field, values)
    if cities.get(city).counted:
        # Half of them are counted: San Francisco's initial reports.
        reports = pa.array(["Initial", "Initial Supplement"] * (found.num_rows // 2))
        found = found.set_column(found.schema.get_field_index("report_type"), "report_type", reports)
    return found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("city", "insight"),
    [(city, insight) for city in OTHERS for insight in insights_of(cities.get(city))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_insights_are_the_same_whatever_is_not_published(city: str, insight: Insight, seed: int) -> None:
    plain, odd = (computed_of(insight, crimes(city, one), AS_OF) for one in (None, seed))
    assert plain.num_rows > 0
    assert odd.to_pylist() == plain.to_pylist()


@pytest.mark.parametrize(
    ("city", "cube"),
    [(city, cube) for city in OTHERS for cube in cubes_of(cities.get(city))],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_cubes_add_up_to_the_same(city: str, cube: Insight) -> None:
    """Rows may be more, for a cube groups by all columns; what is summed of them is not."""

    def summed(seed: int | None) -> list[dict[str, object]]:
        # `finished` would drop what is left out: the extract has it, as NULL.
        rows = emptied(computed_of(replace(cube, left_out=()), crimes(city, seed), AS_OF), cube.left_out)
        by = [name for name in rows.column_names if name in BY]
        return sorted(rows.group_by(by).aggregate([("crimes", "sum")]).to_pylist(), key=str)

    assert summed(1) == summed(None)
