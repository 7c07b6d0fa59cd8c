"""Columns of the forecast tables. A forecast is said once, for the days after its as-of day, and never changes."""

from __future__ import annotations

from collections.abc import Mapping

from crime_assets.lakehouse.schema import Column

_KEY = (
    Column("as_of_day", "date", "Change day up to which the forecast knows, a Sunday.", required=True),
    Column(
        "target",
        "string",
        "violent_street, burglary, vehicle_theft, robbery or index: docs/forecasts.md.",
        required=True,
    ),
    Column("horizon", "int", "Days ahead: 7, 28 or 90.", required=True),
)
_INTERVALS = (
    Column("expected", "double", "Records expected in the window, by `method`.", required=True),
    Column("low_80", "int", "Lower bound of the interval that holds 80 of 100 counts.", required=True),
    Column("high_80", "int", "Upper bound of it.", required=True),
    Column("low_95", "int", "Lower bound of the interval that holds 95 of 100 counts.", required=True),
    Column("high_95", "int", "Upper bound of it.", required=True),
)
_CAUSES = (
    Column("from_long_run", "double", "Share of the mixture that comes from all history and the last years."),
    Column("from_years", "double", "Share from half a year to a year back."),
    Column("from_weeks", "double", "Share from the last weeks."),
    Column("from_neighbors", "double", "Share from places nearby."),
    Column("from_season", "double", "Share from the same season in earlier years."),
    Column("from_elsewhere", "double", "Share from other targets, and spread evenly. The six add to 1."),
)
_METHOD = Column("method", "string", "Which count or model `expected` is: the best by finished windows.", required=True)

FORECAST_PLACES = (
    Column("cell", "string", "Identifier of the H3 cell, resolution 9.", required=True),
    Column("latitude", "double", "Latitude of its center, degrees.", required=True),
    Column("longitude", "double", "Longitude of its center, degrees.", required=True),
    Column("area", "string", "Community area of its center, else that of most of its records; NULL if unknown."),
    Column("km2", "double", "Its area, square kilometers.", required=True),
    Column("is_inside", "boolean", "Inside the city's boundaries; false: records lie in it, no more.", required=True),
    Column("area_id", "string", "Digest of all cells: scores compare only within one.", required=True),
)

FORECAST_CELLS = (
    *_KEY,
    Column("first_day", "date", "First day of the window, the one after as_of_day.", required=True),
    Column("last_day", "date", "Last day of the window.", required=True),
    Column("cell", "string", "Identifier of the H3 cell, resolution 9.", required=True),
    Column("latitude", "double", "Latitude of its center, degrees.", required=True),
    Column("longitude", "double", "Longitude of its center, degrees.", required=True),
    Column("area", "string", "Community area; NULL if unknown."),
    _METHOD,
    *_INTERVALS,
    Column("place", "int", "Position by expected, from 1 on; equal ones by all history.", required=True),
    Column("flagged", "int", "Smallest of 1, 2 and 5 percent of the area that it is among; else NULL."),
    Column("is_capped_out", "boolean", "Left out of the list by CRIME_FORECAST_AREA_CAP.", required=True),
    Column("expected_365d", "double", "Expected by the counts of the last 365 days.", required=True),
    Column("expected_3y", "double", "Expected by the counts of three years.", required=True),
    Column("expected_all", "double", "Expected by the counts of all history.", required=True),
    Column("expected_decayed", "double", "Expected by counts that weigh less the older they are.", required=True),
    Column("expected_kde", "double", "Expected by the last 365 days, smoothed over places nearby.", required=True),
    Column("expected_last_year", "double", "Expected by the same days of last year.", required=True),
    Column("expected_mixture", "double", "Expected by the mixture; NULL with too few finished windows."),
    Column("expected_trees", "double", "Expected by boosted trees; NULL without the extra, or too few windows."),
    Column("expected_mean", "double", "Expected by the geometric mean of both; NULL likewise."),
    Column("place_counting", "int", "Position by the best count.", required=True),
    Column("records_365d", "long", "Records of the last 365 complete days.", required=True),
    Column("records_all", "long", "Records of all history.", required=True),
    *_CAUSES,
    Column("trend", "string", "emerging, fading or NULL: the last 28 complete days against the 365 before."),
    Column("trend_q", "double", "q-value of the trend, over all cells; NULL where there are too few records."),
)

FORECAST_AREAS = (
    *_KEY,
    Column("area", "string", "Community area.", required=True),
    _METHOD,
    *_INTERVALS,
    Column("records_28d", "long", "Records of the last 28 complete days.", required=True),
    Column("records_last_year", "long", "Records of the same days of last year; NULL if history begins after them."),
)

FORECAST_TOTALS = (
    *_KEY,
    Column("first_day", "date", "First day of the window.", required=True),
    Column("last_day", "date", "Last day of the window.", required=True),
    Column("known_to", "date", "Last day of occurrence that is complete.", required=True),
    Column("known_share", "double", "Share of the last 28 complete days' records that is known; NULL if not learnt."),
    Column("placed_share", "double", "Share of the city's records that lie in a cell of the area.", required=True),
    *_INTERVALS,
    Column(
        "level",
        "string",
        "Which of the four ways in which the city's total is expected weighs most in it.",
        required=True,
    ),
    _METHOD,
    Column("best_count", "string", "The count that has found most in finished windows.", required=True),
    Column("candidate", "string", "The model that is held against it; NULL if there is none."),
    Column("verdict", "string", "better, as good, worse, too few or no model.", required=True),
    Column("sentence", "string", "The verdict in words.", required=True),
    Column("gain", "double", "Records that the model finds more than the best count, as a share of these."),
    Column("gain_low", "double", "Lower bound of its 95 % interval."),
    Column("gain_high", "double", "Upper bound of its 95 % interval."),
    Column("p_holm", "double", "Chance of such a gain without a better model, adjusted over all pairs."),
    Column("origins", "int", "Finished windows that the verdict is of.", required=True),
    Column("half_life", "int", "Half-life of `decayed`, days.", required=True),
    Column("kde_meters", "int", "Width of `kde`, meters.", required=True),
    Column("trained_windows", "int", "Finished windows that the models are of.", required=True),
    *_CAUSES,
    Column("cells", "int", "Cells of the study area.", required=True),
    Column("area_id", "string", "Digest of them.", required=True),
    Column("models", "string", "Models that were there, with their releases; empty if none.", required=True),
    Column(
        "release",
        "string",
        "Of the statements and the method: changes when anything is computed otherwise.",
        required=True,
    ),
    Column("made_on", "timestamptz", "When it was made.", required=True),
)

FORECAST_SCORES = (
    *_KEY,
    Column("grid", "string", "h3-9, or nij-600ft: squares of 600 feet.", required=True),
    Column("method", "string", "The count or model that is scored.", required=True),
    Column("share", "double", "Percent of the area that is flagged.", required=True),
    Column(
        "basis", "string", "published, or replayed: made afterwards by what was known on the as-of day.", required=True
    ),
    Column("state", "string", "provisional, or final once late records have come.", required=True),
    Column("scored_to", "date", "As-of day of the records by which it is scored.", required=True),
    Column("in_verdict", "boolean", "Whether the verdict counts it: every fourth week.", required=True),
    Column("cells", "int", "Cells that are flagged.", required=True),
    Column("hits", "double", "Records in these.", required=True),
    Column("crimes", "long", "Records of the window, those without a place included.", required=True),
    Column("pai", "double", "Prediction accuracy index: share of records found, over the share of the area."),
    Column("pei", "double", "Prediction efficiency index: records found, over the most that so many cells could have."),
    Column("rri", "double", "Recapture rate: records expected in flagged cells, over those found."),
    Column("deviance", "double", "Mean Poisson deviance of the cells, at the true total."),
    Column("expected", "double", "Records expected in the city.", required=True),
    Column("level_error", "double", "That over what came, less 1; NULL if nothing came."),
    *(
        Column(
            f"coverage_{nominal}_{unit}",
            "double",
            f"Share of {what} that the {nominal} % interval holds; NULL where intervals were not made.",
        )
        for nominal in (80, 90, 95)
        for unit, what in (
            ("cells", "cells"),
            ("top", "flagged cells"),
            ("areas", "community areas"),
            ("city", "city totals, one a window,"),
        )
    ),
    Column("area_id", "string", "Digest of the study area's cells.", required=True),
)

FORECAST_EXPOSURE = (
    *_KEY,
    Column("area", "string", "Community area.", required=True),
    Column("flagged_cells", "int", "Its cells among the flagged 2 % of the area.", required=True),
    Column("share_flagged", "double", "Their share of all flagged cells.", required=True),
    Column(
        "share_records_365d", "double", "The area's share of the records of the last 365 complete days.", required=True
    ),
    Column("share_residents", "double", "The area's share of the residents of 2020; NULL if unknown."),
    Column("ratio_residents", "double", "Share of flagged cells over share of residents."),
    Column("ratio_records", "double", "Share of flagged cells over share of records."),
    Column(
        "weeks_flagged", "int", "Weeks of the last year's lists in which any of its cells was on one.", required=True
    ),
    Column("weeks", "int", "Those lists.", required=True),
    Column(
        "kept_share", "double", "Share of the whole list that was on the list four weeks before; NULL if there is none."
    ),
    Column(
        "cost_25", "double", "Share of finds lost in finished windows if no area had 2.5 times its share of records."
    ),
    Column("cost_20", "double", "The same with twice its share."),
    Column("cost_15", "double", "The same with one and a half times its share."),
)

FORECASTS: Mapping[str, tuple[Column, ...]] = {
    "forecast_places": FORECAST_PLACES,
    "forecast_cells": FORECAST_CELLS,
    "forecast_areas": FORECAST_AREAS,
    "forecast_totals": FORECAST_TOTALS,
    "forecast_scores": FORECAST_SCORES,
    "forecast_exposure": FORECAST_EXPOSURE,
}
"""Table → its columns. All but the first are partitioned by as_of_day."""
