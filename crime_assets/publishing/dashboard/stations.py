"""The map of police stations, on which alerts are put where they are; static/live.js puts those that come later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crime_assets.publishing.charts.svg import FAINT_INK, element, picture, text, tooltip
from crime_assets.publishing.dashboard.alerts import Alert
from crime_assets.publishing.dashboard.following import Station

_WIDTH, _MOST_HEIGHT = 640.0, 640.0
_MARGIN = 0.06
"""What is kept free around the stations, as a share: places of alerts are not those of stations."""
_LEAST_DEGREES = 0.02


def draw(stations: Sequence[Station], alerts: Sequence[Alert]) -> str:
    """Stations as small dots, alerts as circles above them; a sentence if there is no place."""
    title = (
        f"Map of {len(stations):,} police stations, with the places of alerts that have one; the list has all alerts"
    )
    points = [(one.lon, one.lat) for one in stations]
    placed = [(one, (one.lon, one.lat)) for one in alerts if one.lon is not None and one.lat is not None]
    points += [place for _, place in placed]
    if not points:
        return picture(title, _WIDTH, 40.0, [text("There is no place to draw here.", 12, 24, fill=FAINT_INK)])
    view = _View.around(points)
    dots = [_dot(view, one) for one in stations]
    spots = [_spot(view, one, place) for one, place in placed]
    drawn = [element("g", *dots, class_="stations"), view.group(spots)]
    return picture(title, _WIDTH, view.height, drawn)


@dataclass(frozen=True)
class _View:
    """Degrees to pixels, equirectangular: right enough for a state."""

    west: float
    north: float
    across: float
    """Pixels of a degree of longitude."""
    down: float
    height: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> _View:
        """All points, and what is to be free around them."""
        longitudes, latitudes = zip(*points, strict=True)
        shrink = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2))
        wide = max(max(longitudes) - min(longitudes), _LEAST_DEGREES) * (1 + 2 * _MARGIN)
        high = max(max(latitudes) - min(latitudes), _LEAST_DEGREES) * (1 + 2 * _MARGIN)
        unit = min(_WIDTH / (wide * shrink), _MOST_HEIGHT / high)
        # What is narrower than the picture is in its middle.
        west = (min(longitudes) + max(longitudes)) / 2 - _WIDTH / (2 * unit * shrink)
        north = (min(latitudes) + max(latitudes)) / 2 + high / 2
        return cls(west, north, unit * shrink, unit, high * unit)

    def at(self, longitude: float, latitude: float) -> dict[str, float]:
        """The attributes of a circle there."""
        return {"cx": (longitude - self.west) * self.across, "cy": (self.north - latitude) * self.down}

    def group(self, spots: Sequence[str]) -> str:
        """The circles of alerts, and by what a browser places more of them."""
        # As texts: numbers in pictures have few decimals, which are degrees here.
        by = {"west": self.west, "north": self.north, "across": self.across, "down": self.down}
        known = {f"data_{name}": f"{value:.6f}" for name, value in by.items()}
        return element("g", *(spots or [""]), id="spots", **known)


def _dot(view: _View, station: Station) -> str:
    return element("circle", tooltip(f"Station {station.name}"), r=3, **view.at(station.lon, station.lat))


def _spot(view: _View, alert: Alert, place: tuple[float, float]) -> str:
    said = tooltip(f"{alert.title}, {alert.subject}")
    return element("circle", said, r=7, data_alert=alert.id, class_="spot", **view.at(*place))
