"""The page of forecasts, its map and its files, for whoever may see the whole city; small numbers are hidden."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crime_assets.core.errors import UsageError
from crime_assets.publishing.charts.svg import framed
from crime_assets.publishing.dashboard.answers import SHOWN, file_answer, html
from crime_assets.publishing.dashboard.files import WRITERS
from crime_assets.publishing.dashboard.forecast_choice import AREA, DAYS, OFFENSES, read_asked
from crime_assets.publishing.dashboard.forecast_effects import effects_of
from crime_assets.publishing.dashboard.forecast_figures import Forecast, in_words
from crime_assets.publishing.dashboard.forecast_list import picture, places_of
from crime_assets.publishing.dashboard.forecast_scored import Scored
from crime_assets.publishing.forecasts import Forecasts
from crime_assets.publishing.published import published_by
from crime_assets.publishing.typeset import png
from crime_assets.streams import LandingStore


class ForecastPages:
    """Answers to requests; `viewer` says what is seen by who is logged in."""

    def __init__(self, city: str, forecasts: Forecasts, landing: LandingStore, threshold: int, viewer: str) -> None:
        self._city = city
        self._forecasts = forecasts
        self._landing = landing
        self._threshold = threshold
        self._viewer = viewer

    def page(self, request: Request) -> Response:
        """The page of a choice."""
        forecast = self._chosen(request)
        return html("forecast.html", viewer=self._viewer, **self._values(forecast))

    def map(self, request: Request) -> Response:
        """Its map, as svg or png."""
        kind = request.path_params["kind"]
        if kind not in ("svg", "png"):
            raise UsageError(f"The map is available as svg and png, not as {kind[:20]!r}.")
        forecast = self._chosen(request)
        about = forecast.about
        source = (
            f"Made of the open data of {about.title}, as known on {about.as_of_day}. Not for decisions about people."
        )
        drawn = framed(picture(forecast, self._landing), source)
        name = f"{forecast.asked.file(self._city, 'map')}.{kind}"
        if kind == "svg":
            return file_answer(drawn.encode(), "image/svg+xml", name)
        return file_answer(png(drawn), "image/png", name)

    def table(self, request: Request) -> Response:
        """One of its tables, as csv or parquet."""
        name, kind = request.path_params["name"], request.path_params["kind"]
        if kind not in WRITERS:
            raise UsageError(f"Tables are available as {' and '.join(WRITERS)}, not as {kind[:20]!r}.")
        forecast = self._chosen(request)
        media, write = WRITERS[kind]
        found = forecast.table(name)
        request.scope[SHOWN] |= {"rows": found.num_rows}
        return file_answer(write(found), media, f"{forecast.asked.file(self._city, name)}.{kind}")

    def _chosen(self, request: Request) -> Forecast:
        """What an address asks for; the scope of the request says of which day it is."""
        days = self._forecasts.days(self._city)
        if not days:
            raise UsageError("There are no forecasts here any more: materialize forecast_pages for a Sunday.")
        asked = read_asked(request.query_params, days)
        request.scope[SHOWN] = {"as_of": str(asked.day)}
        return Forecast(self._forecasts.of(self._city, asked.day), asked, self._threshold)

    def _values(self, forecast: Forecast) -> dict[str, Any]:
        scored, total = Scored(forecast), forecast.total
        return {
            "about": forecast.about,
            "asked": forecast.asked,
            "title": forecast.title,
            "total": total,
            "method": in_words(total["method"]),
            "best_count": in_words(total["best_count"]),
            "is_counted": forecast.is_counted,
            "choices": {
                "target": OFFENSES,
                "days": DAYS,
                "share": AREA,
                "day": {day.isoformat(): day.isoformat() for day in self._forecasts.days(self._city)},
            },
            "pairs": len(OFFENSES) * len(DAYS),
            "published": published_by(self._city),
            **places_of(forecast, self._landing),
            **scored.values(),
            **effects_of(forecast, scored),
        }
