"""A profile builds the parts that everything else works with, each when first asked for.

`settings` reads the environment; `local` and `aws` say which parts there are. This module chooses between the two.
"""

from __future__ import annotations

from crime_assets.profiles.local import FIRST_RUN_DAYS, Profile
from crime_assets.profiles.settings import Settings

__all__ = ["FIRST_RUN_DAYS", "Profile", "Settings", "open_profile"]


def open_profile(settings: Settings) -> Profile:
    """The profile that the settings ask for."""
    if settings.aws is None:
        return Profile(settings)
    from crime_assets.profiles.aws import AwsProfile

    return AwsProfile(settings, settings.aws)
