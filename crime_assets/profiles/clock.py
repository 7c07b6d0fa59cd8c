"""Whether this machine's clock can be right. Without a network, only what the lake has merged can tell.

A wrong clock is not corrected here. Callers that would act on it report the sentence instead, and do nothing.
"""

from __future__ import annotations

from datetime import date

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles.local import Profile
from crime_assets.streams.inventory import merged_days

EARLIEST = date(2001, 1, 1)
"""No city published its crimes before this day; a clock that was reset says 1970, 1980 or 2000."""

MOST_DAYS_OFF = 400
"""A lake that was left alone for a year and some weeks still catches up by itself. After longer than that, a clock
that is ahead is just as likely, and following it would create a partition, objects and snapshots for each day."""


def check_clock(profile: Profile) -> None:
    """CrimeAssetsError if the clock is behind: the lake cannot begin or go on with such a clock."""
    if said := behind(profile, profile.today):
        raise CrimeAssetsError(said)


def check_reach(profile: Profile, last: date) -> None:
    """CrimeAssetsError if `last`, which nobody named, is too far past what is merged to be run unasked."""
    if said := ahead(profile, last):
        raise CrimeAssetsError(said)


def doubt(profile: Profile, today: date) -> str | None:
    """Why nothing should be done with a clock that says `today`, in one sentence; None if the clock can be right.

    An export has the days of its files, however old they are, so for an export no clock is too far ahead.
    """
    is_export = profile.settings.feed in {"export", "legacy"}
    return behind(profile, today) or (None if is_export else ahead(profile, today))


def behind(profile: Profile, today: date) -> str | None:
    """Why `today` is too early to be true; None if it can be right."""
    if today < EARLIEST:
        return f"The clock of this machine says that it is {today}, which cannot be: set the clock right and run again."
    newest = _newest_merged(profile)
    if newest is not None and today <= newest:
        return (
            f"The clock of this machine says that it is {today} in {profile.city.title}, and the lake has merged "
            f"change day {newest}, which must have ended by then: set the clock right and run again."
        )
    return None


def ahead(profile: Profile, day: date) -> str | None:
    """Why `day` is too late to be run without being asked for; None if the lake is near enough."""
    reached = _newest_merged(profile)
    # On AWS a person has set the first day, and may want years of change days.
    if reached is None and profile.state is not None and profile.settings.aws is None:
        reached = profile.first_change_day
    if reached is None or (days := (day - reached).days) <= MOST_DAYS_OFF:
        return None
    return (
        f"The lake has reached change day {reached}, and the clock of this machine, which says that it is "
        f"{profile.today}, would take it to {day}, {days:,} days later: set the clock right, or, if it is right, name "
        "the first and the last day to run."
    )


def _newest_merged(profile: Profile) -> date | None:
    return max(merged_days(profile.landing, profile.city.name), default=None)
