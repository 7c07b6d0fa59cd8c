"""Makes the briefing of a day from its extract, and puts it into the landing store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.publishing import quality
from crime_assets.publishing.briefing.changes import Told
from crime_assets.publishing.briefing.contents import Contents, contents_of
from crime_assets.publishing.briefing.expected import expected_of
from crime_assets.publishing.briefing.pages import html, pdf
from crime_assets.publishing.briefing.tables import tables_of
from crime_assets.publishing.extract import KEPT_DAYS
from crime_assets.publishing.forecasts import Forecasts
from crime_assets.publishing.quality import Said
from crime_assets.publishing.reading import Extract
from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Written:
    """The findings of a briefing, kind → bytes of its files, and why there is no PDF if there is none."""

    told: Told
    sizes: dict[str, int]
    lacking: str | None = None


def write_briefing(
    landing: LandingStore,
    extract: Extract,
    threshold: int,
    *,
    forecasts: Forecasts | None = None,
    insiders: bool = False,
) -> Written:
    """Make the briefing of an extract, replacing an earlier one; counts below `threshold` are hidden.

    `insiders`: also from readers who know the counts of a district. `forecasts`, if given, are told of too.

    If the PDF cannot be made, there is only the page, and any earlier PDF is removed.
    """
    about = extract.about
    checks = quality.latest(landing, about.city)
    told = expected_of(forecasts, about.city, about.as_of_day, threshold) if forecasts is not None else ()
    contents = briefing_of(extract, landing, checks, threshold, expected=told, insiders=insiders)
    made = {"html": html(contents)}
    lacking = None
    try:
        made["pdf"] = pdf(contents)
    except CrimeAssetsError as error:
        lacking = str(error)
        landing.delete(keys.briefing(about.city, about.as_of_day, "pdf"))
    for kind, content in made.items():
        landing.write(keys.briefing(about.city, about.as_of_day, kind), content)
    return Written(contents.told, {kind: len(content) for kind, content in made.items()}, lacking)


def briefing_of(
    extract: Extract,
    landing: LandingStore,
    checks: Sequence[Said],
    threshold: int,
    *,
    expected: Sequence[str] = (),
    insiders: bool = False,
) -> Contents:
    """The briefing of an extract; `checks` are the latest results of the checks, `expected` says what comes next."""
    tables = tables_of(extract, checks, threshold, insiders=insiders)
    return contents_of(extract, landing, tables, threshold, expected=expected, insiders=insiders)


def days_to_write(asked: Sequence[date], extracted: Sequence[date], written: Collection[date]) -> list[date]:
    """The days whose briefings are to be made, in order: those asked for, later ones, and those that have none.

    An extract that is made again takes the briefing of its day along, so `written` lacks that day. Days whose extracts
    have expired are left out. CrimeAssetsError names a day whose extract was never made.
    """
    forgotten_before = min(extracted) if len(extracted) >= KEPT_DAYS else date.min
    missing = [day for day in sorted(asked) if day not in extracted and day > forgotten_before]
    if missing:
        raise CrimeAssetsError(f"There is no extract of {missing[0]}: materialize dashboard_extract for it first.")
    return sorted(day for day in extracted if day in asked or day > min(asked) or day not in written)


def written_days(landing: LandingStore, city: str) -> set[date]:
    """The as-of days that have a briefing."""
    days = (keys.briefing_day(found.key) for found in landing.list(keys.briefings_prefix(city)))
    return {day for day in days if day is not None}
