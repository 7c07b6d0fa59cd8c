"""What the page of forecasts says of consequences: whom lists send patrols to, what patrols do to lists, and caveats.

Numbers in sentences are worked out from the rows that the page shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crime_assets.analysis.forecasts import FEWEST_WINDOWS
from crime_assets.analysis.forecasts.feedback import EXPLORED, MODES, ROUNDS
from crime_assets.publishing.charts.several import Series, several
from crime_assets.publishing.dashboard.forecast_figures import (
    Forecast,
    Row,
    expected,
    in_words,
    known,
    numbered,
    parts_of,
    share,
    shown_table,
    whole,
)
from crime_assets.publishing.dashboard.forecast_scored import Scored
from crime_assets.publishing.dashboard.page import ShownTable
from crime_assets.publishing.dashboard.values import Cell, shown

_CAPS = {"cost_25": "2.5 times", "cost_20": "twice", "cost_15": "one and a half times"}
_MODES = dict(
    zip(
        MODES,
        (
            "made anew every four weeks",
            "never made anew",
            f"made anew, {whole(EXPLORED)} of it drawn by chance",
        ),
        strict=True,
    )
)


def effects_of(forecast: Forecast, scored: Scored) -> dict[str, Any]:
    """The values for the template."""
    rows = sorted(forecast.rows("exposure"), key=lambda row: (-row["flagged_cells"], row["area"]))
    return {
        "exposure": _exposure([row for row in rows if row["flagged_cells"]], forecast),
        "concentrated": _concentrated(rows),
        "kept": _kept(rows),
        "caps": _caps(rows),
        "patrols": _patrols(forecast),
        "rounds": _rounds(forecast),
        "follows": _follows(forecast),
        "caveats": [*_caveats(forecast, scored)],
        "tuned": _tuned(forecast),
        "parts": parts_of(forecast.total),
    }


def _exposure(rows: Sequence[Row], forecast: Forecast) -> ShownTable:
    found = []
    for row in rows:
        cells = {
            "Community area": Cell(row["area"]),
            "Cells on the list": numbered(f"{row['flagged_cells']:,}"),
            "Of the list": numbered(share(row["share_flagged"])),
            "Of the year's records": numbered(shown(row, "share_records_365d", share)),
            "Of the residents": numbered(known(row["share_residents"], share)),
            "List over records": numbered(shown(row, "ratio_records", _times)),
            "List over residents": numbered(known(row["ratio_residents"], _times)),
            "Weeks on a list": numbered(f"{row['weeks_flagged']} of {row['weeks']}"),
        }
        if all(one["share_residents"] is None for one in rows):
            del cells["Of the residents"], cells["List over residents"]
        found.append(cells)
    title = f"{forecast.title}: the list of 2 % of the area, by community area"
    return shown_table("exposure", title, f"as of {forecast.about.as_of_day}", found)


def _times(value: float) -> str:
    return f"{value:.1f} times"


def _concentrated(rows: Sequence[Row]) -> str:
    """In how many areas half of the list lies, with their residents and records; `rows` begin with most cells."""
    whole = sum(row["flagged_cells"] for row in rows)
    if not whole:
        return ""
    half, cells = [], 0
    for row in rows:
        if 2 * cells >= whole:
            break
        half.append(row)
        cells += row["flagged_cells"]
    where = "one community area" if len(half) == 1 else f"{len(half)} community areas"
    owns = [
        f"{share(sum(found))} of the {what}"
        for name, what in (("share_records_365d", "year's records"), ("share_residents", "residents"))
        if None not in (found := [row[name] for row in half])
    ]
    said = f" with {' and '.join(owns)}" if owns else ""
    return f"Half of the list lies in {where}{said}."


def _kept(rows: Sequence[Row]) -> str:
    kept = rows[0]["kept_share"] if rows else None
    return "" if kept is None else f"{share(kept)} of the list was on the list four weeks before."


def _caps(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Each cap in words, and what it would have cost."""
    return [(words, whole(rows[0][name])) for name, words in _CAPS.items() if rows and rows[0][name] is not None]


def _patrols(forecast: Forecast) -> ShownTable:
    rows = [
        {
            "Patrols find": Cell(f"{whole(row['extra'])} more"),
            "Drawn by chance": numbered(whole(row["explored"])),
            "Patrols of the favored quarter": numbered(whole(row["share_favored"])),
            "Places never visited": numbered(whole(row["never_visited"])),
        }
        for row in forecast.rows("patrols")
    ]
    return shown_table("patrols", "400 places that are all alike", "simulated, the last two of five years", rows)


def _rounds(forecast: Forecast) -> str:
    """The picture of twelve rounds; empty if the map was not simulated."""
    rows = sorted(_simulated(forecast), key=lambda row: int(row["round"]))
    if not rows:
        return ""
    by = {mode: [row for row in rows if row["mode"] == mode] for mode in MODES}
    lines = [Series(f"as recorded, {_MODES[mode]}", [row["apparent"] for row in found]) for mode, found in by.items()]
    lines.append(Series(f"as it happened, {_MODES[MODES[0]]}", [row["actual"] for row in by[MODES[0]]]))
    title = f"{forecast.title}, simulated: share of all records in the listed cells, by round of four weeks"
    return several(title, [f"round {row['round']}" for row in by[MODES[0]]], lines, lambda value: f"{value:.0%}")


def _follows(forecast: Forecast) -> str:
    """After how many rounds the map follows patrols, and what the list seems to find by then."""
    rows = {row["mode"]: row for row in sorted(_simulated(forecast), key=lambda row: int(row["round"]))}
    if MODES[0] not in rows:
        return ""
    last = rows[MODES[0]]
    after = last["follows_after"]
    begins = (
        f"In {ROUNDS} rounds the map does not come to say a quarter more of listed cells than a map of what happened"
        if after is None
        else f"After {after} round{'' if after == 1 else 's'} the map says a quarter more of listed cells than a map "
        "of what happened: it follows the patrols"
    )
    return (
        f"{begins}. In the last round the list seems to find {share(last['apparent'])} of the records; it finds "
        f"{share(last['actual'])} of what happened."
    )


def _simulated(forecast: Forecast) -> list[dict[str, Any]]:
    """The rounds of the offense; they are the same for all horizons."""
    return forecast.rows("rounds")


def _tuned(forecast: Forecast) -> str:
    """Half-life and width of the counts that have them, as they were chosen."""
    total = forecast.total
    return (
        f"decayed counts halve every {total['half_life']} days, and smoothed ones are spread over "
        f"{total['kde_meters']} meters"
    )


def _caveats(forecast: Forecast, scored: Scored) -> list[str]:
    total, about = forecast.total, forecast.about
    return [
        "This says where such crimes were reported, and where more are likely to be reported. It says nothing about "
        "anybody who lives there or passes by.",
        _memory(forecast, scored),
        _quiet(forecast, scored),
        f"The city publishes late: the forecast knows nothing of the {(about.as_of_day - total['known_to']).days} days "
        f"after {total['known_to']}, and of the weeks before them not everything.",
        _outside(forecast, scored),
        "Where patrols follow the list and what they find is recorded, the list confirms itself. What mostly police "
        "find (drugs, weapons, prostitution, gambling, liquor) is in no list for that reason: that lessens the loop, "
        "and does not end it.",
        f"Lists of this lake have been said since {about.first_published}. A public list changes what it forecasts: "
        "scores of later windows are no clean test.",
        "Windows before that are replayed: made afterwards from what was known on their day. The place and the class "
        "of a record are those of today, delays are drawn from one curve for all offenses, and intervals were set "
        "with weights learned later.",
        "Nobody has shown here that acting on such a list prevents a crime.",
    ]


def _memory(forecast: Forecast, scored: Scored) -> str:
    total = forecast.total
    if total["candidate"] is not None:
        model, count = scored.hits(total["candidate"], total["best_count"])
        if len(model) >= FEWEST_WINDOWS and any(model):
            return (
                f"Nearly all of it is memory: the list by {in_words(total['best_count'])} has "
                f"{100 * sum(count) / sum(model):.0f} records for each 100 that {in_words(total['candidate'])} finds "
                "in the marked area."
            )
    if forecast.is_counted:
        return "All of it is memory: it counts where such crimes were reported before."
    return "Nearly all of it is memory: the model weighs where such crimes were reported before."


def _quiet(forecast: Forecast, scored: Scored) -> str:
    """How often nothing happens in a marked cell: a day has at most one record for each that was found."""
    found, days = scored.found(forecast.total["method"]), forecast.asked.days
    if found is not None:
        hits, _, cells = found
        each, how = hits / cells, "In finished windows a marked cell had"
    elif marked := forecast.expected_on_list:
        each, how = marked / len(forecast.listed), "A marked cell is expected to have"
    else:
        return "On most days nothing happens in a marked cell."
    quiet = max(0.0, 1 - each / days)
    return (
        f"{how} {expected(each)} {forecast.asked.words} in {days} days on the average: on at least "
        f"{int(100 * quiet)} of 100 days there is none in it."
    )


def _outside(forecast: Forecast, scored: Scored) -> str:
    found, total = scored.found(forecast.total["method"]), forecast.total
    if found is not None and found[1]:
        outside, when = 1 - found[0] / found[1], "of finished windows happened"
    elif total["expected"] and (marked := forecast.expected_on_list):
        outside, when = 1 - marked / total["expected"], "are expected"
    else:
        return "Most of it happens outside the marked area."
    return (
        f"{100 * outside:.0f} of 100 {forecast.asked.words} {when} outside the {forecast.asked.share} % of the area "
        "that are marked."
    )
