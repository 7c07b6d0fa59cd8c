"""What a briefing says of the next four weeks, where a model has been better than counting: of the city, never of a
place.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pyarrow.compute as pc

from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.forecasts import Forecasts

_HORIZON = 28
_NEW = timedelta(days=13)
"""A forecast that is older is no news: two others should have followed."""


def expected_of(forecasts: Forecasts, city: str, day: date, threshold: int) -> list[str]:
    """A sentence for each target of the newest forecast as of a day; none without a new one that can be read."""
    known = [one for one in forecasts.days(city) if day - _NEW <= one <= day]
    if not known:
        return []
    try:
        totals = forecasts.of(city, known[0]).tables(threshold)["totals"]
    except CrimeAssetsError:
        # Its page says what to do; a briefing does without.
        return []
    better = pc.and_(pc.equal(totals["verdict"], "better"), pc.equal(totals["horizon"], _HORIZON))
    rows = {row["target"]: row for row in totals.filter(better).to_pylist()}
    return [_sentence(target.title, rows[target.name]) for target in TARGETS if target.name in rows]


def _sentence(title: str, row: Mapping[str, Any]) -> str:
    first: date = row["first_day"]
    known: date = row["as_of_day"]
    low, high = number(row["low_80"]), number(row["high_80"])
    return (
        f"{title}, next {_HORIZON} days from {first.day} {first:%b}, as of {known.day} {known:%b}: "
        f"{number(round(row['expected']))} expected ({low} to {high}); the model finds {row['gain']:.1%} more than "
        "counting."
    )
