"""The dashboard's pictures of a choice: each is drawn from a table of `figures`, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from crime_assets.core.errors import UsageError
from crime_assets.publishing.cells import ring
from crime_assets.publishing.charts.bars import bars
from crime_assets.publishing.charts.heat import heat
from crime_assets.publishing.charts.lines import Point, line
from crime_assets.publishing.charts.maps import Area, Dot, draw
from crime_assets.publishing.charts.scales import classes
from crime_assets.publishing.charts.svg import framed
from crime_assets.publishing.dashboard.choice import ALL, CLASSES, MAPS, NONE, PERIODS, Choice
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.extract import About
from crime_assets.publishing.reading import Extract
from crime_assets.publishing.shapes import shapes_of
from crime_assets.streams import LandingStore

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_BARS = 12
_DOTS = 60


class Pictures:
    """The pictures of one choice."""

    def __init__(self, figures: Figures, extract: Extract, landing: LandingStore) -> None:
        self._figures = figures
        self._extract = extract
        self._landing = landing
        self._choice = figures.choice

    def draw(self, name: str) -> str:
        """A picture as SVG. UsageError for an unknown name."""
        drawn: Mapping[str, Callable[[], str]] = {
            "map": self._map,
            "trend": self._trend,
            "hours": self._hours,
            "types": self._types,
        }
        if name not in drawn:
            raise UsageError(f"There is no picture {name[:40]!r}: choose one of {', '.join(drawn)}.")
        return drawn[name]()

    def framed(self, name: str) -> str:
        """The same for download, with what it shows above it and where it is from below it."""
        about = self._figures.about
        return framed(self.draw(name), f"Data of the open-data portal of {about.title}, as known on {about.as_of_day}.")

    def _map(self) -> str:
        return self._hotspots() if self._choice.map == "hotspots" else self._areas()

    def _areas(self) -> str:
        level = self._choice.map
        counts = {str(row["area"]): row["crimes"] for row in self._figures.table("areas").to_pylist() if row["area"]}
        shapes, is_outlined = shapes_of(self._landing, self._extract, level)
        title = self._title(f"Crimes by {level.replace('_', ' ')}")
        if not shapes and not self._figures.published.has("block"):
            return bars(title, list(counts)[:_BARS], list(counts.values())[:_BARS])
        links = self._figures.links(level)
        marked = {"district": self._choice.district, "beat": self._choice.beat}.get(level, ALL)
        areas = [
            Area(
                name=f"{MAPS[level].removesuffix('s')} {name}",
                rings=rings,
                value=counts.get(name, 0),
                link=links.get(name),
                is_marked=name == marked,
                is_of_cells=not is_outlined,
                label=name.lstrip("0") if level == "district" else None,
            )
            for name, rings in shapes.items()
            if self._is_on_map(level, name, counts)
        ]
        steps = classes([float(value) for value in counts.values() if value])
        return draw(title, areas, steps, self._dots())

    def _is_on_map(self, level: str, name: str, counts: Mapping[str, int | None]) -> bool:
        """All districts; other areas only those in the district; beats only the chosen one, with its blocks."""
        if level == "beat" and self._choice.beat != ALL:
            return name == self._choice.beat
        return level == "district" or self._choice.district == ALL or name in counts

    def _dots(self) -> list[Dot]:
        """The blocks of a chosen beat."""
        if self._choice.beat in (ALL, NONE):
            return []
        return [
            Dot(str(row["block"]), row["longitude"], row["latitude"], float(row["crimes"]))
            for row in self._figures.table("blocks").slice(0, _DOTS).to_pylist()
            if row["crimes"] is not None and row["latitude"] is not None and row["longitude"] is not None
        ]

    def _hotspots(self) -> str:
        """Cells that are hot, over all districts in pale."""
        found = hot_cells(self._figures)
        hot = {str(row["cell"]): row["crimes"] for row in found}
        shapes, _ = shapes_of(self._landing, self._extract, "district")
        links = self._figures.links("district")
        around = [
            Area(f"District {name}", rings, None, link=links.get(name), is_background=True)
            for name, rings in shapes.items()
        ]
        cells = [
            Area(
                f"Hot cell {cell}",
                [ring(cell)],
                None if crimes is None else float(str(crimes)),
                is_marked=True,
                is_of_cells=True,
            )
            for cell, crimes in hot.items()
        ]
        steps = classes([float(str(crimes)) for crimes in hot.values() if crimes])
        return draw(f"Hot spots, {hotspots_described(self._choice, self._figures.about)}", [*around, *cells], steps)

    def _trend(self) -> str:
        rows = self._figures.table("trend").to_pylist()
        points = [
            Point(str(row["first_day"]), row["crimes"], row.get("expected_crimes"), is_settled=not row.get("unsettled"))
            for row in rows
        ]
        unit = {"28d": "day", "365d": "week", "all": "month"}[self._choice.period]
        return line(self._title(f"Crimes a {unit}", is_of_period=False), points)

    def _hours(self) -> str:
        values = {
            (WEEKDAYS[row["iso_weekday"] - 1], str(row["hour"])): row["crimes"]
            for row in self._figures.table("hours").to_pylist()
        }
        return heat(self._title("Crimes by weekday and hour"), WEEKDAYS, [str(hour) for hour in range(24)], values)

    def _types(self) -> str:
        rows = self._figures.table("types").slice(0, _BARS).to_pylist()
        labels = [row["primary_type"] or "not recorded" for row in rows]
        return bars(self._title("Crimes by offense category"), labels, [row["crimes"] for row in rows])

    def _title(self, what: str, *, is_of_period: bool = True) -> str:
        about = self._figures.about if is_of_period else None
        return f"{what}, {described(self._choice, about)}"


def hot_cells(figures: Figures) -> list[dict[str, object]]:
    """The hot cells of a choice; there are none for the class `other` alone, or for all years."""
    period, offense_class = _hotspots_of(figures.choice)
    return figures.insight("hotspots", period=period, offense_class=offense_class, is_hot="1")


def hotspots_described(choice: Choice, about: About) -> str:
    """Which hot spots are shown for a choice, in words."""
    period, offense_class = _hotspots_of(choice)
    return f"{CLASSES[offense_class].lower()}, the whole city, {period_in_words(period, about)}"


def _hotspots_of(choice: Choice) -> tuple[str, str]:
    offense_class = choice.offense_class if choice.offense_class in ("violent", "property") else ALL
    return "28d" if choice.period == "28d" else "365d", offense_class


def period_in_words(period: str, about: About) -> str:
    """A period with its days, and where the records begin if that is later."""
    first, last = about.days_of(period)
    is_longer = first is not None and about.first_crime is not None and about.first_crime > first
    begins = f" (records begin on {about.first_crime})" if is_longer else ""
    return f"{PERIODS[period]} {f'from {first} ' if first else ''}to {last}{begins}"


def described(choice: Choice, about: About | None = None) -> str:
    """A choice in words; with its period and its days where `about` says them."""
    period = period_in_words(choice.period, about) if about else f"as known on {choice.day}"
    return f"{CLASSES[choice.offense_class].lower()}, {place_in_words(choice)}, {period}"


def place_in_words(choice: Choice) -> str:
    """The place of a choice."""
    if choice.beat != ALL:
        return f"beat {choice.beat}"
    return {ALL: "the whole city", NONE: "no district on record"}.get(choice.district, f"district {choice.district}")
