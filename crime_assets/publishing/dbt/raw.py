"""Whether dbt may read the lake here: it reads the files themselves, which no policy goes before."""

from __future__ import annotations

from crime_assets.core.errors import UsageError
from crime_assets.profiles import Settings


def check_open(settings: Settings) -> None:
    """UsageError where a policy says who may see what, or a service is asked instead of the lake."""
    for name, value in (
        ("CRIME_POLICY", settings.policy),
        ("CRIME_SOCKET", settings.socket),
        ("CRIME_SERVICE", settings.service),
    ):
        if value:
            raise UsageError(
                f"dbt reads the lake itself, all of it and clear, and here a policy says who may see what ({name} is "
                "set): ask with `crime-assets query`, which shows each person what is theirs."
            )
