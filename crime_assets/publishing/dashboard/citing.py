"""A figure in sentences that can leave the page: what it counts, where, of which days, known when, and its caveat."""

from __future__ import annotations

from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.dashboard.choice import CLASSES, Choice
from crime_assets.publishing.dashboard.pictures import described, place_in_words
from crime_assets.publishing.dashboard.values import Cited
from crime_assets.publishing.extract import About

STILL_COMING = "Recent figures are low: late records keep arriving for weeks."
NOT_CLEARANCE = "An arrest recorded is not clearance, and arrests are recorded for months after."


def cited(choice: Choice, about: About, value: str, caveat: str, what: str | None = None) -> Cited:
    """A figure of a choice; `value` is with its unit, `what` it is of the choice's records, if not how many."""
    of = described(choice, about)
    subject = f"{what}, {of}" if what else f"{of[0].upper()}{of[1:]}"
    return Cited(f"{subject}: {value} as known on {about.as_of_day}. {caveat}", choice.link)


def cited_change(choice: Choice, about: About, crimes: str, days: tuple[object, object]) -> str:
    """The count of 28 days, to be followed by what it is compared with."""
    what = f"{CLASSES[choice.offense_class]}, {place_in_words(choice)}"
    return f"{what}: {records(crimes)} in the 28 days from {days[0]} to {days[1]} as known on {about.as_of_day}"


def records(count: str) -> str:
    """A count with its unit."""
    return f"{count} record{'' if count == '1' else 's'}"


def late(expected: float | None) -> str:
    """The caveat about records that may still come, if it is known how many."""
    if expected is None:
        return STILL_COMING
    count = number(round(expected))
    return (
        "Few may still come."
        if count == "0"
        else f"About {count} late record{'' if count == '1' else 's'} may still come."
    )
