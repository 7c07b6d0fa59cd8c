"""stream → deliveries → history, alerts, warehouse: live reports, only where there is a stream of them."""

from dataclasses import asdict
from datetime import timedelta

import dagster as dg
from pydantic import Field

from crime_assets.defs.assets.common import OWNERS, POOL, table_schema
from crime_assets.defs.names import Names
from crime_assets.incidents.warehouse.following import load_chain
from crime_assets.lakehouse import schema
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.live import ALERTS, HISTORY, SCHEMA
from crime_assets.lakehouse.upkeep.live import Kept, remove_old_objects
from crime_assets.lakehouse.upkeep.orphans import remove_orphans_of_live
from crime_assets.lakehouse.writing import fir
from crime_assets.profiles import Profile
from crime_assets.profiles.live import LiveReports

GROUP = "live"
STREAM = "fir_stream"


class FirExpiryConfig(dg.Config):
    """How long objects of live reports are kept, and files that no table needs any more."""

    delivery_days: float = Field(default=35.0, ge=1.0, description="Days of deliveries; never one that was not loaded.")
    alert_days: float = Field(default=90.0, ge=1.0, description="Days of alerts; they stay in live.fir_alerts.")
    quarantine_days: float = Field(default=30.0, ge=1.0, description="Days of what was no report.")
    grace_hours: float = Field(default=24.0, ge=1.0, description="Hours since a file was last written to.")


def stream(names: Names) -> dg.AssetSpec:
    """The stream itself, which nothing here makes."""
    return dg.AssetSpec(
        names.key(STREAM),
        group_name=GROUP,
        owners=OWNERS,
        kinds={"stream"},
        description="Reports as police stations send them. `crime-assets stream run` reads them and raises alerts, if "
        "it is not Firehose that writes them to the landing store.",
    )


def build(names: Names, *, has_alerts: bool, has_warehouse: bool) -> list[dg.AssetsDefinition]:
    """What is made of it; `has_alerts` if a consumer raises them, `has_warehouse` if reports are loaded into one."""
    alerts = [_alerts(names)] if has_alerts else []
    warehouse = [_warehouse(names)] if has_warehouse else []
    return [_deliveries(names), _history(names), *alerts, *warehouse, _expiry(names, has_alerts, has_warehouse)]


def _deliveries(names: Names) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix, deps=names.keys(STREAM), group_name=GROUP, kinds={"file"}, owners=OWNERS, pool=POOL
    )
    def fir_deliveries(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """What was delivered of the stream: objects numbered without a gap, with every report that came.

        The consumer of the stream writes them. Only where there is none, and Firehose writes the stream to the landing
        store, they are made here, of each object of Firehose once.
        """
        live = LiveReports(profile)
        if live.firehose:
            # One process at a time, whoever starts runs.
            with lake.writing():
                live.firehose.deliver()
        known, last = fir.landed(lake, live.store, live.name, live.epoch)
        return dg.MaterializeResult(metadata={"epoch": live.epoch, "last": last, "waiting": last - known})

    return fir_deliveries


def _history(names: Names) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("fir_deliveries"),
        group_name=GROUP,
        kinds={"iceberg"},
        owners=OWNERS,
        pool=POOL,
        metadata=_described(HISTORY, schema.fir_history()),
    )
    def fir_history(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """Every report once, in its newest version: the table live.fir_history, of which changed months are rewritten.

        Deliveries that bring nothing new make no snapshot.
        """
        live = LiveReports(profile)
        return _told(fir.merge_reports(lake, live.store, live.name, live.epoch))

    return fir_history


def _alerts(names: Names) -> dg.AssetsDefinition:
    @dg.asset(
        key_prefix=names.prefix,
        deps=names.keys("fir_history"),
        group_name=GROUP,
        kinds={"iceberg"},
        owners=OWNERS,
        pool=POOL,
        metadata=_described(ALERTS, schema.FIR_ALERTS),
    )
    def fir_alerts(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """Every revision of every alert: the table live.fir_alerts. They were told when they were raised."""
        live = LiveReports(profile)
        return _told(fir.add_alerts(lake, live.store, live.name, live.epoch))

    return fir_alerts


def _warehouse(names: Names) -> dg.AssetsDefinition:
    @dg.asset(key_prefix=names.prefix, deps=names.keys("fir_history"), group_name=GROUP, kinds={"sql"}, owners=OWNERS)
    def fir_warehouse(profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]) -> dg.MaterializeResult[None]:
        """The same reports in PostgreSQL or Redshift, loaded from the deliveries that the lake's history has.

        Each is loaded once, whoever was stopped.
        """
        live = LiveReports(profile)
        until = fir.read_to(lake, HISTORY).get(live.epoch, 0)
        return dg.MaterializeResult(
            metadata=asdict(load_chain(live.warehouse(), live.store, live.name, live.epoch, until))
        )

    return fir_warehouse


def _expiry(names: Names, has_alerts: bool, has_warehouse: bool) -> dg.AssetsDefinition:
    loaded = names.keys("fir_history", *["fir_alerts"] * has_alerts, *["fir_warehouse"] * has_warehouse)

    @dg.asset(
        key_prefix=names.prefix, deps=loaded, group_name=GROUP, kinds={"file", "iceberg"}, owners=OWNERS, pool=POOL
    )
    def fir_expiry(
        config: FirExpiryConfig, profile: dg.ResourceParam[Profile], lake: dg.ResourceParam[Lake]
    ) -> dg.MaterializeResult[None]:
        """Removes old objects of live reports, and files that no table needs: of expired snapshots and killed steps.

        No delivery goes before the history, and the warehouse if there is one, have it.
        """
        live, now = LiveReports(profile), profile.clock()
        kept = Kept(config.delivery_days, config.alert_days, config.quarantine_days)
        warehouse = live.warehouse() if has_warehouse else None
        removed = remove_old_objects(lake, live.store, live.name, warehouse, now, kept)
        if live.firehose:
            with lake.writing():
                live.firehose.forget()
        files = remove_orphans_of_live(lake, now - timedelta(hours=config.grace_hours))
        return dg.MaterializeResult(metadata={**removed, **asdict(files)})

    return fir_expiry


def _told(merged: fir.Merged) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": merged.rows,
            "objects": merged.objects,
            "read": merged.read,
            "changed": merged.changed,
            "number": merged.number,
        }
    )


def _described(name: str, columns: tuple[schema.Column, ...]) -> dict[str, object]:
    return {
        "dagster/column_schema": table_schema((one.name, one.type, one.doc) for one in columns),
        "dagster/table_name": f"{SCHEMA}.{name}",
    }
