"""The verdicts: plain functions from figures to passed or failed, with a sentence that gives the numbers.

Nothing here reads data or knows Dagster, so each verdict can be shown failing on a few figures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import sqrt
from typing import TYPE_CHECKING

from crime_assets.lakehouse.iceberg.evolution import MOST_NEW, new_columns
from crime_assets.lakehouse.writing.settling import is_too_much
from crime_assets.sources.cities import City
from crime_assets.streams.holes import named
from crime_assets.streams.inventory import Inventory
from crime_assets.streams.pull import days_between

if TYPE_CHECKING:
    from crime_assets.incidents.status import Status
    from crime_assets.incidents.warehouse import MonthFigures

MOST_DUPLICATES = 0.05
"""Most repeated records in a day's deliveries. At-least-once delivery repeats some; more suggests a loop."""
MOST_QUARANTINED = 0.005
MOST_BAD_CODES = 0.01
MOST_UNMAPPED = 0.002
"""Most records whose code is of no known class: tables of codes that are right leave hardly any."""
MOST_WITHOUT_PLACE = 0.05
"""0.7-0.9 % of real rows lack coordinates."""
MOST_OUTSIDE = 0.001
MOST_DAYS_LATE = 2
COUNT_LIMIT = 8.0
"""Largest |2(√now - √then)|. Days differ from their weekday's mean by more than chance alone, and a day that is eight
days old still lacks crimes that are reported late, which puts the mean score at -1.8. Of 975 days from 2016-03-01 to
2018-10-31 this limit warns on 16 (1.6 %), all too low: Christmas, Thanksgiving, snow; 6 would warn on 5.1 %, 4 on
15.7 %. At 700 crimes a day it is a day below 500 or above 930. Measured on the portal export of 2018-11-21, each day
with what had been published eight days after it (ids grow with the time of the report, so that can be told).
"""
MOST_DAYS_SHOWN = 7
"""Most days whose faults are listed for one part of a check."""
SHARE_LIMIT = 3.0
"""Standard errors by which an arrest share must differ for a warning, and …"""
SHARE_CHANGE = 0.20
"""… the least part of the trailing year's share by which it must differ. Arrest shares are seasonal: on the export of
2018-11-21, as-of days 2017-06-01 to 2018-11-19, a month was 16 % below to 26 % above its trailing year.

Warns on 11 of those 537 days (2.0 %) for violent crimes and on none for the others, and on all days if a class loses a
third of its arrests. With crimes that are only four weeks old it would warn on 28 % of days for violent crimes: 41 of
100 of their arrests are recorded after the crime is published, after 45 days in the mean
(`sources/feeds/sample/shares.py`).
"""

LAG_SECONDS, LONGEST_LAG_SECONDS = 5.0, 300.0
"""A consumer of live reports is behind by a second or so; from the first on that is worth a look, from the second on
alerts come too late to be of use."""
SILENT_SECONDS = 60.0
"""It says once a second how far it is: after so long without that it does not run."""
_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """Whether a check passed, why in one sentence, and the figures behind it."""

    passed: bool
    sentence: str
    figures: Mapping[str, object] = field(default_factory=dict)
    is_error: bool = False
    """Whether a check that normally only warns says that the numbers are wrong."""


def delivery_complete(inventories: Mapping[date, Inventory]) -> Verdict:
    """Every batch that a manifest promises was delivered in full, and every day has a manifest."""
    problems = []
    for day, found in inventories.items():
        if found.promised_batches is None:
            problems.append(f"{day}: no manifest")
        elif found.missing_batches:
            problems.append(f"{day}: {len(found.missing_batches)} of {found.promised_batches} batches are missing")
    damaged = [item.key for found in inventories.values() for item in found.items if item.damage]
    if problems:
        sentence = f"{'; '.join(problems)}. Materialize raw_crime_batches of these days again to deliver the rest."
    else:
        sentence = f"All batches were delivered in full (change days: {len(inventories)})."
    if damaged:
        sentence += f" Damaged objects: {len(damaged)}; their readable part is used."
    figures = {
        "missing": [name for found in inventories.values() for name in found.missing_batches][:20],
        "damaged_objects": damaged,
    }
    return Verdict(not problems, sentence, figures)


def duplicate_share(inventories: Mapping[date, Inventory]) -> Verdict:
    """Few records of a day were delivered more than once."""
    shares = {
        day: (found.records - found.distinct) / found.records if found.records else 0.0
        for day, found in inventories.items()
    }
    worst = max(shares.values(), default=0.0)
    high = {str(day): round(share, 4) for day, share in shares.items() if share > MOST_DUPLICATES}
    repeated = sum(found.records - found.distinct for found in inventories.values())
    records = sum(found.records for found in inventories.values())
    sentence = f"{repeated} of {records} delivered records are duplicates; the worst day has {worst:.1%}."
    return Verdict(not high, sentence, {"repeated": repeated, "records": records, "days_above_limit": high})


def source_schema(
    city: City, columns: frozenset[str], inventories: Iterable[Inventory], taken: Collection[str] = ()
) -> Verdict:
    """The source has the expected columns, and the values of each column look as they should.

    `taken` are the columns of `crimes` that were added for new columns of the source.
    """
    kinds: dict[str, set[str]] = {}
    total = 0
    for found in inventories:
        total += found.records
        for name, looks in found.kinds.items():
            kinds.setdefault(name, set()).update(looks)
    new = new_columns(city, columns)
    drift: dict[str, str] = {}
    for name in sorted(columns - city.source_columns.keys()):
        drift[name] = f"is new at the source and comes as {', '.join(sorted(kinds.get(name, {'nothing'})))}"
        if name not in new:
            drift[name] += "; crimes takes no column with such a name"
        elif len(taken) >= MOST_NEW and new[name] not in taken:
            drift[name] += f"; crimes already has {MOST_NEW} such columns and takes no more"
    expected = city.fields_beside(columns)
    drift |= dict.fromkeys(sorted(expected - columns), "is gone from the source")
    for column in sorted(set(taken) - set(new.values())):
        drift[column] = "was added to crimes when it was new, and is gone from the source"
    for name, kind in city.source_columns.items():
        wrong = kinds.get(name, set()) - ({"flag", "text"} if kind == "flag" else {kind, "text"})
        if wrong:
            drift[name] = f"should be {kind} and comes as {', '.join(sorted(wrong))}"
        elif name in columns and name not in kinds and total >= 100:
            drift[name] = f"is empty in all {total} records"
    sentence = "; ".join(f"{name} {what}" for name, what in drift.items()) or (
        f"All {len(expected)} columns are there and look as they should."
    )
    return Verdict(not drift, sentence, {"drift": drift, "records_looked_at": total})


def one_row_per_id(figures: Mapping[str, int], repeated: Sequence[Mapping[str, object]]) -> Verdict:
    """No id is in the table twice."""
    surplus = figures["surplus_rows"]
    sentence = f"{figures['row_count']:,} rows, {figures['ids']:,} distinct ids."
    if surplus:
        sentence += f" {surplus} rows too many: restore the last sound snapshot before anything is published."
    return Verdict(surplus == 0, sentence, {**figures, "some_repeated_ids": [row["id"] for row in repeated]})


def quarantine_share(by_reason: Sequence[Mapping[str, object]], typed: int, unseen: int = 0) -> Verdict:
    """Few records could not be typed, and the source gained nothing that belongs to no change day.

    `unseen` counts what the source has gained since the history was loaded that belongs to no change day: damaged
    lines, and records without a readable change stamp. They are in no table. If more than a twentieth of the last pull
    could not be typed, the source has changed its format, and the numbers are wrong until that is fixed.
    """
    quarantined = sum(int(str(row["quarantined"])) for row in by_reason)
    share = quarantined / (quarantined + typed) if quarantined + typed else 0.0
    sentence = f"{quarantined} of {quarantined + typed:,} records could not be typed ({share:.3%})."
    if unseen:
        sentence += (
            f" The source has gained {unseen} damaged lines or records without a change day since the history was "
            "loaded; they are in no table: check its newest files."
        )
    reasons = {str(row["reason"]): row["quarantined"] for row in by_reason[:20]}
    figures = {"share": share, "unseen_at_the_source": unseen, "reasons": reasons}
    last = sum(int(str(row["quarantined_last"])) for row in by_reason)
    of_last = last + max((int(str(row["typed_last"])) for row in by_reason), default=0)
    is_error = is_too_much(last, of_last) or (quarantined > 0 and typed == 0)
    if is_error:
        sentence += (
            f" In the last pull it was {last} of {of_last:,}: see what the source has changed; when that is fixed, "
        )
        sentence += "run `crime-assets reconcile`."
    return Verdict(share <= MOST_QUARANTINED and not unseen, sentence, figures, is_error)


def freshness(newest: date | None, as_of_day: date, lag_days: int, merged: date | None, published: date) -> Verdict:
    """The newest crime is no older than the city's publication lag explains, and the lake has the last change day."""
    expected = as_of_day - timedelta(days=lag_days)
    late = (expected - newest).days if newest else None
    behind = (published - merged).days if merged else None
    passed = late is not None and late <= MOST_DAYS_LATE and behind is not None and behind <= 1
    known = (
        f"The newest crime known on {as_of_day} occurred on {newest}" if newest else f"No crime is known on {as_of_day}"
    )
    held = f"change days up to {merged}" if merged else "no change day"
    sentence = (
        f"{known}; {expected} is the newest day that the city publishes by then. "
        f"The lake has {held}, the source up to {published}."
    )
    return Verdict(passed, sentence, {"days_late": late, "change_days_behind": behind})


_CODES = {"bad_iucr": "iucr", "no_fbi_code": "fbi_code", "bad_beat": "beat", "beat_elsewhere": "beat"}
"""What is counted of wrong codes → the column that has them; a city that does not publish it is not judged by it.

IUCR codes and beats are measured against four signs: neither is a city whose codes have another width, or none."""


def codes_valid(by_district: Sequence[Mapping[str, object]], city: City) -> Verdict:
    """Districts, beats and offense codes are ones that the city uses, and what they mean is known."""
    rows, unmapped = _total(by_district, "row_count"), _total(by_district, "unmapped")
    unknown = {
        str(row["district"]): row["row_count"]
        for row in by_district
        if city.districts and row["district"] not in city.districts
    }
    widths = {"fbi_code": 4, **city.code_widths}
    judged = [name for name, column in _CODES.items() if column not in city.not_published and widths.get(column) == 4]
    wrong = {name: _total(by_district, name) for name in judged}
    wrong["unknown_district"] = sum(int(str(number)) for number in unknown.values())
    high = [name for name, number in wrong.items() if rows and number / rows > MOST_BAD_CODES]
    listed = ", ".join(f"{name} {number}" for name, number in wrong.items())
    share = unmapped / rows if rows else 0.0
    sentence = f"Of {rows:,} rows: {listed}; of no known class are {unmapped} ({share:.2%})."
    if high:
        sentence += f" More than {MOST_BAD_CODES:.0%}: {', '.join(high)}."
    if share > MOST_UNMAPPED:
        sentence += f" More than {MOST_UNMAPPED:.1%} are of no known class: say in the table of codes what theirs mean."
    figures = {**wrong, "unknown_districts": unknown, "unmapped": unmapped, "unmapped_share": share}
    return Verdict(not high and share <= MOST_UNMAPPED, sentence, figures)


def coordinates_valid(figures: Mapping[str, int]) -> Verdict:
    """Most rows have a location, and it is in the city."""
    rows = figures["row_count"]
    no_place, outside = (figures[name] / rows if rows else 0.0 for name in ("no_place", "outside"))
    sentence = f"Of {rows:,} rows, {no_place:.2%} have no location and {figures['outside']} are outside the city."
    return Verdict(no_place <= MOST_WITHOUT_PLACE and outside <= MOST_OUTSIDE, sentence, figures)


def daily_count_in_line(counts: Mapping[date, int], newest_day: date) -> Verdict:
    """The newest complete day has about as many crimes as the same weekday had in the eight weeks before."""
    weeks = [counts[day] for n in range(1, 9) if (day := newest_day - timedelta(weeks=n)) in counts]
    now = counts.get(newest_day, 0)
    if len(weeks) < 4:
        return Verdict(True, f"{newest_day} has {now} crimes; too few earlier weeks are known for a comparison.", {})
    usual = sum(weeks) / len(weeks)
    score = 2 * (sqrt(now) - sqrt(usual))
    sentence = (
        f"{newest_day} has {now} crimes, {now - usual:+.0f} against the mean of {usual:.0f} on the same weekday in "
        f"{len(weeks)} weeks before (2(√now - √then) = {score:+.1f}, limit {COUNT_LIMIT:.0f})."
    )
    return Verdict(abs(score) <= COUNT_LIMIT, sentence, {"crimes": now, "usual": usual, "score": score})


def arrest_share_steady(by_class: Sequence[Mapping[str, object]]) -> Verdict:
    """For each offense class, the share of crimes with an arrest recorded is close to that of its trailing year."""
    lines, out_of_line = [], []
    figures: dict[str, object] = {}
    for row in by_class:
        name = str(row["offense_class"])
        recent, recent_arrests, year, year_arrests = (
            int(str(row[key])) for key in ("recent_crimes", "recent_arrests", "year_crimes", "year_arrests")
        )
        if not recent or not year:
            lines.append(f"{name}: too few crimes to compare")
            continue
        now, then = recent_arrests / recent, year_arrests / year
        pooled = (recent_arrests + year_arrests) / (recent + year)
        error = sqrt(pooled * (1 - pooled) * (1 / recent + 1 / year))
        score = (now - then) / error if error else 0.0
        lines.append(f"{name}: {now:.1%} of {recent:,} against {then:.1%} of {year:,} ({score:+.1f} standard errors)")
        figures[name] = {"recent_share": now, "year_share": then, "score": score}
        if abs(score) >= SHARE_LIMIT and abs(now - then) >= SHARE_CHANGE * then:
            out_of_line.append(name)
    sentence = (
        "Arrests recorded for crimes of the 28 days that ended eight weeks ago, compared with the year before: "
        + "; ".join(lines)
        + ". Arrests are recorded for months after a crime, so the recent share still grows; it is not clearance."
    )
    return Verdict(not out_of_line, sentence, {"out_of_line": out_of_line, **figures})


def no_day_missing(first: date, merged: Sequence[date]) -> Verdict:
    """Every change day from the lake's first to the newest merged one was merged; `merged` is in order."""
    known = set(merged)
    missing = [day for day in days_between(first, merged[-1]) if day not in known] if merged else []
    figures = {"merged": len(merged), "missing": len(missing), "days": named(missing)}
    if not missing:
        newest = f"{first} to {merged[-1]}" if merged else "none yet"
        return Verdict(True, f"No change day is missing (merged: {newest}).", figures)
    sentence = (
        f"Change days that were never merged: {len(missing):,} ({named(missing)}). The daily schedule pulls some "
        "each night; `crime-assets run` pulls all of them."
    )
    return Verdict(False, sentence, figures)


def consistent(table: str, promised: Mapping[str, str], faults: Mapping[date, Mapping[str, str]]) -> Verdict:
    """An insight's rows keep what its header promises: `faults` has as-of day → part → what is wrong with it."""
    wrong = {day: found for day, found in faults.items() if found}
    figures: dict[str, object] = {"as_of_days": [str(day) for day in faults]}
    for part, what in promised.items():
        bad = [f"{day}: {found[part]}" for day, found in wrong.items() if part in found]
        figures[part] = "; ".join(bad[:MOST_DAYS_SHOWN]) if bad else f"right ({what})"
    if not wrong:
        return Verdict(True, f"{table} agrees with itself and with crimes.", figures)
    day, found = next(iter(wrong.items()))
    days = f" Its other days that are wrong: {named(list(wrong)[1:])}." if len(wrong) > 1 else ""
    sentence = f"{table} contradicts itself or crimes as of {day}: {'; '.join(found.values())}.{days}"
    return Verdict(False, f"{sentence} Correct its SQL or its header, and run the day again.", figures)


def policy_covers_tables(left_out: Sequence[str]) -> Verdict:
    """`left_out` are the columns of crimes that stand in no class of the policy."""
    if not left_out:
        return Verdict(True, "Each column of crimes stands in a class of the policy.")
    named = ", ".join(left_out)
    return Verdict(False, f"In no class, and so seen by nobody: {named}. Say in the policy what they are.")


def gates_hold_only_their_rows(faults: Mapping[str, Sequence[str]]) -> Verdict:
    """`faults` are those of each gate."""
    wrong = {name: said for name, said in faults.items() if said}
    if not wrong:
        return Verdict(True, f"{len(faults)} gates hold what their scopes may see.")
    name, said = next(iter(wrong.items()))
    return Verdict(
        False, f"{len(wrong)} of {len(faults)} gates are wrong, such as {name}: {said[0]}. Remove them.", is_error=True
    )


def lake_is_closed(opened: str, *, is_encrypted: bool | None) -> Verdict:
    """`opened` says who else may read the lake; `is_encrypted` is None if that cannot be told."""
    disk = "its disk is encrypted" if is_encrypted else "its disk is not encrypted"
    if is_encrypted is None:
        disk = "whether its disk is encrypted cannot be told"
    if opened:
        return Verdict(False, opened)
    return Verdict(is_encrypted is not False, f"No other account may read the lake, and {disk}.")


def _total(rows: Sequence[Mapping[str, object]], name: str) -> int:
    return sum(int(str(row[name])) for row in rows)


def access_as_planned(differences: Sequence[str]) -> Verdict:
    """AWS lets people see what the policy says, and nothing else."""
    if not differences:
        return Verdict(True, "AWS lets people see what the policy says.", {"differences": []})
    others = f" And {len(differences) - 1} more." if len(differences) > 1 else ""
    return Verdict(False, f"{differences[0]}{others}", {"differences": list(differences)}, is_error=True)


def stream_lag(status: Status | None, now: datetime) -> Verdict:
    """The consumer of live reports runs, is not behind, and has lost nothing; `status` is what it says of itself."""
    if status is None:
        return Verdict(False, "Nothing has read the stream yet: start `crime-assets stream run`.")
    silent, lag = (now - status.written_at).total_seconds(), status.lag_seconds
    figures = {"lag_seconds": lag, "silent_seconds": silent}
    if silent > SILENT_SECONDS:
        sentence = f"The consumer last said how far it is at {status.written_at:%Y-%m-%d %H:%M:%S} UTC: start it again."
        return Verdict(False, sentence, figures, is_error=True)
    if status.lost_since is not None:
        sentence = f"The stream no longer has all reports since {status.lost_since}: they were not read in time."
        return Verdict(False, sentence, figures, is_error=True)
    sentence = f"The consumer is {lag:.1f} s behind the newest report that it has read."
    return Verdict(lag <= LAG_SECONDS, sentence, figures, is_error=lag > LONGEST_LAG_SECONDS)


def objects_whole(damaged: Sequence[str]) -> Verdict:
    """All that Firehose wrote could be read; `damaged` are the keys of the rest."""
    if not damaged:
        return Verdict(True, "All objects that Firehose wrote could be read.", {"damaged": []})
    sentence = (
        f"{len(damaged):,} objects that Firehose wrote cannot be read to their end, such as "
        f"{', '.join(damaged[:_SHOWN])}: restore them, and they are delivered, or remove them."
    )
    return Verdict(False, sentence, {"damaged": list(damaged)}, is_error=True)


def one_row_per_fir(rows: int, reports: int) -> Verdict:
    """No report is in the history twice."""
    sentence = f"{rows:,} rows, {reports:,} reports."
    if rows != reports:
        sentence += f" {rows - reports} rows too many: restore the last sound snapshot before anything is loaded."
    return Verdict(rows == reports, sentence, {"rows": rows, "reports": reports})


def no_alert_without_events(raised: int, without: Sequence[str]) -> Verdict:
    """Each report that an alert names is in the history; `without` are the alerts that name others."""
    if not without:
        return Verdict(True, f"All reports that {raised:,} alerts name are in the history.", {"alerts": raised})
    sentence = (
        f"{len(without)} of {raised:,} alerts name reports that the history does not have, such as "
        f"{', '.join(without[:_SHOWN])}: look for deliveries that were lost."
    )
    return Verdict(False, sentence, {"alerts": raised, "without": list(without)}, is_error=True)


def warehouse_equals_history(
    ours: Sequence[MonthFigures], theirs: Sequence[MonthFigures], unlike: Sequence[str], compared: int
) -> Verdict:
    """Lake and warehouse have the same months, and `unlike` none of the reports that were compared field by field."""
    months = sorted({one.month for one in {*ours} ^ {*theirs}})
    figures = {"months": len(ours), "compared": compared, "unlike_months": named(months), "unlike": list(unlike)}
    if not months and not unlike:
        return Verdict(True, f"{len(ours)} months and the {compared:,} newest reports are the same in both.", figures)
    said = [f"months {named(months)}"] if months else []
    said += [f"reports {', '.join(unlike[:_SHOWN])}"] if unlike else []
    sentence = (
        f"Lake and warehouse differ in {' and in '.join(said)}: load what is missing, or load the warehouse anew."
    )
    return Verdict(False, sentence, figures, is_error=True)
