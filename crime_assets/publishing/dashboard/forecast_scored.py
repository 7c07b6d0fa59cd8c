"""What the page of forecasts says of finished windows: whether a model is better, what was said, and what came.

Statistics are those of `analysis.forecasts`, by which the verdict was reached; windows whose numbers are too few to be
shown are left out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from crime_assets.analysis.forecasts import FEWEST_WINDOWS
from crime_assets.analysis.forecasts.champions import MODELS, MOST_ORIGINS
from crime_assets.analysis.forecasts.counts import METHODS
from crime_assets.analysis.forecasts.intervals import FEWEST as FEWEST_OF_INTERVALS
from crime_assets.analysis.forecasts.scores import NOMINALS, UNITS
from crime_assets.analysis.forecasts.verdicts import gain_of
from crime_assets.publishing.charts.calibration import calibration
from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.charts.several import Series, several
from crime_assets.publishing.charts.whiskers import Whisker, whiskers
from crime_assets.publishing.dashboard.forecast_figures import (
    Forecast,
    Row,
    expected,
    in_words,
    known,
    numbered,
    shown_table,
    signed_percent,
)
from crime_assets.publishing.dashboard.page import ShownTable
from crime_assets.publishing.dashboard.values import Cell

_OURS, _NIJ = "h3-9", "nij-600ft"
_SHARES = (1.0, 2.0, 5.0)
_UNITS = dict(zip(UNITS, ("cells", "flagged cells", "community areas", "the whole city"), strict=True))
_INTERVALS_OF = 2.0
"""Percent of the area in whose rows coverage stands."""


class Scored:
    """Finished windows of one offense and horizon, in the study area of the forecast."""

    def __init__(self, forecast: Forecast) -> None:
        self._forecast = forecast
        rows = [row for row in forecast.rows("scores") if row["area_id"] == forecast.about.area_id]
        # Where a window was published and replayed, what was published takes the place of the other.
        ordered = sorted(rows, key=lambda row: str(row["basis"]), reverse=True)
        self._by = {(row["as_of_day"], row["method"], row["share"]): row for row in ordered if row["grid"] == _OURS}
        self._squares = {(row["as_of_day"], row["method"], row["share"]): row for row in ordered if row["grid"] == _NIJ}
        self._methods = [name for name in (*METHODS, *MODELS) if any(method == name for _, method, _ in self._by)]

    def values(self) -> dict[str, Any]:
        """The values for the template."""
        windows = self._windows()
        return {
            "windows": len(windows),
            "replayed": sum(row["basis"] == "replayed" for row in windows),
            "fewest": FEWEST_WINDOWS,
            "is_guessed": len(windows) < FEWEST_OF_INTERVALS,
            "gains": self._gains(),
            "in_crimes": self._in_crimes(),
            "methods": self._table_of_methods(),
            "is_uneven": len({len(self._of(method, _SHARES[1])) for method in self._methods}) > 1,
            "said_and_came": self._said_and_came(windows),
            "said": self._table_of_windows(windows),
            "calibration": self._calibration(),
            "squares": self._table_of_squares(),
        }

    def found(self, method: str) -> tuple[float, float, float] | None:
        """Of finished windows: records that a method's marked cells had, all records, and marked cells; None if none.

        It is of the share of the area that was asked for.
        """
        rows = [
            row
            for row in self._of(method, float(self._forecast.asked.share))
            if row["hits"] is not None and row["crimes"] is not None
        ]
        if not rows:
            return None
        hits, crimes, cells = (float(sum(row[name] for row in rows)) for name in ("hits", "crimes", "cells"))
        return hits, crimes, cells

    def hits(self, *methods: str) -> list[list[float]]:
        """What each of these found in the windows that a verdict counts and all of them were scored in."""
        share = float(self._forecast.asked.share)
        by = [
            {row["as_of_day"]: row["hits"] for row in self._of(method, share) if row["in_verdict"]}
            for method in methods
        ]
        days = [day for day in sorted(set.intersection(*map(set, by))) if all(one[day] is not None for one in by)]
        return [[float(one[day]) for day in days[-MOST_ORIGINS:]] for one in by]

    def _of(self, method: str, share: float) -> list[Row]:
        return [row for (_, name, percent), row in self._by.items() if name == method and percent == share]

    def _windows(self) -> list[Row]:
        """A row of each window, the oldest first: that of the published method, if it was scored."""
        method, share = self._forecast.total["method"], float(self._forecast.asked.share)
        found: dict[date, Row] = {}
        for (day, name, percent), row in self._by.items():
            if percent == share and (day not in found or name == method):
                found[day] = row
        return [found[day] for day in sorted(found)]

    def _gains(self) -> str:
        """The picture of each method's gain over the best count; empty with too few windows."""
        asked, count = self._forecast.asked, self._forecast.total["best_count"]
        rows = []
        for method in self._methods:
            if method == count:
                continue
            one, other = self.hits(method, count)
            if len(other) >= FEWEST_WINDOWS and any(other):
                gain = gain_of((asked.target, asked.days), np.array(one), np.array(other))
                rows.append(Whisker(in_words(method, begins=True), gain.gain, *gain.interval()))
        title = f"{asked.words} found in {asked.share} % of the area, against {in_words(count)}, with 95 % intervals"
        return whiskers(f"More or fewer {title}", rows, in_words(count)) if rows else ""

    def _in_crimes(self) -> str:
        """How many more the model finds than the best count, in a sentence; empty where there is nothing to say."""
        total, asked = self._forecast.total, self._forecast.asked
        if total["candidate"] is None:
            return ""
        model, count = self.hits(total["candidate"], total["best_count"])
        if len(model) < FEWEST_WINDOWS:
            return ""
        more = (sum(model) - sum(count)) / len(model)
        return (
            f"In crimes: {abs(more):.1f} {'more' if more >= 0 else 'fewer'} in the whole city in {asked.days} days. On "
            f"the average of {len(model)} windows, {in_words(total['best_count'])} found "
            f"{sum(count) / len(count):.1f} {asked.words} in {asked.share} % of the area, and "
            f"{in_words(total['candidate'])} {sum(model) / len(model):.1f}."
        )

    def _table_of_methods(self) -> ShownTable:
        rows = []
        for method in self._methods:
            of = {share: [row for row in self._of(method, share) if row["in_verdict"]] for share in _SHARES}
            rows.append(
                {
                    "Method": Cell(in_words(method, begins=True)),
                    **{
                        name.upper(): numbered(" / ".join(_mean(of[one], name) for one in _SHARES)) for name in _FIGURES
                    },
                    "Deviance": numbered(_mean(of[_SHARES[1]], "deviance", 3)),
                    "Windows": numbered(f"{len(of[_SHARES[1]])}"),
                }
            )
        title = "Each count and each model, in 1 / 2 / 5 % of the area"
        return shown_table("methods", title, self._days(), rows)

    def _table_of_squares(self) -> ShownTable:
        """Scores on the squares of the National Institute of Justice's challenge; no rows where there are none."""
        rows = []
        for method in (*METHODS, *MODELS):
            for share in sorted({share for _, name, share in self._squares if name == method}):
                of = [row for (_, name, one), row in self._squares.items() if (name, one) == (method, share)]
                figures = {name.upper(): numbered(_mean(of, name)) for name in _FIGURES}
                area = {"Percent of the area": numbered(f"{share:.3g}"), "Squares": numbered(f"{of[0]['cells']:,}")}
                row = {"Method": Cell(in_words(method, begins=True)), **area, **figures}
                rows.append({**row, "Windows": numbered(f"{len(of)}")})
        return shown_table("squares", "The same in squares of 600 feet", self._days(), rows)

    def _said_and_came(self, windows: Sequence[Row]) -> str:
        is_published = [row["basis"] == "published" for row in windows]
        lines = [
            Series(
                "expected (filled: published, hollow: replayed)", [row["expected"] for row in windows], is_published
            ),
            Series("came", [row["crimes"] for row in windows], is_published),
        ]
        title = f"{self._forecast.title}: records expected in {self._forecast.asked.days} days, and what came"
        return several(title, [f"{row['as_of_day']}" for row in windows], lines, lambda value: number(round(value)))

    def _table_of_windows(self, windows: Sequence[Row]) -> ShownTable:
        asked = self._forecast.asked
        rows = [
            {
                "As of": Cell(f"{row['as_of_day']}"),
                "Window": Cell(_window(row)),
                "Expected": numbered(expected(row["expected"])),
                "Came": numbered(_count(row["crimes"])),
                "Said over came": numbered(known(row["level_error"], signed_percent)),
                f"Found in {asked.share} %": numbered(_count(row["hits"])),
                "Was": Cell(f"{row['basis']}, {row['state']}"),
            }
            for row in reversed(windows)
        ]
        return shown_table("windows", "What was said and what came", self._days(), rows)

    def _calibration(self) -> str:
        """The picture of how often intervals held; empty if none was judged."""
        found = []
        for unit, words in _UNITS.items():
            for nominal in NOMINALS:
                name = f"coverage_{nominal}_{unit}"
                held = [row[name] for (_, _, share), row in self._by.items() if share == _INTERVALS_OF]
                shares = [one for one in held if one is not None]
                if shares:
                    found.append((words, nominal / 100, sum(shares) / len(shares), len(shares)))
        title = f"{self._forecast.title}, {self._forecast.asked.days} days: how often intervals held what came"
        return calibration(title, found) if found else ""

    def _days(self) -> str:
        """From which as-of day to which the windows are."""
        days = sorted({day for day, _, _ in self._by})
        return f"forecasts as of {days[0]} to {days[-1]}" if days else "no window is finished"


_FIGURES = ("pai", "pei", "rri")


def _mean(rows: Sequence[Mapping[str, Any]], name: str, digits: int = 2) -> str:
    found = [row[name] for row in rows if row[name] is not None]
    return f"{sum(found) / len(found):.{digits}f}" if found else NOT_SHOWN


def _count(value: float | None) -> str:
    return NOT_SHOWN if value is None else number(value)


def _window(row: Row) -> str:
    day: date = row["as_of_day"]
    return f"{day + timedelta(days=1)} to {day + timedelta(days=int(row['horizon']))}"
