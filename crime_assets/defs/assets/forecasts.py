"""crimes → forecasts: the study area, scores of past windows, what is said of the next ones every Sunday, its pages."""

from collections.abc import Iterator

import dagster as dg

from crime_assets.core import keys
from crime_assets.defs.assets.common import (
    OWNERS,
    POOL,
    TOGETHER,
    chart_of,
    days_of,
    preview,
    rows_shown,
    table_schema,
)
from crime_assets.defs.names import Names
from crime_assets.defs.work import forecasting
from crime_assets.defs.work.forecasting import ForecastResult
from crime_assets.engines import Engine
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.writing.forecasts import PLACES, SAID, SCORES
from crime_assets.profiles import Profile
from crime_assets.publishing.charts.calibration import calibration
from crime_assets.publishing.forecasts import days_to_write, write
from crime_assets.sources.cities import City

GROUP = "forecasts"
_WHAT = {
    "forecast_cells": "Records expected in each cell in the next 7, 28 and 90 days, and by each count beside it.",
    "forecast_areas": "The same by community area, with intervals.",
    "forecast_exposure": "Whom the list would expose to patrols: flagged cells by area, beside residents and records.",
    "forecast_totals": "The same for the whole city, with the verdict in words: whether a model beats counting.",
}
_UNITS = {"cells": "cells", "top": "flagged cells", "areas": "community areas", "city": "the city's total"}
"""What intervals are of, in words."""
_NOT_MADE = "not made: nobody had this forecast then; the windows are in forecast_scores as replayed"
_NO_PAGES = "not made: pages show the forecasts of Sundays, and a range makes those of its newest one"


class PlacesConfig(dg.Config):
    """How to make the study area."""

    anew: bool = False
    """Make another one: scores of the one before count no more."""


def build(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> list[dg.AssetsDefinition]:
    """The assets of forecasts; nothing follows `crimes` by itself: a schedule asks for Sundays."""
    return [_places(names, city), _scores(names, days, city), _forecasts(names, days, city), _pages(names, days)]


def _described(city: City, name: str) -> dict[str, object]:
    return {
        "dagster/column_schema": table_schema((column.name, column.type, column.doc) for column in FORECASTS[name]),
        "dagster/table_name": f"{city.name}.{name}",
    }


def _places(names: Names, city: City) -> dg.AssetsDefinition:
    @dg.asset(
        name=PLACES,
        key_prefix=names.prefix,
        deps=names.keys("crimes"),
        group_name=GROUP,
        kinds={"iceberg", "python"},
        owners=OWNERS,
        pool=POOL,
        metadata=_described(city, PLACES),
    )
    def forecast_places(
        config: PlacesConfig, profile: dg.ResourceParam[Profile], engine: dg.ResourceParam[Engine]
    ) -> dg.MaterializeResult[None]:
        """The study area of forecasts: cells in the city's boundaries, and those with records before the lake began.

        It is made once and then kept, because scores compare only within one.
        """
        rows, is_new = forecasting.make_places(profile, engine, anew=config.anew)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": rows.num_rows,
                "inside_boundaries": sum(rows["is_inside"].to_pylist()),
                "area_id": rows["area_id"][0].as_py() if rows.num_rows else "none",
                "kept": not is_new,
            }
        )

    return forecast_places


def _scores(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    @dg.asset(
        name=SCORES,
        key_prefix=names.prefix,
        deps=names.keys("crimes", PLACES),
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name=GROUP,
        kinds={"iceberg", "python"},
        owners=OWNERS,
        pool=POOL,
        metadata=_described(city, SCORES),
    )
    def forecast_scores(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile], engine: dg.ResourceParam[Engine]
    ) -> None:
        """Scores of past windows as of a Sunday: of forecasts that were published, and replays of days without one.

        It reads the forecasts of earlier weeks from the lake, which the graph does not show: that would be a circle.
        """
        day = forecasting.sunday_of(days_of(context))
        found = forecasting.score(profile, engine, day, context.log.info)
        context.add_asset_metadata(
            {
                "published": found.published,
                "replayed": found.replayed,
                "replayed_in_squares": found.in_squares,
                "made_final": found.final,
                "changed": len(found.changed),
                "seconds": round(found.seconds, 1),
            },
            partition_key=day.isoformat(),
        )

    return forecast_scores


def _forecasts(names: Names, days: dg.DailyPartitionsDefinition, city: City) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="__".join([*names.prefix, "forecasts"]),
        specs=[
            dg.AssetSpec(
                names.key(name),
                deps=names.keys("crimes", PLACES, SCORES),
                description=what,
                group_name=GROUP,
                kinds={"iceberg", "python"},
                owners=OWNERS,
                metadata=_described(city, name),
            )
            for name, what in _WHAT.items()
        ],
        partitions_def=days,
        backfill_policy=TOGETHER,
        pool=POOL,
    )
    def forecasts(
        context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile], engine: dg.ResourceParam[Engine]
    ) -> Iterator[dg.MaterializeResult[None]]:
        asked = days_of(context)
        day = forecasting.sunday_of(asked)
        found = forecasting.make(profile, engine, day)
        for name in SAID:
            key = names.key(name)
            described = _said(profile, found) if name == SAID[-1] else {}
            context.add_asset_metadata(
                {
                    "dagster/partition_row_count": dg.MetadataValue.int(found.rows[name]),
                    "said": dg.MetadataValue.text("now" if found.said else "before, and kept as it is"),
                    **described,
                },
                asset_key=key,
                partition_key=day.isoformat(),
            )
            for other in asked:
                if other != day:
                    context.add_asset_metadata({"file": _NOT_MADE}, asset_key=key, partition_key=other.isoformat())
            yield dg.MaterializeResult(asset_key=key)

    return forecasts


def _pages(names: Names, days: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys(*SAID, SCORES),
        partitions_def=days,
        backfill_policy=TOGETHER,
        group_name=GROUP,
        kinds={"duckdb", "file"},
        owners=OWNERS,
        pool=POOL,
    )
    def forecast_pages(context: dg.AssetExecutionContext, profile: dg.ResourceParam[Profile]) -> None:
        """What pages show of the forecasts as of a Sunday, in one file, so that nobody waits for the lake.

        Files of another release are made again with it. Only those of the last 13 Sundays are kept.
        """
        asked = days_of(context)
        day = forecasting.sunday_of(asked)
        for one in days_to_write(profile, day):
            rows = write(profile, one)
            if one == day:
                said = {
                    "file": profile.landing.location(keys.forecast(profile.city.name, day)),
                    "rows": dg.MetadataValue.json(rows),
                }
                context.add_asset_metadata(said, partition_key=day.isoformat())
        for other in asked:
            if other != day:
                context.add_asset_metadata({"file": _NO_PAGES}, partition_key=other.isoformat())

    return forecast_pages


def _said(profile: Profile, found: ForecastResult) -> dict[str, dg.MetadataValue]:
    totals = found.totals.select(["target", "horizon", "expected", "low_80", "high_80", "sentence"])
    verdicts = preview(totals.column_names, [tuple(row.values()) for row in totals.to_pylist()])
    held = [
        (_UNITS[one.unit], nominal / 100, share, windows)
        for one in found.calibration
        for nominal, share, windows in zip(one.nominal, one.held, one.counts, strict=True)
        if share is not None
    ]
    return {
        **rows_shown(profile, {"verdicts": verdicts}),
        "calibration": chart_of(calibration("What intervals held, in finished windows", held)),
        "trained_windows": dg.MetadataValue.int(max(found.totals["trained_windows"].to_pylist())),
        "seconds": dg.MetadataValue.float(round(found.seconds, 1)),
    }
