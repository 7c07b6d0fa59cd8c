"""`crime-assets access review` and `who`: who may see what and who did, by the trail. Who looks is on it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crime_assets.cli.policy import access_of, asker
from crime_assets.engines.answers import Answer, whole
from crime_assets.profiles import Profile

if TYPE_CHECKING:
    from crime_assets.governance.review import Sight

_REVIEWED = "principal role districts recognised expires last_used answers refusals verdict".split()
_SAW = "principal role districts event columns_read purpose".split()


def review(profile: Profile) -> Answer:
    """Everybody's access by the policy, and what the trail says of its use."""
    from crime_assets.governance.review import reviewed

    rows = reviewed(access_of(profile), profile.clock(), profile.today)
    access_of(profile).trail.append("trail_read", **asker(), reason="access review")
    return whole(_REVIEWED, [tuple(row.get(name) for name in _REVIEWED) for row in rows])


def who_saw(profile: Profile, crime: int) -> Answer:
    """The lines by which somebody saw a crime, the oldest first."""
    from crime_assets.governance.review import who_saw as sights

    trail = access_of(profile).trail
    rows = [
        (sight.entry.n, sight.entry.at, "saw it" if sight.exact else "could have", *_said(sight))
        for sight in sights(trail, crime)
    ]
    trail.append("trail_read", **asker(), reason=f"access who {crime}")
    return whole(["n", "at", "sight", *_SAW], rows)


def _said(sight: Sight) -> tuple[object, ...]:
    fields = {"event": sight.entry.event, **sight.entry.fields}
    values = [fields.get(name) for name in _SAW]
    return tuple(", ".join(map(str, value)) if isinstance(value, list) else value for value in values)
