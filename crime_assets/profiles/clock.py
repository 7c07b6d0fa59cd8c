"""Whether the clock of this machine can be right, as far as that shows without a network: by what the lake has merged.

A wrong clock is not mended here. Whoever would act on it says the sentence instead, and does nothing.
"""

from __future__ import annotations

from datetime import date

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.profiles.local import Profile
from crime_assets.streams.inventory import merged_days

EARLIEST = date(2001, 1, 1)
"""No city published its crimes before; a clock that was reset says 1970, 1980 or 2000."""

MOST_DAYS_OFF = 400
"""A lake that was left alone for a year, and some weeks of holidays, still catches up by itself. After more than that a
clock that is ahead is as likely, and following it would begin a partition, objects and snapshots for each day."""


def check_clock(profile: Profile) -> None:
    """CrimeAssetsError where the clock is behind: the lake cannot be begun or go on by it."""
    if said := behind(profile, profile.today):
        raise CrimeAssetsError(said)


def check_reach(profile: Profile, last: date) -> None:
    """CrimeAssetsError where a day that nobody named is too far from what is merged to be gone to unasked."""
    if said := ahead(profile, last):
        raise CrimeAssetsError(said)


def doubt(profile: Profile, today: date) -> str | None:
    """Why nothing should be done by a clock that says `today`, in one sentence; None where it can be right.

    The days of an export are those of its files, however old they are: there no clock is too far ahead.
    """
    return behind(profile, today) or (ahead(profile, today) if profile.settings.feed != "export" else None)


def behind(profile: Profile, today: date) -> str | None:
    """Why `today` is too early to be true; None where it can be right."""
    if today < EARLIEST:
        return f"The clock of this machine says that it is {today}, which cannot be: set the clock right and run again."
    newest = _newest_merged(profile)
    if newest is not None and today <= newest:
        return (
            f"The clock of this machine says that it is {today} in {profile.city.title}, and the lake has merged "
            f"change day {newest}, which had ended by then: set the clock right and run again."
        )
    return None


def ahead(profile: Profile, day: date) -> str | None:
    """Why `day` is too late to be gone to unasked; None where the lake is near enough."""
    reached = _newest_merged(profile)
    # On AWS a person has set the first day, and may want years of days.
    if reached is None and profile.state is not None and profile.settings.aws is None:
        reached = profile.first_change_day
    if reached is None or (days := (day - reached).days) <= MOST_DAYS_OFF:
        return None
    return (
        f"The lake has come to change day {reached}, and by the clock of this machine, which says that it is "
        f"{profile.today}, it would go on to {day}, {days:,} days later: set the clock right, or if it is right, name "
        "the first and the last day to run."
    )


def _newest_merged(profile: Profile) -> date | None:
    return max(merged_days(profile.landing, profile.city.name), default=None)
