"""The ten insights again, a function of a period each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sized

import pandas as pd

from crime_assets_tests.sql.plain.question import Period, Row, ratio

BANDS = ("night", "morning", "afternoon", "evening")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REPEATED = 10


def _crime_summary(period: Period) -> Iterator[Row]:
    crimes = period.crimes
    total, violent = len(crimes), int(crimes["is_violent"].sum())
    arrests, domestic = int(crimes["arrest"].sum()), int(crimes["domestic"].sum())
    yield {
        "crimes": total,
        "crimes_per_day": ratio(total, len(period.days)),
        "arrests": arrests,
        "arrest_share": ratio(arrests, total),
        "domestic_crimes": domestic,
        "domestic_share": ratio(domestic, total),
        "violent_crimes": violent,
        "property_crimes": int(crimes["is_property"].sum()),
        "index_crimes": int(crimes["is_index"].sum()),
        "violent_share": ratio(violent, total),
        "no_place": int((crimes["latitude"].isna() | crimes["longitude"].isna()).sum()),
        "crime_types": crimes["primary_type"].nunique(),
    }


def _top_crime_types(period: Period) -> Iterator[Row]:
    groups = _groups(period.crimes, "primary_type")
    for rank, name in enumerate(_by_size(groups), start=1):
        crimes = groups[name]
        yield {
            "type_rank": rank,
            "primary_type": name,
            "crimes": len(crimes),
            "share": ratio(len(crimes), len(period.crimes)),
            "arrests": int(crimes["arrest"].sum()),
            "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
            "domestic_share": ratio(crimes["domestic"].sum(), len(crimes)),
            "violent_crimes": int(crimes["is_violent"].sum()),
        }


def _time_of_day_patterns(period: Period) -> Iterator[Row]:
    groups = _groups(period.crimes, "time_of_day")
    for band in BANDS:
        if band in groups:
            crimes = groups[band]
            yield {
                "time_of_day": band,
                "crimes": len(crimes),
                "share": ratio(len(crimes), len(period.crimes)),
                "crimes_per_hour": ratio(len(crimes), 6 * len(period.days)),
                "violent_crimes": int(crimes["is_violent"].sum()),
                "violent_share": ratio(crimes["is_violent"].sum(), len(crimes)),
                "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
            }


def _hourly_heat_map(period: Period) -> Iterator[Row]:
    groups = dict(list(period.crimes.groupby(["hour", "iso_weekday"])))
    days = {weekday: _weekdays(period, weekday) for weekday in range(1, 8)}
    for hour in range(24):
        for weekday in range(1, 8):
            crimes = groups.get((hour, weekday), period.crimes.head(0))
            yield {
                "hour": hour,
                "iso_weekday": weekday,
                "crimes": len(crimes),
                "share": ratio(len(crimes), len(period.crimes)),
                "crimes_per_day": ratio(len(crimes), days[weekday]),
                "violent_crimes": int(crimes["is_violent"].sum()),
            }


def _crime_by_district(period: Period) -> Iterator[Row]:
    groups = _groups(period.crimes, "district")
    named = [name for name in _by_size(groups) if name is not None]
    average = ratio(sum(len(groups[name]) for name in named), len(named))
    for rank, name in enumerate([*named, *(name for name in groups if name is None)], start=1):
        crimes = groups[name]
        yield {
            "district_rank": rank if name is not None else None,
            "district": name,
            "crimes": len(crimes),
            "share": ratio(len(crimes), len(period.crimes)),
            "city_average": average,
            "ratio_to_city_average": ratio(len(crimes), average) if average and name is not None else None,
            "violent_crimes": int(crimes["is_violent"].sum()),
            "arrests": int(crimes["arrest"].sum()),
            "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
        }


def _day_of_week_patterns(period: Period) -> Iterator[Row]:
    mean_day = ratio(len(period.crimes), len(period.days))
    for number, weekday in enumerate(WEEKDAYS, start=1):
        crimes = period.crimes[period.crimes["iso_weekday"] == number]
        days = _weekdays(period, number)
        per_day = ratio(len(crimes), days)
        yield {
            "iso_weekday": number,
            "weekday": weekday,
            "crimes": len(crimes),
            "share": ratio(len(crimes), len(period.crimes)),
            "days": days,
            "crimes_per_day": per_day,
            "ratio_to_mean_day": per_day / mean_day if mean_day and per_day is not None else None,
            "violent_crimes": int(crimes["is_violent"].sum()),
        }


def _location_types(period: Period) -> Iterator[Row]:
    groups = _groups(period.crimes, "location_description")
    for rank, name in enumerate(_by_size(groups), start=1):
        crimes = groups[name]
        yield {
            "location_rank": rank,
            "location_description": name,
            "crimes": len(crimes),
            "share": ratio(len(crimes), len(period.crimes)),
            "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
            "domestic_share": ratio(crimes["domestic"].sum(), len(crimes)),
            "violent_crimes": int(crimes["is_violent"].sum()),
            "most_common_type": _most_common(Counter(crimes["primary_type"].dropna())),
        }


def _domestic_violence(period: Period) -> Iterator[Row]:
    domestic = period.crimes[period.crimes["domestic"]]
    of_type = _groups(period.crimes, "primary_type")
    groups = _groups(domestic, "primary_type")
    for name in _by_size(groups):
        crimes = groups[name]
        yield {
            "primary_type": name,
            "domestic_crimes": len(crimes),
            "share_of_domestic": ratio(len(crimes), len(domestic)),
            "share_of_type": ratio(len(crimes), len(of_type[name])),
            "arrests": int(crimes["arrest"].sum()),
            "arrest_share": ratio(crimes["arrest"].sum(), len(crimes)),
        }


def _repeat_offense_locations(period: Period) -> Iterator[Row]:
    # Tens of thousands of blocks: a frame for each would take minutes.
    columns = ["primary_type", "occurred_on", "is_violent", "domestic", "arrest"]
    upper = {name: name.upper() if name.isascii() else name for name in period.crimes["block"].dropna().unique()}
    names = period.crimes["block"].map(upper)
    often = names.map(names.value_counts()) >= REPEATED
    found = period.crimes.loc[often, columns]
    found = found.assign(occurred_on=found["occurred_on"].dt.date)
    repeated = defaultdict(list)
    for block, crime in zip(names[often], found.itertuples(index=False), strict=True):
        repeated[block].append(crime)
    for rank, block in enumerate(_by_size(repeated), start=1):
        crimes = repeated[block]
        types = Counter(crime.primary_type for crime in crimes if isinstance(crime.primary_type, str))
        arrests = sum(crime.arrest for crime in crimes)
        yield {
            "block_rank": rank,
            "block": block,
            "crimes": len(crimes),
            "share": ratio(len(crimes), len(period.crimes)),
            "crime_types": len(types),
            "most_common_type": _most_common(types),
            "first_crime_on": min(crime.occurred_on for crime in crimes),
            "last_crime_on": max(crime.occurred_on for crime in crimes),
            "violent_crimes": sum(crime.is_violent for crime in crimes),
            "domestic_crimes": sum(crime.domestic for crime in crimes),
            "arrests": arrests,
            "arrest_share": ratio(arrests, len(crimes)),
        }


TEN: dict[str, Callable[[Period], Iterator[Row]]] = {
    "crime_summary": _crime_summary,
    "top_crime_types": _top_crime_types,
    "time_of_day_patterns": _time_of_day_patterns,
    "hourly_heat_map": _hourly_heat_map,
    "crime_by_district": _crime_by_district,
    "day_of_week_patterns": _day_of_week_patterns,
    "location_types": _location_types,
    "domestic_violence": _domestic_violence,
    "repeat_offense_locations": _repeat_offense_locations,
}


def _groups(crimes: pd.DataFrame, column: str) -> dict[str | None, pd.DataFrame]:
    """The crimes of each value; those without one under None."""
    return {None if pd.isna(value) else str(value): rows for value, rows in crimes.groupby(column, dropna=False)}


def _by_size(groups: Mapping[str | None, Sized]) -> list[str | None]:
    """The largest group first; equal ones in alphabetical order, None last."""
    return sorted(groups, key=lambda name: (-len(groups[name]), name is None, name or ""))


def _most_common(counts: Counter[str]) -> str | None:
    """The most frequent value, the first in the alphabet of those that tie; None if there is none."""
    return min((value for value, count in counts.items() if count == max(counts.values())), default=None)


def _weekdays(period: Period, iso_weekday: int) -> int:
    return sum(day.isoweekday() == iso_weekday for day in period.days)
