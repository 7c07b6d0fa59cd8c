"""Where the pages of forecasts are; they are loaded only once a lake has a file of forecasts."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from crime_assets.core import keys
from crime_assets.core.errors import UsageError
from crime_assets.profiles import Profile
from crime_assets.publishing.reading import lately

if TYPE_CHECKING:
    from crime_assets.publishing.dashboard.forecast_page import ForecastPages


class ForecastRoutes:
    """The addresses of the forecasts of the profile's city, for who sees the whole of it; `viewer` says who that is."""

    def __init__(self, profile: Profile, viewer: str) -> None:
        self.city = profile.city.name
        self._viewer = viewer
        self._landing = profile.landing
        self._threshold = profile.settings.small_numbers
        self._cache: Path = profile.settings.home / "cache" / "forecasts"
        self._lock = threading.Lock()
        self._pages: ForecastPages | None = None
        self.are_there = lately(self._look)
        """Whether there is a file of forecasts to link to."""

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/forecast", self._page),
            Route("/forecast/map.{kind}", self._map),
            Route("/forecast/{name}.{kind}", self._table),
        ]

    def _page(self, request: Request) -> Response:
        return self._made().page(request)

    def _map(self, request: Request) -> Response:
        return self._made().map(request)

    def _table(self, request: Request) -> Response:
        return self._made().table(request)

    def _look(self) -> bool:
        prefix = keys.forecasts_prefix(self.city)
        return any(keys.forecast_day(item.key) is not None for item in self._landing.list(prefix))

    def _made(self) -> ForecastPages:
        """The pages. UsageError if there is no file that they could be of."""
        if not self.are_there():
            raise UsageError("There are no forecasts here yet: materialize forecast_pages for a Sunday.")
        with self._lock:
            if self._pages is None:
                # Most dashboards have no forecasts, and statistics take a while to load.
                from crime_assets.publishing.dashboard.forecast_page import ForecastPages
                from crime_assets.publishing.forecasts import Forecasts

                shelf = Forecasts(self._landing, self._cache)
                self._pages = ForecastPages(self.city, shelf, self._landing, self._threshold, self._viewer)
            return self._pages
