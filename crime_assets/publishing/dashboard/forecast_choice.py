"""What a person chose to see of forecasts: part of the address, and checked against what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from crime_assets.analysis.forecasts import HORIZONS, SHARES
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.publishing.dashboard.choice import one_of

OFFENSES: Mapping[str, str] = {target.name: target.title for target in TARGETS}
DAYS: Mapping[str, str] = {str(horizon): f"{horizon} days" for horizon in HORIZONS}
AREA: Mapping[str, str] = {f"{share:.0f}": f"{share:.0f} % of the area" for share in SHARES}


@dataclass(frozen=True)
class Asked:
    """The as-of day, the offense, days ahead, and the percent of the area that is marked."""

    day: date
    target: str = "burglary"
    days: int = 28
    share: int = 2

    @property
    def query(self) -> str:
        """As the query of an address."""
        chosen = {"target": self.target, "days": self.days, "share": self.share, "day": self.day.isoformat()}
        return urlencode(chosen)

    @property
    def words(self) -> str:
        """The offense, in a sentence."""
        return next(target.words for target in TARGETS if target.name == self.target)

    def file(self, city: str, name: str) -> str:
        """The name of a file, without its ending."""
        said = f"{city}-{self.day}-forecast-{name}"
        if name == "totals":
            return said
        area = f"-{self.share}-percent" if name in ("cells", "map") else ""
        return f"{said}-{self.target.replace('_', '-')}-{self.days}-days{area}"


def read_asked(address: Mapping[str, str], days: Sequence[date]) -> Asked:
    """What an address asks for; `days` are those with forecasts, the newest first. UsageError names what is unknown."""
    usual = Asked(days[0])
    known = [day.isoformat() for day in days]
    return Asked(
        date.fromisoformat(one_of("day", address.get("day", known[0]), known)),
        one_of("target", address.get("target", usual.target), OFFENSES),
        int(one_of("number of days", address.get("days", f"{usual.days}"), DAYS)),
        int(one_of("share of the area", address.get("share", f"{usual.share}"), AREA)),
    )
