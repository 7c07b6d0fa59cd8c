"""Kinds of crime and how they repeat: violence_against_women_proxy, traffic_related, repeat_blocks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from itertools import pairwise

import pandas as pd

from crime_assets_tests.sql.plain.question import Period, Question, Row, ratio

KINDS = ("sexual offense", "stalking", "domestic battery", "domestic assault")
DOMESTIC_BATTERY = {"0486", "0488", "0489", "0496", "0497", "0498", "0499"}
HOMES = """\
RESIDENCE|APARTMENT|HOUSE|ROOMING HOUSE|CHA APARTMENT|PORCH|YARD
RESIDENCE PORCH/HALLWAY|RESIDENTIAL YARD (FRONT/BACK)|RESIDENCE-GARAGE|DRIVEWAY - RESIDENTIAL
RESIDENCE - PORCH / HALLWAY|RESIDENCE - YARD (FRONT / BACK)|RESIDENCE - GARAGE
CHA HALLWAY|CHA HALLWAY/STAIRWELL/ELEVATOR|CHA HALLWAY / STAIRWELL / ELEVATOR
COLLEGE/UNIVERSITY RESIDENCE HALL|COLLEGE / UNIVERSITY - RESIDENCE HALL""".replace("\n", "|").split("|")
TRAFFIC = {
    "0142": "reckless homicide",
    **dict.fromkeys(("0325", "0326"), "hijacking"),
    **dict.fromkeys(("0710", "0760"), "theft from a vehicle"),
    **{f"09{how}{what}": "theft of a vehicle" for how in "123" for what in "0578"},
    "1206": "rented vehicle not returned",
    "1320": "damage to a vehicle",
    "1360": "trespass to a vehicle",
    "5002": "other vehicle offense",
    **dict.fromkeys(("502P", "502R"), "title, registration, permit"),
    "502T": "tampering with a vehicle",
}


def _violence_against_women_proxy(period: Period) -> Iterator[Row]:
    crimes = period.crimes.assign(kind=_kinds(period.crimes))
    places = [("all", crimes)]
    places += [(str(district), rows) for district, rows in crimes.groupby("district")]
    unknown = crimes[crimes["district"].isna()]
    places += [] if unknown.empty else [(None, unknown)]
    for district, rows in places:
        for kind in (*KINDS, "all"):
            found = rows[rows["kind"].notna() if kind == "all" else rows["kind"].eq(kind)]
            yield {
                "district": district,
                "kind": kind,
                "crimes": len(found),
                "share": ratio(len(found), len(rows)),
                "arrests": int(found["arrest"].sum()),
                "arrest_share": ratio(found["arrest"].sum(), len(found)),
                "at_home_share": ratio(found["location_description"].isin(HOMES).sum(), len(found)),
                "night_share": ratio(found["time_of_day"].eq("night").sum(), len(found)),
                "no_place": int((found["latitude"].isna() | found["longitude"].isna()).sum()),
            }


def _kinds(crimes: pd.DataFrame) -> pd.Series:
    """The kind of each crime, NaN where it is none of them."""
    kinds = pd.Series(None, crimes.index, dtype=object)
    kinds[crimes["primary_type"].isin(["CRIMINAL SEXUAL ASSAULT", "SEX OFFENSE"])] = "sexual offense"
    kinds[crimes["primary_type"].eq("STALKING")] = "stalking"
    in_code = crimes["iucr"].isin(DOMESTIC_BATTERY)
    kinds[crimes["primary_type"].eq("BATTERY") & (crimes["domestic"] | in_code)] = "domestic battery"
    kinds[crimes["primary_type"].eq("ASSAULT") & crimes["domestic"]] = "domestic assault"
    return kinds


def _traffic_related(period: Period) -> Iterator[Row]:
    columns = ["iucr", "primary_type", "description", "hour", "occurred_at", "arrest", "location_description"]
    codes = defaultdict(list)
    for crime in period.crimes.loc[period.crimes["iucr"].isin(TRAFFIC), columns].itertuples(index=False):
        codes[crime.iucr].append(crime)
    for iucr, crimes in sorted(codes.items()):
        last: dict[tuple[str | None, str | None], pd.Timestamp] = {}
        for crime in crimes:
            name = (_text(crime.primary_type), _text(crime.description))
            last[name] = max(last.get(name, crime.occurred_at), crime.occurred_at)
        latest_first = sorted(last, key=lambda name: (name[0] is None, name[0] or "", name[1] is None, name[1] or ""))
        latest_first.sort(key=lambda name: last[name], reverse=True)
        primary_type, description = min(latest_first, key=lambda name: name[1] is None)
        hours = defaultdict(list)
        for crime in crimes:
            hours[crime.hour].append(crime)
        for hour, found in sorted(hours.items()):
            arrests = sum(crime.arrest for crime in found)
            yield {
                "iucr": iucr,
                "what": TRAFFIC[iucr],
                "primary_type": primary_type,
                "description": description,
                "hour": hour,
                "crimes": len(found),
                "share": ratio(len(found), len(crimes)),
                "arrests": arrests,
                "arrest_share": ratio(arrests, len(found)),
                "most_common_location": _most_common([crime.location_description for crime in found]),
            }


def _repeat_blocks(period: Period) -> Iterator[Row]:
    columns = ["block", "primary_type", "occurred_on", "beat"]
    blocks = defaultdict(list)
    found = period.crimes[columns]
    for crime in found.assign(occurred_on=found["occurred_on"].dt.date).itertuples(index=False):
        if isinstance(crime.block, str) and isinstance(crime.primary_type, str):
            block = crime.block.upper() if crime.block.isascii() else crime.block
            blocks[block, crime.primary_type].append(crime)
    rows = [_repeats(block, primary_type, crimes, period.as_of_day) for (block, primary_type), crimes in blocks.items()]
    rows = [row for row in rows if row["crimes"] >= 5 and row["days"] >= 2]
    rows.sort(key=lambda row: (-row["repeats_within_14_days"], -row["crimes"], row["block"], row["primary_type"]))
    for rank, row in enumerate(rows, start=1):
        yield {"repeat_rank": rank, **row}


def _repeats(block: str, primary_type: str, crimes: list[pd.Series], today: date) -> Row:
    days = sorted({crime.occurred_on for crime in crimes})
    between = [(later - day).days for day, later in pairwise(days)]
    return {
        "block": block,
        "beat": _most_common([crime.beat for crime in crimes]),
        "primary_type": primary_type,
        "crimes": len(crimes),
        "days": len(days),
        "repeats_within_14_days": sum(gap <= 14 for gap in between),
        "mean_days_between": ratio(sum(between), len(between)),
        "first_crime_on": days[0],
        "last_crime_on": days[-1],
        "days_since_last": (today - days[-1]).days,
    }


def _most_common(values: list[object]) -> str | None:
    """The most frequent text, the first in the alphabet of those that tie; None if there is none."""
    counts = Counter(value for value in values if isinstance(value, str))
    return min((value for value, count in counts.items() if count == max(counts.values())), default=None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _in_periods(names: tuple[str, ...], rows: Callable[[Period], Iterator[Row]]) -> Callable[[Question], Iterator[Row]]:
    def compute(question: Question) -> Iterator[Row]:
        for period in question.periods:
            if period.name in names:
                yield from ({**period.leading, **row} for row in rows(period))

    return compute


KINDS_OF_CRIME = {
    "violence_against_women_proxy": _in_periods(("28d", "365d", "all"), _violence_against_women_proxy),
    "traffic_related": _in_periods(("28d", "365d", "all"), _traffic_related),
    "repeat_blocks": _in_periods(("28d", "365d"), _repeat_blocks),
}
