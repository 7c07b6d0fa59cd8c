"""What the parts of a city's graph are called: bare where it is the only city, under the city's name where it is not.

Nothing else knows of several cities: a graph is always that of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from crime_assets.profiles import Profile

CITY_TAG = "crime-assets/city"
"""On the runs of one of several cities: Dagster keeps the runs of all together, and their jobs have the same names."""


@dataclass(frozen=True)
class Names:
    """The names in one city's graph; `city` is None where there is no other."""

    city: str | None = None

    @classmethod
    def of(cls, profile: Profile) -> Names:
        """As CRIME_CITIES has it: how the graph of a city is called does not depend on who runs it."""
        return cls(profile.city.name if profile.settings.cities else None)

    @property
    def prefix(self) -> list[str]:
        """What asset keys begin with."""
        return [self.city] if self.city else []

    @property
    def tags(self) -> dict[str, str]:
        """The tags that runs of the city have."""
        return {CITY_TAG: self.city} if self.city else {}

    def key(self, name: str) -> dg.AssetKey:
        """The key of an asset."""
        return dg.AssetKey([*self.prefix, name])

    def keys(self, *names: str) -> list[dg.AssetKey]:
        """The keys of some assets."""
        return [self.key(name) for name in names]

    def step(self, name: str) -> str:
        """The step that makes an asset."""
        return "__".join(self.key(name).path)

    def has(self, run: dg.DagsterRun) -> bool:
        """Whether a run is of this city. One that a person started on assets has no tag, and keys that tell."""
        city = run.tags.get(CITY_TAG)
        if city is None and run.asset_selection:
            return any(list(key.path[:-1]) == self.prefix for key in run.asset_selection)
        return city == self.city
